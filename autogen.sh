#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# Makes configure and the Makefile.in from their sources; run it once after a clone.
set -e
cd "$(dirname "$0")"
mkdir -p build-aux m4
autoreconf --force --install "$@"
echo 'Now: mkdir -p build && cd build && ../configure && make'
