#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The whole process with an OpenLDAP server as the directory, set up by the commands of the README of the sample site: from the
# box to managed, once more without a write, and every refusal by its name.
: "${PV_TOP_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}"
PATH=$PATH:/usr/sbin:/sbin
suite=/integration/slapd

skip_all() {
	echo "ok 1 $suite # SKIP $1"
	echo 1..1
	exit 0
}
# in a network of its own, where the server's name is in /etc/hosts
if [ "${PV_SLAPD_INSIDE:-}" != 1 ]; then
	for program in slapd slapadd ldapmodify ldappasswd openssl unshare ip jq; do
		command -v "$program" >/dev/null || skip_all "$program is not installed"
	done
	map=()
	[ "$(id -u)" -eq 0 ] || map=(--map-root-user)
	namespaces=(unshare "${map[@]}" --net --mount --pid --fork --kill-child --mount-proc)
	"${namespaces[@]}" ip link set lo up 2>/dev/null || skip_all 'no namespaces of its own can be had here'
	export PV_SLAPD_INSIDE=1
	exec "${namespaces[@]}" bash -c 'ip link set lo up && exec bash "$@"' sh "$0" "$@"
fi
unset PV_SLAPD_INSIDE
. "$PV_TOP_SRCDIR/tests/e2e/lib.sh"
. "$PV_TOP_SRCDIR/tests/e2e/fleet.sh"
cd "$work" || exit 1
address=127.0.0.30
printf '127.0.0.1 localhost\n%s ldap1.example.com\n' "$address" >hosts
mount --bind hosts /etc/hosts || bail 'mount over /etc/hosts'

# start_slapd: the server, made at first; stop_slapd: for good, as power failures do it
start_slapd() {
	"$PV_TOP_SRCDIR/tests/integration/slapd/up" slapd "$address" 389 636 >slapd.log 2>&1 || bail "slapd: $(cat slapd.log)"
	export SLAPD_AGAIN=1
	slapd_pid=$(cat slapd/pid)
}
stop_slapd() {
	kill -KILL "$slapd_pid"
	await 10 gone "$slapd_pid" || bail 'slapd does not end'
}
gone() {
	local state
	state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 0
	[ "$state" = Z ]
}
socket=ldapi://$(printf '%s' "$work/slapd/ldapi" | sed 's#/#%2F#g')
admin() {
	local program=$1
	shift
	"$program" -Q -Y EXTERNAL -H "$socket" "$@"
}
# show FILTER ATTRIBUTE...: as the directory's administrator sees it
show() {
	admin ldapsearch -LLL -o ldif-wrap=no -b dc=example,dc=com "$@"
}
# requests that changed something in the directory, and calls that did in the devices
directory_writes() {
	grep -cE ' (ADD|MOD|MODRDN|DEL) dn=| PASSMOD' slapd/log
}
start_slapd

# ---- the README, to the letter but for the places of the socket and of the site ----
cp -r "$PV_TOP_SRCDIR/data/sites/openldap" sample && chmod -R u+w,go-w sample || bail 'copy the sample'
cp slapd/ca.pem sample/directory-ca.pem
start_sim --devices 4 --personality 16.1,12.0 --set restart-msec=20
cp pki/chain.pem sample/amt.pem && cp pki/key.pem sample/amt.key && cp fleet.csv sample/ || bail 'the provisioning certificate'
# what a test changes: no waiting, and the plugins of the build
plugins=$(jq -n --arg path "$PV_TOP_BUILDDIR/plugins" '[ $path ]')
edit sample/site.json ". + { \"plugin-path\": $plugins } | .directory.timeout = 3"
edit sample/openldap.json '(.stages[] | select(.stage == "commit")).wait = 1 | (.stages[] | select(.stage == "clock")).synchronised = "ignore"'
# blocks HEADING: the commands below a heading of the README
blocks() {
	awk -v heading="## $1" '/^## /{ here = $0 == heading } /^```/{ inside = !inside && $0 == "```sh"; next } here && inside' \
		sample/README.md | sed "s#ldapi:///#$socket#g; s#/etc/provost/openldap#$work/site#g"
}
sed -i "s#/etc/provost/openldap#$work/site#g" sample/site.json
# follow HEADING
follow() {
	blocks "$1" >commands.sh
	[ -s commands.sh ] || return 1
	(cd sample && PATH=$work/bin:$PATH bash -e ../commands.sh)
}
# "provost" as it will be found when it is installed
mkdir bin
cat >bin/provost <<-END
	#!/bin/sh
	if [ "\$1 \$2" = 'site init' ]; then set -- "\$@" --plugin-path "$PV_TOP_BUILDDIR/plugins"; fi
	exec "$provost" "\$@"
