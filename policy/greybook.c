/*
 * greybook.c - where the greylist is written down: a Berkeley DB of policy's own.
 *
 * Keys are 'T' and the hash of a triplet, 'N' and the text of a network, and "K",
 * whose value is the key of the hash.  Values are written with codec.h.
 *
 * A file called "opening" stands in the directory while the database is opened: where it is
 * found there already, the last attempt was our death, and the book is set aside unread.
 */
#include "policy/greybook.h"

#include <db.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/codec.h"
#include "common/log.h"
#include "common/siphash.h"

#define HOME    "greylist"
#define BAD     "greylist.bad"
#define OPENING HOME "/opening"

enum {
	CACHE_OCTETS = 8 * 1024 * 1024,
	LOG_OCTETS = 4 * 1024 * 1024, /* of one log file */
	HASH_OCTETS = 16,
	KEY_MAX = 1 + GREYLIST_NETWORK_TEXT,
	VALUE_MAX = 64,
	ERRORS_LOGGED = 3,
	VICTIMS = 16 /* entries among which the oldest makes room */
};

struct key {
	uint8_t octets[KEY_MAX];
	uint32_t len;
};

static DB_ENV *environment;
static DB *book;
static struct siphash_key hash_keys[2];
static uint64_t count;       /* of entries, about */
static struct key sweep_at;  /* the last one that was looked at */
static bool is_noted;        /* that there is no book */
static unsigned error_count; /* since it was opened */

static void on_error(const DB_ENV *of, const char *prefix, const char *text)
{
	(void)of, (void)prefix;
	/* A file that is spoilt is complained of once for each page. */
	if (error_count++ < ERRORS_LOGGED)
		log_warning("greylist-database", log_string("reason", text));
}

/* --- keys and values -------------------------------------------------------------- */

static struct key key_of_triplet(struct slice triplet)
{
	struct key key = {.octets = {'T'}, .len = 1 + HASH_OCTETS};

	for (int i = 0; i < 2; i++) {
		uint64_t hash = siphash(hash_keys[i], triplet);

		memcpy(key.octets + 1 + (size_t)i * sizeof hash, &hash, sizeof hash);
	}
	return key;
}

static struct key key_of_network(const char *network)
{
	size_t len = strnlen(network, GREYLIST_NETWORK_TEXT - 1);
	struct key key = {.octets = {'N'}, .len = (uint32_t)(1 + len)};

	memcpy(key.octets + 1, network, len);
	return key;
}

static DBT dbt_of(void *data, uint32_t len)
{
	DBT dbt;

	memset(&dbt, 0, sizeof dbt);
	dbt.data = data;
	dbt.size = dbt.ulen = len;
	dbt.flags = DB_DBT_USERMEM;
	return dbt;
}

static void write_entry(struct buf *out, const struct grey_entry *entry)
{
	struct writer w = {out};

	write_u64(&w, entry->first_s);
	write_u64(&w, entry->last_s);
	write_u32(&w, entry->count);
	write_bool(&w, entry->has_passed);
}

/* What makes no sense is nothing. */
static struct grey_entry read_entry(const void *data, size_t len)
{
	struct reader r = reader_over(slice_of(data, len));
	struct grey_entry entry = {.first_s = read_u64(&r),
	    .last_s = read_u64(&r),
	    .count = read_u32(&r),
	    .has_passed = read_bool(&r)};

	return reader_finished(&r) ? entry : (struct grey_entry){0};
}

/* --- opening ------------------------------------------------------------------------ */

/* The files of a directory, and itself; it holds no other directories. */
static void remove_directory(const char *path)
{
	DIR *directory = opendir(path);
	struct dirent *entry;

	while (directory != NULL && (entry = readdir(directory)) != NULL)
		unlinkat(dirfd(directory), entry->d_name, 0);
	if (directory != NULL)
		closedir(directory);
	rmdir(path);
}

