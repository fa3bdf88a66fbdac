#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A fleet by CSV: which computers belong to it, told by the file and by nothing else.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"

start_sim --devices 3
make_site

# --- a group is a collection: named once, in the site's file

jq '.groups += [ { name: "legacy" } ]' "$PROVOST_SITE" >"$dir/site/twice.json"
run --site "$dir/site/twice.json" status
ok /requirements/S07-1.33/name-is-unique said 78 'twice.json:' 'this name is taken by an entry above'
edit "$PROVOST_SITE" '.groups += [ { name: "lab" } ]'
run import "$dir/fleet.csv" --group nowhere
ok /requirements/S07-1.33/unknown-group said 1 'nowhere'

# --- dry run, import, once more

run import "$dir/fleet.csv" --group lab --dry-run
ok /requirements/S07-1.35/dry-run said 0 '3 added'
ok /requirements/S07-1.35/dry-run-adds-nothing same 'number of devices' "$("$provost" status --json | jq '.devices | length')" 0
run import "$dir/fleet.csv" --group lab
ok /requirements/S07-1.35/import said 0 '3 added'
run import "$dir/fleet.csv" --group lab
ok /requirements/S07-1.35/second-run-changes-nothing said 0 '3 same' '0 added'
{
	head -n 1 "$dir/fleet.csv"
	printf 'short,row\r\n'
	printf '"bad","bad.example.com","03000200-0400-0500-0006-000700080009"\r\n'
} >"$work/bad.csv"
run import "$work/bad.csv" --group lab
ok /requirements/S07-1.34/rows-by-line-number said 1 '1 same' '2 refused'
ok /requirements/S07-1.34/each-bad-row-is-told grep -q '^ *2 ' "$work/out"
ok /requirements/S07-1.34/both-of-them grep -q '^ *3 ' "$work/out"

# --- what is shown afterwards is what the file said

members() {
	"$provost" status --group lab --json | jq -r '.devices[] | "\(.name),\(.fqdn),\(.uuid)"' | sort
}
ok /requirements/S07-1.36/listing-equals-file same 'the group' "$(members)" "$(cut -d, -f1-3 "$dir/fleet.csv" | sort)"
"$provost" export >"$work/export.csv"
run import "$work/export.csv"
ok /requirements/S07-1.36/export-is-the-same-fleet said 0 '3 same' '0 added'
done_testing
