# SPDX-License-Identifier: LGPL-2.1-or-later
# The double of AD CS for tests; sourced by bash, after lib.bash and device.sh. It plays the enrolment and policy services
# and the pages of certsrv, and writes down who asked for what.
double=$(cd "$PV_TOP_SRCDIR/.." && pwd)/shared/testbeds/ca/ces_double.py
python=/usr/bin/python3

# need_double: leaves with a skip where it cannot be had
need_double() {
	need openssl
	need curl
	if [ ! -r "$double" ]; then
		skip "/integration/ca/$plugin/double" 'the double of AD CS is not beside the source tree (../shared)'
	elif ! $python -c 'import cryptography, gssapi' 2>/dev/null; then
		skip "/integration/ca/$plugin" 'python3-cryptography or python3-gssapi is not installed'
	else
		return
	fi
	done_testing
	exit
}

# make_server FOLDER HOST: srv.pem for it, by tls.pem
make_server() {
	printf '%s\n' "subjectAltName=DNS:$2" 'extendedKeyUsage=serverAuth' 'keyUsage=digitalSignature,keyEncipherment' >server.ext
	openssl req -new -newkey rsa:2048 -nodes -keyout server.key -out server.csr -subj "/CN=$2" >>openssl.log 2>&1 &&
		openssl x509 -req -in server.csr -CA tls.pem -CAkey tls.key -CAcreateserial -days 30 -extfile server.ext -out server.pem >>openssl.log 2>&1 &&
		cat server.pem server.key >"$1/srv.pem"
}

# start_double HOST FOLDER: at $double_port; its keytab is $kdc/http.keytab
start_double() {
	double_port=$(free_port)
	mkfifo "$2/ready"
	KRB5_CONFIG=$kdc/krb5.conf KRB5_KTNAME=FILE:$kdc/http.keytab KRB5RCACHENAME=none: CES_HOST=$1 \
		$python "$double" "$2" "$double_port" >"$2/ready" 2>"$2/double.err" &
	pids+=("$!")
	local line=
	read -r -t 30 line <"$2/ready"
	[ "$line" = ready ] || bail "the double did not start: $(cat "$2/double.err")"
}

# asked FILTER: of the last request that the double in $work/adcs got
asked() { tail -n 1 "$work/adcs/requests.jsonl" | jq -r "$1"; }
# decide WORD: the CA's manager does so with what waits
decide() {
	local id
	id=$(tail -n 1 "$work/adcs/requests.jsonl" | jq -r 'select(.state == "pending") | .id')
	[ -n "$id" ] && [ "$id" != "${decided:-}" ] && decided=$id &&
		curl -sf --cacert tls.pem -X POST "https://${double_host:-localhost}:$port/_test/$1?id=$id"
}
approve() { decide approve; }
deny() { decide deny; }

# as_devices: the pipeline asks with the devices' accounts, for a certificate of the web server and one for the network
as_devices() {
	edit "$PROVOST_SITE" '.plugins += [ "ieee8021x" ]'
	edit "$dir/site/standard.json" '(.stages[] | select(.stage == "certificate")) += { as: "device", template: "AMTWebServer" }'
	edit "$dir/site/standard.json" "$(printf '(.stages | map(.stage == "commit") | index(true) + 1) as $next
		| .stages |= .[:$next] + [ { stage: "ieee8021x", protocol: "eap-tls", "server-name": "radius.example.com", root: "%s",
		template: "AMT8021X", as: "device" } ] + .[$next:]' "$work/root.pem")"
}

# requesters TEMPLATE: who asked for which name
requesters() { jq -r "select(.template == \"$1\" and .state == \"issued\") | \"\(.who) \(.subject)\"" "$work/adcs/requests.jsonl" | sort; }
itself() {
	local device
	for device in "${devices[@]}"; do
		echo "$(stored "$device" '.facts["account.name"]')@EXAMPLE.COM CN=$(stored "$device" .fqdn)"
	done | sort
}
silent() {
	local device secret
	for device in "${devices[@]}"; do
		secret=$("$provost" secret show "$device" account --reveal 2>/dev/null)
		[ -n "$secret" ] || { echo "no secret of $device"; return 1; }
		! grep -rlF -- "$secret" "$work/out" "$work/adcs" "$dir/site" || return 1
	done
}

# each_asked_for_itself: of the last run, for all devices
each_asked_for_itself() {
	local device
	ok "/requirements/S12-06.3/ca/$plugin/device/each-asked-for-itself" same requesters "$(requesters AMTWebServer)" "$(itself)"
	ok "/requirements/S12-11.11/ca/$plugin/device/client-certificates-too" same requesters "$(requesters AMT8021X)" "$(itself)"
	for device in "${devices[@]}"; do
		look "$device"
		ok "/requirements/S12-06.3/ca/$plugin/device/in-use/$device" holds "$device" '.state == "post" and .tls.active.sha256 == $known' \
			known "$(stored "$device" '.facts["certificate.sha256"]')"
	done
	ok "/requirements/S12-06.3/ca/$plugin/device/service-never-asked" refuses grep -qE 'svc-(provost|amt)' "$work/adcs/requests.jsonl"
	ok "/requirements/S12-06.1/ca/$plugin/device/no-password-is-written" silent
}
