#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Builds Provost and shows it at work: a simulated fleet of 12 computers goes from the box to Provisioned.
set -u

usage() {
	cat <<-TEXT
	Usage: ./demo.sh [--keep] [--site samba-ad]

	Installs what is missing (Debian 12, Ubuntu 22.04 or later), builds in build/demo, starts 12 simulated computers
	of six generations of AMT, 6.2 to 16.1, and provisions them.

	--keep           leaves them running to play with
	--site samba-ad  with accounts, groups and Kerberos of a Samba Active Directory, which it starts itself
	TEXT
}

keep=no
sample=
arguments=("$@")
while [ "$#" -gt 0 ]; do
	case $1 in
	--keep) keep=yes ;;
	--site=samba-ad) sample=samba-ad ;;
	--site)
		shift
		if [ "${1-}" != samba-ad ]; then
			echo "demo.sh: --site knows samba-ad, not \"${1-}\"" >&2
			exit 64
		fi
		sample=samba-ad
		;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		usage >&2
		exit 64
		;;
	esac
	shift
done
if [ "$keep" = yes ] && [ -n "$sample" ]; then
	echo "demo.sh: --keep does not go with --site: the domain lives in a network of its own, which ends with the demo" >&2
	exit 64
fi

top=$(cd "$(dirname "$0")" && pwd -P) || exit 1
cd "$top" || exit 1
case $top in
*[[:space:]\"\'\\\#\$\&\`]*)
	echo "demo.sh: autotools cannot build in \"$top\": move the tree to a path without blanks and quotes" >&2
	exit 1
	;;
esac
root=$top/build/demo/root
# addresses of our own in the loopback network, so that nothing on this machine is in the way
net=127.$((64 + $$ % 64))
hello=$net.9.71
export PATH="$root/bin:$root/sbin:$PATH" LC_ALL=C.UTF-8
umask 077
work=
pids=()
suffix=demo.example

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

# what is to be had only outside of the demo's own network
if [ "${PV_SAMBA_INSIDE:-}" != 1 ]; then
	heading '1. Build'
	tests/install-packages build ${sample:+test} || exit 1
	build
fi
if [ -n "$sample" ]; then
	# runs the demo again in a network of its own; its functions that have the same names as some below are for tests
	export PV_TOP_SRCDIR=$top PV_TOP_BUILDDIR=$top/build/demo
	set -- "${arguments[@]}"
	# shellcheck source=tests/integration/samba/lib.bash
	. tests/integration/samba/lib.bash
	suffix=$AD_DOMAIN
	net=${hello%.9.71} # the library's is another
else
	work=$(mktemp -d "${TMPDIR:-/tmp}/provost-demo.XXXXXX") || exit 1
fi

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

# start NAME COMMAND...: in the background, deaf to the end of the terminal, with a log of that name
start() {
	local name=$1
	shift
	nohup "$@" >"$work/$name.log" 2>&1 </dev/null &
	pids+=($!)
}

# wait_for NAME COMMAND...: until the command succeeds, at most 20 s
wait_for() {
	local name=$1 i
	shift
	for ((i = 0; i < 200; i++)); do
		"$@" >/dev/null 2>&1 && return 0
		kill -0 "${pids[-1]}" 2>/dev/null || die "$name ended" "$work/$name.log"
		sleep 0.1
	done
	die "$name does not begin" "$work/$name.log"
}

sim() {
	local command=$1
	shift
	provost-sim "$command" --control "$work/sim.sock" "$@"
}

# Factory state with set-up begun; a minute between hellos lasts one second
start_fleet() {
	provost-sim pki "$work/pki" --suffix "$suffix" || die 'the simulator cannot make its PKI'
	start fleet provost-sim run --devices 12 --personality 16.1,15,12.0,11.8,9.5,6.2 --base "$net.0.1" --suffix "$suffix" \
		--roots "$work/pki/root.pem" --provision-server "$hello:9971" --set hello-minute-msec=1000 \
		--control "$work/sim.sock" --fleet-csv "$work/computers.csv"
	wait_for fleet sim list
}

make_site() {
	export PROVOST_SITE=$work/site/site.json
	say provost site init "$work/site" --suffix "$suffix" --provisioning-certificate "$work/pki/chain.pem" \
		--provisioning-key "$work/pki/key.pem" || die 'the site cannot be made'
	# what an administrator would write with an editor: groups, of which one may speak TLS 1.0 and 1.1, and where to listen
	sed -i "1s|{|{\n  \"groups\": [ { \"name\": \"modern\" }, { \"name\": \"old\", \"tls\": \"legacy\" } ],\n  \"listener\": { \"address\": \"$hello\" },|" "$PROVOST_SITE"
	[ -z "$sample" ] || use_samba
	say provost site check || die 'the site is not right'
}

# The domain, as its administrator prepares it, and the one object that says so to Provost
use_samba() {
	heading '   A domain of Active Directory, which knows nothing of Provost but an account without rights'
	samba_start
	say samba-tool group add 'AMT Operators' || die 'the domain takes no group'
	say samba-tool group addmembers 'AMT Operators' alice || die 'the domain takes no member'
	cp "$AD_SERVICE_KEYTAB" "$work/site/svc-amt.keytab"
	jq --slurpfile sample data/sites/samba-ad/site.json '.directory = $sample[0].directory' "$PROVOST_SITE" >"$work/site.json" &&
		mv "$work/site.json" "$PROVOST_SITE" || die 'the directory cannot be changed'
	echo "  site.json has another object now: \"directory\": $(jq -c .directory "$PROVOST_SITE")"
	say provost directory delegate --print >"$work/delegate" || die 'the directory does not say which rights it needs'
	grep '^samba-tool ' "$work/delegate" >"$work/delegate.sh"
	echo "  $(grep -c . "$work/delegate.sh") lines of samba-tool, which the domain's administrator runs"
	bash -e "$work/delegate.sh" >"$work/delegate.log" 2>&1 || die 'rights cannot be given' "$work/delegate.log"
	say provost directory check || die 'the directory is not ready'
}

show_samba() {
	heading '   In the directory: the account, its services, and alice with her ticket'
	local account
	account=$(provost show pc-0001 --json | jq -r '.facts["account.name"]')
	samba_admin ldapsearch -LLL -o ldif-wrap=no -b "$AD_BASE" "(sAMAccountName=$account)" dNSHostName servicePrincipalName | grep -v '^#\|^$' | sed 's/^/  /'
	samba_host pc-0001.example.com "$(sim list --json | jq -r '.[] | select(.name == "pc-0001").address')"
	KRB5CCNAME=$(samba_login alice) say provost verify --kerberos pc-0001 || die 'alice does not get in'
}

import_fleet() {
	local old
	old=$(sim list | awk 'NR > 1 && $4 + 0 < 12 { print $5 }')
	grep -F "$old" "$work/computers.csv" >"$work/old.csv"
	grep -vF "$old" "$work/computers.csv" >"$work/modern.csv"
	say provost import --group modern "$work/modern.csv" || die 'the import failed'
	say provost import --group old "$work/old.csv" || die 'the import failed'
}

count_provisioned() {
	provost export --quiet --status Provisioned | tail -n +2 | wc -l
}

# Until all are Provisioned, at most two minutes. A terminal shows the table, anything else gets the log's main lines.
watch_fleet() {
	local table lines=0 follower='' deadline=$((SECONDS + 120))
	if [ ! -t 1 ]; then
		provost log --follow > >(grep --line-buffered -E ' (hello from|commit: done|pipeline) ') &
		follower=$!
	fi
	while [ "$SECONDS" -lt "$deadline" ] && [ "$(count_provisioned)" -lt 12 ]; do
		kill -0 "${pids[-1]}" 2>/dev/null || die 'provostd ended' "$work/provostd.log"
		if [ -z "$follower" ]; then
			table=$(provost status)
			[ "$lines" -eq 0 ] || printf '\033[%dA\033[J' "$lines"
			printf '%s\n' "$table"
			lines=$(wc -l <<<"$table")
		fi
		sleep 0.3
	done
	if [ -n "$follower" ]; then
		kill "$follower"
		wait "$follower" 2>/dev/null
	elif [ "$lines" -gt 0 ]; then
		printf '\033[%dA\033[J' "$lines"
	fi
}

# pick FILE MEMBER [N]: the N-th value of that name in a device's dump
pick() {
	sed -n -e "s/^ *\"$2\" : \"\(.*\)\",\{0,1\}\$/\1/p" -e "s/^ *\"$2\" : \([^\",]*\),\{0,1\}\$/\1/p" "$1" |
		sed -n "${3-1}p"
}

# pick_switch FILE MEMBER: the same, in words
pick_switch() {
	case $(pick "$1" "$2") in
	2 | true) echo on ;;
	3 | false) echo off ;;
	esac
}

