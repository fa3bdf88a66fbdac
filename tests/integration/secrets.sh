#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The same search as tests/e2e/secrets.sh where a directory and a CA are servers: the service's password for Active Directory, the
# accounts' passwords that it sets there and logs in with, and the CA's challenge pass through LDAP, Kerberos and SCEP.
. "$(dirname "$0")/samba/lib.bash"
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"
cd "$work" || exit 1
samba_start
samba_delegate full
suite=/integration/secrets

openssl req -x509 -newkey rsa:2048 -nodes -keyout root.key -out root.pem -days 800 -subj '/CN=SCEP Root' \
	-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign >openssl.log 2>&1 || bail "$(cat openssl.log)"
mkfifo double.ready double.end
LD_LIBRARY_PATH=$PV_TOP_BUILDDIR/tests/.libs:$LD_LIBRARY_PATH "$(find_program tests/integration/ca/scep-double)" root.pem root.key \
	<double.end >double.ready 2>double.log &
pids+=("$!")
exec 6>double.end
read -r -t 20 port <double.ready || bail "scep-double did not start: $(cat double.log)"

start_sim --devices 2 --personality 16.1,19 --state pre --set restart-msec=20
make_site
edit site/standard.json '(.stages[] | select(.stage == "clock")).synchronised = "ignore" | (.stages[] | select(.stage == "commit")).wait = 1 |
	(.stages[] | select(.stage == "wsman-acl")).entries = [ { group: "AMT Admins", realms: [ "PTAdministration" ] } ]'
edit "$PROVOST_SITE" ".listener = { address: \"$net.250\" } | .login = { kerberos: true } |
	.directory = { type: \"ad\", domain: \"example.com\", user: \"svc-amt\", password: { secret: \"svc\" }, ou: \"OU=AMT Devices\" } |
	.ca = { type: \"scep\", url: \"http://127.0.0.1:$port/scep\", roots: \"$work/root.pem\", challenge: { secret: \"scep\" } }"
printf %s "$AD_SERVICE_PASSWORD" | "$provost" --quiet secret set svc || bail 'secret set svc'
printf %s Zutritt.7711 | "$provost" --quiet secret set scep || bail 'secret set scep'
import_fleet

"$provostd" --verbose >daemon.log 2>&1 &
daemon=$!
pids+=("$daemon")
await 20 grep -q 'listening on' daemon.log || bail "provostd: $(cat daemon.log)"
for device in "${devices[@]}"; do
	simulator start "$device"
	simulator hello "$device" --to "$net.250:9971"
done
all_done() {
	"$provost" status
	[ "$("$provost" status --json | jq '[.devices[] | select(.status == "Provisioned")] | length')" = 2 ]
}
ok $suite/fleet-is-provisioned await 120 all_done

printf '%s\n' "$AD_SERVICE_PASSWORD" Zutritt.7711 >known
for device in "${devices[@]}"; do
	for name in admin mebx account; do
		"$provost" secret show "$device" "$name" --reveal >>known 2>>show.log
	done
done
ok $suite/all-are-known same 'secrets' "$(grep -c . known)" 8
# absent PLACE...: none of the secrets is there
absent() {
	python3 "$PV_TOP_SRCDIR/tests/e2e/find-secrets" known "$@"
}
finds_path() {
	echo "$PROVOST_SITE" >path
	! python3 "$PV_TOP_SRCDIR/tests/e2e/find-secrets" path "memory:$daemon"
}
ok /requirements/S12-06.1/servers/not-in-arguments-or-environment absent "/proc/$daemon/cmdline" "/proc/$daemon/environ"
ok /requirements/S12-06.1/servers/not-in-logs-and-store absent daemon.log site
# AddressSanitizer keeps what was freed, by libkrb5 and others, where else it is used again at once
if grep -q libasan "/proc/$daemon/maps"; then
	skip /requirements/S12-06.1/servers/not-in-memory-that-may-be-swapped 'a sanitizer keeps what was freed'
elif [ "$(awk '{ print $1, $2 }' /proc/self/uid_map)" = '0 0' ]; then
	ok $suite/memory-is-read finds_path
	ok /requirements/S12-06.1/servers/not-in-memory-that-may-be-swapped absent "memory:$daemon"
else
	skip /requirements/S12-06.1/servers/not-in-memory-that-may-be-swapped 'only root may read the memory of a service that forbids it'
fi
exec 6>&-
done_testing
