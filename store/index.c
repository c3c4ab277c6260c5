/*
 * index.c - opening the LMDB environment behind a store, and its transactions.
 *
 * LMDB maps the file and follows the page numbers in it without much doubt, so a
 * damaged file could end the process.  Therefore a file is checked page by page
 * (verify.c) before it is used, unless index/verified says that this very state of
 * it (size and time) was closed in order, and that it was only ever this process
 * that had changed it.  A process that dies leaves no such note, and the next one
 * looks.  What was found corrupt is not followed again, not even to close it.
 */
#include "store/index.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/codec.h"
#include "common/crc32c.h"
#include "store/home.h"

static const char *const table_names[TABLE_COUNT] = {
    [TABLE_META] = "meta",
    [TABLE_FOLDERS] = "folders",
    [TABLE_NAMES] = "names",
    [TABLE_MAIL] = "mail",
    [TABLE_UIDS] = "uids",
    [TABLE_LOG] = "log",
    [TABLE_TEXTS] = "texts",
    [TABLE_GONE] = "gone",
};

/* ---- errors ---- */

static enum store_error error_of(int error)
{
	switch (error) {
	case MDB_MAP_FULL:
	case MDB_TXN_FULL:
	case ENOSPC:
	case EDQUOT:
		return STORE_FULL;
	case ENOMEM:
		return STORE_MEMORY;
	case MDB_PAGE_NOTFOUND:
	case MDB_CORRUPTED:
	case MDB_PANIC:
	case MDB_VERSION_MISMATCH:
	case MDB_INVALID:
	case MDB_INCOMPATIBLE:
	case MDB_BAD_TXN:
	case MDB_BAD_VALSIZE:
		return STORE_CORRUPT;
	default:
		return STORE_IO;
	}
}

static void mark_corrupt(struct index *index)
{
	int fd = openat(
	    index->directory_fd, "corrupt", O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);

	index->is_corrupt = true;
	if (fd >= 0)
		close(fd);
}

enum store_error index_failed(struct index *index, int error, const char *object, const char *step)
{
	enum store_error result = error_of(error);

	snprintf(
	    index->failure, sizeof index->failure, "%s: %s: %s", object, step, mdb_strerror(error));
	if (result == STORE_CORRUPT)
		mark_corrupt(index);
	return result;
}

enum store_error index_corrupt(struct index *index, const char *what)
{
	snprintf(index->failure, sizeof index->failure, "index: corrupt: %s", what);
	mark_corrupt(index);
	return STORE_CORRUPT;
}

/* ---- the note of a state known to be sound ---- */

enum { VERIFIED_SIZE = 28 };

