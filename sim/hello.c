/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/hello.h"

#include <string.h>

#define HELLO_VERSION_PKI 3
#define HELLO_VERSION_PSK 2
#define HELLO_RETRY_PSK 14 /* the highest RetryCount of version 2 */
#define HELLO_EACH_MINUTE 5 /* packets a minute apart */
#define HELLO_EACH_FIVE 12 /* then five minutes apart, for an hour */
#define HELLO_EACH_HOUR 23 /* then an hour apart */

static void
hello_append_le(GByteArray *packet, guint32 value, guint bytes)
{
	for (guint i = 0; i < bytes; i++) {
		guint8 byte = (guint8)(value >> (8 * i));
		g_byte_array_append(packet, &byte, 1);
	}
}

/* The hashes of the active roots, counted first */
static void
hello_append_roots(GByteArray *packet, const PvSimDevice *device)
{
	guint active = 0;
	for (guint i = 0; i < device->roots->len; i++)
		active += ((const PvSimRoot *)device->roots->pdata[i])->active ? 1 : 0;
	active = MIN(active, G_MAXUINT8);
	hello_append_le(packet, active, 1);
	for (guint i = 0; i < device->roots->len && active > 0; i++) {
		const PvSimRoot *root = device->roots->pdata[i];
		if (!root->active)
			continue;
		guint length = 0, type = 0;
		const guint8 *hash = pv_sim_device_root_hash(device, root, &length, &type);
		hello_append_le(packet, type, 1);
		hello_append_le(packet, length, 1);
		g_byte_array_append(packet, hash, length);
		active--;
	}
}

GByteArray *
pv_sim_hello_packet(const PvSimDevice *device)
{
	GByteArray *packet = g_byte_array_new();
	gboolean psk = pv_sim_device_has_psk(device);
	hello_append_le(packet, device->admin_default && device->mebx_default ? 0 : 1, 2);
	hello_append_le(packet, psk ? HELLO_VERSION_PSK : HELLO_VERSION_PKI, 2);
	hello_append_le(packet, device->hello_retry, 4);
	g_byte_array_append(packet, device->uuid, sizeof device->uuid);
	if (psk)
		g_byte_array_append(
		    packet, (const guint8 *)device->pid, (guint)strlen(device->pid));
	else
		hello_append_roots(packet, device);
	return packet;
}

guint
pv_sim_hello_next_minutes(const PvSimDevice *device)
{
	guint sent = device->hello_retry;
	if (sent > HELLO_RETRY_PSK && pv_sim_device_has_psk(device))
		return 0;
	if (sent <= HELLO_EACH_MINUTE)
		return 1;
	if (sent <= HELLO_EACH_MINUTE + HELLO_EACH_FIVE)
		return 5;
	return sent <= HELLO_EACH_MINUTE + HELLO_EACH_FIVE + HELLO_EACH_HOUR ? 60 : 0;
}
