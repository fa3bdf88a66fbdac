#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# provostd as a process: start, hellos over the network, signals, stop.
. "${PV_TOP_SRCDIR:?}/tests/cli/tap.bash" || exit 1
provostd=${PROVOSTD:-$PV_TOP_BUILDDIR/provostd}
: >"$work/out"
: >"$work/err"

copy_plugins
# an address of our own, so that the port is free
address=127.$((RANDOM % 200 + 20)).$((RANDOM % 250 + 1)).$((RANDOM % 250 + 1))
site=$work/site/site.json
uuid=4c4c4544-0042-3010-8051-b4c04f4e3332
stranger=4c4c4544-0042-3010-8051-b4c04f4e9999
"$provost" site init "$work/site" --plugin-path "$work/plugins" 2>"$work/err"
ok /service/daemon/site $?
[ -e "$site" ] || finish
sed -i "0,/{/s//{ \"listener\": { \"address\": \"$address\" },/" "$site"
PROVOST_SITE=$site
export PROVOST_SITE
"$provost" --quiet add pc1 pc1.example.com "$uuid"

# start: sets $daemon; its log comes through file descriptor 7
start() {
	exec 7< <(exec "$provostd" 2>&1 & echo $!; wait $!; echo "exit $?")
	read -r -t 30 -u 7 daemon
}

# await PATTERN: reads the log up to a line with the pattern, which is in $line then
await() {
	while read -r -t 30 -u 7 line; do
		echo "$line" >>"$work/err"
		case $line in *"$1"*) return 0 ;; esac
	done
	return 1
}

# hello BYTES: a hello of the device with these last two bytes of UUID, in octal escapes, and one root hash
hello() {
	local root
	root=$(printf '\\253%.0s' {1..32})
	# shellcheck disable=SC2059
	printf '\0\0\3\0\0\0\0\0DELLB\0\0200\200Q\264\300ON'"$1"'\1\2 '"$root" >"/dev/tcp/$address/9971"
}

expect_daemon() {
	local name=$1 want=$2 text=$3
	shift 3
	"$provostd" "$@" >"$work/out" 2>&1
	code=$?
	[ "$code" -eq "$want" ] && grep -qF -- "$text" "$work/out"
	ok "$name" $?
}
expect_daemon /service/daemon/wrong-option 64 'teapot' --teapot
expect_daemon /service/daemon/argument 64 'takes no arguments; "provostd --help" tells more' x
expect_daemon /service/daemon/no-site 78 "$work/none.json" --site "$work/none.json"
expect_daemon /service/daemon/version 0 'provostd ' --version

start
await "listening on $address port 9971"
ok /service/daemon/listening $?
# secrets are in its memory
grep -Eq '^Max core file size +0 +0 ' "/proc/$daemon/limits"
ok /requirements/S12-06.1/no-core-dump $?
expect_daemon /service/daemon/port-taken 1 "listen on $address port 9971"

printf 'GET / HTTP/1.0\r\n\r\n' >"/dev/tcp/$address/9971"
await 'refused'
ok /service/daemon/junk $?
hello '\231\231'
await "$stranger: unknown device"
ok /requirements/S07-1.36/unknown-device-is-told $?
"$provost" log --audit >"$work/out"
grep -q hello-unknown "$work/out"
ok /requirements/S07-1.36/unknown-device-is-audited $?
"$provost" show "$stranger" >"$work/out" 2>&1
[ $? -eq 1 ]
ok /requirements/S07-1.36/unknown-device-is-not-added $?

hello '32'
await 'pc1: job 1 begins'
ok /service/daemon/known-device-begins $?
"$provost" show pc1 >"$work/out" 2>&1
grep -q 'hello.hashes' "$work/out"
ok /service/daemon/hashes-are-kept $?

kill -HUP "$daemon"
await 'restart provostd'
ok /service/daemon/hangup $?
kill -TERM "$daemon"
await 'exit 0'
ok /service/daemon/stop $?
"$provost" log --audit >/dev/null && "$provost" audit verify >"$work/out" 2>&1
ok /service/daemon/audit-log-is-intact $?
finish