static void set_aside(const char *reason)
{
	greybook_close();
	remove_directory(BAD);
	log_error("greylist-set-aside", log_string("reason", reason), log_string("directory", BAD));
	unlink(OPENING);
	if (rename(HOME, BAD) == -1 && errno != ENOENT)
		remove_directory(HOME);
}

static int open_environment(void)
{
	int error = db_env_create(&environment, 0);

	error_count = 0;
	if (error != 0)
		return error;
	environment->set_errcall(environment, on_error);
	/* What was written outlives us; what a power cut takes with it is a few minutes of a cache. */
	error = environment->set_flags(environment, DB_TXN_WRITE_NOSYNC, 1);
	if (error == 0)
		error = environment->set_cachesize(environment, 0, CACHE_OCTETS, 1);
	if (error == 0)
		error = environment->set_lg_max(environment, LOG_OCTETS);
	if (error == 0)
		error = environment->log_set_config(environment, DB_LOG_AUTO_REMOVE, 1);
	if (error == 0)
		error = environment->open(environment, HOME,
		    DB_CREATE | DB_PRIVATE | DB_RECOVER | DB_INIT_MPOOL | DB_INIT_LOG | DB_INIT_TXN,
		    0600);
	return error;
}

static int open_database(void)
{
	int error = db_create(&book, environment, 0);

	if (error == 0)
		error = book->set_flags(book, DB_CHKSUM);
	if (error == 0)
		error = book->open(
		    book, NULL, "greylist.db", NULL, DB_BTREE, DB_CREATE | DB_AUTO_COMMIT, 0600);
	return error;
}

/* The keys of the hash: those of the file, or new ones. */
static int take_keys(void)
{
	DBT key = dbt_of((void *)(uintptr_t) "K", 1), value = dbt_of(hash_keys, sizeof hash_keys);
	int error = book->get(book, NULL, &key, &value, 0);

	if (error == 0 && value.size == sizeof hash_keys)
		return 0;
	if (error != 0 && error != DB_NOTFOUND)
		return error;
	for (int i = 0; i < 2; i++)
		hash_keys[i] = siphash_key_random();
	value = dbt_of(hash_keys, sizeof hash_keys);
	return book->put(book, NULL, &key, &value, DB_AUTO_COMMIT);
}

static int take_count(void)
{
	DB_BTREE_STAT *statistics = NULL;
	int error = book->stat(book, NULL, &statistics, 0);

	if (error == 0)
		count = statistics->bt_nkeys;
	free(statistics);
	return error;
}

