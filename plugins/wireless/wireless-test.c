/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tests/lib/stage-test.h"

int
main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	stage_test_add("wireless", stage_test_prepare_ca);
	return g_test_run();
}
