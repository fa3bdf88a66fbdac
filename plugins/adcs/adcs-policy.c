/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adcs-policy.h"
#include "adcs-x509.h"
#include "adcs-enrol.h"
#include "adcs-xml.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <string.h>

#define POLICY_MAX_TEMPLATES 2000
#define POLICY_MAX_AUTHORITIES 64
#define POLICY_MAX_ENDPOINTS 16
#define POLICY_MAX_EXTENSION 4096
#define POLICY_MAX_CERTIFICATE 16384
#define POLICY_SHOWN 12 /* templates that an error lists */
#define POLICY_EKU "2.5.29.37"
/* any extended key usage, RFC 5280 4.2.1.12 */
#define POLICY_ANY_EKU "2.5.29.37.0"

/* subjectNameFlags and enrollmentFlags: MS-CRTD 2.28 (msPKI-Certificate-Name-Flag) and 2.26 (msPKI-Enrollment-Flag) */
#define POLICY_SUBJECT_SUPPLIED 0x1u
#define POLICY_NAMES_SUPPLIED 0x10000u
#define POLICY_PEND_ALL 0x2u

typedef struct {
	char *value;
	char *name;
} PolicyOid;

static void
adcs_policy_free_oid(gpointer data)
{
	PolicyOid *oid = data;
	g_free(oid->value);
	g_free(oid->name);
	g_free(oid);
}

static void
adcs_policy_free_template(gpointer data)
{
	AdcsTemplate *template = data;
	g_free(template->name);
	g_free(template->display_name);
	g_free(template->oid);
	g_strfreev(template->ekus);
	g_array_unref(template->authorities);
	g_free(template);
}

static void
adcs_policy_free_endpoint(gpointer data)
{
	AdcsEndpoint *endpoint = data;
	g_free(endpoint->url);
	g_free(endpoint);
}

static void
adcs_policy_free_authority(gpointer data)
{
	AdcsAuthority *authority = data;
	g_free(authority->name);
	g_clear_pointer(&authority->certificate, g_bytes_unref);
	g_ptr_array_unref(authority->endpoints);
	g_free(authority);
}

AdcsPolicy *
adcs_policy_ref(AdcsPolicy *policy)
{
	g_atomic_ref_count_inc(&policy->references);
	return policy;
}

void
adcs_policy_unref(AdcsPolicy *policy)
{
	if (policy == NULL || !g_atomic_ref_count_dec(&policy->references))
		return;
	g_ptr_array_unref(policy->templates);
	g_ptr_array_unref(policy->authorities);
	g_ptr_array_unref(policy->roots);
	g_free(policy);
}

AdcsPolicy *
adcs_policy_new(void)
{
	AdcsPolicy *policy = g_new0(AdcsPolicy, 1);
	g_atomic_ref_count_init(&policy->references);
	policy->templates = g_ptr_array_new_with_free_func(adcs_policy_free_template);
	policy->authorities = g_ptr_array_new_with_free_func(adcs_policy_free_authority);
	policy->roots = adcs_chain_new();
	return policy;
}

AdcsTemplate *
adcs_policy_add_template(AdcsPolicy *policy, const char *name)
{
	if (policy->templates->len >= POLICY_MAX_TEMPLATES)
		return NULL;
	AdcsTemplate *template = g_new0(AdcsTemplate, 1);
	template->name = g_strdup(name);
	template->authorities = g_array_new(FALSE, FALSE, sizeof(guint));
	g_ptr_array_add(policy->templates, template);
	return template;
}

void
adcs_template_set_flags(AdcsTemplate *template, guint subject_flags, guint enrollment_flags)
{
	template->takes_subject = (subject_flags & POLICY_SUBJECT_SUPPLIED) != 0;
	template->takes_names =
	    (subject_flags & (POLICY_SUBJECT_SUPPLIED | POLICY_NAMES_SUPPLIED)) != 0;
	template->waits = (enrollment_flags & POLICY_PEND_ALL) != 0;
}

