#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# What the stages ieee8021x and wireless put into a device is good where it is used: at a FreeRADIUS on loopback, with
# eapol_test as the supplicant that the device would be, fed from nothing but what the device holds.
: "${PV_TOP_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}"
. "$PV_TOP_SRCDIR/tests/e2e/lib.sh"
. "$PV_TOP_SRCDIR/tests/e2e/fleet.sh"
for program in freeradius eapol_test; do
	PATH=$PATH:/usr/sbin command -v "$program" >/dev/null || {
		skip /integration/radius "$program is not installed"
		done_testing
		exit
	}
done
PATH=$PATH:/usr/sbin
cd "$work" || exit 1

# make_root NAME SUBJECT; make_leaf NAME ROOT COMMON-NAME EKU
make_root() {
	openssl req -x509 -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.pem" -days 30 -subj "/CN=$2" \
		-addext basicConstraints=critical,CA:TRUE >>openssl.log 2>&1
}
make_leaf() {
	printf 'subjectAltName=DNS:%s\nextendedKeyUsage=%s\n' "$3" "$4" >"$1.ext"
	openssl req -newkey rsa:2048 -nodes -keyout "$1.key" -out "$1.csr" -subj "/CN=$3" >>openssl.log 2>&1 &&
		openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days 7 -extfile "$1.ext" -out "$1.pem" >>openssl.log 2>&1
}
make_root radius 'RADIUS Root' && make_root stranger 'Provost CA' && make_leaf server radius radius.example.com serverAuth &&
	make_leaf foreign stranger pc-0001.example.com clientAuth || bail "openssl: $(tail -n 3 openssl.log)"

# The devices: wired and wireless with a certificate, wired and wireless with a password
start_sim --devices 4 --personality 16.1,12.0 --set wireless=true --set restart-msec=20
make_site
printf 'Peap-Passw0rd!' >peap
"$provost" secret set peap --file peap 2>secret.log || bail "secret set: $(cat secret.log)"
for eap in tls peap; do
	jq --arg eap "$eap" --arg root "$work/radius.pem" '
		({ root: $root, "server-name": "radius.example.com" } + if $eap == "tls" then { protocol: "eap-tls" }
			else { protocol: "peap-mschapv2", user: "amt", password: { secret: "peap" } } end) as $dot1x |
		.pipeline = $eap | (.stages[] | select(.stage == "commit")).wait = 1 |
		(.stages |= map(select(.stage | IN("ieee8021x", "wireless", "features") | not))) |
		.stages += [ { stage: "ieee8021x" } + $dot1x,
			{ stage: "wireless", profiles: [ { name: "corp", security: "wpa2-enterprise" } + $dot1x ] } ]' \
		site/standard.json >"site/$eap.json"
done
edit "$PROVOST_SITE" '.plugins = (.plugins + ["ieee8021x", "wireless"] | unique) |
	.pipelines += [ { name: "tls", file: "tls.json" }, { name: "peap", file: "peap.json" } ] |
	.groups = [ { name: "tls", pipeline: "tls" }, { name: "peap", pipeline: "peap" } ] | .ca."crl-file" = "crl.pem"'
import_fleet
for name in pc-0001 pc-0002; do "$provost" --quiet set "$name" --group tls; done
for name in pc-0003 pc-0004; do "$provost" --quiet set "$name" --group peap; done
ok /integration/radius/provisioned "$provost" provision --all
collect || bail collect

