#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Wired 802.1X and wireless: laptops that were provisioned without it, and on which another product has left profiles and
# certificates, get the site's; then a change, then none of it any more. What is said of a device is what the simulator
# holds.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"

cat >"$work/fleet.json" <<-END
	{ "devices": [
	  { "name": "laptop", "personality": "16.1", "set": { "wireless": "true" } },
	  { "name": "dmtf-amt", "personality": "12.0", "set": { "wireless": "true", "8021x-comparison": "amt" } },
	  { "name": "desktop", "personality": "11.8", "set": { "wireless-absent": "empty" } },
	  { "name": "air", "personality": "16.1", "set": { "wireless": "true", "wired": "false" } },
	  { "name": "air-zero", "personality": "12.0", "set": { "wireless": "true", "wired": "false", "wired-absent": "zero-mac" } },
	  { "name": "old", "personality": "6.2", "set": { "wireless": "true", "pkcs10": "false" } },
	  { "name": "older", "personality": "3.2" } ] }
END
start_sim --fleet "$work/fleet.json" --wireless-base "$net.101"
make_site
quick
import_fleet

# A site has to say yes to these stages; until then nothing of them happens.
run provision --all
ok /e2e/network/provisioned said 0 'Provisioned'
touched='[.counters.methods | keys[] | select(test("^(Put|Create|Delete) .*(8021|WiFi)|SetCertificates|WiFiSettings$|CIM_WiFiPort|TrustedRoot|DeleteAll"))]'
for device in laptop desktop old; do
	look "$device"
	ok "/requirements/S12-11.14/nothing-is-touched/$device" holds "$device" "$touched == []"
	value "$device" .counters.commits >"$work/$device.commits"
done

# Another product's: two wireless profiles and the wired one, with certificates and keys. As its program would write them.
foreign_ca() {
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/$1.key" -out "$work/$1.pem" -subj "/CN=$1" -days 30 "${@:2}" \
		2>>"$work/openssl.log" || bail "openssl: $(cat "$work/openssl.log")"
}
foreign_ca other-root -addext keyUsage=critical,keyCertSign
foreign_ca other-client -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=clientAuth
foreign_ca other-wired -addext basicConstraints=critical,CA:FALSE -addext extendedKeyUsage=clientAuth
foreign_ca radius -addext keyUsage=critical,keyCertSign
foreign_ca next-radius -addext keyUsage=critical,keyCertSign

