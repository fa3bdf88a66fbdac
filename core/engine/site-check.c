/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/clientcert.h"
#include "core/amt/provcert.h"
#include "core/engine/ca.h"

#include <string.h>

#define CHECK_CLIENT_DAYS 30

static void
check_identities(PvSite *site, PvReport *report)
{
	for (guint i = 0; i < site->identities->len; i++) {
		const PvIdentity *identity = site->identities->pdata[i];
		const char *path = pv_identity_get_path(identity);
		g_autoptr(GError) error = NULL;
		const PvProvisioningDevice any = { .suffix = site->dns_suffix };
		g_autofree char *expiry = pv_provisioning_dup_expiry(identity, 0);
		if (!pv_provisioning_check(identity, &any, &error))
			pv_report_add(report, PV_REPORT_FAILURE, "provisioning certificate", path, "%s",
			    error->message);
		else if (expiry != NULL)
			pv_report_add(report, PV_REPORT_WARNING, "provisioning certificate", path, "%s",
			    expiry);
	}
	if (site->identities->len == 0)
		pv_report_add(report, PV_REPORT_FAILURE, "provisioning certificate", site->file,
		    "no provisioning certificate: devices in set-up cannot be provisioned");
}

static void
check_client(PvSite *site, PvReport *report)
{
	g_autoptr(GError) error = NULL;
	if (site->client == NULL)
		return;
	const char *path = pv_identity_get_path(site->client);
	gint days = pv_identity_get_days_left(site->client, 0);
	if (!pv_client_certificate_check(site->client, NULL, NULL, 0, &error))
		pv_report_add(
		    report, PV_REPORT_FAILURE, "client certificate", path, "%s", error->message);
	else if (days <= CHECK_CLIENT_DAYS)
		pv_report_add(report, PV_REPORT_FAILURE, "client certificate", path,
		    "expires in %d days, and then no device with mutual authentication lets us in: "
		    "renew it",
		    days);
}

static gboolean
check_uses_psk(const PvPipeline *pipeline)
{
	for (guint i = 0; pipeline != NULL && i < pipeline->stages->len; i++) {
		const PvPipelineStage *entry = pipeline->stages->pdata[i];
		if (g_str_equal(entry->stage->type, "tls") && pv_values_has(entry->values, "mode") &&
		    g_str_equal(pv_values_get_string(entry->values, "mode"), "psk"))
			return TRUE;
	}
	return FALSE;
}

/* Set-up by pre-shared key, in a pipeline of devices that the policy does not let do it */
static void
check_psk(PvSite *site, PvReport *report)
{
	const char *text =
	    "sets devices up by pre-shared key, for which the group needs \"tls\": \"legacy\"";
	GHashTableIter iter;
	gpointer value = NULL;
	g_hash_table_iter_init(&iter, site->groups);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const PvGroup *group = value;
		if (group->tls != PV_TLS_LEGACY &&
		    check_uses_psk(g_hash_table_lookup(site->pipelines, group->pipeline)))
			pv_report_add(report, PV_REPORT_FAILURE, "group", group->name,
			    "its pipeline %s %s", group->pipeline, text);
	}
	if (check_uses_psk(g_hash_table_lookup(site->pipelines, site->default_pipeline)))
		pv_report_add(report, PV_REPORT_FAILURE, "devices without a group", NULL,
		    "their pipeline %s %s", site->default_pipeline, text);
}

static void
check_candidates(PvSite *site, PvReport *report)
{
	for (guint i = 0; i < site->candidates->len; i++) {
		const PvCandidate *candidate = site->candidates->pdata[i];
		g_autoptr(GError) caught = NULL;
		g_autoptr(PvSecret) secret =
		    pv_values_dup_secret(candidate->values, "password", &caught);
		if (secret == NULL)
			pv_report_add(report, PV_REPORT_FAILURE, "credentials", NULL, "%s",
			    caught->message);
	}
}

