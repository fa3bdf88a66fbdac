#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The provider ad against a real domain controller: accounts from the first to the last day, rights that are just enough,
# ends of the controller in the middle of a job, and each error by its name.
. "$(dirname "$0")/samba/lib.bash"
cd "$work" || exit 1
client=$(find_program tests/integration/directory-client)
samba_start
start_sim --devices 2 --personality 16.1 --set restart-msec=20
make_site
import_fleet
pipeline() { # NAME OU GROUPS: ad-account alone; the suffix, as Samba gives tickets for HTTP/ACCOUNT.REALM even without that SPN
	printf '{ "pipeline": "%s", "stages": [ { "stage": "ad-account", "ou": "%s", "groups": %s, "name-suffix": "-AMT" } ] }\n' "$@" >"site/$1.json"
}
pipeline account 'OU=AMT Devices' '[ "AMT-8021X" ]'
pipeline branch "OU=Branch,OU=AMT Devices,$AD_BASE" '[]'
pipeline lost 'OU=Lost,OU=Nowhere,OU=AMT Devices' '[]'
edit site/standard.json '(.stages[] | select(.stage == "ad-account")) += { ou: "OU=AMT Devices", groups: [ "AMT-8021X" ], "name-suffix": "-AMT" } |
	(.stages[] | select(.stage == "commit")).wait = 1 | (.stages[] | select(.stage == "wsman-acl")).entries =
		[ { group: "EXAMPLE\\AMT Admins", realms: [ "PTAdministrationRealm" ] } ]'
edit "$PROVOST_SITE" '.plugins = (.plugins - ["directory-local"] + ["ad"] | unique) |
	.directory = { type: "ad", domain: "example.com", keytab: "'"$AD_SERVICE_KEYTAB"'", timeout: 5 }'
# use FILTER: the site with another directory object, in use.json
use() {
	jq "$1" "$PROVOST_SITE" >site/use.json
}
printf '%s' "$AD_SERVICE_PASSWORD" >svc-password
"$provost" secret set svc --file svc-password 2>secret.log || bail "secret set: $(cat secret.log)"

# says CODE TEXT COMMAND...: fails with the exit code and says that
says() {
	local code=$1 text=$2 status=0
	shift 2
	"$@" >said 2>&1 || status=$?
	cat said
	[ "$status" -eq "$code" ] && grep -qF -- "$text" said
}
# check TEXT...: all of it stands in one row of the check
check() {
	local pattern
	"$provost" directory check --json >check.json 2>check.err
	cat check.json check.err
	jq -c '.. | objects | select(has("level"))' check.json >rows
	for pattern; do
		grep -F -- "$pattern" rows >rows.next && mv rows.next rows || return 1
	done
}
objects() { # what there is, and when it changed
	samba_admin ldapsearch -LLL -b "$AD_BASE" '(|(objectClass=computer)(cn=AMT-8021X))' uSNChanged | grep -E '^(dn|uSNChanged):' | sort
}
attribute() { # DN NAME
	samba_admin ldapsearch -LLL -o ldif-wrap=no -b "$1" -s base "$2" | sed -n "s/^$2: //p" | sort
}
there() { # DN
	samba_admin ldapsearch -LLL -b "$1" -s base dn | grep -q ^dn:
}
nothing_of() { # NAME: no account, nor a half of one
	samba_admin ldapsearch -LLL -b "$AD_BASE" "(cn=$1*)" dn | grep ^dn: && return 1
	return 0
}
modify() {
	samba_admin ldapmodify
}
do_client() {
	"$client" "${site_file:-$PROVOST_SITE}" "$@"
}

