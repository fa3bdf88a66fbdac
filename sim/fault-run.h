/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim/device.h"
#include "sim/fault.h"

G_BEGIN_DECLS

/* Changes the device as the action of a rule says, before the request is executed: clock, leftovers, reset */
void pv_sim_fault_change_device(PvSimDevice *device, const PvSimFault *fault);
/* Spoils the XML of an answer as the action says: malformed, huge, wrong-relates-to */
void pv_sim_fault_spoil_answer(GString *body, const PvSimFault *fault);
/* Applies the rules that are for the start, once each */
void pv_sim_faults_start(PvSimDevice *device);

G_END_DECLS
