#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The commands on a site of their own, without any device.
. "${PV_TOP_SRCDIR:?}/tests/cli/tap.bash" || exit 1

copy_plugins
site=$work/site/site.json
uuid=4c4c4544-0042-3010-8051-b4c04f4e3332

expect /cli/site-init/no-plugin 1 "$work/none" site init "$work/site" --plugin-path "$work/none"
[ ! -e "$site" ]
ok /cli/site-init/failure-leaves-nothing $?
expect /cli/site-init/certificate 1 "$work/none.pem" \
	site init "$work/site" --plugin-path "$work/plugins" --provisioning-certificate "$work/none.pem"
expect /cli/site-init/key-alone 64 '--provisioning-key needs' site init "$work/site" --provisioning-key x
expect /cli/site-init/suffix 64 '--suffix: a DNS domain' site init "$work/site" --suffix 'a b'
expect /cli/site-init/works 0 "wrote $site" site init "$work/site" --plugin-path "$work/plugins" --suffix lab.example.com
expect /cli/site-init/twice 1 'is there already' site init "$work/site" --plugin-path "$work/plugins"
[ "$(stat -c %a "$work/site" "$site" "$work/site/key" | tr '\n' ' ')" = '700 600 600 ' ]
ok /cli/site-init/modes $?

PROVOST_SITE=$site
export PROVOST_SITE
expect /cli/site-check/no-certificate 1 'provisioning certificate' site check
expect /cli/site-check/json 1 '"problems"' site check --json
expect /cli/site-check/online 1 'provisioning certificate' site check --online

expect /cli/directory-check/works 0 'can be written' directory check
expect /cli/directory-check/json 0 '"directory" : "local"' directory check --json
expect /cli/directory-delegate/nothing-of-the-kind 78 'no rights are delegated' directory delegate --print

expect /cli/status/empty 0 'there are no such devices; "provost import"' status
expect /cli/status/json 0 '"devices"' status --json
expect /cli/status/group 1 'unknown group "lab"' status --group lab
expect /cli/show/unknown 1 'pc1' show pc1
expect /cli/provision/unknown 1 'pc1' provision pc1
expect /cli/provision/all-unknown-are-told 1 'pc2' provision pc1 pc2
expect /cli/plan/unknown 1 'pc1' plan pc1
expect /cli/verify/unknown 1 'pc1' verify pc1
expect /cli/verify/none 0 'there are no such devices' verify --all
expect /cli/log/unknown 1 'pc1' log pc1

expect /cli/add/works 0 'added pc1' add pc1 PC1.lab.example.com "${uuid^^}" --mac AA-BB-CC-DD-EE-FF --address 127.0.0.7
expect /cli/add/uuid-twice 1 'belongs to pc1' add pc2 pc2.lab.example.com "$uuid"
expect /cli/add/fqdn-twice 1 'belongs to pc1' add pc2 pc1.lab.example.com 4c4c4544-0042-3010-8051-b4c04f4e3333
expect /cli/add/address 64 '--address: an IP address' add pc2 pc2.lab.example.com 4c4c4544-0042-3010-8051-b4c04f4e3333 --address 'a b'
expect /cli/add/mac 64 '--mac: an address' add pc2 pc2.lab.example.com 4c4c4544-0042-3010-8051-b4c04f4e3333 --mac aa:bb
expect /cli/add/group 1 'unknown group' add pc2 pc2.lab.example.com 4c4c4544-0042-3010-8051-b4c04f4e3333 --group lab
expect /cli/add/otp-file 1 "$work/none" add pc2 pc2.lab.example.com 4c4c4544-0042-3010-8051-b4c04f4e3333 --otp-file "$work/none"
expect /cli/status/row 0 'pc1' status
expect /cli/show/normalised 0 'aa:bb:cc:dd:ee:ff' show "${uuid}"
expect /cli/show/fqdn 0 "$uuid" show pc1.lab.example.com --json
expect /cli/set/address 0 'changed pc1' set pc1 --address 127.0.0.8
expect /cli/set/taken 0 '127.0.0.8' show pc1
expect /cli/set/where 0 'changed pc1' set --where 'device.address == "127.0.0.8"' --group ''
expect /cli/set/where-not 0 'no such devices; "provost status" shows' set --where '!device.address' --group ''
expect /cli/status/where 0 'pc1' status --where 'device.name == "pc1"'
expect /cli/set/unknown 1 'pc9' set pc9 --address 127.0.0.8
expect /cli/set/empty 0 'changed pc1' set pc1 --address ''
run show pc1
! grep -q 127.0.0.8 "$work/out"
ok /cli/set/empty-takes-away $?
printf 'one time\n' >"$work/otp"
expect /cli/set/otp-file 0 'changed pc1' set pc1 --otp-file "$work/otp"
expect /cli/show/otp 0 '"otp_expected" : true' show pc1 --json
: >"$work/empty"
expect /cli/set/empty-otp 1 'it is empty' set pc1 --otp-file "$work/empty"