# whom the server trusts: the site's CA, less what its revocation list names; it reads both when it starts
trust_clients() { cat site/ca/ca.crt site/crl.pem >clients.pem; }
trust_clients || bail 'the CA published no revocation list'
port=$((20000 + $$ % 20000))
mkdir -p raddb/run raddb/log
cat >raddb/radiusd.conf <<-END
	prefix = /usr
	libdir = /usr/lib/freeradius
	raddbdir = $work/raddb
	run_dir = $work/raddb/run
	logdir = $work/raddb/log
	log {
	  destination = stdout
	  auth = yes
	}
	security {
	  reject_delay = 0
	  status_server = no
	}
	thread pool {
	  start_servers = 1
	  max_servers = 2
	  min_spare_servers = 1
	  max_spare_servers = 2
	}
	client loopback {
	  ipaddr = 127.0.0.0/8
	  secret = a-shared-secret
	  require_message_authenticator = no
	}
	modules {
	  files {
	    usersfile = $work/raddb/users
	  }
	  mschap {
	  }
	  eap {
	    default_eap_type = tls
	    timer_expire = 60
	    tls-config common {
	      private_key_file = $work/server.key
	      certificate_file = $work/server.pem
	      ca_file = $work/clients.pem
	      check_crl = yes
	      tls_min_version = "1.2"
	      tls_max_version = "1.2"
	    }
	    tls {
	      tls = common
	    }
	    peap {
	      tls = common
	      default_eap_type = mschapv2
	      virtual_server = inner
	    }
	    mschapv2 {
	    }
	  }
	}
	server outer {
	  listen {
	    type = auth
	    ipaddr = $net.250
	    port = $port
	  }
	  authorize {
	    eap {
	      ok = return
	    }
	    files
	  }
	  authenticate {
	    eap
	  }
	}
	server inner {
	  authorize {
	    files
	    mschap
	    eap {
	      ok = return
	    }
	  }
	  authenticate {
	    Auth-Type MS-CHAP {
	      mschap
	    }
	    eap
	  }
	}
END
echo 'amt Cleartext-Password := "Peap-Passw0rd!"' >raddb/users
start_radius() {
	freeradius -f -l stdout -d "$work/raddb" -n radiusd >radius.log 2>&1 &
	radius_pid=$!
	pids+=("$radius_pid")
	await 20 grep -q 'Ready to process requests' radius.log || bail "freeradius: $(tail -n 5 radius.log)"
}
restart_radius() {
	kill "$radius_pid" && wait "$radius_pid"
	forget "$radius_pid"
	start_radius
}
start_radius

# supplicant NAME FILTER: from what the device NAME holds at FILTER; writes NAME.conf and the files it names
supplicant() {
	local said=said/$1.dump eap
	jq -e "$2" "$said" >"$1.eap" || return 1
	eap=$(jq -r .eap "$1.eap")
	jq -r '."ca-certificate"' "$1.eap" >"$1.ca"
	{
		printf 'network={\n\tssid="corp"\n\tkey_mgmt=WPA-EAP\n'
		printf '\tidentity="%s"\n\tca_cert="%s"\n\tdomain_match="%s"\n' "$(jq -r .identity "$1.eap")" "$work/$1.ca" "$(jq -r '."server-name"' "$1.eap")"
		case $eap in
		TLS)
			jq -r '."client-certificate"' "$1.eap" >"$1.crt"
			jq -r '."private-key"' "$1.eap" >"$1.key"
			printf '\teap=TLS\n\tclient_cert="%s"\n\tprivate_key="%s"\n' "$work/$1.crt" "$work/$1.key"
			;;
		PEAPv0/MSCHAPV2)
			printf '\teap=PEAP\n\tpassword="%s"\n\tphase2="auth=MSCHAPV2"\n' "$(jq -r .password "$1.eap")"
			;;
		*) return 1 ;;
		esac
		printf '}\n'
	} >"$1.conf"
}

# gets_in NAME: what the RADIUS server says to that supplicant
gets_in() {
	eapol_test -c "$1.conf" -a "$net.250" -p "$port" -s a-shared-secret -t 10 >"$1.log" 2>&1 && tail -n 1 "$1.log" | grep -qx SUCCESS && return
	tail -n 5 "$1.log"
	return 1
}
# refused NAME FILE PATTERN: it does not get in, and the file says why
refused() {
	! gets_in "$1" && tail -n 1 "$1.log" | grep -qx FAILURE && grep -q "$3" "$2"
}
# holder_gets_in NAME FILTER: the device, with what it holds there
holder_gets_in() {
	rm -f "$1.conf"
	supplicant "$1" "$2" && gets_in "$1"
}
wired='."wired-8021x" | select(.enabled)'
wireless='.wireless.profiles[] | select(.name == "corp")."8021x"'
ok /requirements/S12-11.13/radius/wired-eap-tls holder_gets_in pc-0001 "$wired"
ok /requirements/S12-11.12/radius/wireless-eap-tls holder_gets_in pc-0001 "$wireless"
ok /requirements/S07-3.3/radius/wired-eap-tls holder_gets_in pc-0002 "$wired"
ok /requirements/S07-3.3/radius/wireless-eap-tls holder_gets_in pc-0002 "$wireless"
ok /requirements/S12-11.13/radius/wired-peap holder_gets_in pc-0003 "$wired"
ok /requirements/S12-11.12/radius/wireless-peap holder_gets_in pc-0004 "$wireless"
ok /requirements/S07-3.3/radius/server-saw-the-certificate grep -q 'Login OK.*pc-0001' radius.log

