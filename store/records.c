/*
 * records.c - the records of the index: written, read back, and checked.
 */
#include "common/codec.h"
#include "store/index.h"
#include "store/maildir.h"

enum {
	KEY_MAX = 4 + FILE_NAME_SIZE,
	RECORD_MAX = 64 * 1024,
	MAIL_RECORD_MAX = 64 + FILE_NAME_SIZE,
	UID_KEY = 8,
	LOG_KEY = 16,
};

#define US_PER_DAY (UINT64_C(86400) * 1000000)

/* ---- keys ---- */

struct key {
	unsigned char octets[KEY_MAX];
	size_t len;
};

static void key_number(struct key *key, uint64_t value, unsigned octets)
{
	for (unsigned i = octets; i-- > 0;)
		key->octets[key->len++] = (unsigned char)(value >> (8 * i));
}

static void key_text(struct key *key, struct slice text)
{
	/* Names are shorter than FILE_NAME_SIZE wherever they come from; a longer one would be cut, not overrun. */
	size_t len = text.len < KEY_MAX - key->len ? text.len : KEY_MAX - key->len;

	memcpy(key->octets + key->len, text.data, len);
	key->len += len;
}

static struct key key_uid(uint32_t folder, uint32_t uid)
{
	struct key key = {.len = 0};

	key_number(&key, folder, 4);
	key_number(&key, uid, 4);
	return key;
}

static struct key key_unique(uint32_t folder, struct slice unique)
{
	struct key key = {.len = 0};

	key_number(&key, folder, 4);
	key_text(&key, unique);
	return key;
}

static struct key key_log(uint32_t folder, uint64_t modseq, uint32_t uid)
{
	struct key key = {.len = 0};

	key_number(&key, folder, 4);
	key_number(&key, modseq, 8);
	key_number(&key, uid, 4);
	return key;
}

static struct key key_name(struct slice name)
{
	struct key key = {.len = 0};

	key_text(&key, name);
	return key;
}

static struct key key_folder(uint32_t folder)
{
	struct key key = {.len = 0};

	key_number(&key, folder, 4);
	return key;
}

static uint64_t number_in(const MDB_val *key, size_t from, unsigned octets)
{
	const unsigned char *at = (const unsigned char *)key->mv_data + from;
	uint64_t value = 0;

	for (unsigned i = 0; i < octets; i++)
		value = value << 8 | at[i];
	return value;
}

/* ---- single values ---- */

static struct slice value_slice(const MDB_val *value)
{
	return slice_of(value->mv_data, value->mv_size);
}

/* MDB_NOTFOUND becomes `missing`. */
static enum store_error get(struct index_txn *txn, enum index_table table, struct key key,
    enum store_error missing, struct slice *out)
{
	MDB_val k = {key.len, key.octets}, value;
	int error = mdb_get(txn->txn, txn->index->tables[table], &k, &value);

	*out = slice_of(NULL, 0);
	if (error == MDB_NOTFOUND)
		return missing;
	if (error != 0)
		return index_failed(txn->index, error, "index", "get");
	*out = value_slice(&value);
	return STORE_OK;
}

static enum store_error put(
    struct index_txn *txn, enum index_table table, struct key key, struct slice value)
{
	MDB_val k = {key.len, key.octets}, v = {value.len, (void *)(uintptr_t)value.data};
	int error = mdb_put(txn->txn, txn->index->tables[table], &k, &v, 0);

	return error == 0 ? STORE_OK : index_failed(txn->index, error, "index", "put");
}

static enum store_error put_record(
    struct index_txn *txn, enum index_table table, struct key key, struct buf *record)
{
	enum store_error result =
	    record->overflowed ? STORE_LIMIT : put(txn, table, key, buf_slice(record));

	buf_free(record);
	return result;
}

/* Removing what is not there is fine. */
static enum store_error delete (struct index_txn *txn, enum index_table table, struct key key) {
	MDB_val k = {key.len, key.octets}
           ;
	int error = mdb_del(txn->txn, txn->index->tables[table], &k, NULL);

	return error == 0 || error == MDB_NOTFOUND
		   ? STORE_OK
		   : index_failed(txn->index, error, "index", "delete");
}

