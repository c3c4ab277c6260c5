/* What store.h promises about folders and subscriptions. */
#include "tests/unit/store/scratch.h"

#define MESSAGE "Subject: x\r\n\r\nbody\r\n"

/* The folders as one line: "+" exists, "*" subscribed, ">" has children. */
static const char *list(struct store *store)
{
	static char line[4096];
	struct store_folder_list folders;
	size_t len = 0;

	line[0] = '\0';
	cr_assert_eq(store_folder_list(store, &folders), STORE_OK, "%s", store_failure(store));
	for (size_t i = 0; i < folders.count; i++) {
		struct store_folder_info *f = &folders.folders[i];

		len += (size_t)sprintf(line + len, "%s%s%s%s%s", i > 0 ? " " : "", f->name,
		    f->exists ? "+" : "", f->subscribed ? "*" : "", f->has_children ? ">" : "");
	}
	store_folder_list_free(&folders);
	return line;
}

Test(folders, a_new_home_has_an_inbox)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);

	cr_assert_str_eq(list(store), "INBOX+");
	store_close(store);
	scratch_remove(&s);
}

Test(folders, are_made_with_those_above_and_listed_in_order)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);

	cr_assert_eq(store_folder_create(store, SLICE("b/c/d")), STORE_OK);
	cr_assert_eq(store_folder_create(store, SLICE("b-x")), STORE_OK);
	cr_assert_eq(store_folder_create(store, SLICE("INBOX/in")), STORE_OK);
	cr_assert_eq(store_folder_create(store, SLICE("b/c")), STORE_EXISTS);
	cr_assert_eq(store_folder_create(store, SLICE("inbox")), STORE_EXISTS);
	cr_assert_eq(store_folder_create(store, SLICE("b//c")), STORE_BAD_NAME);
	cr_assert_str_eq(list(store), "INBOX+> INBOX/in+ b+> b/c+> b/c/d+ b-x+");
	cr_assert_eq(scratch_list(&s, "Maildir/.b.c.d/cur", NULL), 0);
	store_close(store);
	scratch_remove(&s);
}

Test(folders, made_and_removed_by_other_programs_are_noticed)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_view *view;

	mkdirat(s.home, "Maildir/.Entw&APw-rfe", 0700);
	mkdirat(s.home, "Maildir/.Entw&APw-rfe/cur", 0700);
	mkdirat(s.home, "Maildir/.not-a-folder", 0700);
	cr_assert_str_eq(list(store), "INBOX+ Entw\xc3\xbcrfe+");
	view = scratch_view(store, "Entw\xc3\xbcrfe");
	cr_assert_eq(store_view_count(view), 0);
	store_view_close(view);
	unlinkat(s.home, "Maildir/.Entw&APw-rfe/maildirfolder", 0);
	unlinkat(s.home, "Maildir/.Entw&APw-rfe/cur", AT_REMOVEDIR);
	unlinkat(s.home, "Maildir/.Entw&APw-rfe/new", AT_REMOVEDIR);
	unlinkat(s.home, "Maildir/.Entw&APw-rfe/tmp", AT_REMOVEDIR);
	cr_assert_eq(unlinkat(s.home, "Maildir/.Entw&APw-rfe", AT_REMOVEDIR), 0);
	cr_assert_str_eq(list(store), "INBOX+");
	cr_assert_eq(store_view_open(store, SLICE("Entw\xc3\xbcrfe"), 0, &view), STORE_NO_FOLDER);
	store_close(store);
	scratch_remove(&s);
}

Test(folders, a_deleted_folder_with_children_stays_as_a_name)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);

	cr_assert_eq(store_folder_create(store, SLICE("a/b")), STORE_OK);
	scratch_append(store, "a", MESSAGE, 0);
	cr_assert_eq(store_folder_delete(store, SLICE("a")), STORE_OK);
	cr_assert_str_eq(list(store), "INBOX+ a> a/b+");
	cr_assert_eq(store_folder_delete(store, SLICE("a")), STORE_NO_FOLDER);
	cr_assert_eq(store_folder_delete(store, SLICE("INBOX")), STORE_DENIED);
	cr_assert_eq(store_folder_delete(store, SLICE("a/b")), STORE_OK);
	cr_assert_str_eq(list(store), "INBOX+");
	/* Nothing is left lying about. */
	cr_assert_eq(scratch_list(&s, "Maildir", NULL), 3);
	store_close(store);
	scratch_remove(&s);
}