# ---- before anything was delegated ----
ok /requirements/S07-1.9/container-is-there check '"ok"' '"container"' "$AD_OU"
ok /requirements/S07-1.10/missing-right-to-create check '"failure"' '"create computers"' "$AD_OU" 'missing'
ok /integration/samba-ad/check/missing-right-on-the-group check '"failure"' '"group"' "$AD_GROUP_8021X" 'write member'
ok /integration/samba-ad/check/finds-the-controller check '"ok"' '"domain controllers"' "found: $AD_HOST"
ok /integration/samba-ad/check/clock check '"ok"' '"clock"' "$AD_HOST"
ok /integration/samba-ad/check/catalog check '"ok"' '"global catalog"'
ok /integration/samba-ad/check/sid check '"ok"' '"name"' 'EXAMPLE' "$AD_SID_ADMINS"
"$provost" --quiet set pc-0001 --group ''
edit "$PROVOST_SITE" '.pipelines += [ "account", "branch", "lost" | { name: ., file: (. + ".json") } ] |
	.groups += [ "account", "branch", "lost" | { name: ., pipeline: . } ]'
"$provost" --quiet set pc-0001 --group account
ok /integration/samba-ad/no-right/named says 1 '"provost directory check" names it' "$provost" provision pc-0001
ok /integration/samba-ad/no-right/nothing-left nothing_of pc-0001
ok /requirements/S07-1.25/unknown-container check '"failure"' '"container"' "OU=Nowhere,$AD_OU does not exist"
"$provost" --quiet set pc-0001 --group lost
ok /integration/samba-ad/container/first-missing-part says 1 "OU=Nowhere,$AD_OU does not exist" "$provost" provision pc-0001
edit "$PROVOST_SITE" '.pipelines -= [ { name: "lost", file: "lost.json" } ] | .groups -= [ { name: "lost", pipeline: "lost" } ]' # no more of it
"$provost" --quiet set pc-0001 --group account

# ---- delegation: what is printed is run, and suffices ----
delegate() {
	"$provost" directory delegate --print >delegate.txt && grep -q '^dsacls "OU=AMT Devices,' delegate.txt &&
		grep ^samba-tool delegate.txt >delegate.sh && bash -e delegate.sh
}
ok /integration/samba-ad/delegate/one-container says 0 "$AD_OU_OTHER" "$provost" directory delegate --print --ou OU=Other
ok /integration/samba-ad/delegate/runs delegate
ok /integration/samba-ad/delegate/suffices says 0 'an account was made there' "$provost" directory check
ok /requirements/S07-1.10/tried-out check '"ok"' '"rights"' "$AD_OU" 'deleted again'
ok /integration/samba-ad/check/leaves-nothing nothing_of provost-check
# only to make and delete: what lacks is named, with the container
computer=bf967a86-0de6-11d0-a285-00aa003049e2
samba_acl "$AD_OU_OTHER" "(OA;CI;CCDC;$computer;;$AD_SID_SERVICE)"
pipeline other "$AD_OU_OTHER" '[]'
edit "$PROVOST_SITE" '.pipelines += [ { name: "other", file: "other.json" } ] | .groups += [ { name: "other", pipeline: "other" } ]'
samba-tool computer create OLD-PC --computerou=OU=Other >>log.samba 2>&1
ok /requirements/S07-1.10/rights-on-child-objects check '"failure"' '"change computers"' "CN=OLD-PC,$AD_OU_OTHER" 'servicePrincipalName'
edit "$PROVOST_SITE" '.pipelines -= [ { name: "other", file: "other.json" } ] | .groups -= [ { name: "other", pipeline: "other" } ]'

