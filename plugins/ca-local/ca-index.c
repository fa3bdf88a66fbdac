/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ca-index.h"

#include <errno.h>
#include <fcntl.h>
#include <provost/error.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CA_INDEX_LINE_MAX 2048 /* bytes; a text may take three times its length */
#define CA_INDEX_SUM_LENGTH 8 /* hex digits at the end of each line */

struct CaIndex {
	char *path;
	int fd;
	off_t offset; /* bytes of whole, good lines read so far */
	guint line; /* number of the last line read */
	GPtrArray *records; /* of CaRecord, owned, as they were issued */
	GHashTable *by_serial; /* char* -> CaRecord, both borrowed from records */
	GHashTable *by_key; /* likewise; the newest of a key */
	GPtrArray *asked; /* of CaAsked, owned, the i-th has the number i + 1 */
	GHashTable *asked_by_key; /* char* -> CaAsked, both borrowed; the newest of a key */
	guint64 crl_number;
};

static void
ca_record_free(CaRecord *record)
{
	g_free(record->serial);
	g_free(record->key);
	g_free(record);
}

static void
ca_asked_free(CaAsked *asked)
{
	g_free(asked->id);
	g_free(asked->key);
	g_free(asked->uuid);
	g_free(asked->name);
	g_free(asked->text);
	g_free(asked);
}

static void
ca_index_clear(CaIndex *index)
{
	g_hash_table_remove_all(index->asked_by_key);
	g_ptr_array_set_size(index->asked, 0);
	g_hash_table_remove_all(index->by_serial);
	g_hash_table_remove_all(index->by_key);
	g_ptr_array_set_size(index->records, 0);
	index->offset = 0;
	index->line = 0;
	index->crl_number = 0;
}

void
ca_index_free(CaIndex *index)
{
	if (index == NULL)
		return;
	if (index->fd >= 0)
		close(index->fd);
	g_hash_table_unref(index->asked_by_key);
	g_ptr_array_unref(index->asked);
	g_hash_table_unref(index->by_serial);
	g_hash_table_unref(index->by_key);
	g_ptr_array_unref(index->records);
	g_free(index->path);
	g_free(index);
}

CaIndex *
ca_index_open(const char *path, GError **error)
{
	g_autoptr(CaIndex) index = g_new0(CaIndex, 1);
	index->path = g_strdup(path);
	index->records = g_ptr_array_new_with_free_func((GDestroyNotify)ca_record_free);
	index->asked = g_ptr_array_new_with_free_func((GDestroyNotify)ca_asked_free);
	index->asked_by_key = g_hash_table_new(g_str_hash, g_str_equal);
	index->by_serial = g_hash_table_new(g_str_hash, g_str_equal);
	index->by_key = g_hash_table_new(g_str_hash, g_str_equal);
	index->fd = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (index->fd < 0) {
		g_set_error(
		    error, PV_ERROR, PV_ERROR_CONFIG, "open %s: %s", path, g_strerror(errno));
		return NULL;
	}
	if (!ca_index_refresh(index, error))
		return NULL;
	return g_steal_pointer(&index);
}

static char *
ca_index_dup_sum(const char *text, gsize length)
{
	char *sum = g_compute_checksum_for_string(G_CHECKSUM_SHA256, text, length);
	sum[CA_INDEX_SUM_LENGTH] = '\0';
	return sum;
}

static gboolean
ca_index_take_issued(CaIndex *index, char **words)
{
	gint64 not_before = 0, not_after = 0;
	if (!g_ascii_string_to_signed(words[3], 10, G_MININT64, G_MAXINT64, &not_before, NULL) ||
	    !g_ascii_string_to_signed(words[4], 10, G_MININT64, G_MAXINT64, &not_after, NULL))
		return FALSE;

	CaRecord *record = g_new0(CaRecord, 1);
	record->serial = g_strdup(words[1]);
	record->key = g_strdup(words[2]);
	record->not_before = not_before;
	record->not_after = not_after;
	g_ptr_array_add(index->records, record);
	g_hash_table_replace(index->by_serial, record->serial, record);
	g_hash_table_replace(index->by_key, record->key, record);
	return TRUE;
}

static gboolean
ca_index_take_revoked(CaIndex *index, char **words)
{
	gint64 time = 0;
	guint64 reason = 0;
	CaRecord *record = g_hash_table_lookup(index->by_serial, words[1]);
	if (record == NULL || !g_ascii_string_to_signed(words[2], 10, 1, G_MAXINT64, &time, NULL) ||
	    !g_ascii_string_to_unsigned(words[3], 10, 0, 10, &reason, NULL))
		return FALSE;
	record->revoked = time;
	record->reason = (guint)reason;
	return TRUE;
}

