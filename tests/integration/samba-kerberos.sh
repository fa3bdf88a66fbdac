#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the stages kerberos and wsman-acl put into a device lets people of a real Active Directory in, and nobody else:
# Samba issues the tickets, and the simulated device has nothing but what Provost wrote.
. "$(dirname "$0")/samba/lib.bash"
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"
cd "$work" || exit 1
samba_start
negotiate=$PV_TOP_BUILDDIR/tests/integration/negotiate

# Devices of each kind of key, provisioned with the SIDs of that directory. Their accounts are Provost's own until now.
cat >fleet.json <<-END
	{ "devices": [
	  { "name": "modern" }, { "name": "tight", "personality": "15" },
	  { "name": "old", "personality": "6.2" }, { "name": "strict", "personality": "6.2" },
	  { "name": "oldest", "personality": "3.2" } ] }
END
start_sim --fleet fleet.json --set restart-msec=20
make_site
quick
edit site/standard.json '(.stages[] | select(.stage == "wsman-acl")).entries = [
	{ group: "AMT Admins", realms: [ "PTAdministration" ] },
	{ sid: "'"$AD_SID_SERVICE"'", realms: [ "GeneralInfo" ] },
	{ sid: "'"$AD_SID_DOMAIN-500"'", realms: [ "PTAdministration" ], access: "local" } ]'
for name in old tight; do
	jq --arg name "$name" '.pipeline = $name | (.stages[] | select(.stage == "kerberos")) +=
		if $name == "old" then { legacy: true } else { "clock-tolerance": 1 } end' site/standard.json >"site/$name.json"
done
edit "$PROVOST_SITE" '.pipelines += [ { name: "old", file: "old.json" }, { name: "tight", file: "tight.json" } ]
	| .groups += [ { name: "old", tls: "legacy", pipeline: "old" }, { name: "tight", pipeline: "tight" } ]'
printf '{ "groups": [ { "name": "AMT Admins", "sid": "%s" } ] }\n' "$AD_SID_ADMINS" >site/directory/groups.json
import_fleet
for name in old oldest; do "$provost" --quiet set "$name" --group old; done
"$provost" --quiet set tight --group tight
run provision --all
ok /integration/samba-kerberos/provisioned said 0 '5 of 5 Provisioned'
for name in "${devices[@]}"; do
	look "$name"
	samba_host "$name.example.com" "$(value "$name" .address)"
done

# Their accounts in Samba, with the passwords that Provost made; port by port, as the names of services are in practice
account() {
	local port spns=()
	for port in 16992 16993 16994 16995 623 664; do spns+=("HTTP/$1.example.com:$port"); done
	samba_service "$(stored "$1" '.facts["account.name"]')" "$("$provost" secret show "$1" account --reveal)" "${spns[@]}"
}
for name in modern tight; do
	ok "/integration/samba-kerberos/account/$name" account "$name"
done
for name in old oldest; do
	samba_enctypes=4 ok "/integration/samba-kerberos/account/$name" account "$name"
done

# body CLASS [METHOD PARAMETERS]: a request in a file, whose name it prints
body() {
	local uri=http://intel.com/wbem/wscim/1/amt-schema/1/$1 action=http://schemas.xmlsoap.org/ws/2004/09/transfer/Get content=
	if [ -n "${2:-}" ]; then
		action=$uri/$2
		content="<r:${2}_INPUT xmlns:r=\"$uri\">$3</r:${2}_INPUT>"
	fi
	cat >"$1${2:-}.xml" <<-END
		<s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope" xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing"
		 xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"><s:Header><a:Action>$action</a:Action><a:To>/wsman</a:To>
		<w:ResourceURI>$uri</w:ResourceURI><a:MessageID>1</a:MessageID><a:ReplyTo><a:Address
		>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo></s:Header
		><s:Body>$content</s:Body></s:Envelope>
	END
	echo "$1${2:-}.xml"
}
general=$(body AMT_GeneralSettings)
rights=$(body AMT_AuthorizationService)

