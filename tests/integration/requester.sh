#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Enrolment in the name of the AMT computer: a real KDC, and a CA that writes down whose ticket it was shown.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"

PATH=$PATH:/usr/sbin:/sbin
module=$PV_TOP_BUILDDIR/tests/modules/.libs/test-requester.so
authority=$PV_TOP_BUILDDIR/tests/integration/requester-ca
for command in krb5kdc kadmin.local kdb5_util; do
	command -v "$command" >/dev/null && continue
	skip /requirements/S12-06.3 "$command is not installed (krb5-kdc, krb5-admin-server)"
	done_testing
	exit
done
if [ ! -e "$module" ]; then
	skip /requirements/S12-06.3 'built without libkrb5-dev'
	done_testing
	exit
fi

# --- the KDC of EXAMPLE.COM and a CA that is a service in it

kdc=$work/kdc
mkdir -p "$kdc" "$work/ca"
cat >"$kdc/krb5.conf" <<-END
	[libdefaults]
	default_realm = EXAMPLE.COM
	dns_lookup_kdc = false
	dns_lookup_realm = false
	dns_canonicalize_hostname = false
	rdns = false
	udp_preference_limit = 1
	[realms]
	EXAMPLE.COM = {
	kdc = $net.240:18888
	}
	[domain_realm]
	.example.com = EXAMPLE.COM
END
cat >"$kdc/kdc.conf" <<-END
	[kdcdefaults]
	kdc_listen = $net.240:18888
	kdc_tcp_listen = $net.240:18888
	[realms]
	EXAMPLE.COM = {
	database_name = $kdc/principal
	key_stash_file = $kdc/stash
	}
END
# the service has a ticket of its own in the usual place, which must never be used
export KRB5_CONFIG=$kdc/krb5.conf KRB5_KDC_PROFILE=$kdc/kdc.conf KRB5CCNAME=FILE:$kdc/cache
# kadmin COMMAND: by standard input, for it may hold a password
kadmin() {
	kadmin.local <<<"$1" >"$work/kadmin.log" 2>&1 && ! grep -qE '^[a-z_]+: ' "$work/kadmin.log" ||
		bail "kadmin.local: $(cat "$work/kadmin.log")"
}
kdb5_util create -s -r EXAMPLE.COM -P master >"$work/kdb.log" 2>&1 || bail "kdb5_util: $(cat "$work/kdb.log")"
kadmin 'addprinc -randkey ca/ca.example.com'
kadmin 'addprinc -randkey svc-provost'
kadmin "ktadd -k $kdc/ca.keytab ca/ca.example.com"
kadmin "ktadd -k $kdc/service.keytab svc-provost"
krb5kdc -n >"$work/kdc.log" 2>&1 &
pids+=($!)
kdc_listens() { : 3<>"/dev/tcp/$net.240/18888"; }
ok /integration/requester/kdc-listens await 20 kdc_listens

openssl req -x509 -newkey rsa:2048 -nodes -keyout "$work/ca/key.pem" -out "$work/ca/root.pem" -days 3650 \
	-subj '/CN=Enterprise CA' >"$work/openssl.log" 2>&1 || bail "openssl: $(cat "$work/openssl.log")"
openssl x509 -in "$work/ca/root.pem" -outform DER -out "$work/ca/root.der"
KRB5_KTNAME=FILE:$kdc/ca.keytab KRB5RCACHENAME=none: "$authority" "$net.241" "$work/ca/root.pem" "$work/ca/key.pem" \
	>"$work/ca.log" 2>"$work/ca.err" &
pids+=($!)
ca_is_ready() { grep -q '^ready' "$work/ca.log"; }
ok /integration/requester/ca-listens await 20 ca_is_ready
port=$(sed -n 's/^ready //p' "$work/ca.log")

# --- a site with that CA; the pipeline asks as the device

