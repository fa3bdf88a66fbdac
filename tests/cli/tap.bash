# SPDX-License-Identifier: LGPL-2.1-or-later
# What the shell tests share: TAP, a temporary folder, and running provost. To be sourced.
set -u
unset PROVOST_SITE
export LC_ALL=C.UTF-8
count=0
failed=0
provost=${PROVOST:-$PV_TOP_BUILDDIR/provost}
work=$(mktemp -d) && [ -d "$work" ] || exit 1
trap 'rm -rf "$work"' EXIT

# ok NAME STATUS: one case; STATUS 0 is good
ok() {
	count=$((count + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $count $1"
	else
		failed=1
		echo "not ok $count $1"
		sed 's/^/# stdout: /' "$work/out"
		sed 's/^/# stderr: /' "$work/err"
	fi
}

skip() {
	count=$((count + 1))
	echo "ok $count $1 # SKIP $2"
}

# run ARGUMENT...: provost with what it printed in $work/out and $work/err, its exit code in $code
run() {
	"$provost" "$@" >"$work/out" 2>"$work/err" </dev/null
	code=$?
}

# expect NAME CODE PATTERN ARGUMENT...: exit code, and a fixed string in what it said, on either stream
expect() {
	local name=$1 want=$2 text=$3
	shift 3
	run "$@"
	[ "$code" -eq "$want" ] && cat "$work/out" "$work/err" | grep -qF -- "$text"
	local status=$?
	[ "$status" -eq 0 ] || echo "# provost $*: exit code $code, wanted $want with: $text"
	ok "$name" "$status"
}

# the built plugins in $work/plugins: the loader takes them only from folders that nobody else may write to
copy_plugins() {
	mkdir "$work/plugins"
	cp "$PV_TOP_BUILDDIR"/plugins/*/.libs/*.so "$work/plugins" 2>/dev/null || {
		skip "/cli/${0##*/}" 'no plugins are built'
		finish
	}
	chmod -R go-w "$work/plugins"
}

# the names of all commands, one a line
list_commands() {
	"$provost" help | sed -n '/^Commands:/,/^$/s/^  \([a-z][a-z-]*\( [a-z][a-z]*\)\{0,1\}\) .*/\1/p'
}

finish() {
	echo "1..$count"
	exit "$failed"
}
