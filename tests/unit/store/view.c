/* What store.h promises about views, flags, expunging, appending, copying. */
#include "tests/unit/store/scratch.h"

#define MESSAGE "From: a@example.org\r\nSubject: hello\r\n\r\none\r\n"

static const uint32_t first = 1;

static int count_with_letters(const struct scratch *s, const char *letters)
{
	char name[256], *info;

	cr_assert_eq(scratch_list(s, "Maildir/cur", name), 1);
	info = strchr(name, ':');
	return info != NULL && strcmp(info, letters) == 0;
}

Test(view, flags_stand_in_the_index_and_in_the_file_name)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;

	scratch_append(store, "INBOX", MESSAGE, STORE_DRAFT);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_flags_change(view, &first, 1, STORE_FLAGS_ADD,
			 STORE_SEEN | STORE_FLAGGED, 0, UINT64_MAX, NULL),
	    STORE_OK);
	cr_assert(count_with_letters(&s, ":2,DFS"));
	cr_assert_eq(store_flags_change(
			 view, &first, 1, STORE_FLAGS_REMOVE, STORE_FLAGGED, 0, UINT64_MAX, NULL),
	    STORE_OK);
	cr_assert(count_with_letters(&s, ":2,DS"));
	cr_assert_eq(store_flags_change(
			 view, &first, 1, STORE_FLAGS_SET, STORE_ANSWERED, 0, UINT64_MAX, NULL),
	    STORE_OK);
	cr_assert(count_with_letters(&s, ":2,R"));
	cr_assert_eq(store_view_message(view, 1)->flags & STORE_SYSTEM_FLAGS, STORE_ANSWERED);
	/* A view is not told what it did itself. */
	cr_assert_eq(scratch_update(view).flagged_count, 0);
	store_view_close(view);
	store_close(store);

	store = scratch_open(&s);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_view_message(view, 1)->flags & STORE_SYSTEM_FLAGS, STORE_ANSWERED);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(view, another_view_is_told_of_flags_and_expunges_in_order)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *mine, *other;
	struct store_changes changes;
	static const uint32_t some[] = {2, 4};
	static const uint32_t third = 3;

	for (int i = 0; i < 5; i++)
		scratch_append(store, "INBOX", MESSAGE, 0);
	mine = scratch_view(store, "INBOX");
	other = scratch_view(store, "INBOX");
	cr_assert_eq(
	    store_flags_change(mine, &third, 1, STORE_FLAGS_ADD, STORE_SEEN, 0, UINT64_MAX, NULL),
	    STORE_OK);
	cr_assert_eq(store_expunge(mine, some, 2, true), STORE_OK);
	scratch_append(store, "INBOX", MESSAGE, 0);

	cr_assert_eq(store_view_update(other, STORE_KEEP_EXPUNGED, &changes), STORE_OK);
	cr_assert_eq(changes.expunged_count, 0);
	cr_assert_eq(store_view_count(other), 6);
	cr_assert_eq(changes.flagged_count, 1);
	cr_assert_eq(changes.flagged[0], 3);
	cr_assert_eq(changes.first_new, 6);
	cr_assert(store_view_message(other, 2)->flags & STORE_EXPUNGED);

	changes = scratch_update(other);
	cr_assert_eq(changes.expunged_count, 2);
	cr_assert_eq(changes.expunged[0].seq, 4);
	cr_assert_eq(changes.expunged[0].uid, 4);
	cr_assert_eq(changes.expunged[1].seq, 2);
	cr_assert_eq(changes.expunged[1].uid, 2);
	cr_assert_eq(changes.flagged_count, 0);
	cr_assert_eq(changes.first_new, 0);
	cr_assert_eq(store_view_count(other), 4);

	changes = scratch_update(mine);
	cr_assert_eq(changes.expunged_count, 2);
	cr_assert_eq(changes.flagged_count, 0);
	cr_assert_eq(changes.first_new, 4);
	store_view_close(mine);
	store_view_close(other);
	store_close(store);
	scratch_remove(&s);
}

