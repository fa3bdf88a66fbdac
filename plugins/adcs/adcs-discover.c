/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adcs-discover.h"

#include <string.h>

#define DISCOVER_SERVICES "CN=Enrollment Services,CN=Public Key Services,CN=Services,"
#define DISCOVER_TEMPLATES "CN=Certificate Templates,CN=Public Key Services,CN=Services,"
#define DISCOVER_ROOTS "CN=Certification Authorities,CN=Public Key Services,CN=Services,"
#define DISCOVER_MAX_SERVICES 64
#define DISCOVER_MAX_TEMPLATES 2000
#define DISCOVER_MAX_ROOTS 64
#define DISCOVER_MAX_RENEWALS 16 /* certificates of one CA */

/* clang-format off */
const PvParam adcs_discover_params[] = {
	{ "server", PV_PARAM_STRING, NULL, "a domain controller of the forest, by its DNS name" },
	{ "port", PV_PARAM_INT, "0", "0: the usual one", .minimum = 0, .maximum = 65535 },
	{ "security", PV_PARAM_CHOICE, "\"plain\"", "plain: sealed by Kerberos", .choices = "plain|tls|starttls" },
	{ "trust", PV_PARAM_PATH, "null", "PEM: who signed the controller's certificate; absent: the system's roots" },
	{ "bind-dn", PV_PARAM_STRING, "null", "who looks, where the login is not by Kerberos" },
	{ "password", PV_PARAM_SECRET, "null", "of bind-dn" },
	{ NULL },
};
/* clang-format on */

static guint
adcs_discover_get_uint(const PvLdapEntry *entry, const char *attribute, guint fallback)
{
	const char *text = pv_ldap_entry_get(entry, attribute);
	gint64 value = 0;
	/* flags are signed in the directory */
	return text != NULL &&
		       g_ascii_string_to_signed(text, 10, G_MININT32, G_MAXUINT32, &value, NULL)
		   ? (guint)(guint32)value
		   : fallback;
}

gboolean
adcs_discover_add_server(AdcsAuthority *authority, const char *value)
{
	g_auto(GStrv) lines = g_strsplit(value, "\n", 6);
	gint64 priority = 0, auth = 0, renewal = 0;
	if (g_strv_length(lines) < 4 ||
	    !g_ascii_string_to_signed(lines[0], 10, 0, G_MAXINT32, &priority, NULL) ||
	    !g_ascii_string_to_signed(lines[1], 10, 0, 255, &auth, NULL) ||
	    !g_ascii_string_to_signed(lines[2], 10, 0, 1, &renewal, NULL))
		return FALSE;
	if (renewal == 0)
		adcs_authority_add_endpoint(authority, (guint)auth, (guint)priority, g_strstrip(lines[3]));
	return TRUE;
}

static void
adcs_discover_add_templates(AdcsPolicy *policy, const PvLdapEntry *entry, guint reference)
{
	g_auto(GStrv) names = pv_ldap_entry_dup_list(entry, "certificateTemplates");
	for (guint i = 0; i < policy->templates->len; i++) {
		AdcsTemplate *template = policy->templates->pdata[i];
		for (guint k = 0; names[k] != NULL; k++)
			if (g_ascii_strcasecmp(names[k], template->name) == 0)
				adcs_template_add_authority(template, reference);
	}
}

static void
adcs_discover_add_service(AdcsPolicy *policy, const PvLdapEntry *entry, guint reference)
{
	GBytes *certificate = pv_ldap_entry_get_bytes(entry, "cACertificate", 0);
	AdcsAuthority *authority =
	    certificate == NULL ? NULL : adcs_policy_add_authority(policy, certificate, reference);
	if (authority == NULL)
		return;
	const char *name = pv_ldap_entry_get(entry, "cn");
	if (name != NULL) {
		g_free(authority->name);
		authority->name = g_strdup(name);
	}
	g_auto(GStrv) servers = pv_ldap_entry_dup_list(entry, "msPKI-Enrollment-Servers");
	for (guint i = 0; servers[i] != NULL; i++)
		if (!adcs_discover_add_server(authority, servers[i]))
			g_debug("ca %s: a value of msPKI-Enrollment-Servers is not understood", authority->name);
	adcs_discover_add_templates(policy, entry, reference);
}

static void
adcs_discover_add_template(AdcsPolicy *policy, const PvLdapEntry *entry)
{
	const char *name = pv_ldap_entry_get(entry, "cn");
	AdcsTemplate *template = name == NULL ? NULL : adcs_policy_add_template(policy, name);
	if (template == NULL)
		return;
	template->display_name = g_strdup(pv_ldap_entry_get(entry, "displayName"));
	template->oid = g_strdup(pv_ldap_entry_get(entry, "msPKI-Cert-Template-OID"));
	template->schema = adcs_discover_get_uint(entry, "msPKI-Template-Schema-Version", 1);
	template->key_bits = adcs_discover_get_uint(entry, "msPKI-Minimal-Key-Size", 0);
	template->may_enroll = TRUE;
	template->ekus = pv_ldap_entry_dup_list(entry, "pKIExtendedKeyUsage");
	adcs_template_set_flags(template, adcs_discover_get_uint(entry, "msPKI-Certificate-Name-Flag", 0),
	    adcs_discover_get_uint(entry, "msPKI-Enrollment-Flag", 0));
}

