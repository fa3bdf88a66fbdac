#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The provisioning certificate, from its request to its export, without any device.
. "${PV_TOP_SRCDIR:?}/tests/cli/tap.bash" || exit 1
for tool in openssl jq faketime; do
	command -v "$tool" >/dev/null || {
		skip /cli/certificate "$tool is not installed"
		finish
	}
done
copy_plugins
suffix=corp.example.com
fqdn=prov.$suffix
run site init "$work/site" --plugin-path "$work/plugins" --suffix "$suffix"
ok /cli/certificate/site "$code"
PROVOST_SITE=$work/site/site.json
export PROVOST_SITE
folder=$work/site/provisioning

# --- a CA that people ask

quietly() {
	"$@" >>"$work/tools.log" 2>&1 || {
		echo "Bail out! $*: $(tail -n 3 "$work/tools.log")"
		exit 1
	}
}
quietly openssl req -x509 -newkey rsa:2048 -noenc -days 3650 -keyout "$work/root.key" -out "$work/root.pem" -subj '/O=Test/CN=Bought Root' \
	-addext keyUsage=critical,keyCertSign,cRLSign
quietly openssl req -new -newkey rsa:2048 -noenc -keyout "$work/middle.key" -out "$work/middle.csr" -subj '/O=Test/CN=Bought Issuing CA'
printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n' >"$work/ca.ext"
quietly openssl x509 -req -in "$work/middle.csr" -CA "$work/root.pem" -CAkey "$work/root.key" -set_serial 2 -days 3000 -extfile "$work/ca.ext" \
	-out "$work/middle.pem"
cat "$work/middle.pem" "$work/root.pem" >"$work/ca.pem"
# answer CSR FILE [EXTENSIONS [WHEN]]: what the CA makes of the request
answer() {
	local extensions=()
	if [ -n "${3:-}" ]; then
		printf '%s\n' "$3" >"$work/leaf.ext"
		extensions=(-extfile "$work/leaf.ext")
	else
		extensions=(-copy_extensions copyall)
	fi
	quietly faketime -f "${4:-+0d}" openssl x509 -req -in "$1" -CA "$work/middle.pem" -CAkey "$work/middle.key" -days 365 \
		-set_serial "0x$(openssl rand -hex 15)" "${extensions[@]}" -out "$2"
}

expect /cli/certificate/check/none 1 'make a request with "provost certificate request"' certificate check
expect /requirements/S07-1.20/written 0 "$folder/$fqdn.csr" certificate request "$fqdn" --organisation 'Example Ltd'
grep -q "$(sha256sum <"$folder/$fqdn.csr" | cut -c1-64)" "$work/out"
ok /requirements/S07-1.20/checksum $?
[ "$(stat -c '%a' "$folder/$fqdn.key")" = 600 ] && ! grep -q PRIVATE "$folder/$fqdn.csr" "$work/out" "$work/err"
ok /requirements/S07-1.20/key-stays $?
openssl req -in "$folder/$fqdn.csr" -noout -text -verify >"$work/out" 2>&1
grep -q "Subject: O = Example Ltd, CN = $fqdn" "$work/out" && grep -q '2.16.840.1.113741.1.2.3' "$work/out" && grep -q 'TLS Web Server' "$work/out" &&
	grep -q "DNS:$fqdn" "$work/out" && ! grep -q 'Client Setup' "$work/out"
ok /requirements/S07-1.19/oid $?
expect /cli/certificate/request/unanswered 1 'say --force' certificate request "$fqdn"
expect /cli/certificate/request/ou 0 "$work/ou.csr" certificate request "$fqdn" --form ou --key "$work/ou.key" --csr "$work/ou.csr" --bits 3072
openssl req -in "$work/ou.csr" -noout -text >"$work/out"
grep -qF 'OU = Intel(R) Client Setup Certificate' "$work/out" && ! grep -q '2.16.840.1.113741.1.2.3' "$work/out" && grep -q '3072 bit' "$work/out"
ok /requirements/S07-1.19/ou $?
expect /cli/certificate/request/json 0 '"sha256"' certificate request "$fqdn" --form both --key "$work/both.key" --csr "$work/both.csr" --json
openssl req -in "$work/both.csr" -noout -text >"$work/out"
grep -qF 'OU = Intel(R) Client Setup Certificate' "$work/out" && grep -q '2.16.840.1.113741.1.2.3' "$work/out"
ok /requirements/S07-1.19/both $?

# --- what the CA sends, and what must not be installed

