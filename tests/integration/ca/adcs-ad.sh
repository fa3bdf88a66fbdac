#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The site of data/sites/ad-adcs as far as it can be had without Windows: a Samba domain whose configuration names the CA,
# its services and its templates, tickets of its KDC, accounts that Provost makes in it, and the double of AD CS.
. "$(dirname "$0")/../samba/lib.bash"
cd "$work" || exit 1
. "$PV_TOP_SRCDIR/tests/integration/ca/lib.bash"
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"
. "$PV_TOP_SRCDIR/tests/integration/ca/adcs.bash"
. "$PV_TOP_SRCDIR/tests/integration/sites/lib.bash"
need_double
samba_start
samba_delegate least >delegate.log 2>&1 || bail "delegate: $(tail -n 3 delegate.log)"

# --- the web server ca1.example.com, and what an enterprise CA writes into the forest's configuration
samba_host ca1.example.com 127.0.0.1
kdc=$work
samba_service web-ca1 Web.Passw0rd.1 HTTP/ca1.example.com >account.log 2>&1 &&
	samba-tool domain exportkeytab http.keytab --principal="HTTP/ca1.example.com@$AD_REALM" >>account.log 2>&1 || bail "account: $(tail -n 3 account.log)"
mkdir "$work/adcs"
make_root tls 'Web Server CA' && make_server "$work/adcs" ca1.example.com || bail "openssl: $(tail -n 3 openssl.log)"
make_root root 'Example Site CA' && cp root.pem "$work/adcs/ca.crt" && cp root.key "$work/adcs/ca.key" || bail "openssl: $(tail -n 3 openssl.log)"
start_double ca1.example.com "$work/adcs"
port=$double_port
pki="CN=Public Key Services,CN=Services,CN=Configuration,$AD_BASE"
root64=$(openssl x509 -in root.pem -outform DER | base64 -w0)
# template NAME OID-END EKU SUBJECT-FLAGS
template() {
	cat <<-END
		dn: CN=$1,CN=Certificate Templates,$pki
		objectClass: pKICertificateTemplate
		displayName: $1 of the site
		msPKI-Cert-Template-OID: 1.3.6.1.4.1.311.21.8.1.2.3.4.5.6.1.$2
		msPKI-Template-Schema-Version: 2
		msPKI-Minimal-Key-Size: 2048
		msPKI-Certificate-Name-Flag: $4
		msPKI-Enrollment-Flag: 0
		pKIExtendedKeyUsage: $3

	END
}
# server PRIORITY LOGIN URL: one value of msPKI-Enrollment-Servers
server() { printf 'msPKI-Enrollment-Servers:: %s\n' "$(printf '%s\n%s\n0\n%s\n0' "$1" "$2" "$3" | base64 -w0)"; }
container() { printf 'dn: CN=%s,%s\nobjectClass: container\n\n' "$1" "$pki"; }
{
	printf 'dn: %s\nobjectClass: container\n\n' "$pki"
	container 'Certificate Templates'
	container 'Enrollment Services'
	container 'Certification Authorities'
} >containers.ldif
samba_admin ldapadd -c -f containers.ldif >ldif.log 2>&1 # what is there already is refused
{
	template AMTWebServer 100 1.3.6.1.5.5.7.3.1 1
	template AMT8021X 101 1.3.6.1.5.5.7.3.2 1
	template AMTFromDirectory 102 1.3.6.1.5.5.7.3.1 134217728
	cat <<-END
		dn: CN=Example Site CA,CN=Certification Authorities,$pki
		objectClass: certificationAuthority
		cACertificate:: $root64
		authorityRevocationList:: AA==
		certificateRevocationList:: AA==

		dn: CN=Example-CA,CN=Enrollment Services,$pki
		objectClass: pKIEnrollmentService
		dNSHostName: ca1.example.com
		cACertificate:: $root64
		certificateTemplates: AMTWebServer
		certificateTemplates: AMT8021X
		certificateTemplates: AMTFromDirectory
	END
	server 1 4 "https://ca1.example.com:$port/Example-CA_CES_UsernamePassword/service.svc/CES"
	server 2 2 "https://ca1.example.com:$port/Example-CA_CES_Kerberos/service.svc/CES"
	# of the two the better one, which is down
	server 1 2 "https://ca1.example.com:$(free_port)/Example-CA_CES_Kerberos/service.svc/CES"
} >pki.ldif
samba_admin ldapadd -f pki.ldif >ldif.log 2>&1 || bail "ldapadd: $(cat ldif.log)"

