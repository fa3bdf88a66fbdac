/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A KDC of MIT krb5 for one test: a realm in a temporary folder, served over TCP on a loopback address of its own. */
typedef struct {
	char *realm;
	char *dir;      /* goes away with it */
	char *address;  /* "HOST:PORT" */
	GSubprocess *process;
} TestKdc;

/* @clock: for faketime, such as "+600"; NULL: the true time. NULL: something is not installed; *missing (transfer none) says what */
TestKdc *test_kdc_new(const char *realm, const char *clock, const char **missing);
void test_kdc_free(TestKdc *kdc);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestKdc, test_kdc_free)

/* a line for kadmin.local, such as "addprinc -pw secret alice"; fails the test unless it works */
void test_kdc_command(TestKdc *kdc, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* exports the keys of @principal, without changing them. (transfer full) the keytab's path */
char *test_kdc_export(TestKdc *kdc, const char *principal);

/* Accepts one SPNEGO token with the keys of a keytab, as a device would. @binding: (nullable): of the channel; *who: the client, to
 * free. (transfer full) the answer; NULL: refused */
GBytes *test_kdc_accept(const char *keytab, GBytes *token, const char *binding, char **who);

G_END_DECLS
