/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/device.h"

#include "sim/audit.h"
#include "sim/kerberos.h"

#include <openssl/evp.h>
#include <openssl/rand.h>
#include <string.h>

#define DEVICE_TRACE_MAX 500
#define DEVICE_SETUP_HOURS 24 /* the period in which set-up may happen (amt/02) */

static void
device_root_free(gpointer data)
{
	pv_sim_root_free(data);
}

void
pv_sim_root_free(PvSimRoot *root)
{
	if (root == NULL)
		return;
	g_free(root->name);
	g_free(root);
}

PvSimRoot *
pv_sim_root_dup(const PvSimRoot *root)
{
	PvSimRoot *copy = g_memdup2(root, sizeof *root);
	copy->name = g_strdup(root->name);
	return copy;
}

const guint8 *
pv_sim_device_root_hash(
    const PvSimDevice *device, const PvSimRoot *root, guint *length, guint *type)
{
	switch (device->switches->root_hash) {
	case PV_SIM_ROOT_SHA1:
		*length = sizeof root->sha1;
		*type = 1;
		return root->sha1;
	case PV_SIM_ROOT_SHA384:
		*length = sizeof root->sha384;
		*type = 3;
		return root->sha384;
	default:
		*length = sizeof root->sha256;
		*type = 2;
		return root->sha256;
	}
}

static void
device_acl_free(gpointer data)
{
	PvSimAclEntry *entry = data;
	g_free(entry->user);
	g_clear_pointer(&entry->sid, g_bytes_unref);
	g_free(entry);
}

static void
device_key_free(gpointer data)
{
	PvSimKey *key = data;
	EVP_PKEY_free(key->key);
	g_bytes_unref(key->der);
	g_free(key);
}

static void
device_certificate_free(gpointer data)
{
	PvSimCertificate *certificate = data;
	X509_free(certificate->x509);
	g_bytes_unref(certificate->der);
	g_free(certificate);
}

static void
device_credential_free(gpointer data)
{
	PvSimCredential *credential = data;
	g_free(credential->user);
	g_free(credential);
}

static void
device_nonce_free(gpointer data)
{
	PvSimNonce *nonce = data;
	g_free(nonce->text);
	g_free(nonce);
}

static void
device_enumeration_free(gpointer data)
{
	PvSimEnumeration *enumeration = data;
	g_free(enumeration->class_name);
	g_free(enumeration);
}

static void
device_trace_free(gpointer data)
{
	PvSimTrace *trace = data;
	g_free(trace->method);
	g_free(trace->user);
	g_free(trace->client);
	g_free(trace);
}

static void
device_clear_tls(PvSimDevice *device)
{
	EVP_PKEY_free(device->tls.key);
	X509_free(device->tls.x509);
	memset(&device->tls, 0, sizeof device->tls);
}

static void
device_random_realm(PvSimDevice *device)
{
	guint8 bytes[16];
	GString *realm = g_string_new("Digest:");
	int made = RAND_bytes(bytes, sizeof bytes);
	g_assert(made == 1);
	for (guint i = 0; i < sizeof bytes; i++)
		g_string_append_printf(realm, "%02X", bytes[i]);
	g_free(device->digest_realm);
	device->digest_realm = g_string_free(realm, FALSE);
}

static char *
device_bag_key(const char *class_name, const char *id)
{
	return id != NULL ? g_strconcat(class_name, "/", id, NULL) : g_strdup(class_name);
}

PvSimInstance *
pv_sim_device_find_bag(const PvSimDevice *device, const char *class_name, const char *id)
{
	g_autofree char *key = device_bag_key(class_name, id);
	return g_hash_table_lookup(device->bags, key);
}

PvSimInstance *
pv_sim_device_bag(PvSimDevice *device, const char *class_name, const char *id)
{
	PvSimInstance *bag = pv_sim_device_find_bag(device, class_name, id);
	if (bag != NULL)
		return bag;
	bag = pv_sim_instance_new(class_name);
	g_hash_table_insert(device->bags, device_bag_key(class_name, id), bag);
	return bag;
}

void
pv_sim_device_remove_bag(PvSimDevice *device, const char *class_name, const char *id)
{
	g_autofree char *key = device_bag_key(class_name, id);
	g_hash_table_remove(device->bags, key);
}

