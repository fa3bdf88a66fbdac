/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/dump.h"

#include "sim/audit.h"
#include "sim/classes.h"
#include "sim/dump-build.h"

#include <openssl/evp.h>
#include <string.h>

static void
dump_hex(JsonBuilder *builder, const char *name, gconstpointer data, gsize length)
{
	GString *hex = g_string_sized_new(2 * length);
	for (gsize i = 0; i < length; i++)
		g_string_append_printf(hex, "%02x", ((const guint8 *)data)[i]);
	dump_string(builder, name, hex->str);
	g_string_free(hex, TRUE);
}

const char *
pv_sim_dump_state_name(PvSimState state)
{
	static const char *const names[] = { "pre", "in", "post" };
	return names[state];
}

const char *
pv_sim_dump_login_kind(const PvSimDevice *device)
{
	if (device->last_user == NULL)
		return "none";
	return device->last_kerberos ? "kerberos" : "digest";
}

static void
dump_acl(JsonBuilder *builder, const PvSimDevice *device)
{
	dump_begin_array(builder, "acl");
	for (guint i = 0; i < device->acl->len; i++) {
		const PvSimAclEntry *entry = device->acl->pdata[i];
		dump_begin_object(builder, NULL);
		dump_int(builder, "handle", entry->handle);
		if (entry->user != NULL) {
			dump_string(builder, "user", entry->user);
			dump_hex(builder, "hash", entry->hash, sizeof entry->hash);
		} else {
			g_autofree char *sid = g_base64_encode(
			    g_bytes_get_data(entry->sid, NULL), g_bytes_get_size(entry->sid));
			dump_string(builder, "sid", sid);
		}
		dump_int(builder, "permission", entry->permission);
		dump_begin_array(builder, "realms");
		for (guint realm = 0; realm < 64; realm++) {
			if ((entry->realms >> realm & 1) != 0)
				json_builder_add_int_value(builder, realm);
		}
		json_builder_end_array(builder);
		dump_bool(builder, "enabled", entry->enabled);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
}

static void
dump_x509(JsonBuilder *builder, X509 *x509)
{
	char *subject = X509_NAME_oneline(X509_get_subject_name(x509), NULL, 0);
	char *issuer = X509_NAME_oneline(X509_get_issuer_name(x509), NULL, 0);
	guint8 hash[EVP_MAX_MD_SIZE];
	unsigned int length = 0;
	int made = X509_digest(x509, EVP_sha256(), hash, &length);
	dump_string(builder, "subject", subject);
	dump_string(builder, "issuer", issuer);
	dump_hex(builder, "sha256", hash, made == 1 ? length : 0);
	OPENSSL_free(subject);
	OPENSSL_free(issuer);
}

static void
dump_certificates(JsonBuilder *builder, const PvSimDevice *device)
{
	dump_begin_array(builder, "certificates");
	for (guint i = 0; i < device->certificates->len; i++) {
		const PvSimCertificate *certificate = device->certificates->pdata[i];
		const PvSimKey *key = pv_sim_device_find_key_of(device, certificate->x509);
		dump_begin_object(builder, NULL);
		dump_int(builder, "handle", certificate->handle);
		dump_x509(builder, certificate->x509);
		dump_bool(builder, "trusted-root", certificate->trusted_root);
		dump_bool(builder, "in-use", pv_sim_device_find_use(device, certificate) != NULL);
		dump_string(
		    builder, "used-by", pv_sim_device_find_use(device, certificate));
		dump_int(builder, "key", key != NULL ? (gint64)key->handle : -1);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
}

static void
dump_keys(JsonBuilder *builder, const PvSimDevice *device)
{
	dump_begin_array(builder, "keys");
	for (guint i = 0; i < device->keys->len; i++) {
		const PvSimKey *key = device->keys->pdata[i];
		gboolean used = FALSE;
		for (guint j = 0; j < device->certificates->len; j++)
			used =
			    used ||
			    pv_sim_device_find_key_of(device,
				((PvSimCertificate *)device->certificates->pdata[j])->x509) == key;
		g_autofree char *sum = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, key->der);
		dump_begin_object(builder, NULL);
		dump_int(builder, "handle", key->handle);
		dump_string(builder, "sha256", sum);
		dump_bool(builder, "generated", key->generated);
		dump_bool(builder, "in-use", used);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
}

static void
dump_tls(JsonBuilder *builder, PvSimDevice *device)
{
	const PvSimInstance *remote =
	    pv_sim_device_bag(device, "AMT_TLSSettingData", PV_SIM_TLS_REMOTE);
	dump_begin_object(builder, "tls");
	dump_begin_object(builder, "active");
	dump_bool(builder, "enabled", device->tls.enabled);
	dump_bool(builder, "mutual", device->tls.mutual);
	dump_bool(builder, "accept-non-secure", device->tls.accept_plain);
	if (device->tls.x509 != NULL)
		dump_x509(builder, device->tls.x509);
	json_builder_end_object(builder);
	dump_begin_object(builder, "pending");
	dump_bool(builder, "enabled", pv_sim_instance_get_bool(remote, "Enabled"));
	dump_bool(builder, "mutual", pv_sim_instance_get_bool(remote, "MutualAuthentication"));
	dump_bool(builder, "accept-non-secure",
	    pv_sim_instance_get_bool(remote, "AcceptNonSecureConnections"));
	dump_int(builder, "certificate", device->tls_certificate);
	json_builder_end_object(builder);
	if (device->built_in_chain != NULL) {
		dump_begin_object(builder, "built-in");
		dump_x509(builder, device->built_in_chain->pdata[0]);
		json_builder_end_object(builder);
	}
	json_builder_end_object(builder);
}

static void
dump_counters(JsonBuilder *builder, const PvSimDevice *device)
{
	const PvSimCounters *counters = &device->counters;
	const struct {
		const char *name;
		guint64 value;
	} rows[] = {
		{ "requests", counters->requests },
		{ "writes", counters->writes },
		{ "logins-ok", counters->logins_ok },
		{ "logins-failed", counters->logins_failed },
		{ "tickets-refused", counters->tickets_refused },
		{ "locked", counters->locked },
		{ "refused-while-locked", counters->refused_while_locked },
		{ "connections", counters->connections },
		{ "tls-refused", counters->tls_refused },
		{ "commits", counters->commits },
		{ "restarts", counters->restarts },
		{ "faults", counters->faults },
		{ "hellos", counters->hellos },
	};
	dump_begin_object(builder, "counters");
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
		dump_int(builder, rows[i].name, (gint64)rows[i].value);
	g_autoptr(GList) names =
	    g_list_sort(g_hash_table_get_keys(counters->methods), (GCompareFunc)g_strcmp0);
	dump_begin_object(builder, "methods");
	for (GList *name = names; name != NULL; name = name->next)
		dump_int(builder, name->data,
		    GPOINTER_TO_UINT(g_hash_table_lookup(counters->methods, name->data)));
	json_builder_end_object(builder);
	json_builder_end_object(builder);
}

/* How often each rule did fit, and was applied: a test can tell that its fault happened */
static void
dump_faults(JsonBuilder *builder, const PvSimDevice *device)
{
	dump_begin_array(builder, "fault-script");
	for (guint i = 0; i < device->switches->faults->len; i++) {
		const PvSimFault *fault = device->switches->faults->pdata[i];
		dump_begin_object(builder, NULL);
		dump_string(builder, "rule", fault->text);
		dump_int(builder, "seen", fault->seen);
		dump_int(builder, "fired", fault->fired);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
}

static void
dump_trace(JsonBuilder *builder, const PvSimDevice *device)
{
	dump_begin_array(builder, "trace");
	for (const GList *item = device->trace.head; item != NULL; item = item->next) {
		const PvSimTrace *trace = item->data;
		/* a read of a class is "Get AMT_X", a call is "AMT_X.Method": what people search for */
		g_auto(GStrv) parts = g_strsplit(trace->method, ".", 2);
		static const char *const operations[] = { "Get", "Put", "Create", "Delete",
			"Enumerate", "Pull", "Release", NULL };
		gboolean operation =
		    g_strv_length(parts) == 2 && g_strv_contains(operations, parts[1]);
		g_autofree char *method = operation ? g_strdup_printf("%s %s", parts[1], parts[0])
						    : g_strdup(trace->method);
		g_autoptr(GDateTime) utc =
		    g_date_time_new_from_unix_utc(trace->time_usec / G_USEC_PER_SEC);
		g_autofree char *time = g_date_time_format_iso8601(utc);
		dump_begin_object(builder, NULL);
		dump_string(builder, "method", method);
		dump_bool(builder, "auth", trace->auth);
		dump_string(builder, "user", trace->user);
		dump_bool(builder, "kerberos", trace->kerberos);
		dump_string(builder, "body-sha256", trace->body_sha256);
		dump_int(builder, "status", trace->status);
		dump_int(builder, "return-value", trace->return_value);
		dump_bool(builder, "tls", trace->tls);
		dump_string(builder, "verified-client", trace->client);
		dump_string(builder, "time", time);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
}

static void
dump_roots(JsonBuilder *builder, const PvSimDevice *device)
{
	dump_begin_array(builder, "roots");
	for (guint i = 0; i < device->roots->len; i++) {
		const PvSimRoot *root = device->roots->pdata[i];
		dump_begin_object(builder, NULL);
		dump_string(builder, "name", root->name);
		dump_hex(builder, "sha256", root->sha256, sizeof root->sha256);
		dump_bool(builder, "active", root->active);
		json_builder_end_object(builder);
	}
	json_builder_end_array(builder);
}

static int
dump_compare_keys(gconstpointer a, gconstpointer b)
{
	return g_strcmp0(a, b);
}

static gboolean
dump_same_name(const PvSimValue *one, const PvSimValue *other)
{
	return strcmp(one->name, other->name) == 0;
}

/* What was written to the classes that only keep it: names, Kerberos with its passphrase, TLS settings ... */
static void
dump_bags(JsonBuilder *builder, const PvSimDevice *device)
{
	g_autoptr(GList) keys = g_list_sort(g_hash_table_get_keys(device->bags), dump_compare_keys);
	dump_begin_object(builder, "written");
	for (GList *key = keys; key != NULL; key = key->next) {
		const PvSimInstance *bag = g_hash_table_lookup(device->bags, key->data);
		dump_begin_object(builder, key->data);
		for (guint i = 0; i < bag->values->len; i++) {
			const PvSimValue *value = bag->values->pdata[i];
			gboolean first =
			    i == 0 || !dump_same_name(bag->values->pdata[i - 1], value);
			gboolean more = i + 1 < bag->values->len &&
					dump_same_name(bag->values->pdata[i + 1], value);
			if (first && more)
				dump_begin_array(builder, value->name);
			if (first && !more)
				dump_string(builder, value->name, value->text);
			else
				json_builder_add_string_value(builder, value->text);
			if (!first && !more)
				json_builder_end_array(builder);
		}
		json_builder_end_object(builder);
	}
	json_builder_end_object(builder);
}

static void
dump_kerberos(JsonBuilder *builder, const PvSimDevice *device)
{
	static const struct {
		const char *member, *property;
	} rows[] = { { "realm", "RealmName" }, { "passphrase", "Passphrase" },
		{ "master-key", "MasterKey" }, { "salt", "Salt" },
		{ "iteration-count", "IterationCount" }, { "key-version", "KeyVersion" },
		{ "clock-tolerance", "MaximumClockTolerance" } };
	const PvSimInstance *bag = pv_sim_device_find_bag(device, "AMT_KerberosSettingData", NULL);
	dump_begin_object(builder, "kerberos");
	dump_bool(builder, "enabled", bag != NULL && pv_sim_instance_get_bool(bag, "KrbEnabled"));
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
		dump_string(builder, rows[i].member,
		    bag != NULL ? pv_sim_instance_get(bag, rows[i].property) : NULL);
	dump_bool(builder, "credential-cache", device->credential_cache);
	json_builder_end_object(builder);
}

static void
dump_names(JsonBuilder *builder, PvSimDevice *device)
{
	const PvSimInstance *general = pv_sim_device_bag(device, "AMT_GeneralSettings", NULL);
	const char *host = pv_sim_instance_get(general, "HostName");
	const char *domain = pv_sim_instance_get(general, "DomainName");
	dump_begin_object(builder, "names");
	dump_string(builder, "host", host != NULL ? host : "");
	dump_string(builder, "domain", domain != NULL ? domain : "");
	dump_string(builder, "dhcp-suffix", device->switches->dhcp_suffix);
	dump_string(builder, "trusted-suffix", device->switches->trusted_suffix);
	json_builder_end_object(builder);
}

JsonNode *
pv_sim_dump_device(PvSimDevice *device)
{
	g_autoptr(JsonBuilder) builder = json_builder_new();
	g_autoptr(GPtrArray) switches = pv_sim_switches_list(device->switches);
	const PvSimPowerScheme *scheme = &device->personality->schemes[device->power_scheme];
	gint64 locked_left = device->lock.until_usec - g_get_monotonic_time();
	g_autofree char *scheme_id = g_strdup_printf("SCHEME %u", device->power_scheme);

	json_builder_begin_object(builder);
	dump_string(builder, "name", device->name);
	dump_string(builder, "fqdn", device->fqdn);
	dump_string(builder, "address", device->address);
	dump_string(builder, "uuid", device->uuid_text);
	dump_string(builder, "mac", device->mac);
	dump_string(builder, "personality", device->personality->name);
	dump_string(builder, "state", pv_sim_dump_state_name(device->state));
	dump_bool(builder, "off", device->off);
	dump_string(builder, "realm", device->digest_realm);
	dump_begin_object(builder, "admin");
	dump_string(builder, "user", device->admin_user);
	dump_hex(builder, "hash", device->admin_hash, sizeof device->admin_hash);
	dump_bool(builder, "default", device->admin_default);
	json_builder_end_object(builder);
	dump_begin_object(builder, "last-login");
	dump_string(builder, "user", device->last_user);
	dump_string(builder, "kind", pv_sim_dump_login_kind(device));
	json_builder_end_object(builder);
	dump_string(builder, "mebx-password", device->mebx_password);
	dump_bool(builder, "mebx-default", device->mebx_default);
	dump_string(builder, "otp", device->otp_set);
	dump_string(builder, "pid", device->pid);
	dump_string(builder, "pps", device->pps);
	dump_acl(builder, device);
	dump_certificates(builder, device);
	dump_keys(builder, device);
	dump_tls(builder, device);
	dump_int(builder, "clock-offset", device->clock_offset_sec);
	dump_bool(builder, "clock-set", device->clock_set);
	dump_names(builder, device);
	dump_kerberos(builder, device);
	dump_begin_object(builder, "power-scheme");
	dump_string(builder, "instance", scheme_id);
	dump_string(builder, "description", scheme->description);
	dump_string(builder, "guid", scheme->guid_base64);
	json_builder_end_object(builder);
	pv_sim_dump_features(builder, device);
	pv_sim_dump_network(builder, device);
	dump_roots(builder, device);
	dump_bags(builder, device);
	dump_string(builder, "last-tls-refusal", device->last_refusal);
	dump_bool(builder, "locked-now", locked_left > 0);
	dump_int(builder, "lock-sec", device->lock.lock_sec);
	dump_counters(builder, device);
	dump_begin_array(builder, "switches");
	for (guint i = 0; i < switches->len; i++)
		json_builder_add_string_value(builder, switches->pdata[i]);
	json_builder_end_array(builder);
	dump_faults(builder, device);
	pv_sim_dump_logs(builder, device);
	dump_trace(builder, device);
	json_builder_end_object(builder);
	return json_builder_get_root(builder);
}