static gboolean
ca_index_take_asked(CaIndex *index, char **words)
{
	gint64 time = 0;
	guint64 number = 0;
	g_autofree char *name = g_uri_unescape_string(words[5], NULL);
	if (name == NULL ||
	    !g_ascii_string_to_unsigned(words[1], 10, 1, G_MAXUINT, &number, NULL) ||
	    number != index->asked->len + 1 ||
	    !g_ascii_string_to_signed(words[3], 10, 1, G_MAXINT64, &time, NULL))
		return FALSE;
	CaAsked *asked = g_new0(CaAsked, 1);
	asked->id = g_strdup(words[1]);
	asked->key = g_strdup(words[2]);
	asked->asked = time;
	asked->uuid = g_strdup(words[4]);
	asked->name = g_steal_pointer(&name);
	g_ptr_array_add(index->asked, asked);
	g_hash_table_replace(index->asked_by_key, asked->key, asked);
	return TRUE;
}

static gboolean
ca_index_take_decided(CaIndex *index, char **words)
{
	gint64 time = 0;
	CaAsked *asked = (CaAsked *)ca_index_find_asked(index, words[1]);
	g_autofree char *text = g_uri_unescape_string(words[3], NULL);
	if (asked == NULL || text == NULL ||
	    !g_ascii_string_to_signed(words[2], 10, 1, G_MAXINT64, &time, NULL))
		return FALSE;
	asked->decided = time;
	asked->approved = g_str_equal(words[0], "approved");
	g_free(asked->text);
	asked->text = *text != '\0' ? g_steal_pointer(&text) : NULL;
	return TRUE;
}

/* The lines, each followed by a blank, the checksum of what is before that blank, and a newline:
 *   issued SERIAL KEY NOT-BEFORE NOT-AFTER UUID
 *   revoked SERIAL TIME REASON
 *   crl NUMBER
 *   asked ID KEY TIME UUID NAME
 *   approved ID TIME -, denied ID TIME TEXT; name and text are percent-encoded */
static gboolean
ca_index_take_line(CaIndex *index, const char *line, gsize length)
{
	if (length <= CA_INDEX_SUM_LENGTH + 1 || length > CA_INDEX_LINE_MAX)
		return FALSE;
	gsize body = length - CA_INDEX_SUM_LENGTH - 1;
	g_autofree char *sum = ca_index_dup_sum(line, body);
	if (line[body] != ' ' || memcmp(line + body + 1, sum, CA_INDEX_SUM_LENGTH) != 0)
		return FALSE;

	g_autofree char *text = g_strndup(line, body);
	g_auto(GStrv) words = g_strsplit(text, " ", -1);
	guint count = g_strv_length(words);
	if (count == 6 && g_str_equal(words[0], "issued"))
		return ca_index_take_issued(index, words);
	if (count == 4 && g_str_equal(words[0], "revoked"))
		return ca_index_take_revoked(index, words);
	if (count == 6 && g_str_equal(words[0], "asked"))
		return ca_index_take_asked(index, words);
	if (count == 4 && (g_str_equal(words[0], "approved") || g_str_equal(words[0], "denied")))
		return ca_index_take_decided(index, words);
	if (count == 2 && g_str_equal(words[0], "crl"))
		return g_ascii_string_to_unsigned(
		    words[1], 10, 1, G_MAXUINT64, &index->crl_number, NULL);
	return FALSE;
}

/* Reads what is beyond index->offset; the caller looks at how far that moved. */
static gboolean
ca_index_read_tail(CaIndex *index, off_t size, GByteArray *tail, GError **error)
{
	g_byte_array_set_size(tail, (guint)(size - index->offset));
	gsize done = 0;
	while (done < tail->len) {
		ssize_t n = pread(
		    index->fd, tail->data + done, tail->len - done, index->offset + (off_t)done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "read %s: %s", index->path,
			    n < 0 ? g_strerror(errno) : "it became shorter");
			return FALSE;
		}
		done += (gsize)n;
	}
	return TRUE;
}

static gboolean
ca_index_cut_off(CaIndex *index, GError **error)
{
	if (ftruncate(index->fd, index->offset) == 0 && fsync(index->fd) == 0)
		return TRUE;
	g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "cut off the half line at the end of %s: %s",
	    index->path, g_strerror(errno));
	return FALSE;
}

gboolean
ca_index_refresh(CaIndex *index, GError **error)
{
	struct stat st;
	if (fstat(index->fd, &st) != 0) {
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "look at %s: %s", index->path,
		    g_strerror(errno));
		return FALSE;
	}
	if (st.st_size < index->offset) /* put back from a backup under our feet: read it anew */
		ca_index_clear(index);
	if (st.st_size - index->offset > G_MAXINT32) {
		g_set_error(error, PV_ERROR, PV_ERROR_CONFIG, "read %s: the file is too large",
		    index->path);
		return FALSE;
	}
	if (st.st_size == index->offset)
		return TRUE;

	g_autoptr(GByteArray) tail = g_byte_array_new();
	if (!ca_index_read_tail(index, st.st_size, tail, error))
		return FALSE;
	const char *text = (const char *)tail->data;
	gsize start = 0;
	while (start < tail->len) {
		const char *end = memchr(text + start, '\n', tail->len - start);
		gsize length = end == NULL ? 0 : (gsize)(end - (text + start));
		if (end == NULL || !ca_index_take_line(index, text + start, length)) {
			/* a crash can leave only the last line in pieces; anything else is damage */
			if (end == NULL || start + length + 1 == tail->len)
				return ca_index_cut_off(index, error);
			g_set_error(error, PV_ERROR, PV_ERROR_CONFIG,
			    "read %s: line %u is damaged: put the folder back from a backup",
			    index->path, index->line + 1);
			return FALSE;
		}
		start += length + 1;
		index->offset += (off_t)length + 1;
		index->line++;
	}
	return TRUE;
}

