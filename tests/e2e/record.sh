#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What a simulated device was asked, recorded, and answered again from the file.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/e2e/device.sh"

# background ADDRESS:PORT ARGUMENT...: provost-sim replay or record; its words are in $work/replay.*
background() {
	local address=$1
	shift
	rm -f "$work/replay.ready"
	mkfifo "$work/replay.ready"
	"$sim" "$@" >"$work/replay.ready" 2>"$work/replay.err" &
	replay_pid=$!
	pids+=("$replay_pid")
	exec 7<"$work/replay.ready"
	local line=
	read -r -t 30 line <&7 || bail "provost-sim $1 did not start: $(cat "$work/replay.err")"
	same 'the first line' "$line" "ready $address"
}

# replay FILE --listen ADDRESS:PORT OPTION...
replay() {
	background "$3" replay "$@"
}

# replayed CODE SUMMARY: how it ended; SUMMARY is a pattern of the shell
replayed() {
	local summary=
	read -r -t 30 summary <&7 || kill "$replay_pid"
	wait "$replay_pid"
	code=$?
	forget "$replay_pid"
	# shellcheck disable=SC2053
	[[ $summary = $2 ]] && same 'exit code' "$code" "$1" && return
	echo "summary: $summary"
	cat "$work/replay.err"
	return 1
}

# refused TEXT ARGUMENT...: provost-sim replay ends at once, and says so
refused() {
	local wanted=$1
	shift
	timeout 30 "$sim" replay "$@" >"$work/out" 2>&1
	code=$?
	said 1 "provost-sim replay: $wanted"
}

# A plan changes nothing: with the recording instead of the device it comes out the same.
dir=$work/plan
start_sim --record "$dir/tape"
make_site
import_fleet
device=${devices[0]}
tape=$dir/tape/$device.json
run plan "$device"
ok /e2e/record/planned said 2
cp "$work/out" "$work/planned"
cp "$tape" "$work/direct.json"
tape=$work/direct.json

# but the clock: the device's is that of then
without_clock() { grep -v '^[^ ]*  clock ' "$1"; }

# The same by a recorder in between, which is a client with the provisioning certificate to the device
"$provost" --quiet set "$device" --address "$net.200"
ok /e2e/record/between-ready background "$net.200:16993" record --listen "$net.200:16993" --to "$net.1:16993" --tls \
	--certificate "$work/pki/chain.pem" --key "$work/pki/key.pem" --out "$work/between.json"
run plan "$device"
ok /e2e/record/between-plan-is-the-same cmp <(without_clock "$work/out") <(without_clock "$work/planned")
kill "$replay_pid"
ok /e2e/record/between-ends replayed 0 'recorded [1-9]* rows, failed 0 times'
# the device numbers its enumerations on
asked() { jq -c '[."server-version", (.exchange[] | .expect | [.class, .method, .selectors])]' "$1"; }
ok /e2e/record/between-the-same cmp <(asked "$work/between.json") <(asked "$work/direct.json")
"$provost" --quiet set "$device" --address "$net.1"
stop_sim
ok /e2e/record/device-away-ready background "$net.200:16993" record --listen "$net.200:16993" --to "$net.1:16993" --tls \
	--out "$work/away.json"
"$provost" --quiet set "$device" --address "$net.200"
run plan "$device"
"$provost" --quiet set "$device" --address "$net.1"
kill "$replay_pid"
ok /e2e/record/device-away replayed 1 'recorded 0 rows, failed [1-9]* times'
ok /e2e/record/device-away-told grep -F "connect to $net.1:16993: Connection refused" "$work/replay.err"
rows=$(jq '.exchange | length' "$tape")
ok /e2e/record/has-rows [ "$rows" -ge 5 ]
ok /e2e/replay/ready replay "$tape" --listen "$net.1:16993" --tls
run plan "$device"
ok /e2e/replay/plan-is-the-same cmp <(without_clock "$work/out") <(without_clock "$work/planned")
ok /e2e/replay/all-rows replayed 0 "served $rows of $rows rows, refused 0 requests"

# A client that asks for something else: row 3 is not what it was.
jq '.exchange[2].expect.contains = ["<r:Elsewhere>"]' "$tape" >"$work/changed.json"
ok /e2e/replay/changed-ready replay "$work/changed.json" --listen "$net.1:16993" --tls
run plan "$device"
ok /e2e/replay/changed-plan-differs said 2 'GetUuid: InternalError:'
kill "$replay_pid"
ok /e2e/replay/changed-ends replayed 1 "served 2 of $rows rows, refused [1-9]* requests"
ok /e2e/replay/changed-names-the-row grep -F \
	"$work/changed.json: row 3 of $rows, exchange[2]: expected it to contain <r:Elsewhere>, got" "$work/replay.err"

# What ends before its rows do
ok /e2e/replay/unasked-ready replay "$tape" --listen "$net.1:16993"
kill "$replay_pid"
ok /e2e/replay/unasked replayed 1 "served 0 of $rows rows, refused 0 requests"

# The rows of the stages' tests are of the same format.
fixture=$PV_TOP_SRCDIR/plugins/network-identity/tests/already.json
ok /e2e/replay/fixture-ready replay "$fixture" --listen "$net.1:16992"
kill "$replay_pid"
ok /e2e/replay/fixture replayed 1 'served 0 of * rows, refused 0 requests'

