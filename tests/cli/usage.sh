#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# Wrong command lines, help and version: all that needs no site.
. "${PV_TOP_SRCDIR:?}/tests/cli/tap.bash" || exit 1

expect /cli/usage/no-command 64 'name a command'
expect /cli/usage/unknown-command 64 'unknown command "teapot"' teapot
expect /cli/usage/nearest-command 64 'did you mean "status"?' sttaus
expect /cli/usage/nearest-of-two-words 64 'did you mean "plugin list"?' plugin lits
expect /cli/usage/incomplete-command 64 'plugin: one of list, show must follow' plugin
expect /cli/usage/unknown-option 64 'did you mean --group?' status --gruop x
expect /cli/usage/missing-value 64 'option --group needs a value: --group GROUP' status --group
expect /cli/usage/twice 64 'option --site is given twice' --site a status --site b
expect /cli/usage/control-characters 64 'unknown command "\x1b[2J"' $'\e[2J'

expect /cli/usage/provision/nothing 64 'name the devices, or give either --all or what they have in common' provision
expect /cli/usage/provision/both 64 'name the devices, or give either --all or what they have in common' provision --all pc1
expect /cli/usage/provision/jobs 64 '--jobs: a whole number from 1 to 1024 is needed' provision --all --jobs 0
expect /cli/usage/provision/jobs-word 64 '--jobs: a whole number' provision --all --jobs many
expect /cli/usage/plan/both 64 'name the devices' plan --all --group lab
expect /cli/usage/plan/where 64 'column 1: expected a name' plan --where 'device.'
expect /cli/usage/verify/nothing 64 'name the devices' verify
expect /cli/usage/status/status 64 '--status: one of Unknown' status --status Fine
expect /cli/usage/status/where 64 '--where: condition' status --where 'pc1 =='
expect /cli/usage/status/argument 64 'takes no arguments' status pc1
expect /cli/usage/show/nothing 64 'too few arguments: DEVICE' show
expect /cli/usage/show/two 64 'too many arguments: only DEVICE' show pc1 pc2
expect /cli/usage/log/lines 64 '--lines: a whole number' log --lines -1
expect /cli/usage/ca/incomplete 64 'ca: one of check, try, revoke, pending, approve, deny must follow' ca
expect /cli/usage/ca/eku 64 '--eku: server or client' ca try --eku both
expect /cli/usage/ca/name 64 '--name: a full DNS name' ca try --name pc1
expect /cli/usage/ca/wait 64 '--wait: a whole number' ca try --wait long
expect /cli/usage/ca/revoke/nothing 64 'name one of --serial, --device and FILE' ca revoke
expect /cli/usage/ca/revoke/two 64 'name one of --serial, --device and FILE' ca revoke --serial 00 FILE
expect /cli/usage/ca/revoke/reason 64 '--reason: one of unspecified|' ca revoke --serial 00 --reason spite
expect /cli/usage/ca/approve 64 'too few arguments: ID' ca approve
expect /cli/usage/site-init/ca-key 64 '--ca-key: one of rsa-2048' site init --ca-key rsa-512 DIR
expect /cli/usage/import/nothing 64 'too few arguments: FILE' import
expect /cli/usage/export/status 64 '--status: one of Unknown' export --status Fine
expect /cli/usage/add/two 64 'too few arguments: NAME FQDN UUID' add pc1 pc1.example.com
expect /cli/usage/add/name 64 'NAME: letters' add 'pc 1' pc1.example.com 4c4c4544-0042-3010-8051-b4c04f4e3332
expect /cli/usage/add/fqdn 64 'FQDN: a full host name' add pc1 pc1 4c4c4544-0042-3010-8051-b4c04f4e3332
expect /cli/usage/add/uuid 64 'UUID: the computer' add pc1 pc1.example.com 4c4c4544
expect /cli/usage/add/shared-uuid 64 'that many boards share' add pc1 pc1.example.com 03000200-0400-0500-0006-000700080009
expect /cli/usage/set/nothing 64 'give at least one option' set pc1
expect /cli/usage/set/which 64 'name the devices' set --group lab
expect /cli/usage/set/which-of-both 64 'name the devices' set pc1 --where device.wireless --group lab
expect /cli/usage/set/only-group 64 'only --group can be set of many' set pc1 pc2 --address 127.0.0.1
expect /cli/usage/set/only-group-where 64 'only --group can be set of many' set --all --name pc3
expect /cli/usage/cancel/nothing 64 'name the devices' cancel
expect /cli/usage/reset/nothing 64 'too few arguments' reset
expect /cli/usage/remove/yes 64 'say --yes' remove pc1
expect /cli/usage/plugin-show/nothing 64 'too few arguments: PLUGIN' plugin show
expect /cli/usage/pipeline-check/nothing 64 'too few arguments: FILE' pipeline check
expect /cli/usage/pipeline-graph/format 64 '--format: dot or svg is needed' pipeline graph x --format png
expect /cli/usage/site-init/nothing 64 'too few arguments: DIR' site init
expect /cli/usage/site-check/argument 64 'takes no arguments' site check x
expect /cli/usage/directory-check/argument 64 'takes no arguments' directory check x
expect /cli/usage/directory-delegate/print 64 'say --print' directory delegate
expect /cli/usage/key-create/nothing 64 'too few arguments: FILE' key create
expect /cli/usage/key-rotate/nothing 64 'too few arguments: NEWFILE' key rotate
expect /cli/usage/secret-set/name 64 'NAME: 1 to 64 letters' secret set 'a b'
expect /cli/usage/secret-set/value 64 'too many arguments: only NAME' secret set name hunter2
! grep -q hunter2 "$work/err"
ok /cli/usage/secret-set/value-is-not-repeated $?
expect /cli/usage/secret-show/reveal 64 'say --reveal' secret show pc1 admin
expect /cli/usage/secret-remove/name 64 'NAME: 1 to 64 letters' secret remove ''
expect /cli/usage/secret-list/two 64 'too many arguments' secret list a b
expect /cli/usage/psk-add/pid 64 'its last character' psk add 00000000
expect /cli/usage/psk-remove/pid 64 'too short' psk remove 0
expect /cli/usage/setup-bin/nothing 64 'too few arguments: FILE' setup-bin create
expect /cli/usage/setup-bin/format 64 '--format: one of 1, 2, 2.1' setup-bin create x --format 5
expect /cli/usage/setup-bin/password 64 'a secret never stands on the command line' setup-bin create x new-password=hunter2
! grep -q hunter2 "$work/err"
ok /cli/usage/setup-bin/password-is-not-repeated $?
expect /cli/usage/setup-bin/setting 64 '"teapot" is no setting' setup-bin create x teapot=1
expect /cli/usage/setup-bin/no-value 64 'NAME=VALUE: "kvm"' setup-bin create x kvm
expect /cli/usage/setup-bin/pps 64 '--psk makes PID and PPS' setup-bin create x pps=ABC
expect /cli/usage/setup-bin/records 64 'only with --psk' setup-bin create x --records 2
expect /cli/usage/setup-bin/keep 64 'each record serves one computer' setup-bin create x --keep --psk
expect /cli/usage/setup-bin/new-name 64 'NAME: 1 to 64 letters' setup-bin create x 'new-password=new:a b'
expect /cli/usage/certificate/nothing 64 'certificate: one of request, install, check, thumbprint, export must follow' certificate
expect /cli/usage/certificate-request/nothing 64 'too few arguments: FQDN' certificate request
expect /cli/usage/certificate-request/name 64 'FQDN: a full host name' certificate request prov
expect /cli/usage/certificate-request/form 64 '--form: one of oid, ou, both' certificate request prov.example.com --form dn
expect /cli/usage/certificate-request/form-of-the-ca 64 'what the site'\''s CA issues' certificate request prov.example.com --form ou --ca
expect /cli/usage/certificate-request/bits 64 '--bits: a whole number from 2048 to 4096' certificate request prov.example.com --bits 1024
expect /cli/usage/certificate-install/nothing 64 'too few arguments: FILE' certificate install
expect /cli/usage/certificate-check/two 64 'too many arguments' certificate check a b
expect /cli/usage/certificate-thumbprint/two 64 'too many arguments' certificate thumbprint a b
expect /cli/usage/certificate-export/nothing 64 'too few arguments: FILE' certificate export
expect /cli/usage/certificate-export/both 64 'do not go together' certificate export x --passphrase-file a --passphrase-secret b
expect /cli/usage/audit-verify/argument 64 'takes no arguments' audit verify x
expect /cli/usage/help/unknown 64 'unknown command "teapot"' help teapot

