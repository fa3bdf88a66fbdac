#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a simulated device was asked, recorded, and answered again from the file.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"

# replay FILE OPTION...: answers at the address of the device, in the background; its words are in $work/replay.*
replay() {
	rm -f "$work/replay.ready"
	mkfifo "$work/replay.ready"
	"$sim" replay "$@" >"$work/replay.ready" 2>"$work/replay.err" &
	replay_pid=$!
	pids+=("$replay_pid")
	exec 7<"$work/replay.ready"
	local line=
	read -r -t 30 line <&7 || bail "replay did not start: $(cat "$work/replay.err")"
	same 'the first line' "$line" "ready $3"
}

# replayed CODE SUMMARY: how it ended; SUMMARY is a pattern of the shell
replayed() {
	local summary=
	read -r -t 30 summary <&7
	wait "$replay_pid"
	code=$?
	pids=("${pids[@]/#$replay_pid/}")
	# shellcheck disable=SC2053
	[[ $summary = $2 ]] && same 'exit code' "$code" "$1" && return
	echo "summary: $summary"
	cat "$work/replay.err"
	return 1
}

# refused TEXT ARGUMENT...: provost-sim replay ends at once, and says so
refused() {
	local wanted=$1
	shift
	timeout 30 "$sim" replay "$@" >"$work/out" 2>&1
	code=$?
	said 1 "provost-sim replay: $wanted"
}

# A plan changes nothing: with the recording instead of the device it comes out the same.
dir=$work/plan
start_sim --record "$dir/tape"
make_site
import_fleet
device=${devices[0]}
tape=$dir/tape/$device.json
run plan "$device"
ok /e2e/record/planned said 2
cp "$work/out" "$work/planned"
stop_sim
rows=$(jq '.exchange | length' "$tape")
ok /e2e/record/has-rows [ "$rows" -ge 5 ]
ok /e2e/replay/ready replay "$tape" --listen "$net.1:16993" --tls
run plan "$device"
# but the clock: the device's is that of then
without_clock() { grep -v '^[^ ]*  clock ' "$1"; }
ok /e2e/replay/plan-is-the-same cmp <(without_clock "$work/out") <(without_clock "$work/planned")
ok /e2e/replay/all-rows replayed 0 "served $rows of $rows rows, refused 0 requests"

# A client that asks for something else: row 3 is not what it was.
jq '.exchange[2].expect.contains = ["<r:Elsewhere>"]' "$tape" >"$work/changed.json"
ok /e2e/replay/changed-ready replay "$work/changed.json" --listen "$net.1:16993" --tls
run plan "$device"
ok /e2e/replay/changed-plan-differs said 2 'GetUuid: InternalError:'
kill "$replay_pid"
ok /e2e/replay/changed-ends replayed 1 "served 2 of $rows rows, refused [1-9]* requests"
ok /e2e/replay/changed-names-the-row grep -F \
	"$work/changed.json: row 3 of $rows, exchange[2]: expected it to contain <r:Elsewhere>, got" "$work/replay.err"

# What ends before its rows do
ok /e2e/replay/unasked-ready replay "$tape" --listen "$net.1:16993"
kill "$replay_pid"
ok /e2e/replay/unasked replayed 1 "served 0 of $rows rows, refused 0 requests"

# The rows of the stages' tests are of the same format.
fixture=$PV_TOP_SRCDIR/plugins/network-identity/tests/already.json
ok /e2e/replay/fixture-ready replay "$fixture" --listen "$net.1:16992"
kill "$replay_pid"
ok /e2e/replay/fixture replayed 1 'served 0 of * rows, refused 0 requests'

# Files and ports that are no good
replay_bad() {
	printf '%s' "$2" >"$work/bad.json"
	refused "read recording $work/bad.json$1" "$work/bad.json" --listen "$net.1:16993"
}
ok /e2e/replay/bad/syntax replay_bad ': <data>:1:' '[ { ]'
ok /e2e/replay/bad/empty replay_bad ':' ''
ok /e2e/replay/bad/no-rows replay_bad ':1: there is no row in it' '[]'
ok /e2e/replay/bad/no-exchange replay_bad ':1: expected rows' '{ "rows": [] }'
ok /e2e/replay/bad/no-answer replay_bad ':2: exchange[0]: expected { "expect"' $'{ "exchange": [\n{ "expect": {} } ] }'
ok /e2e/replay/bad/body-type replay_bad ':2: [0].answer.body: expected text' \
	$'[ { "expect": {},\n"answer": { "body": 7 } } ]'
ok /e2e/replay/bad/contains-type replay_bad ':1: [0].expect.contains: expected an array of texts' \
	'[ { "expect": { "contains": "x" }, "answer": {} } ]'
ok /e2e/replay/bad/member replay_bad ':1: [0].answer.boddy: no such member' \
	'[ { "expect": {}, "answer": { "boddy": "" } } ]'
ok /e2e/replay/bad/reference replay_bad ':1: [0].answer.output: expected an object of' \
	'[ { "expect": {}, "answer": { "output": { "Key": { "epr": { "class": 3 } } } } } ]'
ok /e2e/replay/bad/no-file refused 'read recording: ' "$work/nothing.json" --listen "$net.1:16993"
ok /e2e/replay/bad/address refused "'nowhere' is no IPv4 ADDRESS:PORT" "$tape" --listen nowhere
ok /e2e/replay/bad/certificate refused "read certificate $tape: " "$tape" --listen "$net.1:16993" --tls \
	--certificate "$tape" --key "$tape"

dir=$work/whole
start_sim --record "$dir/tape"
make_site
quick
import_fleet
tape=$dir/tape/$device.json
ok /e2e/replay/bad/port-in-use refused "listen on $net.1:16993: " "$work/changed.json" --listen "$net.1:16993"
run provision "$device"
ok /e2e/record/provisioned said 0
look "$device"
ok /e2e/record/every-request same 'number of rows' "$(jq '.exchange | length' "$tape")" \
	"$(value "$device" '[.trace[] | select(.status != 401 and .method != "-")] | length')"
stop_sim
ok /e2e/record/mode same 'its mode' "$(stat -c %a "$tape")" 600
asked='AMT_AuthorizationService.SetAdminAclEntryEx AMT_PublicKeyManagementService.AddCertificate
	AMT_SetupAndConfigurationService.CommitChanges AMT_KerberosSettingData.Put'
for call in $asked; do
	ok "/e2e/record/has/$call" jq -e --arg call "$call" \
		'[.exchange[].expect | "\(.class).\(.method)"] | index($call) != null' "$tape"
done

# What the store knows as secret, as it is and as it is sent
secrets() {
	local name value realm
	realm=$(jq -r '[.exchange[].answer.body // "" | capture("DigestRealm>(?<it>[^<]+)").it][0]' "$tape")
	[[ $realm = Digest:* ]] || return 1
	while read -r name; do
		value=$("$provost" secret show "$device" "$name" --reveal) && [ -n "$value" ] || return 1
		printf '%s\n' "$value"
		printf '%s\n' "$value" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g'
		printf '%s' "$value" | base64 -w 0
		echo
		printf 'admin:%s:%s' "$realm" "$value" | openssl md5 -binary | base64
	done < <("$provost" secret list "$device") >"$work/secrets"
	sed -i '/^$/d' "$work/secrets"
	[ "$(wc -l <"$work/secrets")" -ge 3 ] || return 1
	! grep -F -f "$work/secrets" "$tape"
}
ok /e2e/record/no-secret secrets
done_testing