/* The line is on the disk before it counts in memory. */
static gboolean
ca_index_append(CaIndex *index, const char *text, GError **error)
{
	g_autofree char *sum = ca_index_dup_sum(text, strlen(text));
	g_autofree char *line = g_strdup_printf("%s %s\n", text, sum);
	gsize length = strlen(line), done = 0;
	while (done < length) {
		ssize_t n = write(index->fd, line + done, length - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (gsize)n;
	}
	if (done < length || fsync(index->fd) != 0) {
		int saved = errno;
		g_set_error(error, PV_ERROR, PV_ERROR_FAILED, "write %s: %s", index->path,
		    g_strerror(saved));
		/* not worth a second error: the next refresh cuts off what is left */
		(void)ca_index_cut_off(index, NULL);
		return FALSE;
	}
	return ca_index_refresh(index, error);
}

gboolean
ca_index_add_issued(CaIndex *index, const CaRecord *record, const char *uuid, GError **error)
{
	g_autofree char *text =
	    g_strdup_printf("issued %s %s %" G_GINT64_FORMAT " %" G_GINT64_FORMAT " %s",
		record->serial, record->key, record->not_before, record->not_after, uuid);
	return ca_index_append(index, text, error);
}

gboolean
ca_index_add_revoked(CaIndex *index, const char *serial, gint64 time, guint reason, GError **error)
{
	g_autofree char *text =
	    g_strdup_printf("revoked %s %" G_GINT64_FORMAT " %u", serial, time, reason);
	return ca_index_append(index, text, error);
}

gboolean
ca_index_add_crl(CaIndex *index, guint64 number, GError **error)
{
	g_autofree char *text = g_strdup_printf("crl %" G_GUINT64_FORMAT, number);
	return ca_index_append(index, text, error);
}

gboolean
ca_index_add_asked(CaIndex *index, const char *key, const char *uuid, const char *name, gint64 time,
    char **id, GError **error)
{
	g_autofree char *escaped = g_uri_escape_string(name, NULL, FALSE);
	g_autofree char *number = g_strdup_printf("%u", index->asked->len + 1);
	g_autofree char *text = g_strdup_printf(
	    "asked %s %s %" G_GINT64_FORMAT " %s %s", number, key, time, uuid, escaped);
	if (!ca_index_append(index, text, error))
		return FALSE;
	*id = g_steal_pointer(&number);
	return TRUE;
}

gboolean
ca_index_add_decided(CaIndex *index, const char *id, gboolean approved, gint64 time,
    const char *text, GError **error)
{
	g_autofree char *escaped = g_uri_escape_string(text != NULL ? text : "", NULL, FALSE);
	g_autofree char *line = g_strdup_printf(
	    "%s %s %" G_GINT64_FORMAT " %s", approved ? "approved" : "denied", id, time, escaped);
	return ca_index_append(index, line, error);
}

const CaAsked *
ca_index_find_asked(CaIndex *index, const char *id)
{
	guint64 number = 0;
	return index->asked->len > 0 &&
		       g_ascii_string_to_unsigned(id, 10, 1, index->asked->len, &number, NULL)
		   ? g_ptr_array_index(index->asked, number - 1)
		   : NULL;
}

const CaAsked *
ca_index_find_asked_key(CaIndex *index, const char *key)
{
	return g_hash_table_lookup(index->asked_by_key, key);
}

GPtrArray *
ca_index_get_undecided(CaIndex *index)
{
	GPtrArray *undecided = g_ptr_array_new();
	for (guint i = 0; i < index->asked->len; i++) {
		CaAsked *asked = g_ptr_array_index(index->asked, i);
		if (asked->decided == 0)
			g_ptr_array_add(undecided, asked);
	}
	return undecided;
}

const CaRecord *
ca_index_find_serial(CaIndex *index, const char *serial)
{
	return g_hash_table_lookup(index->by_serial, serial);
}

const CaRecord *
ca_index_find_key(CaIndex *index, const char *key)
{
	return g_hash_table_lookup(index->by_key, key);
}

guint
ca_index_get_length(CaIndex *index)
{
	return index->records->len;
}

guint64
ca_index_get_crl_number(CaIndex *index)
{
	return index->crl_number;
}

GPtrArray *
ca_index_get_revoked(CaIndex *index)
{
	GPtrArray *revoked = g_ptr_array_new();
	for (guint i = 0; i < index->records->len; i++) {
		CaRecord *record = g_ptr_array_index(index->records, i);
		if (record->revoked != 0)
			g_ptr_array_add(revoked, record);
	}
	return revoked;
}