answer "$folder/$fqdn.csr" "$work/leaf.pem"
answer "$work/ou.csr" "$work/other.pem"
answer "$folder/$fqdn.csr" "$work/plain.pem" extendedKeyUsage=serverAuth
answer "$folder/$fqdn.csr" "$work/no-server.pem" extendedKeyUsage=2.16.840.1.113741.1.2.3
answer "$folder/$fqdn.csr" "$work/old.pem" '' -500d
nothing() {
	[ ! -e "$folder/$fqdn.pem" ]
	ok "$1/nothing-written" $?
}
expect /requirements/S07-1.21/chain 1 'the issuer "CN=Bought Root,O=Test" of "CN=Bought Issuing CA,O=Test" is missing' \
	certificate install "$work/leaf.pem" --chain "$work/middle.pem"
nothing /requirements/S07-1.21/chain
expect /requirements/S07-1.21/key 1 'the private key fits none of the certificates' \
	certificate install "$work/other.pem" --chain "$work/ca.pem" --key "$folder/$fqdn.key"
expect /requirements/S07-1.21/no-request 1 'no request of this site has its key' certificate install "$work/middle.pem"
expect /requirements/S07-1.21/dates 1 'has expired' certificate install "$work/old.pem" --chain "$work/ca.pem"
expect /requirements/S07-1.21/usage 1 'is not made for AMT' certificate install "$work/plain.pem" --chain "$work/ca.pem"
expect /requirements/S07-1.21/server-usage 1 'lacks server authentication' certificate install "$work/no-server.pem" --chain "$work/ca.pem"
quietly openssl req -new -newkey rsa:2048 -noenc -keyout "$work/stray.key" -out "$work/stray.csr" -subj '/CN=prov.other.invalid' \
	-addext extendedKeyUsage=serverAuth,2.16.840.1.113741.1.2.3
answer "$work/stray.csr" "$work/stray.pem"
expect /requirements/S07-1.21/name 1 'does not match the device' certificate install "$work/stray.pem" --chain "$work/ca.pem" --key "$work/stray.key"
nothing /requirements/S07-1.21
quietly openssl crl2pkcs7 -nocrl -certfile "$work/leaf.pem" -certfile "$work/ca.pem" -outform DER -out "$work/answer.p7b"
expect /requirements/S07-1.21/installed 0 "installed $folder/$fqdn.pem" certificate install "$work/answer.p7b"
[ "$(stat -c %a "$folder/$fqdn.pem")" = 600 ] && [ ! -e "$folder/$fqdn.key" ] && [ ! -e "$folder/$fqdn.csr" ]
ok /requirements/S07-1.21/key-went-along $?
grep -qF "{ \"file\": \"$folder/$fqdn.pem\" }" "$work/out"
ok /requirements/S07-1.21/says-what-to-enter $?

# entry FILE: the only provisioning certificate of the site
entry() {
	local text
	text=$(jq --arg file "$1" '."provisioning-certificates" = [ { file: $file } ]' "$PROVOST_SITE") || exit 1
	printf '%s\n' "$text" >"$PROVOST_SITE"
}
entry "$folder/$fqdn.pem"
expect /cli/certificate/check/good 0 'goes with corp.example.com' certificate check
expect /cli/certificate/check/suffix 1 'does not match' certificate check --suffix example.net
expect /cli/certificate/check/json 0 '"level" : "ok"' certificate check --json
cat "$work/plain.pem" "$work/ca.pem" >"$work/plain-chain.pem"
expect /cli/certificate/check/key 1 'no private key' certificate check "$work/plain-chain.pem"
sed -n '/PRIVATE/,/PRIVATE/p' "$folder/$fqdn.pem" >"$work/key.pem"
expect /cli/certificate/check/file 1 'is not made for AMT' certificate check "$work/plain-chain.pem" --key "$work/key.pem"
cat "$work/leaf.pem" "$work/middle.pem" >"$work/gap.pem"
expect /cli/certificate/check/gap 1 'the chain has a gap' certificate check "$work/gap.pem" --key "$work/key.pem"

# --- thumbprints

want=$(openssl x509 -in "$work/root.pem" -outform DER | sha256sum | cut -c1-64 | sed 's/../&-/g; s/-$//')
expect /requirements/S07-2.5/of-the-site 0 "$want" certificate thumbprint
expect /requirements/S07-2.5/of-a-file 0 "$want" certificate thumbprint "$work/ca.pem"
want=$(openssl x509 -in "$work/root.pem" -outform DER | sha1sum | cut -c1-40 | sed 's/../&-/g; s/-$//')
expect /requirements/S07-2.5/sha1 0 "$want" certificate thumbprint "$work/root.pem"
expect /requirements/S07-2.5/json 0 "\"sha1\" : \"$want\"" certificate thumbprint "$work/root.pem" --json
expect /requirements/S07-2.5/no-root 1 'only a root' certificate thumbprint "$work/middle.pem"

