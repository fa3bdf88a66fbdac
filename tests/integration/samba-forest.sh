#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The provider ad with several controllers and domains: dead and hung ones, sites, and a second domain. Samba makes no
# domain below another, so the second is one of its own that the first one's partitions name, with the same service
# account: what a client sees of a forest, but for tickets across it.
. "$(dirname "$0")/samba/lib.bash"
cd "$work" || exit 1
client=$(find_program tests/integration/directory-client)
samba_start
samba_delegate least || bail 'delegate in example.com'
"$provost" site init site --suffix example.com --plugin-path "$PV_TOP_BUILDDIR/plugins" >init.log 2>&1 || bail "site init: $(cat init.log)"
export PROVOST_SITE=$work/site/site.json
edit "$PROVOST_SITE" '.plugins += ["ad"] | .directory = { type: "ad", domain: "example.com", keytab: "'"$AD_SERVICE_KEYTAB"'", timeout: 1 }'
edit site/standard.json '(.stages[] | select(.stage == "wsman-acl")).entries = []'
cp "$PROVOST_SITE" site/keytab.json
use() { # FILTER: the site with another directory object
	jq "$1" site/keytab.json >"$PROVOST_SITE"
}
says() { # CODE TEXT COMMAND...
	local code=$1 text=$2 status=0
	shift 2
	"$@" >said 2>&1 || status=$?
	cat said
	[ "$status" -eq "$code" ] && grep -qF -- "$text" said
}
do_client() {
	"$client" "$PROVOST_SITE" "$@"
}
check() { # TEXT...: all in one row
	local pattern
	"$provost" directory check --json >check.json 2>check.err
	cat check.json check.err
	jq -c '.. | objects | select(has("level"))' check.json >rows
	for pattern; do
		grep -F -- "$pattern" rows >rows.next && mv rows.next rows || return 1
	done
}
one=(name=one-AMT fqdn=one.example.com 'ou=OU=AMT Devices' spn=HTTP/one.example.com:16993)

# ---- several controllers ----
samba_host dead.example.com 127.0.0.98
samba_host hung.example.com 127.0.0.97
use '.directory.servers = [ "dead.example.com", "dc1.example.com" ]'
ok /integration/samba-forest/dead/next-is-asked says 0 'server: dc1.example.com' do_client ensure "${one[@]}"
use '.directory.servers = [ "dead.example.com" ]'
ok /integration/samba-forest/dead/alone says 1 'unreachable: ' do_client find "${one[@]}"
python3 - >hung.log <<-'PYTHON' &
	import socket, time
	kept = []
	for port in (88, 389, 3268):
	    s = socket.socket()
	    s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
	    s.bind(('127.0.0.97', port))
	    s.listen(50)
	    kept.append(s)
	print('ready', flush=True)
	time.sleep(600)
PYTHON
pids+=("$!")
await 10 grep -q ready hung.log || bail 'the hung server did not start'
samba-tool spn add ldap/hung.example.com 'DC1$' >>log.samba 2>&1 || bail 'name the hung controller'
use '.directory.servers = [ "hung.example.com", "dc1.example.com" ]'
within() { # SECONDS COMMAND...
	local start=$SECONDS limit=$1
	shift
	"$@" && echo "took $((SECONDS - start)) s" && [ $((SECONDS - start)) -le "$limit" ]
}
ok /integration/samba-forest/hung/next-is-asked within 25 says 0 'server: dc1.example.com' do_client find "${one[@]}"
use '.directory.site = "Default-First-Site-Name"'
ok /integration/samba-forest/site/its-controller says 0 'server: dc1.example.com' do_client find "${one[@]}"
use '.directory.site = "Nowhere"'
ok /integration/samba-forest/site/none-there says 0 'server: dc1.example.com' do_client find "${one[@]}"
use '.directory.domain = "nowhere.test"'
ok /integration/samba-forest/no-such-domain says 1 '_msdcs' do_client find "${one[@]}"

# ---- many threads, few connections ----
start_sim --devices 12 --personality 16.1
printf '{ "pipeline": "account", "stages": [ { "stage": "ad-account", "ou": "OU=AMT Devices", "groups": [ "AMT-8021X" ] } ] }' >site/account.json
use '.directory.connections = 2 | .pipeline = "account" | .pipelines += [ { name: "account", file: "account.json" } ] |
	.groups = [ { name: "legacy", pipeline: "account" } ]'
import_fleet
many() {
	"$provost" provision --all --jobs 12 >many.log 2>&1
	cat many.log
	[ "$(grep -c ': done$' many.log)" -eq 12 ] &&
		[ "$(samba_admin ldapsearch -LLL -b "$AD_OU" '(cn=pc-*)' dn | grep -c ^dn:)" -eq 12 ] && says 0 'nothing to change' "$provost" plan --all
}
ok /integration/samba-forest/threads-share-two-connections many
kill "$sim_pid" && wait "$sim_pid"
forget "$sim_pid"
rm -f sim.sock

