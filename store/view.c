/*
 * view.c - a folder as one session sees it: an array of messages that only moves when
 * the session asks.
 */
#include <stdlib.h>

#include "store/private.h"

enum {
	ROOM_MIN = 64,
};

/* ---- the array ---- */

static bool add_message(struct store_view *view, const struct mail *mail, uint32_t extra_flags)
{
	if (view->count == view->room) {
		uint32_t room = view->room == 0 ? ROOM_MIN : view->room * 2;
		struct store_message *messages =
		    reallocarray(view->messages, room, sizeof *messages);

		if (messages == NULL)
			return false;
		view->messages = messages;
		view->room = room;
	}
	view->messages[view->count++] = (struct store_message){
	    .uid = mail->uid,
	    .flags = mail->flags | extra_flags,
	    .keywords = mail->keywords,
	    .modseq = mail->modseq,
	    .internal_date = mail->internal_date,
	    .size = mail->crlf_size,
	};
	return true;
}

uint32_t store_view_find(const struct store_view *view, uint32_t uid)
{
	uint32_t low = 0, high = view->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (view->messages[middle].uid < uid)
			low = middle + 1;
		else
			high = middle;
	}
	return low + 1;
}

static struct store_message *message_of_uid(struct store_view *view, uint32_t uid)
{
	uint32_t seq = store_view_find(view, uid);

	if (seq > view->count || view->messages[seq - 1].uid != uid)
		return NULL;
	return &view->messages[seq - 1];
}

/* ---- \Recent: the first session that may write has seen these ---- */

struct uid_range {
	uint32_t from;
	uint32_t to; /* not included */
};

static enum store_error claim_recent(
    struct store_view *view, const struct folder *folder, struct uid_range *claimed)
{
	struct change change;
	enum store_error result;

	*claimed = (struct uid_range){folder->recent_from, folder->uidnext};
	if (view->keeps_recent || folder->recent_from >= folder->uidnext)
		return STORE_OK;
	result = change_begin(&change, view->store, view->folder, 1);
	if (result != STORE_OK)
		return result;
	*claimed = (struct uid_range){change.folder.recent_from, change.folder.uidnext};
	change.folder.recent_from = change.folder.uidnext;
	change.is_dirty = true;
	/* Not worth a wait for the disk: lost, the messages are recent once more. */
	result = change_commit(&change, false);
	if (result != STORE_OK)
		change_end(&change);
	return result;
}

/* ---- catching up with the index ---- */

static void take_keywords(struct store_view *view, const struct folder *folder)
{
	view->keyword_count = folder->keyword_count;
	memcpy(view->keywords, folder->keywords, sizeof view->keywords);
}

static enum store_error load_from(struct store_view *view, struct index_txn *txn,
    const struct folder *folder, struct uid_range recent)
{
	struct index_walk walk = {0};
	struct mail mail;
	bool room = true;
	enum store_error result = index_walk_mail(&walk, txn, view->folder, view->uidnext, &mail);

	for (; result == STORE_OK && room; result = index_walk_mail_next(&walk, &mail)) {
		bool is_recent = mail.uid >= recent.from && mail.uid < recent.to;

		room = add_message(view, &mail, is_recent ? STORE_RECENT : 0);
		if (room && is_recent)
			view->recent++;
	}
	index_walk_end(&walk);
	view->uidnext = folder->uidnext;
	if (!room)
		return STORE_MEMORY;
	return result == STORE_GONE ? STORE_OK : result;
}

static void mark_expunged(struct store_view *view, struct store_message *message)
{
	if ((message->flags & STORE_EXPUNGED) != 0)
		return;
	message->flags |= STORE_EXPUNGED;
	view->expunged++;
}

static void take_flags(struct store_message *message, const struct mail *mail)
{
	if (message->modseq == mail->modseq)
		return;
	message->flags =
	    (message->flags & ~(uint32_t)STORE_SYSTEM_FLAGS) | mail->flags | STORE_TO_REPORT;
	message->keywords = mail->keywords;
	message->modseq = mail->modseq;
}

/* What the log says since the last update. */
static enum store_error follow_log(struct store_view *view, struct index_txn *txn)
{
	struct index_walk walk = {0};
	struct log_entry entry;
	enum store_error result =
	    index_walk_log(&walk, txn, view->folder, view->modseq + 1, &entry);

	for (; result == STORE_OK; result = index_walk_log_next(&walk, &entry)) {
		struct store_message *message = message_of_uid(view, entry.uid);
		struct mail mail;

		if (message == NULL)
			continue;
		if (entry.kind == CHANGE_EXPUNGED) {
			mark_expunged(view, message);
			continue;
		}
		result = index_get_mail(txn, view->folder, entry.uid, &mail);
		if (result == STORE_OK)
			take_flags(message, &mail);
		else if (result != STORE_GONE)
			break;
	}
	index_walk_end(&walk);
	return result == STORE_GONE ? STORE_OK : result;
}