Test(folders, a_folder_made_again_has_a_new_uidvalidity)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_status before, after;
	struct store_view *view;
	struct store_changes changes;

	cr_assert_eq(store_folder_create(store, SLICE("a")), STORE_OK);
	cr_assert_eq(store_folder_status(store, SLICE("a"), &before), STORE_OK);
	view = scratch_view(store, "a");
	cr_assert_eq(store_folder_delete(store, SLICE("a")), STORE_OK);
	cr_assert_eq(store_folder_create(store, SLICE("a")), STORE_OK);
	cr_assert_eq(store_folder_status(store, SLICE("a"), &after), STORE_OK);
	cr_assert_gt(after.uidvalidity, before.uidvalidity);
	cr_assert_eq(store_view_update(view, 0, &changes), STORE_STALE);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(folders, renaming_takes_the_children_along_and_keeps_uids)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_status before, after;
	struct store_view *view;

	cr_assert_eq(store_folder_create(store, SLICE("a/b")), STORE_OK);
	cr_assert_eq(store_folder_create(store, SLICE("ab")), STORE_OK);
	scratch_append(store, "a/b", MESSAGE, 0);
	cr_assert_eq(store_folder_status(store, SLICE("a/b"), &before), STORE_OK);
	view = scratch_view(store, "a/b");
	cr_assert_eq(store_folder_rename(store, SLICE("a"), SLICE("x/y")), STORE_OK);
	cr_assert_str_eq(list(store), "INBOX+ ab+ x+> x/y+> x/y/b+");
	cr_assert_eq(store_folder_status(store, SLICE("x/y/b"), &after), STORE_OK);
	cr_assert_eq(before.uidvalidity, after.uidvalidity);
	cr_assert_eq(after.messages, 1);
	/* A view follows its folder. */
	scratch_update(view);
	cr_assert_str_eq(scratch_content_of(view, 1), MESSAGE);
	store_view_close(view);
	cr_assert_eq(store_folder_rename(store, SLICE("x"), SLICE("x/z")), STORE_DENIED);
	cr_assert_eq(store_folder_rename(store, SLICE("x"), SLICE("ab")), STORE_EXISTS);
	cr_assert_eq(store_folder_rename(store, SLICE("nowhere"), SLICE("q")), STORE_NO_FOLDER);
	cr_assert_eq(store_folder_rename(store, SLICE("x"), SLICE("INBOX")), STORE_EXISTS);
	store_close(store);
	scratch_remove(&s);
}

Test(folders, renaming_inbox_moves_its_messages_away)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct store_status status;

	scratch_append(store, "INBOX", MESSAGE, 0);
	scratch_append(store, "INBOX", MESSAGE, 0);
	cr_assert_eq(store_folder_create(store, SLICE("INBOX/below")), STORE_OK);
	cr_assert_eq(store_folder_rename(store, SLICE("INBOX"), SLICE("old")), STORE_OK);
	cr_assert_str_eq(list(store), "INBOX+> INBOX/below+ old+");
	cr_assert_eq(store_folder_status(store, SLICE("old"), &status), STORE_OK);
	cr_assert_eq(status.messages, 2);
	cr_assert_eq(store_folder_status(store, SLICE("INBOX"), &status), STORE_OK);
	cr_assert_eq(status.messages, 0);
	store_close(store);
	scratch_remove(&s);
}

Test(subscriptions, are_kept_in_a_file_that_dovecot_reads)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);

	cr_assert_eq(store_folder_create(store, SLICE("a/b")), STORE_OK);
	cr_assert_eq(store_subscribe(store, SLICE("a/b")), STORE_OK);
	cr_assert_eq(store_subscribe(store, SLICE("inbox")), STORE_OK);
	cr_assert_eq(store_subscribe(store, SLICE("Entw\xc3\xbcrfe")), STORE_OK);
	cr_assert_eq(store_subscribe(store, SLICE("a/b")), STORE_OK);
	cr_assert_str_eq(scratch_read(&s, "Maildir/subscriptions"), "a.b\nINBOX\nEntw&APw-rfe\n");
	cr_assert_str_eq(list(store), "INBOX+* Entw\xc3\xbcrfe* a+> a/b+*");
	cr_assert_eq(store_unsubscribe(store, SLICE("INBOX")), STORE_OK);
	cr_assert_eq(store_unsubscribe(store, SLICE("never")), STORE_OK);
	cr_assert_str_eq(scratch_read(&s, "Maildir/subscriptions"), "a.b\nEntw&APw-rfe\n");
	cr_assert_eq(store_folder_delete(store, SLICE("a/b")), STORE_OK);
	cr_assert_str_eq(list(store), "INBOX+ Entw\xc3\xbcrfe* a+ a/b*");
	store_close(store);
	scratch_remove(&s);
}

Test(subscriptions, dovecots_newer_form_is_read)
{
	static const char text[] = "V\t2\n\nINBOX\na\tb\n\xff\n..\n";
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);

	scratch_write(&s, "Maildir/subscriptions", text, strlen(text));
	cr_assert_str_eq(list(store), "INBOX+* a/b*");
	store_close(store);
	scratch_remove(&s);
}