void
adcs_template_add_authority(AdcsTemplate *template, guint reference)
{
	if (template->authorities->len < POLICY_MAX_AUTHORITIES)
		g_array_append_val(template->authorities, reference);
}

AdcsAuthority *
adcs_policy_add_authority(AdcsPolicy *policy, GBytes *certificate, guint reference)
{
	if (policy->authorities->len >= POLICY_MAX_AUTHORITIES)
		return NULL;
	AdcsAuthority *authority = g_new0(AdcsAuthority, 1);
	authority->reference = reference;
	authority->certificate = g_bytes_ref(certificate);
	authority->name = adcs_x509_dup_common_name(certificate);
	if (authority->name == NULL)
		authority->name = g_strdup("");
	authority->endpoints = g_ptr_array_new_with_free_func(adcs_policy_free_endpoint);
	g_ptr_array_add(policy->authorities, authority);
	return authority;
}

void
adcs_authority_add_endpoint(AdcsAuthority *authority, guint auth, guint priority, const char *url)
{
	if (authority->endpoints->len >= POLICY_MAX_ENDPOINTS ||
	    g_ascii_strncasecmp(url, "https://", 8) != 0)
		return;
	AdcsEndpoint *endpoint = g_new0(AdcsEndpoint, 1);
	endpoint->auth = auth;
	endpoint->priority = priority;
	endpoint->url = g_strdup(url);
	g_ptr_array_add(authority->endpoints, endpoint);
}

static guint
adcs_policy_get_uint(const xmlNode *parent, const char *name, guint fallback)
{
	gint64 value = 0;
	/* flags come signed from some, unsigned from others */
	return adcs_xml_get_number(
		   adcs_xml_child(parent, ADCS_NS_POLICY, name), G_MININT32, G_MAXUINT32, &value)
		   ? (guint)(guint32)value
		   : fallback;
}

/* References by number, so that each OID is said once. (transfer full) of PolicyOid by number */
static GHashTable *
adcs_policy_read_oids(const xmlNode *list)
{
	GHashTable *oids = g_hash_table_new_full(NULL, NULL, NULL, adcs_policy_free_oid);
	for (const xmlNode *at = adcs_xml_child(list, ADCS_NS_POLICY, "oID"); at != NULL;
	     at = adcs_xml_next(at, ADCS_NS_POLICY, "oID")) {
		PolicyOid *oid = g_new0(PolicyOid, 1);
		oid->value = adcs_xml_dup_text(adcs_xml_child(at, ADCS_NS_POLICY, "value"), 256);
		oid->name = adcs_xml_dup_text(adcs_xml_child(at, ADCS_NS_POLICY, "defaultName"), 256);
		guint reference = adcs_policy_get_uint(at, "oIDReferenceID", G_MAXUINT);
		if (oid->value == NULL || reference == G_MAXUINT)
			adcs_policy_free_oid(oid);
		else
			g_hash_table_replace(oids, GUINT_TO_POINTER(reference), oid);
	}
	return oids;
}

static const PolicyOid *
adcs_policy_find_oid(GHashTable *oids, const xmlNode *parent, const char *name)
{
	guint reference = adcs_policy_get_uint(parent, name, G_MAXUINT);
	return g_hash_table_lookup(oids, GUINT_TO_POINTER(reference));
}

