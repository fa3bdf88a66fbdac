#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Who gets in: the MEBx password by version, policy and what happened to it before, what AMT 19 wants before it commits, and an
# access list that keeps the way in. What is said of a device is what the simulator holds.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"

# old or new firmware; the factory's MEBx password or one that somebody typed in; a policy that lets it be set in set-up, or
# only while it is the factory's
for personality in 6.2 16.1 19; do
	for policy in setup once; do
		for password in fresh typed; do
			jq -n --arg personality "$personality" --arg policy "$policy" --arg password "$password" '{
				name: "m\($personality | split(".")[0])-\($policy)-\($password)", personality: $personality,
				set: { "mebx-policy": (if $policy == "once" then "default-only" else "setup" end),
					"mebx-password": (if $password == "fresh" then "admin" else "Typed-in-1" end) } }'
		done
	done
done | jq -s '{ devices: (. + [ { name: "list", set: { "acl-renumber": "true" } },
	{ name: "forgets", personality: "19" } ]) }' >"$work/fleet.json"
start_sim --fleet "$work/fleet.json"
make_site
quick
import_fleet
mapfile -t matrix < <(printf '%s\n' "${devices[@]}" | grep '^m[0-9]')
run provision "${matrix[@]}"
ok /requirements/S12-10.6/matrix/all-provisioned said 0 '12 of 12 Provisioned'
for device in "${matrix[@]}"; do
	look "$device"
	outcome=$(stored "$device" '.results[] | select(.stage == "mebx-password") | "\(.outcome) \(.text // "")"')
	case $device in
	*-once-typed)
		ok "/requirements/S12-10.6/matrix/skip-is-reported/$device" \
			same 'outcome' "${outcome%%:*}" 'skipped MEBx password not changed'
		ok "/requirements/S12-10.6/matrix/stays-as-it-was/$device" holds "$device" '."mebx-password" == "Typed-in-1"'
		;;
	*)
		ok "/requirements/S12-10.6/matrix/set/$device" same 'outcome' "$outcome" 'done '
		ok "/requirements/S12-10.6/matrix/is-the-known-one/$device" holds "$device" '."mebx-password" == $known' \
			known "$("$provost" secret show "$device" mebx --reveal 2>/dev/null)"
		;;
	esac
done

# AMT 19 does not commit without a MEBx password: a pipeline that forgets it is told what is missing.
jq '.stages |= map(select(.stage != "mebx-password"))' "$dir/site/standard.json" >"$dir/site/forgets.json"
edit "$PROVOST_SITE" '.pipelines += [ { name: "forgets", file: "forgets.json" } ]
	| .groups += [ { name: "forgets", pipeline: "forgets" } ]'
"$provost" --quiet set forgets --group forgets
run provision forgets
ok /requirements/S12-10.6/forgotten-on-amt-19 \
	said 1 'CommitChanges: DATA_MISSING (2057): the device lacks a MEBx password (stage mebx-password, before this one)'

# Removals move the handles of those that stay, one of which changes.
admins=S-1-5-21-1004336348-1177238915-682003330-512
sid=AQUAAAAAAAUVAAAA3PTcO4M9K0aCi6YoAAIAAA==
simulator set list acl-user=mallory acl-user=trent "acl-sid=$sid" acl-user=zoe
jq --arg sid "$admins" '(.stages[] | select(.stage == "wsman-acl")).entries = [ { sid: $sid, realms: ["RemoteControl"], access: "network" } ]' \
	"$dir/site/standard.json" >"$dir/site/list.json"
edit "$PROVOST_SITE" '.pipelines += [ { name: "list", file: "list.json" } ] | .groups += [ { name: "list", pipeline: "list" } ]'
"$provost" --quiet set list --group list
run provision list
look list
ok /requirements/S12-11.2/handles-that-move holds list '[.acl[] | select((.user // "") | startswith("$$") | not)]
	| length == 1 and .[0].sid == $sid and .[0].realms == [5] and .[0].permission == 1' sid "$sid"
done_testing