# ---- the account ----
dn="CN=pc-0001-AMT,$AD_OU"
ok /integration/samba-ad/create/works says 1 'pc-0001: done' "$provost" provision pc-0001
ok /requirements/S12-04.2/in-its-container there "$dn"
spns_fit() {
	diff <(for port in 16992 16993 16994 16995 623 664; do echo "HTTP/pc-0001.example.com:$port"; done | sort) <(attribute "$dn" servicePrincipalName)
}
ok /requirements/S12-04.3/exact-service-names spns_fit
is() { # NAME VALUE
	[ "$(attribute "$dn" "$1")" = "$2" ] || { attribute "$dn" "$1" && return 1; }
}
ok /integration/samba-ad/create/control is userAccountControl 69632
ok /integration/samba-ad/create/name is sAMAccountName 'pc-0001-AMT$'
ok /integration/samba-ad/create/host is dNSHostName pc-0001.example.com
ok /integration/samba-ad/create/types-of-keys is msDS-SupportedEncryptionTypes 24
ok /requirements/S07-3.11/joined-when-asked is memberOf "$AD_GROUP_8021X"
password_fits() { # the account logs in with the password that the store has, and to a key of this salt
	"$provost" secret show pc-0001 account --reveal | tr -d '\n' >password
	kinit -c FILE:device.cc 'pc-0001-AMT$'@EXAMPLE.COM <password >/dev/null
}
ok /integration/samba-ad/password/logs-in password_fits
salt_fits() {
	local salt key
	salt=$("$provost" show pc-0001 --json | jq -r '.facts["account.salt"]')
	samba-tool domain exportkeytab device.keytab --principal='pc-0001-AMT$@EXAMPLE.COM' >/dev/null &&
		key=$(klist -Kkt -e device.keytab | sed -n 's/.*aes256.*(0x\(.*\))$/\1/p' | head -n 1)
	printf '%s\n%s\n' "$salt" "$key"
	[ "$(printf 'addent -password -p pc-0001-AMT$@EXAMPLE.COM -k 1 -e aes256-cts-hmac-sha1-96 -s %s\n%s\nwkt own.keytab\nq\n' \
		"$salt" "$(cat password)" | ktutil >/dev/null &&
		klist -Kkt own.keytab | sed -n 's/.*(0x\(.*\))$/\1/p')" = "$key" ]
}
ok /integration/samba-ad/password/salt salt_fits
objects >before
ok /requirements/S12-04.2/once says 0 'nothing to change' "$provost" plan pc-0001
ok /integration/samba-ad/again/works says 1 'pc-0001: done' "$provost" provision pc-0001
objects >after
ok /integration/samba-ad/again/writes-nothing diff before after

# ---- what others change is a row of the plan, and is made good ----
modify >/dev/null <<-END
	dn: $dn
	changetype: modify
	replace: userAccountControl
	userAccountControl: 69634
	-
	replace: msDS-SupportedEncryptionTypes
	msDS-SupportedEncryptionTypes: 4
	-
	delete: servicePrincipalName
	servicePrincipalName: HTTP/pc-0001.example.com:664
END
ok /integration/samba-ad/changed/disabled says 2 '69634 (disabled)' "$provost" plan pc-0001
ok /integration/samba-ad/changed/types says 2 msDS-SupportedEncryptionTypes "$provost" plan pc-0001
ok /integration/samba-ad/changed/made-good says 1 'pc-0001: done' "$provost" provision pc-0001
ok /integration/samba-ad/changed/control is userAccountControl 69632
ok /integration/samba-ad/changed/spns spns_fit
samba_password pc-0001-AMT Somebody.elses.1 >/dev/null
ok /integration/samba-ad/changed/password-row says 2 'changed elsewhere' "$provost" plan pc-0001
ok /integration/samba-ad/changed/password-set says 1 'pc-0001: done' "$provost" provision pc-0001
ok /integration/samba-ad/changed/password-logs-in password_fits
printf 'dn: %s\nchangetype: moddn\nnewrdn: CN=pc-0001-AMT\ndeleteoldrdn: 1\nnewsuperior: %s\n' "$dn" "$AD_OU_CHILD" | modify >/dev/null
ok /integration/samba-ad/changed/moved-stays says 0 'nothing to change' "$provost" plan pc-0001
printf 'dn: CN=pc-0001-AMT,%s\nchangetype: moddn\nnewrdn: CN=pc-0001-AMT\ndeleteoldrdn: 1\nnewsuperior: %s\n' "$AD_OU_CHILD" "$AD_OU" | modify >/dev/null