END
chmod +x bin/provost
export PROVOST_SITE=$work/site/site.json
ok $suite/readme/directory-server follow 'On the directory server'
readme_site() {
	follow 'On the computer that provisions' >said.log 2>&1
	local status=$?
	cat said.log
	return "$status"
}
ok /requirements/S07-1.10/slapd/rights-tried readme_site
check_left_nothing() {
	! show '(cn=provost-check*)' dn | grep .
}
ok $suite/check-leaves-nothing check_left_nothing
secret_not_in_files() {
	! grep -rFqe "$1" site slapd/log said.log
}

# ---- from the box to managed ----
readme_devices() {
	import_fleet && "$provost" provision --all
}
ok $suite/provision readme_devices
collect || bail collect
ok $suite/provisioned all_provisioned
# the entry of each device, with exactly the service names of AMT's ports
accounts_are_right() {
	local name bad=0
	for name in "${devices[@]}"; do
		show "(cn=$name\$iME)" >"$name.ldif"
		[ "$(grep -c '^dn: cn=.*,ou=amt,dc=example,dc=com$' "$name.ldif")" = 1 ] || bad=1
		diff <(sed -n 's/^amtServicePrincipalName: //p' "$name.ldif" | sort) \
			<(printf "HTTP/$name.example.com:%s\n" 16992 16993 16994 16995 623 664 | sort) || bad=1
		grep -qx "amtUUID: $(jq -r .uuid "said/$name.show")" "$name.ldif" || bad=1
		grep -qx "associatedDomain: $name.example.com" "$name.ldif" || bad=1
		[ "$bad" -eq 0 ] || { echo "$name"; cat "$name.ldif"; return 1; }
	done
	[ "$(show '(objectClass=amtDevice)' dn | grep -c '^dn:')" = "${#devices[@]}" ]
}
ok /requirements/S12-04.2/slapd/accounts accounts_are_right
members_are_right() {
	[ "$(show '(cn=amt-8021x)' member | grep -c '^member: cn=pc-.*,ou=amt')" = "${#devices[@]}" ]
}
ok /requirements/S07-3.11/slapd/members members_are_right
passwords_log_in() {
	local name
	for name in "${devices[@]}"; do
		"$provost" secret show "$name" account --reveal | tr -d '\n' >"$name.password"
		LDAPTLS_CACERT=slapd/ca.pem ldapwhoami -x -y "$name.password" -D "cn=$name\$iME,ou=amt,dc=example,dc=com" -H ldaps://ldap1.example.com || return 1
		secret_not_in_files "$(cat "$name.password")" || return 1
		rm -f "$name.password"
	done
	! show '(objectClass=amtDevice)' userPassword | sed -n 's/^userPassword:: //p' | while read -r line; do
		printf '%s' "$line" | base64 -d
		echo
	done | grep -v '^{SSHA}'
}
ok /requirements/S12-06.1/slapd/passwords passwords_log_in

# ---- once more: nothing is written, neither here nor there ----
device_writes() {
	for name in "${devices[@]}"; do
		dump "$name" .counters.writes
	done
}
no_writes_again() {
	local before after devices_before devices_after
	before=$(directory_writes) devices_before=$(device_writes)
	"$provost" provision --all || return 1
	after=$(directory_writes) devices_after=$(device_writes)
	echo "directory: $before, then $after; devices: $devices_before, then $devices_after"
	[ "$before" = "$after" ] && [ "$devices_before" = "$devices_after" ]
}
ok $suite/again-without-a-write no_writes_again

