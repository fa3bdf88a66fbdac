/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The part of a dump that tells what listens, and what a supplicant would need */
#include "sim/classes.h"
#include "sim/dump-build.h"
#include "sim/network.h"

#include <openssl/pem.h>

/* A property as Get shows it, or NULL: no such class here, or not set; g_free() */
static char *
dump_network_read(const PvSimDevice *device, const char *class_name, const char *name)
{
	const PvSimClass *class = pv_sim_class_find(device, class_name);
	if (class == NULL)
		return NULL;
	g_autoptr(GPtrArray) instances = pv_sim_class_instances(class, device);
	return instances->len > 0 ? g_strdup(pv_sim_instance_get(instances->pdata[0], name)) : NULL;
}

void
pv_sim_dump_features(JsonBuilder *builder, const PvSimDevice *device)
{
	static const struct {
		const char *member, *class_name, *property;
	} rows[] = {
		{ "redirection", "AMT_RedirectionService", "EnabledState" },
		{ "listener", "AMT_RedirectionService", "ListenerEnabled" },
		{ "kvm", "CIM_KVMRedirectionSAP", "EnabledState" },
		{ "opt-in-required", "IPS_OptInService", "OptInRequired" },
		{ "opt-in-state", "IPS_OptInService", "OptInState" },
		{ "web-ui", "AMT_WebUIService", "EnabledState" },
		{ "ping", "AMT_GeneralSettings", "PingResponseEnabled" },
		{ "rmcp-ping", "AMT_GeneralSettings", "RmcpPingResponseEnabled" },
	};
	dump_begin_object(builder, "features");
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
		g_autofree char *value =
		    dump_network_read(device, rows[i].class_name, rows[i].property);
		dump_string(builder, rows[i].member, value);
	}
	dump_int(
	    builder, "opt-in-code", device->opt_in_state > 0 ? (gint64)device->opt_in_code : -1);
	dump_bool(builder, "port-16994", pv_sim_redirection_listens(device, FALSE));
	dump_bool(builder, "port-16995", pv_sim_redirection_listens(device, TRUE));
	json_builder_end_object(builder);
	dump_bool(builder, "outside", pv_sim_environment_is_outside(device));
}

static void
dump_network_pem(JsonBuilder *builder, const char *name, X509 *x509, EVP_PKEY *key)
{
	BIO *memory = BIO_new(BIO_s_mem());
	char *data = NULL;
	gboolean written =
	    memory != NULL && ((x509 != NULL && PEM_write_bio_X509(memory, x509) == 1) ||
				  (key != NULL && PEM_write_bio_PrivateKey(memory, key, NULL, NULL,
						      0, NULL, NULL) == 1));
	long length = written ? BIO_get_mem_data(memory, &data) : 0;
	g_autofree char *text = length > 0 ? g_strndup(data, (gsize)length) : NULL;
	dump_string(builder, name, text);
	BIO_free(memory);
}

static void
dump_network_credentials(JsonBuilder *builder, const PvSimDevice *device, const char *user)
{
	int client = pv_sim_device_find_credential(device, user, FALSE);
	int root = pv_sim_device_find_credential(device, user, TRUE);
	const PvSimCertificate *own =
	    client >= 0 ? pv_sim_device_find_certificate(device, (guint)client) : NULL;
	const PvSimCertificate *ca =
	    root >= 0 ? pv_sim_device_find_certificate(device, (guint)root) : NULL;
	const PvSimKey *key = own != NULL ? pv_sim_device_find_key_of(device, own->x509) : NULL;
	dump_int(builder, "client-handle", client);
	dump_int(builder, "root-handle", root);
	dump_network_pem(builder, "client-certificate", own != NULL ? own->x509 : NULL, NULL);
	dump_network_pem(builder, "private-key", NULL, key != NULL ? key->key : NULL);
	dump_network_pem(builder, "ca-certificate", ca != NULL ? ca->x509 : NULL, NULL);
}