expect /cli/config/no-site 78 "$work/none.json" --site "$work/none.json" status
printf '{ "no": \n' >"$work/bad.json"
expect /cli/config/bad-json 78 "$work/bad.json" --site "$work/bad.json" status
PROVOST_SITE=$work/environment.json
export PROVOST_SITE
expect /cli/config/environment 78 "$work/environment.json" status
unset PROVOST_SITE
expect /cli/key-create/no-folder 1 "$work/none/key" key create "$work/none/key"

expect /cli/help/version 0 'provost ' --version
expect /cli/help/all 0 'Commands:' help
expect /cli/help/option 0 'Commands:' --help
expect /cli/help/of-a-group 0 'Usage: provost plugin show' help plugin

# every command of the overview explains itself, whichever way it is asked, and needs nothing for it
list_commands >"$work/commands"
[ "$(wc -l <"$work/commands")" -ge 25 ]
ok /cli/help/overview $?
while read -r name; do
	# shellcheck disable=SC2086
	run $name --help
	grep -q "^Usage: provost $name" "$work/out" && [ "$code" -eq 0 ] && [ ! -s "$work/err" ]
	ok "/cli/help/$name" $?
done <"$work/commands"

"$provost" help >/dev/full 2>"$work/err"
[ $? -eq 1 ] && grep -q 'write results' "$work/err"
ok /cli/output/full-disk $?
finish
