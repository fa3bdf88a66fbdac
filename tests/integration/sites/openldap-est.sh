#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The sample site openldap-est by its README, line for line, against OpenLDAP's slapd and libest's estserver.
: "${PV_TOP_SRCDIR:=$(cd "$(dirname "$0")/../../.." && pwd)}"
: "${PV_TOP_BUILDDIR:=$PV_TOP_SRCDIR/build}"
PATH=$PATH:/usr/sbin:/sbin
skip_all() {
	printf 'ok 1 /sites/openldap-est # SKIP %s\n1..1\n' "$1"
	exit 0
}
# in a network of its own, where the servers' names are in /etc/hosts; what is not there is fetched before
peers=$PV_TOP_BUILDDIR/tests/integration/peers/libest
if [ "${PV_SITE_INSIDE:-}" != 1 ]; then
	for program in slapd ldapmodify ldappasswd openssl unshare ip jq; do
		command -v "$program" >/dev/null || skip_all "$program is not installed"
	done
	why=$("$PV_TOP_SRCDIR/tests/integration/ca/fetch-libest" "$peers" 2>&1) || skip_all "$(tail -n 1 <<<"$why")"
	map=()
	[ "$(id -u)" -eq 0 ] || map=(--map-root-user)
	namespaces=(unshare "${map[@]}" --net --mount --pid --fork --kill-child --mount-proc)
	"${namespaces[@]}" ip link set lo up 2>/dev/null || skip_all 'no namespaces of its own can be had here'
	export PV_SITE_INSIDE=1 PV_TOP_SRCDIR PV_TOP_BUILDDIR
	exec "${namespaces[@]}" bash -c 'ip link set lo up && exec bash "$@"' sh "$0" "$@"
fi
unset PV_SITE_INSIDE
. "$PV_TOP_SRCDIR/tests/integration/ca/lib.bash"
. "$PV_TOP_SRCDIR/tests/integration/sites/lib.bash"
printf '127.0.0.1 localhost est1.example.com\n127.0.0.30 ldap1.example.com\n' >hosts
mount --bind hosts /etc/hosts || bail 'mount over /etc/hosts'

# ---- 1: as the sample openldap has it, whose own test follows that README ----
"$PV_TOP_SRCDIR/tests/integration/slapd/up" slapd 127.0.0.30 389 636 >slapd.log 2>&1 || bail "slapd: $(cat slapd.log)"
socket=ldapi://$(printf '%s' "$work/slapd/ldapi" | sed 's#/#%2F#g')
directory_server() {
	local file command=ldapadd
	for file in schema objects unique access; do
		[ "$file" != unique ] || command=ldapmodify
		"$command" -Q -Y EXTERNAL -H "$socket" -f "$PV_TOP_SRCDIR/data/sites/openldap/$file.ldif" || return 1
	done
	printf 'S3rvice-Passw0rd' >service-password
	ldappasswd -Q -Y EXTERNAL -H "$socket" -T service-password uid=provost,ou=people,dc=example,dc=com
}
ok /sites/openldap-est/directory-server directory_server

# ---- 2 ----
make_root root 'EST Root' 800 && make_leaf server root est1.example.com serverAuth && make_leaf ra root registrar clientAuth ||
	bail "openssl: $(tail -n 3 openssl.log)"
cat server.pem server.key >server.both
mkdir est-ca && : >est-ca/index && echo 1000 >est-ca/serial
printf '%s\n' '[ca]' 'default_ca=c' '[c]' "database=$work/est-ca/index" "serial=$work/est-ca/serial" "new_certs_dir=$work/est-ca" \
	"certificate=$work/root.pem" "private_key=$work/root.key" 'default_days=365' 'default_md=sha256' 'policy=p' \
	'copy_extensions=copy' 'x509_extensions=e' 'unique_subject=no' '[p]' 'commonName=supplied' '[e]' \
	'basicConstraints=CA:FALSE' 'keyUsage=digitalSignature,keyEncipherment' 'authorityKeyIdentifier=keyid' >est-ca/ca.cnf
libest=$(dirname "$(find "$peers" -name 'libest.so.*' | head -n 1)")
EST_TRUSTED_CERTS=$work/root.pem EST_CACERTS_RESP=$work/root.pem EST_OPENSSL_CACONFIG=$work/est-ca/ca.cnf LD_LIBRARY_PATH=$libest \
	"$peers/root/usr/bin/estserver" -c server.both -k server.both -r est -v -p 8443 -o >estserver.log 2>&1 </dev/null &
pids+=("$!")
await 20 listens 8443 || bail "estserver did not start: $(tail -n 5 estserver.log)"

# ---- 3 ----
start_sim --devices 3 --personality 16.1,19,12.0 --set restart-msec=20
sample openldap-est
cp slapd/ca.pem "$dir/site/directory-ca.pem"
cp root.pem "$dir/site/est-ca.pem"
install -m 600 ra.pem ra.key "$dir/site"
ok /sites/openldap-est/key as_readme 'provost key create /etc/provost/key' /etc/provost "$dir/site"
ok /sites/openldap-est/secret as_readme 'provost secret set directory --file service-password'
give_secret factory-admin admin
give_secret helpdesk Helpd3sk-Passw0rd
ok /sites/openldap-est/directory as_readme 'provost directory check'
ok /sites/openldap-est/ca as_readme 'provost ca check'
ok /sites/openldap-est/ca-issues as_readme 'provost ca try --eku server'
ok /sites/openldap-est/whole-site as_readme 'provost site check --online'

# ---- 4 ----
provision_sample
kill "$(cat slapd/pid)"
done_testing