amt_uri=http://intel.com/wbem/wscim/1/amt-schema/1
ips_uri=http://intel.com/wbem/wscim/1/ips-schema/1
cim_uri=http://schemas.dmtf.org/wbem/wscim/1/cim-schema/2
# ask DEVICE CLASS-URI ACTION BODY: one request with the administrator's password; the answer is in $work/answer
ask() {
	local device=$1 uri=$2 action=$3 body=$4
	printf 'user = "admin:%s"\n' "$("$provost" secret show "$device" admin --reveal 2>/dev/null)" >"$work/curl.conf"
	cat >"$work/request" <<-END
		<?xml version="1.0" encoding="utf-8"?><s:Envelope xmlns:s="http://www.w3.org/2003/05/soap-envelope"
		 xmlns:a="http://schemas.xmlsoap.org/ws/2004/08/addressing" xmlns:w="http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd">
		<s:Header><a:Action>$action</a:Action><a:To>/wsman</a:To><w:ResourceURI>$uri</w:ResourceURI><a:MessageID>1</a:MessageID>
		<a:ReplyTo><a:Address>http://schemas.xmlsoap.org/ws/2004/08/addressing/role/anonymous</a:Address></a:ReplyTo>
		<w:OperationTimeout>PT60S</w:OperationTimeout></s:Header><s:Body>$body</s:Body></s:Envelope>
	END
	curl --silent --show-error --insecure --digest --config "$work/curl.conf" --data-binary "@$work/request" \
		-H 'Content-Type: application/soap+xml;charset=UTF-8' "https://$(value "$device" .address):16993/wsman" \
		>"$work/answer" 2>"$work/curl.err" || bail "curl: $(cat "$work/curl.err")"
	! grep -q ':Fault>' "$work/answer" || bail "$action: $(cat "$work/answer")"
}
# call DEVICE URI CLASS METHOD PARAMETERS
call() {
	ask "$1" "$2/$3" "$2/$3/$4" "<r:$4_INPUT xmlns:r=\"$2/$3\">$5</r:$4_INPUT>"
	grep -q 'ReturnValue>0<' "$work/answer" || bail "$4: $(cat "$work/answer")"
}
# store METHOD FILE: puts a certificate into the device; its InstanceID is in $stored_id
store_certificate() {
	call "$1" "$amt_uri" AMT_PublicKeyManagementService "$2" \
		"<r:CertificateBlob>$(openssl x509 -in "$work/$3.pem" -outform DER | base64 -w0)</r:CertificateBlob>"
	stored_id=$(grep -o 'Intel(r) AMT Certificate: Handle: [0-9]*' "$work/answer" | head -n 1)
}
store_key() {
	call "$1" "$amt_uri" AMT_PublicKeyManagementService AddKey \
		"<r:KeyBlob>$(openssl rsa -in "$work/$2.key" -traditional -outform DER 2>>"$work/openssl.log" | base64 -w0)</r:KeyBlob>"
}
reference() {
	printf '<r:%s><a:Address>/wsman</a:Address><a:ReferenceParameters><w:ResourceURI>%s</w:ResourceURI>' "$1" "$2"
	printf '<w:SelectorSet><w:Selector Name="%s">%s</w:Selector></w:SelectorSet></a:ReferenceParameters></r:%s>' "$3" "$4" "$1"
}
certificate_reference() {
	reference "$1" "$amt_uri/AMT_PublicKeyCertificate" InstanceID "$2"
}
# profile NAME METHOD ENCRYPTION PRIORITY MORE
profile() {
	printf '<r:WiFiEndpointSettingsInput xmlns:q="%s/CIM_WiFiEndpointSettings"><q:ElementName>%s</q:ElementName>' "$cim_uri" "$1"
	printf '<q:InstanceID>Intel(r) AMT:WiFi Endpoint Settings %s</q:InstanceID>' "$1"
	printf '<q:AuthenticationMethod>%s</q:AuthenticationMethod><q:EncryptionMethod>%s</q:EncryptionMethod>' "$2" "$3"
	printf '<q:SSID>%s</q:SSID><q:Priority>%s</q:Priority>%s</r:WiFiEndpointSettingsInput>' "$1" "$4" "$5"
}
leave_things_behind() {
	local device=$1 root client wired
	store_certificate "$device" AddTrustedRootCertificate other-root
	root=$stored_id
	store_key "$device" other-client
	store_certificate "$device" AddCertificate other-client
	client=$stored_id
	store_key "$device" other-wired
	store_certificate "$device" AddCertificate other-wired
	wired=$stored_id
	local endpoint
	endpoint=$(reference WiFiEndpoint "$cim_uri/CIM_WiFiEndpoint" Name 'WiFi Endpoint 0')
	local eap="<r:IEEE8021xSettingsInput xmlns:q=\"$cim_uri/CIM_IEEE8021xSettings\"><q:ElementName>theirs8021x</q:ElementName>"
	eap+="<q:InstanceID>theirs8021x</q:InstanceID><q:AuthenticationProtocol>0</q:AuthenticationProtocol>"
	eap+="<q:Username>them</q:Username></r:IEEE8021xSettingsInput>"
	call "$device" "$amt_uri" AMT_WiFiPortConfigurationService AddWiFiSettings "$endpoint$(profile theirs 7 4 1 '')$eap$(
		certificate_reference ClientCredential "$client")$(certificate_reference CACredential "$root")"
	call "$device" "$amt_uri" AMT_WiFiPortConfigurationService AddWiFiSettings \
		"$endpoint$(profile guests 6 4 2 '<q:PSKPassPhrase>of their guests</q:PSKPassPhrase>')"
	local settings="<r:IPS_IEEE8021xSettings xmlns:r=\"$ips_uri/IPS_IEEE8021xSettings\">"
	settings+="<r:AuthenticationProtocol>0</r:AuthenticationProtocol><r:ElementName>Intel(r) AMT: 8021X Settings</r:ElementName>"
	settings+="<r:Enabled>2</r:Enabled><r:InstanceID>Intel(r) AMT: 8021X Settings</r:InstanceID>"
	settings+="<r:Username>them</r:Username></r:IPS_IEEE8021xSettings>"
	ask "$device" "$ips_uri/IPS_IEEE8021xSettings" http://schemas.xmlsoap.org/ws/2004/09/transfer/Put "$settings"
	call "$device" "$ips_uri" IPS_IEEE8021xSettings SetCertificates \
		"$(certificate_reference ServerCertificateIssuer "$root")$(certificate_reference ClientCertificate "$wired")"
}
leave_things_behind laptop
simulator set laptop wireless-user-profile=home
look laptop
ok /e2e/network/another-product-was-here holds laptop '(.wireless.profiles | length) == 3 and .["wired-8021x"].ready
	and (.certificates | length) == 4 and (.keys | length) == 3'

