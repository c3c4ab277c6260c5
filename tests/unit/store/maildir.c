/* What maildir.h, line_ends.h and store_create_home promise. */
#include "tests/unit/store/scratch.h"

#include <errno.h>

#include "store/line_ends.h"

#define MESSAGE "Subject: hello\r\n\r\none\r\ntwo\r\n"

Test(maildir, a_delivered_file_has_lf_line_ends_and_both_sizes_in_its_name)
{
	struct scratch s = scratch_make();
	struct maildir_result result;
	char path[300];

	cr_assert_eq(
	    scratch_deliver(&s, 1763700000000000, MESSAGE, false, &result), MAILDIR_DELIVERED);
	cr_assert_eq(scratch_list(&s, "Maildir/new", NULL), 1);
	cr_assert_eq(scratch_list(&s, "Maildir/tmp", NULL), 0);
	snprintf(path, sizeof path, "Maildir/new/%s", result.name);
	cr_assert_str_eq(
	    scratch_read(&s, path), "Return-Path: <bob@example.net>\nSubject: hello\n\none\ntwo\n");
	cr_assert_eq(result.disk_size, strlen(scratch_read(&s, path)));
	cr_assert_eq(result.crlf_size, strlen("Return-Path: <bob@example.net>\r\n" MESSAGE));
	cr_assert_not_null(strstr(result.name, ",S=55,W=60"));
	cr_assert_eq(strncmp(result.name, "1763700000.M000000I001j", 23), 0, "%s", result.name);
	scratch_remove(&s);
}

Test(maildir, delivering_again_under_the_same_name_is_harmless)
{
	struct scratch s = scratch_make();

	cr_assert_eq(
	    scratch_deliver(&s, 1763700000000000, MESSAGE, false, NULL), MAILDIR_DELIVERED);
	cr_assert_eq(scratch_deliver(&s, 1763700000000000, MESSAGE, false, NULL), MAILDIR_ALREADY);
	cr_assert_eq(
	    scratch_deliver(&s, 1763700000000001, MESSAGE, false, NULL), MAILDIR_DELIVERED);
	cr_assert_eq(scratch_list(&s, "Maildir/new", NULL), 2);
	cr_assert_eq(scratch_list(&s, "Maildir/tmp", NULL), 0);
	scratch_remove(&s);
}

Test(maildir, a_redelivery_finds_the_file_wherever_it_was_moved)
{
	struct scratch s = scratch_make();
	struct maildir_result result;
	char from[300], to[320];

	cr_assert_eq(
	    scratch_deliver(&s, 1763700000000000, MESSAGE, false, &result), MAILDIR_DELIVERED);
	mkdirat(s.home, "Maildir/.Later", 0700);
	mkdirat(s.home, "Maildir/.Later/cur", 0700);
	snprintf(from, sizeof from, "Maildir/new/%s", result.name);
	snprintf(to, sizeof to, "Maildir/.Later/cur/%s:2,S", result.name);
	cr_assert_eq(renameat(s.home, from, s.home, to), 0);
	cr_assert_eq(scratch_deliver(&s, 1763700000000000, MESSAGE, true, NULL), MAILDIR_ALREADY);
	cr_assert_eq(scratch_list(&s, "Maildir/new", NULL), 0);
	scratch_remove(&s);
}

Test(maildir, a_redelivery_replaces_a_file_that_a_crash_cut_short)
{
	struct scratch s = scratch_make();
	struct maildir_result result;
	char path[300];

	cr_assert_eq(
	    scratch_deliver(&s, 1763700000000000, MESSAGE, false, &result), MAILDIR_DELIVERED);
	snprintf(path, sizeof path, "Maildir/new/%s", result.name);
	scratch_write(&s, path, "", 0);
	cr_assert_eq(scratch_deliver(&s, 1763700000000000, MESSAGE, true, NULL), MAILDIR_DELIVERED);
	cr_assert_eq(strlen(scratch_read(&s, path)), result.disk_size);
	scratch_remove(&s);
}

Test(maildir, a_message_of_many_blocks_is_stored_whole)
{
	enum { LINES = 60000 };
	struct scratch s = scratch_make();
	struct maildir_result result;
	struct stat st;
	char path[300], *text = malloc(LINES * 14 + 1);
	size_t len = 0;

	for (int i = 0; i < LINES; i++)
		len += (size_t)sprintf(text + len, "line %06d\r\n", i);
	cr_assert_gt(len, 2 * MAILDIR_BLOCK);
	cr_assert_eq(
	    scratch_deliver(&s, 1763700000000000, text, false, &result), MAILDIR_DELIVERED);
	snprintf(path, sizeof path, "Maildir/new/%s", result.name);
	cr_assert_eq(fstatat(s.home, path, &st, 0), 0);
	cr_assert_eq((uint64_t)st.st_size, result.disk_size);
	cr_assert_eq(result.crlf_size, len + 32);
	cr_assert_eq(result.disk_size, len + 32 - LINES - 1);
	free(text);
	scratch_remove(&s);
}