# --- export

printf 'correct horse battery\n' >"$work/passphrase"
printf 'short\n' >"$work/short"
pfx=$work/out.pfx
expect /requirements/S07-1.22/short 1 '8 characters' certificate export "$pfx" --passphrase-file "$work/short"
: >"$work/empty"
expect /requirements/S07-1.22/none 1 'it is empty' certificate export "$pfx" --passphrase-file "$work/empty"
[ ! -e "$pfx" ]
ok /requirements/S07-1.22/nothing-written $?
expect /requirements/S07-1.22/exported 0 "wrote $pfx" certificate export "$pfx" --passphrase-file "$work/passphrase"
[ "$(stat -c %a "$pfx")" = 600 ] && ! grep -q 'PRIVATE KEY' "$pfx"
ok /requirements/S07-1.22/private $?
openssl pkcs12 -in "$pfx" -passin "file:$work/passphrase" -noenc >"$work/out" 2>&1 && [ "$(grep -c 'BEGIN CERT' "$work/out")" = 3 ] &&
	grep -q 'BEGIN PRIVATE' "$work/out"
ok /requirements/S07-1.22/chain-and-key $?
openssl pkcs12 -in "$pfx" -passin "file:$work/passphrase" -noout -info 2>&1 | grep -q AES-256
ok /requirements/S07-1.22/cipher $?
expect /requirements/S07-1.22/audited 0 "exported with its key to $pfx" log --audit
! grep -q 'correct horse' "$work/out" && "$provost" audit verify >/dev/null
ok /requirements/S07-1.22/audit-has-no-passphrase $?
expect /cli/certificate/export/there 1 '--force replaces it' certificate export "$pfx" --passphrase-file "$work/passphrase"
quietly "$provost" --quiet secret set pfx --file "$work/passphrase"
expect /cli/certificate/export/secret 0 'wrote' certificate export "$pfx" --force --passphrase-secret pfx
expect /cli/certificate/export/which 1 '--certificate: one of' certificate export "$pfx" --force --passphrase-secret pfx --certificate none

# --- a PFX as identity: four errors that differ

entry "$pfx"
expect /requirements/S07-1.28/no-password 78 'it needs a password and none is configured' site check
jq '."provisioning-certificates"[0].password = { file: "'"$work/passphrase"'" }' "$PROVOST_SITE" >"$work/new" && cat "$work/new" >"$PROVOST_SITE"
chmod 600 "$work/passphrase"
expect /requirements/S07-1.28/good 0 'goes with corp.example.com' certificate check
printf 'something else\n' >"$work/wrong"
chmod 600 "$work/wrong"
expect /requirements/S07-1.28/wrong-password 1 'wrong password' certificate check "$pfx" --password-file "$work/wrong"
quietly openssl pkcs12 -export -nokeys -in "$work/leaf.pem" -certfile "$work/ca.pem" -passout "file:$work/passphrase" -out "$work/no-key.pfx"
expect /requirements/S07-1.28/no-key 1 'there is no private key in it' certificate check "$work/no-key.pfx" --password-file "$work/passphrase"
for name in old plain; do
	quietly openssl pkcs12 -export -inkey "$work/key.pem" -in "$work/$name.pem" -certfile "$work/ca.pem" -passout "file:$work/passphrase" \
		-out "$work/$name.pfx"
done
expect /requirements/S07-1.28/expired 1 'has expired' certificate check "$work/old.pfx" --password-file "$work/passphrase"
expect /requirements/S07-1.28/wrong-usage 1 'is not made for AMT' certificate check "$work/plain.pfx" --password-file "$work/passphrase"
# what exporters of 2012 wrote
for form in '-legacy' '-keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES -macalg sha1'; do
	# shellcheck disable=SC2086
	quietly openssl pkcs12 -export $form -inkey "$work/key.pem" -in "$work/leaf.pem" -certfile "$work/ca.pem" -passout "file:$work/passphrase" \
		-out "$work/form.pfx"
	expect "/cli/certificate/pfx/${form%% *}" 0 'goes with corp.example.com' certificate check "$work/form.pfx" --password-file "$work/passphrase"
done

# --- the site's own CA

