/*
 * flags.c - changing flags, and expunging.
 *
 * The file is renamed or unlinked, the directory flushed, the index committed.  Where a
 * file is not under its recorded name another program was there first: the change is
 * dropped (what was renamed already counts as a change by others), the directory is
 * looked at, and the change is made once more.
 */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "store/private.h"

enum { ATTEMPTS = 2 };

/* A file was not where the index says; look at the directory, then try again. */
#define TRY_AGAIN ((enum store_error) - 1)

static enum store_error begin(
    struct change *change, struct own_change *own, struct store_view *view, size_t messages)
{
	enum store_error result = change_begin(change, view->store, view->folder, messages);

	own->cur_fd = -1;
	if (result != STORE_OK)
		return result == STORE_NO_FOLDER ? STORE_STALE : result;
	result = change->folder.uidvalidity == view->uidvalidity ? own_change_begin(own, change)
								 : STORE_STALE;
	if (result != STORE_OK)
		change_end(change);
	return result;
}

/* Flush and commit if anything changed; end in any case. */
static enum store_error finish(
    struct change *change, struct own_change *own, enum store_error result)
{
	if (result == STORE_OK && change->is_dirty)
		result = own_change_end(own, change);
	own_change_abort(own);
	if (result == STORE_OK)
		result = change_commit(change, true);
	if (result != STORE_OK)
		change_end(change);
	return result;
}

/* ---- flags ---- */

struct flag_request {
	enum store_flag_change how;
	uint32_t flags;
	uint64_t keywords;
	uint64_t unchanged_since;
};

static void apply(const struct flag_request *request, struct mail *mail)
{
	switch (request->how) {
	case STORE_FLAGS_SET:
		mail->flags = request->flags;
		mail->keywords = request->keywords;
		break;
	case STORE_FLAGS_ADD:
		mail->flags |= request->flags;
		mail->keywords |= request->keywords;
		break;
	case STORE_FLAGS_REMOVE:
		mail->flags &= ~request->flags;
		mail->keywords &= ~request->keywords;
		break;
	}
}

/* Give the file the name that its flags want. */
static enum store_error rename_for_flags(
    struct change *change, int cur_fd, struct mail *mail, bool is_last_try)
{
	struct file_name name;
	char wanted[FILE_NAME_SIZE];

	/* A name with no room for letters stays: the index has the flags. */
	if (!file_name_parse(slice_string(mail->name), &name) ||
	    !file_name_format(name.base, name.info, mail->flags, mail->keywords,
		change->folder.keyword_count, wanted) ||
	    strcmp(wanted, mail->name) == 0)
		return STORE_OK;
	if (renameat(cur_fd, mail->name, cur_fd, wanted) == 0) {
		strlcpy(mail->name, wanted, sizeof mail->name);
		return STORE_OK;
	}
	if (errno == ENOENT)
		return is_last_try ? STORE_GONE : TRY_AGAIN;
	return folder_failed(change->store, &change->folder, "rename");
}

static enum store_error change_one(struct change *change, int cur_fd, uint32_t uid,
    const struct flag_request *request, bool is_last_try, bool *left_alone)
{
	struct mail old, mail;
	enum store_error result = index_get_mail(&change->txn, change->folder.id, uid, &old);

	*left_alone = false;
	if (result != STORE_OK)
		return result == STORE_GONE ? STORE_OK : result;
	if (old.modseq > request->unchanged_since) {
		*left_alone = true;
		return STORE_OK;
	}
	mail = old;
	apply(request, &mail);
	if (mail.flags == old.flags && mail.keywords == old.keywords)
		return STORE_OK;
	result = rename_for_flags(change, cur_fd, &mail, is_last_try);
	if (result == STORE_OK)
		result = mail_update(change, &old, &mail);
	return result == STORE_GONE ? STORE_OK : result;
}

/* Show the view its own changes. */
static enum store_error show_changes(
    struct store_view *view, const uint32_t *seqs, size_t count, uint64_t before, uint64_t after)
{
	struct index_txn txn;
	enum store_error result = index_begin_read(&view->store->index, &txn);

	if (result != STORE_OK)
		return result;
	for (size_t i = 0; i < count; i++) {
		struct store_message *message = &view->messages[seqs[i] - 1];
		struct mail mail;

		if (index_get_mail(&txn, view->folder, message->uid, &mail) != STORE_OK ||
		    mail.modseq > after)
			continue;
		message->flags = (message->flags & ~(uint32_t)STORE_SYSTEM_FLAGS) | mail.flags;
		message->keywords = mail.keywords;
		message->modseq = mail.modseq;
		/* Others may have changed the same message: then the next update tells. */
		if (view->modseq != before)
			message->flags |= STORE_TO_REPORT;
	}
	index_end(&txn);
	/* Nobody else did anything in between: then this is all there is to know. */
	if (view->modseq == before)
		view->modseq = after;
	return STORE_OK;
}