{
	printf 'pc2,pc2.lab.example.com,4c4c4544-0042-3010-8051-b4c04f4e4444\r\n'
	printf 'pc3,pc3.lab.example.com,03000200-0400-0500-0006-000700080009\r\n'
} >"$work/fleet.csv"
expect /cli/import/dry-run 1 '1 added' import "$work/fleet.csv" --dry-run
expect /cli/import/dry-run-writes-nothing 1 'pc2' show pc2
expect /cli/import/refused 1 '1 refused' import "$work/fleet.csv"
expect /cli/import/again 1 '1 same' import "$work/fleet.csv"
expect /cli/import/json 1 '"refused" : 1' import "$work/fleet.csv" --json
expect /cli/import/missing 1 "$work/none.csv" import "$work/none.csv"
expect /cli/import/folder 1 "$work" import "$work"
head -c 4096 /dev/urandom >"$work/noise"
expect /cli/import/noise 1 "$work/noise" import "$work/noise"
expect /requirements/S07-1.36/export-equals-file 0 '4c4c4544-0042-3010-8051-b4c04f4e4444' export
expect /cli/export/status 0 'pc2' export --status unknown
run export --status Provisioned
! grep -q pc2 "$work/out"
ok /cli/export/other-status $?
expect /cli/export/json 0 '"devices"' export --json

printf 'NKLD-G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69XJ\n' >"$work/pps"
expect /cli/psk/add 0 'sealed the PPS of PID 0000037M' psk add 0000-037m --file "$work/pps" --device pc1
expect /cli/psk/list 0 '0000037M' psk list
expect /cli/psk/json 0 '"pids"' psk list --json
expect /cli/psk/device 0 '"hello.pid" : "0000037M"' show pc1 --json
expect /cli/psk/slip-of-the-pen 64 'does not check the others' psk add 0000-037N --file "$work/pps"
printf 'NKLD-G5DC-RRNQ-E9YZ-ZIJL-7LFL-VJED-69XK' >"$work/slip"
expect /cli/psk/slip-in-the-pps 1 'group 8' psk add 0000-037M --file "$work/slip"
! grep -q NKLD "$work/err"
ok /cli/psk/pps-is-not-repeated $?
expect /cli/psk/sealed 1 '' psk add 0000-037M --file "$work/empty"
! grep -raq NKLDG5DC "$work/site"
ok /cli/psk/not-in-clear $?
expect /cli/psk/remove 0 'removed the PPS' psk remove 0000037M
expect /cli/psk/remove-twice 1 'no PPS of PID' psk remove 0000037M

