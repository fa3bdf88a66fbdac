/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/device.h"

/* A device in set-up that nothing but memory belongs to; each call gives one that is as new. */
PvSimDevice *fuzz_device_new(void);
