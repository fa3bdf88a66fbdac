#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What goes wrong on the way: devices that lose replies, restart, are switched off or reset, an operator with Ctrl-C, two
# processes at once, a full disk. Every device ends Provisioned, or in an error that says what to do and then Provisioned.
. "${PV_TOP_SRCDIR:-.}/tests/e2e/lib.sh"
. "$PV_TOP_SRCDIR/tests/e2e/fleet.sh"

begin=$SECONDS

# begin_part NAME OPTION...: fresh devices and a fresh site, quick to try again
begin_part() {
	part=$1
	dir=$work/$1
	shift
	start_sim --set restart-msec=20 --seed "$part" "$@"
	make_site
	edit "$PROVOST_SITE" '. + { "connect-timeout": 2, "request-timeout": 2 }'
	edit "$dir/site/standard.json" '. + { retries: 3, "retry-wait": 1 } | (.stages[] | select(.stage == "commit")).wait = 1'
	import_fleet
}

check_part() {
	ok "/e2e/faults/$part/states-are-read" collect
	ok "/e2e/faults/$part/provisioned" all_provisioned
	ok "/requirements/S12-12.4/$part/passwords" passwords_work
	ok "/requirements/S12-12.4/$part/accounts" accounts_fit
	ok "/requirements/S12-10.4/$part/no-orphans" no_orphans
	ok "/e2e/faults/$part/no-lock-out" never_locked
	ok "/e2e/faults/$part/audit-log" audit_intact
}

# provision: a run whose end is in $dir/out.json
provision() {
	"$provost" provision --all --json >"$dir/out.json" 2>>"$dir/run.log"
	printf 'ended with %s\n' "$?" >>"$dir/run.log"
}

# ended_in FILTER NAME: the device's last run fits
ended_in() {
	none "$dir/out.json" ".devices[] | select(.name == \"$2\") | select($1 | not) | { name, status, job }"
}

# Every change that the stages make, with each way to go wrong, on a device of its own.
modern=(AMT_PublicKeyManagementService.GenerateKeyPair AMT_PublicKeyManagementService.GeneratePKCS10RequestEx
	AMT_PublicKeyManagementService.AddCertificate AMT_TimeSynchronizationService.SetHighAccuracyTimeSynch
	AMT_GeneralSettings.Put AMT_TLSCredentialContext.Create AMT_AuthorizationService.SetAdminAclEntryEx
	AMT_SetupAndConfigurationService.SetMEBxPassword AMT_SetupAndConfigurationService.CommitChanges
	AMT_AuthorizationService.AddUserAclEntryEx AMT_KerberosSettingData.Put AMT_SystemPowerScheme.SetPowerScheme)
legacy=(AMT_PublicKeyManagementService.AddKey AMT_PublicKeyManagementService.AddCertificate
	AMT_AuthorizationService.SetAdminAclEntryEx AMT_SetupAndConfigurationService.CommitChanges)
actions=(close-before close-after restart)

# fault_rows PERSONALITY METHOD...: rows "personality method action"
fault_rows() {
	local personality=$1 method action
	shift
	for method in "$@"; do
		for action in "${actions[@]}"; do
			echo "$personality $method:1:$action"
		done
	done
}

write_fleet() {
	jq -Rn '[ inputs | split(" ") | { personality: .[0], set: { fault: .[1] } } ] as $rows |
		{ devices: [ $rows | to_entries[] | .value + { name: ("pc-" + (10001 + .key | tostring | .[1:])) } ] }'
}

{
	fault_rows 16.1 "${modern[@]}"
	fault_rows 6.2 "${legacy[@]}"
	actions=(fault400 slow:300 slow:3000)
	fault_rows 16.1 AMT_PublicKeyManagementService.AddCertificate AMT_AuthorizationService.SetAdminAclEntryEx \
		AMT_SetupAndConfigurationService.CommitChanges
	for number in 3 11 19 27 35 43 51 59; do
		echo "16.1 *:$number:close-after"
		echo "16.1 *:$number:restart"
	done
	echo '16.1 AMT_PublicKeyManagementService.GenerateKeyPair:1:status:2061'
	echo '16.1 AMT_PublicKeyManagementService.GenerateKeyPair:1:status:2066'
	echo '16.1 AMT_SetupAndConfigurationService.CommitChanges:1:status:2057'
} >"$work/rows"
write_fleet <"$work/rows" >"$work/fleet.json"
begin_part replies --fleet "$work/fleet.json"
provision
number=0
while read -r personality fault; do
	number=$((number + 1))
	name=$(printf 'pc-%04d' "$number")
	# a device that answers that it refuses is not asked again; of everything else the job recovers by itself
	case $fault in
	*:fault400 | *:status:2057)
		want='.job.state == "failed" and (.job.text | test("^stage [a-z-]+: .*(AccessDenied|DATA_MISSING)"))' ;;
	*) want='.status == "Provisioned"' ;;
	esac
	ok "/e2e/faults/replies/$personality/$fault" ended_in "$want" "$name"
