/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/cli/cli.h"

int
main(int argc, char **argv)
{
	return pv_cli_main(argc, argv);
}
