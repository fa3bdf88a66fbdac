/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/pki.h"

#include "sim/x509.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#define PKI_BITS 2048

typedef struct {
	EVP_PKEY *key;
	X509 *x509;
} PkiMember;

static void
pki_member_clear(PkiMember *member)
{
	EVP_PKEY_free(member->key);
	X509_free(member->x509);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(PkiMember, pki_member_clear)

static gboolean
pki_write(const char *folder, const char *name, const char *ending, BIO *bio, GError **error)
{
	char *data = NULL;
	long length = BIO_get_mem_data(bio, &data);
	g_autofree char *file = g_strconcat(name, ending, NULL);
	g_autofree char *path = g_build_filename(folder, file, NULL);
	gboolean secret = g_str_has_suffix(ending, "key.pem");
	return g_file_set_contents_full(
	    path, data, length, G_FILE_SET_CONTENTS_CONSISTENT, secret ? 0600 : 0644, error);
}

static gboolean
pki_write_key(
    const char *folder, const char *name, const char *ending, EVP_PKEY *key, GError **error)
{
	BIO *bio = BIO_new(BIO_s_mem());
	int made = PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	g_assert(made == 1); /* to memory */
	gboolean written = pki_write(folder, name, ending, bio, error);
	BIO_free(bio);
	return written;
}

static gboolean
pki_write_chain(const char *folder, const char *name, const char *ending, X509 *const *chain,
    guint count, GError **error)
{
	BIO *bio = BIO_new(BIO_s_mem());
	for (guint i = 0; i < count; i++) {
		int made = PEM_write_bio_X509(bio, chain[i]);
		g_assert(made == 1); /* to memory */
	}
	gboolean written = pki_write(folder, name, ending, bio, error);
	BIO_free(bio);
	return written;
}

static void
pki_make(PkiMember *member, const PvSimX509Spec *spec, const PkiMember *issuer)
{
	member->key = EVP_RSA_gen(PKI_BITS);
	g_assert(member->key != NULL); /* only memory can lack */
	member->x509 = pv_sim_x509_make(spec, member->key, issuer != NULL ? issuer->x509 : NULL,
	    issuer != NULL ? issuer->key : member->key);
}

typedef struct {
	const char *name;
	const char *host; /* label in front of the suffix */
	const char *suffix; /* NULL: the right one */
	const char *unit;
	const char *oids[4];
	gboolean expired;
	gboolean gap; /* leave the intermediate out */
	gboolean other_root;
	gboolean wrong_key; /* the key file is another's */
	gboolean forged; /* names the intermediate as its issuer, but that did not sign it */
} PkiVariant;

static const PkiVariant pki_variants[] = {
	{ .name = "no-oid", .oids = { PV_SIM_X509_OID_SERVER } },
	{ .name = "no-server-auth", .oids = { PV_SIM_X509_OID_PROVISIONING } },
	{ .name = "ou",
	    .unit = "Intel(R) Client Setup Certificate",
	    .oids = { PV_SIM_X509_OID_SERVER } },
	{ .name = "wrong-suffix",
	    .suffix = "wrong.invalid",
	    .oids = { PV_SIM_X509_OID_SERVER, PV_SIM_X509_OID_PROVISIONING } },
	{ .name = "expired",
	    .expired = TRUE,
	    .oids = { PV_SIM_X509_OID_SERVER, PV_SIM_X509_OID_PROVISIONING } },
	{ .name = "gap",
	    .gap = TRUE,
	    .oids = { PV_SIM_X509_OID_SERVER, PV_SIM_X509_OID_PROVISIONING } },
	{ .name = "other-root",
	    .other_root = TRUE,
	    .oids = { PV_SIM_X509_OID_SERVER, PV_SIM_X509_OID_PROVISIONING } },
	{ .name = "forged",
	    .forged = TRUE,
	    .oids = { PV_SIM_X509_OID_SERVER, PV_SIM_X509_OID_PROVISIONING } },
	{ .name = "console", .oids = { PV_SIM_X509_OID_CLIENT, PV_SIM_X509_OID_CONSOLE } },
	{ .name = "console-wrong-suffix",
	    .suffix = "wrong.invalid",
	    .oids = { PV_SIM_X509_OID_CLIENT, PV_SIM_X509_OID_CONSOLE } },
	{ .name = "wrong-key",
	    .wrong_key = TRUE,
	    .oids = { PV_SIM_X509_OID_SERVER, PV_SIM_X509_OID_PROVISIONING } },
};

static gboolean
pki_write_variant(const char *folder, const char *suffix, const PkiVariant *variant,
    const PkiMember *authorities, GError **error)
{
	/* authorities: root, intermediate, other root, other intermediate */
	const PkiMember *root = &authorities[variant->other_root ? 2 : 0];
	const PkiMember *middle = root + 1;
	g_autofree char *common_name =
	    g_strdup_printf("prov.%s", variant->suffix != NULL ? variant->suffix : suffix);
	PvSimX509Spec spec = { .organization = "Provost simulator",
		.unit = variant->unit,
		.common_name = common_name,
		.expired = variant->expired };
	for (guint i = 0; i < G_N_ELEMENTS(spec.oids); i++)
		spec.oids[i] = variant->oids[i];
	g_auto(PkiMember) leaf = { NULL, NULL };
	const PkiMember forger = { authorities[3].key, middle->x509 };
	pki_make(&leaf, &spec, variant->forged ? &forger : middle);
	X509 *const whole[] = { leaf.x509, middle->x509, root->x509 };
	X509 *const gap[] = { leaf.x509, root->x509 };
	const char *chain_name = variant->name == NULL ? "chain.pem" : "-chain.pem";
	const char *name = variant->name == NULL ? "" : variant->name;
	return pki_write_chain(folder, name, chain_name, variant->gap ? gap : whole,
		   variant->gap ? 2 : 3, error) &&
	       pki_write_key(folder, name, variant->name == NULL ? "key.pem" : "-key.pem",
		   variant->wrong_key ? middle->key : leaf.key, error);
}

gboolean
pv_sim_pki_write(const char *folder, const char *suffix, GError **error)
{
	static const PvSimX509Spec specs[] = {
		{ .organization = "Provost simulator",
		    .common_name = "Provisioning Root",
		    .ca = TRUE },
		{ .organization = "Provost simulator",
		    .common_name = "Provisioning Intermediate",
		    .ca = TRUE },
		{ .organization = "Provost simulator", .common_name = "Unknown Root", .ca = TRUE },
		{ .organization = "Provost simulator",
		    .common_name = "Unknown Intermediate",
		    .ca = TRUE },
	};
	static const PkiVariant good = { .oids = { PV_SIM_X509_OID_SERVER,
					     PV_SIM_X509_OID_PROVISIONING } };
	if (g_mkdir_with_parents(folder, 0755) != 0) {
		g_set_error(error, G_IO_ERROR, g_io_error_from_errno(errno), "make folder %s: %s",
		    folder, g_strerror(errno));
		return FALSE;
	}
	PkiMember authorities[4] = { { NULL, NULL } };
	for (guint i = 0; i < G_N_ELEMENTS(authorities); i++)
		pki_make(&authorities[i], &specs[i], i % 2 == 1 ? &authorities[i - 1] : NULL);
	X509 *const root[] = { authorities[0].x509 };
	gboolean written = pki_write_chain(folder, "", "root.pem", root, 1, error) &&
			   pki_write_variant(folder, suffix, &good, authorities, error);
	for (guint i = 0; i < G_N_ELEMENTS(pki_variants) && written; i++)
		written = pki_write_variant(folder, suffix, &pki_variants[i], authorities, error);
	for (guint i = 0; i < G_N_ELEMENTS(authorities); i++)
		pki_member_clear(&authorities[i]);
	return written;
}