static int try_to_open(void)
{
	int mark, error;

	if (mkdir(HOME, 0700) == -1 && errno != EEXIST)
		return errno;
	mark = open(OPENING, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (mark == -1)
		return errno;
	close(mark);
	error = open_environment();
	if (error == 0)
		error = open_database();
	if (error == 0)
		error = take_keys();
	if (error == 0)
		error = take_count();
	unlink(OPENING);
	if (error != 0)
		greybook_close();
	return error;
}

/* Twice at most: what was there, and after that what is new. */
static bool open_book(void)
{
	int error = try_to_open();

	if (error == EEXIST) {
		set_aside("the last attempt to open it was the last of the process");
		error = try_to_open();
	} else if (error != 0 && error != ENOSPC && error != EACCES && error != EROFS &&
		   error != EMFILE) {
		set_aside(db_strerror(error));
		error = try_to_open();
	}
	if (error != 0 && !is_noted)
		log_error("greylist-unusable", log_string("reason", db_strerror(error)));
	is_noted = error != 0;
	return error == 0;
}

bool greybook_open(int directory)
{
	if (book != NULL)
		return true;
	if (fchdir(directory) == -1) {
		log_error("greylist-unusable", log_errno(errno));
		return false;
	}
	return open_book();
}

void greybook_close(void)
{
	if (book != NULL)
		book->close(book, 0);
	if (environment != NULL)
		environment->close(environment, 0);
	book = NULL;
	environment = NULL;
	sweep_at.len = 0;
	count = 0;
}

bool greybook_is_open(void)
{
	return book != NULL;
}

uint64_t greybook_count(void)
{
	return count;
}

/* An operation has failed: true where there is a new book, in which nothing is. */
static bool recover(int error)
{
	if (error == ENOSPC || error == EDQUOT) {
		if (!is_noted)
			log_error("greylist-unusable", log_string("reason", db_strerror(error)));
		is_noted = true;
		return false;
	}
	set_aside(db_strerror(error));
	return open_book();
}

/* --- reading and writing --------------------------------------------------------------- */

static bool get(struct key *key, struct grey_entry *entry)
{
	uint8_t room[VALUE_MAX];
	DBT name = dbt_of(key->octets, key->len), value = dbt_of(room, sizeof room);
	int error;

	*entry = (struct grey_entry){0};
	if (book == NULL)
		return false;
	error = book->get(book, NULL, &name, &value, 0);
	if (error == 0)
		*entry = read_entry(room, value.size);
	return error == 0 || error == DB_NOTFOUND || recover(error);
}

static bool put(struct key *key, const struct grey_entry *entry, bool is_new)
{
	struct buf encoded = buf_with_limit(VALUE_MAX);
	DBT name = dbt_of(key->octets, key->len), value;
	int error;

	if (book == NULL)
		return false;
	write_entry(&encoded, entry);
	value = dbt_of(encoded.data, (uint32_t)encoded.len);
	error = book->put(book, NULL, &name, &value, DB_AUTO_COMMIT);
	buf_free(&encoded);
	if (error == 0) {
		count += is_new;
		is_noted = false;
	}
	return error == 0 || recover(error);
}

static bool delete (struct key *key, bool *was_there)
{
	DBT name = dbt_of(key->octets, key->len);
	int error;

	if (book == NULL)
		return false;
	error = book->del(book, NULL, &name, DB_AUTO_COMMIT);
	*was_there = error == 0;
	if (error == 0 && count > 0)
		count--;
	return error == 0 || error == DB_NOTFOUND || recover(error);
}

/* --- walks ---------------------------------------------------------------------------------- */

typedef bool visitor(struct key *key, const struct grey_entry *entry, void *context);

/*
 * Show up to `limit` entries behind *from, which becomes the last of them; false to
 * stop.  Nothing may be written meanwhile.  Returns how many there were.
 */
static unsigned walk(struct key *from, unsigned limit, visitor *visit, void *context)
{
	uint8_t room[VALUE_MAX];
	DBC *cursor = NULL;
	unsigned seen = 0;
	int error = book == NULL ? ENOENT : book->cursor(book, NULL, &cursor, 0);
	uint32_t how = from->len == 0 ? DB_FIRST : DB_SET_RANGE;
	struct key last = *from;

	while (error == 0 && seen < limit) {
		struct key key = *from;
		DBT name = dbt_of(key.octets, key.len), value = dbt_of(room, sizeof room);
		struct grey_entry entry;

		name.ulen = sizeof key.octets;
		error = cursor->get(cursor, &name, &value, how);
		if (error != 0)
			break;
		key.len = name.size;
		how = DB_NEXT;
		*from = key;
		if (key.len == last.len && memcmp(key.octets, last.octets, key.len) == 0)
			continue; /* where the walk before ended */
		seen++;
		entry = read_entry(room, value.size);
		if (key.octets[0] != 'K' && !visit(&key, &entry, context))
			break;
	}
	if (cursor != NULL)
		cursor->close(cursor);
	if (error != 0 && error != DB_NOTFOUND && error != ENOENT)
		recover(error);
	return seen;
}

struct stale {
	uint64_t now_s;
	const struct grey_terms *terms;
	struct key keys[1024];
	unsigned count;
};

static bool collect_stale(struct key *key, const struct grey_entry *entry, void *context)
{
	struct stale *stale = context;

	if (greylist_is_stale(entry, key->octets[0] == 'N', stale->now_s, stale->terms))
		stale->keys[stale->count++] = *key;
	return stale->count < sizeof stale->keys / sizeof stale->keys[0];
}

void greybook_sweep(unsigned wanted, uint64_t now_s, const struct grey_terms *terms)
{
	static struct stale stale;
	bool was_there;

	stale.now_s = now_s;
	stale.terms = terms;
	stale.count = 0;
	if (walk(&sweep_at, wanted, collect_stale, &stale) < wanted)
		sweep_at.len = 0; /* round */
	for (unsigned i = 0; i < stale.count; i++)
		delete (&stale.keys[i], &was_there);
}

struct victim {
	struct key key;
	uint64_t last_s;
	bool has_passed, is_there;
};

/* Who never came back goes first. */
static bool choose_victim(struct key *key, const struct grey_entry *entry, void *context)
{
	struct victim *victim = context;

	if (key->octets[0] == 'T' &&
	    (!victim->is_there || (victim->has_passed && !entry->has_passed) ||
		(victim->has_passed == entry->has_passed && entry->last_s < victim->last_s)))
		*victim = (struct victim){*key, entry->last_s, entry->has_passed, true};
	return true;
}

static void make_room(const struct key *near)
{
	struct victim victim = {.is_there = false};
	struct key from = *near;
	bool was_there;

	/* Hashes are in random order: what lies behind one of them is a random sample. */
	walk(&from, VICTIMS, choose_victim, &victim);
	if (!victim.is_there) {
		from = (struct key){.octets = {'T'}, .len = 1};
		walk(&from, VICTIMS, choose_victim, &victim);
	}
	if (victim.is_there)
		delete (&victim.key, &was_there);
}

/* --- for the judge -------------------------------------------------------------------------- */

bool greybook_triplet(struct slice triplet, struct grey_entry *entry)
{
	struct key key = key_of_triplet(triplet);

	return get(&key, entry);
}

bool greybook_set_triplet(struct slice triplet, const struct grey_entry *entry, uint64_t limit)
{
	struct key key = key_of_triplet(triplet);
	bool is_new = entry->first_s == entry->last_s && !entry->has_passed;

	if (is_new && count >= limit)
		make_room(&key);
	return put(&key, entry, is_new);
}

bool greybook_network(const char *network, struct grey_entry *entry)
{
	struct key key = key_of_network(network);

	return get(&key, entry);
}

bool greybook_set_network(const char *network, const struct grey_entry *entry)
{
	struct key key = key_of_network(network);
	struct grey_entry known;

	return get(&key, &known) && put(&key, entry, known.last_s == 0);
}

bool greybook_forget_network(const char *network, bool *was_there)
{
	struct key key = key_of_network(network);

	return delete (&key, was_there);
}

struct listing {
	void (*each)(const char *network, const struct grey_entry *entry, void *context);
	void *context;
	unsigned count;
};

static bool list_network(struct key *key, const struct grey_entry *entry, void *context)
{
	struct listing *listing = context;
	char network[GREYLIST_NETWORK_TEXT];

	/* 'T' comes behind 'N'. */
	if (key->octets[0] != 'N')
		return false;
	if (slice_copy(slice_of(key->octets + 1, key->len - 1), network, sizeof network)) {
		listing->count++;
		listing->each(network, entry, listing->context);
	}
	return true;
}

unsigned greybook_networks(const char *after, unsigned limit,
    void (*each)(const char *network, const struct grey_entry *entry, void *context), void *context)
{
	struct listing listing = {each, context, 0};
	struct key from = key_of_network(after);

	walk(&from, limit, list_network, &listing);
	return listing.count;
}

void greybook_checkpoint(void)
{
	int error;

	if (book == NULL)
		return;
	error = environment->txn_checkpoint(environment, 0, 0, 0);
	if (error != 0)
		recover(error);
}