# gets USER DEVICE ANSWER [BODY [REQUEST...]]: what he gets on that device, one answer for each request
gets() {
	local user=$1 device=$2 wanted=$3 file=${4:-$general} got
	shift $(($# > 4 ? 4 : $#))
	got=$(samba_as "$user" "$negotiate" "https://$device.example.com:16993/wsman" "HTTP@$device.example.com:16993" "$file" \
		"${@:-fresh}" | paste -sd,)
	same "what $user gets at $device" "$got" "$wanted" && return
	tail -n 3 "$dir/sim.log"
	return 1
}
# told TEXT: the device's log says why
told() {
	grep -q "$1" "$dir/sim.log" && return
	tail -n 5 "$dir/sim.log"
	return 1
}

# Who gets in, and how far
ok /requirements/S12-11.3/samba/group-member-gets-in gets alice modern '200 proved'
ok /requirements/S07-1.30/samba/group-by-its-sid gets alice modern '200 proved' "$rights"
ok /requirements/S07-1.30/samba/not-in-the-list gets bob modern 401
ok /integration/samba-kerberos/stranger-is-told told 'reason=stranger.*note=bob@EXAMPLE.COM: no entry'
ok /requirements/S12-11.2/samba/realm-allows gets svc-amt modern '200 proved'
ok /requirements/S12-11.2/samba/other-class-does-not gets svc-amt modern '400 proved' "$rights"
ok /requirements/S12-11.2/samba/local-entry-is-not-for-the-network gets Administrator modern 401
look modern
ok /integration/samba-kerberos/dump holds modern '."last-login" == { user: "svc-amt@EXAMPLE.COM", kind: "kerberos" }
	and (.trace | any(.user == "alice@EXAMPLE.COM" and .kerberos and .status == 200)) and .counters."tickets-refused" == 2'

# sid S-1-...: as devices hold it
sid() {
	python3 - "$1" <<-'PYTHON'
		import base64, struct, sys
		parts = [int(part) for part in sys.argv[1].split('-')[2:]]
		print(base64.b64encode(struct.pack('>BBQ', 1, len(parts) - 1, parts[0])[:2] + struct.pack('>Q', parts[0])[2:] +
			struct.pack('<%dI' % (len(parts) - 1), *parts[1:])).decode())
	PYTHON
}
# Also when the group is reached by another group, or is of the domain only
nested() {
	simulator set tight "acl-sid=$(sid "$1")" && samba-tool group removemembers 'AMT Admins' alice && samba-tool group addmembers "$2" alice &&
		gets alice tight '200 proved'
	local status=$?
	samba-tool group addmembers 'AMT Admins' alice && samba-tool group removemembers "$2" alice && return "$status"
}
ok /integration/samba-kerberos/domain-local-group nested "$AD_SID_LOCAL" Nested

# curl asks for a ticket without the port: it needs that name, too
curls() {
	samba_as alice curl -sk --negotiate -u : -d "@$general" -o curl.xml -w '%{http_code}' https://modern.example.com:16993/wsman >curl.code
	same 'what curl gets' "$(cat curl.code)" "$1"
}
plain_name() {
	printf 'dn: CN=%s,%s\nchangetype: modify\nadd: servicePrincipalName\nservicePrincipalName: HTTP/modern.example.com\n' \
		"$(stored modern '.facts["account.name"]')" "$AD_OU" | samba_admin ldapmodify
}
ok /integration/samba-kerberos/curl-without-the-name curls 401
ok /integration/samba-kerberos/plain-name plain_name
ok /integration/samba-kerberos/curl curls 200

# Digest goes on beside it, and is told apart
ok /integration/samba-kerberos/digest-goes-on "$provost" verify modern
look modern
ok /integration/samba-kerberos/digest-in-dump holds modern '."last-login" == { user: "admin", kind: "digest" }'

# The audit log names him by SID
synchronize=$(body AMT_TimeSynchronizationService SetHighAccuracyTimeSynch \
	"<r:Ta0>$(($(date +%s) - 2))</r:Ta0><r:Tm1>$(date +%s)</r:Tm1><r:Tm2>$(date +%s)</r:Tm2>")
ok /integration/samba-kerberos/writes gets alice modern '200 proved' "$synchronize"
look modern
ok /integration/samba-kerberos/audit-log holds modern '."audit-log"[-1] | .text == "time set" and .initiator == "kerberos" and .sid != null'

# A token is good once, and for one request
ok /integration/samba-kerberos/replay gets alice modern '200 proved,401' "$general" fresh again
ok /integration/samba-kerberos/each-request gets alice modern '200 proved,401,200 proved' "$general" fresh none fresh
simulator set modern switch:kerberos-session=connection switch:kerberos-stranger=403
ok /integration/samba-kerberos/connection gets alice modern '200 proved,200' "$general" fresh none
ok /requirements/S07-1.30/samba/forbidden gets bob modern '403 proved'
simulator set modern switch:kerberos-session=request switch:kerberos-stranger=401-token
ok /integration/samba-kerberos/stranger-with-token gets bob modern '401 proved'
simulator set modern switch:kerberos-stranger=401 switch:kerberos-strict-spn=true
ok /integration/samba-kerberos/strict-name gets alice modern 401
ok /integration/samba-kerberos/strict-name-told told 'the ticket is for another service'
simulator set modern switch:kerberos-strict-spn=false switch:kerberos-replays=true
ok /integration/samba-kerberos/replay-allowed gets alice modern '200 proved,200' "$general" fresh again
simulator set modern switch:kerberos-replays=false switch:kerberos-key-version=true
ok /integration/samba-kerberos/same-key-version gets alice modern '200 proved'
simulator set modern AMT_KerberosSettingData.KeyVersion=9
ok /integration/samba-kerberos/strict-key-version gets alice modern 401
ok /integration/samba-kerberos/strict-key-version-told told 'the ticket is of key version 1, not 9'
simulator set modern AMT_KerberosSettingData.KeyVersion=1 switch:kerberos-key-version=false

# Clocks: five minutes, or what the device was told
simulator set modern clock-offset=-240
simulator set tight clock-offset=-120
ok /requirements/S12-11.3/samba/clock-within-tolerance gets alice modern '200 proved'
ok /requirements/S12-11.3/samba/clock-beyond-its-own-tolerance gets alice tight 401
ok /integration/samba-kerberos/early-ticket-is-told told 'tight.*reason=bad-ticket.*Ticket not yet valid'
simulator set modern clock-offset=360
ok /requirements/S12-11.3/samba/clock-beyond-tolerance gets alice modern 401
ok /integration/samba-kerberos/skew-is-told told 'modern.*reason=bad-ticket.*Clock skew'
simulator set modern clock-offset=0
ok /requirements/S12-11.3/samba/clock-set-right gets alice modern '200 proved'

# Before AMT 8: RC4, where the site allows it, and nothing where it does not
ok /requirements/S12-11.3/samba/rc4-where-allowed gets alice old '200 proved'
offers() {
	curl -sk --tls-max 1.2 --ciphers DEFAULT@SECLEVEL=0 -o page -D headers "https://$1.example.com:16993/wsman"
	grep -i '^www-authenticate: digest' headers && grep -ci '^www-authenticate: negotiate' headers >count
	same "how often $1 offers tickets" "$(cat count)" "$2"
}
ok /integration/samba-kerberos/offered offers old 1
ok /requirements/S12-11.3/samba/no-weak-key-no-offer offers strict 0

# AMT 2 to 5 take tokens of 4 KB, which somebody in many groups passes
groups() {
	/usr/bin/python3 "$samba_folder/groups.py" "$AD_DIR" alice "$1"
}
ok /integration/samba-kerberos/oldest gets alice oldest '200 proved'
ok /integration/samba-kerberos/many-groups groups 300
ok /requirements/S12-11.3/samba/token-too-large gets alice oldest 401
ok /integration/samba-kerberos/too-large-is-told told 'oldest.*the token has [0-9]* characters, more than 4096'
ok /requirements/S12-11.3/samba/later-ones-take-it gets alice modern '200 proved'

# The password is changed in the directory and not in the device: who has an old ticket gets in, and nobody else
KRB5CCNAME=$(samba_login alice)
old_ticket() {
	KRB5CCNAME=$1 "$negotiate" https://modern.example.com:16993/wsman HTTP@modern.example.com:16993 "$general" fresh | grep -qx "$2"
}
ok /integration/samba-kerberos/before-the-change old_ticket "$KRB5CCNAME" '200 proved'
cp "${KRB5CCNAME#FILE:}" old.cc
samba_password "$(stored modern '.facts["account.name"]')" Another.Passw0rd >>password.log 2>&1 || bail "$(cat password.log)"
ok /requirements/S12-11.3/samba/old-ticket old_ticket "FILE:$work/old.cc" '200 proved'
ok /requirements/S12-11.3/samba/key-of-another-version gets alice modern 401
ok /integration/samba-kerberos/key-is-told told 'modern.*reason=bad-ticket.*note=ticket'
stop_sim

# And now with accounts of that directory, which the delegated service account makes
dir=$work/ad
mkdir "$dir"
cat >"$dir/fleet.json" <<-END
	{ "devices": [ { "name": "pc9" }, { "name": "pc10", "personality": "12.0" },
	  { "name": "pc6", "personality": "6.2" } ] }
END
start_sim --fleet "$dir/fleet.json" --set restart-msec=20
make_site
quick
ok /integration/samba-kerberos/delegate samba_delegate least
edit "$dir/site/standard.json" '(.stages[] | select(.stage == "wsman-acl")).entries = [
	{ group: "AMT-8021X", realms: [ "Redirection", "PTAdministration", "HardwareAsset", "RemoteControl", "Storage", "EventManager",
		"StorageAdmin", "AgentPresenceLocal", "AgentPresenceRemote", "CircuitBreaker", "NetworkTime", "GeneralInfo",
		"EndpointAccessControl", "EndpointAccessControlAdmin", "EventLogReader", "AuditLog", "ACL" ] },
	{ group: "AMT Admins", realms: [ "PTAdministration" ] }, { group: "svc-amt", realms: [ "PTAdministration" ] } ]'
# the old one's keys are of RC4, on both sides
jq '.pipeline = "old" | (.stages[] | select(.stage == "ad-account"))."encryption-types" = [ "rc4" ]
	| (.stages[] | select(.stage == "kerberos")).legacy = true' "$dir/site/standard.json" >"$dir/site/old.json"
edit "$PROVOST_SITE" '.pipelines += [ { name: "old", file: "old.json" } ] | .groups = [ { name: "legacy", tls: "legacy", pipeline: "old" } ]
	| .plugins = (.plugins - [ "directory-local" ] + [ "ad" ]) | .directory = { type: "ad", domain: "example.com",
	keytab: "'"$AD_SERVICE_KEYTAB"'", ou: "OU=AMT Devices" } | .login = { kerberos: true }'
import_fleet
run provision --all
ok /requirements/S12-11.3/samba/provisioned-in-the-directory said 0 '3 of 3 Provisioned'
for name in "${devices[@]}"; do
	look "$name"
	samba_host "$name.example.com" "$(value "$name" .address)"
	ok "/requirements/S12-11.3/samba/account-of-the-directory/$name" gets alice "$name" '200 proved'
	ok "/requirements/S07-1.30/samba/group-found-by-name/$name" holds "$name" '[.acl[] | select(.sid != null) | .sid] == [ $one, $two, $three ]' \
		one "$(sid "$AD_SID_8021X")" two "$(sid "$AD_SID_ADMINS")" three "$(sid "$AD_SID_SERVICE")"
	ok "/integration/samba-kerberos/others-stay-outside/$name" gets bob "$name" 401
done
# The service logs in by a ticket of its own as soon as the device takes it, and reads all that it needs
run verify --all
ok /integration/samba-kerberos/verified said 0
for name in "${devices[@]}"; do
	look "$name"
	ok "/integration/samba-kerberos/service-by-ticket/$name" holds "$name" '."last-login" == { user: "svc-amt@EXAMPLE.COM", kind: "kerberos" }
		and .counters."tickets-refused" == 1 and .counters."logins-failed" == 0'
done
# And a person does, with Provost as the client
verifies() {
	samba_as "$1" "$provost" verify --kerberos pc9 pc6 --json >verified.json 2>verify.err
	same 'who got in' "$(jq -r '[.devices[] | .kerberos // .code] | join(",")' verified.json)" "$2"
}
ok /requirements/S12-11.3/samba/person-by-provost verifies alice alice@EXAMPLE.COM,alice@EXAMPLE.COM
ok /integration/samba-kerberos/stranger-by-provost verifies bob auth,auth
ok /requirements/S07-1.31/samba/all-realms-granted holds pc9 '.acl | any(.realms | length == 17)'
samba-tool group addmembers AMT-8021X bob >>"$dir/members.log" 2>&1
ok /requirements/S07-1.31/samba/all-realms-serve gets bob pc9 '200 proved' "$rights"

# Somebody resets the password: the next run gives account and device a new key, and old tickets have had their day
account_password() {
	samba_password "$(stored pc9 '.facts["account.dn"] | capture("^CN=(?<cn>[^,]*),").cn')" "$1"
}
cp "$(samba_login alice | sed s/^FILE://)" old.cc
KRB5CCNAME=FILE:$work/old.cc "$negotiate" https://pc9.example.com:16993/wsman HTTP@pc9.example.com:16993 "$general" fresh >first.out
ok /integration/samba-kerberos/reset-by-somebody account_password Reset.By.Some1
ok /integration/samba-kerberos/reset-shuts-out gets alice pc9 401
run provision pc9
ok /requirements/S12-11.3/samba/rekeyed said 0 'pc9'
ok /requirements/S12-11.3/samba/new-key-serves gets alice pc9 '200 proved'
old_is_refused() {
	KRB5CCNAME=FILE:$work/old.cc "$negotiate" https://pc9.example.com:16993/wsman HTTP@pc9.example.com:16993 "$general" fresh >second.out
	grep -qx '200 proved' first.out && grep -qx 401 second.out
}
ok /requirements/S12-11.3/samba/old-tickets-are-refused old_is_refused
stop_sim
done_testing
