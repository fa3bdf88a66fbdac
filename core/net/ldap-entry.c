/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "core/net/ldap-private.h"

#include <string.h>

#define ENTRY_MAX_DN 8192 /* bytes */
#define ENTRY_VALUE_BYTES 128 /* what a value takes beside its own: an empty one is two bytes on the wire */

typedef struct {
	char *name;
	GPtrArray *values; /* of GBytes */
} EntryAttribute;

struct PvLdapEntry {
	gatomicrefcount references;
	char *dn;
	GPtrArray *attributes; /* of EntryAttribute */
	gsize bytes;
};

/* ---- what was read ---- */

static void
ldap_entry_free_attribute(gpointer data)
{
	EntryAttribute *attribute = data;
	g_free(attribute->name);
	g_ptr_array_unref(attribute->values);
	g_free(attribute);
}

/* Each value is followed by a NUL that does not count, so that text can be lent as it is. */
static GBytes *
ldap_entry_copy_value(const struct berval *value)
{
	g_autofree char *copy = g_malloc(value->bv_len + 1);
	memcpy(copy, value->bv_val, value->bv_len);
	copy[value->bv_len] = '\0';
	g_autoptr(GBytes) whole = g_bytes_new_take(g_steal_pointer(&copy), value->bv_len + 1);
	return g_bytes_new_from_bytes(whole, 0, value->bv_len);
}

static void
ldap_entry_take(PvLdapEntry *entry, const struct berval *name, struct berval *values)
{
	EntryAttribute *attribute = g_new0(EntryAttribute, 1);
	attribute->name = g_strndup(name->bv_val, name->bv_len);
	attribute->values = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	entry->bytes += name->bv_len + ENTRY_VALUE_BYTES;
	for (guint i = 0;
	     values != NULL && values[i].bv_val != NULL && entry->bytes <= PV_LDAP_MAX_BYTES; i++) {
		g_ptr_array_add(attribute->values, ldap_entry_copy_value(&values[i]));
		entry->bytes += values[i].bv_len + ENTRY_VALUE_BYTES;
	}
	g_ptr_array_add(entry->attributes, attribute);
}

PvLdapEntry *
pv_ldap_entry_new(LDAP *ld, LDAPMessage *message)
{
	BerElement *ber = NULL;
	struct berval dn = { 0 };
	if (ldap_get_dn_ber(ld, message, &ber, &dn) != LDAP_SUCCESS)
		return NULL;
	g_autoptr(PvLdapEntry) entry = g_new0(PvLdapEntry, 1);
	g_atomic_ref_count_init(&entry->references);
	entry->dn = g_strndup(dn.bv_val, dn.bv_len);
	entry->attributes = g_ptr_array_new_with_free_func(ldap_entry_free_attribute);
	struct berval name = { 0 };
	struct berval *values = NULL;
	int code = LDAP_SUCCESS;
	/* what is too large is not read to its end: whoever asks sees the size */
	while (entry->bytes <= PV_LDAP_MAX_BYTES &&
	       (code = ldap_get_attribute_ber(ld, message, ber, &name, &values)) == LDAP_SUCCESS &&
	       name.bv_val != NULL) {
		ldap_entry_take(entry, &name, values);
		ber_memfree(values);
		values = NULL;
	}
	ber_free(ber, 0);
	return code == LDAP_SUCCESS ? g_steal_pointer(&entry) : NULL;
}

PvLdapEntry *
pv_ldap_entry_ref(PvLdapEntry *entry)
{
	g_atomic_ref_count_inc(&entry->references);
	return entry;
}

void
pv_ldap_entry_unref(PvLdapEntry *entry)
{
	if (entry == NULL || !g_atomic_ref_count_dec(&entry->references))
		return;
	g_free(entry->dn);
	g_ptr_array_unref(entry->attributes);
	g_free(entry);
}

gsize
pv_ldap_entry_get_size(const PvLdapEntry *entry)
{
	return entry->bytes;
}

const char *
pv_ldap_entry_get_dn(const PvLdapEntry *entry)
{
	return entry->dn;
}

static const GPtrArray *
ldap_entry_find(const PvLdapEntry *entry, const char *name)
{
	for (guint i = 0; i < entry->attributes->len; i++) {
		const EntryAttribute *attribute = g_ptr_array_index(entry->attributes, i);
		if (g_ascii_strcasecmp(attribute->name, name) == 0)
			return attribute->values;
	}
	return NULL;
}

/* NULL: it is no text */
static const char *
ldap_entry_get_text(GBytes *value)
{
	gsize length = 0;
	const char *bytes = g_bytes_get_data(value, &length);
	if (length == 0)
		return "";
	return g_utf8_validate(bytes, (gssize)length, NULL) ? bytes : NULL;
}

const char *
pv_ldap_entry_get(const PvLdapEntry *entry, const char *attribute)
{
	GBytes *value = pv_ldap_entry_get_bytes(entry, attribute, 0);
	return value != NULL ? ldap_entry_get_text(value) : NULL;
}

