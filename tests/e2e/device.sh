# SPDX-License-Identifier: LGPL-2.1-or-later
# What a test asks of one device: what the simulator says it holds, and what Provost says it did. Sourced after lib.sh.

# look DEVICE: keeps the device's state in $work/DEVICE.json for "holds" and "value", so that one dump serves many cases
look() {
	simulator dump "$1" >"$work/$1.json" || bail "no dump of $1"
}

# holds DEVICE FILTER [NAME VALUE]...: whether the filter says true of what was looked at; VALUE is $NAME in it
holds() {
	local file=$work/$1.json filter=$2 arguments=()
	shift 2
	while [ "$#" -ge 2 ]; do
		arguments+=(--arg "$1" "$2")
		shift 2
	done
	jq -e "${arguments[@]}" "$filter" "$file" >/dev/null && return
	echo "not so: $filter ${arguments[*]}"
	jq 'del(.trace, .switches, .written)' "$file"
	return 1
}

# value DEVICE FILTER
value() {
	jq -r "$2" "$work/$1.json"
}

# stored DEVICE FILTER: of what Provost knows of the device
stored() {
	"$provost" show "$1" --json | jq -r "$2"
}

# same WHAT GOT WANTED
same() {
	[ "$2" = "$3" ] && return
	echo "$1 is '$2', not '$3'"
	return 1
}

# run ARGUMENT...: provost, with what it says in $work/out and its exit code in $code
run() {
	"$provost" "$@" >"$work/out" 2>&1 </dev/null
	code=$?
}

# said CODE TEXT...: what the last run did
said() {
	local wanted=$1 text
	shift
	[ "$code" -eq "$wanted" ] || echo "exit code $code, not $wanted"
	for text in "$@"; do
		grep -qF -- "$text" "$work/out" && continue
		echo "it does not say: $text"
		wanted=none
	done
	[ "$code" = "$wanted" ] && return
	cat "$work/out"
	return 1
}

# quick: no waiting for what a simulator does at once
quick() {
	edit "$dir/site/standard.json" '.retries = 0 | (.stages[] | select(.stage == "commit")).wait = 1'
}

# certificate CHAIN KEY: the site's provisioning certificate, both files of $work/pki
certificate() {
	edit "$PROVOST_SITE" "$(printf '."provisioning-certificates" = [ { file: "%s", key: "%s" } ]' "$work/pki/$1" "$work/pki/$2")"
}

# refuses COMMAND...: good when the command is not
refuses() {
	! "$@"
}