# ---- the group is left alone when nothing was asked ----
"$provost" --quiet set pc-0002 --group branch
attribute "$AD_GROUP_8021X" uSNChanged >before
ok /integration/samba-ad/child-container/works says 1 'pc-0002: done' "$provost" provision pc-0002
ok /integration/samba-ad/child-container/there there "CN=pc-0002-AMT,$AD_OU_CHILD"
attribute "$AD_GROUP_8021X" uSNChanged >after
ok /requirements/S07-3.11/not-written-when-not-asked diff before after

# ---- the provider's other calls ----
one=(name=one-AMT fqdn=one.example.com 'ou=OU=AMT Devices' spn=HTTP/one.example.com:16993)
ok /integration/samba-ad/client/none says 0 none do_client find "${one[@]}"
ok /integration/samba-ad/client/ensure says 0 'account: one-AMT$' do_client ensure "${one[@]}" group="$AD_GROUP_8021X"
id=$(do_client find "${one[@]}" | sed -n 's/^id: //p')
two=(name=two-AMT fqdn=two.example.com 'ou=OU=AMT Devices' spn=HTTP/two.example.com:16993 id="$id")
printf 'dn: CN=two-AMT,%s\nobjectClass: contact\n' "$AD_OU" | samba_admin ldapadd >/dev/null
ok /integration/samba-ad/client/name-in-the-way says 1 'rejected: ' do_client ensure "${two[@]}"
ok /integration/samba-ad/client/not-renamed-by-halves says 0 'account: one-AMT$' do_client find "${two[@]}"
samba_admin ldapdelete "CN=two-AMT,$AD_OU"
ok /integration/samba-ad/client/renamed says 0 "dn: CN=two-AMT,$AD_OU" do_client ensure "${two[@]}"
# the salt stays until the next password, which no rule can tell
ok /integration/samba-ad/client/salt-of-the-former-name says 0 'salt: EXAMPLE.COMhostone-amt.example.com' do_client find "${two[@]}"
ok /integration/samba-ad/client/former-name-is-free nothing_of one-AMT
ok /integration/samba-ad/client/password do_client password "${two[@]}" password=Two.Passw0rd.1
ok /integration/samba-ad/client/salt-of-the-new-name says 0 'salt: EXAMPLE.COMhosttwo-amt.example.com' do_client find "${two[@]}"
ok /integration/samba-ad/client/kvno says 0 'kvno: 2' do_client find "${two[@]}"
ok /integration/samba-ad/client/removed do_client remove "${two[@]}"
ok /integration/samba-ad/client/removed-twice do_client remove "${two[@]}"
ok /integration/samba-ad/client/gone nothing_of two-AMT
ok /integration/samba-ad/client/password-of-nobody says 1 'rejected: set password' do_client password "${two[@]}" password=Two.Passw0rd.1
ok /integration/samba-ad/client/name-too-long says 1 'at most 20' do_client find name=sixteen-letters--AMT fqdn=x.example.com

# ---- SIDs ----
for name in 'AMT Admins' 'EXAMPLE\AMT Admins' 'example\amt admins' 'example.com\AMT Admins' 'AMT Admins@example.com' "$AD_GROUP_ADMINS" "$AD_SID_ADMINS"; do
	ok "/requirements/S07-1.30/sid/${name//[^A-Za-z]/-}" says 0 "$AD_SID_ADMINS" do_client sid name="$name"
done
ok /integration/samba-ad/sid/user says 0 "$AD_SID_ALICE" do_client sid name=alice@EXAMPLE.com
ok /integration/samba-ad/sid/unknown says 1 'config: find nobody' do_client sid name=nobody
ok /integration/samba-ad/sid/no-filter says 1 'config: find *' do_client sid 'name=*'
ok /integration/samba-ad/sid/unknown-domain says 1 'no domain ELSEWHERE' do_client sid 'name=ELSEWHERE\x'
ok /integration/samba-ad/sid/built-in says 1 'every computer' do_client sid "name=CN=Administrators,CN=Builtin,$AD_BASE"
ok /integration/samba-ad/sid/built-in-by-domain says 1 'of each computer' do_client sid 'name=BUILTIN\Administrators'