static char **
adcs_policy_parse_ekus(GBytes *value)
{
	gsize length = 0;
	const unsigned char *data = value == NULL ? NULL : g_bytes_get_data(value, &length);
	EXTENDED_KEY_USAGE *usages =
	    length == 0 ? NULL : d2i_EXTENDED_KEY_USAGE(NULL, &data, (long)length);
	ERR_clear_error();
	if (usages == NULL)
		return NULL;
	g_autoptr(GPtrArray) list = g_ptr_array_new();
	for (int i = 0; i < sk_ASN1_OBJECT_num(usages); i++) {
		char text[128];
		if (OBJ_obj2txt(text, sizeof text, sk_ASN1_OBJECT_value(usages, i), 1) > 0)
			g_ptr_array_add(list, g_strdup(text));
	}
	EXTENDED_KEY_USAGE_free(usages);
	g_ptr_array_add(list, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
}

static char **
adcs_policy_read_ekus(GHashTable *oids, const xmlNode *extensions)
{
	for (const xmlNode *at = adcs_xml_child(extensions, ADCS_NS_POLICY, "extension"); at != NULL;
	     at = adcs_xml_next(at, ADCS_NS_POLICY, "extension")) {
		const PolicyOid *oid = adcs_policy_find_oid(oids, at, "oIDReference");
		if (oid == NULL || !g_str_equal(oid->value, POLICY_EKU))
			continue;
		g_autoptr(GBytes) value = adcs_xml_dup_binary(
		    adcs_xml_child(at, ADCS_NS_POLICY, "value"), POLICY_MAX_EXTENSION);
		return adcs_policy_parse_ekus(value);
	}
	return NULL;
}

static void
adcs_policy_read_attributes(const xmlNode *attributes, AdcsTemplate *template)
{
	const xmlNode *permission = adcs_xml_child(attributes, ADCS_NS_POLICY, "permission");
	template->schema = adcs_policy_get_uint(attributes, "policySchema", 1);
	template->may_enroll =
	    adcs_xml_is_true(adcs_xml_child(permission, ADCS_NS_POLICY, "enroll"));
	template->key_bits = adcs_policy_get_uint(
	    adcs_xml_child(attributes, ADCS_NS_POLICY, "privateKeyAttributes"), "minimalKeyLength", 0);
	adcs_template_set_flags(template, adcs_policy_get_uint(attributes, "subjectNameFlags", 0),
	    adcs_policy_get_uint(attributes, "enrollmentFlags", 0));
}

static void
adcs_policy_read_template(AdcsPolicy *policy, GHashTable *oids, const xmlNode *node)
{
	const xmlNode *attributes = adcs_xml_child(node, ADCS_NS_POLICY, "attributes");
	g_autofree char *name =
	    adcs_xml_dup_text(adcs_xml_child(attributes, ADCS_NS_POLICY, "commonName"), 256);
	AdcsTemplate *template = name == NULL ? NULL : adcs_policy_add_template(policy, name);
	if (template == NULL)
		return;
	adcs_policy_read_attributes(attributes, template);
	const PolicyOid *oid = adcs_policy_find_oid(oids, node, "policyOIDReference");
	if (oid != NULL) {
		template->oid = g_strdup(oid->value);
		template->display_name = g_strdup(oid->name);
	}
	template->ekus =
	    adcs_policy_read_ekus(oids, adcs_xml_child(attributes, ADCS_NS_POLICY, "extensions"));
	const xmlNode *list = adcs_xml_child(node, ADCS_NS_POLICY, "cAs");
	for (const xmlNode *at = adcs_xml_child(list, ADCS_NS_POLICY, "cAReference"); at != NULL;
	     at = adcs_xml_next(at, ADCS_NS_POLICY, "cAReference")) {
		gint64 number = 0;
		if (adcs_xml_get_number(at, 0, G_MAXINT32, &number))
			adcs_template_add_authority(template, (guint)number);
	}
}

static gint
adcs_policy_compare(gconstpointer a, gconstpointer b)
{
	const AdcsEndpoint *first = *(const AdcsEndpoint *const *)a;
	const AdcsEndpoint *second = *(const AdcsEndpoint *const *)b;
	return first->priority < second->priority ? -1 : first->priority > second->priority;
}

static void
adcs_policy_read_authority(AdcsPolicy *policy, const xmlNode *node)
{
	g_autoptr(GBytes) certificate = adcs_xml_dup_binary(
	    adcs_xml_child(node, ADCS_NS_POLICY, "certificate"), POLICY_MAX_CERTIFICATE);
	AdcsAuthority *authority =
	    certificate == NULL ? NULL
				: adcs_policy_add_authority(policy, certificate,
				      adcs_policy_get_uint(node, "cAReferenceID", G_MAXUINT));
	if (authority == NULL)
		return;
	const xmlNode *list = adcs_xml_child(node, ADCS_NS_POLICY, "uris");
	for (const xmlNode *at = adcs_xml_child(list, ADCS_NS_POLICY, "cAURI"); at != NULL;
	     at = adcs_xml_next(at, ADCS_NS_POLICY, "cAURI")) {
		g_autofree char *url = adcs_xml_dup_text(adcs_xml_child(at, ADCS_NS_POLICY, "uri"), 1024);
		if (url != NULL && !adcs_xml_is_true(adcs_xml_child(at, ADCS_NS_POLICY, "renewalOnly")))
			adcs_authority_add_endpoint(authority,
			    adcs_policy_get_uint(at, "clientAuthentication", 0),
			    adcs_policy_get_uint(at, "priority", G_MAXUINT), url);
	}
}

static AdcsPolicy *
adcs_policy_read(const xmlNode *answer)
{
	AdcsPolicy *policy = adcs_policy_new();
	g_autoptr(GHashTable) oids =
	    adcs_policy_read_oids(adcs_xml_child(answer, ADCS_NS_POLICY, "oIDs"));
	const xmlNode *list = adcs_xml_child(
	    adcs_xml_child(answer, ADCS_NS_POLICY, "response"), ADCS_NS_POLICY, "policies");
	for (const xmlNode *at = adcs_xml_child(list, ADCS_NS_POLICY, "policy"); at != NULL;
	     at = adcs_xml_next(at, ADCS_NS_POLICY, "policy"))
		adcs_policy_read_template(policy, oids, at);
	list = adcs_xml_child(answer, ADCS_NS_POLICY, "cAs");
	for (const xmlNode *at = adcs_xml_child(list, ADCS_NS_POLICY, "cA"); at != NULL;
	     at = adcs_xml_next(at, ADCS_NS_POLICY, "cA"))
		adcs_policy_read_authority(policy, at);
	return policy;
}

AdcsPolicy *
adcs_policy_parse(GBytes *body, GError **error)
{
	g_autoptr(AdcsDocument) document =
	    adcs_xml_parse(body, ADCS_POLICY_MAX_BYTES, "the policy service's answer", error);
	if (document == NULL)
		return NULL;
	const xmlNode *answer = adcs_xml_body(document, ADCS_NS_POLICY, "GetPoliciesResponse");
	if (answer != NULL)
		return adcs_policy_read(answer);
	if (!adcs_enrol_read_fault(body, "the policy service", error))
		g_set_error_literal(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read the policy service's answer: it is neither a policy nor a fault");
	return NULL;
}

/* ---- asking ---- */

static void
adcs_policy_set_no_template(const AdcsPolicy *policy, const char *wanted, GError **error)
{
	g_autoptr(GString) names = g_string_new(NULL);
	for (guint i = 0; i < policy->templates->len && i < POLICY_SHOWN; i++) {
		const AdcsTemplate *template = policy->templates->pdata[i];
		g_string_append_printf(names, "%s%s", i > 0 ? ", " : "", template->name);
	}
	if (policy->templates->len > POLICY_SHOWN)
		g_string_append_printf(names, " and %u more", policy->templates->len - POLICY_SHOWN);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
	    "template \"%s\" is not in the policy that the account sees: create it, give the account "
	    "\"Read\", and add it to the ca's \"Certificate Templates\"; there are: %s",
	    wanted, names->len == 0 ? "none" : names->str);
}

const AdcsTemplate *
adcs_policy_find_template(const AdcsPolicy *policy, const char *wanted, GError **error)
{
	const AdcsTemplate *displayed = NULL;
	for (guint i = 0; i < policy->templates->len; i++) {
		const AdcsTemplate *template = policy->templates->pdata[i];
		if (g_ascii_strcasecmp(template->name, wanted) == 0 ||
		    g_strcmp0(template->oid, wanted) == 0)
			return template;
		if (template->display_name != NULL &&
		    g_ascii_strcasecmp(template->display_name, wanted) == 0)
			displayed = template;
	}
	if (displayed == NULL)
		adcs_policy_set_no_template(policy, wanted, error);
	return displayed;
}

static const char *
adcs_template_find_missing_eku(const AdcsTemplate *template, const PvCertRequest *request)
{
	const char *const *given = (const char *const *)template->ekus;
	if (given == NULL || given[0] == NULL || g_strv_contains(given, POLICY_ANY_EKU))
		return NULL;
	for (guint i = 0; request->ekus != NULL && request->ekus[i] != NULL; i++)
		if (!g_strv_contains(given, request->ekus[i]))
			return request->ekus[i];
	return NULL;
}

gboolean
adcs_template_check(const AdcsTemplate *template, const PvCertRequest *request,
    gboolean as_device, GError **error)
{
	const char *eku = adcs_template_find_missing_eku(template, request);
	if (eku != NULL) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "template %s gives no extended key usage %s: add it to the template's application "
		    "policies, or name another template",
		    template->name, eku);
		return FALSE;
	}
	if (as_device)
		return TRUE;
	if (!template->may_enroll) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "template %s does not let this account enroll: give it \"Enroll\" there",
		    template->name);
		return FALSE;
	}
	if (!template->takes_subject) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
		    "template %s builds the subject from the account that asks, which is not the "
		    "device's: set \"as\": \"device\" in the stage, or \"supply in the request\" in the "
		    "template",
		    template->name);
		return FALSE;
	}
	return TRUE;
}