# Files and ports that are no good
replay_bad() {
	printf '%s' "$2" >"$work/bad.json"
	refused "read recording $work/bad.json$1" "$work/bad.json" --listen "$net.1:16993"
}
ok /e2e/replay/bad/syntax replay_bad ': <data>:1:' '[ { ]'
ok /e2e/replay/bad/empty replay_bad ':' ''
ok /e2e/replay/bad/no-rows replay_bad ':1: there is no row in it' '[]'
ok /e2e/replay/bad/no-exchange replay_bad ':1: expected rows' '{ "rows": [] }'
ok /e2e/replay/bad/no-answer replay_bad ':2: exchange[0]: expected { "expect"' $'{ "exchange": [\n{ "expect": {} } ] }'
ok /e2e/replay/bad/body-type replay_bad ':2: [0].answer.body: expected text' \
	$'[ { "expect": {},\n"answer": { "body": 7 } } ]'
ok /e2e/replay/bad/contains-type replay_bad ':1: [0].expect.contains: expected an array of texts' \
	'[ { "expect": { "contains": "x" }, "answer": {} } ]'
ok /e2e/replay/bad/member replay_bad ':1: [0].answer.boddy: no such member' \
	'[ { "expect": {}, "answer": { "boddy": "" } } ]'
ok /e2e/replay/bad/reference replay_bad ':1: [0].answer.output: expected an object of' \
	'[ { "expect": {}, "answer": { "output": { "Key": { "epr": { "class": 3 } } } } } ]'
ok /e2e/replay/bad/no-file refused 'read recording: ' "$work/nothing.json" --listen "$net.1:16993"
ok /e2e/replay/bad/address refused "'nowhere' is no IPv4 ADDRESS:PORT" "$tape" --listen nowhere
ok /e2e/replay/bad/certificate refused "read certificate $tape with key $tape: " "$tape" --listen "$net.1:16993" --tls \
	--certificate "$tape" --key "$tape"

dir=$work/whole
start_sim --record "$dir/tape"
make_site
quick
import_fleet
tape=$dir/tape/$device.json
ok /e2e/replay/bad/port-in-use refused "listen on $net.1:16993: " "$work/changed.json" --listen "$net.1:16993"
run provision "$device"
ok /e2e/record/provisioned said 0
look "$device"
ok /e2e/record/every-request same 'number of rows' "$(jq '.exchange | length' "$tape")" \
	"$(value "$device" '[.trace[] | select(.status != 401 and .method != "-")] | length')"
stop_sim
ok /e2e/record/mode same 'its mode' "$(stat -c %a "$tape")" 600
asked='AMT_AuthorizationService.SetAdminAclEntryEx AMT_PublicKeyManagementService.AddCertificate
	AMT_SetupAndConfigurationService.CommitChanges AMT_KerberosSettingData.Put'
for call in $asked; do
	ok "/e2e/record/has/$call" jq -e --arg call "$call" \
		'[.exchange[].expect | "\(.class).\(.method)"] | index($call) != null' "$tape"
done

# A device that asks for a login: the proxy needs no password, and what met 401 is no row.
dir=$work/login
start_sim --state post --set admin-password=Passw0rd-of-t3st
ok /e2e/record/login-ready background "$net.200:16993" record --listen "$net.200:16993" --to "$net.1:16993" --tls \
	--out "$work/login.json"
jq -r '"<s:Envelope xmlns:s=\"http://www.w3.org/2003/05/soap-envelope\" xmlns:a=\"\(.a)\" xmlns:w=\"\(.w)\"><s:Header>" +
	"<a:Action>http://schemas.xmlsoap.org/ws/2004/09/transfer/Get</a:Action><a:To>/wsman</a:To>" +
	"<a:MessageID>1</a:MessageID><w:ResourceURI>\(.amt)AMT_GeneralSettings</w:ResourceURI>" +
	"</s:Header><s:Body></s:Body></s:Envelope>"' >"$work/get.xml" <<-'END'
		{ "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing", "amt": "http://intel.com/wbem/wscim/1/amt-schema/1/",
		  "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd" }
	END
printf 'user = "admin:Passw0rd-of-t3st"\n' >"$work/curlrc"
post() {
	curl --silent --show-error --insecure --digest --config "$work/curlrc" --data-binary "@$work/get.xml" \
		"https://$net.200:16993/wsman" >"$work/answer.xml" && grep -F DigestRealm "$work/answer.xml"
}
ok /e2e/record/login post
kill "$replay_pid"
ok /e2e/record/login-ends replayed 0 'recorded 1 rows, failed 0 times'
ok /e2e/record/login-not-in-it jq -e '(.exchange | length) == 1 and (tostring | test("401|Passw0rd|nonce") | not)' \
	"$work/login.json"
stop_sim
dir=$work/whole

# What the store knows as secret, as it is and as it is sent
secrets() {
	local name value realm
	realm=$(jq -r '[.exchange[].answer.body // "" | capture("DigestRealm>(?<it>[^<]+)").it][0]' "$tape")
	[[ $realm = Digest:* ]] || return 1
	while read -r name; do
		value=$("$provost" secret show "$device" "$name" --reveal) && [ -n "$value" ] || return 1
		printf '%s\n' "$value"
		printf '%s\n' "$value" | sed 's/&/\&amp;/g; s/</\&lt;/g; s/>/\&gt;/g'
		printf '%s' "$value" | base64 -w 0
		echo
		printf 'admin:%s:%s' "$realm" "$value" | openssl md5 -binary | base64
	done < <("$provost" secret list "$device") >"$work/secrets"
	sed -i '/^$/d' "$work/secrets"
	[ "$(wc -l <"$work/secrets")" -ge 3 ] || return 1
	! grep -F -f "$work/secrets" "$tape"
}
ok /e2e/record/no-secret secrets

no_tape() {
	"$sim" record --listen "$net.200:16993" --to "$net.1:16993" --out "$work/no/such.json" >"$work/out" 2>&1
	code=$?
	said 1 "provost-sim record: write recording $work/no/such.json: No such file"
}
ok /e2e/record/bad/out no_tape
done_testing