# ---- whatever is in the way has a name ----
samba_computer OLD old.example.com Old.Passw0rd.1 HTTP/one.example.com:16993 >/dev/null
both_named() {
	says 1 "CN=OLD,$AD_OU" do_client ensure "${one[@]}" && grep -q "CN=one-AMT,$AD_OU" said && grep -q ^rejected said
}
ok /requirements/S12-04.3/taken-elsewhere both_named
ok /integration/samba-ad/duplicate/nothing-left nothing_of one-AMT
samba-tool computer delete OLD >>log.samba 2>&1
samba_computer one-AMT one.example.com One.Passw0rd.1 >/dev/null
ok /integration/samba-ad/foreign/refused says 1 'was not made for this device' do_client ensure "${one[@]}"
ok /integration/samba-ad/foreign/not-removed says 1 'was not made for this device' do_client remove "${one[@]}"
ok /integration/samba-ad/foreign/is-still-there there "CN=one-AMT,$AD_OU"
use '.directory.reuse = "any"'
site_file=site/use.json
ok /integration/samba-ad/foreign/taken-when-allowed says 0 "HTTP/one.example.com:16993" do_client ensure "${one[@]}"
ok /integration/samba-ad/foreign/removed do_client remove "${one[@]}"
site_file=
ok /integration/samba-ad/conflict/made do_client ensure "${one[@]}"
# what a replication between two controllers leaves: Samba takes such a name from nobody, so straight into its files
conflict() {
	/usr/bin/python3 - "$AD_DIR" "CN=one-AMT,$AD_OU" <<-'PYTHON'
		import sys, uuid
		from samba.auth import system_session
		from samba.param import LoadParm
		from samba.samdb import SamDB
		folder, dn = sys.argv[1:]
		config = LoadParm()
		config.load(folder + '/etc/smb.conf')
		db = SamDB(url=folder + '/private/sam.ldb', session_info=system_session(), lp=config)
		rdn, parent = dn.split(',', 1)
		db.add({'dn': '%s\\0ACNF:%s,%s' % (rdn, uuid.uuid4(), parent), 'objectClass': 'computer', 'userAccountControl': '4096',
		    'sAMAccountName': 'lost-one$'})
	PYTHON
}
ok /integration/samba-ad/conflict/happens conflict
ok /integration/samba-ad/conflict/named says 1 'made it at once' do_client find "${one[@]}"
ok /integration/samba-ad/conflict/in-the-check check '"warning"' '"conflicts"' CNF
samba_admin ldapsearch -LLL -o ldif-wrap=no -b "$AD_OU" '(sAMAccountName=lost-one$)' dn | sed -n 's/^dn: //p' | samba_admin ldapdelete
ok /integration/samba-ad/conflict/gone says 0 'account: one-AMT$' do_client find "${one[@]}"