# compare WHAT BEFORE AFTER
compare() {
	printf '  %-34s %-22s %s\n' "$1" "${2:--}" "${3:--}" | sed 's/ null  / -     /'
}

show_device() {
	local before=$work/before after=$work/after
	sim dump "$1" >"$after"
	compare "$1" BEFORE AFTER
	compare 'provisioning state' "$(pick "$before" state)" "$(pick "$after" state)"
	compare 'host name' "$(pick "$before" host)" "$(pick "$after" host)"
	compare 'domain' "$(pick "$before" domain)" "$(pick "$after" domain)"
	compare 'certificate' "$(pick "$before" subject)" "$(pick "$after" subject)"
	compare '  issued by' "$(pick "$before" issuer)" "$(pick "$after" issuer)"
	compare 'clock was set' "$(pick "$before" clock-set)" "$(pick "$after" clock-set)"
	compare 'administrator has factory password' "$(pick "$before" default)" "$(pick "$after" default)"
	compare 'MEBx has factory password' "$(pick "$before" mebx-default)" "$(pick "$after" mebx-default)"
	compare 'directory groups with rights' "$(grep -c '"sid"' "$before")" "$(grep -c '"sid"' "$after")"
	compare 'Kerberos realm' "$(pick "$before" realm 2)" "$(pick "$after" realm 2)"
	compare 'power' "$(pick "$before" description)" "$(pick "$after" description)"
	compare 'web pages' "$(pick_switch "$before" web-ui)" "$(pick_switch "$after" web-ui)"
	compare 'serial over LAN (port 16995)' "$(pick_switch "$before" port-16995)" "$(pick_switch "$after" port-16995)"
}