done <"$work/rows"
ok /e2e/faults/replies/all-happened test "$(grep -c 'note=fault script' "$dir/sim.log")" -eq "$number"
provision
check_part
stop_sim
echo "# replies: $((SECONDS - begin)) s"

# The first devices are switched off when stage 1, 2 and so on has ended, and on again when their jobs wait for them; the
# second half is reset to factory state at the same moments.
between=$((stages - 1)) # moments between two stages
begin_part visits --devices $((2 * between))
mkfifo "$dir/progress"
"$provost" provision --all >"$dir/run.out" 2>"$dir/progress" &
running=$!
declare -A off=()
while IFS= read -r line; do
	printf '%s\n' "$line" >>"$dir/run.log"
	[[ $line =~ ^pc-00([0-9]{2}):\ (([0-9]+)/$stages|waits|failed) ]] || continue
	name=pc-00${BASH_REMATCH[1]} number=$((10#${BASH_REMATCH[1]})) stage=${BASH_REMATCH[3]}
	if [ -n "${off[$name]:-}" ] && [ -z "$stage" ]; then
		simulator on "$name"
		unset "off[$name]"
	elif [ "$number" = "$stage" ]; then
		simulator off "$name"
		off[$name]=1
	elif [ "$number" -gt "$between" ] && [ $((number - between)) = "$stage" ]; then
		simulator reset "$name" --state in
	fi
done <"$dir/progress"
wait "$running"
for name in "${!off[@]}"; do simulator on "$name"; done
"$provost" status --json >"$dir/out.json"
for ((number = 1; number <= 2 * between; number++)); do
	name=$(printf 'pc-%04d' "$number")
	if [ "$number" -le "$between" ]; then
		ok "/e2e/faults/visits/off-after-stage-$number" ended_in '.status == "Provisioned"' "$name"
	else
		ok "/e2e/faults/visits/reset-after-stage-$((number - between))" ended_in \
			'.status == "Provisioned" or (.job.state == "failed" and (.job.text | test("^stage [a-z0-9-]+: [a-z]")))' "$name"
	fi
done
jq -r '.devices[] | select(.job.text != null) | "# \(.name) \(.status): \(.job.text)"' "$dir/out.json"
# the administrator says that they were reset
for ((number = between + 1; number <= 2 * between; number++)); do
	"$provost" reset "$(printf 'pc-%04d' "$number")" 2>>"$dir/run.log"
done
provision
check_part
stop_sim
echo "# visits: $((SECONDS - begin)) s"

# Ctrl-C in the middle: the jobs go back, and the same command goes on. All lose the answer to their CommitChanges.
begin_part interrupt --devices 6 --personality 16.1,6.2 --set lost-reply-commit=true
mkfifo "$dir/progress"
"$provost" provision --all >"$dir/run.out" 2>"$dir/progress" &
running=$!
told=no
while IFS= read -r line; do
	printf '%s\n' "$line" >>"$dir/run.log"
	# a second signal would end it at once
	[[ $told == no && $line == *": 4/$stages "* ]] && told=yes && kill -INT "$running"
done <"$dir/progress"
wait "$running"
ok /e2e/faults/interrupt/exit-code test $? -eq 130
"$provost" status --json >"$dir/out.json"
ok /e2e/faults/interrupt/jobs-go-back none "$dir/out.json" \
	'.devices[] | select(.job.state | test("^(queued|parked|done)$") | not) | { name, job }'
ok /e2e/faults/interrupt/work-is-left test "$(jq '[ .devices[] | select(.job.state != "done") ] | length' "$dir/out.json")" -gt 0
provision
check_part
ok /requirements/S12-10.4/interrupt/one-certificate-each one_issued_each
ok /requirements/S12-12.1/interrupt/nothing-repeated nothing_repeated
stop_sim
echo "# interrupt: $((SECONDS - begin)) s"

# Two processes at once on one store: each device is done once, and both end well.
begin_part two --devices 8
"$provost" provision --all >"$dir/one.out" 2>"$dir/one.log" &
running=$!
"$provost" provision --all >"$dir/other.out" 2>"$dir/other.log"
other=$?
wait "$running"
ok /e2e/faults/two/first-ends-well test $? -eq 0
ok /e2e/faults/two/second-ends-well test "$other" -eq 0
ok /e2e/faults/two/both-show-all diff <(grep -c Provisioned "$dir/one.out") <(grep -c Provisioned "$dir/other.out")
check_part
ok /requirements/S12-10.4/two/one-certificate-each one_issued_each
ok /requirements/S12-12.1/two/nothing-repeated nothing_repeated
committed_once() {
	none "$dir/dumps.json" '.[] | select(.counters.commits != 1) | { name, commits: .counters.commits }'
}
ok /e2e/faults/two/committed-once committed_once
stop_sim
echo "# two: $((SECONDS - begin)) s"

# What another product left in the device: its profile, access entries, keys and TLS binding go; the root that it trusted
# stays, for nothing tells that nobody needs it.
jq -n '{ devices: [ ("16.1", "9.5", "6.2") | { personality: ., set: { wireless: "true", fault: "*:start:leftovers" } } ] }' >"$work/left.json"
begin_part leftovers --fleet "$work/left.json"
edit "$PROVOST_SITE" '.variables = { wired8021x: true, wireless: true }'
collect || bail 'collect'
ok /e2e/faults/leftovers/are-there none "$dir/dumps.json" '.[] | select((any(.wireless.profiles[]; .name == "former") and
	any(.acl[]; .user == "former") and any(.keys[]; ."in-use" | not)) | not) | .name'
