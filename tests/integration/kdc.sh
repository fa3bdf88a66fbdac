#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A site with OpenLDAP and MIT Kerberos: the KDC gets a principal for each service name of a device, all with the one key that the
# device has, and a ticket for any of them can be opened with what was put into the device.
# the client library of kadmin leaves contexts behind (in libgssrpc), and with them the ciphers that OpenSSL counts
export ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0
slapd_needs='krb5kdc kadmind kdb5_util kadmin.local kinit kvno ktutil'
. "$(dirname "$0")/slapd/lib.bash"
kdc=127.0.0.31
realm=EXAMPLE.COM
export KRB5_CONFIG=$work/krb5.conf KRB5_KDC_PROFILE=$work/kdc.conf
cat >krb5.conf <<-END
	[libdefaults]
	  default_realm = $realm
	  dns_lookup_kdc = false
	  dns_lookup_realm = false
	  dns_canonicalize_hostname = false
	  rdns = false
	  udp_preference_limit = 1
	[realms]
	  $realm = {
	    kdc = $kdc:88
	    admin_server = $kdc:749
	  }
END
cat >kdc.conf <<-END
	[kdcdefaults]
	  kdc_listen = $kdc:88
	  kdc_tcp_listen = $kdc:88
	[realms]
	  $realm = {
	    database_name = $work/principal
	    key_stash_file = $work/stash
	    acl_file = $work/kadm5.acl
	    kadmind_listen = $kdc:749
	    kpasswd_listen = $kdc:464
	    supported_enctypes = aes256-cts-hmac-sha1-96:normal aes128-cts-hmac-sha1-96:normal
	  }
	[logging]
	  kdc = FILE:$work/kdc.log
	  admin_server = FILE:$work/kadmind.log
END
# the rights that the README of the plugin names, and one who lacks them
printf '%s\n' "provost@$realm adcim HTTP/*@$realm" "reader@$realm i HTTP/*@$realm" >kadm5.acl
kdb5_util create -s -P master -r $realm >kdb.log 2>&1 || bail "kdb5_util: $(cat kdb.log)"
kadmin() {
	kadmin.local -q "$*" 2>&1
}
for name in provost reader; do
	kadmin "addprinc -randkey $name" >kadmin.log && kadmin "ktadd -k $work/$name.keytab $name" >>kadmin.log || bail "kadmin.local: $(cat kadmin.log)"
done
kadmin 'addprinc -pw Alice.Passw0rd.1 alice' >>kadmin.log
# listens PORT: there
listens() {
	(exec 3<>"/dev/tcp/$kdc/$1") 2>/dev/null
}
start_kadmind() {
	kadmind -nofork >kadmind.out 2>&1 &
	kadmind_pid=$!
	pids+=("$kadmind_pid")
	await 20 listens 749 || bail "kadmind: $(cat kadmind.out kadmind.log)"
}
krb5kdc -n >kdc.out 2>&1 &
pids+=("$!")
await 20 listens 88 || bail "krb5kdc: $(cat kdc.out kdc.log)"
start_kadmind

start_slapd
start_sim --devices 2 --personality 16.1,11.8 --set restart-msec=20
take_sample
edit sample/site.json '.directory.kadmin = { realm: "EXAMPLE.COM", principal: "provost", keytab: "'"$work"'/provost.keytab", kdcs: [ "'"$kdc"'" ], timeout: 5 }
	| .plugins += [ "kerberos" ] | .groups = [ { name: "legacy", tls: "legacy" } ]'
edit sample/openldap.json '.stages |= map(if .stage == "power-policy" then { stage: "kerberos" }, . else . end)'
follow 'On the directory server' >server.log 2>&1 || bail "the README's commands: $(cat server.log)"
readme_site() {
	follow 'On the computer that provisions'
}
ok $suite/readme-site readme_site
no_sids_said() {
	"$provost" directory check | tee check.log | grep -q 'carry no SIDs' && ! grep -qi failure check.log
}
ok $suite/check-says-that-tickets-have-no-sids no_sids_said
provisioned() {
	import_fleet && "$provost" provision --all
}
ok $suite/provisioned provisioned
collect || bail collect
names() {
	printf "HTTP/$1.example.com:%s\n" 16992 16993 16994 16995 623 664
}
# exactly those of AMT's ports, with the realm as the only salt, and all of one version
principals() {
	local name
	kadmin 'listprincs HTTP/*' | sed -n "s/@$realm\$//p" | sort >principals
	for name in "${devices[@]}"; do names "$name"; done | sort | diff - principals || return 1
	while read -r name; do
		kadmin "getprinc $name" >"getprinc.log"
		grep -q 'aes256-cts-hmac-sha1-96:onlyrealm' getprinc.log || { cat getprinc.log; return 1; }
		grep -q '^Key: vno 2,' getprinc.log || { cat getprinc.log; return 1; }
	done <principals
}
ok /requirements/S12-04.3/kdc/principals principals
# one key for all of them: kadmin.local extracts without changing
same_key() {
	local name port
	for name in "${devices[@]}"; do
		rm -f one.keytab
		for port in 16992 16993 16994 16995 623 664; do
			kadmin "ktadd -norandkey -k $work/one.keytab HTTP/$name.example.com:$port" >>kadmin.log
		done
		klist -k -K -e one.keytab | sed -n 's/.*(\(aes256[^)]*\)).*(\(0x[0-9a-f]*\)).*/\1 \2/p' | sort | uniq -c >keys
		cat keys
		[ "$(wc -l <keys)" = 1 ] && grep -q ' 6 aes256' keys || return 1
	done
}
ok $suite/one-key same_key
# what the device was given makes the key that the KDC seals with
device_opens() {
	local name=$1 spn version
	for spn in $(names "$name"); do
		rm -f device.keytab
		version=$(kadmin "getprinc $spn" | sed -n 's/^Key: vno \([0-9]*\),.*/\1/p' | head -n 1)
		[ "$(dump "$name" .kerberos.salt)" = "$realm" ] || { dump "$name" .kerberos.salt; return 1; }
		printf 'addent -password -p %s@%s -k %s -e aes256-cts-hmac-sha1-96 -s %s\n%s\nwkt device.keytab\n' "$spn" "$realm" "$version" \
			"$(dump "$name" .kerberos.salt)" "$(dump "$name" .kerberos.passphrase)" | ktutil >ktutil.log 2>&1
		KRB5CCNAME=FILE:alice.cc kvno -k device.keytab "$spn" || return 1
	done
}
echo Alice.Passw0rd.1 | KRB5CCNAME=FILE:alice.cc kinit alice >kinit.log 2>&1 || bail "kinit: $(cat kinit.log)"
for name in "${devices[@]}"; do
	ok "/requirements/S12-11.3/kdc/$name" device_opens "$name"
