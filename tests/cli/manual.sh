#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The manual has the commands and options that the program has, no more and no less.
. "${PV_TOP_SRCDIR:?}/tests/cli/tap.bash" || exit 1
manual=$PV_TOP_SRCDIR/data/man/provost.1

# options_of_help COMMAND...: of its own options, not those of every command
options_of_help() {
	"$provost" help "$@" | sed -n '/^Options:/,/^$/s/^ *\(-., \)\{0,1\}--\([a-z-]*\).*/\2/p' | sort
}

# options_of_manual COMMAND: the option heads of the command's section
options_of_manual() {
	sed 's/\\-/-/g' "$manual" | awk -v name="$1" '
		/^\.S[SH] / { head = $0; sub(/^\.S[SH] /, "", head); sub(/ *\\f.*/, "", head); in_it = head == name; next }
		in_it && after_tp && match($0, /--[a-z-]+/) { print substr($0, RSTART + 2, RLENGTH - 2) }
		{ after_tp = $0 == ".TP" }' | sort
}

list_commands | sort >"$work/out"
sed -n 's/\\-/-/g; s/^\.SS \([a-z-]*\( [a-z][a-z]*\)\{0,1\}\).*/\1/p' "$manual" | sort >"$work/err"
cmp -s "$work/out" "$work/err"
ok /cli/manual/commands $?

while read -r name; do
	# shellcheck disable=SC2086
	options_of_help $name >"$work/out"
	options_of_manual "$name" >"$work/err"
	cmp -s "$work/out" "$work/err"
	ok "/cli/manual/$name" $?
done < <(list_commands)

"$provost" help | sed -n '/^Options of every/,/^$/s/^ *-., --\([a-z-]*\).*/\1/p' | sort >"$work/out"
options_of_manual OPTIONS >"$work/err"
cmp -s "$work/out" "$work/err"
ok /cli/manual/options-of-every-command $?

daemon=$PV_TOP_BUILDDIR/provostd
"$daemon" --help | sed -n 's/^ *-., --\([a-z]*\).*/\1/p' | sort >"$work/out"
manual=$PV_TOP_SRCDIR/data/man/provostd.8
options_of_manual OPTIONS >"$work/err"
cmp -s "$work/out" "$work/err"
ok /service/manual/options $?

# the simulator's page has options at their commands, and some within the head of one
sim=$PV_TOP_BUILDDIR/provost-sim
manual=$PV_TOP_SRCDIR/data/man/provost-sim.1
: >"$work/err"
"$sim" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z-]*\) .*/\1/p' >"$work/out"
[ -s "$work/out" ] || echo 'the help lists no commands' >>"$work/err"
while read -r name; do
	sed 's/\\-/-/g' "$manual" | grep -q "^\\\\fB.*$name\\\\fR" || echo "command $name" >>"$work/err"
	for option in $("$sim" "$name" --help | sed -n 's/^ *\(-., \)\{0,1\}--\([a-z-]*\).*/\2/p' | grep -vx help); do
		sed 's/\\-/-/g' "$manual" | grep -q -- "--$option" || echo "$name --$option" >>"$work/err"
	done
done <"$work/out"
cat "$work/err" >"$work/out"
[ ! -s "$work/err" ]
ok /sim/manual/commands-and-options $?

if command -v man >/dev/null; then
	for page in provost-sim.1 provost.1 provostd.8 provost-site.5 provost-exec.5 provost-sim.1; do
		man --warnings -E UTF-8 -l -Tutf8 -Z "$PV_TOP_SRCDIR/data/man/$page" >"$work/out" 2>"$work/err"
		: >"$work/out"
		[ ! -s "$work/err" ]
		ok "/cli/manual/format/$page" $?
	done
else
	skip /cli/manual/format 'man is not installed'
fi
finish