static enum store_error change_flags(struct store_view *view, const uint32_t *seqs, size_t count,
    const struct flag_request *request, bool is_last_try, struct buf *modified)
{
	struct change change;
	struct own_change own;
	uint64_t before;
	enum store_error result = begin(&change, &own, view, count);

	if (result != STORE_OK)
		return result;
	before = change.folder.modseq;
	for (size_t i = 0; i < count && result == STORE_OK; i++) {
		const struct store_message *message = &view->messages[seqs[i] - 1];
		bool left_alone = false;

		if ((message->flags & STORE_EXPUNGED) != 0)
			continue;
		result = change_one(
		    &change, own.cur_fd, message->uid, request, is_last_try, &left_alone);
		if (left_alone && modified != NULL &&
		    !buf_append(modified, &seqs[i], sizeof seqs[i]))
			result = STORE_LIMIT;
	}
	result = finish(&change, &own, result);
	return result == STORE_OK ? show_changes(view, seqs, count, before, change.folder.modseq)
				  : result;
}

enum store_error store_flags_change(struct store_view *view, const uint32_t *seqs, size_t count,
    enum store_flag_change how, uint32_t flags, uint64_t keywords, uint64_t unchanged_since,
    struct buf *modified)
{
	uint64_t known =
	    view->keyword_count >= 64 ? UINT64_MAX : (UINT64_C(1) << view->keyword_count) - 1;
	struct flag_request request = {
	    how, flags & STORE_SYSTEM_FLAGS, keywords & known, unchanged_since};
	size_t modified_before = modified == NULL ? 0 : modified->len;
	enum store_error result = TRY_AGAIN;

	if (view->is_read_only)
		return STORE_DENIED;
	for (int attempt = 1; attempt <= ATTEMPTS && result == TRY_AGAIN; attempt++) {
		struct folder folder;

		if (modified != NULL)
			modified->len = modified_before;
		result = change_flags(view, seqs, count, &request, attempt == ATTEMPTS, modified);
		if (result == TRY_AGAIN &&
		    folder_sync(view->store, view->folder, &folder) != STORE_OK)
			return STORE_STALE;
	}
	return result;
}

/* ---- expunging ---- */

static enum store_error expunge_one(
    struct change *change, int cur_fd, uint32_t uid, bool regardless, bool is_last_try)
{
	struct mail mail;
	enum store_error result = index_get_mail(&change->txn, change->folder.id, uid, &mail);

	if (result != STORE_OK)
		return result == STORE_GONE ? STORE_OK : result;
	if (!regardless && (mail.flags & STORE_DELETED) == 0)
		return STORE_OK;
	if (unlinkat(cur_fd, mail.name, 0) != 0) {
		if (errno != ENOENT)
			return folder_failed(change->store, &change->folder, "unlink");
		if (!is_last_try)
			return TRY_AGAIN;
	}
	return mail_remove(change, &mail, false);
}

/* Mark what is no longer in the index. */
static enum store_error show_expunged(struct store_view *view, const uint32_t *seqs, size_t count)
{
	struct index_txn txn;
	enum store_error result = index_begin_read(&view->store->index, &txn);

	if (result != STORE_OK)
		return result;
	for (size_t i = 0; i < count && result == STORE_OK; i++) {
		struct store_message *message = &view->messages[seqs == NULL ? i : seqs[i] - 1];
		struct mail mail;

		if ((message->flags & STORE_EXPUNGED) != 0)
			continue;
		result = index_get_mail(&txn, view->folder, message->uid, &mail);
		if (result != STORE_GONE)
			continue;
		result = STORE_OK;
		message->flags |= STORE_EXPUNGED;
		view->expunged++;
	}
	index_end(&txn);
	return result;
}

static enum store_error expunge(
    struct store_view *view, const uint32_t *seqs, size_t count, bool regardless, bool is_last_try)
{
	struct change change;
	struct own_change own;
	enum store_error result = begin(&change, &own, view, count);

	if (result != STORE_OK)
		return result;
	if (!regardless && change.folder.deleted == 0)
		count = 0;
	for (size_t i = 0; i < count && result == STORE_OK; i++) {
		const struct store_message *message =
		    &view->messages[seqs == NULL ? i : seqs[i] - 1];

		if ((message->flags & STORE_EXPUNGED) == 0)
			result =
			    expunge_one(&change, own.cur_fd, message->uid, regardless, is_last_try);
	}
	result = finish(&change, &own, result);
	return result == STORE_OK ? show_expunged(view, seqs, count) : result;
}

enum store_error store_expunge(
    struct store_view *view, const uint32_t *seqs, size_t count, bool regardless)
{
	enum store_error result = TRY_AGAIN;

	if (view->is_read_only)
		return STORE_DENIED;
	if (seqs == NULL)
		count = view->count;
	for (int attempt = 1; attempt <= ATTEMPTS && result == TRY_AGAIN; attempt++) {
		struct folder folder;

		result = expunge(view, seqs, count, regardless, attempt == ATTEMPTS);
		if (result == TRY_AGAIN &&
		    folder_sync(view->store, view->folder, &folder) != STORE_OK)
			return STORE_STALE;
	}
	return result;
}