# The site's. The wire asks for a certificate, the air has one network with certificates and one with a passphrase.
printf 'correct horse battery' >"$dir/site/passphrase"
chmod 600 "$dir/site/passphrase"
cp "$work/radius.pem" "$work/next-radius.pem" "$dir/site/"
edit "$PROVOST_SITE" '.variables |= (.wired8021x = true | .wireless = true)'
edit "$dir/site/standard.json" '(.stages[] | select(.stage == "ieee8021x")) |= . + { template: "AMTWired",
	  "server-name": "radius.example.com", root: "radius.pem", "pxe-timeout": 60 }
	| (.stages[] | select(.when == "site.wireless")).profiles = [
	  { name: "corp", ssid: "Corp net", security: "wpa2-enterprise", protocol: "eap-tls", template: "AMTWireless",
	    "server-name": "example.com", "server-name-match": "suffix", root: "radius.pem" },
	  { name: "spare", security: "wpa2-psk", passphrase: { file: "passphrase" } } ]'
run site check
ok /e2e/network/site-is-good said 0
value laptop '.counters | "\(.writes)"' >"$work/before"
run plan laptop
ok /requirements/S07-3.6/plan-shows-it said 2 'wireless profile corp' 'wireless profile theirs' 'IPS_IEEE8021xSettings' 'trusted root'
ok /requirements/S07-3.6/plan-shows-no-secret refuses grep -q 'correct horse' "$work/out"
look laptop
ok /requirements/S07-3.6/plan-writes-nothing same 'number of writes' "$(value laptop .counters.writes)" "$(cat "$work/before")"
run provision --all
ok /requirements/S07-3.2/added-to-provisioned-devices said 0 'Provisioned'
for profile in 'wireless profile corp written' 'wireless profile spare written' 'wired 802.1X profile written'; do
	ok "/e2e/network/told-once/${profile// /-}" same 'number of lines' "$(grep -c "^laptop: .*$profile" "$work/out")" 1
done

for device in laptop dmtf-amt desktop old older; do look "$device"; done
for device in laptop desktop old; do
	ok "/requirements/S07-3.1/without-unprovisioning/$device" same 'number of commits' "$(value "$device" .counters.commits)" "$(cat "$work/$device.commits")"
done
for device in laptop dmtf-amt desktop old; do
	ok "/requirements/S12-11.13/wired-read-back/$device" holds "$device" '.["wired-8021x"]
		| .enabled and .ready and .eap == "TLS" and .["server-name"] == "radius.example.com" and .["server-name-match"] == "full"
		and .["pxe-timeout"] == "60" and .["in-s0"] == "true" and .identity == $user' \
		user "$(stored "$device" '.facts["account.name"] + "@" + .facts["account.realm"]')"
