/*
 * spool.c - the files of the queue.
 */
#include "qmgr/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "qmgr/record.h"

enum { BAD_NAMES_TRIED = 1000 };

static const char *const place_names[SPOOL_PLACES + 1] = {
    [SPOOL_TMP] = "tmp",
    [SPOOL_NEW] = "new",
    [SPOOL_CUR] = "cur",
    [SPOOL_HOLD] = "hold",
    [SPOOL_BAD] = "bad",
    [SPOOL_JOURNAL] = "journal",
    [SPOOL_DROP] = "drop",
    [SPOOL_NOWHERE] = "nowhere",
};

const char *spool_place_name(enum spool_place place)
{
	return place_names[place];
}

int spool_open(struct spool *spool, int root)
{
	spool->root = root;
	for (int place = 0; place < SPOOL_PLACES; place++)
		spool->directory[place] = -1;
	for (int place = 0; place < SPOOL_PLACES; place++) {
		if (mkdirat(root, place_names[place], 0700) != 0 && errno != EEXIST)
			goto failed;
		spool->directory[place] = openat(
		    root, place_names[place], O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
		if (spool->directory[place] < 0)
			goto failed;
	}
	return 0;
failed:
	spool_close(spool);
	return -1;
}

void spool_close(struct spool *spool)
{
	int saved = errno;

	for (int place = 0; place < SPOOL_PLACES; place++) {
		if (spool->directory[place] >= 0)
			close(spool->directory[place]);
		spool->directory[place] = -1;
	}
	errno = saved;
}

void spool_format_name(message_id id, uint64_t size, char name[SPOOL_NAME_MAX])
{
	message_id_format(id, name);
	snprintf(name + MESSAGE_ID_TEXT, SPOOL_NAME_MAX - MESSAGE_ID_TEXT, ",S=%llu",
	    (unsigned long long)size);
}

bool spool_parse_name(struct slice name, message_id *id, uint64_t *size)
{
	struct slice digits = slice_from(name, MESSAGE_ID_TEXT + 3);

	return message_id_parse(slice_part(name, 0, MESSAGE_ID_TEXT), id) &&
	       slice_equal(slice_part(name, MESSAGE_ID_TEXT, 3), SLICE(",S=")) &&
	       slice_number(digits, INT64_MAX, size) && (digits.len == 1 || digits.data[0] != '0');
}

int spool_create(const struct spool *spool, message_id id)
{
	char name[MESSAGE_ID_TEXT + 1];

	message_id_format(id, name);
	return openat(spool->directory[SPOOL_TMP], name,
	    O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
}

int spool_open_received(const struct spool *spool, message_id id)
{
	char name[MESSAGE_ID_TEXT + 1];

	message_id_format(id, name);
	return openat(spool->directory[SPOOL_TMP], name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
}

int spool_replace(const struct spool *spool, message_id id, message_id other)
{
	char from[MESSAGE_ID_TEXT + 1], to[MESSAGE_ID_TEXT + 1];

	message_id_format(other, from);
	message_id_format(id, to);
	return renameat(spool->directory[SPOOL_TMP], from, spool->directory[SPOOL_TMP], to);
}

int spool_abandon(const struct spool *spool, message_id id)
{
	char name[MESSAGE_ID_TEXT + 1];

	message_id_format(id, name);
	return unlinkat(spool->directory[SPOOL_TMP], name, 0);
}

int spool_open_file(const struct spool *spool, const struct spool_file *file, int flags)
{
	char name[SPOOL_NAME_MAX];

	spool_format_name(file->id, file->size, name);
	return openat(spool->directory[file->place], name, flags | O_NOFOLLOW | O_CLOEXEC);
}

ssize_t spool_read_at(int fd, void *data, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n = pread(fd, (char *)data + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		done += (size_t)n;
	}
	return (ssize_t)done;
}

int spool_write_at(int fd, const void *data, size_t len, uint64_t offset)
{
	size_t done = 0;

	while (done < len) {
		ssize_t n =
		    pwrite(fd, (const char *)data + done, len - done, (off_t)(offset + done));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0) {
			errno = EIO;
			return -1;
		}
		done += (size_t)n;
	}
	return 0;
}

int spool_append(int fd, uint64_t end, struct slice records)
{
	return spool_write_at(fd, records.data, records.len, end);
}

int spool_publish(const struct spool *spool, message_id id, uint64_t size)
{
	char from[MESSAGE_ID_TEXT + 1], to[SPOOL_NAME_MAX];

	message_id_format(id, from);
	spool_format_name(id, size, to);
	return renameat(spool->directory[SPOOL_TMP], from, spool->directory[SPOOL_NEW], to);
}

int spool_move(const struct spool *spool, struct spool_file *file, enum spool_place to)
{
	char name[SPOOL_NAME_MAX];

	spool_format_name(file->id, file->size, name);
	if (renameat(spool->directory[file->place], name, spool->directory[to], name) != 0)
		return -1;
	file->place = to;
	return 0;
}

int spool_remove(const struct spool *spool, const struct spool_file *file)
{
	char name[SPOOL_NAME_MAX];

	spool_format_name(file->id, file->size, name);
	if (unlinkat(spool->directory[file->place], name, 0) != 0 && errno != ENOENT)
		return -1;
	return 0;
}

int spool_set_aside(const struct spool *spool, enum spool_place place, const char *name)
{
	char to[NAME_MAX + 1];

	snprintf(to, sizeof to, "%.200s", name);
	for (int i = 0; i < BAD_NAMES_TRIED; i++) {
		if (i > 0)
			snprintf(to, sizeof to, "%.200s~%d", name, i);
		if (renameat2(spool->directory[place], name, spool->directory[SPOOL_BAD], to,
			RENAME_NOREPLACE) == 0)
			return 0;
		if (errno != EEXIST)
			return -1;
	}
	return -1;
}

int spool_set_time(int fd, uint64_t wall_us)
{
	struct timespec times[2] = {
	    {.tv_nsec = UTIME_OMIT                       },
	    { .tv_sec = (time_t)(wall_us / 1000000), .tv_nsec = (long)(wall_us % 1000000) * 1000},
	};

	return futimens(fd, times);
}

int spool_read_records(int fd, uint64_t size, struct buf *records, uint64_t *end)
{
	struct cursor in;
	struct record first;
	struct stat st;
	size_t tail;
	char *room;

	if (fstat(fd, &st) != 0)
		return -1;
	if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size <= size) {
		errno = EBADMSG;
		return -1;
	}
	tail = (uint64_t)st.st_size - size > SPOOL_RECORDS_MAX
		   ? SIZE_MAX
		   : (size_t)((uint64_t)st.st_size - size);
	if (tail == SIZE_MAX || (room = buf_extend(records, tail)) == NULL) {
		errno = EFBIG;
		return -1;
	}
	if (spool_read_at(fd, room, tail, size) != (ssize_t)tail) {
		errno = EBADMSG;
		return -1;
	}
	records->len = record_whole_part(buf_slice(records)).len;
	in = cursor_over(buf_slice(records));
	if (record_next(&in, &first) != RECORD_WHOLE || first.type != RECORD_ENVELOPE) {
		errno = EBADMSG;
		return -1;
	}
	*end = size + records->len;
	return 0;
}

int spool_rebuild(const struct spool *spool, const struct spool_file *file, struct slice content,
    struct slice records)
{
	char from[MESSAGE_ID_TEXT + 1], to[SPOOL_NAME_MAX];
	int fd, failed;

	message_id_format(file->id, from);
	spool_format_name(file->id, file->size, to);
	if (spool_abandon(spool, file->id) != 0 && errno != ENOENT)
		return -1;
	fd = spool_create(spool, file->id);
	if (fd < 0)
		return -1;
	failed =
	    spool_write_at(fd, content.data, content.len, 0) != 0 ||
	    spool_append(fd, content.len, records) != 0 ||
	    renameat(spool->directory[SPOOL_TMP], from, spool->directory[file->place], to) != 0;
	close(fd);
	return failed ? -1 : 0;
}

int spool_flush_file(const struct spool *spool, int fd, enum spool_place place)
{
	return fsync(fd) != 0 || fsync(spool->directory[place]) != 0 ? -1 : 0;
}

int spool_flush_all(const struct spool *spool)
{
	return syncfs(spool->root);
}

int spool_scan(const struct spool *spool, enum spool_place place,
    bool (*found)(void *context, const char *name), void *context)
{
	/* A descriptor of its own, because reading moves its offset. */
	int fd = openat(spool->directory[place], ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *directory = fd < 0 ? NULL : fdopendir(fd);
	struct dirent *entry;
	int result = 0;

	if (directory == NULL) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	while (result == 0) {
		errno = 0;
		entry = readdir(directory);
		if (entry == NULL) {
			if (errno != 0)
				result = -1;
			break;
		}
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (!found(context, entry->d_name))
			result = -1;
	}
	closedir(directory);
	return result;
}

struct sweep {
	const struct spool *spool;
	int count;
};

static bool sweep_one(void *context, const char *name)
{
	struct sweep *sweep = context;

	if (unlinkat(sweep->spool->directory[SPOOL_TMP], name, 0) != 0)
		return false;
	sweep->count++;
	return true;
}

int spool_sweep(const struct spool *spool)
{
	struct sweep sweep = {spool, 0};

	return spool_scan(spool, SPOOL_TMP, sweep_one, &sweep) != 0 ? -1 : sweep.count;
}
