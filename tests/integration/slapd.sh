#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The whole process with an OpenLDAP server as the directory, set up by the commands of the README of the sample site: from the
# box to managed, once more without a write, and every refusal by its name.
. "$(dirname "$0")/slapd/lib.bash"
start_slapd
start_sim --devices 4 --personality 16.1,12.0 --set restart-msec=20
take_sample
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