Test(view, only_deleted_messages_are_expunged)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;
	static const uint32_t others[] = {1, 3};

	scratch_append(store, "INBOX", MESSAGE, 0);
	scratch_append(store, "INBOX", MESSAGE, STORE_DELETED);
	scratch_append(store, "INBOX", MESSAGE, STORE_DELETED);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_expunge(view, others, 2, false), STORE_OK);
	cr_assert_eq(scratch_update(view).expunged_count, 1);
	cr_assert_eq(store_view_count(view), 2);
	cr_assert_eq(store_expunge(view, NULL, 0, false), STORE_OK);
	cr_assert_eq(scratch_update(view).expunged_count, 1);
	cr_assert_eq(scratch_list(&s, "Maildir/cur", NULL), 1);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(view, a_message_expunged_by_others_is_gone_but_stays_in_its_place)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *mine, *other;
	struct store_content *content;
	uint64_t size;

	scratch_append(store, "INBOX", MESSAGE, 0);
	mine = scratch_view(store, "INBOX");
	other = scratch_view(store, "INBOX");
	cr_assert_eq(store_expunge(mine, NULL, 0, true), STORE_OK);
	cr_assert_eq(store_view_count(other), 1);
	cr_assert_eq(store_content_open(other, 1, &content), STORE_GONE);
	/* What the view has shown it still knows. */
	cr_assert_eq(store_view_size(other, 1, &size), STORE_OK);
	cr_assert_eq(size, strlen(MESSAGE));
	cr_assert_eq(
	    store_flags_change(other, &first, 1, STORE_FLAGS_ADD, STORE_SEEN, 0, UINT64_MAX, NULL),
	    STORE_OK);
	cr_assert_eq(scratch_update(other).expunged_count, 1);
	store_view_close(mine);
	store_view_close(other);
	store_close(store);
	scratch_remove(&s);
}

Test(view, a_change_with_a_condition_leaves_newer_messages_alone)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;
	struct buf modified = buf_with_limit(64);
	static const uint32_t both[] = {1, 2};
	uint64_t since;

	scratch_append(store, "INBOX", MESSAGE, 0);
	scratch_append(store, "INBOX", MESSAGE, 0);
	view = scratch_view(store, "INBOX");
	since = store_view_highest_modseq(view);
	cr_assert_eq(
	    store_flags_change(view, &first, 1, STORE_FLAGS_ADD, STORE_SEEN, 0, since, &modified),
	    STORE_OK);
	cr_assert_eq(modified.len, 0);
	cr_assert_gt(store_view_message(view, 1)->modseq, since);
	cr_assert_eq(
	    store_flags_change(view, both, 2, STORE_FLAGS_ADD, STORE_FLAGGED, 0, since, &modified),
	    STORE_OK);
	cr_assert_eq(modified.len, sizeof(uint32_t));
	cr_assert_eq(*(uint32_t *)(void *)modified.data, 1);
	cr_assert_not(store_view_message(view, 1)->flags & STORE_FLAGGED);
	cr_assert(store_view_message(view, 2)->flags & STORE_FLAGGED);
	buf_free(&modified);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(view, keywords_are_kept_and_come_back_after_a_rebuild)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;
	uint64_t bit, again;

	scratch_append(store, "INBOX", MESSAGE, 0);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_view_keyword_bit(view, SLICE("$Junk"), false, &bit), STORE_OK);
	cr_assert_eq(bit, 0);
	cr_assert_eq(store_view_keyword_bit(view, SLICE("$Junk"), true, &bit), STORE_OK);
	cr_assert_neq(bit, 0);
	cr_assert_eq(store_view_keyword_bit(view, SLICE("$junk"), true, &again), STORE_OK);
	cr_assert_eq(bit, again);
	cr_assert_eq(store_view_keyword_bit(view, SLICE("\\Seen"), true, &again), STORE_BAD_NAME);
	cr_assert_eq(store_view_keyword_bit(view, SLICE("a b"), true, &again), STORE_BAD_NAME);
	cr_assert_eq(store_flags_change(view, &first, 1, STORE_FLAGS_ADD, 0, bit, UINT64_MAX, NULL),
	    STORE_OK);
	cr_assert_str_eq(scratch_read(&s, "Maildir/dovecot-keywords"), "0 $Junk\n");
	store_view_close(view);
	store_close(store);

	unlinkat(s.home, "index/data.mdb", 0);
	unlinkat(s.home, "index/lock.mdb", 0);
	store = scratch_open(&s);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_view_keyword_bit(view, SLICE("$Junk"), false, &bit), STORE_OK);
	cr_assert_eq(store_view_message(view, 1)->keywords, bit);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(view, recent_is_for_the_first_session_that_may_write)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *reader, *one, *two;
	struct store_status status;

	scratch_append(store, "INBOX", MESSAGE, 0);
	cr_assert_eq(store_folder_status(store, SLICE("INBOX"), &status), STORE_OK);
	cr_assert_eq(status.recent, 1);
	cr_assert_eq(store_view_open(store, SLICE("INBOX"), STORE_READ_ONLY, &reader), STORE_OK);
	cr_assert_eq(store_view_recent(reader), 1);
	one = scratch_view(store, "INBOX");
	two = scratch_view(store, "INBOX");
	cr_assert_eq(store_view_recent(one), 1);
	cr_assert_eq(store_view_recent(two), 0);
	cr_assert_eq(
	    store_flags_change(reader, &first, 1, STORE_FLAGS_ADD, STORE_SEEN, 0, UINT64_MAX, NULL),
	    STORE_DENIED);
	scratch_append(store, "INBOX", MESSAGE, 0);
	scratch_update(two);
	scratch_update(one);
	cr_assert_eq(store_view_recent(two), 1);
	cr_assert_eq(store_view_recent(one), 1);
	cr_assert_eq(store_folder_status(store, SLICE("INBOX"), &status), STORE_OK);
	cr_assert_eq(status.recent, 0);
	store_view_close(reader);
	store_view_close(one);
	store_view_close(two);
	store_close(store);
	scratch_remove(&s);
}

