#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# AD CS: its enrolment and policy services and its pages, played by a double that cepces, certmonger and others were tried
# with, and a real KDC. The double writes down who asked for what. What it does not play: see data/sites/ad-adcs/README.md.
. "$(dirname "$0")/lib.bash"
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"
need krb5kdc krb5-kdc
need kadmin.local krb5-admin-server
. "$PV_TOP_SRCDIR/tests/integration/ca/adcs.bash"
need_double

# --- the KDC of EXAMPLE.COM. Only its own tools are told where it is: Provost has it from the site's file
kdc=$work/kdc
mkdir "$kdc"
cat >"$kdc/krb5.conf" <<-END
	[libdefaults]
	default_realm = EXAMPLE.COM
	dns_lookup_kdc = false
	dns_lookup_realm = false
	dns_canonicalize_hostname = false
	rdns = false
	[realms]
	EXAMPLE.COM = {
	kdc = $net.240:18888
	}
	[domain_realm]
	localhost = EXAMPLE.COM
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
with_kdc() { KRB5_CONFIG=$kdc/krb5.conf KRB5_KDC_PROFILE=$kdc/kdc.conf "$@"; }
# kadmin COMMAND: by standard input, for it may hold a password
kadmin() {
	with_kdc kadmin.local <<<"$1" >"$work/kadmin.log" 2>&1 && ! grep -qE '^[a-z_]+: ' "$work/kadmin.log" ||
		bail "kadmin.local: $(cat "$work/kadmin.log")"
}
start_kdc() {
	with_kdc krb5kdc -n >"$work/kdc.log" 2>&1 &
	kdc_pid=$!
	pids+=("$kdc_pid")
	await 20 kdc_listens || bail "krb5kdc: $(cat "$work/kdc.log")"
}
kdc_listens() { : 3<>"/dev/tcp/$net.240/18888"; }
with_kdc kdb5_util create -s -r EXAMPLE.COM -P master >"$work/kdb.log" 2>&1 || bail "kdb5_util: $(cat "$work/kdb.log")"
kadmin 'addprinc -randkey HTTP/localhost'
kadmin 'addprinc -randkey svc-provost'
kadmin "ktadd -k $kdc/http.keytab HTTP/localhost"
kadmin "ktadd -k $kdc/service.keytab svc-provost"
start_kdc

# --- AD CS: a CA, and a web server whose certificate is of another one

mkdir "$work/adcs" "$work/old"
make_root tls 'Web Server CA' && make_server "$work/adcs" localhost && cp "$work/adcs/srv.pem" "$work/old" || bail "openssl: $(tail -n 3 openssl.log)"
make_root root 'Example Site CA' && cp root.pem "$work/adcs/ca.crt" && cp root.key "$work/adcs/ca.key" || bail "openssl: $(tail -n 3 openssl.log)"
start_double localhost "$work/adcs"
port=$double_port

# a client certificate of the same CA: what AD CS maps to an account
printf '%s\n' 'extendedKeyUsage=clientAuth' >client.ext
openssl req -new -newkey rsa:2048 -nodes -keyout client.key -out client.csr -subj /CN=svc-provost-ra >>openssl.log 2>&1 &&
	openssl x509 -req -in client.csr -CA root.pem -CAkey root.key -CAcreateserial -days 30 -extfile client.ext -out client.pem >>openssl.log 2>&1 ||
	bail "openssl: $(tail -n 3 openssl.log)"

# --- each way to log in, at each of the services
name=Example-CA
cep() { printf '"policy-url": "https://localhost:%s/ADPolicyProvider_CEP_%s/service.svc/CEP"' "$port" "$1"; }
ces() { printf 'url: "https://localhost:%s/%s_CES_%s/service.svc/CES"' "${2:-$port}" "$name" "$1"; }
files="trust: \"$work/tls.pem\", chain: \"$work/root.pem\", \"poll-interval\": 1"
by_kerberos="auth: \"kerberos\", keytab: \"$kdc/service.keytab\", kdcs: [ \"$net.240:18888\" ]"
by_password='auth: "username-password", user: "alice@corp.test", password: { secret: "adcs" }'
by_certificate="auth: \"certificate\", certificate: \"$work/client.pem\", key: \"$work/client.key\""
# ca WAY MEMBER...
ca() {
	local IFS=,
	echo "{ type: \"adcs\", $files, $* }"
}
make_ca_site adcs "$(ca "$by_password" "$(ces UsernamePassword)")"
site_secret adcs 'Passw0rd!'

