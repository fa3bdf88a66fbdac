/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/pac.h"

#include <string.h>

#define PAC_PARTS_MAX 15 /* sub-authorities of a SID */
#define PAC_SIDS_MAX 1024 /* a token of Windows holds 1015 groups */
#define PAC_SID_BYTES(parts) (8 + 4 * (parts))
#define PAC_ENABLED 0x4 /* SE_GROUP_ENABLED */
#define PAC_DENY_ONLY 0x10 /* SE_GROUP_USE_FOR_DENY_ONLY */
#define PAC_USER_TIMES (6 * 8) /* logon, logoff, kick-off, and three of the password */
#define PAC_STRING_HEADER 8 /* length, maximum length, referent */
#define PAC_STRINGS 6 /* before the counters: name, full name, script, profile, home, drive */

/* NDR with 32-bit referents, little endian; a read beyond the end makes it bad, and returns 0 from then on */
typedef struct {
	const guint8 *data;
	gsize length;
	gsize at;
	gboolean bad;
} PacReader;

static const guint8 *
pac_take(PacReader *reader, gsize size)
{
	if (reader->bad || size > reader->length - reader->at) {
		reader->bad = TRUE;
		return NULL;
	}
	reader->at += size;
	return reader->data + reader->at - size;
}

static void
pac_align(PacReader *reader, gsize to)
{
	gsize over = reader->at % to;
	if (over != 0)
		(void)pac_take(reader, to - over); /* the reader remembers when it cannot */
}

static guint32
pac_uint32(PacReader *reader)
{
	pac_align(reader, 4);
	const guint8 *bytes = pac_take(reader, 4);
	return bytes == NULL ? 0
			     : (guint32)bytes[0] | (guint32)bytes[1] << 8 | (guint32)bytes[2] << 16 |
				   (guint32)bytes[3] << 24;
}

/* What of the fixed part is needed, in its order */
typedef struct {
	gboolean strings[PAC_STRINGS]; /* is the referent there? */
	guint32 user;
	guint32 primary;
	guint32 groups;
	gboolean has_groups;
	gboolean server, domain_name; /* strings */
	gboolean domain;
	guint32 extras;
	gboolean has_extras;
	gboolean resource_domain;
	guint32 resources;
	gboolean has_resources;
} PacInfo;

static gboolean
pac_string_header(PacReader *reader)
{
	(void)pac_take(reader, PAC_STRING_HEADER - 4);
	return pac_uint32(reader) != 0;
}

static void
pac_read_fixed(PacReader *reader, PacInfo *info)
{
	(void)pac_take(reader, PAC_USER_TIMES);
	for (guint i = 0; i < PAC_STRINGS; i++)
		info->strings[i] = pac_string_header(reader);
	(void)pac_take(reader, 4); /* counts of logons and of wrong passwords */
	info->user = pac_uint32(reader);
	info->primary = pac_uint32(reader);
	info->groups = pac_uint32(reader);
	info->has_groups = pac_uint32(reader) != 0;
	(void)pac_take(reader, 4 + 16); /* UserFlags, UserSessionKey */
	info->server = pac_string_header(reader);
	info->domain_name = pac_string_header(reader);
	info->domain = pac_uint32(reader) != 0;
	(void)pac_take(reader, 8 + 4 + 4 + 8 + 8 + 4 + 4); /* reserved, account control, failures */
	info->extras = pac_uint32(reader);
	info->has_extras = pac_uint32(reader) != 0;
	info->resource_domain = pac_uint32(reader) != 0;
	info->resources = pac_uint32(reader);
	info->has_resources = pac_uint32(reader) != 0;
}

/* A conformant varying array of UTF-16, which nobody needs */
static void
pac_skip_string(PacReader *reader, gboolean there)
{
	if (!there)
		return;
	guint32 maximum = pac_uint32(reader);
	guint32 offset = pac_uint32(reader);
	guint32 count = pac_uint32(reader);
	if (offset != 0 || count > maximum)
		reader->bad = TRUE;
	(void)pac_take(reader, 2 * (gsize)count);
}

/* RPC_SID: in memory as binary SIDs are, behind the count of its parts */
static GBytes *
pac_read_sid(PacReader *reader)
{
	guint32 parts = pac_uint32(reader);
	if (parts > PAC_PARTS_MAX) {
		reader->bad = TRUE;
		return NULL;
	}
	const guint8 *sid = pac_take(reader, PAC_SID_BYTES(parts));
	if (sid == NULL || sid[0] != 1 || sid[1] != parts) {
		reader->bad = TRUE;
		return NULL;
	}
	return g_bytes_new(sid, PAC_SID_BYTES(parts));
}

static gboolean
pac_counts(guint32 attributes)
{
	return (attributes & PAC_ENABLED) != 0 && (attributes & PAC_DENY_ONLY) == 0;
}

