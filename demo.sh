#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds Provost and shows it at work: a simulated fleet of 12 computers goes from the box to Provisioned.
set -u

usage() {
	cat <<-TEXT
	Usage: ./demo.sh [--keep]

	Installs what is missing (Debian 12, Ubuntu 22.04 or later), builds in build/demo, starts 12 simulated computers
	with AMT 16.1 and 6.2 and provisions them. --keep: leaves them running to play with.
	TEXT
}

keep=no
for argument in "$@"; do
	case $argument in
	--keep) keep=yes ;;
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
	echo "demo.sh: autotools cannot build in \"$top\": move the tree to a path without blanks and quotes" >&2
	exit 1
	;;
esac
root=$top/build/demo/root
export PATH="$root/bin:$root/sbin:$PATH" LC_ALL=C.UTF-8
umask 077
work=
pids=()

heading() {
	printf '\n\033[1m%s\033[0m\n' "$1" | if [ -t 1 ]; then cat; else sed 's/\x1b\[[0-9]*m//g'; fi
}

say() {
	printf '  $ %s\n' "$*"
	"$@"
}

die() {
	echo "demo.sh: $1" >&2
	[ -z "${2-}" ] || tail -n 30 "$2" >&2
	exit 1
}

# shellcheck disable=SC2317 # called by trap
cleanup() {
	local status=$? pid
	trap - EXIT INT TERM
	if [ "$keep" = yes ] && [ "$status" -eq 0 ]; then
		exit 0
	fi
	for pid in "${pids[@]}"; do
		kill "$pid" 2>/dev/null
	done
	for pid in "${pids[@]}"; do
		wait "$pid" 2>/dev/null
	done
	[ -z "$work" ] || rm -rf "$work"
	exit "$status"
}
trap cleanup EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

build() {
	local log=$top/build/demo/build.log
	mkdir -p build/demo || die 'build/demo cannot be made'
	echo "Building in build/demo; the log is build/demo/build.log"
	if [ ! -x configure ] || [ ! -e Makefile.in ]; then
		./autogen.sh >"$log" 2>&1 || die 'autogen.sh failed' "$log"
	fi
	if [ "$(cat build/demo/demo-stamp 2>/dev/null)" != "$root" ]; then
		rm -f build/demo/config.status
	fi
	if [ ! -e build/demo/config.status ]; then
		(cd build/demo && ../../configure -q --prefix="$root" CFLAGS='-O2 -g') >>"$log" 2>&1 ||
			die 'configure failed' "$log"
		echo "$root" >build/demo/demo-stamp
	fi
	make -s -C build/demo -j"$(nproc)" >>"$log" 2>&1 || die 'the build failed' "$log"
	make -s -C build/demo install >>"$log" 2>&1 || die 'make install failed' "$log"
}

tests/install-packages build || exit 1
heading 'Provost builds'
build