# ---- a second domain ----
main_ou=$AD_OU main_ca=$AD_CA
partition() {
	/usr/bin/python3 - "$AD_DIR" "$AD_BASE" <<-'PYTHON'
		import sys, ldb
		from samba.auth import system_session
		from samba.param import LoadParm
		from samba.samdb import SamDB
		folder, base = sys.argv[1:]
		config = LoadParm()
		config.load(folder + '/etc/smb.conf')
		db = SamDB(url=folder + '/private/sam.ldb', session_info=system_session(), lp=config)
		db.add({'dn': 'CN=OTHER,CN=Partitions,CN=Configuration,' + base, 'objectClass': 'crossRef', 'nCName': 'DC=other,DC=test',
		    'dnsRoot': 'other.test', 'nETBIOSName': 'OTHER', 'systemFlags': '3'}, ['relax:0'])
		for entry in db.search('CN=Sites,CN=Configuration,' + base, ldb.SCOPE_SUBTREE, '(objectClass=nTDSDSA)', attrs=['options']):
		    db.modify(ldb.Message.from_dict(db, {'dn': str(entry.dn), 'options': '0'}, ldb.FLAG_MOD_REPLACE))
	PYTHON
}
ok /integration/samba-forest/partition partition
samba_stop
samba_start
samba_use other
samba_start
samba_delegate least || bail 'delegate in other.test'
# a name server that sends each question on to the domain it is about; Samba's own forwarding loses some
python3 - >dns.log <<-'PYTHON' &
	import socket
	here = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	here.bind(('127.0.0.96', 53))
	print('ready', flush=True)
	while True:
	    question, client = here.recvfrom(4096)
	    there = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
	    there.settimeout(1)
	    try:
	        there.sendto(question, ('127.0.0.11' if b'\x05other\x04test' in question.lower() else '127.0.0.10', 53))
	        here.sendto(there.recv(4096), client)
	    except OSError:
	        pass
PYTHON
pids+=("$!")
await 10 grep -q ready dns.log || bail 'the name server did not start'
printf 'nameserver 127.0.0.96\noptions timeout:2 attempts:2\n' >resolv.conf
printf 'dn: CN=svc-amt,CN=Users,%s\nchangetype: modify\nreplace: userPrincipalName\nuserPrincipalName: svc-amt@example.com\n' "$AD_BASE" |
	samba_admin ldapmodify >/dev/null ||
	bail 'name the service in other.test'
cat "$main_ca" "$AD_CA" >both.pem
printf '%s' "$AD_SERVICE_PASSWORD" >svc && "$provost" --quiet secret set svc --file svc
use '.directory |= (del(.keytab, .timeout) + { user: "svc-amt", password: { secret: "svc" }, trust: "'"$work/both.pem"'", security: "ldaps" })'
far=(name=far-AMT fqdn=far.other.test "ou=$AD_OU" spn=HTTP/far.other.test:16993)
ok /requirements/S07-2.6/account-in-the-other-domain says 0 "dn: CN=far-AMT,$AD_OU" do_client ensure "${far[@]}"
ok /requirements/S07-2.6/at-its-own-controller grep -qx "server: $AD_HOST" said
ok /integration/samba-forest/domain/realm grep -qx 'realm: OTHER.TEST' said
ok /integration/samba-forest/domain/salt grep -qx 'salt: OTHER.TESThostfar-amt.other.test' said
ok /integration/samba-forest/domain/group says 0 "CN=AMT-8021X,CN=Users,$AD_BASE" do_client ensure "${far[@]}" group="OTHER\\AMT-8021X"
ok /integration/samba-forest/domain/sid says 0 "$AD_SID_ADMINS" do_client sid 'name=OTHER\AMT Admins'
ok /integration/samba-forest/domain/sid-by-upn says 0 "$AD_SID_ALICE" do_client sid name=alice@other.test
# no catalog, so each domain is asked
twin=(name=twin-AMT fqdn=twin.example.com "ou=$main_ou" spn=HTTP/far.other.test:16993)
ok /integration/samba-forest/domain/duplicate-in-the-other says 1 "CN=far-AMT,$AD_OU" do_client ensure "${twin[@]}"
ok /integration/samba-forest/domain/nothing-left says 0 none do_client find "${twin[@]}"
edit site/account.json '(.stages[] | select(.stage == "ad-account")).ou = "'"$AD_OU"'"'
edit "$PROVOST_SITE" '.pipelines += [ { name: "account", file: "account.json" } ] | .directory."service-groups" = [ "EXAMPLE\\AMT Admins", "OTHER\\AMT Admins" ]'
ok /requirements/S07-2.9/container-of-the-other-domain check '"ok"' '"rights"' "$AD_OU"
ok /requirements/S07-2.10/groups-of-both check '"service group"' "$AD_GROUP_ADMINS" 'is no member'
ok /integration/samba-forest/no-catalog check '"warning"' '"global catalog"'
samba_stop
ok /integration/samba-forest/domain/away says 1 'other.test, a domain of the forest' do_client ensure "${twin[@]}"
done_testing