static void
pac_add(GPtrArray *sids, GBytes *sid)
{
	for (guint i = 0; i < sids->len; i++) {
		if (g_bytes_equal(sids->pdata[i], sid))
			return;
	}
	g_ptr_array_add(sids, g_bytes_ref(sid));
}

/* The SID of somebody in a domain */
static void
pac_add_relative(GPtrArray *sids, GBytes *domain, guint32 relative)
{
	gsize length = 0;
	const guint8 *data = domain != NULL ? g_bytes_get_data(domain, &length) : NULL;
	if (data == NULL || data[1] >= PAC_PARTS_MAX)
		return;
	guint8 sid[PAC_SID_BYTES(PAC_PARTS_MAX)];
	memcpy(sid, data, length);
	sid[1]++;
	for (guint i = 0; i < 4; i++)
		sid[length + i] = (guint8)(relative >> (8 * i));
	g_autoptr(GBytes) bytes = g_bytes_new(sid, length + 4);
	pac_add(sids, bytes);
}

/* An array of RID and attributes; those that count are added to @rids */
static void
pac_read_rids(PacReader *reader, gboolean there, guint32 count, GArray *rids)
{
	if (!there)
		return;
	if (pac_uint32(reader) != count || count > PAC_SIDS_MAX)
		reader->bad = TRUE;
	for (guint32 i = 0; i < count && !reader->bad; i++) {
		guint32 rid = pac_uint32(reader);
		if (pac_counts(pac_uint32(reader)))
			g_array_append_val(rids, rid);
	}
}

/* An array of referents and attributes, then the SIDs */
static void
pac_read_extras(PacReader *reader, const PacInfo *info, GPtrArray *extras)
{
	if (!info->has_extras)
		return;
	g_autoptr(GArray) kinds = g_array_new(FALSE, FALSE, sizeof(guint8));
	if (pac_uint32(reader) != info->extras || info->extras > PAC_SIDS_MAX)
		reader->bad = TRUE;
	for (guint32 i = 0; i < info->extras && !reader->bad; i++) {
		gboolean there = pac_uint32(reader) != 0;
		gboolean counts = pac_counts(pac_uint32(reader));
		guint8 kind = (guint8)(!there ? 0 : counts ? 2 : 1);
		g_array_append_val(kinds, kind);
	}
	for (guint i = 0; i < kinds->len && !reader->bad; i++) {
		guint8 kind = g_array_index(kinds, guint8, i);
		g_autoptr(GBytes) sid = kind != 0 ? pac_read_sid(reader) : NULL;
		if (sid != NULL && kind == 2)
			g_ptr_array_add(extras, g_bytes_ref(sid));
	}
}

static void
pac_add_relatives(GPtrArray *sids, GBytes *domain, const GArray *rids)
{
	for (guint i = 0; i < rids->len; i++)
		pac_add_relative(sids, domain, g_array_index(rids, guint32, i));
}

/* The headers of type serialization version 1: [MS-RPCE] section 2.2.6; then the referent of all of it */
static gboolean
pac_read_headers(PacReader *reader)
{
	const guint8 *common = pac_take(reader, 8);
	if (common == NULL || common[0] != 1 || common[1] != 0x10)
		return FALSE; /* another version, or big endian */
	(void)pac_take(reader, 8); /* length of the object, filler */
	return pac_uint32(reader) != 0;
}

GPtrArray *
pv_sim_pac_read_sids(gconstpointer data, gsize length)
{
	PacReader reader = { .data = data, .length = length };
	PacInfo info = { 0 };
	if (!pac_read_headers(&reader))
		return NULL;
	pac_read_fixed(&reader, &info);
	g_autoptr(GArray) groups = g_array_new(FALSE, FALSE, sizeof(guint32));
	g_autoptr(GArray) resources = g_array_new(FALSE, FALSE, sizeof(guint32));
	g_autoptr(GPtrArray) extras = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	for (guint i = 0; i < PAC_STRINGS; i++)
		pac_skip_string(&reader, info.strings[i]);
	pac_read_rids(&reader, info.has_groups, info.groups, groups);
	pac_skip_string(&reader, info.server);
	pac_skip_string(&reader, info.domain_name);
	g_autoptr(GBytes) domain = info.domain ? pac_read_sid(&reader) : NULL;
	pac_read_extras(&reader, &info, extras);
	g_autoptr(GBytes) resource_domain = info.resource_domain ? pac_read_sid(&reader) : NULL;
	pac_read_rids(&reader, info.has_resources, info.resources, resources);
	if (reader.bad || domain == NULL)
		return NULL;

	g_autoptr(GPtrArray) sids = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	if (info.user != 0) /* else the user is the first of the extra SIDs */
		pac_add_relative(sids, domain, info.user);
	pac_add_relative(sids, domain, info.primary);
	pac_add_relatives(sids, domain, groups);
	for (guint i = 0; i < extras->len; i++)
		pac_add(sids, extras->pdata[i]);
	pac_add_relatives(sids, resource_domain, resources);
	return sids->len > 0 ? g_steal_pointer(&sids) : NULL;
}
