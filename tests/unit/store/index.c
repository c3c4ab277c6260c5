/* What store.h and index.h promise about an index that is damaged or shared. */
#include "tests/unit/store/scratch.h"

#include "store/index.h"

#define MESSAGE "From: a@example.org\r\nSubject: hello\r\n\r\none\r\n"

enum { MESSAGES = 300 };

/* A mailbox with enough in it for a tree of some depth, texts included. */
static void fill(const struct scratch *s)
{
	struct store *store = scratch_open(s);
	struct store_append_info info = {.internal_date = 1700000000};
	struct store_append *append;
	struct store_appended appended;
	struct store_texts texts;
	struct store_view *view;

	cr_assert_eq(store_folder_create(store, SLICE("Sent")), STORE_OK);
	cr_assert_eq(store_append_begin(store, SLICE("INBOX"), &append), STORE_OK);
	for (int i = 0; i < MESSAGES; i++) {
		cr_assert_eq(store_append_message(append, &info), STORE_OK);
		cr_assert_eq(store_append_write(append, SLICE(MESSAGE)), STORE_OK);
	}
	cr_assert_eq(store_append_commit(append, &appended), STORE_OK);
	view = scratch_view(store, "INBOX");
	for (uint32_t seq = 1; seq <= MESSAGES; seq++)
		cr_assert_eq(store_view_texts(view, seq, &texts), STORE_OK);
	cr_assert_eq(store_expunge(view, (const uint32_t[]){5, 50, 100}, 3, true), STORE_OK);
	store_view_close(view);
	store_close(store);
}

/* Do something of everything; errors are fine, ending is not. */
static void use(const struct scratch *s, unsigned flags)
{
	struct store_options options = {.hostname = "h", .flags = flags};
	struct store_folder_list folders;
	struct store_view *view;
	struct store *store;
	struct store_changes changes;
	static const uint32_t some[] = {1, 7};

	if (store_open(s->home, &options, &store) != STORE_OK)
		return;
	if (store_folder_list(store, &folders) == STORE_OK)
		store_folder_list_free(&folders);
	if (store_view_open(store, SLICE("INBOX"), 0, &view) == STORE_OK) {
		for (uint32_t seq = 1; seq <= store_view_count(view); seq += 10) {
			struct store_texts texts;
			uint64_t size;

			store_view_texts(view, seq, &texts);
			store_view_size(view, seq, &size);
		}
		if (store_view_count(view) >= 7) {
			store_flags_change(
			    view, some, 2, STORE_FLAGS_ADD, STORE_SEEN, 0, UINT64_MAX, NULL);
			store_copy(view, some, 2, SLICE("Sent"), NULL, NULL);
			store_expunge(view, some, 1, true);
		}
		store_view_update(view, 0, &changes);
		store_view_close(view);
	}
	store_close(store);
}

/* Write over every other page behind the heads. */
static void spoil(const struct scratch *s)
{
	int fd = openat(s->home, "index/data.mdb", O_WRONLY);
	char garbage[4096];
	struct stat st;

	usleep(20000); /* a tick of the clock that files are dated by */
	memset(garbage, 0x5a, sizeof garbage);
	cr_assert_eq(fstat(fd, &st), 0);
	for (off_t at = 8192; at < st.st_size; at += 8192)
		cr_assert_eq(pwrite(fd, garbage, sizeof garbage, at), (ssize_t)sizeof garbage);
	close(fd);
}

Test(index, what_another_program_writes_into_an_open_one_is_noticed_before_it_is_followed)
{
	struct scratch s = scratch_make();
	struct store_options options = {.hostname = "h"};
	struct store_changes changes;
	struct store_status status;
	struct store_view *view;
	struct store *store;

	fill(&s);
	store = scratch_open(&s);
	view = scratch_view(store, "INBOX");
	spoil(&s);
	cr_assert_eq(store_view_update(view, 0, &changes), STORE_CORRUPT);
	cr_assert_eq(store_folder_status(store, SLICE("INBOX"), &status), STORE_CORRUPT);
	store_view_close(view);
	store_close(store);
	cr_assert_eq(store_open(s.home, &options, &store), STORE_CORRUPT);
	scratch_remove(&s);
}

