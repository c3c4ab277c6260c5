/* What names.h promises. */
#include <criterion/criterion.h>

#include "store/names.h"
#include "store/store.h"

static void check_folder(const char *name, const char *directory)
{
	char checked[FILE_NAME_SIZE], on_disk[FILE_NAME_SIZE], back[FILE_NAME_SIZE];

	cr_assert(folder_name_check(slice_string(name), checked), "%s", name);
	cr_assert(folder_name_to_directory(checked, on_disk));
	cr_assert_str_eq(on_disk, directory);
	if (strcmp(directory, ".") == 0)
		return;
	cr_assert(folder_name_from_directory(on_disk, back));
	cr_assert_str_eq(back, checked);
}

Test(names, a_folder_has_one_directory_and_comes_back_from_it)
{
	check_folder("INBOX", ".");
	check_folder("inbox", ".");
	check_folder("Sent", ".Sent");
	check_folder("Sent/2026", ".Sent.2026");
	check_folder("INBOX/below", ".INBOX.below");
	check_folder("v1.2/a.b", ".v1&AC4-2.a&AC4-b");
	check_folder("A & B", ".A &- B");
	check_folder("&AC4-", ".&-AC4-");
	check_folder("Entw\xc3\xbcrfe", ".Entw&APw-rfe");
	check_folder("\xe2\x98\xba!", ".&Jjo-!");
}

Test(names, a_folder_name_that_makes_no_sense_is_refused)
{
	static const char *const bad[] = {
	    "", "/", "a/", "/a", "a//b", ".", "..", "a/..", "a\x01", "\xff", "\xc0\x80", "a\r\nb"};
	char checked[FILE_NAME_SIZE], longest[600];

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_assert_not(folder_name_check(slice_string(bad[i]), checked), "case %zu", i);
	memset(longest, 'a', sizeof longest);
	cr_assert_not(folder_name_check(slice_of(longest, 255), checked));
	cr_assert(folder_name_check(slice_of(longest, 254), checked));
	for (size_t i = 0; i < 80; i += 2)
		memcpy(longest + i, "a/", 2);
	cr_assert_not(folder_name_check(slice_of(longest, 2 * STORE_DEPTH_MAX + 1), checked));
}

Test(names, a_directory_that_is_not_modified_utf7_is_taken_as_utf8)
{
	char name[FILE_NAME_SIZE];

	cr_assert(folder_name_from_directory(".R\xc3\xa9sum\xc3\xa9.x", name));
	cr_assert_str_eq(name, "R\xc3\xa9sum\xc3\xa9/x");
	cr_assert_not(folder_name_from_directory(".\xff", name));
	cr_assert_not(folder_name_from_directory("..", name));
	cr_assert_not(folder_name_from_directory(".", name));
	cr_assert_not(folder_name_from_directory(".a..b", name));
	/* INBOX has its place already. */
	cr_assert_not(folder_name_from_directory(".INBOX", name));
}

Test(names, a_file_name_tells_sizes_time_and_flags)
{
	struct file_name name;

	cr_assert(file_name_parse(
	    SLICE("1763700000.M000007I001jt3pf8me0kR00ff.host,S=120,W=130:2,FSa"), &name));
	cr_assert(name.is_delivered);
	cr_assert_eq(name.time_us, 1763700000000007);
	cr_assert_eq(name.disk_size, 120);
	cr_assert_eq(name.crlf_size, 130);
	cr_assert(slice_equal(name.unique, SLICE("1763700000.M000007I001jt3pf8me0kR00ff.host")));
	cr_assert(slice_equal(
	    name.base, SLICE("1763700000.M000007I001jt3pf8me0kR00ff.host,S=120,W=130")));
	cr_assert_eq(file_name_flags(name.info), STORE_FLAGGED | STORE_SEEN);
	cr_assert_eq(file_name_keywords(name.info, 1), 1);
	cr_assert_eq(file_name_keywords(name.info, 0), 0);

	cr_assert(file_name_parse(SLICE("1763700000.M5P7Q2.host:2,"), &name));
	cr_assert_not(name.is_delivered);
	cr_assert_eq(name.time_us, 1763700000000005);
	cr_assert_eq(name.disk_size, FILE_SIZE_UNKNOWN);

	cr_assert(file_name_parse(SLICE("x,S=99999999999999999999999"), &name));
	cr_assert_eq(name.disk_size, FILE_SIZE_UNKNOWN);
	cr_assert_not(file_name_parse(SLICE(".hidden"), &name));
	cr_assert_not(file_name_parse(SLICE(",S=1"), &name));
	cr_assert_not(file_name_parse(SLICE("a/b"), &name));
	cr_assert_not(file_name_parse(SLICE("a\0b"), &name));
}

Test(names, letters_of_other_programs_are_kept)
{
	char out[FILE_NAME_SIZE];

	cr_assert(file_name_format(SLICE("a"), SLICE("PSzb"), STORE_FLAGGED, 1, 2, out));
	cr_assert_str_eq(out, "a:2,FPaz");
}

Test(names, unique_names_are_unique)
{
	char a[FILE_NAME_SIZE], b[FILE_NAME_SIZE], host[FILE_HOSTNAME_MAX + 1];
	struct file_name name;

	file_name_hostname("a/b:c", host);
	file_name_make_unique(host, a);
	file_name_make_unique(host, b);
	cr_assert_str_neq(a, b);
	cr_assert(file_name_parse(slice_string(a), &name));
	cr_assert(slice_equal(name.unique, slice_string(a)));
	cr_assert_gt(name.time_us, 1000000000000000);
}