# ---- ways to log in ----
site_file=site/use.json
tls='.directory |= (del(.keytab) + { user: "svc-amt", password: { secret: "svc" }, trust: "'"$AD_CA"'" })'
use "$tls | .directory.security = \"ldaps\""
ok /integration/samba-ad/login/ldaps says 0 'account: one-AMT$' do_client find "${one[@]}"
ok /integration/samba-ad/login/ldaps-password do_client password "${one[@]}" password=One.Passw0rd.2
use "$tls | .directory.security = \"starttls\""
ok /integration/samba-ad/login/starttls says 0 'account: one-AMT$' do_client find "${one[@]}"
use "$tls | del(.directory.trust) | .directory.security = \"ldaps\""
ok /integration/samba-ad/login/untrusted says 1 'auth: ' do_client find "${one[@]}"
use "$tls | .directory.security = \"gssapi\""
ok /integration/samba-ad/login/password says 0 'account: one-AMT$' do_client find "${one[@]}"
samba_login svc-amt >cache
use '.directory |= (del(.keytab) + { "credential-cache": "'"$(cat cache)"'" })'
ok /integration/samba-ad/login/credential-cache says 0 'account: one-AMT$' do_client find "${one[@]}"
use '.directory |= (del(.keytab) + { user: "svc-amt", password: { secret: "bad" } })'
printf 'Not.the.Passw0rd' >bad && "$provost" --quiet secret set bad --file bad
ok /integration/samba-ad/login/wrong-password says 1 'auth: ' do_client find "${one[@]}"
use "$tls | .directory.password = { secret: \"bad\" } | .directory.security = \"ldaps\""
ok /integration/samba-ad/login/wrong-password-over-tls says 1 'auth: ' do_client find "${one[@]}"
samba-tool user setexpiry svc-amt --days=30 >>log.samba 2>&1 # else it never has to change its password
samba-tool user setpassword svc-amt --newpassword="$AD_SERVICE_PASSWORD" --must-change-at-next-login >>log.samba 2>&1
use "$tls | .directory.security = \"gssapi\""
ok /integration/samba-ad/login/expired-password says 1 'expired' do_client find "${one[@]}"
samba-tool user setpassword svc-amt --newpassword="$AD_SERVICE_PASSWORD" >>log.samba 2>&1
samba-tool user disable svc-amt >>log.samba 2>&1
ok /integration/samba-ad/login/disabled says 1 'auth: ' do_client find "${one[@]}"
samba-tool user enable svc-amt >>log.samba 2>&1
if command -v faketime >/dev/null; then
	skewed() { ASAN_OPTIONS=verify_asan_link_order=0 says 1 'clock' faketime -f +20m "$client" site/use.json find "${one[@]}"; }
	ok /integration/samba-ad/login/skewed-clock skewed
else
	skip /integration/samba-ad/login/skewed-clock 'faketime is not installed'
fi
use '.directory |= (del(.keytab) + { user: "Administrator", password: { secret: "admin" } })'
printf '%s' "$AD_ADMIN_PASSWORD" >admin && "$provost" --quiet secret set admin --file admin
ok /integration/samba-ad/check/domain-admin says 0 'Domain Admins' "$provost" --site site/use.json directory check
samba-tool group addmembers 'AMT Admins' svc-amt >>log.samba 2>&1
samba-tool user setpassword svc-amt --newpassword="$AD_SERVICE_PASSWORD" >>log.samba 2>&1
use "$tls | .directory += { security: \"gssapi\", \"service-groups\": [ \"AMT Admins\" ] }"
ok /requirements/S07-1.11/member says 0 'the service is a member' "$provost" --site site/use.json directory check
use "$tls | .directory += { security: \"gssapi\", \"service-groups\": [ \"AMT Admins\", \"Nested\", \"Server Operators\" ] }"
ok /requirements/S07-1.12/no-member says 1 'is no member' "$provost" --site site/use.json directory check
ok /integration/samba-ad/delegate/to-a-group says 0 "EXAMPLE\\AMT Admins" "$provost" --site site/use.json directory delegate --print
site_file=

# ---- an account that another controller had, which is away: here it may not have arrived yet ----
use '.directory.servers = [ "dc9.example.com", "'"$AD_HOST"'" ]'
site_file=site/use.json
far=(name=far-AMT fqdn=far.example.com 'ou=OU=AMT Devices' spn=HTTP/far.example.com:16993 id=6f6e6520-7477-6f20-7468-726565203421 server=dc9.example.com)
for command in find ensure remove 'password password=Far.Passw0rd.1'; do
	# shellcheck disable=SC2086 # words
	ok "/integration/samba-ad/elsewhere/${command%% *}" says 1 'unreachable: find account far-AMT$: dc9.example.com, which had it' do_client $command "${far[@]}"
