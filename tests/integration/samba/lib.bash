# SPDX-License-Identifier: LGPL-2.1-or-later
# A real Samba domain controller of Active Directory for a test, in a network of the test's own. To be sourced by bash,
# first thing in the test: it runs the test again in fresh namespaces (everything the test starts ends with it), or skips
# it where Samba or namespaces are missing, and brings tests/e2e/lib.sh along.
#
# Making a domain takes ten seconds, so it is made once and kept in the build folder: for a week, as its certificates
# last 30 days and Administrator's password 42, or until Samba or this folder changes. A test works on a copy.
#
#	samba_start			# the domain example.com at 127.0.0.10; then all of samba_environment is set
#	samba_delegate full		# what svc-amt may do with "AMT Devices"; nothing at all before
#	samba_as alice curl ...		# with a ticket of alice in a cache of its own
#	samba_stop; samba_kill; samba_pause; samba_resume; samba_start
#
# Others than root can run only what does not start Provost, which sets samba_alone=1 before.
#
# A second domain of its own forest is other.test at 127.0.0.11: samba_use other; samba_start; samba_use main

: "${PV_TOP_SRCDIR:=$(cd "$(dirname "$0")/../.." && pwd)}"
: "${PV_TOP_BUILDDIR:=$PV_TOP_SRCDIR/build}"
samba_folder=$PV_TOP_SRCDIR/tests/integration/samba
samba_suite=/integration/$(basename "$0" .sh)
PATH=$PATH:/usr/sbin:/sbin

samba_skip() {
	echo "ok 1 $samba_suite # SKIP $1"
	echo 1..1
	exit 0
}

# samba_enter ARGUMENT...: the test again, in a network of its own with nothing but loopback
samba_enter() {
	local program map=()
	for program in samba samba-tool samba_spnupdate ldapsearch ldbmodify openssl unshare ip jq kinit kvno; do
		command -v "$program" >/dev/null || samba_skip "$program is not installed"
	done
	/usr/bin/python3 -c 'import samba.samdb, samba.provision' 2>/dev/null || samba_skip 'the Python modules of Samba are not installed'
	if [ "$(id -u)" -ne 0 ]; then
		[ -n "${samba_alone:-}" ] || samba_skip 'only root can run it: in the namespaces of others the system belongs to nobody, and Provost trusts no plugin in it'
		map=(--map-root-user)
	fi
	local namespaces=(unshare "${map[@]}" --net --mount --pid --fork --kill-child --mount-proc)
	"${namespaces[@]}" ip link set lo up 2>/dev/null || samba_skip 'no namespaces of its own can be had here'
	export PV_SAMBA_INSIDE=1 PV_TOP_SRCDIR PV_TOP_BUILDDIR
	# with no address but 127.0.0.1 the resolver takes IPv4 for absent (AI_ADDRCONFIG)
	exec "${namespaces[@]}" bash -c 'ip link set lo up && ip address add 127.0.0.10/8 dev lo && exec "$@"' sh bash "$0" "$@"
}
[ "${PV_SAMBA_INSIDE:-}" = 1 ] || samba_enter "$@"
unset PV_SAMBA_INSIDE
. "$PV_TOP_SRCDIR/tests/e2e/lib.sh"

samba_cache=${PV_SAMBA_CACHE:-$PV_TOP_BUILDDIR/tests/integration/samba-cache}
samba_password_admin=Passw0rd.Adm1n
samba_password_service=Svc.Passw0rd.1
samba_password_alice=Alice.Passw0rd.1
samba_password_bob=Bob.Passw0rd.12