# ---- what is wrong is said, and leaves nothing ----
# plan_says NAME PATTERN: what the plan for it fails with; nothing is written
fails() {
	local name=$1 pattern=$2 before
	before=$(directory_writes)
	! "$provost" provision "$name" >fail.log 2>&1 && cat fail.log && grep -q "$pattern" fail.log && [ "$before" = "$(directory_writes)" ]
}
cp site/openldap.json site/good.json
edit site/openldap.json '(.stages[] | select(.stage == "ad-account")).ou = "ou=devices,dc=example,dc=com"'
entry_of() {
	show "(cn=$1\$iME)" dn | grep -q '^dn:'
}
admin ldapdelete "cn=${devices[0]}\$iME,ou=amt,dc=example,dc=com" || bail 'delete'
ok $suite/container-missing fails "${devices[0]}" 'the container "ou=devices,dc=example,dc=com" is not there'
edit site/openldap.json '(.stages[] | select(.stage == "ad-account")).ou = "ou=groups,dc=example,dc=com"'
rights_named() {
	! "$provost" provision "${devices[0]}" >fail.log 2>&1 && cat fail.log && grep -q "lacks the right" fail.log && ! entry_of "${devices[0]}"
}
ok $suite/right-missing rights_named
cp site/good.json site/openldap.json
admin ldapadd >add.log 2>&1 <<-END
	dn: cn=squatter,ou=amt,dc=example,dc=com
	objectClass: device
	objectClass: amtDevice
	cn: squatter
	amtUUID: 00000000-0000-4000-8000-000000000001
	amtServicePrincipalName: HTTP/${devices[0]}.example.com:16993
END
ok /requirements/S12-04.3/slapd/spn-taken fails "${devices[0]}" "is taken by \"cn=squatter,ou=amt,dc=example,dc=com\""
admin ldapdelete 'cn=squatter,ou=amt,dc=example,dc=com' || bail 'delete'
printf 'another' >wrong && cp site/site.json good-site.json
"$provost" secret set directory-wrong --file wrong >secret.log 2>&1
edit site/site.json '.directory.password.secret = "directory-wrong"'
ok $suite/wrong-password fails "${devices[0]}" 'log in to ldap1.example.com:636 as uid=provost,ou=people,dc=example,dc=com: .*name or password is wrong'
edit site/site.json '.directory.password.secret = "directory" | .directory.trust = "'"$work"'/pki/root.pem"'
ok $suite/unknown-ca fails "${devices[0]}" 'certificate "CN=ldap1.example.com" by "CN=Directory CA" is not trusted'
edit site/site.json '.directory.trust = "'"$work"'/site/directory-ca.pem" | .directory.servers = [ "localhost:636" ]'
edit site/openldap.json '.retries = 0'
ok $suite/unreachable fails "${devices[0]}" 'connect localhost:636'
cp good-site.json site/site.json

# ---- the server is away in the middle, and comes back ----
edit site/openldap.json '.retries = 8 | (.stages[] | select(.stage == "ad-account"))."retry-wait" = 1'
stop_slapd
"$provost" provision "${devices[0]}" >back.log 2>&1 &
job=$!
pids+=("$job")
await 30 grep -qE 'ldap1.example.com' back.log
start_slapd
comes_back() {
	local status
	wait "$job"
	status=$?
	forget "$job"
	cat back.log
	[ "$status" -eq 0 ] && entry_of "${devices[0]}"
}
ok $suite/server-comes-back comes_back
cp site/good.json site/openldap.json

# ---- a full container: more than a server gives at once ----
for i in $(seq 1500); do
	printf 'dn: cn=old-%s,ou=amt,dc=example,dc=com\nobjectClass: device\nobjectClass: amtDevice\ncn: old-%s\namtUUID: 10000000-0000-4000-8000-%012d\n\n' "$i" "$i" "$i"
done | admin ldapadd >many.log 2>&1 || bail "ldapadd: $(tail -n 2 many.log)"
ok $suite/full-container no_writes_again

stop_sim
stop_slapd
done_testing
