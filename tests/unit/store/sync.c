/* What store.h promises about a Maildir that changes behind the store's back. */
#include "tests/unit/store/scratch.h"

#define MESSAGE "Subject: hello\r\n\r\none\r\n"

static message_id id_of(unsigned n)
{
	return 1763700000000000 + n;
}

Test(sync, delivered_messages_get_ascending_uids_in_the_order_of_their_names)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;

	scratch_deliver(&s, id_of(3), MESSAGE, false, NULL);
	scratch_deliver(&s, id_of(1), MESSAGE "later in the alphabet\r\n", false, NULL);
	scratch_deliver(&s, id_of(2), MESSAGE, false, NULL);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_view_count(view), 3);
	for (uint32_t seq = 1; seq <= 3; seq++)
		cr_assert_eq(store_view_message(view, seq)->uid, seq);
	cr_assert_not_null(strstr(scratch_content_of(view, 1), "later"));
	cr_assert_eq(store_view_uidnext(view), 4);
	cr_assert_eq(store_view_message(view, 1)->internal_date, 1763700000);
	cr_assert_eq(scratch_list(&s, "Maildir/new", NULL), 0);
	cr_assert_eq(scratch_list(&s, "Maildir/cur", NULL), 3);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(sync, uids_never_change_and_are_never_given_twice)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;
	uint32_t all[2] = {1, 2}, uidvalidity;

	for (unsigned n = 1; n <= 3; n++)
		scratch_deliver(&s, id_of(n), MESSAGE, false, NULL);
	view = scratch_view(store, "INBOX");
	uidvalidity = store_view_uidvalidity(view);
	cr_assert_eq(store_expunge(view, all + 1, 1, true), STORE_OK);
	store_view_close(view);
	store_close(store);

	store = scratch_open(&s);
	scratch_deliver(&s, id_of(4), MESSAGE, false, NULL);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_view_uidvalidity(view), uidvalidity);
	cr_assert_eq(store_view_count(view), 3);
	cr_assert_eq(store_view_message(view, 1)->uid, 1);
	cr_assert_eq(store_view_message(view, 2)->uid, 3);
	cr_assert_eq(store_view_message(view, 3)->uid, 4);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(sync, flags_changed_in_a_file_name_are_taken_over)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;
	struct store_changes changes;
	char name[256], from[300], to[300];

	scratch_deliver(&s, id_of(1), MESSAGE, false, NULL);
	scratch_deliver(&s, id_of(2), MESSAGE, false, NULL);
	view = scratch_view(store, "INBOX");
	scratch_settle();
	scratch_update(view);
	cr_assert_eq(scratch_list(&s, "Maildir/cur", name), 2);
	snprintf(from, sizeof from, "Maildir/cur/%s", name);
	snprintf(to, sizeof to, "Maildir/cur/%sFS", name);
	cr_assert_eq(renameat(s.home, from, s.home, to), 0);
	changes = scratch_update(view);
	cr_assert_eq(changes.flagged_count, 1);
	cr_assert_eq(store_view_message(view, changes.flagged[0])->flags & STORE_SYSTEM_FLAGS,
	    STORE_FLAGGED | STORE_SEEN);
	cr_assert_eq(changes.expunged_count, 0);
	cr_assert_eq(changes.first_new, 0);
	/* And no second time. */
	changes = scratch_update(view);
	cr_assert_eq(changes.flagged_count, 0);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(sync, a_file_that_another_program_removed_is_expunged)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;
	struct store_changes changes;
	char name[256], path[300];

	scratch_append(store, "INBOX", MESSAGE, 0);
	scratch_append(store, "INBOX", MESSAGE, 0);
	view = scratch_view(store, "INBOX");
	scratch_settle();
	scratch_update(view);
	cr_assert_eq(scratch_list(&s, "Maildir/cur", name), 2);
	snprintf(path, sizeof path, "Maildir/cur/%s", name);
	cr_assert_eq(unlinkat(s.home, path, 0), 0);
	changes = scratch_update(view);
	cr_assert_eq(changes.expunged_count, 1);
	cr_assert_eq(store_view_count(view), 1);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(sync, a_file_put_into_cur_by_another_program_is_a_new_message)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view = scratch_view(store, "INBOX");
	struct store_changes changes;
	uint64_t size;

	scratch_write(&s, "Maildir/cur/1700000000.M1P1.elsewhere:2,RS", "a\nb\n", 4);
	changes = scratch_update(view);
	cr_assert_eq(changes.first_new, 1);
	cr_assert_eq(
	    store_view_message(view, 1)->flags, STORE_ANSWERED | STORE_SEEN | STORE_RECENT);
	cr_assert_eq(store_view_size(view, 1, &size), STORE_OK);
	cr_assert_eq(size, 6);
	cr_assert_str_eq(scratch_content_of(view, 1), "a\r\nb\r\n");
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(sync, a_message_moved_back_to_new_keeps_its_uid)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;
	struct store_changes changes;
	char name[256], from[300], to[300];

	scratch_deliver(&s, id_of(1), MESSAGE, false, NULL);
	view = scratch_view(store, "INBOX");
	scratch_list(&s, "Maildir/cur", name);
	snprintf(from, sizeof from, "Maildir/cur/%s", name);
	snprintf(to, sizeof to, "Maildir/new/%s", name);
	cr_assert_eq(renameat(s.home, from, s.home, to), 0);
	changes = scratch_update(view);
	cr_assert_eq(changes.expunged_count, 0);
	cr_assert_eq(changes.first_new, 0);
	cr_assert_eq(store_view_message(view, 1)->uid, 1);
	cr_assert_eq(scratch_list(&s, "Maildir/new", NULL), 0);
	cr_assert_eq(scratch_list(&s, "Maildir/cur", NULL), 1);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(sync, a_message_delivered_twice_is_shown_once)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;

	scratch_deliver(&s, id_of(1), MESSAGE, false, NULL);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(scratch_deliver(&s, id_of(1), MESSAGE, false, NULL), MAILDIR_DELIVERED);
	cr_assert_eq(scratch_update(view).first_new, 0);
	cr_assert_eq(scratch_list(&s, "Maildir/new", NULL), 0);
	cr_assert_eq(scratch_list(&s, "Maildir/cur", NULL), 1);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(sync, two_files_of_one_name_become_two_messages)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;

	scratch_write(&s, "Maildir/cur/1700000000.M1P1.elsewhere:2,", "a\n", 2);
	scratch_write(&s, "Maildir/cur/1700000000.M1P1.elsewhere:2,S", "b\n", 2);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_view_count(view), 2);
	scratch_settle();
	scratch_update(view);
	scratch_write(&s, "Maildir/cur/1700000000.M1P1.elsewhere:2,F", "c\n", 2);
	scratch_update(view);
	cr_assert_eq(store_view_count(view), 3);
	cr_assert_eq(scratch_update(view).first_new, 0);
	cr_assert_eq(store_view_count(view), 3);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(sync, links_and_directories_among_the_messages_are_passed_over)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;

	cr_assert_eq(symlinkat("/etc/passwd", s.home, "Maildir/new/1700000000.M1P1.link"), 0);
	cr_assert_eq(mkdirat(s.home, "Maildir/cur/1700000000.M1P1.directory", 0700), 0);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_view_count(view), 0);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(sync, every_delivery_is_seen_at_the_next_update_however_fast_they_come)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view = scratch_view(store, "INBOX");

	for (unsigned n = 1; n <= 50; n++) {
		scratch_deliver(&s, id_of(n), MESSAGE, false, NULL);
		cr_assert_eq(scratch_update(view).first_new, n);
		cr_assert_eq(store_view_message(view, n)->uid, n);
	}
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(sync, what_the_owner_expunged_is_not_delivered_again)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;
	struct timespec now;
	message_id id;

	clock_gettime(CLOCK_REALTIME, &now);
	id = (uint64_t)now.tv_sec * 1000000 - 60000000;
	scratch_deliver(&s, id, MESSAGE, false, NULL);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_expunge(view, NULL, 0, true), STORE_OK);
	store_view_close(view);
	store_close(store);
	cr_assert_eq(scratch_list(&s, "Maildir/cur", NULL), 0);
	cr_assert_eq(scratch_deliver(&s, id, MESSAGE, true, NULL), MAILDIR_ALREADY);
	cr_assert_eq(scratch_deliver(&s, id + 1, MESSAGE, true, NULL), MAILDIR_DELIVERED);
	scratch_remove(&s);
}