static bool data_state(const struct index *index, uint64_t state[3])
{
	struct stat st;

	if (fstatat(index->directory_fd, "data.mdb", &st, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	state[0] = (uint64_t)st.st_size;
	state[1] = (uint64_t)st.st_mtim.tv_sec;
	state[2] = (uint64_t)st.st_mtim.tv_nsec;
	return true;
}

static bool is_noted_as_sound(struct index *index)
{
	char note[VERIFIED_SIZE];
	struct reader r = reader_over(slice_of(note, sizeof note));
	uint64_t state[3];
	int fd = openat(index->directory_fd, "verified", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, note, sizeof note);
	close(fd);
	if (n != sizeof note || !data_state(index, state))
		return false;
	for (int i = 0; i < 3; i++)
		if (read_u64(&r) != state[i])
			return false;
	return read_u32(&r) == crc32c(0, note, VERIFIED_SIZE - 4);
}

static void note_as_sound(struct index *index)
{
	struct buf b = buf_with_limit(VERIFIED_SIZE);
	struct writer w = {&b};
	uint64_t state[3];
	int fd;

	if (is_noted_as_sound(index) || !data_state(index, state))
		return;
	for (int i = 0; i < 3; i++)
		write_u64(&w, state[i]);
	write_u32(&w, crc32c(0, b.data, b.len));
	fd = openat(index->directory_fd, "verified",
	    O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd >= 0) {
		/* Not written whole: then the next opening checks the pages. */
		if (write(fd, b.data, b.len) < 0)
			unlinkat(index->directory_fd, "verified", 0);
		close(fd);
	}
	buf_free(&b);
}

/* ---- opening ---- */

static size_t map_for(uint64_t used)
{
	uint64_t size = INDEX_MAP_MIN;

	while (size < used + used / 4 + INDEX_HEADROOM && size < INDEX_MAP_MAX)
		size *= 2;
	return (size_t)size;
}

/* LMDB opens by path: go there, and come back. */
static int open_environment(struct index *index)
{
	int here = open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int error;

	if (here < 0)
		return errno;
	if (fchdir(index->directory_fd) != 0) {
		error = errno;
	} else {
		error = mdb_env_open(index->env, ".", MDB_NOTLS, 0600);
		if (fchdir(here) != 0 && error == 0)
			error = errno;
	}
	close(here);
	return error;
}

static bool is_plain_file_or_absent(struct index *index, const char *name, struct stat *st)
{
	*st = (struct stat){0};
	if (fstatat(index->directory_fd, name, st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno == ENOENT;
	return S_ISREG(st->st_mode);
}

static bool head_is_sound(struct index *index)
{
	int fd = openat(index->directory_fd, "data.mdb", O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
	bool sound;

	if (fd < 0)
		return errno == ENOENT;
	sound = index_head_is_sound(fd);
	close(fd);
	return sound;
}

static enum store_error make_environment(struct index *index)
{
	struct stat data, lock;
	int error, dead;

	if (faccessat(index->directory_fd, "corrupt", F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return index_corrupt(index, "it was found so before");
	if (!is_plain_file_or_absent(index, "data.mdb", &data) ||
	    !is_plain_file_or_absent(index, "lock.mdb", &lock))
		return index_corrupt(index, "not a plain file");
	if (!is_noted_as_sound(index) && !head_is_sound(index))
		return index_corrupt(index, "its head");
	error = mdb_env_create(&index->env);
	if (error == 0)
		error = mdb_env_set_maxdbs(index->env, TABLE_COUNT);
	if (error == 0)
		error = mdb_env_set_mapsize(index->env, map_for((uint64_t)data.st_size));
	if (error == 0)
		error = open_environment(index);
	if (error != 0)
		return index_failed(index, error, "index", "open");
	/* Slots of readers that died. */
	mdb_reader_check(index->env, &dead);
	if (fstatat(index->directory_fd, "data.mdb", &data, AT_SYMLINK_NOFOLLOW) != 0)
		return index_failed(index, errno, "index/data.mdb", "stat");
	index->inode = data.st_ino;
	return STORE_OK;
}

/* The pages of that state. */
static enum store_error check_pages_of(struct index *index, size_t txn)
{
	const char *what = "";
	int fd;
	int error = mdb_env_get_fd(index->env, &fd);

	if (error != 0)
		return index_failed(index, error, "index", "read");
	return index_pages_are_sound(fd, txn, &what) ? STORE_OK : index_corrupt(index, what);
}

static enum store_error check_pages(struct index *index)
{
	enum store_error result;
	MDB_txn *txn;
	int error;

	if (is_noted_as_sound(index))
		return STORE_OK;
	error = mdb_txn_begin(index->env, NULL, MDB_RDONLY, &txn);
	if (error != 0)
		return index_failed(index, error, "index", "read");
	result = check_pages_of(index, mdb_txn_id(txn));
	mdb_txn_abort(txn);
	return result;
}

/* Nobody has written to the file since we looked. */
static bool is_as_known(const struct index *index)
{
	uint64_t state[3];

	return data_state(index, state) && memcmp(state, index->known_state, sizeof state) == 0;
}

/* What is there now is sound, as far as one can know. */
static enum store_error know(struct index *index)
{
	MDB_envinfo info;

	mdb_env_info(index->env, &info);
	index->known_txn = info.me_last_txnid;
	return data_state(index, index->known_state)
		   ? STORE_OK
		   : index_failed(index, errno, "index/data.mdb", "stat");
}

/*
 * Has somebody written to the file since we looked?  Another process that uses it as
 * we do leaves a new transaction in it.  Where there is none it was not LMDB that wrote,
 * and the pages are looked at before LMDB follows them.
 */
static enum store_error look_again(struct index *index)
{
	enum store_error result = STORE_OK;
	MDB_envinfo info;

	if (is_as_known(index))
		return STORE_OK;
	mdb_env_info(index->env, &info);
	if (info.me_last_txnid != index->known_txn)
		index->is_shared = true;
	else
		result = check_pages_of(index, info.me_last_txnid);
	return result == STORE_OK ? know(index) : result;
}

/* Table handles; MDB_NOTFOUND where a table is missing and is not to be made. */
static int open_tables(struct index *index, bool create)
{
	MDB_txn *txn;
	int error = mdb_txn_begin(index->env, NULL, create ? 0 : MDB_RDONLY, &txn);

	if (error != 0)
		return error;
	for (int i = 0; i < TABLE_COUNT && error == 0; i++)
		error =
		    mdb_dbi_open(txn, table_names[i], create ? MDB_CREATE : 0, &index->tables[i]);
	if (error != 0) {
		mdb_txn_abort(txn);
		return error;
	}
	return mdb_txn_commit(txn);
}

static enum store_error try_open(struct index *index)
{
	enum store_error result = make_environment(index);
	int error;

	if (result == STORE_OK)
		result = check_pages(index);
	if (result != STORE_OK)
		return result;
	error = open_tables(index, false);
	if (error == MDB_NOTFOUND)
		error = open_tables(index, true);
	return error == 0 ? know(index) : index_failed(index, error, "index", "open tables");
}

static void drop_environment(struct index *index)
{
	if (index->reader != NULL)
		mdb_txn_abort(index->reader);
	index->reader = NULL;
	if (index->env != NULL)
		mdb_env_close(index->env);
	index->env = NULL;
}

static enum store_error put_aside(struct index *index)
{
	static const char *const others[] = {"lock.mdb", "verified", "corrupt"};
	int fd = index->directory_fd;

	if (renameat(fd, "data.mdb", fd, "data.mdb.corrupt") != 0 && errno != ENOENT)
		return index_failed(index, errno, "index/data.mdb", "rename");
	for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
		if (unlinkat(fd, others[i], 0) != 0 && errno != ENOENT)
			return index_failed(index, errno, "index", "unlink");
	index->is_corrupt = false;
	return STORE_OK;
}

/* LMDB must not open a file twice in one process. */
static LIST_HEAD(, index) open_indexes = LIST_HEAD_INITIALIZER(open_indexes);

static void note_as_open(struct index *index)
{
	struct stat st = {0};

	fstat(index->directory_fd, &st);
	index->device = st.st_dev;
	index->directory_inode = st.st_ino;
	LIST_INSERT_HEAD(&open_indexes, index, entry);
}

static struct index *find_open(int home_fd)
{
	struct index *index;
	struct stat st;

	if (fstatat(home_fd, "index", &st, AT_SYMLINK_NOFOLLOW) != 0)
		return NULL;
	LIST_FOREACH (index, &open_indexes, entry)
		if (index->device == st.st_dev && index->directory_inode == st.st_ino)
			return index;
	return NULL;
}

enum store_error index_open(struct index *index, int home_fd, bool rebuild, bool *rebuilt)
{
	enum store_error result;

	*rebuilt = false;
	*index = (struct index){.directory_fd = open_directory(home_fd, "index")};
	if (index->directory_fd < 0)
		return index_failed(index, errno, "index", "open");
	/* One at a time: nobody may open what another is putting aside. */
	if (flock(index->directory_fd, LOCK_EX) != 0) {
		result = index_failed(index, errno, "index", "lock");
	} else {
		result = try_open(index);
		if (result == STORE_CORRUPT && rebuild) {
			drop_environment(index);
			result = put_aside(index);
			if (result == STORE_OK)
				result = try_open(index);
			*rebuilt = result == STORE_OK;
		}
		flock(index->directory_fd, LOCK_UN);
	}
	if (result != STORE_OK) {
		drop_environment(index);
		close(index->directory_fd);
		index->directory_fd = -1;
		return result;
	}
	note_as_open(index);
	return STORE_OK;
}

void index_close(struct index *index)
{
	if (index->directory_fd < 0)
		return;
	LIST_REMOVE(index, entry);
	drop_environment(index);
	if (faccessat(index->directory_fd, "corrupt", F_OK, AT_SYMLINK_NOFOLLOW) != 0 &&
	    index_is_current(index) && !index->is_shared && is_as_known(index))
		note_as_sound(index);
	close(index->directory_fd);
	index->directory_fd = -1;
}

bool index_is_current(const struct index *index)
{
	struct stat st;

	return fstatat(index->directory_fd, "data.mdb", &st, AT_SYMLINK_NOFOLLOW) == 0 &&
	       st.st_ino == index->inode;
}

/* ---- transactions ---- */

/* Set the map's size; 0: what another process has set.  Without a map there is no going on. */
static int resize_map(struct index *index, size_t size)
{
	int error = mdb_env_set_mapsize(index->env, size);

	if (error != 0)
		drop_environment(index);
	return error;
}

/*
 * The two heads say how large all the rest is.  LMDB goes by them before we can look
 * at the pages, and to make a map of that size would be the least of it: so where
 * somebody has written to the file, they are looked at first.
 */
static int look_at_heads(struct index *index)
{
	int fd;

	if (index->is_corrupt)
		return MDB_CORRUPTED;
	if (index->env == NULL)
		return ENOMEM;
	if (is_as_known(index) || mdb_env_get_fd(index->env, &fd) != 0)
		return 0;
	return lseek(fd, 0, SEEK_END) > 0 && index_head_is_sound(fd) ? 0 : MDB_CORRUPTED;
}

static int begin(struct index *index, unsigned flags, MDB_txn **txn)
{
	int error = look_at_heads(index);

	if (error != 0)
		return error;
	error = mdb_txn_begin(index->env, NULL, flags, txn);
	if (error == MDB_MAP_RESIZED) {
		error = resize_map(index, 0);
		if (error == 0)
			error = mdb_txn_begin(index->env, NULL, flags, txn);
	}
	return error;
}

/* A snapshot, in the reader that is kept, or in a new one. */
static int renew_reader(struct index *index)
{
	int error = look_at_heads(index);

	if (error != 0)
		return error;
	error = MDB_MAP_RESIZED;
	if (index->reader != NULL) {
		error = mdb_txn_renew(index->reader);
		if (error == 0)
			return 0;
		mdb_txn_abort(index->reader);
		index->reader = NULL;
	}
	if (error == MDB_MAP_RESIZED)
		error = begin(index, MDB_RDONLY, &index->reader);
	if (error != 0)
		index->reader = NULL;
	return error;
}

enum store_error index_begin_read(struct index *index, struct index_txn *txn)
{
	enum store_error result;
	int error;

	*txn = (struct index_txn){.index = index};
	error = renew_reader(index);
	if (error != 0)
		return index_failed(index, error, "index", "read");
	result = look_again(index);
	if (result == STORE_OK)
		txn->txn = index->reader;
	else
		mdb_txn_reset(index->reader);
	return result;
}

/* Room in the map for a transaction of about `octets`; true where there is, or where it cannot grow. */
static bool has_room(struct index *index, uint64_t octets, size_t *wanted)
{
	MDB_envinfo info;
	MDB_stat stat;
	uint64_t used;

	mdb_env_info(index->env, &info);
	mdb_env_stat(index->env, &stat);
	used = (uint64_t)(info.me_last_pgno + 1) * stat.ms_psize + octets * 2;
	*wanted = map_for(used);
	return *wanted <= info.me_mapsize;
}

enum store_error index_begin_write(struct index *index, uint64_t octets, struct index_txn *txn)
{
	enum store_error result;
	size_t wanted;

	*txn = (struct index_txn){.index = index, .is_write = true};
	for (int attempt = 0;; attempt++) {
		int error = begin(index, 0, &txn->txn);

		if (error != 0) {
			txn->txn = NULL;
			return index_failed(index, error, "index", "write");
		}
		result = look_again(index);
		if (result != STORE_OK) {
			index_end(txn);
			return result;
		}
		/* Asked with the lock held: nobody else fills it meanwhile. */
		if (has_room(index, octets, &wanted) || attempt > 1)
			return STORE_OK;
		mdb_txn_abort(txn->txn);
		txn->txn = NULL;
		error = resize_map(index, wanted);
		if (error != 0)
			return index_failed(index, error, "index", "grow");
	}
}

enum store_error index_commit(struct index_txn *txn, bool durable)
{
	struct index *index = txn->index;
	int error;

	/*
	 * MDB_NOMETASYNC still flushes the pages before the page that points to them is
	 * written, so that the file stays sound; it only spares the second flush.
	 */
	if (!durable)
		mdb_env_set_flags(index->env, MDB_NOMETASYNC, 1);
	error = mdb_txn_commit(txn->txn);
	if (!durable)
		mdb_env_set_flags(index->env, MDB_NOMETASYNC, 0);
	txn->txn = NULL;
	if (error != 0)
		return index_failed(index, error, "index", "commit");
	/* It is committed, whatever stat(2) says; what is not known is looked at again. */
	know(index);
	return STORE_OK;
}

void index_end(struct index_txn *txn)
{
	if (txn->txn == NULL)
		return;
	if (txn->is_write)
		mdb_txn_abort(txn->txn);
	else
		mdb_txn_reset(txn->txn);
	txn->txn = NULL;
}

/* ---- for delivery ---- */

static bool is_gone(struct index *index, struct slice unique)
{
	struct index_txn txn;
	bool gone = false;

	if (index_begin_read(index, &txn) != STORE_OK)
		return false;
	if (index_is_gone(&txn, unique, &gone) != STORE_OK)
		gone = false;
	index_end(&txn);
	return gone;
}

bool index_name_is_gone(int home_fd, struct slice unique)
{
	/* Delivery has threads; an index is opened by one at a time. */
	static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
	struct index *open, index;
	struct stat st;
	bool gone = false, rebuilt;

	if (fstatat(home_fd, "index/data.mdb", &st, AT_SYMLINK_NOFOLLOW) != 0)
		return false;
	pthread_mutex_lock(&one_at_a_time);
	open = find_open(home_fd);
	if (open != NULL) {
		gone = is_gone(open, unique);
	} else if (index_open(&index, home_fd, false, &rebuilt) == STORE_OK) {
		gone = is_gone(&index, unique);
		index_close(&index);
	}
	pthread_mutex_unlock(&one_at_a_time);
	return gone;
}