Test(maildir, content_that_ends_too_early_leaves_nothing_behind)
{
	struct scratch s = scratch_make();
	struct maildir_result result;
	int fd = scratch_content("short", 5);
	struct maildir_delivery delivery = {.id = 1763700000000000,
	    .arrived_us = 1763700000000000,
	    .recipient = SLICE("alice@example.org"),
	    .hostname = "h",
	    .content_fd = fd,
	    .size = 6};

	cr_assert_eq(maildir_deliver(s.home, &delivery, &result), MAILDIR_FAILED);
	cr_assert_str_eq(result.step, "read");
	cr_assert_eq(scratch_list(&s, "Maildir/tmp", NULL), 0);
	cr_assert_eq(scratch_list(&s, "Maildir/new", NULL), 0);
	close(fd);
	scratch_remove(&s);
}

Test(maildir, a_folder_that_is_not_there_is_said_to_be_missing)
{
	struct scratch s = scratch_make();
	struct maildir_result result;
	int fd = scratch_content("x", 1);
	struct maildir_delivery delivery = {.id = 1763700000000000,
	    .arrived_us = 1763700000000000,
	    .recipient = SLICE("a"),
	    .hostname = "h",
	    .folder = SLICE("Nowhere"),
	    .content_fd = fd,
	    .size = 1};

	cr_assert_eq(maildir_deliver(s.home, &delivery, &result), MAILDIR_NO_FOLDER);
	delivery.folder = SLICE("../../etc");
	cr_assert_eq(maildir_deliver(s.home, &delivery, &result), MAILDIR_NO_FOLDER);
	close(fd);
	scratch_remove(&s);
}

Test(maildir, a_symbolic_link_on_the_way_is_not_followed)
{
	struct scratch s = scratch_make();
	struct maildir_result result;

	cr_assert_eq(unlinkat(s.home, "Maildir/tmp", AT_REMOVEDIR), 0);
	cr_assert_eq(symlinkat("/tmp", s.home, "Maildir/tmp"), 0);
	cr_assert_eq(
	    scratch_deliver(&s, 1763700000000000, MESSAGE, false, &result), MAILDIR_FAILED);
	cr_assert_eq(result.error, ELOOP);
	scratch_remove(&s);
}

Test(home, a_path_that_leads_out_is_refused)
{
	static const char *const bad[] = {"", "/etc", "..", "a/../b", "a//b", "./a", "a/", "a/."};
	struct scratch s = scratch_make();

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_assert_eq(store_create_home(s.root, slice_string(bad[i])), -1, "%s", bad[i]);
	cr_assert_eq(store_open_home(s.root, SLICE("example.org/bob")), -1);
	cr_assert_eq(errno, ENOENT);
	scratch_remove(&s);
}

/* ---- line ends ---- */

/* Convert in pieces of `piece` octets; the result lives until the next call. */
static struct slice to_disk(struct slice in, size_t piece, struct to_disk *state)
{
	static char out[256];
	size_t len = 0;

	*state = (struct to_disk){0};
	for (size_t at = 0; at < in.len; at += piece)
		len += to_disk_block(state, slice_part(in, at, piece), out + len);
	len += to_disk_end(state, out + len);
	return slice_of(out, len);
}

Test(line_ends, pieces_of_any_size_give_the_same_file)
{
	static const struct {
		struct slice in, out;
		uint64_t crlf;
	} cases[] = {
	    {{"", 0},              {"", 0},            0},
	    {{"a\r\nb\r\n", 6},    {"a\nb\n", 4},      6},
	    {{"a\nb", 3},          {"a\nb", 3},        4},
	    {{"a\r", 2},           {"a\r", 2},         2},
	    {{"\r\r\n", 3},        {"\r\n", 2},        2},
	    {{"\ra\r\r\r\n\n", 7}, {"\ra\r\r\n\n", 6}, 7},
	    {{"\0\r\n\0", 4},      {"\0\n\0", 3},      4},
	};

	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t piece = 1; piece <= 8; piece++) {
			struct to_disk state;
			struct slice out = to_disk(cases[i].in, piece, &state);
			bool after_cr = false;

			cr_assert(
			    slice_equal(out, cases[i].out), "case %zu, pieces of %zu", i, piece);
			cr_assert_eq(state.disk_size, out.len);
			cr_assert_eq(
			    state.crlf_size, cases[i].crlf, "case %zu, pieces of %zu", i, piece);
			cr_assert_eq(from_disk_size(&after_cr, out), cases[i].crlf);
		}
	}
}

Test(line_ends, reading_back_never_overruns_a_small_buffer)
{
	struct slice disk = SLICE("ab\n\n\r\ncd\n");

	for (size_t room = 2; room < 16; room++) {
		char whole[32] = "", piece[16];
		size_t at = 0, len = 0, taken;
		bool after_cr = false;

		while (at < disk.len) {
			size_t n =
			    from_disk_block(&after_cr, slice_from(disk, at), piece, room, &taken);

			cr_assert(n <= room && taken > 0);
			memcpy(whole + len, piece, n);
			len += n;
			at += taken;
		}
		cr_assert(slice_equal(slice_of(whole, len), SLICE("ab\r\n\r\n\r\ncd\r\n")),
		    "room %zu", room);
	}
}
