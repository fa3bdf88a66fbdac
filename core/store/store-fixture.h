/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "core/base/json.h"
#include "core/store/db-private.h"
#include "core/store/sqlite.h"

#include <stdio.h>

G_BEGIN_DECLS

/* For tests: a store in a folder of its own. */
typedef struct {
	char *folder;
	char *path;        /* of the store */
	PvValues *values;  /* for its provider */
	PvSecret *key;     /* the master key */
	PvDb *db;          /* open, or NULL */
} PvStoreFixture;

/* a new one; aborts when it cannot be opened */
void pv_store_fixture_set_up(PvStoreFixture *fixture, gconstpointer data);
void pv_store_fixture_tear_down(PvStoreFixture *fixture, gconstpointer data);
/* the same file in another process, with the fixture's key */
void pv_store_fixture_join(PvStoreFixture *fixture, const char *path);
/* (again) */
void pv_store_fixture_open(PvStoreFixture *fixture);
void pv_store_fixture_close(PvStoreFixture *fixture);
PvValues *pv_store_fixture_new_values(const char *path);

PvSecret *pv_store_fixture_new_key(guint8 fill);
void pv_store_fixture_add_device(PvDb *db, const char *uuid, const char *name);
/* the UUID of the i-th device; (transfer full) */
char *pv_store_fixture_make_uuid(guint i);
/* runs SQL on the file behind the store's back */
void pv_store_fixture_tamper(const char *path, const char *sql);
/* 0 when there is no row; for a single number out of the file */
gint64 pv_store_fixture_ask(const char *path, const char *sql);
/* whether the bytes stand anywhere in the store's file or its WAL */
gboolean pv_store_fixture_has_bytes(const char *path, const char *bytes);

/* Starts this test program as "PROGRAM --child MODE PATH"; *out reads its standard output. */
GPid pv_store_fixture_spawn(const char *mode, const char *path, FILE **out);
/* waits for its end; its status as waitpid gives it */
int pv_store_fixture_wait(GPid child);

G_END_DECLS