Test(view, status_counts_what_is_there)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_status status;

	scratch_append(store, "INBOX", "a\r\n", STORE_SEEN);
	scratch_append(store, "INBOX", "b\r\n\r\n", STORE_DELETED);
	scratch_write(&s, "Maildir/new/1700000000.M1P1.elsewhere", "c\n", 2);
	cr_assert_eq(store_folder_status(store, SLICE("inbox"), &status), STORE_OK);
	cr_assert_eq(status.messages, 3);
	cr_assert_eq(status.unseen, 2);
	cr_assert_eq(status.deleted, 1);
	cr_assert_eq(status.uidnext, 4);
	cr_assert_eq(status.size, 3 + 5 + 3);
	cr_assert_eq(store_folder_status(store, SLICE("Nowhere"), &status), STORE_NO_FOLDER);
	store_close(store);
	scratch_remove(&s);
}

Test(append, several_messages_are_entered_together_or_not_at_all)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_append *append;
	struct store_appended appended;
	struct slice keywords[] = {SLICE("$Forwarded"), SLICE("work")};
	struct store_append_info info = {
	    .flags = STORE_SEEN, .keywords = keywords, .keyword_count = 2, .internal_date = 86400};
	struct store_view *view;

	cr_assert_eq(store_append_begin(store, SLICE("Nowhere"), &append), STORE_NO_FOLDER);
	cr_assert_eq(store_append_begin(store, SLICE("INBOX"), &append), STORE_OK);
	cr_assert_eq(store_append_message(append, &info), STORE_OK);
	cr_assert_eq(store_append_write(append, SLICE("a\r")), STORE_OK);
	cr_assert_eq(store_append_write(append, SLICE("\nb\r\n")), STORE_OK);
	cr_assert_eq(store_append_message(append, &info), STORE_OK);
	cr_assert_eq(store_append_write(append, SLICE("second")), STORE_OK);
	cr_assert_eq(scratch_list(&s, "Maildir/cur", NULL), 0);
	cr_assert_eq(store_append_commit(append, &appended), STORE_OK);
	cr_assert_eq(appended.first_uid, 1);
	cr_assert_eq(appended.count, 2);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(appended.uidvalidity, store_view_uidvalidity(view));
	cr_assert_str_eq(scratch_content_of(view, 1), "a\r\nb\r\n");
	cr_assert_str_eq(scratch_content_of(view, 2), "second");
	cr_assert_eq(store_view_message(view, 1)->internal_date, 86400);
	cr_assert_eq(store_view_message(view, 1)->keywords, 3);

	cr_assert_eq(store_append_begin(store, SLICE("INBOX"), &append), STORE_OK);
	cr_assert_eq(store_append_message(append, &info), STORE_OK);
	store_append_abort(append);
	cr_assert_eq(scratch_list(&s, "Maildir/tmp", NULL), 0);
	cr_assert_eq(scratch_update(view).first_new, 0);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(copy, a_copy_is_a_message_of_its_own_with_flags_keywords_and_date)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view, *target;
	uint32_t uids[1], uidvalidity;
	uint64_t bit, unused;

	scratch_append(store, "INBOX", MESSAGE, STORE_FLAGGED);
	cr_assert_eq(store_folder_create(store, SLICE("Archive/2026")), STORE_OK);
	target = scratch_view(store, "Archive/2026");
	cr_assert_eq(store_view_keyword_bit(target, SLICE("other"), true, &unused), STORE_OK);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_view_keyword_bit(view, SLICE("work"), true, &bit), STORE_OK);
	cr_assert_eq(store_flags_change(view, &first, 1, STORE_FLAGS_ADD, 0, bit, UINT64_MAX, NULL),
	    STORE_OK);
	cr_assert_eq(store_copy(view, &first, 1, SLICE("Nowhere"), NULL, NULL), STORE_NO_FOLDER);
	cr_assert_eq(
	    store_copy(view, &first, 1, SLICE("Archive/2026"), uids, &uidvalidity), STORE_OK);
	scratch_update(target);
	cr_assert_eq(store_view_count(target), 1);
	cr_assert_eq(uids[0], store_view_message(target, 1)->uid);
	cr_assert_eq(uidvalidity, store_view_uidvalidity(target));
	cr_assert(store_view_message(target, 1)->flags & STORE_FLAGGED);
	cr_assert_eq(store_view_message(target, 1)->internal_date, 1700000000);
	cr_assert_eq(store_view_keyword_bit(target, SLICE("work"), false, &bit), STORE_OK);
	cr_assert_eq(store_view_message(target, 1)->keywords, bit);
	/* The original can go. */
	cr_assert_eq(store_expunge(view, NULL, 0, true), STORE_OK);
	cr_assert_str_eq(scratch_content_of(target, 1), MESSAGE);
	store_view_close(view);
	store_view_close(target);
	store_close(store);
	scratch_remove(&s);
}

