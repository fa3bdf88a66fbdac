#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# A CA behind a program: certmonger's own helpers, and a script as a site would write it, with the openssl command.
. "$(dirname "$0")/lib.bash"
helpers=/usr/lib/certmonger
[ -d "$helpers" ] || helpers=/usr/libexec/certmonger
need "$helpers/local-submit" certmonger
need "$helpers/dogtag-submit" certmonger
need openssl

# program PATH [MEMBER...]: the site's CA is that program
program() {
	local path=$1
	shift
	set_ca ca-exec "{ type: \"exec\", program: \"$path\"$(printf ', %s' "$@") }"
}

# --- certmonger's local signer
mkdir local
make_ca_site ca-exec "{ type: \"exec\", program: \"$helpers/local-submit\", arguments: [ \"-d\", \"$work/local\" ] }"
kept() { jq -r .serial try.json; }
ok /integration/ca/exec/check/identifies grep -q 'Local Signing Authority (certmonger' <("$provost" ca check)
for eku in server client; do
	ok "/requirements/S07-2.14/ca/exec/issued/$eku" try_gives 0 issued 'takes no certificate back' --eku $eku --name pc1.example.com
done
start_sim --devices 1 --personality 16.1 --set restart-msec=20
import_fleet
ok /integration/ca/exec/issued/device "$provost" provision pc-0001
in_use() {
	"$provost" verify pc-0001 && simulator dump pc-0001 >device.json && jq '.certificates' device.json &&
		jq -e 'any(.certificates[]; ."in-use" and (.issuer | contains("Local Signing Authority")))' device.json
}
ok /integration/ca/exec/issued/device/in-use in_use

# --- a script of the site's own: it queues what needs approval, and issues with the openssl command
make_root site 'Site Root' && make_root stranger 'Site Root' && make_expired_root old 'Old Root' || bail "openssl: $(tail -n 3 openssl.log)"
mkdir queue
cat >helper <<END
#!/bin/bash
cd '$work' || exit 4
issue() { # KEY-AND-CERTIFICATE REQUEST
	openssl x509 -req -in "\$2" -CA "\$1.pem" -CAkey "\$1.key" -set_serial 0x\$(openssl rand -hex 16) -days 30 -copy_extensions copy 2>>issue.log
}
case \$CERTMONGER_OPERATION in
FETCH-ROOTS)
	echo 'Site Root'
	cat "\${SITE_ROOT:-site}.pem"
	;;
SUBMIT)
	id=\$(echo "\$CERTMONGER_CSR" | sha256sum | cut -c1-16)
	echo "\$CERTMONGER_CSR" >"queue/\$id"
	case \$CERTMONGER_CA_PROFILE in
	denied) echo "\$CERTMONGER_REQ_HOSTNAME is not in the inventory" && exit 2 ;;
	manual) printf '1\nid=%s\n' "\$id" && exit 5 ;;
	other-key) openssl req -newkey rsa:2048 -nodes -keyout /dev/null -subj "/CN=\$CERTMONGER_REQ_HOSTNAME" -out queue/other 2>>issue.log && issue site queue/other ;;
	other-ca) issue stranger "queue/\$id" ;;
	*) issue "\${SITE_ROOT:-site}" "queue/\$id" ;;
	esac
	;;
POLL)
	id=\${CERTMONGER_CA_COOKIE#id=}
	[ -e "queue/\$id" ] || { echo 'no such request' && exit 2; }
	[ -e "queue/\$id.approved" ] && issue site "queue/\$id" && exit
	[ -e "queue/\$id.denied" ] && cat "queue/\$id.denied" && exit 2
	exit 1
	;;
*) exit 6 ;;
esac
END
chmod 700 helper
program "$work/helper" 'poll: 1'
approve() {
	local id
	id=$(ls -t queue | grep -vE 'approved|denied|other' | head -n 1)
	[ -n "$id" ] && touch "queue/$id.approved"
}
rm -f queue/*
ok /requirements/S07-2.12/ca/exec/pending/reported try_gives 75 pending 'still pending' --template manual
rm -f queue/*
ok /integration/ca/exec/pending/then-issued pending_then_issued approve --template manual
ok /integration/ca/exec/denied try_gives 1 denied 'is not in the inventory' --template denied
ok /integration/ca/exec/wrong/other-key try_gives 1 wrong 'holds another key' --template other-key
ok /integration/ca/exec/wrong/other-ca try_gives 1 wrong '' --template other-ca
program "$work/helper" 'environment: [ "SITE_ROOT=old" ]'
ok /integration/ca/exec/expired try_gives 1 wrong expired
program "$work/helper" "roots: \"$work/stranger.pem\""
ok /integration/ca/exec/wrong/roots try_gives 1 wrong ''

# --- a CA that is not there, and one that never answers, by certmonger's helper for Dogtag
closed=$(free_port)
program "$helpers/dogtag-submit" "roots: \"$work/site.pem\"" "arguments: [ \"-E\", \"http://127.0.0.1:$closed/ca/ee/ca\", \"-A\", \"http://127.0.0.1:$closed/ca\" ]"
ok /integration/ca/exec/down try_gives 1 failed 'exit code 3'
start_mute
program "$helpers/dogtag-submit" "roots: \"$work/site.pem\"" '"time-limit": 2' \
	"arguments: [ \"-E\", \"http://127.0.0.1:$mute_port/ca/ee/ca\", \"-A\", \"http://127.0.0.1:$mute_port/ca\" ]"
ok /integration/ca/exec/slow within 20 try_gives 1 failed 'did not end within 2 s'
gone() { ! pgrep -f "dogtag-submit -E http://127.0.0.1:$mute_port/" >/dev/null; }
ok /integration/ca/exec/slow/leaves-nothing-running gone
chmod 777 helper
program "$work/helper"
ok /integration/ca/exec/wrong/who-may-write-it refused helper
done_testing