expect /cli/verify/never-provisioned 1 'was not set up by this site' verify pc1
expect /cli/verify/json 1 '"result" : "failed"' verify pc1 --json
expect /cli/verify/is-audited 0 'verify pc1: 1 devices: 0 ok, 0 differ, 1 cannot be verified' log --audit
# One touch: a stick for two old computers, whose pairs the store then knows, and one for all new ones
printf 'N3w!passw0rd\n' >"$work/mebx"
stick=$work/setup.bin
expect /cli/setup-bin/psk 0 '2 record(s) of version 1' setup-bin create "$stick" --format 1 --records 2 "new-password=file:$work/mebx"
grep -q 'whoever finds the stick can read' "$work/err"
ok /cli/setup-bin/warning $?
[ "$(stat -c '%a %s' "$stick")" = '600 1536' ]
ok /cli/setup-bin/mode-and-size $?
expect /cli/setup-bin/no-overwrite 1 'is there already' setup-bin create "$stick" --format 1 "new-password=file:$work/mebx"
expect /cli/setup-bin/show 0 'new-password' setup-bin show "$stick"
! grep -qF 'N3w!passw0rd' "$work/out"
ok /cli/setup-bin/masked $?
run setup-bin show "$stick" --reveal --json
grep -qF 'N3w!passw0rd' "$work/out" && "$provost" log --audit | grep -q 'secret-reveal.*setup.bin'
ok /cli/setup-bin/revealed-and-audited $?
pid=$(jq -r '.records[1].entries[] | select(.name == "pid").value' "$work/out")
pps=$(jq -r '.records[1].entries[] | select(.name == "pps").value' "$work/out")
expect /cli/setup-bin/pid-is-known 0 "$pid" psk list
[ "$(wc -l <"$work/out")" -eq 2 ] && ! grep -raqF "$pps" "$work/site"
ok /cli/setup-bin/pps-is-sealed $?
run psk remove "$pid"
expect /cli/psk/import 0 'PPS of 2 PID(s)' psk import "$stick"
expect /cli/psk/imported 0 "$pid" psk list
expect /cli/psk/import-noise 1 'its type is none of the four' psk import "$work/noise"
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout /dev/null -subj '/CN=Lab Root' -days 2 \
	-out "$work/root.pem" 2>/dev/null
expect /cli/setup-bin/all-in-one 0 'version 4' setup-bin create "$stick" --force --keep --scramble new-password=new:stick \
	dns-suffix=lab.example.com kvm=on consent=kvm "user-hash=$work/root.pem" redirection=sol+ider
hash=$(openssl x509 -in "$work/root.pem" -outform DER | sha256sum | cut -d ' ' -f 1)
expect /cli/setup-bin/hash 0 "sha256:$hash Lab Root" setup-bin show "$stick"
! grep -qa lab.example.com "$stick"
ok /cli/setup-bin/scrambled $?
expect /cli/setup-bin/generated-is-sealed 0 stick secret list
expect /cli/setup-bin/generated-once 1 'has it already' setup-bin create "$stick" --force new-password=new:stick
expect /cli/setup-bin/from-the-site 0 'version 2.1' setup-bin create "$stick" --force --format 2.1 new-password=secret:stick
"$provost" setup-bin create "$stick" --force <"$work/mebx" >"$work/out" 2>"$work/err" && "$provost" setup-bin show "$stick" >"$work/out"
ok /cli/setup-bin/asked-for $?
expect /cli/setup-bin/too-old 1 'cannot hold it' setup-bin create "$work/none.bin" --format 2 "new-password=file:$work/mebx" kvm=on
expect /cli/setup-bin/value 1 'off=0|on=1' setup-bin create "$work/none.bin" "new-password=file:$work/mebx" kvm=maybe
expect /cli/setup-bin/weak 1 'a digit and a symbol' setup-bin create "$work/none.bin" "new-password=file:$work/otp"
expect /cli/setup-bin/no-root 1 'no certificate in PEM' setup-bin create "$work/none.bin" "new-password=file:$work/mebx" "user-hash=$work/otp"
[ ! -e "$work/none.bin" ]
ok /cli/setup-bin/nothing-is-left-behind $?
expect /cli/setup-bin/noise 1 "$work/noise: read setup.bin: at byte 0" setup-bin show "$work/noise"
head -c 1000 "$stick" >"$work/cut"
expect /cli/setup-bin/cut 1 'record 1 ends after 488 of 512 bytes' setup-bin show "$work/cut"

