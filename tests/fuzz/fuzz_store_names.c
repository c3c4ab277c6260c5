/*
 * Names found in a Maildir: no octets do harm; a folder's name leads to one
 * directory and back, and a message's name with other flags is the same message.
 */
#include "store/names.h"
#include "store/store.h"
#include "tests/fuzz/fuzz.h"

static void folder_comes_back(struct slice in)
{
	char name[FILE_NAME_SIZE], directory[FILE_NAME_SIZE], back[FILE_NAME_SIZE];

	if (!folder_name_check(in, name))
		return;
	REQUIRE(folder_name_to_directory(name, directory));
	REQUIRE(
	    directory[0] == '.' && strchr(directory, '/') == NULL && strcmp(directory, "..") != 0);
	if (folder_name_is_inbox(name))
		return;
	REQUIRE(folder_name_from_directory(directory, back));
	REQUIRE(strcmp(name, back) == 0);
}

static void directory_gives_a_sound_name(struct slice in)
{
	char directory[FILE_NAME_SIZE], name[FILE_NAME_SIZE], checked[FILE_NAME_SIZE];

	if (slice_find(in, 0, '\0') >= 0 || !slice_copy(in, directory, sizeof directory) ||
	    !folder_name_from_directory(directory, name))
		return;
	REQUIRE(folder_name_check(slice_string(name), checked));
	REQUIRE(strcmp(name, checked) == 0);
}

static void flags_leave_the_message_what_it_is(struct slice in)
{
	struct file_name name, renamed;
	char out[FILE_NAME_SIZE];

	if (!file_name_parse(in, &name))
		return;
	REQUIRE(name.unique.len > 0 && name.unique.len <= name.base.len && name.base.len <= in.len);
	REQUIRE((file_name_flags(name.info) & ~(uint32_t)STORE_SYSTEM_FLAGS) == 0);
	REQUIRE(file_name_keywords(name.info, 3) <= 7);
	if (!file_name_format(name.base, name.info, STORE_SEEN | STORE_DELETED, 5, 3, out))
		return;
	REQUIRE(file_name_parse(slice_string(out), &renamed));
	REQUIRE(slice_equal(renamed.unique, name.unique));
	REQUIRE(renamed.disk_size == name.disk_size && renamed.crlf_size == name.crlf_size);
	REQUIRE(renamed.time_us == name.time_us && renamed.is_delivered == name.is_delivered);
	REQUIRE(file_name_flags(renamed.info) == (STORE_SEEN | STORE_DELETED));
	REQUIRE(file_name_keywords(renamed.info, 3) == 5);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);

	folder_comes_back(in);
	directory_gives_a_sound_name(in);
	flags_leave_the_message_what_it_is(in);
	return 0;
}