done
ok /integration/samba-ad/elsewhere/nothing-made nothing_of far-AMT
site_file=
ok /integration/samba-ad/elsewhere/controller-is-none-any-more says 0 'account: far-AMT$' do_client ensure "${far[@]}"
ok /integration/samba-ad/elsewhere/removed do_client remove "${far[@]}"

# ---- ends of the controller ----
use '.directory |= (del(.keytab) + { user: "svc-amt", password: { secret: "svc" }, timeout: 2 })'
site_file=site/use.json
late=(name=late-AMT fqdn=late.example.com 'ou=OU=AMT Devices' spn=HTTP/late.example.com:16993)
hung() {
	samba_pause
	(rest 4 && samba_resume) &
	do_client ensure "${late[@]}" >late.log 2>&1
	wait "$!"
	samba_resume
	await 20 says 0 'account: late-AMT$' do_client ensure "${late[@]}" && [ "$(samba_admin ldapsearch -LLL -b "$AD_BASE" '(cn=late-AMT*)' dn | grep -c ^dn:)" -eq 1 ]
}
ok /integration/samba-ad/hung/comes-back hung
# killed at whatever moment: each account is there whole, or not at all
storm() {
	local i delay
	for i in 1 2 3 4 5 6; do
		delay=$(printf '0.%02d' $((i * 3)))
		(for k in 1 2 3 4 5 6; do do_client ensure "name=s$i$k-AMT" "fqdn=s$i$k.example.com" 'ou=OU=AMT Devices' "spn=HTTP/s$i$k.example.com:16993"; done >/dev/null 2>&1) &
		rest "$delay"
		samba_kill
		wait "$!"
		samba_start
	done
	samba_admin ldapsearch -LLL -b "$AD_OU" '(cn=s*-AMT)' cn pwdLastSet servicePrincipalName userAccountControl >made
	cat made
	[ "$(grep -c ^cn: made)" -eq "$(grep -c ^servicePrincipalName: made)" ] && ! grep -q '^pwdLastSet: 0$' made && ! grep '^userAccountControl:' made | grep -qv 69632
}
ok /integration/samba-ad/killed/none-by-halves storm
site_file=

# ---- the whole process, with the controller away in the middle of it ----
"$provost" --quiet set pc-0001 --group ''
"$provost" --quiet set pc-0002 --group ''
away() {
	samba_kill
	"$provost" provision --all >provision.log 2>&1 &
	local pid=$!
	await 30 grep -q waits provision.log || return
	samba_start
	wait "$pid"
	local status=$?
	cat provision.log
	return "$status"
}
ok /integration/samba-ad/process/controller-away away
provisioned() {
	"$provost" status --json | jq -e '[.devices[] | .status] | all(. == "Provisioned")'
}
ok /requirements/S12-04.4/provisioned provisioned
acl_fits() {
	local sid
	sid=$(python3 -c 'import base64, struct, sys
parts = [int(x) for x in sys.argv[1].split("-")[2:]]
print(base64.b64encode(struct.pack("<BB6s%dI" % (len(parts) - 1), 1, len(parts) - 1, parts[0].to_bytes(6, "big"), *parts[1:])).decode())' "$AD_SID_ADMINS")
	simulator dump pc-0001 | jq -e --arg sid "$sid" '.acl | any(.sid == $sid)'
}
ok /requirements/S07-1.30/sid-of-the-group-in-the-device acl_fits
objects >before
ok /integration/samba-ad/process/again "$provost" provision --all
objects >after
ok /integration/samba-ad/process/writes-nothing-to-the-directory diff before after
ok /integration/samba-ad/process/plan-is-empty says 0 'nothing to change' "$provost" plan --all
secrets_hidden() {
	! grep -rlF -e "$AD_SERVICE_PASSWORD" -e Two.Passw0rd.1 said provision.log check.json late.log site/*.json
}
ok /integration/samba-ad/secrets-are-nowhere secrets_hidden
done_testing
