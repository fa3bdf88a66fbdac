/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a fault script does to a device and to its answers */
#include "sim/fault-run.h"

#include "sim/network.h"
#include "sim/x509.h"

/* A key pair and its certificate, signed by itself as a small product's are */
static PvSimCertificate *
fault_add_certificate(PvSimDevice *device, const char *name, gboolean root)
{
	const PvSimX509Spec spec = {
		.organization = "Former Management Ltd",
		.common_name = name,
		.oids = { root ? NULL : PV_SIM_X509_OID_SERVER, NULL },
		.ca = root,
	};
	EVP_PKEY *key = pv_sim_keys_take(device->keys_pool);
	X509 *x509 = pv_sim_x509_make(&spec, key, NULL, key);
	PvSimCertificate *certificate = pv_sim_device_add_certificate(device, x509, root);
	if (root)
		EVP_PKEY_free(key); /* a root's key never was in the device */
	else
		(void)pv_sim_device_add_key(device, key, FALSE); /* found by its certificate */
	return certificate;
}

static void
fault_add_entry(PvSimDevice *device, const char *user, GBytes *sid)
{
	PvSimAclEntry *entry = pv_sim_device_add_acl(device);
	entry->user = g_strdup(user);
	entry->sid = sid;
	entry->permission = 2;
	entry->realms = G_GUINT64_CONSTANT(1) << PV_SIM_REALM_ADMIN;
	if (user != NULL)
		pv_sim_device_hash(device, user, "Former-Pr0duct!", entry->hash);
}

/* WPA2 with a passphrase and CCMP (amt/08 section 2); the priority is one that other profiles seldom have */
static void
fault_add_profile(PvSimDevice *device)
{
	static const char id[] = "Intel(r) AMT:WiFi Endpoint Settings former";
	PvSimInstance *profile = pv_sim_device_bag(device, "CIM_WiFiEndpointSettings", id);
	pv_sim_instance_set(profile, "AuthenticationMethod", "6");
	pv_sim_instance_set(profile, "ElementName", "former");
	pv_sim_instance_set(profile, "EncryptionMethod", "4");
	pv_sim_instance_set(profile, "InstanceID", id);
	pv_sim_instance_set(profile, "PSKPassPhrase", "former passphrase");
	pv_sim_instance_set(profile, "Priority", "200");
	pv_sim_instance_set(profile, "SSID", "former-net");
}

/* What another product that did not clean up leaves behind: all of it counts against the tables' limits, the TLS
 * binding is in use, and the second key pair has no certificate */
static void
fault_add_leftovers(PvSimDevice *device)
{
	/* S-1-5-21-1-2-3-1000 */
	static const guint8 sid[] = { 1, 5, 0, 0, 0, 0, 0, 5, 21, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0,
		3, 0, 0, 0, 0xE8, 3, 0, 0 };
	const PvSimCertificate *own =
	    fault_add_certificate(device, "former.example.invalid", FALSE);
	fault_add_certificate(device, "Former Management Root", TRUE);
	(void)pv_sim_device_add_key(device, pv_sim_keys_take(device->keys_pool),
	    TRUE); /* nobody refers to it: that is the point */
	device->tls_certificate = (int)own->handle;
	PvSimInstance *remote = pv_sim_device_bag(device, "AMT_TLSSettingData", PV_SIM_TLS_REMOTE);
	pv_sim_instance_set(remote, "Enabled", "true");
	if (pv_sim_wireless_exists(device))
		fault_add_profile(device);
	fault_add_entry(device, "former", NULL);
	fault_add_entry(device, NULL, g_bytes_new_static(sid, sizeof sid));
}

void
pv_sim_fault_change_device(PvSimDevice *device, const PvSimFault *fault)
{
	switch (fault->action) {
	case PV_SIM_DO_CLOCK_JUMP:
		device->clock_offset_sec += fault->sec;
		break;
	case PV_SIM_DO_LEFTOVERS:
		fault_add_leftovers(device);
		break;
	case PV_SIM_DO_POWER_LOSS:
		pv_sim_device_lose_power(device);
		break;
	case PV_SIM_DO_RESET:
		pv_sim_device_reset(device);
		if (fault->state == PV_SIM_IN)
			(void)pv_sim_device_start(device, NULL); /* it is in PRE */
		else if (fault->state == PV_SIM_POST)
			pv_sim_device_force_post(device);
		break;
	default: /* changes nothing in the device */
		break;
	}
}

/* The last @text in @body, or -1 */
static gssize
fault_find_last(const GString *body, const char *text)
{
	const char *found = g_strrstr_len(body->str, (gssize)body->len, text);
	return found != NULL ? found - body->str : -1;
}

/* Puts blanks at @at until there are @bytes */
static void
fault_fill(GString *body, gssize at, gint64 bytes)
{
	if (bytes <= (gint64)body->len)
		return;
	g_autofree char *blanks = g_strnfill((gsize)bytes - body->len, ' ');
	g_string_insert(body, at, blanks);
}

void
pv_sim_fault_spoil_answer(GString *body, const PvSimFault *fault)
{
	gssize end = fault_find_last(body, "</");
	gssize at = fault_find_last(body, "RelatesTo>");
	switch (fault->action) {
	case PV_SIM_DO_MALFORMED: /* the outermost element is closed under another name */
		g_assert(end >= 0); /* every answer of ours is an envelope */
		g_string_insert(body, end + 2, "x");
		break;
	case PV_SIM_DO_HUGE: /* blanks are allowed between elements */
		fault_fill(body, end, fault->bytes);
		break;
	case PV_SIM_DO_WRONG_RELATES_TO:
		g_assert(at >= 0); /* every answer names its request */
		while (at > 0 && body->str[at] != '<') /* from the closing tag to its start */
			at--;
		g_string_insert(body, at, "9");
		break;
	default: /* the XML stays as it is */
		break;
	}
}

void
pv_sim_faults_start(PvSimDevice *device)
{
	for (guint i = 0; i < device->switches->faults->len; i++) {
		PvSimFault *fault = device->switches->faults->pdata[i];
		if (fault->first > 0 || fault->fired > 0)
			continue;
		pv_sim_fault_change_device(device, fault);
		fault->fired++;
	}
}