done
for device in laptop dmtf-amt old; do
	ok "/requirements/S12-11.8/others-profiles-are-gone/$device" holds "$device" \
		'[.wireless.profiles[].name | select(. != "home")] | sort == ["corp", "spare"]'
	ok "/requirements/S07-3.8/field-by-field/$device" holds "$device" '.wireless.profiles[] | select(.name == "corp")
		| .ssid == "Corp net" and .priority == "1" and .authentication == "7" and .encryption == "4"
		and .["8021x"].ready and .["8021x"].eap == "TLS" and .["8021x"]["server-name"] == "example.com"
		and .["8021x"]["server-name-match"] == "suffix" and .["8021x"].identity == $user' \
		user "$(stored "$device" '.facts["account.name"] + "@" + .facts["account.realm"]')"
	ok "/requirements/S12-11.12/passphrase/$device" holds "$device" '.wireless.profiles[] | select(.name == "spare")
		| .priority == "2" and .authentication == "6" and .["pass-phrase"] == "correct horse battery"'
	ok "/e2e/network/port-is-on/$device" holds "$device" '.wireless["port-state"] == 32769'
	value "$device" '.wireless.profiles[] | select(.name == "corp") | .["8021x"]["ca-certificate"]' >"$work/root"
	ok "/requirements/S07-3.9/root-tied-to-the-profile/$device" same 'the root' \
		"$(openssl x509 -in "$work/root" -noout -fingerprint -sha256)" "$(openssl x509 -in "$work/radius.pem" -noout -fingerprint -sha256)"
done
ok /e2e/network/users-profile-stays holds laptop '[.wireless.profiles[].name] | contains(["home"])'

# Of what was there, TLS's own certificate is all that stays: with the two new identities and the root, nothing else.
ok /requirements/S12-11.9/nothing-left-over holds laptop '(.certificates | length) == 4 and (.keys | length) == 3
	and ([.certificates[].sha256] | contains([$tls, $wired, $corp])) and all(.certificates[]; .["trusted-root"] or .key != null)' \
	tls "$(stored laptop '.facts["certificate.sha256"]')" wired "$(stored laptop '.facts["ieee8021x.sha256"]')" \
	corp "$(stored laptop '.facts["wireless.corp.sha256"]')"
ok /requirements/S12-11.9/tls-keeps-its-own holds laptop '.tls.active.sha256 == $tls' tls "$(stored laptop '.facts["certificate.sha256"]')"
ok /requirements/S07-3.10/keys-made-in-the-device holds laptop '.counters.methods["AMT_PublicKeyManagementService.GenerateKeyPair"] == 3'

value laptop '.["wired-8021x"]["client-certificate"]' >"$work/wired.pem"
value laptop '.["wired-8021x"]["private-key"]' >"$work/wired.key"
ok /requirements/S07-3.7/for-client-authentication openssl verify -CAfile "$dir/site/ca/ca.crt" -purpose sslclient "$work/wired.pem"
ok /requirements/S07-3.7/not-for-a-server refuses openssl verify -CAfile "$dir/site/ca/ca.crt" -purpose sslserver "$work/wired.pem"
principal() {
	openssl x509 -in "$work/wired.pem" -noout -ext subjectAltName | grep -F "$1"
}
ok /requirements/S07-3.7/names-the-account principal "$(stored laptop '.facts["account.name"]')"
ok /requirements/S07-3.7/its-key-fits same 'the public key' "$(openssl pkey -in "$work/wired.key" -pubout)" \
	"$(openssl x509 -in "$work/wired.pem" -noout -pubkey)"

