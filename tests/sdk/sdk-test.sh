#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds a third party's stage against an installed Provost, as its author would, and runs it. Prints TAP.
set -u

scratch=$(mktemp -d "${TMPDIR:-/tmp}/provost-sdk.XXXXXX") || exit 99
count=0
sim=

# shellcheck disable=SC2317 # called by trap
cleanup() {
	if [ -n "$sim" ]; then
		kill "$sim" 2>/dev/null
		wait "$sim" 2>/dev/null
	fi
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

# From here on the installed programs run, with the third party's folder beside the installed plugins
bin=$prefix/bin
if [ ! -x "$bin/provost" ] || [ ! -x "$bin/provost-sim" ]; then
	echo "ok $((count + 1)) /sdk/run # SKIP the programs are not built"
	echo "1..$((count + 1))"
	exit 0
fi
net=127.$((128 + $$ % 64)).$((1 + $$ / 64 % 250))
export PATH=$bin:$PATH PROVOST_SITE=$scratch/site/site.json
installed=$(find "$scratch/root" -name ad-account.so | head -n 1)
cd "$scratch" || exit 99

provost plugin show --path "$scratch/plugins" asset-tag >shown 2>log
grep -q 'domain' shown && grep -q 'asset\.tag' shown
result plugin-show $? log

provost-sim pki pki --suffix sdk.example >log 2>&1
result pki $? log
provost-sim run --base "$net.1" --suffix sdk.example --roots pki/root.pem --control sim.sock --fleet-csv fleet.csv \
	>sim.log 2>&1 &
sim=$!
for ((i = 0; i < 200; i++)); do
	grep -q '^ready' sim.log && break
	sleep 0.1
done

{
	provost site init site --suffix sdk.example --provisioning-certificate pki/chain.pem \
		--provisioning-key pki/key.pem --plugin-path "${installed%/*}:$scratch/plugins" &&
		sed -i 's/"ad-account",/"ad-account", "asset-tag",/' site/site.json &&
		sed -i 's/"stage" *: *"network-identity"/&\n},\n{\n"stage": "asset-tag", "domain": "assets.example"/' \
			site/standard.json &&
		provost pipeline check site/standard.json
} >log 2>&1
result pipeline-check $? log

{
	provost import fleet.csv && provost set pc-0001 --address "$net.1" && provost provision pc-0001
} >log 2>&1
result provision $? log
provost-sim dump pc-0001 --control sim.sock >state 2>log
grep -q '"HostOSFQDN" : "pc-0001.assets.example"' state
result device-has-it $? log
provost show pc-0001 >log 2>&1
grep -q 'asset\.tag  *pc-0001' log
result fact-is-kept $? log

provost-sim set pc-0001 --control sim.sock AMT_GeneralSettings.HostOSFQDN=other >log 2>&1
provost plan pc-0001 >log 2>&1
[ $? -eq 2 ] && grep -q 'asset-tag.*HostOSFQDN.*other.*pc-0001.assets.example' log
result drift $? log
echo "1..$count"