Test(copy, a_message_copied_into_its_own_folder_is_there_twice)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;

	scratch_append(store, "INBOX", MESSAGE, 0);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_copy(view, &first, 1, SLICE("INBOX"), NULL, NULL), STORE_OK);
	cr_assert_eq(scratch_update(view).first_new, 2);
	cr_assert_eq(store_move(view, &first, 1, SLICE("INBOX"), NULL, NULL), STORE_OK);
	scratch_update(view);
	cr_assert_eq(store_view_count(view), 2);
	cr_assert_eq(store_view_message(view, 1)->uid, 2);
	cr_assert_eq(store_view_message(view, 2)->uid, 3);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(copy, a_moved_message_is_in_one_place)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view, *target;
	struct store_changes changes;
	static const uint32_t some[] = {1, 3};
	uint32_t uids[2];

	for (int i = 0; i < 3; i++)
		scratch_append(store, "INBOX", MESSAGE, 0);
	cr_assert_eq(store_folder_create(store, SLICE("Trash")), STORE_OK);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_move(view, some, 2, SLICE("Trash"), uids, NULL), STORE_OK);
	cr_assert_eq(uids[0], 1);
	cr_assert_eq(uids[1], 2);
	changes = scratch_update(view);
	cr_assert_eq(changes.expunged_count, 2);
	cr_assert_eq(changes.expunged[0].seq, 3);
	target = scratch_view(store, "Trash");
	cr_assert_eq(store_view_count(target), 2);
	cr_assert_eq(scratch_list(&s, "Maildir/cur", NULL), 1);
	cr_assert_eq(scratch_list(&s, "Maildir/.Trash/cur", NULL), 2);
	store_view_close(view);
	store_view_close(target);
	store_close(store);
	scratch_remove(&s);
}

