# SPDX-License-Identifier: LGPL-2.1-or-later
# A real OpenLDAP server for a test, in a network of the test's own, and the sample site of data/sites/openldap by the commands of
# its README. To be sourced by bash, first thing in the test: it runs the test again in fresh namespaces, or skips it where
# something is missing ($slapd_needs: more programs), and brings tests/e2e/lib.sh along.
: "${PV_TOP_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}"
PATH=$PATH:/usr/sbin:/sbin
suite=/integration/$(basename "$0" .sh)

skip_all() {
	echo "ok 1 $suite # SKIP $1"
	echo 1..1
	exit 0
}
# in a network of its own, where the server's name is in /etc/hosts
if [ "${PV_SLAPD_INSIDE:-}" != 1 ]; then
	for program in slapd slapadd ldapmodify ldappasswd openssl unshare ip jq ${slapd_needs:-}; do
		command -v "$program" >/dev/null || skip_all "$program is not installed"
	done
	map=()
	[ "$(id -u)" -eq 0 ] || map=(--map-root-user)
	namespaces=(unshare "${map[@]}" --net --mount --pid --fork --kill-child --mount-proc)
	"${namespaces[@]}" sh -c 'ip link set lo up && mount --bind /etc/hosts /etc/hosts' 2>/dev/null || skip_all 'no namespaces of its own can be had here'
	export PV_SLAPD_INSIDE=1
	exec "${namespaces[@]}" bash -c 'ip link set lo up && exec bash "$@"' sh "$0" "$@"
fi
unset PV_SLAPD_INSIDE
. "$PV_TOP_SRCDIR/tests/e2e/lib.sh"
. "$PV_TOP_SRCDIR/tests/e2e/fleet.sh"
cd "$work" || exit 1
address=127.0.0.30
printf '127.0.0.1 localhost\n%s ldap1.example.com\n' "$address" >hosts
mount --bind hosts /etc/hosts || bail 'mount over /etc/hosts'

# start_slapd: the server, made at first; stop_slapd: for good, as power failures do it
start_slapd() {
	"$PV_TOP_SRCDIR/tests/integration/slapd/up" slapd "$address" 389 636 >slapd.log 2>&1 || bail "slapd: $(cat slapd.log)"
	export SLAPD_AGAIN=1
	slapd_pid=$(cat slapd/pid)
}
stop_slapd() {
	kill -KILL "$slapd_pid"
	await 10 gone "$slapd_pid" || bail 'slapd does not end'
}
gone() {
	local state
	state=$(sed 's/.*) //; s/ .*//' "/proc/$1/stat" 2>/dev/null) || return 0
	[ "$state" = Z ]
}
socket=ldapi://$(printf '%s' "$work/slapd/ldapi" | sed 's#/#%2F#g')
admin() {
	local program=$1
	shift
	"$program" -Q -Y EXTERNAL -H "$socket" "$@"
}
# show FILTER ATTRIBUTE...: as the directory's administrator sees it
show() {
	admin ldapsearch -LLL -o ldif-wrap=no -b dc=example,dc=com "$@"
}
# requests that changed something in the directory, and calls that did in the devices
directory_writes() {
	grep -cE ' (ADD|MOD|MODRDN|DEL) dn=| PASSMOD' slapd/log
}
# ---- the README, to the letter but for the places of the socket and of the site ----
cp -r "$PV_TOP_SRCDIR/data/sites/openldap" sample && chmod -R u+w,go-w sample || bail 'copy the sample'
# take_sample: the folder as the README expects it, for the server and the fleet that run
take_sample() {
	cp slapd/ca.pem sample/directory-ca.pem && cp pki/chain.pem sample/amt.pem && cp pki/key.pem sample/amt.key && cp fleet.csv sample/ || bail 'the provisioning certificate'
}
# what a test changes: no waiting, and the plugins of the build
plugins=$(jq -n --arg path "$PV_TOP_BUILDDIR/plugins" '[ $path ]')
edit sample/site.json ". + { \"plugin-path\": $plugins } | .directory.timeout = 3"
edit sample/openldap.json '(.stages[] | select(.stage == "commit")).wait = 1 | (.stages[] | select(.stage == "clock")).synchronised = "ignore"'
# blocks HEADING: the commands below a heading of the README
blocks() {
	awk -v heading="## $1" '/^## /{ here = $0 == heading } /^```/{ inside = !inside && $0 == "```sh"; next } here && inside' \
		sample/README.md | sed "s#ldapi:///#$socket#g; s#/etc/provost/openldap#$work/site#g"
}
sed -i "s#/etc/provost/openldap#$work/site#g" sample/site.json
# follow HEADING
follow() {
	blocks "$1" >commands.sh
	[ -s commands.sh ] || return 1
	(cd sample && PATH=$work/bin:$PATH bash -e ../commands.sh)
}
# "provost" as it will be found when it is installed
mkdir bin
cat >bin/provost <<-END
	#!/bin/sh
	if [ "\$1 \$2" = 'site init' ]; then set -- "\$@" --plugin-path "$PV_TOP_BUILDDIR/plugins"; fi
	exec "$provost" "\$@"
END
chmod +x bin/provost
export PROVOST_SITE=$work/site/site.json
