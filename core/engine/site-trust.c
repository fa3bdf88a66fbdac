/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/engine/site.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

/* Whom the site's certificates chain to. A CA may be far away or down while the devices it served have to be managed, so
 * its chain is asked for at first need, kept in the store, and asked for again once a day. */

#define TRUST_REFRESH_USEC (G_GINT64_CONSTANT(24) * 3600 * G_USEC_PER_SEC)
#define TRUST_RETRY_USEC (G_GINT64_CONSTANT(300) * G_USEC_PER_SEC)
#define TRUST_LOOK_USEC (G_USEC_PER_SEC / 10)
#define TRUST_MAX_CERTIFICATES 64
#define TRUST_MAX_FILE_BYTES (1024 * 1024)

struct PvSiteTrust {
	GMutex mutex; /* guards what follows */
	PvTrust *trust; /* NULL: not needed yet */
	GPtrArray *chain; /* of GBytes DER: what trust was made of, but for the files */
	gint64 next_usec; /* monotonic: when the CA is asked again */
	GCond answered;
	gboolean asking; /* somebody asks the CA, without the mutex */
	guint asked; /* how often it was; wraps */
	guint waiting; /* how many wait for the answer */
	GError *failure; /* of the last time; NULL: none */
	char *name; /* of the kept chain in the store; another one for another "ca" object */
};

static gboolean
trust_has(GPtrArray *chain, GBytes *der)
{
	for (guint i = 0; i < chain->len; i++)
		if (g_bytes_equal(chain->pdata[i], der))
			return TRUE;
	return FALSE;
}

static void
trust_merge(GPtrArray *chain, GPtrArray *more)
{
	for (guint i = 0; more != NULL && i < more->len; i++)
		if (!trust_has(chain, more->pdata[i]) && chain->len < TRUST_MAX_CERTIFICATES)
			g_ptr_array_add(chain, g_bytes_ref(more->pdata[i]));
}

/* One DER structure after the other, as they are kept. */
static GPtrArray *
trust_parse(const guint8 *data, gsize length)
{
	GPtrArray *chain = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	const guint8 *at = data, *end = data + length;
	while (at < end && chain->len < TRUST_MAX_CERTIFICATES) {
		const guint8 *next = at;
		X509 *certificate = d2i_X509(NULL, &next, end - at);
		if (certificate == NULL)
			break;
		X509_free(certificate);
		g_ptr_array_add(chain, g_bytes_new(at, (gsize)(next - at)));
		at = next;
	}
	ERR_clear_error();
	return chain;
}

/* NULL: none is kept, or it cannot be read */
static GPtrArray *
trust_load_kept(PvSite *site)
{
	if (!pv_db_has_secret(site->db, "", site->trust->name, "current"))
		return NULL;
	g_autoptr(PvSecret) kept =
	    pv_db_dup_secret(site->db, "", site->trust->name, "current", NULL);
	if (kept == NULL)
		return NULL;
	gsize length = 0;
	const char *data = pv_secret_peek(kept, &length);
	g_autoptr(GPtrArray) chain = trust_parse((const guint8 *)data, length);
	return chain->len == 0 ? NULL : g_steal_pointer(&chain);
}

/* Sealed, for whoever could change it could have us trust any device. */
static void
trust_keep(PvSite *site, GPtrArray *chain)
{
	g_autoptr(GByteArray) joined = g_byte_array_new();
	for (guint i = 0; i < chain->len; i++) {
		gsize size = 0;
		const guint8 *data = g_bytes_get_data(chain->pdata[i], &size);
		g_byte_array_append(joined, data, (guint)size);
	}
	g_autoptr(PvSecret) value = pv_secret_new(joined->data, (gssize)joined->len);
	g_autoptr(PvSecret) kept =
	    pv_db_has_secret(site->db, "", site->trust->name, "current")
		? pv_db_dup_secret(site->db, "", site->trust->name, "current", NULL)
		: NULL;
	g_autoptr(GError) error = NULL;
	if (!pv_secret_equal(kept, value) &&
	    !pv_db_put_secret(site->db, "", site->trust->name, "current", value, &error))
		g_warning("keep the chain of the ca: %s", error->message);
}

