/*
 * content.c - reading messages: sizes, names for ever, and what is in them.
 */
#include <errno.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "store/line_ends.h"
#include "store/private.h"

enum { WINDOW = 64 * 1024 };

/* ---- finding the file ---- */

static enum store_error open_recorded(
    struct store *store, uint32_t folder, uint32_t uid, struct mail *mail, int *fd)
{
	struct index_txn txn;
	struct folder record;
	char path[PATH_BELOW_SIZE];
	enum store_error result = index_begin_read(&store->index, &txn);

	*fd = -1;
	if (result != STORE_OK)
		return result;
	result = index_get_folder(&txn, folder, &record);
	if (result == STORE_OK)
		result = index_get_mail(&txn, folder, uid, mail);
	index_end(&txn);
	if (result != STORE_OK)
		return result == STORE_NO_FOLDER ? STORE_STALE : result;
	folder_path(record.directory, "cur", mail->name, path);
	*fd = open_beneath(store->maildir_fd, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0);
	if (*fd < 0)
		return errno == ENOENT ? STORE_GONE : folder_failed(store, &record, "open message");
	return STORE_OK;
}

enum store_error mail_open(
    struct store *store, uint32_t folder, uint32_t uid, struct mail *mail, int *fd)
{
	enum store_error result = open_recorded(store, folder, uid, mail, fd);
	struct folder record;
	struct stat st;

	/* Another program may have renamed it a moment ago. */
	if (result == STORE_GONE && folder_sync(store, folder, &record) == STORE_OK)
		result = open_recorded(store, folder, uid, mail, fd);
	if (result == STORE_OK && (fstat(*fd, &st) != 0 || !S_ISREG(st.st_mode))) {
		close(*fd);
		*fd = -1;
		result = STORE_GONE;
	}
	return result;
}

/* ---- content ---- */

struct store_content {
	int fd;
	uint64_t disk_size;
	uint64_t crlf_size;
	bool is_whole;
	/* Where the conversion stands. */
	uint64_t disk_at; /* octets of the file taken */
	uint64_t crlf_at; /* octets given */
	bool after_cr;
	bool owes_lf;       /* a line end's CR was given, its LF not */
	uint64_t window_at; /* what of the file is in the window */
	size_t window_len;
	void *map; /* see store_content_map */
	char window[WINDOW];
};

/* What of the file lies at `disk_at`; empty at the end, false with errno on failure. */
static bool fill_window(struct store_content *content, struct slice *out)
{
	uint64_t at = content->disk_at;

	if (at < content->window_at || at >= content->window_at + content->window_len) {
		ssize_t n;

		do
			n = pread(content->fd, content->window, WINDOW, (off_t)at);
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return false;
		content->window_at = at;
		content->window_len = (size_t)n;
	}
	*out = slice_from(
	    slice_of(content->window, content->window_len), (size_t)(at - content->window_at));
	return true;
}

/* The next octets with CRLF: their number, 0 at the end, -1 with errno. */
static ssize_t convert(struct store_content *content, char *out, size_t room)
{
	struct slice in;
	size_t given = 0, taken;

	if (content->owes_lf && room > 0) {
		out[given++] = '\n';
		content->owes_lf = false;
		content->after_cr = false;
	}
	while (given < room) {
		if (!fill_window(content, &in))
			return -1;
		if (in.len == 0)
			break;
		given += from_disk_block(&content->after_cr, in, out + given, room - given, &taken);
		content->disk_at += taken;
		/* One octet of room before a line end that needs two. */
		if (given + 1 == room && taken < in.len && in.data[taken] == '\n' &&
		    !content->after_cr) {
			out[given++] = '\r';
			content->disk_at++;
			content->owes_lf = true;
		}
	}
	content->crlf_at += given;
	return (ssize_t)given;
}

static void rewind_content(struct store_content *content)
{
	content->disk_at = content->crlf_at = 0;
	content->after_cr = content->owes_lf = false;
}