# samba_use main|other: which domain the functions below are about. For the programs of Samba, krb5 and OpenLDAP, too:
# samba-tool without -H works on the files of that domain, whether its controller runs or not.
samba_use() {
	samba_domain=$1
	AD_DIR=$work/samba-$1
	case $1 in
	main) AD_IP=127.0.0.10 AD_REALM=EXAMPLE.COM AD_NETBIOS=EXAMPLE AD_HOST=dc1.example.com ;;
	other) AD_IP=127.0.0.11 AD_REALM=OTHER.TEST AD_NETBIOS=OTHER AD_HOST=dc2.other.test ;;
	*) bail "samba_use: no domain $1" ;;
	esac
	AD_DOMAIN=${AD_REALM,,}
	AD_BASE=DC=${AD_DOMAIN//./,DC=}
	export SMB_CONF_PATH=$AD_DIR/etc/smb.conf KRB5_CONFIG=$work/krb5.conf LDAPCONF=$AD_DIR/ldap.conf KRB5CCNAME=FILE:$work/ccache-$1
	[ ! -e "$AD_DIR/names" ] || samba_environment
}

# What a test finds in AD_..., here and in $AD_DIR/env for whoever wants to source it
samba_environment() {
	. "$AD_DIR/names" # AD_SID_ALICE AD_SID_BOB AD_SID_SERVICE AD_SID_ADMINS AD_SID_8021X AD_SID_LOCAL AD_SID_DOMAIN
	AD_CA=$AD_DIR/tls/ca.pem                  # of its LDAPS certificate
	AD_ADMIN=Administrator AD_ADMIN_PASSWORD=$samba_password_admin
	AD_SERVICE=svc-amt AD_SERVICE_PASSWORD=$samba_password_service AD_SERVICE_KEYTAB=$AD_DIR/svc-amt.keytab
	AD_ALICE_PASSWORD=$samba_password_alice   # alice is in "AMT Admins", and by it in "Nested" and "AMT-Local"
	AD_BOB_PASSWORD=$samba_password_bob       # bob is in none
	AD_OU="OU=AMT Devices,$AD_BASE" AD_OU_CHILD="OU=Branch,OU=AMT Devices,$AD_BASE" AD_OU_OTHER="OU=Other,$AD_BASE"
	AD_GROUP_ADMINS="CN=AMT Admins,CN=Users,$AD_BASE" AD_GROUP_8021X="CN=AMT-8021X,CN=Users,$AD_BASE"
	{
		echo "export SMB_CONF_PATH='$SMB_CONF_PATH' KRB5_CONFIG='$KRB5_CONFIG' LDAPCONF='$LDAPCONF' KRB5CCNAME='$KRB5CCNAME'"
		local name
		for name in "${!AD_@}"; do printf "%s='%s'\n" "$name" "${!name}"; done
	} >"$AD_DIR/env"
}

# samba_configure FOLDER: what has paths in it, for the domain in use
samba_configure() {
	mkdir -p "$1/etc" "$1/run" "$1/log"
	cat >"$1/etc/smb.conf" <<-END
		[global]
		  netbios name = $(tr '[:lower:]' '[:upper:]' <<<"${AD_HOST%%.*}")
		  realm = $AD_REALM
		  workgroup = $AD_NETBIOS
		  server role = active directory domain controller
		  # the mask lets it take an address that is not configured on the interface, as all of 127/8
		  interfaces = $AD_IP/8
		  bind interfaces only = yes
		  private dir = $1/private
		  state directory = $1/state
		  cache directory = $1/cache
		  lock directory = $1
		  binddns dir = $1/bind-dns
		  pid directory = $1/run
		  ncalrpc dir = $1/run/ncalrpc
		  ntp signd socket directory = $1/run/ntp
		  winbindd socket directory = $1/run/winbind
		  log file = $1/log/samba.log
		  log level = ${PV_SAMBA_LOG:-1}
		  # what a client of LDAP and Kerberos needs and no more: one process
		  server services = ldap, cldap, kdc, dns
		  dns forwarder = ${samba_forwarder:-}
		  load printers = no
		  disable spoolss = yes
		  tls enabled = yes
		  tls cafile = $1/tls/ca.pem
		  tls certfile = $1/tls/dc.pem
		  tls keyfile = $1/tls/dc.key
		[sysvol]
		  path = $1/state/sysvol
		  read only = no
		[netlogon]
		  path = $1/state/sysvol/$AD_DOMAIN/scripts
		  read only = no
	END
	printf 'TLS_CACERT %s\nTLS_REQCERT demand\nSASL_NOCANON on\nREFERRALS off\n' "$1/tls/ca.pem" >"$1/ldap.conf"
}