static GPtrArray *
trust_load_file(const char *path, GError **error)
{
	g_autoptr(GPtrArray) found =
	    g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_autofree char *text = NULL;
	gsize length = 0;
	if (!g_file_get_contents(path, &text, &length, error))
		return NULL;
	BIO *bio = length > TRUST_MAX_FILE_BYTES ? NULL : BIO_new_mem_buf(text, (int)length);
	for (X509 *one = NULL; bio != NULL && found->len < TRUST_MAX_CERTIFICATES &&
			       (one = PEM_read_bio_X509(bio, NULL, NULL, NULL)) != NULL;) {
		unsigned char *der = NULL;
		int size = i2d_X509(one, &der);
		if (size > 0)
			g_ptr_array_add(found, g_bytes_new(der, (gsize)size));
		OPENSSL_free(der);
		X509_free(one);
	}
	BIO_free(bio);
	ERR_clear_error();
	if (found->len > 0)
		return g_steal_pointer(&found);
	g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "%s: no certificate in PEM in it", path);
	return NULL;
}

static PvTrust *
trust_build(PvSite *site, GPtrArray *chain, GError **error)
{
	g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	trust_merge(all, chain);
	for (guint i = 0; i < pv_values_get_count(site->values, "trust"); i++) {
		const PvValues *entry = pv_values_get_object(site->values, "trust", i);
		g_autoptr(GPtrArray) more =
		    trust_load_file(pv_values_get_string(entry, "file"), error);
		if (more == NULL) {
			g_prefix_error(error, "%s: ", pv_values_get_where(entry, "file"));
			return NULL;
		}
		trust_merge(all, more);
	}
	return pv_trust_new(all, error);
}

/* The chain as the CA told it, else as it was kept; under the mutex. @told: NULL: it told none, and why is in @untold. */
static GPtrArray *
trust_join(PvSite *site, GPtrArray *told, const GError *untold, GError **error)
{
	g_autoptr(GPtrArray) kept = trust_load_kept(site);
	if (told != NULL) {
		/* intermediates that came with answers stay; a root that the CA has left does not */
		g_autoptr(GPtrArray) all =
		    g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
		trust_merge(all, told);
		for (guint i = 0; kept != NULL && i < kept->len; i++)
			if (!pv_der_is_self_issued(kept->pdata[i]) && !trust_has(all, kept->pdata[i]))
				g_ptr_array_add(all, g_bytes_ref(kept->pdata[i]));
		return g_steal_pointer(&all);
	}
	if (kept != NULL) {
		g_message("the CA does not tell its chain, the kept one is used: %s", untold->message);
		return g_steal_pointer(&kept);
	}
	g_propagate_prefixed_error(error, g_error_copy(untold), "%s: ask CA %s for its chain: ",
	    site->file, site->ca->type);
	return NULL;
}

/* Under the mutex. @told: as in trust_join(); both NULL: the site has no CA */
static gboolean
trust_refresh(PvSite *site, GPtrArray *told, const GError *untold, GError **error)
{
	PvSiteTrust *own = site->trust;
	g_autoptr(GPtrArray) chain =
	    site->ca != NULL ? trust_join(site, told, untold, error)
			     : g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	if (chain == NULL)
		return FALSE;
	g_autoptr(PvTrust) trust = trust_build(site, chain, error);
	if (trust == NULL) {
		g_prefix_error(error, "%s: trust: ", site->file);
		return FALSE;
	}
	if (told != NULL)
		trust_keep(site, chain);
	pv_trust_unref(own->trust);
	own->trust = g_steal_pointer(&trust);
	g_clear_pointer(&own->chain, g_ptr_array_unref);
	own->chain = g_steal_pointer(&chain);
	return TRUE;
}

/* For those who come while the CA is asked for the first time: what it told before. Under the mutex. */
static void
trust_use_kept(PvSite *site)
{
	PvSiteTrust *own = site->trust;
	if (own->trust != NULL || site->ca == NULL)
		return;
	own->chain = trust_load_kept(site);
	own->trust = own->chain != NULL ? trust_build(site, own->chain, NULL) : NULL;
	if (own->trust == NULL)
		g_clear_pointer(&own->chain, g_ptr_array_unref);
}

/* The mutex is held, but not while the CA is asked: one that hangs must stop only whoever asks it. */
static void
trust_ask(PvSite *site, GCancellable *cancellable)
{
	PvSiteTrust *own = site->trust;
	g_autoptr(GError) untold = NULL;
	own->asking = TRUE;
	trust_use_kept(site);
	g_mutex_unlock(&own->mutex);
	g_autoptr(GPtrArray) told =
	    site->ca != NULL ? site->ca->chain(site->ca_handle, cancellable, &untold) : NULL;
	g_mutex_lock(&own->mutex);
	g_clear_error(&own->failure);
	gboolean good = trust_refresh(site, told, untold, &own->failure);
	gboolean fresh = good && (told != NULL || site->ca == NULL);
	own->next_usec =
	    g_get_monotonic_time() + (fresh ? TRUST_REFRESH_USEC : TRUST_RETRY_USEC);
	own->asking = FALSE;
	own->asked++;
	g_cond_broadcast(&own->answered);
}

