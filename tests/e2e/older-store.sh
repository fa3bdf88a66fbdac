#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A store that an older release wrote: it opens, with all that it knows, and a job on its device takes it for what it is.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"

# a computer of the same name and UUID that is in factory state: not the one that the store speaks of
cat >"$work/fleet.json" <<-'END'
	{ "devices": [ { "name": "lap-1", "personality": "15" } ] }
END
start_sim --fleet "$work/fleet.json"
make_site
quick
rm -f "$dir/site/store.db"*
python3 - "$PV_TOP_SRCDIR/tests/e2e/stores/0.1.sql" "$dir/site/store.db" <<-'END'
	import sqlite3, sys
	store = sqlite3.connect(sys.argv[2])
	store.executescript(open(sys.argv[1], encoding="utf-8").read())
	store.close()
END
chmod 600 "$dir/site/store.db"
# the master key that the store was made with
echo 6cf05ae116e12e63cc84fc3b57e8f1b2b3291c2e32f6b08df28899106927bed3 >"$dir/site/key"

run status
ok /requirements/S07-3.1/older-store-opens said 0 'lap-1' 'Provisioned'
ok /requirements/S07-3.1/facts same 'facts' "$(stored lap-1 '.facts | "\(.["amt.state"]) \(.["amt.version"]) \(.["account.name"]) \(.["account.kvno"])"')" \
	'operational 15.0.23 lap-1$iME 1'
ok /requirements/S07-3.1/history same 'the job' "$(stored lap-1 '"\(.jobs | length) \(.jobs[0].state) \(.results | length)"')" '1 done 15'
ok /requirements/S07-3.1/admin-password same 'the password' "$("$provost" secret show lap-1 admin --reveal 2>/dev/null)" 'hFsl8CWx%M#pDQxUod2J'
ok /requirements/S07-3.1/account-password same 'the password' \
	"$("$provost" secret show lap-1 account --reveal 2>/dev/null)" '83K1IkGM5ph!sN2Nc8ed9a&N^vRSg9UR'
run audit verify
ok /requirements/S07-3.1/audit-log-goes-on said 0 'intact'
ok /requirements/S07-3.1/schema-is-this-releases same 'schema' \
	"$(python3 -c 'import sqlite3, sys; print(sqlite3.connect(sys.argv[1]).execute("PRAGMA user_version").fetchone()[0] >= 1)' "$dir/site/store.db")" True

# The store says that the device is managed: what answers without the site's certificate is a stranger, to whom no set-up
# certificate and no password is shown, and nothing is undone.
"$provost" --quiet set lap-1 --address "$(simulator list --json | jq -r '.[0].address')"
run provision lap-1
ok /requirements/S07-3.1/new-job-on-the-old-record said 1 'unknown issuer'
ok /requirements/S07-3.1/status-stays same 'status' "$(stored lap-1 .status)" Provisioned
look lap-1
ok /requirements/S07-3.1/nothing-undone holds lap-1 '.counters.writes == 0 and .counters["logins-failed"] == 0 and .state == "in"'
ok /requirements/S07-3.1/passwords-kept same 'the password' "$("$provost" secret show lap-1 admin --reveal 2>/dev/null)" 'hFsl8CWx%M#pDQxUod2J'
done_testing