static enum store_error put_u32(
    struct index_txn *txn, enum index_table table, struct key key, uint32_t value)
{
	struct buf b = buf_with_limit(4);
	struct writer w = {&b};

	write_u32(&w, value);
	return put_record(txn, table, key, &b);
}

static enum store_error get_u32(struct index_txn *txn, enum index_table table, struct key key,
    enum store_error missing, uint32_t *value)
{
	struct slice record;
	enum store_error result = get(txn, table, key, missing, &record);
	struct reader r;

	if (result != STORE_OK)
		return result;
	r = reader_over(record);
	*value = read_u32(&r);
	return reader_finished(&r) && *value != 0 ? STORE_OK
						  : index_corrupt(txn->index, "a number is none");
}

/* ---- state ---- */

static void write_stamp(struct writer *w, const struct stamp *stamp)
{
	write_u64(w, (uint64_t)stamp->seconds);
	write_u32(w, stamp->nanoseconds);
	write_bool(w, stamp->is_unsure);
}

static struct stamp read_stamp(struct reader *r)
{
	struct stamp stamp;

	stamp.seconds = (int64_t)read_u64(r);
	stamp.nanoseconds = read_u32(r);
	stamp.is_unsure = read_bool(r);
	return stamp;
}

enum store_error index_get_state(struct index_txn *txn, struct index_state *out)
{
	struct slice record;
	enum store_error result =
	    get(txn, TABLE_META, key_name(SLICE("state")), STORE_GONE, &record);
	struct reader r;
	uint32_t format;

	*out = (struct index_state){.next_folder = 1};
	if (result != STORE_OK)
		return result == STORE_GONE ? STORE_OK : result;
	r = reader_over(record);
	format = read_u32(&r);
	out->changes = read_u64(&r);
	out->next_folder = read_u32(&r);
	out->last_uidvalidity = read_u32(&r);
	if (!reader_finished(&r) || format != INDEX_FORMAT || out->next_folder == 0 ||
	    out->changes > INT64_MAX)
		return index_corrupt(txn->index, "its state");
	return STORE_OK;
}

enum store_error index_put_state(struct index_txn *txn, const struct index_state *state)
{
	struct buf b = buf_with_limit(RECORD_MAX);
	struct writer w = {&b};

	write_u32(&w, INDEX_FORMAT);
	write_u64(&w, state->changes);
	write_u32(&w, state->next_folder);
	write_u32(&w, state->last_uidvalidity);
	return put_record(txn, TABLE_META, key_name(SLICE("state")), &b);
}

/* ---- folders ---- */

static bool is_directory_name(const char *name)
{
	return name[0] == '.' && strchr(name, '/') == NULL && strcmp(name, "..") != 0;
}

static bool read_folder(struct reader *r, struct folder *out)
{
	char checked[FILE_NAME_SIZE];

	read_string(r, out->directory, sizeof out->directory);
	read_string(r, out->name, sizeof out->name);
	out->uidvalidity = read_u32(r);
	out->uidnext = read_u32(r);
	out->recent_from = read_u32(r);
	out->messages = read_u32(r);
	out->seen = read_u32(r);
	out->deleted = read_u32(r);
	out->unsized = read_u32(r);
	out->expunged = read_u32(r);
	out->size = read_u64(r);
	out->modseq = read_u64(r);
	out->log_from = read_u64(r);
	out->cur_stamp = read_stamp(r);
	out->keyword_count = read_u8(r);
	if (out->keyword_count > STORE_KEYWORDS_MAX)
		return false;
	for (unsigned i = 0; i < out->keyword_count; i++)
		read_string(r, out->keywords[i], sizeof out->keywords[i]);
	return reader_finished(r) && is_directory_name(out->directory) &&
	       folder_name_check(slice_string(out->name), checked) && out->uidvalidity != 0 &&
	       out->uidnext != 0 && out->recent_from <= out->uidnext &&
	       out->messages <= STORE_MESSAGES_MAX && out->seen <= out->messages &&
	       out->deleted <= out->messages && out->unsized <= out->messages;
}