static int
device_compare_keys(gconstpointer a, gconstpointer b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

GPtrArray *
pv_sim_device_list_bags(const PvSimDevice *device, const char *class_name)
{
	g_autofree char *prefix = g_strconcat(class_name, "/", NULL);
	GPtrArray *keys = g_ptr_array_new();
	GHashTableIter iter;
	gpointer key = NULL;
	g_hash_table_iter_init(&iter, device->bags);
	while (g_hash_table_iter_next(&iter, &key, NULL)) {
		if (g_str_has_prefix(key, prefix))
			g_ptr_array_add(keys, key);
	}
	g_ptr_array_sort(keys, device_compare_keys);
	return keys;
}

static void
device_add_system_account(PvSimDevice *device, const char *user, guint realm)
{
	PvSimAclEntry *entry = pv_sim_device_add_acl(device);
	entry->user = g_strdup(user);
	entry->realms = G_GUINT64_CONSTANT(1) << realm;
	int made = RAND_bytes(entry->hash, sizeof entry->hash); /* nobody knows its password */
	g_assert(made == 1);
}

/* Factory values of the instances that AMT has two of (amt/06 section 5) */
static void
device_fill_tls(PvSimDevice *device)
{
	PvSimInstance *remote = pv_sim_device_bag(device, "AMT_TLSSettingData", PV_SIM_TLS_REMOTE);
	pv_sim_instance_set(
	    remote, "Enabled", device->personality->modern_tls_class ? "true" : "false");
	pv_sim_instance_set(remote, "AcceptNonSecureConnections", "false");
	pv_sim_instance_set(remote, "MutualAuthentication", "false");
	PvSimInstance *local = pv_sim_device_bag(device, "AMT_TLSSettingData", PV_SIM_TLS_LOCAL);
	pv_sim_instance_set(local, "Enabled", "false");
	pv_sim_instance_set(local, "AcceptNonSecureConnections", "true");
	pv_sim_instance_set(local, "MutualAuthentication", "false");
	device->tls.enabled = device->personality->modern_tls_class;
}

static void
device_wipe_stores(PvSimDevice *device)
{
	g_ptr_array_set_size(device->acl, 0);
	device_add_system_account(device, "$$uns", 16);
	device_add_system_account(device, "$$osadmin", 24);
	g_ptr_array_set_size(device->keys, 0);
	g_ptr_array_set_size(device->certificates, 0);
	g_ptr_array_set_size(device->credentials, 0);
	g_ptr_array_set_size(device->nonces, 0);
	g_ptr_array_set_size(device->enumerations, 0);
	device->tls_certificate = -1;
	device_clear_tls(device);
	g_hash_table_remove_all(device->bags);
	pv_sim_kerberos_forget(device);
	device_fill_tls(device);
	device->power_scheme = 0;
	device->credential_cache = FALSE;
	device->opt_in_state = 0;
	device->clock_set = FALSE;
	device->busy_seen = 0;
	g_clear_pointer(&device->otp_set, g_free);
	memset(&device->lock, 0, sizeof device->lock);
	g_clear_pointer(&device->built_in_key, EVP_PKEY_free);
	g_clear_pointer(&device->built_in_chain, g_ptr_array_unref);
	device->generation++;
	device->hello_retry = 0;
	device->state = PV_SIM_PRE;
}

void
pv_sim_device_reset(PvSimDevice *device)
{
	device_random_realm(device);
	device_wipe_stores(device);
	/* whether the logs outlive an unprovision is not established */
	g_clear_pointer(&device->audit, g_ptr_array_unref);
	g_clear_pointer(&device->events, g_array_unref);
	g_free(device->admin_user);
	device->admin_user = g_strdup("admin");
	pv_sim_device_hash(device, "admin", device->switches->admin_password, device->admin_hash);
	device->admin_default = strcmp(device->switches->admin_password, "admin") == 0;
	g_free(device->mebx_password);
	device->mebx_password = g_strdup(device->switches->mebx_password);
	device->mebx_default = strcmp(device->switches->mebx_password, "admin") == 0;
	device->clock_offset_sec = 0;
	g_free(device->pid);
	g_free(device->pps);
	device->pid = g_strdup(device->switches->pid);
	device->pps = g_strdup(device->switches->pps);
}

void
pv_sim_device_unprovision(PvSimDevice *device)
{
	pv_sim_device_reset(device);
	*device->pid = *device->pps = '\0';
}

gboolean
pv_sim_device_has_psk(const PvSimDevice *device)
{
	return device->personality->version < PV_SIM_PSK_UNTIL && *device->pid != '\0' &&
	       *device->pps != '\0';
}

void
pv_sim_device_reset_partly(PvSimDevice *device)
{
	PvSimInstance *general = pv_sim_device_bag(device, "AMT_GeneralSettings", NULL);
	g_autofree char *host = g_strdup(pv_sim_instance_get(general, "HostName"));
	g_autofree char *domain = g_strdup(pv_sim_instance_get(general, "DomainName"));
	device_wipe_stores(device);
	general = pv_sim_device_bag(device, "AMT_GeneralSettings", NULL);
	pv_sim_instance_set(general, "HostName", host);
	pv_sim_instance_set(general, "DomainName", domain);
}

void
pv_sim_device_lose_power(PvSimDevice *device)
{
	g_ptr_array_set_size(device->nonces, 0);
	g_ptr_array_set_size(device->enumerations, 0);
	memset(&device->lock, 0, sizeof device->lock);
	pv_sim_kerberos_forget(device);
	device->message = 0;
	device->busy_seen = 0;
	device->generation++;
}

gboolean
pv_sim_device_start(PvSimDevice *device, const char *otp)
{
	if (device->state != PV_SIM_PRE)
		return FALSE;
	const char *secret = otp != NULL ? otp : device->switches->otp;
	g_free(device->otp_set);
	device->otp_set = *secret != '\0' ? g_strdup(secret) : NULL;
	device->state = PV_SIM_IN;
	device->setup_usec = g_get_monotonic_time();
	device->setup_hours = DEVICE_SETUP_HOURS;
	device->hello_retry = 0;
	pv_sim_audit_started(device);
	return TRUE;
}

static gboolean
device_take_tls(PvSimDevice *device)
{
	const PvSimInstance *remote =
	    pv_sim_device_bag(device, "AMT_TLSSettingData", PV_SIM_TLS_REMOTE);
	PvSimTls wanted = {
		.enabled = pv_sim_instance_get_bool(remote, "Enabled"),
		.mutual = pv_sim_instance_get_bool(remote, "MutualAuthentication"),
		.accept_plain = pv_sim_instance_get_bool(remote, "AcceptNonSecureConnections"),
	};
	const PvSimCertificate *certificate =
	    device->tls_certificate >= 0
		? pv_sim_device_find_certificate(device, (guint)device->tls_certificate)
		: NULL;
	const PvSimKey *key =
	    certificate != NULL ? pv_sim_device_find_key_of(device, certificate->x509) : NULL;
	if (key != NULL) {
		wanted.key = key->key;
		wanted.x509 = certificate->x509;
	}
	gboolean same = wanted.enabled == device->tls.enabled &&
			wanted.mutual == device->tls.mutual &&
			wanted.accept_plain == device->tls.accept_plain &&
			wanted.key == device->tls.key && wanted.x509 == device->tls.x509;
	if (same)
		return FALSE;
	if (wanted.key != NULL) {
		EVP_PKEY_up_ref(wanted.key);
		X509_up_ref(wanted.x509);
	}
	device_clear_tls(device);
	device->tls = wanted;
	return TRUE;
}

gboolean
pv_sim_device_commit(PvSimDevice *device)
{
	gboolean restart = device_take_tls(device) || device->state == PV_SIM_IN;
	device->state = PV_SIM_POST;
	device->counters.commits++;
	if (restart)
		device->generation++;
	return restart;
}

void
pv_sim_device_force_post(PvSimDevice *device)
{
	(void)pv_sim_device_start(
	    device, NULL); /* the answer does not matter: POST comes next from any state */
	(void)device_take_tls(device); /* no stack runs yet that would have to restart */
	device->clock_set = TRUE;
	device->state = PV_SIM_POST;
	device->generation++;
}

gint64
pv_sim_device_time(const PvSimDevice *device)
{
	return g_get_real_time() / G_USEC_PER_SEC + device->clock_offset_sec;
}

const char *
pv_sim_device_suffix(const PvSimDevice *device)
{
	const char *trusted = device->switches->trusted_suffix;
	return *trusted != '\0' ? trusted : device->switches->dhcp_suffix;
}

void
pv_sim_device_hash(const PvSimDevice *device, const char *user, const char *password,
    guint8 hash[PV_SIM_HASH_BYTES])
{
	g_autofree char *text = g_strdup_printf("%s:%s:%s", user, device->digest_realm, password);
	int made = EVP_Digest(text, strlen(text), hash, NULL, EVP_md5(), NULL);
	g_assert(made == 1);
}

gboolean
pv_sim_device_check_password(const PvSimDevice *device, const char *user, const char *password)
{
	guint8 hash[PV_SIM_HASH_BYTES];
	pv_sim_device_hash(device, user, password, hash);
	if (strcmp(user, device->admin_user) == 0)
		return memcmp(hash, device->admin_hash, sizeof hash) == 0;
	const PvSimAclEntry *entry = pv_sim_device_find_user(device, user);
	return entry != NULL && memcmp(hash, entry->hash, sizeof hash) == 0;
}

gboolean
pv_sim_password_is_strong(const char *password)
{
	gboolean digit = FALSE, lower = FALSE, upper = FALSE, other = FALSE;
	gsize length = strlen(password);
	if (length < 8 || length > 32)
		return FALSE;
	for (const char *c = password; *c != '\0'; c++) {
		if (*c < 32 || *c > 126 || *c == ':' || *c == ',' || *c == '"')
			return FALSE;
		if (g_ascii_isdigit(*c))
			digit = TRUE;
		else if (g_ascii_islower(*c))
			lower = TRUE;
		else if (g_ascii_isupper(*c))
			upper = TRUE;
		else if (*c != '_')
			other = TRUE;
	}
	return digit && lower && upper && other;
}

PvSimAclEntry *
pv_sim_device_find_acl(const PvSimDevice *device, guint handle)
{
	for (guint i = 0; i < device->acl->len; i++) {
		PvSimAclEntry *entry = device->acl->pdata[i];
		if (entry->handle == handle)
			return entry;
	}
	return NULL;
}

PvSimAclEntry *
pv_sim_device_find_user(const PvSimDevice *device, const char *user)
{
	for (guint i = 0; i < device->acl->len; i++) {
		PvSimAclEntry *entry = device->acl->pdata[i];
		if (g_strcmp0(entry->user, user) == 0)
			return entry;
	}
	return NULL;
}

static gboolean
device_is_entry_of(const PvSimAclEntry *entry, const PvSimUser *user)
{
	if (!entry->enabled || entry->permission == 0) /* 0: local access only */
		return FALSE;
	if (user->sids == NULL)
		return g_strcmp0(entry->user, user->name) == 0;
	for (guint i = 0; i < user->sids->len; i++) {
		if (entry->sid != NULL && g_bytes_equal(entry->sid, user->sids->pdata[i]))
			return TRUE;
	}
	return FALSE;
}

guint64
pv_sim_device_find_realms(const PvSimDevice *device, const PvSimUser *user)
{
	if (user == NULL || (user->sids == NULL && strcmp(user->name, device->admin_user) == 0))
		return G_MAXUINT64;
	/* of several groups all count; whether firmware takes the first is not established */
	guint64 realms = 0;
	for (guint i = 0; i < device->acl->len; i++) {
		const PvSimAclEntry *entry = device->acl->pdata[i];
		if (device_is_entry_of(entry, user))
			realms |= entry->realms;
	}
	return realms;
}

void
pv_sim_user_free(PvSimUser *user)
{
	if (user == NULL)
		return;
	g_free(user->name);
	g_clear_pointer(&user->sids, g_ptr_array_unref);
	g_free(user);
}

PvSimAclEntry *
pv_sim_device_add_acl(PvSimDevice *device)
{
	PvSimAclEntry *entry = g_new0(PvSimAclEntry, 1);
	entry->handle = 1;
	entry->enabled = TRUE;
	guint at = 0;
	for (; at < device->acl->len &&
	       ((PvSimAclEntry *)device->acl->pdata[at])->handle == entry->handle;
	     at++)
		entry->handle++;
	g_ptr_array_insert(device->acl, (int)at, entry);
	return entry;
}

PvSimKey *
pv_sim_device_find_key(const PvSimDevice *device, guint handle)
{
	for (guint i = 0; i < device->keys->len; i++) {
		PvSimKey *key = device->keys->pdata[i];
		if (key->handle == handle)
			return key;
	}
	return NULL;
}

PvSimKey *
pv_sim_device_find_key_of(const PvSimDevice *device, X509 *x509)
{
	for (guint i = 0; i < device->keys->len; i++) {
		PvSimKey *key = device->keys->pdata[i];
		if (X509_get0_pubkey(x509) != NULL &&
		    EVP_PKEY_eq(key->key, X509_get0_pubkey(x509)) == 1)
			return key;
	}
	return NULL;
}

PvSimCertificate *
pv_sim_device_find_certificate(const PvSimDevice *device, guint handle)
{
	for (guint i = 0; i < device->certificates->len; i++) {
		PvSimCertificate *certificate = device->certificates->pdata[i];
		if (certificate->handle == handle)
			return certificate;
	}
	return NULL;
}

PvSimKey *
pv_sim_device_add_key(PvSimDevice *device, EVP_PKEY *key, gboolean generated)
{
	PvSimKey *entry = g_new0(PvSimKey, 1);
	unsigned char *der = NULL;
	int length = i2d_PublicKey(key, &der);
	g_assert(length > 0); /* it is an RSA key */
	entry->key = key;
	entry->der = g_bytes_new(der, (gsize)length);
	entry->generated = generated;
	OPENSSL_free(der);
	guint at = 0;
	for (; at < device->keys->len &&
	       ((PvSimKey *)device->keys->pdata[at])->handle == entry->handle;
	     at++)
		entry->handle++;
	g_ptr_array_insert(device->keys, (int)at, entry);
	return entry;
}

PvSimCertificate *
pv_sim_device_add_certificate(PvSimDevice *device, X509 *x509, gboolean trusted_root)
{
	PvSimCertificate *entry = g_new0(PvSimCertificate, 1);
	unsigned char *der = NULL;
	int length = i2d_X509(x509, &der);
	g_assert(length > 0); /* it was parsed from DER */
	entry->x509 = x509;
	entry->der = g_bytes_new(der, (gsize)length);
	entry->trusted_root = trusted_root;
	OPENSSL_free(der);
	guint at = 0;
	for (; at < device->certificates->len &&
	       ((PvSimCertificate *)device->certificates->pdata[at])->handle == entry->handle;
	     at++)
		entry->handle++;
	g_ptr_array_insert(device->certificates, (int)at, entry);
	return entry;
}

static void
device_add_credential(PvSimDevice *device, const char *user, int handle, gboolean root)
{
	if (handle < 0)
		return;
	PvSimCredential *credential = g_new0(PvSimCredential, 1);
	credential->user = g_strdup(user);
	credential->handle = (guint)handle;
	credential->root = root;
	g_ptr_array_add(device->credentials, credential);
}

void
pv_sim_device_set_credentials(PvSimDevice *device, const char *user, int client, int root)
{
	for (guint i = device->credentials->len; i > 0; i--) {
		const PvSimCredential *credential = device->credentials->pdata[i - 1];
		if (g_strcmp0(credential->user, user) == 0)
			g_ptr_array_remove_index(device->credentials, i - 1);
	}
	device_add_credential(device, user, client, FALSE);
	device_add_credential(device, user, root, TRUE);
}

int
pv_sim_device_find_credential(const PvSimDevice *device, const char *user, gboolean root)
{
	for (guint i = 0; i < device->credentials->len; i++) {
		const PvSimCredential *credential = device->credentials->pdata[i];
		if (credential->root == root && g_strcmp0(credential->user, user) == 0)
			return (int)credential->handle;
	}
	return -1;
}

/* While TLS is mutual, one root must stay: nobody could log in again without it */
static gboolean
device_needs_root(const PvSimDevice *device, const PvSimCertificate *certificate)
{
	guint roots = 0;
	for (guint i = 0; i < device->certificates->len; i++)
		roots += ((const PvSimCertificate *)device->certificates->pdata[i])->trusted_root
			     ? 1
			     : 0;
	return certificate->trusted_root && roots == 1 && device->tls.mutual;
}

const char *
pv_sim_device_find_use(const PvSimDevice *device, const PvSimCertificate *certificate)
{
	if (device_needs_root(device, certificate))
		return "mutual TLS";
	if (device->tls_certificate == (int)certificate->handle ||
	    device->tls.x509 == certificate->x509)
		return "TLS";
	for (guint i = 0; i < device->credentials->len; i++) {
		const PvSimCredential *credential = device->credentials->pdata[i];
		if (credential->handle == certificate->handle)
			return credential->user != NULL ? "wireless 802.1X" : "wired 802.1X";
	}
	return NULL;
}

void
pv_sim_device_trace(PvSimDevice *device, PvSimTrace *trace)
{
	g_queue_push_tail(&device->trace, trace);
	if (g_queue_get_length(&device->trace) > DEVICE_TRACE_MAX)
		device_trace_free(g_queue_pop_head(&device->trace));
	guint count =
	    GPOINTER_TO_UINT(g_hash_table_lookup(device->counters.methods, trace->method));
	/* names of methods come from outside: a bound on how many are counted one by one */
	if (count > 0 || g_hash_table_size(device->counters.methods) < 512)
		g_hash_table_insert(
		    device->counters.methods, g_strdup(trace->method), GUINT_TO_POINTER(count + 1));
}

/* The UUID as text swaps the first three fields (amt/02) */
static char *
device_uuid_text(const guint8 *u)
{
	return g_strdup_printf(
	    "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", u[3], u[2],
	    u[1], u[0], u[5], u[4], u[7], u[6], u[8], u[9], u[10], u[11], u[12], u[13], u[14],
	    u[15]);
}

PvSimDevice *
pv_sim_device_new(const PvSimDeviceConfig *config)
{
	PvSimDevice *device = g_new0(PvSimDevice, 1);
	device->index = config->index;
	device->name = g_strdup(config->name);
	device->fqdn = g_strdup(config->fqdn);
	device->address = g_strdup(config->address);
	memcpy(device->uuid, config->uuid, sizeof device->uuid);
	device->uuid_text = device_uuid_text(device->uuid);
	g_snprintf(device->mac, sizeof device->mac, "02-%02x-%02x-%02x-%02x-%02x", device->uuid[11],
	    device->uuid[12], device->uuid[13], device->uuid[14], device->uuid[15]);
	device->wireless_address = g_strdup(config->wireless_address);
	g_snprintf(device->wireless_mac, sizeof device->wireless_mac, "06%s", device->mac + 2);
	device->personality = config->personality;
	device->keys_pool = config->keys;
	device->switches = pv_sim_switches_dup(config->switches);
	device->roots = g_ptr_array_new_with_free_func(device_root_free);
	for (guint i = 0; i < config->roots->len; i++)
		g_ptr_array_add(device->roots, pv_sim_root_dup(config->roots->pdata[i]));
	device->acl = g_ptr_array_new_with_free_func(device_acl_free);
	device->keys = g_ptr_array_new_with_free_func(device_key_free);
	device->certificates = g_ptr_array_new_with_free_func(device_certificate_free);
	device->credentials = g_ptr_array_new_with_free_func(device_credential_free);
	device->nonces = g_ptr_array_new_with_free_func(device_nonce_free);
	device->enumerations = g_ptr_array_new_with_free_func(device_enumeration_free);
	device->bags = g_hash_table_new_full(
	    g_str_hash, g_str_equal, g_free, (GDestroyNotify)pv_sim_instance_free);
	device->counters.methods = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	g_queue_init(&device->trace);
	pv_sim_device_reset(device);
	return device;
}

void
pv_sim_device_free(PvSimDevice *device)
{
	if (device == NULL)
		return;
	device_clear_tls(device);
	g_clear_pointer(&device->built_in_key, EVP_PKEY_free);
	g_clear_pointer(&device->built_in_chain, g_ptr_array_unref);
	g_clear_pointer(&device->audit, g_ptr_array_unref);
	g_clear_pointer(&device->events, g_array_unref);
	g_ptr_array_unref(device->roots);
	g_ptr_array_unref(device->acl);
	g_ptr_array_unref(device->keys);
	g_ptr_array_unref(device->certificates);
	g_ptr_array_unref(device->credentials);
	g_ptr_array_unref(device->nonces);
	g_ptr_array_unref(device->enumerations);
	g_hash_table_unref(device->bags);
	g_hash_table_unref(device->counters.methods);
	g_queue_clear_full(&device->trace, device_trace_free);
	pv_sim_switches_free(device->switches);
	g_free(device->name);
	g_free(device->fqdn);
	g_free(device->address);
	g_free(device->uuid_text);
	g_free(device->digest_realm);
	g_free(device->admin_user);
	g_free(device->mebx_password);
	g_free(device->wireless_address);
	g_free(device->air);
	g_free(device->otp_set);
	g_free(device->pid);
	g_free(device->pps);
	g_free(device->last_refusal);
	g_free(device->negotiate);
	g_free(device->last_user);
	pv_sim_kerberos_forget(device);
	g_free(device);
}
