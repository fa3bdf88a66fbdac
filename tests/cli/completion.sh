#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What bash offers when Tab is pressed.
. "${PV_TOP_SRCDIR:?}/tests/cli/tap.bash" || exit 1
: >"$work/out"
: >"$work/err"
. "$PV_TOP_SRCDIR/data/completions/provost"

# complete_line WORD...: the candidates for the last word, sorted, in one line
complete_line() {
	COMP_WORDS=("$provost" "$@")
	COMP_CWORD=$#
	_provost
	printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' ' | sed 's/ $//'
}

# offers NAME EXPECTED WORD...
offers() {
	local name=$1 want=$2
	shift 2
	local got
	got=$(complete_line "$@")
	[ "$got" = "$want" ]
	local status=$?
	[ "$status" -eq 0 ] || echo "# got: $got"
	ok "$name" "$status"
}

offers /cli/completion/command 'plan plugin' pl
offers /cli/completion/second-word 'list show' plugin ''
offers /cli/completion/hidden '' __
offers /cli/completion/option '--group' status --g
offers /cli/completion/options-of-two-words '--reveal' secret show --re
offers /cli/completion/option-before-command 'plan plugin' --json pl
offers /cli/completion/value '--format' pipeline graph --f
offers /cli/completion/choice 'dot svg' pipeline graph --format ''
offers /cli/completion/format '1 2 2.1 3 4' setup-bin create --format ''
offers /cli/completion/one-touch 'create show' setup-bin ''
offers /cli/completion/status 'Not\ Provisioned Not\ Supported' export --status Not
offers /cli/completion/status-of-all-commands 'Provisioned' provision --status Prov
offers /cli/completion/help 'secret set setup-bin show site status' help s
offers /cli/completion/broken-site '' --site "$work/none.json" show ''

mkdir "$work/folder with space"
touch "$work/file.csv"
cd "$work" || exit 1
offers /cli/completion/file 'file.csv' import fi
offers /cli/completion/folder 'folder with space' site init fo

. "$PV_TOP_SRCDIR/data/completions/provost-sim"
# complete_line WORD...: as above, of the simulator
complete_line() {
	COMP_WORDS=("$PV_TOP_BUILDDIR/provost-sim" "$@")
	COMP_CWORD=$#
	_provost_sim
	printf '%s\n' "${COMPREPLY[@]}" | sort | tr '\n' ' ' | sed 's/ $//'
}
offers /sim/completion/command 'set start switches' s
offers /sim/completion/option '--personality --provision-server' run --p
offers /sim/completion/state 'post pre' run --state p
offers /sim/completion/personality '11.8 12.0 15 16.1 19' run --personality 1
offers /sim/completion/switch 'psk-identity= psk-key= psk-setup=' run --set psk
offers /sim/completion/file 'file.csv' run --faults fi
offers /sim/completion/folder 'folder with space' pki fo
export XDG_RUNTIME_DIR=$work
offers /sim/completion/nothing-runs '' dump pc

coproc simulator { exec "$PV_TOP_BUILDDIR/provost-sim" run --devices 2 --base "127.83.$(($$ / 250 % 250)).$(($$ % 250 + 1))"; }
# shellcheck disable=SC2154 # set by coproc
trap 'kill "$simulator_PID"; wait "$simulator_PID"; rm -rf "$work"' EXIT
read -r _ <&"${simulator[0]}" # it prints a line when it is ready
offers /sim/completion/device 'pc-0001 pc-0002' set pc
offers /sim/completion/control 'pc-0001 pc-0002' dump -c "$work/provost-sim.sock" pc
finish
