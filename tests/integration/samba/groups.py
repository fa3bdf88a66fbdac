#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""groups.py FOLDER USER COUNT: puts a user into so many new groups."""

import sys

from samba.auth import system_session
from samba.param import LoadParm
from samba.samdb import SamDB


def main(folder, user, count):
	config = LoadParm()
	config.load(folder + '/etc/smb.conf')
	db = SamDB(url=folder + '/private/sam.ldb', session_info=system_session(), lp=config)
	db.transaction_start()
	for i in range(int(count)):
		db.newgroup('Group %d' % i)
		db.add_remove_group_members('Group %d' % i, [user], add_members_operation=True)
	db.transaction_commit()


if __name__ == '__main__':
	main(*sys.argv[1:])
