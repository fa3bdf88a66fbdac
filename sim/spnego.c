/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/spnego.h"

#include <string.h>

#define DER_OID 0x06
#define DER_OCTETS 0x04
#define DER_SEQUENCE 0x30
#define DER_APPLICATION_0 0x60
#define DER_CONTEXT(n) (0xA0 + (n))

typedef struct {
	const guint8 *data;
	gsize length;
} DerPiece;

static const guint8 spnego_oid[] = { 0x2B, 0x06, 0x01, 0x05, 0x05, 0x02 };
static const guint8 spnego_kerberos_oid[] = { 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 0x01, 0x02, 0x02 };
static const guint8 spnego_ms_oid[] = { 0x2A, 0x86, 0x48, 0x82, 0xF7, 0x12, 0x01, 0x02, 0x02 };
static const guint8 spnego_ap_req[] = { 0x01, 0x00 };
static const guint8 spnego_ap_rep[] = { 0x02, 0x00 };

/* Takes one element with this tag off the front of @from; FALSE: there is none */
static gboolean
spnego_take(DerPiece *from, guint8 tag, DerPiece *content)
{
	if (from->length < 2 || from->data[0] != tag)
		return FALSE;
	gsize at = 2, size = from->data[1];
	if ((size & 0x80) != 0) {
		gsize bytes = size & 0x7F;
		if (bytes == 0 || bytes > 3 || from->length < at + bytes)
			return FALSE;
		for (size = 0; bytes > 0; bytes--)
			size = size << 8 | from->data[at++];
	}
	if (size > from->length - at)
		return FALSE;
	*content = (DerPiece) { from->data + at, size };
	from->data += at + size;
	from->length -= at + size;
	return TRUE;
}

static gboolean
spnego_is(const DerPiece *piece, const guint8 *bytes, gsize length)
{
	return piece->length == length && memcmp(piece->data, bytes, length) == 0;
}

/* OID of Kerberos, then the kind of token, then the AP-REQ */
static const guint8 *
spnego_read_kerberos(DerPiece token, gsize *length)
{
	DerPiece all, oid;
	if (!spnego_take(&token, DER_APPLICATION_0, &all) || !spnego_take(&all, DER_OID, &oid) ||
	    !spnego_is(&oid, spnego_kerberos_oid, sizeof spnego_kerberos_oid) ||
	    all.length < sizeof spnego_ap_req ||
	    memcmp(all.data, spnego_ap_req, sizeof spnego_ap_req) != 0)
		return NULL;
	*length = all.length - sizeof spnego_ap_req;
	return all.data + sizeof spnego_ap_req;
}

const guint8 *
pv_sim_spnego_read(gconstpointer data, gsize length, PvSimSpnego *kind, gsize *ap_length)
{
	DerPiece token = { data, length }, all, oid, choice, init, part, list, flags;
	DerPiece rest = token;
	*kind = PV_SIM_SPNEGO_RAW;
	if (!spnego_take(&rest, DER_APPLICATION_0, &all) || !spnego_take(&all, DER_OID, &oid))
		return NULL;
	if (!spnego_is(&oid, spnego_oid, sizeof spnego_oid))
		return spnego_read_kerberos(token, ap_length);
	if (!spnego_take(&all, DER_CONTEXT(0), &choice) ||
	    !spnego_take(&choice, DER_SEQUENCE, &init) ||
	    !spnego_take(&init, DER_CONTEXT(0), &part) || !spnego_take(&part, DER_SEQUENCE, &list) ||
	    !spnego_take(&list, DER_OID, &oid))
		return NULL;
	if (spnego_is(&oid, spnego_kerberos_oid, sizeof spnego_kerberos_oid))
		*kind = PV_SIM_SPNEGO_KERBEROS;
	else if (spnego_is(&oid, spnego_ms_oid, sizeof spnego_ms_oid))
		*kind = PV_SIM_SPNEGO_MS_KERBEROS;
	else
		return NULL; /* it would take a second round, for which firmware keeps nothing */
	(void)spnego_take(&init, DER_CONTEXT(1), &flags); /* reqFlags: may be missing */
	if (!spnego_take(&init, DER_CONTEXT(2), &part) || !spnego_take(&part, DER_OCTETS, &token))
		return NULL;
	return spnego_read_kerberos(token, ap_length);
}

/* Puts tag and length in front */
static void
spnego_wrap(GByteArray *out, guint8 tag)
{
	guint8 head[5] = { tag };
	guint length = 1;
	if (out->len < 0x80) {
		head[length++] = (guint8)out->len;
	} else {
		guint bytes = out->len > 0xFFFF ? 3 : out->len > 0xFF ? 2 : 1;
		head[length++] = (guint8)(0x80 | bytes);
		for (guint i = bytes; i > 0; i--)
			head[length++] = (guint8)(out->len >> (8 * (i - 1)));
	}
	g_byte_array_prepend(out, head, length);
}

static void
spnego_append(GByteArray *out, guint8 tag, const guint8 *data, gsize length)
{
	g_autoptr(GByteArray) element = g_byte_array_new();
	g_byte_array_append(element, data, (guint)length);
	spnego_wrap(element, tag);
	g_byte_array_append(out, element->data, element->len);
}

static GByteArray *
spnego_make_kerberos(gconstpointer ap_rep, gsize length)
{
	GByteArray *token = g_byte_array_new();
	spnego_append(token, DER_OID, spnego_kerberos_oid, sizeof spnego_kerberos_oid);
	g_byte_array_append(token, spnego_ap_rep, sizeof spnego_ap_rep);
	g_byte_array_append(token, ap_rep, (guint)length);
	spnego_wrap(token, DER_APPLICATION_0);
	return token;
}

GByteArray *
pv_sim_spnego_reply(PvSimSpnego kind, gconstpointer ap_rep, gsize length)
{
	static const guint8 completed[] = { 0x0A, 0x01, 0x00 }; /* ENUMERATED accept-completed */
	g_autoptr(GByteArray) token = ap_rep != NULL ? spnego_make_kerberos(ap_rep, length) : NULL;
	if (kind == PV_SIM_SPNEGO_RAW)
		return g_steal_pointer(&token);
	GByteArray *reply = g_byte_array_new();
	g_autoptr(GByteArray) mechanism = g_byte_array_new();
	if (kind == PV_SIM_SPNEGO_MS_KERBEROS)
		spnego_append(mechanism, DER_OID, spnego_ms_oid, sizeof spnego_ms_oid);
	else
		spnego_append(mechanism, DER_OID, spnego_kerberos_oid, sizeof spnego_kerberos_oid);
	spnego_append(reply, DER_CONTEXT(0), completed, sizeof completed);
	spnego_append(reply, DER_CONTEXT(1), mechanism->data, mechanism->len);
	if (token != NULL) {
		spnego_wrap(token, DER_OCTETS);
		spnego_append(reply, DER_CONTEXT(2), token->data, token->len);
	}
	spnego_wrap(reply, DER_SEQUENCE);
	spnego_wrap(reply, DER_CONTEXT(1));
	return reply;
}
