/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All that a plugin may use. */
#include <provost/plugin.h>