/* What a supplicant needs for these settings */
static void
dump_network_8021x(JsonBuilder *builder, const PvSimDevice *device, const PvSimInstance *settings,
    const char *user)
{
	static const char *const protocols[] = { "TLS", "TTLS/MSCHAPV2", "PEAPv0/MSCHAPV2",
		"PEAPv1/GTC", "FAST/MSCHAPV2", "FAST/GTC", "MD5", "PSK", "SIM", "AKA", "FAST/TLS" };
	static const struct {
		const char *member, *property;
	} rows[] = {
		{ "identity", "Username" },
		{ "anonymous-identity", "RoamingIdentity" },
		{ "password", "Password" },
		{ "domain", "Domain" },
		{ "pac", "ProtectedAccessCredential" },
		{ "pac-password", "PACPassword" },
		{ "server-name", "ServerCertificateName" },
	};
	guint protocol = pv_sim_instance_get_uint(settings, "AuthenticationProtocol");
	const char *comparison = pv_sim_instance_get(settings, "ServerCertificateNameComparison");
	dump_string(
	    builder, "eap", protocol < G_N_ELEMENTS(protocols) ? protocols[protocol] : NULL);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
		dump_string(
		    builder, rows[i].member, pv_sim_instance_get(settings, rows[i].property));
	dump_string(builder, "server-name-match",
	    comparison == NULL		      ? NULL
	    : g_strcmp0(comparison, "2") == 0 ? "full"
					      : "suffix");
	dump_network_credentials(builder, device, user);
	dump_bool(builder, "ready",
	    !pv_sim_8021x_needs_client(settings) ||
		pv_sim_device_find_credential(device, user, FALSE) >= 0);
}

static void
dump_network_profile(JsonBuilder *builder, const PvSimDevice *device, const PvSimInstance *profile)
{
	static const struct {
		const char *member, *property;
	} rows[] = {
		{ "id", "InstanceID" },
		{ "name", "ElementName" },
		{ "ssid", "SSID" },
		{ "priority", "Priority" },
		{ "authentication", "AuthenticationMethod" },
		{ "encryption", "EncryptionMethod" },
		{ "pass-phrase", "PSKPassPhrase" },
		{ "psk", "PSKValue" },
	};
	const PvSimInstance *eap = pv_sim_wireless_settings(device, profile);
	dump_begin_object(builder, NULL);
	for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
		dump_string(
		    builder, rows[i].member, pv_sim_instance_get(profile, rows[i].property));
	if (eap != NULL) {
		dump_begin_object(builder, "8021x");
		dump_network_8021x(builder, device, eap, pv_sim_instance_get(eap, "InstanceID"));
		json_builder_end_object(builder);
	}
	json_builder_end_object(builder);
}

static void
dump_network_wireless(JsonBuilder *builder, const PvSimDevice *device)
{
	const PvSimInstance *active = pv_sim_wireless_active(device);
	g_autoptr(GPtrArray) profiles = pv_sim_wireless_profiles(device);
	dump_begin_object(builder, "wireless");
	dump_bool(builder, "exists", pv_sim_wireless_exists(device));
	dump_string(builder, "address", device->wireless_address);
	dump_string(builder, "mac", device->wireless_mac);
	dump_int(builder, "port-state", pv_sim_wireless_port_state(device));
	dump_string(builder, "in-range", device->air);
	dump_bool(builder, "up", active != NULL);
	dump_string(
	    builder, "active", active != NULL ? pv_sim_instance_get(active, "ElementName") : NULL);
	dump_begin_array(builder, "profiles");
	for (guint i = 0; i < profiles->len; i++)
		dump_network_profile(builder, device, profiles->pdata[i]);
	json_builder_end_array(builder);
	json_builder_end_object(builder);
}

void
pv_sim_dump_network(JsonBuilder *builder, const PvSimDevice *device)
{
	const PvSimInstance *wired = pv_sim_8021x_wired(device);
	dump_begin_object(builder, "wired-8021x");
	dump_bool(builder, "enabled", wired != NULL);
	if (wired != NULL) {
		dump_string(builder, "pxe-timeout", pv_sim_instance_get(wired, "PxeTimeout"));
		dump_string(builder, "in-s0", pv_sim_instance_get(wired, "AvailableInS0"));
		dump_network_8021x(builder, device, wired, NULL);
	}
	json_builder_end_object(builder);
	dump_network_wireless(builder, device);
}
