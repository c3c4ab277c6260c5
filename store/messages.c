/*
 * messages.c - changing messages in the index: counts, change numbers and log are
 * kept in step in one place.
 */
#include <errno.h>
#include <stdio.h>

#include "common/clock.h"
#include "store/private.h"

enum store_error folder_failed(struct store *store, const struct folder *folder, const char *step)
{
	int error = errno;
	char object[FILE_NAME_SIZE + 16];

	snprintf(object, sizeof object, "Maildir/%s", folder->directory);
	return index_failed(&store->index, error, object, step);
}

enum store_error change_begin(
    struct change *change, struct store *store, uint32_t folder, size_t messages)
{
	enum store_error result;

	*change = (struct change){.store = store, .now_us = clock_wall_us()};
	result = index_begin_write(&store->index, messages * MAIL_OCTETS, &change->txn);
	if (result == STORE_OK)
		result = index_get_state(&change->txn, &change->state);
	if (result == STORE_OK && folder != 0)
		result = index_get_folder(&change->txn, folder, &change->folder);
	if (result != STORE_OK) {
		index_end(&change->txn);
		return result;
	}
	change->modseq = change->state.changes + 1;
	return STORE_OK;
}

static enum store_error put_folder(struct change *change)
{
	enum store_error result;

	if (!change->is_dirty)
		return STORE_OK;
	result = index_trim_log(&change->txn, &change->folder);
	if (result != STORE_OK)
		return result;
	change->state.changes = change->modseq;
	change->is_dirty = false;
	return index_put_folder(&change->txn, &change->folder);
}

enum store_error change_turn_to(struct change *change, uint32_t folder)
{
	enum store_error result = put_folder(change);

	return result == STORE_OK ? index_get_folder(&change->txn, folder, &change->folder)
				  : result;
}

enum store_error change_commit(struct change *change, bool durable)
{
	enum store_error result = put_folder(change);

	if (result == STORE_OK && change->state.changes == change->modseq) {
		result = index_put_state(&change->txn, &change->state);
		if (result == STORE_OK)
			return index_commit(&change->txn, durable);
	}
	index_end(&change->txn);
	return result;
}

void change_end(struct change *change)
{
	index_end(&change->txn);
}

/* Count a message in or out. */
static void count(struct folder *folder, const struct mail *mail, int by)
{
	uint32_t n = (uint32_t)by;

	folder->messages += n;
	if ((mail->flags & STORE_SEEN) != 0)
		folder->seen += n;
	if ((mail->flags & STORE_DELETED) != 0)
		folder->deleted += n;
	if (mail->crlf_size == FILE_SIZE_UNKNOWN)
		folder->unsized += n;
	else
		folder->size += by > 0 ? mail->crlf_size : -mail->crlf_size;
}

static void touch(struct change *change)
{
	change->folder.modseq = change->modseq;
	change->is_dirty = true;
}

enum store_error mail_add(struct change *change, struct mail *mail)
{
	struct folder *folder = &change->folder;

	if (folder->uidnext == UINT32_MAX || folder->messages >= STORE_MESSAGES_MAX)
		return STORE_LIMIT;
	mail->uid = folder->uidnext++;
	mail->modseq = change->modseq;
	count(folder, mail, 1);
	touch(change);
	return index_put_mail(&change->txn, folder->id, mail);
}

enum store_error mail_update(struct change *change, const struct mail *old, struct mail *mail)
{
	uint32_t folder = change->folder.id;
	enum store_error result = index_delete_log(&change->txn, folder, old->modseq, old->uid);

	mail->modseq = change->modseq;
	if (result == STORE_OK)
		result =
		    index_put_log(&change->txn, folder, change->modseq, mail->uid, CHANGE_FLAGS);
	touch(change);
	return result == STORE_OK ? mail_correct(change, old, mail) : result;
}

enum store_error mail_correct(
    struct change *change, const struct mail *old, const struct mail *mail)
{
	count(&change->folder, old, -1);
	count(&change->folder, mail, 1);
	change->is_dirty = true;
	return index_put_mail(&change->txn, change->folder.id, mail);
}

enum store_error mail_remove(struct change *change, const struct mail *mail, bool forget_name)
{
	uint32_t folder = change->folder.id;
	struct file_name name;
	enum store_error result = STORE_OK;

	if (!forget_name && file_name_parse(slice_string(mail->name), &name))
		result = index_put_gone(&change->txn, &name, change->now_us);
	if (result == STORE_OK)
		result = index_delete_log(&change->txn, folder, mail->modseq, mail->uid);
	if (result == STORE_OK)
		result =
		    index_put_log(&change->txn, folder, change->modseq, mail->uid, CHANGE_EXPUNGED);
	if (result != STORE_OK)
		return result;
	count(&change->folder, mail, -1);
	change->folder.expunged++;
	touch(change);
	return index_delete_mail(&change->txn, folder, mail);
}
