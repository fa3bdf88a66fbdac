#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Installs what is missing, builds, and runs everything that can be proved about this tree.
set -u

usage() {
	cat <<-TEXT
	Usage: ./check.sh [--quick]

	Builds in build/ci, build/asan and build/tsan, runs the tests of each and "make distcheck", and ends with
	"N passed, N failed, N skipped". --quick: only build/ci and its tests.
	PV_TEST_REQUIRE=1 turns skipped tests into failures, but for those in tests/allowed-skips.txt.
	TEXT
}

quick=no
for argument in "$@"; do
	case $argument in
	--quick) quick=yes ;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		usage >&2
		exit 64
		;;
	esac
done

top=$(cd "$(dirname "$0")" && pwd -P) || exit 1
cd "$top" || exit 1
case $top in
*[[:space:]\"\'\\\#\$\&\`]*)
	echo "check.sh: autotools cannot build in \"$top\": move the tree to a path without blanks and quotes" >&2
	exit 1
	;;
esac
if [ -e config.status ]; then
	echo "check.sh: the source tree itself was configured: run \"make distclean\" in it first" >&2
	exit 1
fi

export LC_ALL=C.UTF-8 PV_TEST_REQUIRE="${PV_TEST_REQUIRE-}"
jobs=$(nproc 2>/dev/null || echo 2)
logs=$top/build/check
passed=0 failed=0 skipped=0
complaints=()
child=
deadline=3480           # of all steps together, in seconds
wrapper=()              # of "make check"

# shellcheck disable=SC2317 # called by trap
stop() {
	trap - INT TERM
	if [ -n "$child" ]; then
		kill "$child" 2>/dev/null
		wait "$child"
	fi
	echo "check.sh: interrupted" >&2
	exit 130
}
trap stop INT TERM

heading() {
	printf '== %02d:%02d  %s\n' $((SECONDS / 60)) $((SECONDS % 60)) "$1"
}

complain() {
	complaints+=("$1")
	failed=$((failed + 1))
}

# run NAME SECONDS COMMAND... with the output in a log. In the background, so that the trap can end it at once.
run() {
	local name=$1 seconds=$2 left=$((deadline - SECONDS)) status
	shift 2
	[ "$seconds" -le "$left" ] || seconds=$((left > 0 ? left : 1))
	timeout -k 20 "$seconds" "$@" >"$logs/$name.log" 2>&1 &
	child=$!
	wait "$child"
	status=$?
	child=
	if [ "$status" -eq 124 ]; then
		echo "check.sh: ended after $seconds s" >>"$logs/$name.log"
	fi
	return "$status"
}

# must NAME SECONDS COMMAND...: a step of its own; its failure counts as one
must() {
	run "$@" && return 0
	complain "$1 failed: $logs/$1.log"
	tail -n 40 "$logs/$1.log"
	return 1
}

# A build folder of another tree, or of other options, is of no use; one that fits saves the time.
configure_build() {
	local name=$1 stamp
	shift
	stamp="$top $*"
	if [ "$(cat "build/$name/check-stamp" 2>/dev/null)" != "$stamp" ]; then
		# distcheck leaves read-only folders behind when it is interrupted
		chmod -R u+w "build/$name" 2>/dev/null
		rm -rf "build/$name"
	fi
	mkdir -p "build/$name" || return 1
	if [ ! -e "build/$name/config.status" ]; then
		must "$name-configure" 600 env -C "build/$name" ../../configure -q "$@" || return 1
	fi
	echo "$stamp" >"build/$name/check-stamp"
}

build() {
	heading "$1: build"
	configure_build "$@" || return 1
	must "$1-build" 1800 make -s -C "build/$1" -j"$jobs"
}

is_allowed() {
	local build suite path
	while read -r build suite path _; do
		case $build in '' | '#'*) continue ;; esac
		# patterns, therefore not quoted
		# shellcheck disable=SC2053
		[[ $1 == $build && $2 == $suite && $3 == $path ]] && return 0
	done <tests/allowed-skips.txt
	return 1
}