static GPtrArray *
adcs_discover_search(PvLdap *ldap, const char *container, const char *configuration,
    const char *class_name, const char *const *attributes, guint limit, GCancellable *cancellable,
    GError **error)
{
	g_autofree char *base = g_strconcat(container, configuration, NULL);
	g_autofree char *filter = g_strdup_printf("(objectClass=%s)", class_name);
	return pv_ldap_search(
	    ldap, base, PV_LDAP_ONE, filter, attributes, limit, cancellable, error);
}

static gboolean
adcs_discover_read_templates(AdcsPolicy *policy, PvLdap *ldap, const char *configuration,
    GCancellable *cancellable, GError **error)
{
	static const char *const attributes[] = { "cn", "displayName", "msPKI-Cert-Template-OID",
		"msPKI-Template-Schema-Version", "msPKI-Minimal-Key-Size", "pKIExtendedKeyUsage",
		"msPKI-Certificate-Name-Flag", "msPKI-Enrollment-Flag", NULL };
	g_autoptr(GPtrArray) found = adcs_discover_search(ldap, DISCOVER_TEMPLATES, configuration,
	    "pKICertificateTemplate", attributes, DISCOVER_MAX_TEMPLATES, cancellable, error);
	for (guint i = 0; found != NULL && i < found->len; i++)
		adcs_discover_add_template(policy, found->pdata[i]);
	return found != NULL;
}

static gboolean
adcs_discover_read_services(AdcsPolicy *policy, PvLdap *ldap, const char *configuration,
    GCancellable *cancellable, GError **error)
{
	static const char *const attributes[] = {
		"cn", "cACertificate", "certificateTemplates", "msPKI-Enrollment-Servers", NULL };
	g_autoptr(GPtrArray) found = adcs_discover_search(ldap, DISCOVER_SERVICES, configuration,
	    "pKIEnrollmentService", attributes, DISCOVER_MAX_SERVICES, cancellable, error);
	for (guint i = 0; found != NULL && i < found->len; i++)
		adcs_discover_add_service(policy, found->pdata[i], i);
	if (found == NULL || found->len > 0)
		return found != NULL;
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "the directory's configuration (%s) holds no ca: install an enterprise ca, or give \"url\"",
	    configuration);
	return FALSE;
}

static gboolean
adcs_discover_read_roots(AdcsPolicy *policy, PvLdap *ldap, const char *configuration,
    GCancellable *cancellable, GError **error)
{
	static const char *const attributes[] = { "cACertificate", NULL };
	g_autoptr(GPtrArray) found = adcs_discover_search(ldap, DISCOVER_ROOTS, configuration,
	    "certificationAuthority", attributes, DISCOVER_MAX_ROOTS, cancellable, error);
	for (guint i = 0; found != NULL && i < found->len; i++)
		for (guint k = 0; k < DISCOVER_MAX_RENEWALS; k++) {
			GBytes *root = pv_ldap_entry_get_bytes(found->pdata[i], "cACertificate", k);
			if (root != NULL)
				g_ptr_array_add(policy->roots, g_bytes_ref(root));
		}
	return found != NULL;
}

static PvLdap *
adcs_discover_connect(const PvValues *values, PvKerberos *kerberos, GCancellable *cancellable, GError **error)
{
	const char *security = pv_values_get_string(values, "security");
	g_autoptr(PvSecret) password = NULL;
	PvLdapOptions options = {
		.host = pv_values_get_string(values, "server"),
		.port = (guint)pv_values_get_int(values, "port"),
		.security = g_str_equal(security, "tls") ? PV_LDAP_TLS
			    : g_str_equal(security, "starttls") ? PV_LDAP_STARTTLS
								: PV_LDAP_PLAIN,
		.trust = pv_values_get_string(values, "trust"),
	};
	if (pv_values_has(values, "bind-dn")) {
		options.bind_dn = pv_values_get_string(values, "bind-dn");
		password = pv_values_dup_secret(values, "password", error);
		if (password == NULL)
			return NULL;
		options.password = password;
	} else {
		options.kerberos = kerberos;
	}
	return pv_ldap_connect(&options, cancellable, error);
}

AdcsPolicy *
adcs_discover(const PvValues *values, PvKerberos *kerberos, GCancellable *cancellable, GError **error)
{
	static const char *const attributes[] = { "configurationNamingContext", NULL };
	g_autoptr(PvLdap) ldap = adcs_discover_connect(values, kerberos, cancellable, error);
	g_autoptr(PvLdapEntry) server =
	    ldap == NULL ? NULL : pv_ldap_read(ldap, "", attributes, NULL, cancellable, error);
	if (server == NULL)
		return NULL;
	const char *configuration = pv_ldap_entry_get(server, "configurationNamingContext");
	if (configuration == NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s is no domain controller: it has no configuration",
		    pv_ldap_get_server(ldap));
		return NULL;
	}
	g_autoptr(AdcsPolicy) policy = adcs_policy_new();
	/* templates first: services refer to them */
	return adcs_discover_read_templates(policy, ldap, configuration, cancellable, error) &&
		       adcs_discover_read_services(policy, ldap, configuration, cancellable, error) &&
		       adcs_discover_read_roots(policy, ldap, configuration, cancellable, error)
		   ? g_steal_pointer(&policy)
		   : NULL;
}