provision
collect || bail 'collect'
ok /e2e/faults/leftovers/provisioned all_provisioned
ok /requirements/S12-11.2/leftovers/access-list none "$dir/dumps.json" '.[] | select(any(.acl[]; .user == "former")) | { name, acl }'
ok /requirements/S12-11.8/leftovers/profiles none "$dir/dumps.json" '.[] | select([ .wireless.profiles[].name ] != ["corp"]) | { name, wireless }'
ok /requirements/S12-11.9/leftovers/keys none "$dir/dumps.json" '.[] | select((.keys | length) != 3 or (.keys | all(."in-use") | not)) |
	{ name, keys }'
ok /requirements/S12-11.9/leftovers/certificates none "$dir/dumps.json" '.[] | .name as $name | .certificates[] |
	select((."in-use" or ."trusted-root") | not) | { name: $name, subject }'
jq '[ .[].counters.writes ]' "$dir/dumps.json" >"$dir/writes"
provision
collect || bail 'collect'
ok /e2e/faults/leftovers/once jq -e --slurpfile before "$dir/writes" '[ .[].counters.writes ] == $before[0]' "$dir/dumps.json"
stop_sim
echo "# leftovers: $((SECONDS - begin)) s"

# The store on a small disk of its own, in a mount namespace that ends with the test. Without the right to mount, the
# size of files is bounded instead.
begin_part disk --devices 4
program=$provost
if unshare --mount --propagation private true 2>"$dir/unshare.log"; then
	unshare --mount --propagation private sleep 600 &
	holder=$!
	pids+=("$holder")
	inside() { nsenter --target "$holder" --mount -- "$@"; }
	own_space() { [ "$(readlink "/proc/$holder/ns/mnt")" != "$(readlink /proc/self/ns/mnt)" ]; }
	await 10 own_space || bail 'no mount namespace'
	# the site's own folder becomes the small disk: its files name it
	mkdir "$dir/before"
	cp -a "$dir/site/." "$dir/before"
	inside mount -t tmpfs -o size=16m,mode=700 none "$dir/site" || bail 'tmpfs cannot be mounted'
	inside cp -a "$dir/before/." "$dir/site" || bail 'the site cannot be copied'
	provost_inside() { inside "$program" "$@"; }
	provost=provost_inside
	# provost_with KIB: provision with that much room
	provost_with() {
		inside sh -c 'cat /dev/zero >"$1/filler" 2>"$2"; truncate -s "-$3" "$1/filler"' - "$dir/site" "$dir/cat.log" "$1K"
		provost_inside provision --all
		local status=$?
		inside rm "$dir/site/filler"
		return "$status"
	}
	inside mount -o remount,ro "$dir/site"
	"$provost" provision --all >"$dir/frozen.out" 2>"$dir/frozen.log"
	ok /e2e/faults/disk/read-only-ends test $? -eq 78
	ok /e2e/faults/disk/read-only-is-told grep "open store $dir/site/store.db: read-only: " "$dir/frozen.log"
	inside mount -o remount,rw "$dir/site"
	ok /e2e/faults/disk/read-only-leaves-devices-alone test "$(for name in "${devices[@]}"; do
		dump "$name" .counters.writes
	done | sort -u)" = 0
else
	skip /e2e/faults/disk/read-only "no right to mount: $(head -n 1 "$dir/unshare.log")"
	provost_with() {
		(
			trap '' XFSZ
			ulimit -f "$1"
			"$program" provision --all
		)
	}
fi
for size in 64 300 600; do
	provost_with "$size" >"$dir/full.out" 2>"$dir/full.log"
	status=$?
	# how far a room suffices is SQLite's business, but not the smallest one's
	ok "/e2e/faults/disk/$size/ends" test "$status" -eq 1 -o "$size$status" = 3000 -o "$size$status" = 6000
	[ "$status" -eq 0 ] || ok "/e2e/faults/disk/$size/is-told" \
		grep -E "write store $dir/site/store.db: (disk full|disk I/O error|.*too large)" "$dir/full.log"
	sed "s/^/full $size: /" "$dir/full.log" >>"$dir/run.log"
done
provision
if [ "$provost" != "$program" ]; then
	# the checks read the files of the site
	inside cp -a "$dir/site/." "$dir/before"
	kill "$holder" && wait "$holder" 2>"$dir/wait.log"
	provost=$program
	cp -a "$dir/before/." "$dir/site"
fi
check_part
ok /requirements/S12-10.4/disk/one-certificate-each one_issued_each
ok /requirements/S12-12.1/disk/nothing-repeated nothing_repeated
stop_sim
echo "# disk: $((SECONDS - begin)) s"
done_testing