# cases WAY REQUESTER: all that each way has to show
cases() {
	local way=$1
	ok "/requirements/S07-0.1/ca/adcs/check/$way" "$provost" ca check
	ok "/requirements/S07-1.23/ca/adcs/issued/$way" try_gives 0 issued 'valid until' --template AMTWebServer
	ok "/integration/ca/adcs/issued/$way/requester" same requester "$(asked .who)" "$2"
	ok "/requirements/S07-3.7/ca/adcs/issued/$way/client" try_gives 0 issued 'valid until' --template AMT8021X --eku client
	ok "/requirements/S07-2.12/ca/adcs/pending/$way/reported" try_gives 75 pending 'still pending' --template AMTManual
	decided=$(asked .id)
	ok "/integration/ca/adcs/pending/$way" pending_then_issued approve --template AMTManual
}
set_ca adcs "$(ca "$by_kerberos" "$(ces Kerberos)" "$(cep Kerberos)" 'template: "AMTWebServer"')"
cases kerberos svc-provost@EXAMPLE.COM
set_ca adcs "$(ca "$by_password" "$(ces UsernamePassword)" 'template: "AMTWebServer"')"
cases username-password alice@corp.test
ok /integration/ca/adcs/denied/username-password try_gives 1 denied 'CERTSRV_E_TEMPLATE_DENIED: the account has no right' --template AMTDenied
ok /requirements/S07-1.29/ca/adcs/denied/unknown-template try_gives 1 denied 'CERTSRV_E_UNSUPPORTED_CERT_TYPE: the ca does not issue this' --template Nonsense
denied_by_manager() {
	pending_then_issued deny --template AMTManual
	tried 1 denied 'an administrator of the ca denied the request'
}
ok /integration/ca/adcs/denied/by-manager denied_by_manager
set_ca adcs "$(ca "$by_certificate" "$(ces Certificate)" 'template: "AMTWebServer"')"
cases certificate cert:svc-provost-ra
pages="mode: \"certsrv\", url: \"https://localhost:$port/certsrv\""
set_ca adcs "$(ca "$by_kerberos" "$pages")"
cases certsrv-kerberos svc-provost@EXAMPLE.COM
set_ca adcs "$(ca "$pages" 'auth: "username-password", user: "CORP\\alice", password: { secret: "adcs" }')"
cases certsrv-password 'CORP\alice'
ok /integration/ca/adcs/denied/certsrv try_gives 1 denied 'CERTSRV_E_TEMPLATE_DENIED' --template AMTDenied

# --- with a policy: found by it, judged by it, before anything is asked of the CA
set_ca adcs "$(ca "$by_kerberos" "$(cep Kerberos)")"
asked_before=$(wc -l <"$work/adcs/requests.jsonl")
ok /integration/ca/adcs/denied/policy/no-right refused 'does not let this account enroll' --template AMTDenied
ok /requirements/S07-1.29/ca/adcs/denied/policy/unknown refused 'is not in the policy' --template Nonsense
ok /integration/ca/adcs/denied/policy/usage refused 'gives no extended key usage 1.3.6.1.5.5.7.3.2' --template AMTWebServer --eku client
ok /integration/ca/adcs/denied/policy/nothing-was-asked same 'number of requests' "$(wc -l <"$work/adcs/requests.jsonl")" "$asked_before"
ok /integration/ca/adcs/issued/policy try_gives 0 issued 'valid until' --template amtwebserver
ok /integration/ca/adcs/issued/policy/by-oid try_gives 0 issued 'template 1.3.6.1.4.1.311.21.8' --template 1.3.6.1.4.1.311.21.8.1.2.3.4.5.6.1.100
# the CA's own certificate out of the policy, and out of the pages
unchained=${files/chain: \"$work\/root.pem\", /}
set_ca adcs "{ type: \"adcs\", $unchained, $by_kerberos, $(cep Kerberos) }"
ok /integration/ca/adcs/issued/policy/chain try_gives 0 issued 'valid until' --template AMTWebServer
set_ca adcs "{ type: \"adcs\", $unchained, $by_kerberos, $pages }"
ok /integration/ca/adcs/issued/certsrv/chain try_gives 0 issued 'valid until' --template AMTWebServer

# --- what cannot work
set_ca adcs "$(ca "$(ces UsernamePassword)" 'auth: "username-password", user: "alice@corp.test", password: { secret: "other" }')"
site_secret other Wrong
ok /integration/ca/adcs/login/wrong-password refused 'user or password is wrong' --template AMTWebServer
set_ca adcs "$(ca "$by_password" "$(ces Kerberos)")"
ok /integration/ca/adcs/login/other-kind refused 'negotiate' --template AMTWebServer
set_ca adcs "$(ca "$by_kerberos" "$(ces Kerberos)" 'principal: "nobody"')"
ok /integration/ca/adcs/login/no-such-principal refused 'nobody' --template AMTWebServer
set_ca adcs "$(ca "$by_password" 'url: "https://localhost:'"$port"'/nowhere"')"
ok /integration/ca/adcs/login/no-such-service refused 'there is no such service' --template AMTWebServer
set_ca adcs "$(ca "$by_password" "$(ces UsernamePassword "$(free_port)")")"
ok /requirements/S07-1.29/ca/adcs/down refused 'connect' --template AMTWebServer
start_mute
set_ca adcs "$(ca "$by_password" "$(ces UsernamePassword "$mute_port")" 'timeout: 2')"
ok /integration/ca/adcs/slow within 15 refused 'https://localhost' --template AMTWebServer
set_ca adcs "$(ca 'auth: "kerberos"' "keytab: \"$kdc/service.keytab\"" "kdcs: [ \"127.0.0.1:$mute_port\" ]" "$(ces Kerberos)")"
ok /integration/ca/adcs/slow/kdc within 20 refused "127.0.0.1:$mute_port" --template AMTWebServer

