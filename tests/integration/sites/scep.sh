#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The sample site scep by its README, line for line, against the double of tests/integration/ca: of the servers at hand none
# issues for web servers.
. "${PV_TOP_SRCDIR:?}/tests/integration/ca/lib.bash" || exit 1
. "$PV_TOP_SRCDIR/tests/integration/sites/lib.bash"
start_sim --devices 3 --personality 16.1,19,12.0 --set restart-msec=20
sample scep

make_root root 'SCEP Root' 800 || bail "openssl: $(tail -n 3 openssl.log)"
mkfifo double.ready double.end
LD_LIBRARY_PATH=$PV_TOP_BUILDDIR/tests/.libs:$LD_LIBRARY_PATH "$(find_program tests/integration/ca/scep-double)" root.pem root.key \
	<double.end >double.ready 2>double.log &
pids+=("$!")
exec 7>double.end
read -r -t 20 port <double.ready || bail "scep-double did not start: $(cat double.log)"
cp root.pem "$dir/site/ca.pem"
edit "$PROVOST_SITE" ".ca.url = \"http://127.0.0.1:$port/scep\""

ok /sites/scep/key as_readme 'provost key create /etc/provost/key' /etc/provost "$dir/site"
give_secret factory-admin admin
give_secret helpdesk Helpd3sk-Passw0rd
give_secret scep-challenge secret123
ok /sites/scep/whole-site as_readme 'provost site check --online'
ok /sites/scep/ca-issues as_readme 'provost ca try --eku server'
provision_sample
exec 7>&-
done_testing
