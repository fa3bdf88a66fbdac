#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Every secret of a site and its devices is known to this test, which then looks for them, as text, base64 and UTF-16, where
# none may be: arguments and environment of the service and its children, logs, wire traces, the store, what commands print,
# and the service's memory that is not locked and so could be swapped out.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"

start_sim --devices 3 --personality 16.1,11.8,9.5 --state pre
make_site
quick
edit "$PROVOST_SITE" ".listener = { address: \"$net.250\" }"

# the password of the key file of the provisioning certificate, one of the site's own, and one that a child is given
openssl rsa -aes256 -in "$work/pki/key.pem" -passout pass:Pfx-Wort.7788 -out "$dir/site/locked.pem" 2>"$work/rsa.log" ||
	bail "openssl rsa: $(cat "$work/rsa.log")"
chmod 600 "$dir/site/locked.pem"
edit "$PROVOST_SITE" '."provisioning-certificates"[0] |= (.key = "locked.pem" | .password = { secret: "pfx" })
	| .credentials += [ { password: { secret: "factory" } } ]'
# by now the site names secrets that it does not have, and takes them all the same
give() {
	printf %s "$2" | "$provost" --quiet secret set "$1"
}
ok /e2e/secrets/given/key give pfx Pfx-Wort.7788
ok /e2e/secrets/given/child give child Kind-Wort.9911
ok /e2e/secrets/given/login give factory Nie-Genannt.4242

# a stage of the site's own: keeps what its environment and its parent's arguments and environment are
mkdir "$dir/seen" "$dir/programs"
cat >"$dir/programs/look" <<-PROGRAM
	#!/bin/bash
	cat >/dev/null
	for process in self \$PPID; do
		tr '\\0' '\\n' <"/proc/\$process/cmdline" >"$dir/seen/\$\$.\$process.cmdline"
		tr '\\0' '\\n' <"/proc/\$process/environ" >"$dir/seen/\$\$.\$process.environ"
	done
	echo '{}'
PROGRAM
chmod 700 "$dir/programs/look"
edit "$dir/site/standard.json" ".stages += [ { stage: \"exec\", program: \"$dir/programs/look\", secrets: [ { name: \"child\", value: { secret: \"child\" } } ] } ]"
edit "$PROVOST_SITE" '.plugins += ["exec"] | .plugins |= unique'
import_fleet

"$provostd" --verbose >"$dir/daemon.log" 2>&1 &
daemon=$!
pids+=("$daemon")
await 20 grep -q 'listening on' "$dir/daemon.log" || bail "provostd: $(cat "$dir/daemon.log")"
for device in "${devices[@]}"; do
	simulator start "$device"
	simulator hello "$device" --to "$net.250:9971"
done
all_done() {
	[ "$("$provost" status --json | jq '[.devices[] | select(.status == "Provisioned")] | length')" = 3 ]
}
ok /e2e/secrets/fleet-is-provisioned await 120 all_done

# What is secret: the site's, and each device's own as the store has them.
printf '%s\n' Pfx-Wort.7788 Kind-Wort.9911 Nie-Genannt.4242 >"$work/known"
for device in "${devices[@]}"; do
	for name in admin mebx account; do
		"$provost" secret show "$device" "$name" --reveal 2>>"$work/show.log" >>"$work/known"
	done
done
count_known() {
	same 'secrets' "$(grep -c . "$work/known")" 12
	cat "$work/show.log"
	[ "$(sort -u "$work/known" | grep -c .)" -ge 10 ]
}
ok /e2e/secrets/all-are-known count_known

# absent PLACE...: none of the secrets is there
absent() {
	python3 "$PV_TOP_SRCDIR/tests/e2e/find-secrets" "$work/known" "$@"
}
# it must find what is there
finds() {
	! absent "$work/known" && ! absent "memory:$1"
}
(IFS= read -r kept < <(head -n 1 "$work/known") && sleep 60 && echo "$kept") >/dev/null &
holder=$!
ok /e2e/secrets/the-search-finds await 5 finds "$holder"
kill "$holder"

"$provost" provision --all --trace "$dir/trace" >"$dir/provision.log" 2>&1
"$provost" log --limit 1000 >"$dir/events.log" 2>&1
"$provost" export >"$dir/export.csv" 2>&1
for device in "${devices[@]}"; do
	"$provost" show "$device" --json >>"$dir/show.log" 2>&1
done
traced() {
	[ -n "$(ls "$dir/trace")" ] && [ -n "$(ls "$dir/seen")" ]
}
ok /e2e/secrets/there-is-something-to-search traced
ok /requirements/S12-06.1/not-in-arguments-or-environment absent "$dir/seen" "/proc/$daemon/cmdline" "/proc/$daemon/environ"
ok /requirements/S12-06.1/not-in-logs-and-traces absent "$dir/daemon.log" "$dir/trace" "$dir/provision.log" "$dir/events.log" \
	"$dir/export.csv" "$dir/show.log"
ok /requirements/S12-12.3/not-in-the-store absent "$dir/site"
no_dumps() {
	grep -E '^Max core file size +0 +0 ' "/proc/$daemon/limits" || {
		cat "/proc/$daemon/limits"
		return 1
	}
}
ok /requirements/S12-06.1/no-core-dumps no_dumps
if [ "$(id -u)" -eq 0 ]; then
	# what is no secret is found there, so it is read
	finds_path() {
		echo "$dir/site/standard.json" >"$work/path"
		! python3 "$PV_TOP_SRCDIR/tests/e2e/find-secrets" "$work/path" "memory:$daemon"
	}
	ok /e2e/secrets/memory-is-read finds_path
	ok /requirements/S12-06.1/not-in-memory-that-may-be-swapped absent "memory:$daemon"
else
	skip /requirements/S12-06.1/not-in-memory-that-may-be-swapped 'only root may read the memory of a service that forbids it'
fi

done_testing