done
# the device's account can log in at the KDC itself, by the password of the store
account_logs_in() {
	"$provost" secret show "${devices[0]}" account --reveal | KRB5CCNAME=FILE:device.cc kinit "HTTP/${devices[0]}.example.com:16993"
}
ok $suite/account-logs-in account_logs_in

# ---- once more: nothing is written ----
kadmind_writes() {
	grep -cE 'Request: kadm5_(create|chpass|modify|delete)_principal' kadmind.log
}
no_writes_again() {
	local before after
	before="$(directory_writes) $(kadmind_writes)"
	"$provost" provision --all || return 1
	after="$(directory_writes) $(kadmind_writes)"
	echo "before: $before; after: $after"
	[ "$before" = "$after" ]
}
ok $suite/again-without-a-write no_writes_again

# ---- somebody was at it ----
# a principal that was deleted comes back, and all of them with the device's new key
deleted_comes_back() {
	kadmin "delprinc -force HTTP/${devices[0]}.example.com:623" >>kadmin.log
	"$provost" provision "${devices[0]}" || return 1
	[ "$(kadmin 'listprincs HTTP/*' | grep -c ^HTTP/)" = 12 ] && rm -f alice.cc &&
		echo Alice.Passw0rd.1 | KRB5CCNAME=FILE:alice.cc kinit alice >kinit.log 2>&1 && device_opens "${devices[0]}"
}
ok $suite/deleted-comes-back deleted_comes_back
changed_is_found() {
	kadmin "cpw -randkey HTTP/${devices[0]}.example.com:16993" >>kadmin.log
	"$provost" provision "${devices[0]}" || return 1
	rm -f alice.cc && echo Alice.Passw0rd.1 | KRB5CCNAME=FILE:alice.cc kinit alice >kinit.log 2>&1 && device_opens "${devices[0]}"
}
ok $suite/changed-is-found changed_is_found
# names in the entry that never were the device's, however they came there, get nobody's principal deleted
others_stay() {
	local dn
	kadmin 'addprinc -randkey HTTP/www.example.com' >>kadmin.log
	dn=$(show "(associatedDomain=${devices[0]}.example.com)" dn | sed -n 's/^dn: //p')
	printf 'dn: %s\nchangetype: modify\nadd: amtServicePrincipalName\namtServicePrincipalName: HTTP/www.example.com\n' "$dn" | admin ldapmodify || return 1
	"$provost" provision "${devices[0]}" || return 1
	show "(associatedDomain=${devices[0]}.example.com)" | grep -q www.example.com && return 1
	kadmin 'getprinc HTTP/www.example.com' | grep '^Key: ' && kadmin 'delprinc -force HTTP/www.example.com' >>kadmin.log
}
ok $suite/others-stay others_stay

# ---- what is wrong is said ----
fails() {
	! timeout 60 "$provost" provision "${devices[1]}" >fail.log 2>&1 && cat fail.log && grep -q "$1" fail.log
}
kadmin "delprinc -force HTTP/${devices[1]}.example.com:623" >>kadmin.log
cp site/site.json good-site.json
edit site/site.json '.directory.kadmin += { principal: "reader", keytab: "'"$work"'/reader.keytab" }'
ok $suite/right-missing fails "kadm5.acl does not give reader@EXAMPLE.COM the right a (add)"
edit site/site.json '.directory.kadmin += { principal: "nobody", keytab: "'"$work"'/reader.keytab" }'
ok $suite/keytab-of-another fails 'log in to kadmind: kadmind of EXAMPLE.COM: '
cp good-site.json site/site.json
edit site/openldap.json '.retries = 0'
kill -STOP "$kadmind_pid"
await 10 grep -q ') T ' "/proc/$kadmind_pid/stat" || bail 'kadmind does not stop'
ok $suite/kadmind-hangs fails 'kadmind of EXAMPLE.COM does not answer in 5 seconds'
kill -CONT "$kadmind_pid"
ok $suite/kadmind-goes-on "$provost" provision "${devices[1]}"
stop_sim
done_testing