enum store_error index_get_folder(struct index_txn *txn, uint32_t id, struct folder *out)
{
	struct slice record;
	enum store_error result = get(txn, TABLE_FOLDERS, key_folder(id), STORE_NO_FOLDER, &record);
	struct reader r;

	if (result != STORE_OK)
		return result;
	out->id = id;
	r = reader_over(record);
	return read_folder(&r, out) ? STORE_OK : index_corrupt(txn->index, "a folder");
}

enum store_error index_put_folder(struct index_txn *txn, const struct folder *folder)
{
	struct buf b = buf_with_limit(RECORD_MAX);
	struct writer w = {&b};

	write_string(&w, folder->directory);
	write_string(&w, folder->name);
	write_u32(&w, folder->uidvalidity);
	write_u32(&w, folder->uidnext);
	write_u32(&w, folder->recent_from);
	write_u32(&w, folder->messages);
	write_u32(&w, folder->seen);
	write_u32(&w, folder->deleted);
	write_u32(&w, folder->unsized);
	write_u32(&w, folder->expunged);
	write_u64(&w, folder->size);
	write_u64(&w, folder->modseq);
	write_u64(&w, folder->log_from);
	write_stamp(&w, &folder->cur_stamp);
	write_u8(&w, (uint8_t)folder->keyword_count);
	for (unsigned i = 0; i < folder->keyword_count; i++)
		write_string(&w, folder->keywords[i]);
	return put_record(txn, TABLE_FOLDERS, key_folder(folder->id), &b);
}

enum store_error index_find_folder(struct index_txn *txn, const char *name, uint32_t *id)
{
	return get_u32(txn, TABLE_NAMES, key_name(slice_string(name)), STORE_NO_FOLDER, id);
}

enum store_error index_put_folder_name(struct index_txn *txn, const char *name, uint32_t id)
{
	return put_u32(txn, TABLE_NAMES, key_name(slice_string(name)), id);
}

enum store_error index_delete_folder_name(struct index_txn *txn, const char *name)
{
	return delete (txn, TABLE_NAMES, key_name(slice_string(name)));
}

/* Remove everything of a table whose key begins with the folder's number. */
static enum store_error delete_all_of(
    struct index_txn *txn, enum index_table table, uint32_t folder)
{
	struct key from = key_folder(folder);
	MDB_val k = {from.len, from.octets}, value;
	MDB_cursor *cursor;
	int error = mdb_cursor_open(txn->txn, txn->index->tables[table], &cursor);

