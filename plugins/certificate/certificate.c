/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <provost/provost.h>

/* Puts a certificate of the site's CA for the device's name into the device, with its key; another stage binds it to
 * TLS. */

#define CERT_SERVER_AUTH "1.3.6.1.5.5.7.3.1" /* RFC 5280, section 4.2.1.12 */

static const char *const cert_ekus[] = { CERT_SERVER_AUTH, NULL };

/* What is wanted, with the strings that it only lends. */
typedef struct {
	PvCertUse use;
	char *fqdn;
	char **names;
} Certificate;

static void
certificate_clear(Certificate *certificate)
{
	g_free(certificate->fqdn);
	g_strfreev(certificate->names);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Certificate, certificate_clear)

static void
certificate_init(Certificate *certificate, PvJob *job)
{
	const PvDevice *device = pv_job_get_device(job);
	const char *fqdn = pv_device_get_fqdn(device);
	const char *const *extra = pv_job_get_list(job, "dns-names");
	g_autoptr(GPtrArray) names = g_ptr_array_new();
	if (fqdn != NULL) {
		certificate->fqdn = g_ascii_strdown(fqdn, -1);
		g_ptr_array_add(names, g_strdup(certificate->fqdn));
	}
	for (guint i = 0; extra[i] != NULL; i++)
		if (fqdn == NULL || g_ascii_strcasecmp(extra[i], fqdn) != 0)
			g_ptr_array_add(names, g_ascii_strdown(extra[i], -1));
	g_ptr_array_add(names, NULL);
	certificate->names = (char **)g_ptr_array_free(g_steal_pointer(&names), FALSE);
	certificate->use = (PvCertUse) {
		.name = "certificate",
		.request = {
			.uuid = pv_device_get_uuid(device),
			.template_name = pv_job_get_string(job, "template"),
			.common_name = certificate->fqdn,
			.dns_names = (const char *const *)certificate->names,
			.ekus = cert_ekus,
			.as_device = g_str_equal(pv_job_get_string(job, "as"), "device"),
		},
		.key = pv_job_get_string(job, "key"),
		.key_length = (guint)pv_job_get_int(job, "key-length"),
		.renew_days = (guint)pv_job_get_int(job, "renew-days"),
	};
}

static gboolean
certificate_plan(PvJob *job, PvPlan *plan, GError **error)
{
	g_auto(Certificate) certificate = { 0 };
	certificate_init(&certificate, job);
	return pv_cert_use_plan(job, &certificate.use, plan, error);
}

static gboolean
certificate_apply(PvJob *job, const PvPlan *plan, GError **error)
{
	g_auto(Certificate) certificate = { 0 };
	certificate_init(&certificate, job);
	return pv_cert_use_ensure(job, &certificate.use, NULL, NULL, error);
}

static const PvParam certificate_params[] = {
	{ "template", PV_PARAM_STRING, "null",
	    "the CA's name for the kind of certificate; absent: its default" },
	PV_CERT_USE_PARAMS,
	{ "dns-names", PV_PARAM_LIST, "[]", "alternative names besides the FQDN" },
	{ NULL },
};

static const char *const certificate_provides[] = { "certificate.instance", "certificate.key",
	"certificate.sha256", NULL };

static const PvStage certificate_stages[] = {
	{
	    .type = "certificate",
	    .summary = "puts a certificate of the site's CA for the device's name into the device",
	    .params = certificate_params,
	    .provides = certificate_provides,
	    .plan = certificate_plan,
	    .apply = certificate_apply,
	},
	{ NULL },
};

PV_PLUGIN_DEFINE(
    "certificate", PV_VERSION, "certificate of a device", .stages = certificate_stages);
