#!/usr/bin/env bash
# SPDX-License-Identifier: LGPL-2.1-or-later
# The sample site embedded by its README, line for line.
. "${PV_TOP_SRCDIR:?}/tests/e2e/lib.sh" || exit 1
. "$PV_TOP_SRCDIR/tests/integration/sites/lib.bash"
cd "$work" || exit 1
start_sim --devices 3 --personality 16.1,19,12.0 --set restart-msec=20
sample embedded

ok /sites/embedded/key as_readme 'provost key create /etc/provost/key' /etc/provost "$dir/site"
give_secret factory-admin admin
give_secret helpdesk Helpd3sk-Passw0rd
ok /sites/embedded/whole-site as_readme 'provost site check --online'
ok /sites/embedded/ca as_readme 'provost ca check'
ok /sites/embedded/ca-issues as_readme 'provost ca try --eku server'
provision_sample
done_testing
