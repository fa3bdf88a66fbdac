# SPDX-License-Identifier: LGPL-2.1-or-later
# What the tests of CA plugins share; sourced by bash, by NAME.sh of this folder. Every plugin goes through the same cases,
#   issued pending denied down wrong slow expired
# as far as its protocol has them, against a real peer; "table" prints plugin x case. A case is a test whose path ends in
# ca/NAME/CASE, or ca/NAME/CASE/DETAIL; a case that cannot be had for a peer is left out, and its cell stays empty.
: "${PV_TOP_SRCDIR:=$(cd "$(dirname "$0")/../../.." && pwd)}"
# unless a fixture that came first has brought it along
declare -F start_sim >/dev/null || . "$PV_TOP_SRCDIR/tests/e2e/lib.sh"
# a build machine's own would be asked before ours
unset REQUESTS_CA_BUNDLE SSL_CERT_FILE SSL_CERT_DIR CURL_CA_BUNDLE http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
PATH=$PATH:/usr/sbin:/sbin
plugin=$(basename "$0" .sh)
here=$PV_TOP_SRCDIR/tests/integration/ca
cd "$work" || exit 1

# need PROGRAM [PACKAGE]: leaves with one skip when it is missing
need() {
	command -v "$1" >/dev/null || [ -x "$1" ] && return
	skip "/integration/ca/$plugin" "$1 is not installed${2:+ ($2)}"
	done_testing
	exit
}

# make_ca_site PLUGIN CA [SITE-OPTION...]: a site whose "ca" is that object, as jq reads it, of that plugin; sets PROVOST_SITE
make_ca_site() {
	local module=$1 ca=$2
	shift 2
	[ -d "$work/pki" ] || "$sim" pki "$work/pki" --suffix example.com >"$work/pki.log" 2>&1 ||
		bail "provost-sim pki: $(cat "$work/pki.log")"
	rm -rf "$dir/site"
	make_site "$@"
	set_ca "$module" "$ca"
}

# set_ca PLUGIN CA: the same for the site that is there
set_ca() {
	jq -ne "$2" >/dev/null || bail "no object: $2"
	# one object, and no more: "site init" has enabled the plugin
	jq -e --arg plugin "$1" '.plugins | index($plugin)' "$PROVOST_SITE" >/dev/null || bail "site init did not enable $1"
	edit "$PROVOST_SITE" ".ca = $2"
}

# site_secret NAME VALUE
site_secret() {
	printf %s "$2" >"$work/secret.tmp"
	"$provost" --quiet secret set "$1" --file "$work/secret.tmp" 2>"$work/secret.log" || bail "secret set: $(cat "$work/secret.log")"
	rm "$work/secret.tmp"
}

# try_ca OPTION...: "provost ca try"; what it said is in try.json and try.err, its exit code in $code
try_ca() {
	"$provost" --json ca try "$@" >"$work/try.json" 2>"$work/try.err" </dev/null
	code=$?
}

# tried CODE OUTCOME [TEXT]: of the last try; TEXT is somewhere in its rows, or in the error
tried() {
	local outcome
	cat "$work/try.json" "$work/try.err"
	outcome=$(jq -r .outcome "$work/try.json")
	[ "$code" -eq "$1" ] && [ "$outcome" = "$2" ] && { [ -z "${3:-}" ] || cat "$work/try.json" "$work/try.err" | grep -qiF -- "$3"; } && return
	echo "exit code $code, outcome $outcome; wanted $1, $2${3:+, and the text $3}"
	return 1
}

# try_gives CODE OUTCOME TEXT OPTION...: both at once
try_gives() {
	local want=$1 outcome=$2 text=$3
	shift 3
	try_ca "$@"
	tried "$want" "$outcome" "$text"
}

# refused TEXT OPTION...: nothing is issued, for the reason TEXT; also when the CA is asked for its chain before
refused() {
	local text=$1
	shift
	try_ca "$@"
	cat "$work/try.json" "$work/try.err"
	[ "$code" -ne 0 ] && [ "$code" -ne 75 ] && cat "$work/try.json" "$work/try.err" | grep -qiF -- "$text" && return
	echo "exit code $code; wanted a refusal with the text $text"
	return 1
}

# within SECONDS COMMAND...: the command succeeds, and in that time
within() {
	local limit=$1 begin=$SECONDS
	shift
	"$@" || return 1
	[ $((SECONDS - begin)) -le "$limit" ] || { echo "took $((SECONDS - begin)) s, $limit are allowed" && return 1; }
}

# pending_then_issued DECIDE OPTION...: asks and waits, has DECIDE (a function) approve it once the CA has it, and gets it.
# DECIDE fails as long as nothing is there to be approved.
pending_then_issued() {
	local decide=$1 waiter
	shift
	"$provost" --json ca try --wait 60 "$@" >"$work/try.json" 2>"$work/try.err" </dev/null &
	waiter=$!
	await 30 "$decide" || { echo 'nothing came to be decided' && cat "$work/await.log" && kill "$waiter" && wait "$waiter"; return 1; }
	wait "$waiter"
	code=$?
	tried 0 issued
}

# make_root NAME SUBJECT [DAYS]: NAME.pem, NAME.key; make_expired_root NAME SUBJECT: one that ended yesterday
make_root() {
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.pem" -days "${3:-30}" -subj "/CN=$2" \
		-addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign >>openssl.log 2>&1
}
# make_leaf NAME ROOT COMMON-NAME EKU: NAME.pem, NAME.key, for that DNS name
make_leaf() {
	printf 'subjectAltName=DNS:%s\nextendedKeyUsage=%s\n' "$3" "$4" >"$1.ext"
	openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$3" >>openssl.log 2>&1 &&
		openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 7 -extfile "$1.ext" -out "$1.pem" >>openssl.log 2>&1
}
make_expired_root() {
	mkdir -p "$1.ca" && : >"$1.ca/index" && echo 01 >"$1.ca/serial" || return 1
	printf '%s\n' '[ca]' 'default_ca=c' '[c]' "database=$1.ca/index" "serial=$1.ca/serial" "new_certs_dir=$1.ca" \
		'default_md=sha256' 'policy=p' 'x509_extensions=e' '[p]' 'commonName=supplied' '[e]' \
		'basicConstraints=critical,CA:TRUE' 'keyUsage=critical,keyCertSign,cRLSign' 'subjectKeyIdentifier=hash' >"$1.cnf"
	openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$2" >>openssl.log 2>&1 &&
		openssl ca -batch -selfsign -config "$1.cnf" -keyfile "$1.key" -in "$1.csr" -out "$1.pem" -notext \
			-startdate "$(date -ud '-30 days' +%Y%m%d%H%M%SZ)" -enddate "$(date -ud '-1 day' +%Y%m%d%H%M%SZ)" >>openssl.log 2>&1
}

# free_port: a TCP port of 127.0.0.1 that nobody has
free_port() {
	python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# listens PORT
listens() { (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# start_mute: a peer that takes connections and never says a word; $mute_port
start_mute() {
	mkfifo mute.ready
	python3 -u -c 'import socket, time
s = socket.socket(); s.bind(("127.0.0.1", 0)); s.listen(16); print(s.getsockname()[1]); kept = []
while True: kept.append(s.accept())' >mute.ready &
	pids+=("$!")
	read -r -t 20 mute_port <mute.ready || bail 'the mute peer did not start'
}

# fails COMMAND...: it does
fails() { ! "$@"; }