/* Texts of all values of a table that refer to @kind, and of the objects in it, each once. */
static void
needs_collect(GPtrArray *texts, const PvValues *values, const char *kind)
{
	g_autoptr(GPtrArray) found = pv_values_list_referred(values, kind);
	for (guint i = 0; i < found->len; i++) {
		const char *text = found->pdata[i];
		gboolean known = FALSE;
		for (guint k = 0; !known && k < texts->len; k++)
			known = g_ascii_strcasecmp(texts->pdata[k], text) == 0;
		if (!known)
			g_ptr_array_add(texts, g_strdup(text));
	}
}

static char **
needs_dup_list(PvSite *site, const char *kind)
{
	g_autoptr(GPtrArray) texts = g_ptr_array_new_with_free_func(g_free);
	GHashTableIter iter;
	gpointer value = NULL;
	g_hash_table_iter_init(&iter, site->pipelines);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const PvPipeline *pipeline = value;
		for (guint i = 0; i < pipeline->stages->len; i++) {
			const PvPipelineStage *entry = pipeline->stages->pdata[i];
			needs_collect(texts, entry->values, kind);
		}
	}
	g_ptr_array_add(texts, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&texts), FALSE);
}

void
pv_site_needs_init(PvSiteNeeds *needs, PvSite *site)
{
	needs->ous = needs_dup_list(site, "ou");
	needs->groups = needs_dup_list(site, "group");
	needs->names = needs_dup_list(site, "name");
	needs->directory.ous = (const char *const *)needs->ous;
	needs->directory.groups = (const char *const *)needs->groups;
	needs->directory.names = (const char *const *)needs->names;
}

void
pv_site_needs_clear(PvSiteNeeds *needs)
{
	g_clear_pointer(&needs->ous, g_strfreev);
	g_clear_pointer(&needs->groups, g_strfreev);
	g_clear_pointer(&needs->names, g_strfreev);
}

gboolean
pv_site_check_directory(PvSite *site, PvReport *report, GCancellable *cancellable, GError **error)
{
	g_auto(PvSiteNeeds) needs = { 0 };
	pv_site_needs_init(&needs, site);
	if (site->directory->check == NULL ||
	    site->directory->check(
		site->directory_handle, &needs.directory, report, cancellable, error))
		return TRUE;
	g_prefix_error(error, "directory %s: ", site->directory->type);
	return FALSE;
}

/* By whom devices are logged in to, and the key of a new password is tried. */
static void
check_kerberos(PvSite *site, PvReport *report, GCancellable *cancellable)
{
	g_autoptr(PvKerberos) kerberos = NULL;
	g_autoptr(GError) error = NULL;
	if (!pv_site_dup_kerberos(site, &kerberos, cancellable, &error))
		pv_report_add(report,
		    site->login_kerberos ? PV_REPORT_FAILURE : PV_REPORT_WARNING, "kerberos", NULL,
		    "%s", error->message);
	else if (kerberos != NULL)
		pv_report_add(report, PV_REPORT_OK, "kerberos",
		    pv_kerberos_get_principal(kerberos), "logs in");
}

PvReport *
pv_site_check(PvSite *site, gboolean online, GCancellable *cancellable)
{
	PvReport *report = pv_report_new();
	check_identities(site, report);
	check_client(site, report);
	check_psk(site, report);
	check_candidates(site, report);
	g_autoptr(GError) error = NULL;
	if (online && site->directory != NULL &&
	    !pv_site_check_directory(site, report, cancellable, &error))
		pv_report_add(report, PV_REPORT_FAILURE, "directory", NULL, "%s", error->message);
	g_clear_error(&error);
	if (online)
		check_kerberos(site, report, cancellable);
	if (online && site->ca != NULL && !pv_ca_check(site, report, cancellable, &error))
		pv_report_add(report, PV_REPORT_FAILURE, "ca", site->ca->type, "%s", error->message);
	return report;
}