expect /requirements/S07-2.12/issued 0 "installed $folder/auto.$suffix.pem" certificate request "auto.$suffix" --ca
[ ! -e "$folder/auto.$suffix.key" ] && [ ! -e "$folder/auto.$suffix.pending" ]
ok /requirements/S07-2.12/nothing-left $?
expect /requirements/S07-2.12/good 0 'Intel'\''s OID' certificate check "$folder/auto.$suffix.pem"
entry "$folder/auto.$suffix.pem"
expect /requirements/S07-2.13/exported 0 'wrote' certificate export "$work/auto.pfx" --passphrase-file "$work/passphrase"
openssl pkcs12 -in "$work/auto.pfx" -passin "file:$work/passphrase" -noenc 2>&1 | grep -q 'BEGIN PRIVATE' && [ "$(stat -c %a "$work/auto.pfx")" = 600 ]
ok /requirements/S07-2.13/with-its-key $?

# one that people decide about: asked again with the same command, issued, denied
text=$(jq '.ca.approve = "manual"' "$PROVOST_SITE") && printf '%s\n' "$text" >"$PROVOST_SITE"
late=late.$suffix
expect /requirements/S07-2.12/pending 75 'the CA has not decided' certificate request "$late" --ca
[ "$(stat -c %a "$folder/$late.pending" "$folder/$late.key" | tr '\n' ' ')" = '600 600 ' ]
ok /requirements/S07-2.12/pending/kept $?
expect /requirements/S07-2.12/still-pending 75 '"outcome" : "pending"' certificate request "$late" --ca --json
run ca pending --json
[ "$(jq '.waiting | length' "$work/out")" = 1 ]
ok /requirements/S07-2.12/asked-once $?
quietly "$provost" ca approve "$(jq -r '.waiting[0].id' "$work/out")"
expect /requirements/S07-2.12/approved 0 "installed $folder/$late.pem" certificate request "$late" --ca
[ ! -e "$folder/$late.pending" ] && [ ! -e "$folder/$late.key" ]
ok /requirements/S07-2.12/approved/nothing-left $?
run certificate request "no.$suffix" --ca
run ca pending --json
quietly "$provost" ca deny "$(jq -r '.waiting[0].id' "$work/out")" --text 'not this one'
expect /requirements/S07-2.12/denied 1 'not this one' certificate request "no.$suffix" --ca

# --- a key that stays in its token

softhsm=/usr/lib/softhsm/libsofthsm2.so
if command -v softhsm2-util >/dev/null && [ -e "$softhsm" ]; then
	mkdir "$work/token"
	printf 'directories.tokendir = %s\nlog.level = ERROR\n' "$work/token" >"$work/softhsm.conf"
	export SOFTHSM2_CONF=$work/softhsm.conf
	printf '123456\n' >"$work/pin"
	chmod 600 "$work/pin"
	quietly openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$work/token.key"
	quietly softhsm2-util --init-token --free --label site --pin 123456 --so-pin 654321
	quietly softhsm2-util --import "$work/token.key" --token site --label amt --id 01 --pin 123456
	uri="pkcs11:token=site;object=amt?module-path=$softhsm"
	token=token.$suffix
	expect /requirements/S07-1.22/token/wrong-pin 1 'wrong PIN' certificate request "$token" --key "$uri" --password-file "$work/short"
	expect /requirements/S07-1.22/token/request 0 "$folder/$token.csr" certificate request "$token" --key "$uri" --password-file "$work/pin"
	answer "$folder/$token.csr" "$work/token.pem"
	expect /requirements/S07-1.22/token/install 0 "\"key\": \"$uri\"" \
		certificate install "$work/token.pem" --chain "$work/ca.pem" --key "$uri" --password-file "$work/pin"
	! grep -q PRIVATE "$folder/$token.pem"
	ok /requirements/S07-1.22/token/key-stays $?
	text=$(jq --arg file "$folder/$token.pem" --arg key "$uri" --arg pin "$work/pin" \
		'."provisioning-certificates" = [ { file: $file, key: $key, password: { file: $pin } } ]' "$PROVOST_SITE") && printf '%s\n' "$text" >"$PROVOST_SITE"
	expect /requirements/S07-1.22/token/check 0 'goes with corp.example.com' certificate check
	expect /requirements/S07-1.22/token/export 1 'which does not give it away' certificate export "$work/token.pfx" --passphrase-file "$work/passphrase"
	[ ! -e "$work/token.pfx" ]
	ok /requirements/S07-1.22/token/nothing-written $?
else
	skip /requirements/S07-1.22/token 'softhsm2 is not installed'
fi
finish
