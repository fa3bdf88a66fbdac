#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""populate.py FOLDER BASE USER=PASSWORD...: what a domain holds that Provost is to be tried in. Prints the SIDs of it as
assignments for the shell."""

import sys

import ldb
from samba.auth import system_session
from samba.dcerpc import security
from samba.ndr import ndr_unpack
from samba.param import LoadParm
from samba.samdb import SamDB

DOMAIN_LOCAL = -2147483644
UNITS = ('OU=AMT Devices', 'OU=Branch,OU=AMT Devices', 'OU=Other')
GROUPS = (('AMT Admins', None), ('AMT-8021X', None), ('AMT-Local', DOMAIN_LOCAL), ('Nested', None))
MEMBERS = (('AMT Admins', 'alice'), ('Nested', 'AMT Admins'), ('AMT-Local', 'Nested'))
NAMES = (('ALICE', 'alice'), ('BOB', 'bob'), ('SERVICE', 'svc-amt'), ('ADMINS', 'AMT Admins'), ('8021X', 'AMT-8021X'),
	('LOCAL', 'AMT-Local'))


def find_sid(db, base, name):
	found = db.search(base, ldb.SCOPE_SUBTREE, '(sAMAccountName=%s)' % name, attrs=['objectSid'])
	return ndr_unpack(security.dom_sid, found[0]['objectSid'][0])


def main(folder, base, *users):
	config = LoadParm()
	config.load(folder + '/etc/smb.conf')
	db = SamDB(url=folder + '/private/sam.ldb', session_info=system_session(), lp=config)
	db.transaction_start()
	for unit in UNITS:
		db.create_ou('%s,%s' % (unit, base))
	for user in users:
		name, password = user.split('=', 1)
		db.newuser(name, password, useusernameascn=True)
		db.setexpiry('(sAMAccountName=%s)' % name, 0, no_expiry_req=True)
	for name, kind in GROUPS:
		db.newgroup(name, grouptype=kind)
	for group, member in MEMBERS:
		db.add_remove_group_members(group, [member], add_members_operation=True)
	db.transaction_commit()
	print('AD_SID_DOMAIN=%s' % db.get_domain_sid())
	for variable, name in NAMES:
		print('AD_SID_%s=%s' % (variable, find_sid(db, base, name)))


if __name__ == '__main__':
	main(*sys.argv[1:])