GBytes *
pv_ldap_entry_get_bytes(const PvLdapEntry *entry, const char *attribute, guint i)
{
	const GPtrArray *values = ldap_entry_find(entry, attribute);
	return values != NULL && i < values->len ? g_ptr_array_index(values, i) : NULL;
}

char **
pv_ldap_entry_dup_list(const PvLdapEntry *entry, const char *attribute)
{
	const GPtrArray *values = ldap_entry_find(entry, attribute);
	g_autoptr(GPtrArray) list = g_ptr_array_new();
	for (guint i = 0; values != NULL && i < values->len; i++) {
		const char *text = ldap_entry_get_text(g_ptr_array_index(values, i));
		if (text != NULL)
			g_ptr_array_add(list, g_strdup(text));
	}
	g_ptr_array_add(list, NULL);
	return (char **)g_ptr_array_free(g_steal_pointer(&list), FALSE);
}

gboolean
pv_ldap_entry_has(const PvLdapEntry *entry, const char *attribute, const char *value)
{
	const GPtrArray *values = ldap_entry_find(entry, attribute);
	for (guint i = 0; values != NULL && i < values->len; i++) {
		const char *text = ldap_entry_get_text(g_ptr_array_index(values, i));
		if (text != NULL && g_ascii_strcasecmp(text, value) == 0)
			return TRUE;
	}
	return FALSE;
}

/* ---- texts ---- */

char *
pv_ldap_dup_filter_bytes(gconstpointer data, gsize length_bytes)
{
	const guint8 *bytes = data;
	GString *text = g_string_sized_new(3 * length_bytes + 1);
	for (gsize i = 0; i < length_bytes; i++)
		g_string_append_printf(text, "\\%02x", bytes[i]);
	return g_string_free(text, FALSE);
}

char *
pv_ldap_dup_filter_value(const char *text)
{
	GString *escaped = g_string_new(NULL);
	for (const char *at = text; *at != '\0'; at++) {
		if (strchr("*()\\", *at) != NULL || (guchar)*at < 0x20 || (guchar)*at >= 0x7f)
			g_string_append_printf(escaped, "\\%02x", (guchar)*at);
		else
			g_string_append_c(escaped, *at);
	}
	return g_string_free(escaped, FALSE);
}

char *
pv_ldap_dup_dn_value(const char *text)
{
	GString *escaped = g_string_new(NULL);
	gsize length = strlen(text);
	for (gsize i = 0; i < length; i++) {
		gboolean edge = (i == 0 && strchr(" #", text[i]) != NULL) ||
				(i == length - 1 && text[i] == ' ');
		if (edge || strchr("\"+,;<>\\=", text[i]) != NULL)
			g_string_append_c(escaped, '\\');
		if ((guchar)text[i] < 0x20 || text[i] == 0x7f)
			g_string_append_printf(escaped, "\\%02x", (guchar)text[i]);
		else
			g_string_append_c(escaped, text[i]);
	}
	return g_string_free(escaped, FALSE);
}