count_writes() {
	local device sum=0
	for device in $(sim list | awk 'NR > 1 { print $1 }'); do
		sim dump "$device" >"$work/dump"
		sum=$((sum + $(pick "$work/dump" writes)))
	done
	echo "$sum"
}

keep_running() {
	cat >"$work/env" <<-TEXT
	export PATH='$root/bin:$root/sbin':"\$PATH"
	export PROVOST_SITE='$PROVOST_SITE'
	sim() { provost-sim "\$@" --control '$work/sim.sock'; }
	TEXT
	cat >"$work/stop" <<-TEXT
	kill ${pids[*]}
	rm -rf '$work'
	TEXT
	cat <<-TEXT
	The fleet and provostd go on running. In a shell (bash, zsh, dash):

	  . $work/env
	  provost show pc-0002
	  sim set pc-0002 power-scheme=0      # change a device behind Provost's back ...
	  provost plan pc-0002                # ... and see it told
	  sim reset pc-0003 --state in        # somebody reset one to factory state
	  provost reset pc-0003               # it is ours: its next hello brings it back
	  provost log --follow

	To stop it and remove all of it:

	  sh $work/stop
	TEXT
}

say_what_next() {
	cat <<-TEXT
	Try next:
	  ./demo.sh --keep          the same, left running, with things to try
	  README.md                 ten minutes with the commands, then a real site
	  ./check.sh                the proof: all tests, sanitizers, the distribution
	TEXT
}

heading '2. Twelve computers with Intel AMT, of six generations, come out of their boxes'
start_fleet
sim list
sim dump pc-0001 >"$work/before"

if [ -n "$sample" ]; then
	heading '3. A site: SQLite store, local CA, Active Directory; and the list of computers to expect'
else
	heading '3. A site: SQLite store, local CA, local directory; and the list of computers to expect'
fi
make_site
import_fleet

heading '4. provostd listens, the computers say hello, and nobody touches anything'
start provostd provostd
watch_fleet
provost status
provisioned=$(count_provisioned)
[ "$provisioned" -eq 12 ] || die "only $provisioned of 12 are Provisioned" "$work/provostd.log"

heading '5. One of them before and after, as the computer itself has it'
show_device pc-0001

if [ -n "$sample" ]; then
	show_samba
fi

heading '6. Once more, over all: nothing is to do, and nothing is written'
writes=$(count_writes)
say provost provision --quiet --all || die 'the second run failed'
echo "  writes to all devices so far: $writes, and now: $(count_writes)"
[ "$(count_writes)" -eq "$writes" ] || die 'the second run wrote to a device'

heading '7. Somebody changes a device behind our back'
say sim set pc-0001 AMT_GeneralSettings.HostName=stranger
say provost plan pc-0001
[ $? -eq 2 ] || die 'the plan does not tell the change'
say provost provision --quiet pc-0001 || die 'the device could not be put right'
say provost verify pc-0001 || die 'the device is not what its pipeline says'
say provost audit verify || die 'the audit log is not intact'

heading "$provisioned of 12 Provisioned"
if [ "$keep" = yes ]; then
	keep_running
else
	say_what_next
fi
