#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The sample site samba-ad by its README, line for line, against a Samba domain: from the container to a login by ticket.
. "$(dirname "$0")/../samba/lib.bash"
. "$PV_TOP_SRCDIR/tests/integration/sites/lib.bash"
cd "$work" || exit 1
samba_start
start_sim --devices 3 --personality 16.1,19,12.0 --set restart-msec=20
sample samba-ad

# ---- 1: the fixture has all but one group; what is there already is made under another name ----
ok /sites/samba-ad/container as_readme 'samba-tool ou add "OU=AMT Devices"' 'AMT Devices' 'AMT Computers'
ok /sites/samba-ad/group as_readme 'samba-tool group add "AMT Operators"'
ok /sites/samba-ad/account as_readme 'samba-tool user add svc-amt --random-password' svc-amt svc-more
ok /sites/samba-ad/keytab as_readme 'samba-tool domain exportkeytab svc-amt.keytab --principal=svc-amt' svc-amt svc-more
cp svc-more.keytab "$dir/site/svc-amt.keytab"

# ---- 2 ----
edit "$PROVOST_SITE" '.directory.ou = "OU=AMT Computers"'
ok /sites/samba-ad/key as_readme 'provost key create /etc/provost/key' /etc/provost "$dir/site"
factory() {
	as_readme 'provost secret set factory-admin' <<<admin
}
ok /sites/samba-ad/secret factory

# ---- 3 ----
fails() {
	! "$@"
}
ok /sites/samba-ad/no-rights-yet fails as_readme 'provost directory check'
delegate() {
	as_readme 'provost directory delegate --print' >lines && grep '^samba-tool ' lines >run && bash -e run
}
ok /sites/samba-ad/delegate delegate
ok /sites/samba-ad/rights as_readme 'provost directory check'
ok /sites/samba-ad/whole-site as_readme 'provost site check --online'

# ---- 4 ----
cp "$dir/fleet.csv" computers.csv
ok /sites/samba-ad/import as_readme 'provost import computers.csv'
while read -r name address fqdn; do
	"$provost" --quiet set "$name" --address "$address"
	samba_host "$fqdn" "$address"
done < <(simulator list --json | jq -r '.[] | "\(.name) \(.address) \(.name).example.com"')
plans() {
	as_readme 'provost plan --all' >plan.txt
	local status=$?
	cat plan.txt
	[ "$status" -eq 2 ] && grep -q 'HTTP/pc-0001.example.com:16993' plan.txt
}
ok /sites/samba-ad/plan plans
ok /sites/samba-ad/provision as_readme 'provost provision --all'
ok /sites/samba-ad/verify as_readme 'provost verify --all'
# what was written so far: in the directory by the numbers that it gives each change, in the devices by their own count
writes() {
	samba_admin ldapsearch -LLL -o ldif-wrap=no -b "$AD_BASE" '(|(objectClass=computer)(objectClass=group))' uSNChanged |
		grep -E '^(dn|uSNChanged):' | sort
	local name
	for name in pc-0001 pc-0002 pc-0003; do dump "$name" .counters.writes; done
}
writes >before
ok /sites/samba-ad/again as_readme 'provost provision --all'
writes >after
ok /sites/samba-ad/again-writes-nothing diff before after
cache=$(samba_login alice)
with_ticket() {
	KRB5CCNAME=$cache as_readme 'provost verify --kerberos --all'
}
ok /requirements/S12-11.3/sample-site-by-ticket with_ticket
cache=$(samba_login bob)
ok /sites/samba-ad/nobody-else fails with_ticket
done_testing
