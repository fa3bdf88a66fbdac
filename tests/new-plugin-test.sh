#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What tests/new-plugin makes compiles, carries the new name everywhere, and is registered.
set -u
top=${PV_TOP_SRCDIR:?}
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
mkdir -p "$work/tree/tests" "$work/tree/plugins"
cp -R "$top/plugins/template" "$top/plugins/plugins.am" "$work/tree/plugins/"
cp "$top/tests/new-plugin" "$work/tree/tests/"
chmod -R u+w "$work/tree"
cd "$work/tree" || exit 99

count=0
check() {
	count=$((count + 1))
	text=$1
	shift
	if "$@" >"$work/output" 2>&1; then
		echo "ok $count - $text"
	else
		echo "not ok $count - $text"
		sed 's/^/# /' "$work/output"
	fi
}
fails() {
	! "$@"
}
compiles() {
	${CC:-cc} -std=gnu11 -Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers -Werror -fsyntax-only \
		-I"$top/include" -I"$PV_TOP_BUILDDIR/include" $(pkg-config --cflags glib-2.0 gmodule-2.0 gio-2.0) "$1"
}
has_line_once() {
	[ "$(grep -cx "$1" "$2")" -eq 1 ]
}

check /new-plugin/makes-a-folder tests/new-plugin tls-est
check /new-plugin/compiles compiles plugins/tls-est/tls-est.c
check /new-plugin/nothing-of-the-old-name fails grep -ri template plugins/tls-est
check /new-plugin/is-installed grep -qx 'plugin_LTLIBRARIES += plugins/tls-est/tls-est.la' plugins/tls-est/plugin.am
check /new-plugin/is-registered has_line_once 'include plugins/tls-est/plugin.am' plugins/plugins.am
check /new-plugin/refuses-an-existing-one fails tests/new-plugin tls-est
check /new-plugin/refuses-a-bad-name fails tests/new-plugin Tls_Est
check /new-plugin/still-registered-once has_line_once 'include plugins/tls-est/plugin.am' plugins/plugins.am
echo "1..$count"