# somebody else's certificate: same CA, same name, another key
openssl req -new -newkey rsa:2048 -nodes -keyout wrong.key -outform DER -out wrong.csr -subj /CN=provost-test.example.com \
	-addext subjectAltName=DNS:provost-test.example.com -addext '1.3.6.1.4.1.311.20.2=ASN1:BMPSTRING:AMTWebServer' >>openssl.log 2>&1 ||
	bail "openssl: $(tail -n 3 openssl.log)"
mkfifo wrong.ready
$python "$PV_TOP_SRCDIR/tests/integration/ca/adcs-wrong.py" adcs/srv.pem "$port" tls.pem wrong.csr >wrong.ready 2>wrong.err &
pids+=("$!")
read -r -t 20 wrong_port <wrong.ready || bail "adcs-wrong.py: $(cat wrong.err)"
set_ca adcs "$(ca "$by_password" "$(ces UsernamePassword "$wrong_port")")"
ok /integration/ca/adcs/wrong refused 'another key than the request' --template AMTWebServer

make_expired_root old/ca 'Example Site CA' && mv old/ca.pem old/ca.crt || bail "openssl: $(tail -n 3 openssl.log)"
start_double localhost "$work/old"
set_ca adcs "{ type: \"adcs\", trust: \"$work/tls.pem\", chain: \"$work/old/ca.crt\", $by_password, $(ces UsernamePassword "$double_port") }"
ok /integration/ca/adcs/expired refused 'expired' --template AMTWebServer
expired_is_checked() {
	"$provost" ca check >check.out 2>&1
	local status=$?
	cat check.out
	[ "$status" -ne 0 ] && grep -q 'expired on' check.out
}
ok /integration/ca/adcs/expired/check expired_is_checked

# --- devices that ask with their own accounts, several at once
start_sim --devices 3
set_ca adcs "$(ca "$by_kerberos" "$(ces Kerberos)" "$(cep Kerberos)")"
quick
as_devices
jq '{ pipeline: "account", stages: [ .stages[] | select(.stage == "ad-account") ] }' "$dir/site/standard.json" >"$dir/site/account.json"
edit "$PROVOST_SITE" '.pipelines += [ { name: "account", file: "account.json" } ]'
import_fleet
run provision --all --pipeline account
[ "${#devices[@]}" -eq 3 ] || bail "${#devices[@]} devices"
# as one directory would do it: the accounts of the local one become principals, with the passwords that Provost gave them
for device in "${devices[@]}"; do
	kadmin "addprinc +requires_preauth -pw $("$provost" secret show "$device" account --reveal 2>/dev/null) $(stored "$device" '.facts["account.name"]')"
done
: >"$work/adcs/requests.jsonl"
run provision --all
ok /requirements/S12-06.3/ca/adcs/device/all said 0 '3 of 3 Provisioned'
each_asked_for_itself
stop_sim

# --- a manager has to approve; meanwhile the process dies. The next one asks for the same request, with the device's login
dir=$work/waiting
mkdir "$dir"
start_sim --devices 1
make_site
set_ca adcs "$(ca "$by_kerberos" "$(ces Kerberos)")"
quick
edit "$dir/site/standard.json" '(.stages[] | select(.stage == "certificate")) += { as: "device", template: "AMTManual" }'
jq '{ pipeline: "account", stages: [ .stages[] | select(.stage == "ad-account") ] }' "$dir/site/standard.json" >"$dir/site/account.json"
edit "$PROVOST_SITE" '.pipelines += [ { name: "account", file: "account.json" } ]'
import_fleet
run provision --all --pipeline account
device=${devices[0]}
account=$(stored "$device" '.facts["account.name"]')
kadmin "cpw -pw $("$provost" secret show "$device" account --reveal 2>/dev/null) $account"
: >"$work/adcs/requests.jsonl"
"$provost" provision "$device" >"$work/first.out" 2>&1 </dev/null &
first=$!
parked() { "$provost" show "$device" --json | jq -e '.facts | keys | any(startswith("ca.cookie."))'; }
ok /integration/ca/adcs/pending/device/parked await 60 parked
kill -KILL "$first" && wait "$first" 2>"$work/wait.log"
ok /integration/ca/adcs/pending/device/approve approve
run provision "$device"
ok /requirements/S12-06.3/ca/adcs/pending/device said 0 '1 of 1 Provisioned'
ok /integration/ca/adcs/pending/device/asked-once same requests "$(jq -r .who "$work/adcs/requests.jsonl")" "$account@EXAMPLE.COM"
done_testing
