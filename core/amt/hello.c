/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/amt/hello.h"

#include <provost/error.h>

#include <string.h>

#define HELLO_HEADER 24 /* bytes up to and with the UUID */
#define HELLO_PID 8

static guint16
hello_read16(const guint8 *data)
{
	return (guint16)(data[0] | data[1] << 8);
}

static guint32
hello_read32(const guint8 *data)
{
	return (guint32)data[0] | (guint32)data[1] << 8 | (guint32)data[2] << 16 |
	       (guint32)data[3] << 24;
}

/* SMBIOS byte order: the first three fields are little-endian */
static void
hello_format_uuid(char *out, gsize size, const guint8 *data)
{
	g_snprintf(out, size, "%08x-%04x-%04x-%02x%02x-%02x%02x%02x%02x%02x%02x",
	    hello_read32(data), hello_read16(data + 4), hello_read16(data + 6), data[8], data[9],
	    data[10], data[11], data[12], data[13], data[14], data[15]);
}

static gboolean
hello_read_pid(PvHello *hello, const guint8 *data, gsize length_bytes, GError **error)
{
	if (length_bytes != HELLO_PID) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read hello: version 2 needs a PID of 8 bytes, found %" G_GSIZE_FORMAT,
		    length_bytes);
		return FALSE;
	}
	for (guint i = 0; i < HELLO_PID; i++) {
		if (!g_ascii_isupper(data[i]) && !g_ascii_isdigit(data[i])) {
			g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
			    "read hello: byte %u of the PID is none of A-Z and 0-9", i);
			return FALSE;
		}
		hello->pid[i] = (char)data[i];
	}
	return TRUE;
}

static gboolean
hello_is_hash(guint8 type, guint8 length)
{
	return (type == 1 && length == 20) || (type == 2 && length == 32) ||
	       (type == 3 && length == 48);
}

static gboolean
hello_read_hashes(PvHello *hello, const guint8 *data, gsize length_bytes, GError **error)
{
	if (length_bytes < 1) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read hello: it ends before the hash count");
		return FALSE;
	}
	guint count = data[0];
	gsize at = 1;
	for (guint i = 0; i < count; i++) {
		if (length_bytes - at < 2 || length_bytes - at - 2 < data[at + 1]) {
			g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
			    "read hello: it ends within root hash %u of %u", i + 1, count);
			return FALSE;
		}
		PvRootHash hash = { .type = data[at], .length = data[at + 1] };
		if (!hello_is_hash(hash.type, hash.length)) {
			g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
			    "read hello: root hash %u has type %u and %u bytes", i + 1, hash.type,
			    hash.length);
			return FALSE;
		}
		memcpy(hash.hash, data + at + 2, hash.length);
		g_array_append_val(hello->hashes, hash);
		at += 2 + (gsize)hash.length;
	}
	if (at == length_bytes)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
	    "read hello: %" G_GSIZE_FORMAT " bytes follow the last root hash", length_bytes - at);
	return FALSE;
}

PvHello *
pv_hello_parse(const guint8 *data, gsize length_bytes, GError **error)
{
	if (length_bytes < HELLO_HEADER || length_bytes > PV_HELLO_MAX_BYTES) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read hello: %" G_GSIZE_FORMAT " bytes are too %s", length_bytes,
		    length_bytes < HELLO_HEADER ? "few" : "many");
		return NULL;
	}
	guint16 credentials = hello_read16(data);
	guint16 version = hello_read16(data + 2);
	if (credentials > 1) {
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read hello: the credentials field is %u, not 0 or 1", credentials);
		return NULL;
	}
	if (version != 2 && version != 3) {
		/* the first AMT's layout is in no document */
		g_set_error(error, PV_ERROR, PV_ERROR_PROTOCOL,
		    "read hello: version %u is not known; 2 (PID) and 3 (certificate) are%s", version,
		    version == 1 ? "; firmware that sends 1 has to be updated" : "");
		return NULL;
	}
	g_autoptr(PvHello) hello = g_new0(PvHello, 1);
	hello->credentials_set = credentials == 1;
	hello->version = version;
	hello->retry = hello_read32(data + 4);
	hello_format_uuid(hello->uuid, sizeof hello->uuid, data + 8);
	hello->hashes = g_array_new(FALSE, FALSE, sizeof(PvRootHash));
	const guint8 *rest = data + HELLO_HEADER;
	gsize left = length_bytes - HELLO_HEADER;
	if (!(version == 2 ? hello_read_pid(hello, rest, left, error)
			   : hello_read_hashes(hello, rest, left, error)))
		return NULL;
	return g_steal_pointer(&hello);
}

void
pv_hello_free(PvHello *hello)
{
	if (hello == NULL)
		return;
	g_clear_pointer(&hello->hashes, g_array_unref);
	g_free(hello);
}
