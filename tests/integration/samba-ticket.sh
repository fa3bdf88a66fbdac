#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Provost's own logins by ticket against a real Active Directory: a person's, the service's, and the one that has to
# succeed before a new password of a device's account is taken for good, with provost killed at each place in between.
. "$(dirname "$0")/samba/lib.bash"
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"
cd "$work" || exit 1
samba_start
start_sim --devices 2 --personality 16.1 --set restart-msec=20
make_site
quick
ok /integration/samba-ticket/delegate samba_delegate least
# the suffix, as Samba gives tickets for HTTP/ACCOUNT.REALM even without that name
edit site/standard.json '
	(.stages[] | select(.stage == "ad-account")) += { ou: "OU=AMT Devices", "name-suffix": "-AMT" } |
	(.stages[] | select(.stage == "wsman-acl")).entries = [ { group: "AMT Admins", realms: [ "PTAdministration" ] } ]'
edit "$PROVOST_SITE" '.plugins = (.plugins - [ "directory-local" ] + [ "ad" ]) |
	.directory = { type: "ad", domain: "example.com", keytab: "'"$AD_SERVICE_KEYTAB"'", timeout: 5 }'
import_fleet
device=${devices[0]}
other=${devices[1]}
account=$device-AMT
fqdn=$device.example.com

# log TEXT: the device's log has it
log_says() {
	"$provost" log "$device" >log.out
	grep -qF -- "$1" log.out && return
	tail -n 20 log.out
	return 1
}
secret_states() { # those of the account's password, but for the history
	python3 - "$dir/site/store.db" "$(stored "$device" .uuid)" <<-'PYTHON'
		import sqlite3, sys
		rows = sqlite3.connect(sys.argv[1]).execute(
			"SELECT state FROM secret WHERE uuid = ? AND name = 'account' AND state != 'history' ORDER BY state", sys.argv[2:])
		print(','.join(row[0] for row in rows))
	PYTHON
}
states() {
	same 'the states of the password' "$(secret_states)" "$1"
}

run provision --all
ok /requirements/S12-11.3/ticket/provisioned said 0 '2 of 2 Provisioned'
ok /requirements/S12-11.3/ticket/a-stranger-is-no-wrong-key said 0 \
	'no login by ticket could prove it in the device: it has no access entry for svc-amt@EXAMPLE.COM'
ok /integration/samba-ticket/confirmed states current
run provision --all
ok /requirements/S12-11.3/ticket/nothing-to-do said 0 '2 of 2 Provisioned'
ok /integration/samba-ticket/not-tried-again refuses grep -q 'could prove it' out

# A person's own ticket
verifies() { # USER CODE TEXT DEVICE...: what he is told
	local user=$1 wanted=$2 text=$3
	shift 3
	samba_as "$user" "$provost" verify --kerberos "$@" >"$work/out" 2>&1
	code=$?
	said "$wanted" "$text"
}
ok /requirements/S12-11.3/ticket/person verifies alice 0 ok --all
verified_as() {
	samba_as alice "$provost" verify --kerberos --json "$device" |
		jq -e '.devices[0] | .kerberos == "alice@EXAMPLE.COM" and .user == "admin"'
}
ok /integration/samba-ticket/both-logins verified_as
ok /requirements/S12-11.3/ticket/not-in-the-list verifies bob 1 'or no access entry of it has the account' "$device"
simulator set "$device" switch:kerberos-stranger=403
ok /requirements/S12-11.3/ticket/forbidden verifies bob 1 \
	'the device took the ticket, but lets nobody like that do anything' "$device"
simulator set "$device" switch:kerberos-stranger=401-token
ok /requirements/S12-11.3/ticket/stranger-with-proof verifies bob 1 \
	'the device took the ticket, but lets nobody like that do anything' "$device"
simulator set "$device" switch:kerberos-stranger=401 clock-offset=360
ok /requirements/S12-11.3/ticket/clock-skew verifies alice 1 "clock skew: the device's clock says" "$device"
simulator set "$device" clock-offset=0
no_ticket() {
	KRB5CCNAME=FILE:$work/no-such-cache "$provost" verify --kerberos "$device" >"$work/out" 2>&1
	code=$?
	said 1 'there is no ticket: run kinit'
}
ok /integration/samba-ticket/no-ticket no_ticket

# Names of services: none, and the device's is found again
without_name() {
	printf 'dn: CN=%s,%s\nchangetype: modify\ndelete: servicePrincipalName\nservicePrincipalName: HTTP/%s:16993\n' \
		"$account" "$AD_OU" "$fqdn" | samba_admin ldapmodify
}
ok /integration/samba-ticket/name-taken-away without_name
ok /requirements/S12-11.3/ticket/no-such-name verifies alice 1 \
	"HTTP/$fqdn:16993: no account has that service name" "$device"
run provision "$device"
ok /integration/samba-ticket/name-given-back verifies alice 0 ok "$device"

# The service itself, where the site says so; the password stays the way back
edit site/standard.json '(.stages[] | select(.stage == "wsman-acl")).entries +=
	[ { sid: "'"$AD_SID_SERVICE"'", realms: [ "PTAdministration" ] } ]'
