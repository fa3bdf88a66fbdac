#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The plugin est against the estserver of libest. What that one never does, a double of our own does: est-double.py.
. "$(dirname "$0")/lib.bash"
. "$PV_TOP_SRCDIR/tests/e2e/fleet.sh"
need openssl
peers=$PV_TOP_BUILDDIR/tests/integration/peers/libest
"$here/fetch-libest" "$peers" 2>fetch.log || {
	skip "/integration/ca/est" "$(tail -n 1 fetch.log)"
	done_testing
	exit
}
libest=$(dirname "$(find "$peers" -name 'libest.so.*' | head -n 1)")

# the CA that estserver asks, which is "openssl ca", and a registration authority
make_root root 'EST Root' 800 && make_leaf server root localhost serverAuth && make_leaf ra root registrar clientAuth ||
	bail "openssl: $(tail -n 3 openssl.log)"
cat server.pem server.key >server.both
cat ra.pem ra.key >ra.both

# estserver_config NAME ROOT: files of an "openssl ca" for it
estserver_config() {
	mkdir -p "$1" && : >"$1/index" && echo 1000 >"$1/serial"
	printf '%s\n' '[ca]' 'default_ca=c' '[c]' "database=$work/$1/index" "serial=$work/$1/serial" "new_certs_dir=$work/$1" \
		"certificate=$work/$2.pem" "private_key=$work/$2.key" 'default_days=365' 'default_md=sha256' 'policy=p' \
		'copy_extensions=copy' 'x509_extensions=e' 'unique_subject=no' '[p]' 'commonName=supplied' '[e]' \
		'basicConstraints=CA:FALSE' 'keyUsage=digitalSignature,keyEncipherment' 'authorityKeyIdentifier=keyid' >"$1/ca.cnf"
}

# start_estserver ROOT OPTION...: in place of the one that runs; $est_port
est_pid=
start_estserver() {
	local root=$1
	shift
	stop_estserver
	est_port=$(free_port)
	estserver_config est-ca "$root"
	# in a session of its own: it starts shells for "openssl ca"
	EST_TRUSTED_CERTS=$work/root.pem EST_CACERTS_RESP=$work/$root.pem EST_OPENSSL_CACONFIG=$work/est-ca/ca.cnf \
		LD_LIBRARY_PATH=$libest "$peers/root/usr/bin/estserver" -c server.both -k server.both -r est -v -p "$est_port" "$@" \
		>estserver.log 2>&1 </dev/null &
	est_pid=$!
	pids+=("$est_pid")
	await 20 listens "$est_port" || bail "estserver did not start: $(tail -n 5 estserver.log)"
}
stop_estserver() {
	[ -n "$est_pid" ] || return 0
	kill "$est_pid" 2>/dev/null
	wait "$est_pid" 2>/dev/null
	forget "$est_pid"
	est_pid=
}

# est_ca MEMBERS: the site's "ca"; more or other members than the usual ones
est_ca() {
	jq -nc --arg url "https://localhost:$est_port" --arg root "$work/root.pem" \
		"{ type: \"est\", url: \$url, trust: \$root, timeout: 20 } + $1"
}
by_certificate="{ certificate: \"$work/ra.both\" }"
by_password='{ user: "estuser", password: { secret: "est" } }'

start_estserver root -o
make_ca_site est "$(est_ca "$by_certificate")"
site_secret est estpwd

ok /requirements/S07-0.1/ca/est/check/looks "$provost" ca check
ok /integration/ca/est/issued/certificate try_gives 0 issued 'stays valid'
set_ca est "$(est_ca "$by_password")"
ok /integration/ca/est/issued/basic try_gives 0 issued 'stays valid'
ok /integration/ca/est/issued/client try_gives 0 issued 'key, names and usages' --eku client
start_estserver root -h
set_ca est "$(est_ca "$by_password")"
ok /integration/ca/est/issued/digest try_gives 0 issued 'stays valid'

# --- a device gets one
start_estserver root -o
set_ca est "$(est_ca "$by_certificate")"
start_sim --devices 1 --personality 16.1 --set restart-msec=20
import_fleet
ok /integration/ca/est/issued/provisioned "$provost" provision --all
device_has_it() {
	collect && all_provisioned && none "$dir/dumps.json" '.[].certificates[] | select(.issuer | contains("EST Root") | not)'
}
ok /integration/ca/est/issued/in-the-device device_has_it
stop_sim || bail 'the simulator did not stop'

# --- denied
start_estserver root -h
set_ca est "$(est_ca "$by_password")"
site_secret est wrong
ok /integration/ca/est/denied/login refused 'the server refused the login of'
check_tells_login() {
	! "$provost" ca check >check.log 2>&1
	cat check.log
	grep -q 'refused the login' check.log
}
ok /integration/ca/est/check/login check_tells_login
site_secret est estpwd
set_ca est "$(est_ca "$by_password + { label: \"nowhere\" }")"
ok /requirements/S07-1.29/ca/est/denied/label refused 'the server answers 404'
start_estserver root -o --enforce-csr
set_ca est "$(est_ca "$by_certificate")"
ok /integration/ca/est/denied/attributes refused 'denied: '
start_estserver root -n
set_ca est "$(est_ca '{}')"
ok /integration/ca/est/denied/no-certificate refused 'wants'

# --- pending: the first answer is 202, and the same request again is served
start_estserver root -o -m 5
set_ca est "$(est_ca "$by_certificate")"
ok /requirements/S07-2.12/ca/est/pending/waits try_gives 75 pending 'still pending'
ok /requirements/S07-2.12/ca/est/pending/issued try_gives 0 issued 'stays valid' --wait 2

# --- down, slow
stop_estserver
ok /requirements/S07-1.29/ca/est/down refused 'connection refused'
start_mute
est_port=$mute_port
set_ca est "$(est_ca "$by_certificate + { timeout: 1 }")"
ok /integration/ca/est/slow within 40 refused 'within'

# --- somebody else's certificate, of the right CA, which only our double hands out
make_leaf other root pc1.example.com serverAuth || bail "openssl: $(tail -n 3 openssl.log)"
mkfifo double.ready
python3 "$here/est-double.py" server.both root.pem other.pem >double.ready 2>double.log &
pids+=("$!")
read -r -t 20 est_port <double.ready || bail "est-double.py did not start: $(cat double.log)"
set_ca est "$(est_ca '{}')"
ok /integration/ca/est/wrong/double refused "it is somebody else's"

# --- an expired CA
make_expired_root old 'Old Root' || bail "openssl: $(tail -n 3 openssl.log)"
start_estserver old -o
set_ca est "$(est_ca "$by_certificate")"
ok /integration/ca/est/expired refused 'expired'
done_testing