Test(index, one_that_was_spoilt_unnoticed_is_checked_at_the_next_opening)
{
	struct scratch s = scratch_make();
	struct store_options options = {.hostname = "h"};
	struct store *store;

	fill(&s);
	store = scratch_open(&s);
	spoil(&s);
	store_close(store);
	cr_assert_eq(store_open(s.home, &options, &store), STORE_CORRUPT);
	scratch_remove(&s);
}

Test(index, a_corrupt_one_is_reported_and_built_again_from_the_files)
{
	struct scratch s = scratch_make();
	struct store_options options = {.hostname = "h"};
	struct store *store;
	struct store_status before, after;
	struct stat st;

	fill(&s);
	store = scratch_open(&s);
	cr_assert_eq(store_folder_status(store, SLICE("INBOX"), &before), STORE_OK);
	cr_assert_not(store_was_rebuilt(store));
	store_close(store);

	spoil(&s);
	cr_assert_eq(store_open(s.home, &options, &store), STORE_CORRUPT);
	cr_assert_not_null(strstr(store_failure(NULL), "corrupt"));
	options.flags = STORE_REBUILD;
	sleep(1);
	cr_assert_eq(store_open(s.home, &options, &store), STORE_OK);
	cr_assert(store_was_rebuilt(store));
	cr_assert_eq(store_folder_status(store, SLICE("INBOX"), &after), STORE_OK);
	cr_assert_eq(after.messages, MESSAGES - 3);
	cr_assert_gt(after.uidvalidity, before.uidvalidity);
	store_close(store);
	cr_assert_eq(fstatat(s.home, "index/data.mdb.corrupt", &st, 0), 0);
	scratch_remove(&s);
}