/* Size with CRLF, by reading. */
static bool measure(struct store_content *content)
{
	struct slice in;
	bool after_cr = false;

	content->crlf_size = 0;
	for (rewind_content(content);; content->disk_at += in.len) {
		if (!fill_window(content, &in))
			return false;
		if (in.len == 0)
			break;
		content->crlf_size += from_disk_size(&after_cr, in);
	}
	rewind_content(content);
	return true;
}

/* Keep a size that had to be measured. */
static void record_size(
    struct store *store, uint32_t folder, uint32_t uid, uint64_t disk_size, uint64_t crlf_size)
{
	struct change change;
	struct mail old, mail;

	if (change_begin(&change, store, folder, 1) != STORE_OK)
		return;
	if (index_get_mail(&change.txn, folder, uid, &old) == STORE_OK) {
		mail = old;
		mail.disk_size = disk_size;
		mail.crlf_size = crlf_size;
		if (mail_correct(&change, &old, &mail) == STORE_OK &&
		    change_commit(&change, false) == STORE_OK)
			return;
	}
	change_end(&change);
}

static uint64_t named_size(const struct mail *mail)
{
	struct file_name name;

	return file_name_parse(slice_string(mail->name), &name) ? name.disk_size
								: FILE_SIZE_UNKNOWN;
}

bool content_is_whole(const struct store_content *content)
{
	return content->is_whole;
}

static enum store_error open_content(
    struct store *store, uint32_t folder, uint32_t uid, struct store_content **out)
{
	struct store_content *content = malloc(sizeof *content);
	struct mail mail;
	struct stat st;
	enum store_error result;

	*out = NULL;
	if (content == NULL)
		return STORE_MEMORY;
	content->window_at = content->window_len = 0;
	content->map = NULL;
	result = mail_open(store, folder, uid, &mail, &content->fd);
	if (result != STORE_OK) {
		free(content);
		return result;
	}
	rewind_content(content);
	content->disk_size = fstat(content->fd, &st) == 0 ? (uint64_t)st.st_size : 0;
	content->crlf_size = mail.crlf_size;
	content->is_whole =
	    named_size(&mail) == FILE_SIZE_UNKNOWN || named_size(&mail) == content->disk_size;
	if (mail.disk_size != content->disk_size || mail.crlf_size == FILE_SIZE_UNKNOWN) {
		if (!measure(content)) {
			result = index_failed(&store->index, errno, "a message", "read");
			store_content_close(content);
			return result;
		}
		record_size(store, folder, uid, content->disk_size, content->crlf_size);
	}
	*out = content;
	return STORE_OK;
}

enum store_error store_content_open(
    struct store_view *view, uint32_t seq, struct store_content **out)
{
	const struct store_message *message = &view->messages[seq - 1];

	*out = NULL;
	if ((message->flags & STORE_EXPUNGED) != 0)
		return STORE_GONE;
	return open_content(view->store, view->folder, message->uid, out);
}

void store_content_close(struct store_content *content)
{
	if (content == NULL)
		return;
	if (content->map != NULL)
		munmap(content->map, (size_t)content->disk_size);
	close(content->fd);
	free(content);
}

uint64_t store_content_size(const struct store_content *content)
{
	return content->crlf_size;
}

ssize_t store_content_read(struct store_content *content, uint64_t offset, void *buffer, size_t len)
{
	size_t given = 0;

	if (offset < content->crlf_at)
		rewind_content(content);
	while (content->crlf_at < offset) {
		char skipped[16384];
		uint64_t left = offset - content->crlf_at;
		ssize_t n = convert(
		    content, skipped, left < sizeof skipped ? (size_t)left : sizeof skipped);

		if (n <= 0)
			return n;
	}
	while (given < len) {
		ssize_t n = convert(content, (char *)buffer + given, len - given);

		if (n < 0)
			return -1;
		if (n == 0)
			break;
		given += (size_t)n;
	}
	return (ssize_t)given;
}

enum store_error store_content_load(struct store_content *content, struct buf *out)
{
	size_t before = out->len;
	char *at = NULL;
	ssize_t n;

	if (content->crlf_size == 0)
		return STORE_OK;
	if (content->crlf_size <= SIZE_MAX)
		at = buf_extend(out, (size_t)content->crlf_size);
	if (at == NULL)
		return STORE_LIMIT;
	n = store_content_read(content, 0, at, (size_t)content->crlf_size);
	out->len = before + (n < 0 ? 0 : (size_t)n);
	return n < 0 ? STORE_IO : STORE_OK;
}