/* The log does not reach back far enough: compare with all records. */
static enum store_error compare_all(struct store_view *view, struct index_txn *txn)
{
	struct index_walk walk = {0};
	struct mail mail;
	uint32_t at = 0;
	enum store_error result = index_walk_mail(&walk, txn, view->folder, 1, &mail);

	for (; result == STORE_OK && mail.uid < view->uidnext;
	     result = index_walk_mail_next(&walk, &mail)) {
		for (; at < view->count && view->messages[at].uid < mail.uid; at++)
			mark_expunged(view, &view->messages[at]);
		if (at < view->count && view->messages[at].uid == mail.uid)
			take_flags(&view->messages[at++], &mail);
	}
	index_walk_end(&walk);
	for (; at < view->count; at++)
		mark_expunged(view, &view->messages[at]);
	return result == STORE_GONE ? STORE_OK : result;
}

static enum store_error catch_up(struct store_view *view, struct uid_range recent)
{
	struct index_txn txn;
	struct folder folder;
	enum store_error result = index_begin_read(&view->store->index, &txn);

	if (result != STORE_OK)
		return result;
	result = index_get_folder(&txn, view->folder, &folder);
	if (result == STORE_OK && view->modseq < folder.modseq)
		result = view->modseq < folder.log_from ? compare_all(view, &txn)
							: follow_log(view, &txn);
	if (result == STORE_OK && view->uidnext < folder.uidnext)
		result = load_from(view, &txn, &folder, recent);
	if (result == STORE_OK) {
		view->modseq = folder.modseq;
		take_keywords(view, &folder);
	}
	index_end(&txn);
	return result;
}

/* ---- opening ---- */

static enum store_error fill(struct store_view *view)
{
	struct folder folder;
	struct uid_range recent;
	struct index_txn txn;
	enum store_error result = folder_sync(view->store, view->folder, &folder);

	if (result == STORE_OK)
		folder_sweep_tmp(view->store, &folder);
	if (result == STORE_OK)
		result = claim_recent(view, &folder, &recent);
	if (result == STORE_OK)
		result = index_begin_read(&view->store->index, &txn);
	if (result != STORE_OK)
		return result;
	result = index_get_folder(&txn, view->folder, &folder);
	if (result == STORE_OK) {
		view->uidvalidity = folder.uidvalidity;
		view->modseq = folder.modseq;
		view->uidnext = 1;
		take_keywords(view, &folder);
		result = load_from(view, &txn, &folder, recent);
	}
	index_end(&txn);
	return result;
}

enum store_error store_view_open(
    struct store *store, struct slice folder, unsigned flags, struct store_view **out)
{
	struct store_view *view;
	uint32_t id;
	enum store_error result = folder_find(store, folder, &id);

	*out = NULL;
	if (result != STORE_OK)
		return result;
	view = calloc(1, sizeof *view);
	if (view == NULL)
		return STORE_MEMORY;
	view->store = store;
	view->folder = id;
	view->is_read_only = (flags & STORE_READ_ONLY) != 0;
	view->keeps_recent = (flags & (STORE_READ_ONLY | STORE_KEEP_RECENT)) != 0;
	folder_name_check(folder, view->name);
	result = fill(view);
	if (result != STORE_OK) {
		store_view_close(view);
		return result;
	}
	*out = view;
	return STORE_OK;
}

void store_view_close(struct store_view *view)
{
	if (view == NULL)
		return;
	texts_flush(view->store);
	free(view->messages);
	free(view->report_expunged);
	free(view->report_flagged);
	free(view);
}

/* ---- updating ---- */

/* Take expunged messages out and list them, the highest sequence number first. */
static enum store_error remove_expunged(struct store_view *view, struct store_changes *out)
{
	uint32_t kept = 0, listed = view->expunged;

	if (view->expunged == 0)
		return STORE_OK;
	view->report_expunged = calloc(view->expunged, sizeof *view->report_expunged);
	if (view->report_expunged == NULL)
		return STORE_MEMORY;
	out->expunged = view->report_expunged;
	out->expunged_count = view->expunged;
	for (uint32_t i = 0; i < view->count; i++) {
		struct store_message *message = &view->messages[i];

		if ((message->flags & STORE_EXPUNGED) == 0) {
			view->messages[kept++] = *message;
			continue;
		}
		if ((message->flags & STORE_RECENT) != 0)
			view->recent--;
		view->report_expunged[--listed] = (struct store_expunged){i + 1, message->uid};
	}
	view->count = kept;
	view->expunged = 0;
	return STORE_OK;
}

