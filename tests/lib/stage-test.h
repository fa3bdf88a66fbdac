/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

#include "core/engine/site.h"

G_BEGIN_DECLS

/* Runs the stage of a built plugin, loaded by the real loader, as the engine does: plan, apply, plan again, against a
 * fake device and a store in a temporary folder. Each case is one file plugins/NAME/tests/CASE.json:
 *
 *   "test":    path of the test; default /plugins/NAME/CASE
 *   "stage":   {…}                     the stage's parameters
 *   "later":   "kerberos"              a stage of that type comes after it in the pipeline; in a round: from there on
 *   "facts":   { "amt.realm": "…" }    before the first round
 *   "secrets", "pending": { "admin": "…" }   of the device, current and pending
 *   "files":   { "password": "…" }     written into the temporary folder
 *   "device":  { "fqdn": "…", "otp-hash": "…",   null: not known
 *                "tls": "legacy" }      of its group
 *   "directory": { "EXAMPLE\\Group": "S-1-5-…" }  what the site's directory finds; absent: the site has none
 *   "rounds":  [ {…}, … ]              one for each time that the engine runs the stage; with a single
 *                                      round its members may stand in the case itself
 *
 * A round is a new job on the same store, with the facts of the round before it and, where that was interrupted, the
 * changes it recorded:
 *
 *   "session": { "verified": true, "mutual": false, "fingerprint": "…", "realm": "…", "user": "…", "version": "…" }
 *              what the session says of a connection, which here has neither TLS nor login;
 *              "connect": "ok" or a reason why the device cannot be reached, without dialling
 *   "host":    { "synchronised": false, "time": 86400 }   what the stage is told of this host's clock
 *   "exchange": rows for the fake device, see fake-amt.h
 *   "plan":    [ ["object", "property", "from", "to"], … ]   the changes of the result; "*" fits anything
 *   "result":  "done", "already", "skipped", or the error's name: "rejected"
 *   "contains": [ "…" ]                what the error's text or the reason for skipping must have
 *   "facts-after": { "amt.state": "operational", "commit.needed": null }   "*": any value
 *   "secrets-after": { "admin": "current" }   "current", "pending", "both", "none"
 *   "audit":   [ "otp-mismatch" ]      actions that the audit log must have
 *
 * In all strings @DIR@ is the temporary folder and @NOW@, @NOW+90@, @NOW-90@ are seconds since 1970. */

/* Completes the site before the stage runs, for providers of the test's own. */
typedef void (*StageTestPrepare)(PvSite *site, const char *dir, JsonObject *fixture);

/* For stage_test_add(): a CA that answers what the case says, and refuses to be asked for anything else. Cases without
 * the member have none.
 *
 *   "ca": { "root": BASE64, "certificate": BASE64,   DER; the answer to every request
 *           "outcome": "issued" (or "pending", "denied"), "text": "…",
 *           "eku": OID, "template": "…", "upn": "…" }   what must be asked for; default: a server's, none, none */
void stage_test_prepare_ca(PvSite *site, const char *dir, JsonObject *fixture);

/* Adds one test for each case of a plugin that has one stage, named as the plugin. */
void stage_test_add(const char *plugin, StageTestPrepare prepare);

G_END_DECLS