expect /cli/cancel/unknown 1 'pc9' cancel pc9
expect /cli/cancel/nothing-to-do 0 'pc1 has no unfinished job' cancel pc1
expect /cli/reset/unknown 1 'pc9' reset pc9
expect /cli/reset/works 0 'reset pc1' reset pc1
expect /cli/log/audit 0 'device-reset' log --audit
expect /cli/log/audit-of-device 0 'device-add' log pc1 --audit --json
run log --audit --lines 2
[ "$(wc -l <"$work/out")" -eq 2 ]
ok /cli/log/lines $?
expect /cli/remove/works 0 'removed pc2' remove pc2 --yes
expect /cli/remove/again 1 'pc2' remove pc2 --yes

printf 'hunter2\n' >"$work/value"
expect /cli/secret-set/file 0 'sealed "test"' secret set test --file "$work/value"
expect /cli/secret-set/empty 1 'it is empty' secret set test --file "$work/empty"
expect /cli/secret-set/stdin 1 'it is empty' secret set test
expect /cli/secret-list/site 0 'test' secret list
run secret list pc1
[ "$code" -eq 0 ] && [ ! -s "$work/out" ]
ok /cli/secret-list/device $?
expect /cli/secret-show/none 1 'admin' secret show pc1 admin --reveal
expect /cli/secret-remove/none 1 'has no secret "other"' secret remove other
! grep -qr hunter2 "$work/site"
ok /cli/secret/sealed $?

expect /cli/plugin-list/works 0 'digest-soap' plugin list
expect /cli/plugin-list/json 0 '"plugins"' plugin list --json
expect /cli/plugin-show/works 0 'Parameters' plugin show admin-password
expect /cli/plugin-show/default 0 'default 20' plugin show admin-password
expect /cli/plugin-show/json 0 '"parameters"' plugin show admin-password --json
expect /cli/plugin-show/fields 0 'realms' plugin show wsman-acl
expect /cli/plugin-show/unknown 1 'teapot' plugin show teapot
touch "$work/plugins/broken.so"
expect /cli/plugin-list/broken 1 'broken' plugin list
rm "$work/plugins/broken.so"

expect /cli/pipeline-check/works 0 'digest-soap' pipeline check "$work/site/standard.json"
expect /cli/pipeline-check/json 0 '"stages"' pipeline check "$work/site/standard.json" --json
expect /cli/pipeline-check/missing 78 "$work/none.json" pipeline check "$work/none.json"
printf '{ "pipeline": "x", "stages": [\n { "stage": "teapot" } ] }' >"$work/bad.json"
expect /cli/pipeline-check/unknown-stage 78 "$work/bad.json:2" pipeline check "$work/bad.json"
expect /cli/pipeline-graph/dot 0 'digraph' pipeline graph "$work/site/standard.json"
if command -v dot >/dev/null; then
	expect /cli/pipeline-graph/svg 0 '<svg' pipeline graph "$work/site/standard.json" --format svg
else
	expect /cli/pipeline-graph/svg 1 'Graphviz is not installed' pipeline graph "$work/site/standard.json" --format svg
fi

expect /cli/key-create/exists 1 "$work/site/key" key create "$work/site/key"
expect /cli/key-rotate/works 0 'set "key" to it' key rotate "$work/site/key2"
expect /cli/key-rotate/old-key 78 'key' status
sed -i 's/"key" : "key"/"key" : "key2"/' "$site"
expect /cli/key-rotate/new-key 0 'test' secret list
expect /cli/audit-verify/intact 0 'the audit log is intact' audit verify
expect /cli/audit-verify/json 0 '"intact" : true' audit verify --json
finish