# One file for all domains of the test: each has its own realm
samba_krb5_conf() {
	cat >"$work/krb5.conf" <<-END
		[libdefaults]
		  default_realm = EXAMPLE.COM
		  dns_lookup_realm = false
		  dns_lookup_kdc = false
		  dns_canonicalize_hostname = false
		  rdns = false
		  udp_preference_limit = 1
		  # what old devices have; not every version takes it any more without being asked
		  allow_rc4 = true
		[realms]
		  EXAMPLE.COM = {
		    kdc = 127.0.0.10:88
		    kpasswd_server = 127.0.0.10:464
		  }
		  OTHER.TEST = {
		    kdc = 127.0.0.11:88
		    kpasswd_server = 127.0.0.11:464
		  }
		[domain_realm]
		  .example.com = EXAMPLE.COM
		  example.com = EXAMPLE.COM
		  .other.test = OTHER.TEST
		  other.test = OTHER.TEST
	END
}

samba_certificates() {
	local key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
	mkdir -p "$1/tls"
	printf 'subjectAltName=DNS:%s,DNS:%s,IP:%s\nextendedKeyUsage=serverAuth\n' "$AD_HOST" "$AD_DOMAIN" "$AD_IP" >"$1/tls/dc.ext"
	openssl req -x509 "${key[@]}" -days 30 -subj "/CN=$AD_NETBIOS CA" -keyout "$1/tls/ca.key" -out "$1/tls/ca.pem" &&
		openssl req "${key[@]}" -subj "/CN=$AD_HOST" -keyout "$1/tls/dc.key" -out "$1/tls/dc.csr" &&
		openssl x509 -req -in "$1/tls/dc.csr" -CA "$1/tls/ca.pem" -CAkey "$1/tls/ca.key" -CAcreateserial -days 30 \
			-extfile "$1/tls/dc.ext" -out "$1/tls/dc.pem" &&
		chmod 600 "$1/tls/dc.key" # else Samba does not take it
}

# samba_make FOLDER: a new domain, not running
samba_make() {
	local SMB_CONF_PATH=/dev/null
	# registered by hand, as the service that would do it is not among those that run; without them no GSSAPI bind works
	/usr/bin/python3 "$samba_folder/provision.py" domain provision --quiet --targetdir="$1" -s /dev/null --realm="$AD_REALM" \
		--domain="$AD_NETBIOS" --host-name="${AD_HOST%%.*}" --host-ip="$AD_IP" --adminpass="$samba_password_admin" \
		--dns-backend=SAMBA_INTERNAL --server-role=dc --option="interfaces=$AD_IP/8" --option='bind interfaces only=yes' &&
		samba_certificates "$1" && samba_configure "$1" && samba_spnupdate -s "$1/etc/smb.conf" &&
		/usr/bin/python3 "$samba_folder/populate.py" "$1" "$AD_BASE" "svc-amt=$samba_password_service" \
			"alice=$samba_password_alice" "bob=$samba_password_bob" >"$1/names" &&
		samba-tool domain exportkeytab "$1/svc-amt.keytab" --principal="svc-amt@$AD_REALM" -s "$1/etc/smb.conf"
}