# Wired only, and firmware without 802.1X: skipped, and the reason is told.
skipped() {
	local text
	text=$(stored "$1" ".results[] | select(.stage == \"$2\") | \"\\(.outcome): \\(.text)\"")
	case $text in
	skipped:*"$3"*) ;;
	*) echo "$text" && return 1 ;;
	esac
}
ok /requirements/S12-11.10/wired-only skipped desktop wireless 'wired only'
ok /requirements/S12-11.10/port-is-not-touched holds desktop '[.counters.methods | keys[] | select(test("WiFiSettings$|RequestStateChange"))] == []'
for device in air air-zero; do
	look "$device"
	ok "/e2e/network/no-wired-port/$device" skipped "$device" ieee8021x 'no wired port'
	ok "/e2e/network/no-wired-port/no-certificate-for-it/$device" holds "$device" '(.["wired-8021x"].enabled | not)
		and .counters.methods["AMT_PublicKeyManagementService.GenerateKeyPair"] == 2
		and ([.wireless.profiles[].name] | sort == ["corp", "spare"])'
done
ok /e2e/network/no-802.1x-in-old-firmware skipped older ieee8021x 'no settings for wired 802.1X'

# Again: nothing is written.
counts() {
	for device in laptop dmtf-amt desktop old; do value "$device" .counters.writes; done
}
counts >"$work/before"
run provision --all
ok /e2e/network/again/provisioned said 0
for device in laptop dmtf-amt desktop old; do look "$device"; done
counts >"$work/after"
ok /e2e/network/again/no-write cmp "$work/before" "$work/after"

# Over the air: the laptop answers there, and what it is connected by is not deleted over it.
simulator set laptop 'wireless-link=Corp net'
look laptop
ok /e2e/network/link-is-up holds laptop '.wireless.active == "corp"'
run set laptop --address "$(value laptop .wireless.address)"
run plan laptop
ok /e2e/network/managed-over-wireless said 0
edit "$dir/site/standard.json" '(.stages[] | select(.when == "site.wireless")).profiles |= map(select(.name != "corp"))'
run provision laptop
ok /e2e/network/active/not-over-itself said 1 'this very session'
look laptop
ok /e2e/network/active/it-stays holds laptop '.wireless.active == "corp"'
run set laptop --address "$(value laptop .address)"
run provision laptop
ok /e2e/network/active/freed-over-the-wire said 0
look laptop
ok /e2e/network/active/gone holds laptop '[.wireless.profiles[].name] | sort == ["home", "spare"]'
ok /e2e/network/active/port-as-before holds laptop '.wireless["port-state"] == 32769'
ok /requirements/S12-11.9/what-only-that-profile-used holds laptop '(.certificates | length) == 3 and (.keys | length) == 2'

# Another passphrase: that and nothing else is written.
printf 'battery staple horse' >"$dir/site/passphrase"
run plan laptop --json
ok /e2e/network/passphrase/planned same 'the plan' \
	"$(jq -c '[.devices[].stages[] | .changes[] | [.object, .property]]' "$work/out")" '[["wireless profile spare","PSKPassPhrase"]]'
run provision laptop
look laptop
ok /e2e/network/passphrase/written holds laptop '[.wireless.profiles[]["pass-phrase"]] | contains(["battery staple horse"])'

# The wire alone: the device's wireless profiles go all the same.
edit "$PROVOST_SITE" '.variables.wireless = false'
run provision dmtf-amt
ok /e2e/network/wire-alone/provisioned said 0
look dmtf-amt
ok /requirements/S12-11.8/wire-alone holds dmtf-amt '.wireless.profiles == [] and .["wired-8021x"].ready
	and ([.certificates[] | select(.["trusted-root"] | not)] | length) == 2 and (.keys | length) == 2'
edit "$PROVOST_SITE" '.variables.wireless = true'

# None of it any more.
edit "$dir/site/standard.json" '(.stages[] | select(.stage == "ieee8021x")) |= { stage: "ieee8021x", enabled: false }
	| (.stages[] | select(.when == "site.wireless")) |= { stage: "wireless", profiles: [], port: "off" }'
run provision --all
ok /e2e/network/off/provisioned said 0
for device in laptop dmtf-amt desktop old; do
	look "$device"
	ok "/requirements/S12-11.9/all-that-only-they-used/$device" holds "$device" '(.certificates | length) == 1 and (.keys | length) == 1
		and (.["wired-8021x"].enabled | not) and ([.wireless.profiles[].name | select(. != "home")] | length) == 0'
done
done_testing