/* What fits the window is read: that is cheaper than a mapping, and nobody can cut it short afterwards. */
static enum store_error read_whole(struct store_content *content, struct slice *out)
{
	content->window_len = 0;
	rewind_content(content);
	return fill_window(content, out) ? STORE_OK : STORE_IO;
}

enum store_error store_content_map(struct store_content *content, struct slice *out)
{
	if (content->disk_size <= WINDOW)
		return read_whole(content, out);
	if (content->map == NULL) {
		void *map =
		    mmap(NULL, (size_t)content->disk_size, PROT_READ, MAP_PRIVATE, content->fd, 0);

		if (map == MAP_FAILED)
			return STORE_MEMORY;
		content->map = map;
	}
	*out = slice_of(content->map, (size_t)content->disk_size);
	return STORE_OK;
}

/* ---- facts ---- */

static enum store_error get_mail(struct store_view *view, uint32_t seq, struct mail *mail)
{
	const struct store_message *message = &view->messages[seq - 1];
	struct index_txn txn;
	enum store_error result;

	if ((message->flags & STORE_EXPUNGED) != 0)
		return STORE_GONE;
	result = index_begin_read(&view->store->index, &txn);
	if (result != STORE_OK)
		return result;
	result = index_get_mail(&txn, view->folder, message->uid, mail);
	index_end(&txn);
	return result;
}

static enum store_error measure_message(
    struct store *store, uint32_t folder, uint32_t uid, uint64_t *size)
{
	struct store_content *content;
	enum store_error result = open_content(store, folder, uid, &content);

	if (result != STORE_OK)
		return result;
	*size = content->crlf_size;
	store_content_close(content);
	return STORE_OK;
}

enum store_error store_view_size(struct store_view *view, uint32_t seq, uint64_t *size)
{
	struct store_message *message = &view->messages[seq - 1];
	enum store_error result;

	if ((message->flags & STORE_EXPUNGED) != 0)
		return STORE_GONE;
	if (message->size == FILE_SIZE_UNKNOWN) {
		result = measure_message(view->store, view->folder, message->uid, &message->size);
		if (result != STORE_OK)
			return result;
	}
	*size = message->size;
	return STORE_OK;
}

enum store_error folder_measure(struct store *store, uint32_t folder)
{
	uint32_t from = 1;

	for (;;) {
		struct index_walk walk = {0};
		struct index_txn txn;
		struct mail mail;
		uint64_t size;
		enum store_error result = index_begin_read(&store->index, &txn);

		if (result != STORE_OK)
			return result;
		result = index_walk_mail(&walk, &txn, folder, from, &mail);
		while (result == STORE_OK && mail.crlf_size != FILE_SIZE_UNKNOWN)
			result = index_walk_mail_next(&walk, &mail);
		index_walk_end(&walk);
		index_end(&txn);
		if (result != STORE_OK)
			return result == STORE_GONE ? STORE_OK : result;
		result = measure_message(store, folder, mail.uid, &size);
		if (result != STORE_OK && result != STORE_GONE)
			return result;
		from = mail.uid + 1;
	}
}

enum store_error store_view_unique(
    struct store_view *view, uint32_t seq, char text[STORE_UNIQUE_TEXT + 1])
{
	static const char digits[] = "0123456789abcdef";
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct file_name name;
	struct mail mail;
	enum store_error result = get_mail(view, seq, &mail);

	if (result != STORE_OK)
		return result;
	if (!file_name_parse(slice_string(mail.name), &name) ||
	    EVP_Digest(name.unique.data, name.unique.len, digest, NULL, EVP_sha256(), NULL) != 1)
		return STORE_MEMORY;
	for (size_t i = 0; i < STORE_UNIQUE_TEXT / 2; i++) {
		text[2 * i] = digits[digest[i] >> 4];
		text[2 * i + 1] = digits[digest[i] & 15];
	}
	text[STORE_UNIQUE_TEXT] = '\0';
	return STORE_OK;
}