run provision --all
ok /integration/samba-ticket/service-in-the-list said 0 '2 of 2 Provisioned'
edit "$PROVOST_SITE" '.login = { kerberos: true }'
last_login() {
	look "$other"
	holds "$other" '."last-login" == { user: $user, kind: $kind }' user "$1" kind "$2"
}
run plan "$other"
ok /requirements/S12-11.3/ticket/service said 0
ok /requirements/S12-11.3/ticket/service-is-known last_login svc-amt@EXAMPLE.COM kerberos
simulator set "$other" clock-offset=360
run verify "$other"
ok /requirements/S12-11.3/ticket/falls-back last_login admin digest
simulator set "$other" clock-offset=0
samba_pause
run verify "$other"
"$provost" site check --online >check.out 2>&1
samba_resume
check_tells() {
	cat check.out
	grep -q 'kerberos: log in to Kerberos as ' check.out
}
ok /integration/samba-ticket/site-check-tells check_tells
ok /integration/samba-ticket/without-a-kdc last_login admin digest
edit "$PROVOST_SITE" 'del(.login)'

# A new password: somebody reset the account's, and the device does not know
reset=0
somebody_resets() {
	reset=$((reset + 1))
	samba_password "$account" "Reset.By.Some$reset" >>reset.log 2>&1
}
ok /integration/samba-ticket/reset somebody_resets
ok /requirements/S12-11.3/ticket/key-of-another-version verifies alice 1 \
	"the account's password was changed and the device not told" "$device"
run provision "$device"
ok /requirements/S12-11.3/ticket/new-key-is-tried said 0 "a ticket for HTTP/$fqdn:16993 was taken"
ok /integration/samba-ticket/new-key-is-confirmed states current
ok /requirements/S12-11.3/ticket/new-key-serves verifies alice 0 ok "$device"

# Killed in between: when the directory has the new password and the device nothing of it; when the device has the key
# and Provost no answer
applied() {
	[ "$(grep -c 'note=fault script' sim.log)" -gt "$1" ]
}
# killed_at CALL: a new password, and provost killed while the device ponders over that call
killed_at() {
	local before pid
	before=$(grep -c 'note=fault script' sim.log)
	somebody_resets || return
	printf '[ { "call": "%s", "at": 1, "do": "slow", "msec": 30000 } ]\n' "$1" >fault.json
	simulator fault "$device" fault.json >fault.log || return
	"$provost" provision "$device" >killed.log 2>&1 &
	pid=$!
	await 40 applied "$before"
	local hit=$?
	kill -KILL "$pid"
	wait "$pid" 2>wait.log
	simulator fault "$device" clear >fault.log
	[ "$hit" -eq 0 ] || cat killed.log
	return "$hit"
}
for call in Get Put; do
	ok "/requirements/S12-11.3/killed/$call/hit" killed_at "AMT_KerberosSettingData.$call"
	ok "/requirements/S12-11.3/killed/$call/both-are-kept" states current,pending
	run provision "$device"
	ok "/requirements/S12-11.3/killed/$call/goes-on" said 0 '1 of 1 Provisioned' \
		"a ticket for HTTP/$fqdn:16993 was taken"
	ok "/requirements/S12-11.3/killed/$call/confirmed" states current
	ok "/requirements/S12-11.3/killed/$call/serves" verifies alice 0 ok "$device"
done

# The ticket test cannot be made: the directory is away just then. The device has the new key; the former password stays
away_at_the_test() {
	local before pid
	before=$(grep -c 'note=fault script' sim.log)
	somebody_resets || return
	printf '[ { "call": "AMT_KerberosSettingData.Put", "at": 1, "do": "slow", "msec": 3000 } ]\n' >fault.json
	simulator fault "$device" fault.json >fault.log || return
	"$provost" provision "$device" >away.log 2>&1 &
	pid=$!
	await 40 applied "$before" && samba_pause
	wait "$pid"
	code=$?
	samba_resume
	simulator fault "$device" clear >fault.log
	cat away.log
	[ "$code" -ne 0 ] && grep -q 'try the new key: .*no KDC of EXAMPLE.COM answered' away.log
}
ok /requirements/S12-11.3/ticket/untried-is-not-confirmed away_at_the_test
ok /requirements/S12-11.3/ticket/former-password-stays states current,pending
run provision "$device"
ok /requirements/S12-11.3/ticket/tried-at-last said 0 '1 of 1 Provisioned' "a ticket for HTTP/$fqdn:16993 was taken"
ok /integration/samba-ticket/confirmed-at-last states current
ok /requirements/S12-11.3/ticket/serves-at-last verifies alice 0 ok "$device"

nothing_said() {
	local secret
	secret=$("$provost" secret show "$device" account --reveal 2>/dev/null)
	[ -n "$secret" ] && ! grep -rqF "$secret" out killed.log away.log sim.log log.out
}
ok /integration/samba-ticket/log log_says 'a ticket for HTTP/'
ok /integration/samba-ticket/no-password-is-said nothing_said
done_testing