start_sim --devices 3
mkdir "$work/plugins"
cp "$PV_TOP_BUILDDIR"/plugins/*/.libs/*.so "$module" "$work/plugins"
chmod -R go-w "$work/plugins"
make_site
quick
edit "$PROVOST_SITE" "$(printf '."plugin-path" = [ "%s" ] | .plugins += [ "test-requester" ] | .ca = { type: "test-requester",
	address: "%s:%s", service: "ca@ca.example.com", root: "%s", principal: "svc-provost", keytab: "%s" }' \
	"$work/plugins" "$net.241" "$port" "$work/ca/root.der" "$kdc/service.keytab")"
edit "$PROVOST_SITE" '.plugins += [ "ieee8021x" ]'
edit "$dir/site/standard.json" '(.stages[] | select(.stage == "certificate")).as = "device"'
# a second certificate, by a template of its own, for the network that the devices are to enter
edit "$dir/site/standard.json" "$(printf '(.stages | map(.stage == "commit") | index(true) + 1) as $next
	| .stages |= .[:$next] + [ { stage: "ieee8021x", protocol: "eap-tls", "server-name": "radius.example.com", root: "%s",
	template: "radius-client", as: "device" } ] + .[$next:]' "$work/ca/root.pem")"
jq '{ pipeline: "account", stages: [ .stages[] | select(.stage == "ad-account") ] }' "$dir/site/standard.json" >"$dir/site/account.json"
edit "$PROVOST_SITE" '.pipelines += [ { name: "account", file: "account.json" } ]'
import_fleet

# as one directory would do it: the accounts of the local one become principals, with the passwords that Provost gave them
run provision --all --pipeline account
[ "${#devices[@]}" -eq 3 ] || bail "${#devices[@]} devices"
for device in "${devices[@]}"; do
	kadmin "addprinc +requires_preauth -pw $("$provost" secret show "$device" account --reveal 2>/dev/null) $(stored "$device" '.facts["account.name"]')"
done
# one whose password in the directory is another by now
wrong=${devices[2]}
kadmin "cpw -pw Changed-Elsewhere-1 $(stored "$wrong" '.facts["account.name"]')"

# requesters PURPOSE
requesters() { sed -n "s/^requester \\(.*\\): $1 /\\1 /p" "$work/ca.log" | sort; }
itself() {
	local device
	for device in "${devices[@]:0:2}"; do
		echo "$device\$iME@EXAMPLE.COM for $(stored "$device" .fqdn) issued"
	done | sort
}
run provision --all
ok /requirements/S12-06.3/devices-with-their-own-account said 1 '2 of 3 Provisioned'
ok /requirements/S12-06.3/each-asked-for-itself-and-nobody-else same 'requesters' "$(requesters serverAuth)" "$(itself)"
ok /requirements/S12-11.11/client-certificates-too same 'requesters' "$(requesters clientAuth)" "$(itself)"
ok /requirements/S12-11.11/nothing-else-was-asked same 'number of requests' "$(grep -c '^requester' "$work/ca.log")" 4
for device in "${devices[@]:0:2}"; do
	look "$device"
	ok "/requirements/S12-06.3/certificate-in-use/$device" holds "$device" '.state == "post" and .tls.active.sha256 == $known' \
		known "$(stored "$device" '.facts["certificate.sha256"]')"
	ok "/requirements/S12-11.11/in-the-device/$device" holds "$device" 'any(.certificates[]; .sha256 == $known and .key != null)' \
		known "$(stored "$device" '.facts["ieee8021x.sha256"]')"
done
run provision "$wrong"
ok /requirements/S12-06.3/wrong-password-is-told said 1 "get a ticket as $wrong\$iME@EXAMPLE.COM: "
look "$wrong"
ok /requirements/S12-06.3/wrong-password-goes-no-further holds "$wrong" '.state == "in" and (.certificates | length) == 0'
ok /requirements/S12-06.3/service-never-asked refuses grep -q svc-provost "$work/ca.log"
ok /requirements/S12-06.3/no-cache-on-the-disk [ ! -e "$kdc/cache" ]
grep -qF "$("$provost" secret show "${devices[0]}" account --reveal 2>/dev/null)" "$work/ca.log" "$work/out"
ok /requirements/S12-06.3/no-password-is-said [ $? -eq 1 ]

# the same with the service's own account, which this CA refuses: what was written down above does tell the difference
edit "$dir/site/standard.json" '(.stages[] | select(.stage == "certificate")).as = "service"'
run provision "$wrong"
ok /requirements/S12-06.3/as-the-service-is-refused said 1 "svc-provost@EXAMPLE.COM may not ask for $(stored "$wrong" .fqdn)"

# a method that needs no certificate asks for none
edit "$dir/site/standard.json" '(.stages[] | select(.stage == "ieee8021x")) |= { stage, protocol: "peap-mschapv2",
	"server-name": "radius.example.com", root }'
asked=$(grep -c '^requester' "$work/ca.log")
run provision "${devices[0]}"
ok /requirements/S12-11.11/password-method said 0 '1 of 1 Provisioned'
ok /requirements/S12-11.11/password-method-asks-for-none same 'number of requests' "$(grep -c '^requester' "$work/ca.log")" "$asked"

# without an account there is nobody to ask as
edit "$dir/site/standard.json" '(.stages[] | select(.stage == "certificate")).as = "device" | .stages |= map(select(.stage | IN("ad-account", "kerberos", "ieee8021x") | not))'
"$provost" --quiet reset "$wrong"
run provision "$wrong"
ok /requirements/S12-06.3/no-account-is-told said 1 'the device is to ask itself, and has no account'
done_testing