# The cases of a build folder, as automake's TAP driver left them: results in .trs, names in .log
count_results() {
	local name=$1 bad=$failed trs result suite path text
	while IFS= read -r trs; do
		while read -r _ result; do
			case $result in
			PASS | XFAIL) passed=$((passed + 1)) ;;
			SKIP) skipped=$((skipped + 1)) ;;
			*) failed=$((failed + 1)) ;;
			esac
		done < <(grep '^:test-result:' "$trs")
		while IFS= read -r text; do
			text=${text#*: }
			suite=${text%% *}
			path=${text#* }
			path=${path#[0-9]* }
			path=${path%% #*}
			if [ -n "$PV_TEST_REQUIRE" ] && ! is_allowed "$name" "$suite" "$path"; then
				skipped=$((skipped - 1))
				complain "$name: skipped, but required: $text"
			fi
		done < <(grep '^SKIP: ' "${trs%.trs}.log")
		while IFS= read -r text; do
			complaints+=("$name: $text")
		done < <(grep -E '^(FAIL|ERROR|XPASS): ' "${trs%.trs}.log")
	done < <(list_results "$name")
	[ "$failed" -eq "$bad" ]
}

list_results() {
	find "build/$1" -name 'provost-[0-9]*' -prune -o -name '*.trs' -type f -print
}

# check NAME SECONDS [MAKE-ARGUMENT...]
check() {
	local name=$1 seconds=$2 ran
	shift 2
	heading "$name: make check"
	list_results "$name" | while IFS= read -r trs; do
		rm -f "$trs" "${trs%.trs}.log"
	done
	run "$name-check" "$seconds" "${wrapper[@]}" make -C "build/$name" -j"$jobs" check "$@"
	ran=$?
	if count_results "$name" && [ "$ran" -ne 0 ]; then
		complain "$name: make check failed beside its tests: $logs/$name-check.log"
		tail -n 40 "$logs/$name-check.log"
	fi
	sed -n '/^# TOTAL:/,/^# ERROR:/p' "$logs/$name-check.log" | tr -s '\n ' ' '
	echo
}

# Programs that run threads of their own; scripts and long tests of processes say nothing about races
# Not those that start servers: GLib watches these in a thread of its own, whose locks the sanitizer does not see, and now and
# then takes what is freed there for a race
list_thread_tests() {
	# shellcheck disable=SC2016 # make expands it
	printf 'include Makefile\nprint-tests:\n\t@echo $(TESTS)\n' |
		make -s -C build/tsan -f - print-tests | tr ' ' '\n' |
		grep -E '^(core/(base|net|amt|store|engine|service)|sim|plugins)/.*-test$' |
		grep -vE '^core/(net/(ldap|kerberos|fetch-kerberos)|amt/ticket|engine/ticket)-test$' | tr '\n' ' '
}

# The sanitizer's runtime dies at once where the kernel spreads mappings wider than it knows; then without ASLR.
find_tsan_wrapper() {
	local probe=$logs/tsan-probe
	echo 'int main(void) { return 0; }' >"$probe.c"
	cc -fsanitize=thread -o "$probe" "$probe.c" 2>"$logs/tsan-probe.log" || return 1
	if "$probe" 2>>"$logs/tsan-probe.log"; then
		return 0
	fi
	setarch -R "$probe" 2>>"$logs/tsan-probe.log" || return 1
	wrapper=(setarch -R)
}

finish() {
	local text
	if [ "${#complaints[@]}" -gt 0 ]; then
		echo
		for text in "${complaints[@]}"; do
			printf '%s\n' "$text"
		done
	fi
	echo "took $((SECONDS / 60)) min $((SECONDS % 60)) s; logs are in build/check"
	echo "$passed passed, $failed failed, $skipped skipped"
	[ "$failed" -eq 0 ]
	exit
}

mkdir -p "$logs" || exit 1
heading 'packages'
tests/install-packages build test || complain 'packages are missing'

if [ ! -x configure ] || [ ! -e Makefile.in ]; then
	heading 'autogen.sh'
	must autogen 600 ./autogen.sh || finish
fi

build ci --enable-werror CFLAGS='-O2 -g' || finish
check ci 1500
heading 'requirements'
tests/coverage --require tests/requirements-now.txt build/ci || complain 'requirements without a passed test'
[ "$quick" = no ] || finish

heading 'demo.sh, with a domain of Active Directory'
if command -v samba >/dev/null || [ -n "$PV_TEST_REQUIRE" ]; then
	must demo 1200 ./demo.sh --site samba-ad && passed=$((passed + 1))
else
	skipped=$((skipped + 1))
	echo "skipped: Samba is not installed"
fi

if build asan --enable-werror --enable-asan CFLAGS='-O1 -g'; then
	check asan 1800
fi

heading 'tsan: does its runtime start here?'
if find_tsan_wrapper; then
	if build tsan --enable-werror --enable-tsan CFLAGS='-O1 -g'; then
		check tsan 1200 TESTS="$(list_thread_tests)"
	fi
elif [ -n "$PV_TEST_REQUIRE" ]; then
	complain "ThreadSanitizer does not run on this machine: $logs/tsan-probe.log"
else
	skipped=$((skipped + 1))
	echo "skipped: ThreadSanitizer does not run on this machine"
fi

heading 'make distcheck'
must distcheck 1800 make -C build/ci -j"$jobs" distcheck
finish