# --- the site: nothing of the CA is written down but where the directory is
login="auth: \"kerberos\", keytab: \"$AD_SERVICE_KEYTAB\", kdcs: [ \"127.0.0.10\" ]"
make_ca_site adcs "{ type: \"adcs\", $login, trust: \"$work/tls.pem\", discover: { server: \"$AD_HOST\" } }"
ok /integration/ca/adcs-ad/issued try_gives 0 issued 'template AMTWebServer' --template 'AMTWebServer of the site'
ok /integration/ca/adcs-ad/issued/requester same requester "$(asked .who)" "svc-amt@$AD_REALM"
ok /integration/ca/adcs-ad/issued/by-oid try_gives 0 issued 'template 1.3.6.1.4.1.311' --template 1.3.6.1.4.1.311.21.8.1.2.3.4.5.6.1.100
ok /integration/ca/adcs-ad/denied/from-directory refused 'builds the subject from the account that asks' --template AMTFromDirectory
ok /requirements/S07-1.29/ca/adcs-ad/denied/unknown refused 'is not in the policy' --template Nonsense
check_says() {
	"$provost" ca check >check.out 2>&1
	cat check.out
	grep -qF "$1" check.out
}
ok /requirements/S07-0.1/ca/adcs-ad/check/policy check_says '1 certification authorities'
ok /integration/ca/adcs-ad/check/one-is-down check_says 'connection refused'
# LDAPS wants a password: Samba takes no Kerberos inside of TLS
bind="security: \"tls\", \"bind-dn\": \"svc-amt@$AD_REALM\", password: { secret: \"svc\" }"
site_secret svc "$AD_SERVICE_PASSWORD"
set_ca adcs "{ type: \"adcs\", $login, trust: \"$work/tls.pem\", discover: { server: \"$AD_HOST\", $bind, trust: \"$AD_CA\" } }"
ok /integration/ca/adcs-ad/issued/tls try_gives 0 issued 'valid until' --template AMTWebServer
set_ca adcs "{ type: \"adcs\", $login, trust: \"$work/tls.pem\", discover: { server: \"$AD_HOST\", $bind, trust: \"$work/tls.pem\" } }"
ok /integration/ca/adcs-ad/down/untrusted refused certificate --template AMTWebServer
set_ca adcs "{ type: \"adcs\", $login, trust: \"$work/tls.pem\", discover: { server: \"$AD_HOST\" } }"

# --- the sample site by its README: devices ask with the accounts that Provost makes in the domain
dir=$work/sample
start_sim --devices 3 --personality 16.1,19,12.0
sample ad-adcs
cp "$AD_SERVICE_KEYTAB" "$dir/site/svc-amt.keytab"
samba-tool group add 'AMT Computers' >group.log 2>&1 || bail "group: $(cat group.log)"
openssl crl2pkcs7 -nocrl -certfile root.pem -outform DER -out ca.p7b
chain_as_readme() {
	as_readme 'openssl pkcs7 -inform DER -in ca.p7b -print_certs -out ca.pem' && cp ca.pem "$dir/site/ca.pem"
}
ok /integration/ca/adcs-ad/sample/chain chain_as_readme
# the double's web server has a certificate of another CA
edit "$PROVOST_SITE" ".ca.trust = \"$work/tls.pem\""
ok /integration/ca/adcs-ad/sample/key as_readme 'provost key create /etc/provost/key' /etc/provost "$dir/site"
factory() { as_readme 'provost secret set factory-admin' <<<admin; }
ok /integration/ca/adcs-ad/sample/secret factory
delegate() {
	as_readme 'provost directory delegate --print' >lines && grep '^samba-tool ' lines >run && bash -e run
}
ok /integration/ca/adcs-ad/sample/delegate delegate
ok /integration/ca/adcs-ad/sample/directory as_readme 'provost directory check'
ok /requirements/S07-0.1/ca/adcs-ad/sample/check as_readme 'provost ca check'
cp "$dir/fleet.csv" computers.csv
ok /integration/ca/adcs-ad/sample/import as_readme 'provost import computers.csv'
devices=()
while read -r name address; do
	devices+=("$name")
	"$provost" --quiet set "$name" --address "$address"
	samba_host "$name.example.com" "$address"
done < <(simulator list --json | jq -r '.[] | "\(.name) \(.address)"')
: >"$work/adcs/requests.jsonl"
run provision --all
ok /requirements/S12-06.3/ca/adcs-ad/device/all said 0 '3 of 3 Provisioned'
each_asked_for_itself
is_member() {
	samba_admin ldapsearch -LLL -b "$AD_BASE" "(&(sAMAccountName=$1)(memberOf=CN=AMT Computers,CN=Users,$AD_BASE))" dn | grep -q ^dn:
}
ok /integration/ca/adcs-ad/sample/member is_member "$(stored "${devices[0]}" '.facts["account.name"]')"
ok /integration/ca/adcs-ad/sample/verify as_readme 'provost verify --all'
ok /integration/ca/adcs-ad/sample/nothing-left-to-do as_readme 'provost plan --all'
done_testing