Test(content, any_part_can_be_read_with_any_buffer)
{
	static const char text[] = "a\r\n\r\nbcd\r\n\rx\r\ne";
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;
	struct store_content *content;

	scratch_append(store, "INBOX", text, 0);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_content_open(view, 1, &content), STORE_OK);
	cr_assert_eq(store_content_size(content), strlen(text));
	for (size_t from = 0; from <= strlen(text); from++) {
		for (size_t len = 1; len <= strlen(text); len++) {
			char buffer[32];
			size_t left = strlen(text) - from, want = len < left ? len : left;

			cr_assert_eq(store_content_read(content, from, buffer, len), (ssize_t)want);
			cr_assert_eq(memcmp(buffer, text + from, want), 0, "from %zu, %zu octets",
			    from, len);
		}
	}
	cr_assert_eq(store_content_read(content, 1000, (char[4]){0}, 4), 0);
	store_content_close(content);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(content, a_size_in_a_name_that_lies_is_found_out)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;
	uint64_t size;

	scratch_write(&s, "Maildir/cur/1700000000.M000000I001hxjg41ca000Raa.host,S=1000,W=2000:2,",
	    "a\nb\n", 4);
	scratch_write(&s, "Maildir/cur/1700000000.M1P1.elsewhere,S=1000,W=2000:2,", "a\nb\n", 4);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_view_count(view), 2);
	cr_assert_str_eq(scratch_content_of(view, 1), "a\r\nb\r\n");
	cr_assert_str_eq(scratch_content_of(view, 2), "a\r\nb\r\n");
	cr_assert_eq(store_view_size(view, 1, &size), STORE_OK);
	cr_assert_eq(size, 6);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(texts, are_made_once_and_kept)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;
	struct store_texts texts;
	char envelope[512], structure[512];

	scratch_append(store, "INBOX", MESSAGE, 0);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_view_texts(view, 1, &texts), STORE_OK);
	cr_assert_neq(slice_search(texts.envelope, SLICE("\"hello\"")), -1);
	cr_assert_neq(slice_search(texts.bodystructure, SLICE("\"text\"")), -1);
	cr_assert(slice_copy(texts.envelope, envelope, sizeof envelope));
	cr_assert(slice_copy(texts.bodystructure, structure, sizeof structure));
	cr_assert_eq(store_view_texts(view, 1, &texts), STORE_OK);
	cr_assert(slice_equal(texts.envelope, slice_string(envelope)));
	store_view_close(view);
	store_close(store);

	store = scratch_open(&s);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_view_texts(view, 1, &texts), STORE_OK);
	cr_assert(slice_equal(texts.envelope, slice_string(envelope)));
	cr_assert(slice_equal(texts.bodystructure, slice_string(structure)));
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(unique, names_a_message_also_after_a_rebuild)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;
	char before[STORE_UNIQUE_TEXT + 1], after[STORE_UNIQUE_TEXT + 1],
	    other[STORE_UNIQUE_TEXT + 1];

	scratch_append(store, "INBOX", MESSAGE, 0);
	scratch_append(store, "INBOX", MESSAGE, 0);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_view_unique(view, 1, before), STORE_OK);
	cr_assert_eq(store_view_unique(view, 2, other), STORE_OK);
	cr_assert_str_neq(before, other);
	cr_assert_eq(
	    store_flags_change(view, &first, 1, STORE_FLAGS_ADD, STORE_SEEN, 0, UINT64_MAX, NULL),
	    STORE_OK);
	store_view_close(view);
	store_close(store);
	unlinkat(s.home, "index/data.mdb", 0);
	unlinkat(s.home, "index/lock.mdb", 0);
	store = scratch_open(&s);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_view_unique(view, 1, after), STORE_OK);
	cr_assert_str_eq(before, after);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}