# Each of these changes one thing of what was accepted, on either link
# expire NAME: the site's CA itself certifies the key and names of NAME.crt, until yesterday; NAME.expired.pem
expire() {
	mkdir -p expired && : >expired/index && openssl rand -hex 16 >expired/serial || return 1
	printf '%s\n' '[ca]' 'default_ca=c' '[c]' 'database=expired/index' 'serial=expired/serial' 'new_certs_dir=expired' \
		'default_md=sha256' 'policy=p' 'x509_extensions=e' 'unique_subject=no' '[p]' 'commonName=supplied' '[e]' \
		'extendedKeyUsage=clientAuth' 'keyUsage=digitalSignature' "subjectAltName=DNS:$1.example.com" >expired/cnf
	openssl x509 -x509toreq -in "$1.crt" -signkey "$1.key" -out "$1.csr" >>openssl.log 2>&1 &&
		openssl ca -batch -config expired/cnf -cert site/ca/ca.crt -keyfile site/ca/ca.key -in "$1.csr" -out "$1.expired.pem" -notext \
			-startdate "$(date -ud '-30 days' +%Y%m%d%H%M%SZ)" -enddate "$(date -ud '-1 day' +%Y%m%d%H%M%SZ)" >>openssl.log 2>&1
}
expired_refused() {
	supplicant pc-0002 "$1" && expire pc-0002 || { tail -n 5 openssl.log; return 1; }
	sed "s#client_cert=.*#client_cert=\"$work/pc-0002.expired.pem\"#" pc-0002.conf >expired.conf
	refused expired radius.log 'Login incorrect.*certificate has expired'
}
foreign_refused() {
	supplicant pc-0001 "$1" || return 1
	sed "s#client_cert=.*#client_cert=\"$work/foreign.pem\"#; s#private_key=.*#private_key=\"$work/foreign.key\"#" pc-0001.conf >foreign.conf
	refused foreign radius.log 'Login incorrect.*unable to get local issuer certificate'
}
wrong_password_refused() {
	supplicant "$1" "$2" || return 1
	sed 's/password="[^"]*"/password="Another-Passw0rd!"/' "$1.conf" >wrong-password.conf
	refused wrong-password radius.log 'mschap.*incorrect'
}
ok /requirements/S12-11.13/radius/wired-wrong-password-refused wrong_password_refused pc-0003 "$wired"
ok /requirements/S12-11.12/radius/wireless-wrong-password-refused wrong_password_refused pc-0004 "$wireless"
for link in wired wireless; do
	restart_radius # each finds its own reason in the log
	ok "/requirements/S07-3.3/radius/$link-foreign-certificate-refused" foreign_refused "${!link}"
	ok "/requirements/S07-3.3/radius/$link-expired-certificate-refused" expired_refused "${!link}"
done
supplicant pc-0001 "$wired"
sed "s#ca_cert=.*#ca_cert=\"$work/stranger.pem\"#" pc-0001.conf >other-server.conf
ok /integration/radius/foreign-server-refused refused other-server other-server.log 'CTRL-EVENT-EAP-TLS-CERT-ERROR'

# One device is stolen: what was issued for it is revoked, and the list that the CA publishes is all that the server needs
ok /integration/radius/revoked "$provost" ca revoke --device pc-0001 --reason key-compromise
trust_clients && restart_radius
revoked_refused() {
	supplicant pc-0001 "$1" && refused pc-0001 radius.log 'Login incorrect.*certificate revoked'
}
ok /requirements/S07-3.3/radius/wired-revoked-certificate-refused revoked_refused "$wired"
restart_radius
ok /requirements/S07-3.3/radius/wireless-revoked-certificate-refused revoked_refused "$wireless"
ok /requirements/S07-3.3/radius/others-get-in-as-before holder_gets_in pc-0002 "$wired"
stop_sim
done_testing
