#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The Samba fixture itself: what the tests of the directory and of Kerberos build on is there, and stays there over the
# ends that they put their controller to.
samba_alone=1
. "$(dirname "$0")/samba/lib.bash"
cd "$work" || exit 1
samba_start

service_binds() {
	kinit -c FILE:service.cc -k -t "$AD_SERVICE_KEYTAB" "svc-amt@$AD_REALM" &&
		KRB5CCNAME=FILE:service.cc ldapsearch -LLL -Q -Y GSSAPI -H "ldap://$AD_HOST" -b "$AD_BASE" '(sAMAccountName=alice)' objectSid |
		grep -q '^objectSid:'
}
# what svc-amt could make below AMT Devices
may_create() {
	KRB5CCNAME=FILE:service.cc ldapsearch -LLL -Q -Y GSSAPI -H "ldap://$AD_HOST" -b "$AD_OU" -s base allowedChildClassesEffective |
		grep -qx 'allowedChildClassesEffective: computer'
}
may_not_create() {
	! may_create
}
has_units() {
	samba_admin ldapsearch -LLL -b "$AD_BASE" '(objectClass=organizationalUnit)' dn >units &&
		grep -qx "dn: $AD_OU" units && grep -qx "dn: $AD_OU_CHILD" units && grep -qx "dn: $AD_OU_OTHER" units
}
is_member() {
	samba_admin ldapsearch -LLL -b "$AD_BASE" "(&(sAMAccountName=$1)(memberOf:1.2.840.113556.1.4.1941:=$2))" dn | grep -q ^dn:
}
names_are_found() {
	local name
	for name in ALICE BOB SERVICE ADMINS 8021X LOCAL; do
		name=AD_SID_$name
		[[ ${!name} == "$AD_SID_DOMAIN"-* ]] || return
	done
	getent hosts "$AD_HOST" | grep -q "^$AD_IP "
}
bob_is_outside() {
	is_member alice "$AD_GROUP_ADMINS" && ! is_member bob "$AD_GROUP_ADMINS"
}
ok /integration/samba-fixture/names names_are_found
ok /integration/samba-fixture/units has_units
ok /integration/samba-fixture/groups bob_is_outside
ok /integration/samba-fixture/keytab service_binds
ok /integration/samba-fixture/no-rights-at-first may_not_create
ok /integration/samba-fixture/delegate samba_delegate least
ok /integration/samba-fixture/rights may_create

# an account and a ticket for it
ok /integration/samba-fixture/computer samba_computer PC9-AMT pc9.example.com A.Passw0rd.of.pc9 HTTP/pc9.example.com:16993
ticket() {
	samba_as alice kvno "HTTP/pc9.example.com:16993" | grep -q "kvno = $1\$"
}
ok /integration/samba-fixture/ticket ticket 1
ok /integration/samba-fixture/password samba_password PC9-AMT Another.Passw0rd.of.pc9
ok /integration/samba-fixture/next-key ticket 2

# The ends that a controller comes to
gone() {
	! ldapsearch -LLL -x -o nettimeout=1 -H "ldap://$AD_IP" -s base -b '' dn
}
hangs() {
	local status
	timeout 1 ldapsearch -LLL -x -H "ldap://$AD_IP" -s base -b '' dn
	status=$?
	[ "$status" -eq 124 ]
}
samba_pause
ok /integration/samba-fixture/paused hangs
samba_resume
ok /integration/samba-fixture/resumed service_binds
samba_kill
ok /integration/samba-fixture/killed gone
samba_start
ok /integration/samba-fixture/kept ticket 2
samba_stop
ok /integration/samba-fixture/stopped gone
samba_start
ok /integration/samba-fixture/started service_binds

# A second forest
samba_use other
samba_start
both() {
	[ "$AD_REALM" = OTHER.TEST ] && samba_as alice kvno "ldap/$AD_HOST@$AD_REALM" && samba_use main && samba_as alice kvno "ldap/$AD_HOST"
}
ok /integration/samba-fixture/second-forest both
done_testing