Test(index, damage_of_any_kind_never_ends_the_process, .timeout = 120)
{
	enum { ROUNDS = 400 };
	struct scratch s = scratch_make();
	struct stat st;
	char *good;
	int fd;

	fill(&s);
	fd = openat(s.home, "index/data.mdb", O_RDONLY);
	cr_assert_eq(fstat(fd, &st), 0);
	good = malloc((size_t)st.st_size);
	cr_assert_eq(read(fd, good, (size_t)st.st_size), st.st_size);
	close(fd);
	srandom(1);
	for (int round = 0; round < ROUNDS; round++) {
		off_t size = st.st_size;
		int status;
		pid_t pid;

		unlinkat(s.home, "index/corrupt", 0);
		fd = openat(s.home, "index/data.mdb", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		cr_assert_eq(write(fd, good, (size_t)size), size);
		switch (round % 4) {
		case 0: /* one octet */
			cr_assert_eq(pwrite(fd, (char[]){(char)random()}, 1, random() % size), 1);
			break;
		case 1: /* a few, where pages have their heads */
			for (int i = 0; i < 4; i++)
				cr_assert_eq(pwrite(fd, (char[]){(char)random()}, 1,
						 random() % (size / 4096) * 4096 + random() % 64),
				    1);
			break;
		case 2: /* a page that is another */
			cr_assert_eq(pwrite(fd, good + random() % (size / 4096) * 4096, 4096,
					 random() % (size / 4096) * 4096),
			    4096);
			break;
		case 3: /* cut short */
			cr_assert_eq(ftruncate(fd, random() % size), 0);
			break;
		}
		close(fd);
		pid = fork();
		if (pid == 0) {
			alarm(20);
			use(&s, 0);
			_exit(0);
		}
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		cr_assert_eq(status, 0, "round %d ended with %#x", round, (unsigned)status);
	}
	free(good);
	scratch_remove(&s);
}

Test(index, pages_written_by_lmdb_itself_are_sound)
{
	struct scratch s = scratch_make();
	struct index index;
	struct index_txn txn;
	const char *what;
	bool rebuilt;
	int fd;

	fill(&s);
	for (int i = 0; i < 20; i++)
		use(&s, 0);
	cr_assert_eq(index_open(&index, s.home, false, &rebuilt), STORE_OK);
	cr_assert_eq(index_begin_read(&index, &txn), STORE_OK);
	cr_assert_eq(mdb_env_get_fd(index.env, &fd), 0);
	cr_assert(index_pages_are_sound(fd, mdb_txn_id(txn.txn), &what), "%s", what);
	index_end(&txn);
	index_close(&index);
	scratch_remove(&s);
}

Test(index, one_home_opened_twice_is_one_store)
{
	struct scratch s = scratch_make();
	struct store *one = scratch_open(&s), *two = scratch_open(&s);

	cr_assert_eq(one, two);
	store_close(one);
	scratch_append(two, "INBOX", MESSAGE, 0);
	store_close(two);
	scratch_remove(&s);
}

Test(index, the_working_directory_is_as_it_was)
{
	struct scratch s = scratch_make();
	char before[512], after[512];

	cr_assert_not_null(getcwd(before, sizeof before));
	store_close(scratch_open(&s));
	cr_assert_not_null(getcwd(after, sizeof after));
	cr_assert_str_eq(before, after);
	scratch_remove(&s);
}

Test(index, several_processes_work_on_one_home, .timeout = 60)
{
	enum { PROCESSES = 4, EACH = 25 };
	struct scratch s = scratch_make();
	struct store *store;
	struct store_view *view;
	pid_t pids[PROCESSES];

	for (int i = 0; i < PROCESSES; i++) {
		pids[i] = fork();
		if (pids[i] != 0)
			continue;
		store = scratch_open(&s);
		view = scratch_view(store, "INBOX");
		for (int n = 0; n < EACH; n++) {
			uint32_t seq;

			scratch_append(store, "INBOX", MESSAGE, 0);
			scratch_deliver(
			    &s, 1763700000000000 + (unsigned)(i * EACH + n), MESSAGE, false, NULL);
			scratch_update(view);
			seq = store_view_count(view);
			cr_assert_eq(store_flags_change(view, &seq, 1, STORE_FLAGS_ADD, STORE_SEEN,
					 0, UINT64_MAX, NULL),
			    STORE_OK);
		}
		store_view_close(view);
		store_close(store);
		_exit(0);
	}
	for (int i = 0; i < PROCESSES; i++) {
		int status;

		cr_assert_eq(waitpid(pids[i], &status, 0), pids[i]);
		cr_assert_eq(status, 0);
	}
	store = scratch_open(&s);
	view = scratch_view(store, "INBOX");
	cr_assert_eq(store_view_count(view), 2 * PROCESSES * EACH);
	cr_assert_eq(store_view_uidnext(view), 2 * PROCESSES * EACH + 1);
	store_view_close(view);
	store_close(store);
	scratch_remove(&s);
}

Test(index, a_process_killed_at_any_moment_leaves_a_store_that_works, .timeout = 120)
{
	enum { ROUNDS = 60 };
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	uint32_t before = 0;

	cr_assert_eq(store_folder_create(store, SLICE("Trash")), STORE_OK);
	store_close(store);
	for (int round = 0; round < ROUNDS; round++) {
		struct store_status inbox, trash;
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			struct store_view *view;
			uint32_t seq = 1;

			store = scratch_open(&s);
			view = scratch_view(store, "INBOX");
			for (;;) {
				struct store_changes changes;

				scratch_append(store, "INBOX", MESSAGE, 0);
				store_view_update(view, 0, &changes);
				store_flags_change(view, &seq, 1, STORE_FLAGS_ADD, STORE_SEEN, 0,
				    UINT64_MAX, NULL);
				store_move(view, &seq, 1, SLICE("Trash"), NULL, NULL);
			}
		}
		usleep((useconds_t)(2000 + round * 700));
		kill(pid, SIGKILL);
		cr_assert_eq(waitpid(pid, &status, 0), pid);
		store = scratch_open(&s);
		cr_assert_eq(store_folder_status(store, SLICE("INBOX"), &inbox), STORE_OK, "%s",
		    store_failure(store));
		cr_assert_eq(store_folder_status(store, SLICE("Trash"), &trash), STORE_OK, "%s",
		    store_failure(store));
		cr_assert_eq((int)inbox.messages, scratch_list(&s, "Maildir/cur", NULL));
		cr_assert_eq((int)trash.messages, scratch_list(&s, "Maildir/.Trash/cur", NULL));
		/* Nothing that was there is lost; a link whose original was not taken away yet counts twice. */
		cr_assert_geq(inbox.messages + trash.messages, before);
		before = inbox.messages + trash.messages;
		store_close(store);
	}
	cr_assert_gt(before, 0);
	scratch_remove(&s);
}