	if (error != 0)
		return index_failed(txn->index, error, "index", "cursor");
	error = mdb_cursor_get(cursor, &k, &value, MDB_SET_RANGE);
	while (error == 0 && k.mv_size >= 4 && number_in(&k, 0, 4) == folder) {
		error = mdb_cursor_del(cursor, 0);
		if (error == 0)
			error = mdb_cursor_get(cursor, &k, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return error == 0 || error == MDB_NOTFOUND
		   ? STORE_OK
		   : index_failed(txn->index, error, "index", "delete");
}

enum store_error index_delete_folder(struct index_txn *txn, const struct folder *folder)
{
	static const enum index_table tables[] = {TABLE_MAIL, TABLE_UIDS, TABLE_LOG, TABLE_TEXTS};
	enum store_error result = index_delete_folder_name(txn, folder->name);

	for (size_t i = 0; i < sizeof tables / sizeof tables[0] && result == STORE_OK; i++)
		result = delete_all_of(txn, tables[i], folder->id);
	return result == STORE_OK ? delete (txn, TABLE_FOLDERS, key_folder(folder->id)) : result;
}

/* ---- messages ---- */

/* A name that stays in its directory; whoever takes it apart looks closer. */
static bool is_file_name(const char *name)
{
	return name[0] != '\0' && name[0] != '.' && strchr(name, '/') == NULL;
}

static enum store_error read_mail(
    struct index *index, struct slice record, uint32_t uid, struct mail *out)
{
	struct reader r = reader_over(record);

	out->uid = uid;
	out->flags = read_u8(&r);
	out->keywords = read_u64(&r);
	out->modseq = read_u64(&r);
	out->internal_date = (int64_t)read_u64(&r);
	out->disk_size = read_u64(&r);
	out->crlf_size = read_u64(&r);
	if (!read_string(&r, out->name, sizeof out->name) || !reader_finished(&r) || uid == 0 ||
	    (out->flags & ~(uint32_t)STORE_SYSTEM_FLAGS) != 0 || !is_file_name(out->name))
		return index_corrupt(index, "a message");
	return STORE_OK;
}

enum store_error index_get_mail(
    struct index_txn *txn, uint32_t folder, uint32_t uid, struct mail *out)
{
	struct slice record;
	enum store_error result = get(txn, TABLE_MAIL, key_uid(folder, uid), STORE_GONE, &record);

	return result == STORE_OK ? read_mail(txn->index, record, uid, out) : result;
}

enum store_error index_put_mail(struct index_txn *txn, uint32_t folder, const struct mail *mail)
{
	struct buf b = buf_with_limit(MAIL_RECORD_MAX);
	struct writer w = {&b};
	struct file_name name;
	enum store_error result;

	if (!file_name_parse(slice_string(mail->name), &name))
		return STORE_BAD_NAME;
	result = put_u32(txn, TABLE_UIDS, key_unique(folder, name.unique), mail->uid);
	if (result != STORE_OK)
		return result;
	write_u8(&w, (uint8_t)mail->flags);
	write_u64(&w, mail->keywords);
	write_u64(&w, mail->modseq);
	write_u64(&w, (uint64_t)mail->internal_date);
	write_u64(&w, mail->disk_size);
	write_u64(&w, mail->crlf_size);
	write_string(&w, mail->name);
	return put_record(txn, TABLE_MAIL, key_uid(folder, mail->uid), &b);
}

enum store_error index_delete_mail(struct index_txn *txn, uint32_t folder, const struct mail *mail)
{
	struct file_name name;
	enum store_error result = STORE_OK;

	if (file_name_parse(slice_string(mail->name), &name))
		result = delete (txn, TABLE_UIDS, key_unique(folder, name.unique));
	if (result == STORE_OK)
		result = delete (txn, TABLE_TEXTS, key_uid(folder, mail->uid));
	return result == STORE_OK ? delete (txn, TABLE_MAIL, key_uid(folder, mail->uid)) : result;
}

enum store_error index_find_mail(
    struct index_txn *txn, uint32_t folder, struct slice unique, uint32_t *uid)
{
	return get_u32(txn, TABLE_UIDS, key_unique(folder, unique), STORE_GONE, uid);
}

/* ---- log ---- */

enum store_error index_put_log(
    struct index_txn *txn, uint32_t folder, uint64_t modseq, uint32_t uid, enum change_kind kind)
{
	char octet = (char)kind;

	return put(txn, TABLE_LOG, key_log(folder, modseq, uid), slice_of(&octet, 1));
}

enum store_error index_delete_log(
    struct index_txn *txn, uint32_t folder, uint64_t modseq, uint32_t uid)
{
	return delete (txn, TABLE_LOG, key_log(folder, modseq, uid));
}

enum store_error index_trim_log(struct index_txn *txn, struct folder *folder)
{
	struct key from = key_log(folder->id, 0, 0);
	MDB_val k = {from.len, from.octets}, value;
	MDB_cursor *cursor;
	int error;

	if (folder->expunged <= INDEX_LOG_MAX)
		return STORE_OK;
	error = mdb_cursor_open(txn->txn, txn->index->tables[TABLE_LOG], &cursor);
	if (error != 0)
		return index_failed(txn->index, error, "index", "cursor");
	error = mdb_cursor_get(cursor, &k, &value, MDB_SET_RANGE);
	/* A quarter at once, so that this is rare. */
	while (error == 0 && folder->expunged > INDEX_LOG_MAX - INDEX_LOG_MAX / 4 &&
	       k.mv_size == LOG_KEY && number_in(&k, 0, 4) == folder->id) {
		folder->log_from = number_in(&k, 4, 8);
		if (value.mv_size == 1 && *(const char *)value.mv_data == CHANGE_EXPUNGED)
			folder->expunged--;
		error = mdb_cursor_del(cursor, 0);
		if (error == 0)
			error = mdb_cursor_get(cursor, &k, &value, MDB_NEXT);
	}
	mdb_cursor_close(cursor);
	return error == 0 || error == MDB_NOTFOUND
		   ? STORE_OK
		   : index_failed(txn->index, error, "index", "trim");
}

/* ---- texts ---- */

enum store_error index_get_texts(
    struct index_txn *txn, uint32_t folder, uint32_t uid, struct store_texts *out)
{
	struct slice record;
	enum store_error result = get(txn, TABLE_TEXTS, key_uid(folder, uid), STORE_GONE, &record);
	struct reader r;

	if (result != STORE_OK)
		return result;
	r = reader_over(record);
	out->envelope = read_slice(&r);
	out->body = read_slice(&r);
	out->bodystructure = read_slice(&r);
	return reader_finished(&r) ? STORE_OK : index_corrupt(txn->index, "a message's texts");
}

enum store_error index_put_texts(
    struct index_txn *txn, uint32_t folder, uint32_t uid, const struct store_texts *texts)
{
	struct buf b = buf_with_limit(STORE_TEXTS_MAX + 16);
	struct writer w = {&b};

	write_slice(&w, texts->envelope);
	write_slice(&w, texts->body);
	write_slice(&w, texts->bodystructure);
	return put_record(txn, TABLE_TEXTS, key_uid(folder, uid), &b);
}

/* ---- names of expunged messages ---- */

/*
 * Only what the queue's journal might deliver again is remembered.  The names begin
 * with the identifier, whose order is time: the oldest are found at the front.
 */
enum store_error index_put_gone(
    struct index_txn *txn, const struct file_name *name, uint64_t now_us)
{
	const uint64_t keep_us = MAILDIR_REPLAY_DAYS * US_PER_DAY;
	enum { FORGET_AT_ONCE = 4 };
	struct key key = key_name(name->unique);
	MDB_cursor *cursor;
	MDB_val k, value;
	int error;

	if (!name->is_delivered || (name->time_us < now_us && now_us - name->time_us > keep_us))
		return STORE_OK;
	error = mdb_cursor_open(txn->txn, txn->index->tables[TABLE_GONE], &cursor);
	if (error != 0)
		return index_failed(txn->index, error, "index", "cursor");
	for (int i = 0; i < FORGET_AT_ONCE && error == 0; i++) {
		struct file_name old;

		error = mdb_cursor_get(cursor, &k, &value, MDB_FIRST);
		if (error != 0 || !file_name_parse(value_slice(&k), &old) || old.time_us > now_us ||
		    now_us - old.time_us <= keep_us)
			break;
		error = mdb_cursor_del(cursor, 0);
	}
	mdb_cursor_close(cursor);
	if (error != 0 && error != MDB_NOTFOUND)
		return index_failed(txn->index, error, "index", "forget");
	return put(txn, TABLE_GONE, key, SLICE(""));
}

enum store_error index_is_gone(struct index_txn *txn, struct slice unique, bool *gone)
{
	struct slice record;
	enum store_error result = get(txn, TABLE_GONE, key_name(unique), STORE_GONE, &record);

	*gone = result == STORE_OK;
	return result == STORE_GONE ? STORE_OK : result;
}

/* ---- walking ---- */

static enum store_error walk_begin(struct index_walk *walk, struct index_txn *txn,
    enum index_table table, struct key from, MDB_val *k, MDB_val *value)
{
	int error = mdb_cursor_open(txn->txn, txn->index->tables[table], &walk->cursor);

	walk->txn = txn;
	if (error != 0) {
		walk->cursor = NULL;
		return index_failed(txn->index, error, "index", "cursor");
	}
	*k = (MDB_val){from.len, from.octets};
	error = mdb_cursor_get(walk->cursor, k, value, MDB_SET_RANGE);
	if (error == MDB_NOTFOUND)
		return STORE_GONE;
	return error == 0 ? STORE_OK : index_failed(txn->index, error, "index", "walk");
}

static enum store_error walk_on(struct index_walk *walk, MDB_val *k, MDB_val *value)
{
	int error = mdb_cursor_get(walk->cursor, k, value, MDB_NEXT);

	if (error == MDB_NOTFOUND)
		return STORE_GONE;
	return error == 0 ? STORE_OK : index_failed(walk->txn->index, error, "index", "walk");
}

void index_walk_end(struct index_walk *walk)
{
	if (walk->cursor != NULL)
		mdb_cursor_close(walk->cursor);
	walk->cursor = NULL;
}

static enum store_error mail_here(
    struct index_walk *walk, const MDB_val *k, const MDB_val *value, struct mail *mail)
{
	if (k->mv_size != UID_KEY)
		return index_corrupt(walk->txn->index, "a message's key");
	if (number_in(k, 0, 4) != walk->folder)
		return STORE_GONE;
	return read_mail(walk->txn->index, value_slice(value), (uint32_t)number_in(k, 4, 4), mail);
}

enum store_error index_walk_mail(struct index_walk *walk, struct index_txn *txn, uint32_t folder,
    uint32_t from_uid, struct mail *mail)
{
	MDB_val k, value;
	enum store_error result =
	    walk_begin(walk, txn, TABLE_MAIL, key_uid(folder, from_uid), &k, &value);

	walk->folder = folder;
	return result == STORE_OK ? mail_here(walk, &k, &value, mail) : result;
}

enum store_error index_walk_mail_next(struct index_walk *walk, struct mail *mail)
{
	MDB_val k, value;
	enum store_error result = walk_on(walk, &k, &value);

	return result == STORE_OK ? mail_here(walk, &k, &value, mail) : result;
}

static enum store_error log_here(
    struct index_walk *walk, const MDB_val *k, const MDB_val *value, struct log_entry *entry)
{
	struct slice kind = value_slice(value);

	if (k->mv_size != LOG_KEY || kind.len != 1 ||
	    (kind.data[0] != CHANGE_FLAGS && kind.data[0] != CHANGE_EXPUNGED))
		return index_corrupt(walk->txn->index, "its log");
	if (number_in(k, 0, 4) != walk->folder)
		return STORE_GONE;
	entry->modseq = number_in(k, 4, 8);
	entry->uid = (uint32_t)number_in(k, 12, 4);
	entry->kind = (enum change_kind)kind.data[0];
	return STORE_OK;
}

enum store_error index_walk_log(struct index_walk *walk, struct index_txn *txn, uint32_t folder,
    uint64_t from_modseq, struct log_entry *entry)
{
	MDB_val k, value;
	enum store_error result =
	    walk_begin(walk, txn, TABLE_LOG, key_log(folder, from_modseq, 0), &k, &value);

	walk->folder = folder;
	return result == STORE_OK ? log_here(walk, &k, &value, entry) : result;
}

enum store_error index_walk_log_next(struct index_walk *walk, struct log_entry *entry)
{
	MDB_val k, value;
	enum store_error result = walk_on(walk, &k, &value);

	return result == STORE_OK ? log_here(walk, &k, &value, entry) : result;
}

static enum store_error folder_here(
    struct index_walk *walk, const MDB_val *k, const MDB_val *value, struct folder *folder)
{
	struct reader r = reader_over(value_slice(value));

	if (k->mv_size != 4 || !read_folder(&r, folder))
		return index_corrupt(walk->txn->index, "a folder");
	folder->id = (uint32_t)number_in(k, 0, 4);
	return STORE_OK;
}

enum store_error index_walk_folders(
    struct index_walk *walk, struct index_txn *txn, struct folder *folder)
{
	MDB_val k, value;
	enum store_error result = walk_begin(walk, txn, TABLE_FOLDERS, key_folder(0), &k, &value);

	return result == STORE_OK ? folder_here(walk, &k, &value, folder) : result;
}

enum store_error index_walk_folders_next(struct index_walk *walk, struct folder *folder)
{
	MDB_val k, value;
	enum store_error result = walk_on(walk, &k, &value);

	return result == STORE_OK ? folder_here(walk, &k, &value, folder) : result;
}
