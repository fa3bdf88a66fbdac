#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds a third party's stage against an installed Provost, as its author would, and runs it. Prints TAP.
set -u

scratch=$(mktemp -d "${TMPDIR:-/tmp}/provost-sdk.XXXXXX") || exit 99
count=0

# shellcheck disable=SC2317 # called by trap
cleanup() {
	rm -rf "$scratch"
}
trap cleanup EXIT

# result NAME STATUS [LOG]
result() {
	count=$((count + 1))
	if [ "$2" -eq 0 ]; then
		echo "ok $count /sdk/$1"
	else
		[ -z "${3-}" ] || sed 's/^/# /' "$3"
		echo "not ok $count /sdk/$1"
	fi
}

# The make that runs the tests has told its own targets and jobs to its children
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u TESTS make -s -C "$PV_TOP_BUILDDIR" install DESTDIR="$scratch/root" \
	>"$scratch/log" 2>&1
result install $? "$scratch/log"

pc=$(find "$scratch/root" -name provost.pc | head -n 1)
prefix=$scratch/root$(sed -n 's/^prefix=//p' "$pc")
# The stand-in for a real prefix: what was installed under DESTDIR is used where it lies
mkdir "$scratch/pkgconfig"
sed "s|^prefix=.*|prefix=$prefix|" "$pc" >"$scratch/pkgconfig/provost.pc"
export PKG_CONFIG_PATH=$scratch/pkgconfig LD_LIBRARY_PATH=${pc%/pkgconfig/*}

mkdir -m 0700 "$scratch/plugins"
cp "$PV_TOP_SRCDIR/tests/sdk/asset-tag.c" "$scratch"
# shellcheck disable=SC2046 # several words are wanted
(cd "$scratch" && cc -shared -fPIC $(pkg-config --cflags provost) asset-tag.c -o plugins/asset-tag.so \
	-Wall -Werror $(pkg-config --libs provost)) >"$scratch/log" 2>&1
result compile $? "$scratch/log"

nm -D --defined-only "$scratch/plugins/asset-tag.so" | grep -q ' pv_plugin$'
result exports-pv_plugin $?
echo "1..$count"