/* one way of writing it; NULL: it is no DN */
static char *
ldap_entry_dup_normal(const char *dn)
{
	char *normal = NULL;
	LDAPDN parsed = NULL;
	if (strlen(dn) > ENTRY_MAX_DN || ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
		return NULL;
	if (ldap_dn2str(parsed, &normal, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
		normal = NULL;
	ldap_dnfree(parsed);
	char *folded = normal != NULL ? g_utf8_casefold(normal, -1) : NULL;
	ldap_memfree(normal);
	return folded;
}

gboolean
pv_ldap_dn_equal(const char *a, const char *b)
{
	g_autofree char *first = ldap_entry_dup_normal(a);
	g_autofree char *second = ldap_entry_dup_normal(b);
	return first != NULL && second != NULL && strcmp(first, second) == 0;
}

char *
pv_ldap_dup_dn_parent(const char *dn)
{
	LDAPDN parsed = NULL;
	char *text = NULL;
	if (strlen(dn) > ENTRY_MAX_DN || ldap_str2dn(dn, &parsed, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS ||
	    parsed == NULL)
		return NULL;
	if (parsed[0] != NULL && parsed[1] != NULL &&
	    ldap_dn2str(&parsed[1], &text, LDAP_DN_FORMAT_LDAPV3) != LDAP_SUCCESS)
		text = NULL;
	ldap_dnfree(parsed);
	char *parent = g_strdup(text);
	ldap_memfree(text);
	return parent;
}

/* ---- what is to be written ---- */

typedef struct {
	PvLdapOperation operation;
	char *attribute;
	GPtrArray *values; /* of GBytes; empty: the whole attribute */
} ChangeRow;

struct PvLdapChange {
	GPtrArray *rows; /* of ChangeRow */
	gboolean secret;
};

static void
ldap_entry_free_row(gpointer data)
{
	ChangeRow *row = data;
	g_free(row->attribute);
	g_ptr_array_unref(row->values);
	g_free(row);
}

PvLdapChange *
pv_ldap_change_new(void)
{
	PvLdapChange *change = g_new0(PvLdapChange, 1);
	change->rows = g_ptr_array_new_with_free_func(ldap_entry_free_row);
	return change;
}

void
pv_ldap_change_free(PvLdapChange *change)
{
	if (change == NULL)
		return;
	g_ptr_array_unref(change->rows);
	g_free(change);
}

static ChangeRow *
ldap_entry_get_row(PvLdapChange *change, PvLdapOperation operation, const char *attribute)
{
	ChangeRow *last = change->rows->len > 0 ?
		g_ptr_array_index(change->rows, change->rows->len - 1) : NULL;
	if (last != NULL && last->operation == operation && last->values->len > 0 &&
	    g_ascii_strcasecmp(last->attribute, attribute) == 0)
		return last;
	ChangeRow *row = g_new0(ChangeRow, 1);
	row->operation = operation;
	row->attribute = g_strdup(attribute);
	row->values = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	g_ptr_array_add(change->rows, row);
	return row;
}

void
pv_ldap_change_add_bytes(
    PvLdapChange *change, PvLdapOperation operation, const char *attribute, GBytes *value)
{
	ChangeRow *row = ldap_entry_get_row(change, operation, attribute);
	g_ptr_array_add(row->values, g_bytes_ref(value));
}

void
pv_ldap_change_add_text(
    PvLdapChange *change, PvLdapOperation operation, const char *attribute, const char *value)
{
	ChangeRow *row = ldap_entry_get_row(change, operation, attribute);
	if (value != NULL)
		g_ptr_array_add(row->values, g_bytes_new(value, strlen(value)));
}

void
pv_ldap_change_add_list(PvLdapChange *change, PvLdapOperation operation, const char *attribute,
    const char *const *values)
{
	if (values[0] == NULL && operation == PV_LDAP_REPLACE)
		pv_ldap_change_add_text(change, operation, attribute, NULL);
	for (guint i = 0; values[i] != NULL; i++)
		pv_ldap_change_add_text(change, operation, attribute, values[i]);
}

void
pv_ldap_change_add_secret(
    PvLdapChange *change, PvLdapOperation operation, const char *attribute, PvSecret *value)
{
	gsize length = 0;
	const char *bytes = pv_secret_peek(value, &length);
	g_autoptr(GBytes) lent = g_bytes_new_with_free_func(
	    bytes, length, (GDestroyNotify)pv_secret_unref, pv_secret_ref(value));
	pv_ldap_change_add_bytes(change, operation, attribute, lent);
	change->secret = TRUE;
}

guint
pv_ldap_change_get_length(const PvLdapChange *change)
{
	return change->rows->len;
}

gboolean
pv_ldap_change_has_secret(const PvLdapChange *change)
{
	return change->secret;
}

gboolean
pv_ldap_change_is_addition(const PvLdapChange *change)
{
	for (guint i = 0; i < change->rows->len; i++) {
		const ChangeRow *row = g_ptr_array_index(change->rows, i);
		if (row->operation != PV_LDAP_ADD || row->values->len == 0)
			return FALSE;
	}
	return TRUE;
}

static struct berval **
ldap_entry_lend_values(const GPtrArray *values)
{
	struct berval **list = g_new0(struct berval *, values->len + 1);
	for (guint i = 0; i < values->len; i++) {
		gsize length = 0;
		gconstpointer data = g_bytes_get_data(g_ptr_array_index(values, i), &length);
		list[i] = g_new0(struct berval, 1);
		list[i]->bv_len = length;
		list[i]->bv_val = length > 0 ? (char *)data : (char *)""; /* only read */
	}
	return list;
}

LDAPMod **
pv_ldap_change_make_mods(const PvLdapChange *change)
{
	static const int operations[] = { LDAP_MOD_ADD, LDAP_MOD_REPLACE, LDAP_MOD_DELETE };
	LDAPMod **mods = g_new0(LDAPMod *, change->rows->len + 1);
	for (guint i = 0; i < change->rows->len; i++) {
		const ChangeRow *row = g_ptr_array_index(change->rows, i);
		mods[i] = g_new0(LDAPMod, 1);
		mods[i]->mod_op = operations[row->operation] | LDAP_MOD_BVALUES;
		mods[i]->mod_type = row->attribute;
		if (row->values->len > 0)
			mods[i]->mod_bvalues = ldap_entry_lend_values(row->values);
	}
	return mods;
}

void
pv_ldap_mods_free(LDAPMod **mods)
{
	for (guint i = 0; mods[i] != NULL; i++) {
		for (guint j = 0; mods[i]->mod_bvalues != NULL && mods[i]->mod_bvalues[j] != NULL; j++)
			g_free(mods[i]->mod_bvalues[j]);
		g_free(mods[i]->mod_bvalues);
		g_free(mods[i]);
	}
	g_free(mods);
}