static gboolean
adcs_policy_issues(const AdcsAuthority *authority, const AdcsTemplate *template)
{
	/* a policy that ties no template to a CA leaves it open */
	if (template == NULL || template->authorities->len == 0)
		return TRUE;
	for (guint i = 0; i < template->authorities->len; i++)
		if (g_array_index(template->authorities, guint, i) == authority->reference)
			return TRUE;
	return FALSE;
}

GPtrArray *
adcs_policy_list_endpoints(const AdcsPolicy *policy, const AdcsTemplate *template,
    const char *name, AdcsAuth auth, GError **error)
{
	g_autoptr(GPtrArray) found = g_ptr_array_new();
	gboolean known = FALSE, issues = FALSE;
	for (guint i = 0; i < policy->authorities->len; i++) {
		const AdcsAuthority *authority = policy->authorities->pdata[i];
		if (name != NULL && g_ascii_strcasecmp(name, authority->name) != 0)
			continue;
		known = TRUE;
		if (!adcs_policy_issues(authority, template))
			continue;
		issues = TRUE;
		for (guint k = 0; k < authority->endpoints->len; k++) {
			AdcsEndpoint *endpoint = authority->endpoints->pdata[k];
			if (endpoint->auth == auth)
				g_ptr_array_add(found, endpoint);
		}
	}
	g_ptr_array_sort(found, adcs_policy_compare);
	for (guint i = 0; i < found->len; i++)
		found->pdata[i] = ((AdcsEndpoint *)found->pdata[i])->url;
	if (found->len > 0)
		return g_steal_pointer(&found);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "the policy names no %s%s%s",
	    !known		   ? "ca"
		: !issues	   ? "ca that issues the template"
				   : "enrolment service with this kind of login: install one, or set \"url\"",
	    !known && name != NULL ? " of the name " : "", !known && name != NULL ? name : "");
	return NULL;
}