/* Until whoever asks has an answer. FALSE: this one was cancelled. */
static gboolean
trust_wait(PvSiteTrust *own, GCancellable *cancellable, GError **error)
{
	guint asked = own->asked;
	gboolean cancelled = FALSE;
	own->waiting++;
	while (own->asking && own->asked == asked && !cancelled) {
		(void)g_cond_wait_until(&own->answered, &own->mutex,
		    g_get_monotonic_time() + TRUST_LOOK_USEC); /* either way it is looked at again */
		cancelled = g_cancellable_set_error_if_cancelled(cancellable, error);
	}
	own->waiting--;
	return !cancelled;
}

/* Under the mutex: own->trust is there, or own->failure says why not. FALSE: this one was cancelled. */
static gboolean
trust_need(PvSite *site, GCancellable *cancellable, GError **error)
{
	PvSiteTrust *own = site->trust;
	while (own->trust == NULL || (!own->asking && g_get_monotonic_time() >= own->next_usec)) {
		gboolean other = own->asking;
		if (!other)
			trust_ask(site, cancellable);
		else if (!trust_wait(own, cancellable, error))
			return FALSE;
		/* that the other one was cancelled is no answer for this one */
		if (!other || !g_error_matches(own->failure, G_IO_ERROR, G_IO_ERROR_CANCELLED))
			return TRUE;
	}
	return TRUE;
}

PvSiteTrust *
pv_site_trust_new(PvSite *site)
{
	if (site->ca == NULL && pv_values_get_count(site->values, "trust") == 0)
		return NULL;
	PvSiteTrust *own = g_new0(PvSiteTrust, 1);
	g_mutex_init(&own->mutex);
	g_cond_init(&own->answered);
	JsonNode *object = pv_json_find(site->json, "$.ca");
	g_autofree char *text = object == NULL ? g_strdup("") : json_to_string(object, FALSE);
	g_autofree char *digest = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, -1);
	own->name = g_strdup_printf("ca-chain.%.16s", digest);
	return own;
}

PvSiteTrust *
pv_site_trust_new_fixed(PvTrust *trust)
{
	PvSiteTrust *own = g_new0(PvSiteTrust, 1);
	g_mutex_init(&own->mutex);
	g_cond_init(&own->answered);
	own->trust = pv_trust_ref(trust);
	own->next_usec = G_MAXINT64;
	return own;
}

void
pv_site_trust_free(PvSiteTrust *own)
{
	if (own == NULL)
		return;
	pv_trust_unref(own->trust);
	g_clear_pointer(&own->chain, g_ptr_array_unref);
	g_free(own->name);
	g_clear_error(&own->failure);
	g_cond_clear(&own->answered);
	g_mutex_clear(&own->mutex);
	g_free(own);
}

gboolean
pv_site_dup_trust(PvSite *site, PvTrust **trust, GCancellable *cancellable, GError **error)
{
	*trust = NULL;
	PvSiteTrust *own = site->trust;
	if (own == NULL)
		return TRUE;
	g_mutex_lock(&own->mutex);
	gboolean waited = trust_need(site, cancellable, error);
	if (waited && own->trust != NULL)
		*trust = pv_trust_ref(own->trust);
	else if (waited)
		g_propagate_error(error, g_error_copy(own->failure));
	g_mutex_unlock(&own->mutex);
	return *trust != NULL;
}

guint
pv_site_trust_count_waiting(PvSiteTrust *own)
{
	g_mutex_lock(&own->mutex);
	guint waiting = own->waiting;
	g_mutex_unlock(&own->mutex);
	return waiting;
}

void
pv_site_learn_chain(PvSite *site, GPtrArray *chain)
{
	PvSiteTrust *own = site->trust;
	if (own == NULL || site->ca == NULL)
		return;
	g_mutex_lock(&own->mutex);
	g_autoptr(GPtrArray) all = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	trust_merge(all, own->chain);
	guint before = all->len;
	for (guint i = 0; chain != NULL && own->trust != NULL && i < chain->len; i++)
		if (!pv_der_is_self_issued(chain->pdata[i]) && !trust_has(all, chain->pdata[i]) &&
		    all->len < TRUST_MAX_CERTIFICATES)
			g_ptr_array_add(all, g_bytes_ref(chain->pdata[i]));
	g_autoptr(PvTrust) trust = all->len > before ? trust_build(site, all, NULL) : NULL;
	if (trust != NULL) {
		trust_keep(site, all);
		pv_trust_unref(own->trust);
		own->trust = g_steal_pointer(&trust);
		g_clear_pointer(&own->chain, g_ptr_array_unref);
		own->chain = g_steal_pointer(&all);
	}
	g_mutex_unlock(&own->mutex);
}