static enum store_error report_flagged(struct store_view *view, struct store_changes *out)
{
	size_t count = 0;

	for (uint32_t i = 0; i < view->count; i++)
		count += (view->messages[i].flags & STORE_TO_REPORT) != 0;
	if (count == 0)
		return STORE_OK;
	view->report_flagged = calloc(count, sizeof *view->report_flagged);
	if (view->report_flagged == NULL)
		return STORE_MEMORY;
	out->flagged = view->report_flagged;
	for (uint32_t i = 0; i < view->count; i++) {
		struct store_message *message = &view->messages[i];

		if ((message->flags & STORE_TO_REPORT) == 0)
			continue;
		message->flags &= ~(uint32_t)STORE_TO_REPORT;
		view->report_flagged[out->flagged_count++] = i + 1;
	}
	return STORE_OK;
}

enum store_error store_view_update(
    struct store_view *view, unsigned flags, struct store_changes *out)
{
	unsigned keyword_count = view->keyword_count;
	uint32_t uidnext = view->uidnext, first_new;
	struct folder folder;
	struct uid_range recent;
	bool may_have_changed;
	enum store_error result;

	free(view->report_expunged);
	free(view->report_flagged);
	view->report_expunged = NULL;
	view->report_flagged = NULL;
	*out = (struct store_changes){0};
	texts_flush(view->store);
	if (!index_is_current(&view->store->index))
		return STORE_STALE;
	result = folder_sync(view->store, view->folder, &folder);
	if (result == STORE_NO_FOLDER ||
	    (result == STORE_OK && folder.uidvalidity != view->uidvalidity))
		return STORE_STALE;
	if (result != STORE_OK)
		return result;
	may_have_changed = folder.modseq != view->modseq || folder.uidnext != view->uidnext;
	if (may_have_changed) {
		result = claim_recent(view, &folder, &recent);
		if (result == STORE_OK)
			result = catch_up(view, recent);
	}
	if (folder.keyword_count != view->keyword_count)
		take_keywords(view, &folder);
	if (result == STORE_OK && (flags & STORE_KEEP_EXPUNGED) == 0)
		result = remove_expunged(view, out);
	if (result == STORE_OK && may_have_changed)
		result = report_flagged(view, out);
	first_new = store_view_find(view, uidnext);
	out->first_new = first_new <= view->count ? first_new : 0;
	out->keywords_changed = view->keyword_count != keyword_count;
	return result;
}

/* ---- facts ---- */

struct store *store_view_store(const struct store_view *view)
{
	return view->store;
}

struct slice store_view_name(const struct store_view *view)
{
	return slice_string(view->name);
}

bool store_view_is_read_only(const struct store_view *view)
{
	return view->is_read_only;
}

uint32_t store_view_count(const struct store_view *view)
{
	return view->count;
}

const struct store_message *store_view_message(const struct store_view *view, uint32_t seq)
{
	return &view->messages[seq - 1];
}

uint32_t store_view_uidvalidity(const struct store_view *view)
{
	return view->uidvalidity;
}

uint32_t store_view_uidnext(const struct store_view *view)
{
	return view->uidnext;
}

uint64_t store_view_highest_modseq(const struct store_view *view)
{
	return view->modseq;
}

uint32_t store_view_recent(const struct store_view *view)
{
	return view->recent;
}

unsigned store_view_keyword_count(const struct store_view *view)
{
	return view->keyword_count;
}

struct slice store_view_keyword(const struct store_view *view, unsigned number)
{
	return slice_string(view->keywords[number]);
}

enum store_error store_view_keyword_bit(
    struct store_view *view, struct slice name, bool create, uint64_t *bit)
{
	struct change change;
	int number;
	enum store_error result;

	*bit = 0;
	for (unsigned i = 0; i < view->keyword_count; i++) {
		if (slice_equal_nocase(slice_string(view->keywords[i]), name)) {
			*bit = UINT64_C(1) << i;
			return STORE_OK;
		}
	}
	if (!create)
		return STORE_OK;
	if (view->is_read_only)
		return STORE_DENIED;
	if (!keyword_is_sound(name))
		return STORE_BAD_NAME;
	result = change_begin(&change, view->store, view->folder, 1);
	if (result != STORE_OK)
		return result == STORE_NO_FOLDER ? STORE_STALE : result;
	result = keyword_add(&change, name, &number);
	if (result == STORE_OK)
		result = change_commit(&change, true);
	if (result != STORE_OK) {
		change_end(&change);
		return result;
	}
	take_keywords(view, &change.folder);
	*bit = UINT64_C(1) << number;
	return STORE_OK;
}