Test(sync, a_message_that_a_replay_delivers_again_keeps_its_uid)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;
	uint32_t first = 1;
	char name[256], path[300];

	scratch_deliver(&s, id_of(1), MESSAGE, false, NULL);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(
	    store_flags_change(view, &first, 1, STORE_FLAGS_ADD, STORE_SEEN, 0, UINT64_MAX, NULL),
	    STORE_OK);
	store_view_close(view);
	/* The crash left the name, and not the content. */
	scratch_list(&s, "Maildir/cur", name);
	snprintf(path, sizeof path, "Maildir/cur/%s", name);
	scratch_write(&s, path, "", 0);
	cr_assert_eq(scratch_deliver(&s, id_of(1), MESSAGE, true, NULL), MAILDIR_DELIVERED);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_view_count(view), 1);
	cr_assert_eq(store_view_message(view, 1)->uid, 1);
	cr_assert(store_view_message(view, 1)->flags & STORE_SEEN);
	cr_assert_not_null(strstr(scratch_content_of(view, 1), "one"));
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(sync, a_move_to_cur_that_was_lost_is_made_again)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;
	char name[256], from[300], to[300];
	int status;
	pid_t pid;

	scratch_deliver(&s, id_of(1), MESSAGE, false, NULL);
	view = scratch_view(store, "INBOX");
	store_view_close(view);
	store_close(store);
	/* As after a power cut: the index was on disk, the rename was not. */
	scratch_list(&s, "Maildir/cur", name);
	snprintf(from, sizeof from, "Maildir/cur/%s", name);
	*strchr(name, ':') = '\0';
	snprintf(to, sizeof to, "Maildir/new/%s", name);
	cr_assert_eq(renameat(s.home, from, s.home, to), 0);
	pid = fork();
	if (pid == 0) {
		store = scratch_open(&s);
		view = scratch_view(store, "INBOX");
		/* Not closed in order. */
		_exit(store_view_count(view) == 1 && store_view_message(view, 1)->uid == 1 ? 0 : 1);
	}
	cr_assert_eq(waitpid(pid, &status, 0), pid);
	cr_assert_eq(status, 0);
	cr_assert_eq(scratch_list(&s, "Maildir/cur", NULL), 1);
	scratch_remove(&s);
}

Test(sync, a_file_that_is_being_written_is_left_alone)
{
	static const struct timespec old[2] = {{.tv_sec = 86400}, {.tv_sec = 86400}};
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);

	/* A message from 1970 on its way in: its date is old, the file is not. */
	scratch_write(&s, "Maildir/tmp/1700000000.M1P1.x", "a\n", 2);
	cr_assert_eq(utimensat(s.home, "Maildir/tmp/1700000000.M1P1.x", old, 0), 0);
	store_view_close(scratch_view(store, "INBOX"));
	cr_assert_eq(scratch_list(&s, "Maildir/tmp", NULL), 1);
	store_close(store);
	scratch_remove(&s);
}