# Finds or makes the domain in use, and copies it. One test at a time makes; nobody copies what is being removed.
samba_clone() {
	local made stamp until
	mkdir -p "$samba_cache"
	exec 7>"$samba_cache/lock"
	flock -w 120 7 || bail "another test holds $samba_cache/lock for two minutes"
	stamp=$(cat "$samba_folder/lib.bash" "$samba_folder"/*.py <(samba --version) <(date +%G-%V) | sha256sum | cut -c1-16)
	made=$samba_cache/$samba_domain-$stamp
	if [ ! -d "$made" ]; then
		rm -rf "$samba_cache/$samba_domain"-*
		samba_make "$made.new" >"$work/samba-make.log" 2>&1 || bail "make a domain: $(tail -n 5 "$work/samba-make.log")"
		mv "$made.new" "$made"
	fi
	cp -a --reflink=auto --sparse=always "$made" "$AD_DIR" || bail "copy $made"
	exec 7>&-
	chmod 600 "$AD_DIR/tls/dc.key"
	[ "$(id -u)" -ne 0 ] || chown -R 0:0 "$AD_DIR"
}

samba_answers() {
	kill -0 "$(cat "$AD_DIR/pid")" && (exec 3<>"/dev/tcp/$AD_IP/636") && (exec 3<>"/dev/tcp/$AD_IP/88") &&
		ldapsearch -LLL -x -o nettimeout=2 -H "ldap://$AD_IP" -s base -b '' isSynchronized
}

# Starts the domain in use, or starts it again; returns when LDAP, LDAPS and the KDC answer
samba_start() {
	if [ ! -d "$AD_DIR" ]; then
		samba_clone
		samba_configure "$AD_DIR"
		samba_environment
	fi
	samba_krb5_conf
	samba -i -s "$AD_DIR/etc/smb.conf" --no-process-group -M single </dev/null >>"$AD_DIR/log/out" 2>&1 7>&- &
	echo "$!" >"$AD_DIR/pid"
	pids+=("$!")
	await 30 samba_answers || bail "samba: $(tail -n 20 "$AD_DIR/log/out")"
	samba_resolve
}

# The controllers are the name servers of the test; hosts are added by samba_host
samba_resolve() {
	if [ ! -e "$work/resolv.conf" ]; then
		printf 'nameserver 127.0.0.10\noptions timeout:2 attempts:1\n' >"$work/resolv.conf"
		printf '127.0.0.1 localhost\n' >"$work/hosts"
		mount --bind "$work/resolv.conf" "$(realpath /etc/resolv.conf)" && mount --bind "$work/hosts" /etc/hosts ||
			bail 'give the test its own resolv.conf and hosts'
	fi
}

# samba_host NAME ADDRESS
samba_host() {
	printf '%s %s\n' "$2" "$1" >>"$work/hosts"
}

# samba_end SIGNAL: ends the controller and waits for it
samba_end() {
	local pid
	pid=$(cat "$AD_DIR/pid")
	kill -CONT "$pid"
	kill "-$1" "$pid" && wait "$pid"
	forget "$pid"
	return 0
}
samba_stop() { samba_end TERM 2>/dev/null; }
samba_kill() { samba_end KILL 2>/dev/null; }
samba_pause() { kill -STOP "$(cat "$AD_DIR/pid")"; }
samba_resume() { kill -CONT "$(cat "$AD_DIR/pid")"; }

# samba_acl DN SDDL: one entry more in front of an object's access list
samba_acl() {
	samba-tool dsacl set --action=allow --objectdn="$1" --sddl="$2" >>"$AD_DIR/log/dsacl" 2>&1
}

# samba_delegate full|least: rights of svc-amt on "AMT Devices" and below, and to the members of AMT-8021X. full: full
# control of the computers there; least: only what Provost needs. Without a call it has the rights of any user.
samba_delegate() {
	local right computer=bf967a86-0de6-11d0-a285-00aa003049e2
	samba_acl "$AD_GROUP_8021X" "(OA;;WP;bf9679c0-0de6-11d0-a285-00aa003049e2;;$AD_SID_SERVICE)" || return
	case $1 in
	full) samba_acl "$AD_OU" "(A;CI;GA;;;$AD_SID_SERVICE)" ;;
	least)
		samba_acl "$AD_OU" "(OA;CI;CCDC;$computer;;$AD_SID_SERVICE)" || return
		# dNSHostName servicePrincipalName userAccountControl msDS-SupportedEncryptionTypes description
		for right in 72e39547-7b18-11d1-adef-00c04fd8d5cd f3a64788-5306-11d1-a9c5-0000f80367c1 \
			bf967a68-0de6-11d0-a285-00aa003049e2 20119867-1d04-4ab7-9371-cfc3d5df0afd bf967950-0de6-11d0-a285-00aa003049e2; do
			samba_acl "$AD_OU" "(OA;CIIO;WP;$right;$computer;$AD_SID_SERVICE)" || return
		done
		# reset of the password
		samba_acl "$AD_OU" "(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;$computer;$AD_SID_SERVICE)"
		;;
	*) bail "samba_delegate: $1" ;;
	esac
}

# samba_computer NAME FQDN PASSWORD SPN...: a device's account as the directory provider makes it; known by the CN NAME.
# Of AES keys, or of RC4 with samba_enctypes=4
samba_computer() {
	local name=$1 fqdn=$2 password=$3
	shift 3
	printf 'objectClass: computer\nsAMAccountName: %s$\nuserAccountControl: 69632\ndNSHostName: %s\n' "$name" "$fqdn" |
		samba_account "$name" "$password" "$@"
}

# samba_service NAME PASSWORD SPN...: the same as a user's account, whose salt is another
samba_service() {
	local name=$1 password=$2
	shift 2
	printf 'objectClass: user\nsAMAccountName: %s\nuserAccountControl: 66048\n' "$name" | samba_account "$name" "$password" "$@"
}

samba_account() {
	local name=$1 password=$2 spn
	shift 2
	{
		printf 'dn: CN=%s,%s\n' "$name" "$AD_OU"
		cat
		printf 'msDS-SupportedEncryptionTypes: %s\n' "${samba_enctypes:-24}"
		for spn in "$@"; do printf 'servicePrincipalName: %s\n' "$spn"; done
		printf 'unicodePwd:: %s\n' "$(printf '"%s"' "$password" | iconv -t UTF-16LE | base64 -w0)"
	} | samba_admin ldapadd
}

# samba_password NAME PASSWORD: a new password of a device's account; its key version rises
samba_password() {
	printf 'dn: CN=%s,%s\nchangetype: modify\nreplace: unicodePwd\nunicodePwd:: %s\n' "$1" "$AD_OU" \
		"$(printf '"%s"' "$2" | iconv -t UTF-16LE | base64 -w0)" | samba_admin ldapmodify
}

# samba_admin ldapadd|ldapmodify|ldapsearch ARGUMENT...: as Administrator over LDAPS
samba_admin() {
	local program=$1
	shift
	"$program" -x -H "ldaps://$AD_HOST" -D "Administrator@$AD_REALM" -w "$samba_password_admin" "$@"
}

# samba_login USER: a ticket of that user in a cache of its own, which is printed
samba_login() {
	local password
	case $1 in
	svc-amt) password=$samba_password_service ;;
	Administrator) password=$samba_password_admin ;;
	*) password=samba_password_$1 password=${!password} ;;
	esac
	echo "FILE:$work/ccache-$samba_domain-$1"
	kinit -c "FILE:$work/ccache-$samba_domain-$1" "$1@$AD_REALM" <<<"$password" >/dev/null
}

# samba_as USER COMMAND...: with a fresh ticket of that user
samba_as() {
	local cache
	cache=$(samba_login "$1") || return
	shift
	KRB5CCNAME=$cache "$@"
}

# finish of e2e/lib.sh ends what runs by SIGTERM, which a stopped process does not see
samba_finish() {
	local domain
	for domain in main other; do
		[ ! -e "$work/samba-$domain/pid" ] || kill -CONT "$(cat "$work/samba-$domain/pid")" 2>/dev/null
	done
	finish
}
trap samba_finish EXIT
samba_use main
