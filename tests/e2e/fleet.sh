# SPDX-License-Identifier: LGPL-2.1-or-later
# What must hold of a fleet in the end, whatever came in between. Sourced by bash, after lib.sh.

# collect: what the devices, the store and the CA say, for the checks below
collect() {
	local name
	rm -rf "$dir/said"
	mkdir -p "$dir/said"
	for name in "${devices[@]}"; do
		simulator dump "$name" >"$dir/said/$name.dump" &&
			"$provost" show "$name" --json >"$dir/said/$name.show" ||
			return 1
	done
	jq -s . "$dir"/said/*.dump >"$dir/dumps.json" && jq -s . "$dir"/said/*.show >"$dir/shows.json" &&
		"$provost" log --json >"$dir/log.json"
}

# none FILE FILTER: the filter must give nothing; what it gives is shown
none() {
	local found
	found=$(jq -rc "$2" "$1") || return 1
	[ -z "$found" ] || { echo "$found" && return 1; }
}

all_provisioned() {
	none "$dir/shows.json" '.[] | select(.status != "Provisioned") | "\(.name): \(.status): \(.jobs[0])"' &&
		none "$dir/dumps.json" '.[] | select(.state != "post") | "\(.name): \(.state)"'
}

# The store's admin password is the device's, and so is what it keeps for the MEBx and of the account.
passwords_work() {
	local name bad=0
	for name in "${devices[@]}"; do
		"$provost" secret show "$name" admin --reveal >"$dir/password" &&
			simulator check-password "$name" admin "$dir/password" || {
			echo "$name: the device does not take the admin password"
			bad=1
		}
		"$provost" secret show "$name" mebx --reveal >"$dir/password"
		[ "$(cat "$dir/password")" = "$(jq -r '."mebx-password"' "$dir/said/$name.dump")" ] || {
			echo "$name: another MEBx password"
			bad=1
		}
	done
	rm -f "$dir/password"
	return "$bad"
}

# The directory keeps a PBKDF2 hash of the password whose Kerberos key the device has.
accounts_fit() {
	local name
	for name in "${devices[@]}"; do
		printf '%s ' "$name" "$(jq -r .uuid "$dir/said/$name.show")"
		"$provost" secret show "$name" account --reveal || return 1
	done >"$dir/passwords"
	python3 - "$dir/passwords" "$dir/site/directory/accounts" <<-'PYTHON'
		import hashlib, json, os, sys
		bad = len(os.listdir(sys.argv[2])) != len(open(sys.argv[1]).readlines())
		if bad:
		    print('accounts:', os.listdir(sys.argv[2]))
		for line in open(sys.argv[1]):
		    name, uuid, password = line.rstrip('\n').split(' ', 2)
		    kept = json.load(open(os.path.join(sys.argv[2], uuid + '.json')))['password']
		    kind, rounds, salt, key = kept.split(':')
		    made = hashlib.pbkdf2_hmac('sha256', password.encode(), bytes.fromhex(salt), int(rounds), len(key) // 2)
		    if made.hex() != key:
		        print(f'{name}: the account has another password than the store')
		        bad = True
		sys.exit(bad)
	PYTHON
	local status=$?
	rm -f "$dir/passwords"
	return "$status"
}

no_orphans() {
	none "$dir/dumps.json" '.[] | select((.certificates | length) != 1 or (.keys | length) != 1 or
		([.certificates[], .keys[]] | all(."in-use") | not)) | { name, certificates, keys }'
}

# one certificate for each device, and that one is in use
one_issued_each() {
	awk '$1 == "issued" { n[$6]++ } END { for (u in n) print n[u], u }' "$dir/site/ca/index" | sort >"$dir/issued"
	jq -r '.[] | "1 \(.uuid)"' "$dir/shows.json" | sort | diff - "$dir/issued" || return 1
	sha256sum "$dir"/site/ca/certs/*.der | cut -d' ' -f1 | sort >"$dir/sums"
	jq -r '.[].certificates[].sha256' "$dir/dumps.json" | sort | diff - "$dir/sums"
}

never_locked() {
	none "$dir/dumps.json" '.[] | select(.counters.locked != 0 or .counters."refused-while-locked" != 0) |
		{ name, counters: (.counters | del(.methods)) }'
}

# What is recorded done in a job is not done again in it. A stage that stands there twice under conditions is left out once.
nothing_repeated() {
	none <(jq -s . "$dir/log.json") '[ .[] | select(.stage != null and (.text |
			test("^(done|already|skipped)(:|$)") and (startswith("skipped: when ") | not))) ] |
		group_by([.job, .stage])[] | select(length > 1) | map("\(.name) job \(.job) \(.stage): \(.text)") | .[]' &&
		none "$dir/shows.json" '.[] | select(.results | any(.outcome | test("^(done|already|skipped)$") | not)) |
			{ name, results }'
}

audit_intact() {
	"$provost" audit verify
}
