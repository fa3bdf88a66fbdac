/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/amt/hello.h"
#include "core/engine/runner.h"

G_BEGIN_DECLS

/* Decides what a hello means: which device it is of, and whether its pipeline begins. Main thread. */
typedef struct PvIntake PvIntake;

typedef enum {
	PV_INTAKE_QUEUED,       /* its job begins */
	PV_INTAKE_BUSY,         /* it has an unfinished job; nothing is changed */
	PV_INTAKE_UNKNOWN,      /* nobody has made it known; nothing is done for it */
	PV_INTAKE_PROVISIONED,  /* it should not say hello at all: a security event */
	PV_INTAKE_HELD,         /* its last job was refused the login a short time ago */
	PV_INTAKE_REFUSED,      /* shared UUID; or a way of set-up that its pipeline does not have, or an unknown PID */
	PV_INTAKE_FAILED,       /* store or configuration; it was logged */
} PvIntakeOutcome;

/* @site, @runner: lent. @runner (nullable): not woken */
PvIntake *pv_intake_new(PvSite *site, PvRunner *runner);
void pv_intake_free(PvIntake *intake);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(PvIntake, pv_intake_free)

PvIntakeOutcome pv_intake_hello(PvIntake *intake, const PvHello *hello, const char *source);

G_END_DECLS
