/*
 * user.c - petrel user: accounts and their passwords.
 *
 * An account is a line in the table accounts (that the mailbox exists) and a line
 * in the file credentials (who may log in to it).  Both are edited as whole
 * files; lookup and auth notice by themselves.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <bsd/readpassphrase.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth/credentials.h"
#include "common/io.h"
#include "ctl/certificate.h"
#include "ctl/ctl.h"
#include "ctl/edit.h"
#include "master/directories.h"
#include "table/entry.h"
#include "table/table.h"

enum { PASSWORD_MAX = 1024 };

/* Where the accounts are, and what is to be done to one of them. */
struct change {
	char account[CREDENTIALS_ACCOUNT_MAX + 1];
	struct buf credential;
	struct slice options; /* of the accounts line */
	const char *file;     /* with a certificate */
	bool found;
};

/* The key of a line of the accounts table; empty for comments and continuation lines. */
static struct slice line_key(struct slice line)
{
	struct cursor c = cursor_over(line);

	if (line.len == 0 || octet_is_space((unsigned char)line.data[0]) || line.data[0] == '#')
		return slice_of("", 0);
	while (!cursor_done(&c) && !octet_is_space(cursor_peek(&c)))
		cursor_skip(&c, 1);
	return cursor_since(&c, line.data);
}

/* The line is this account's entry, however its name is spelled there. */
static bool is_entry_of(struct slice line, const char *account)
{
	char key[CREDENTIALS_ACCOUNT_MAX + 1];

	return credentials_canonical(line_key(line), key) && strcmp(key, account) == 0;
}

static bool has_line(struct slice text, const char *account)
{
	struct cursor c = cursor_over(text);

	while (!cursor_done(&c)) {
		struct slice line = cursor_take_until(&c, '\n');

		cursor_skip(&c, 1);
		if (is_entry_of(line, account))
			return true;
	}
	return false;
}

static bool fail_where_it_exists(struct slice accounts, const struct change *change)
{
	if (!has_line(accounts, change->account))
		return false;
	ctl_fail(EX_DATAERR, "user add: %s exists already; petrel user passwd changes its password", change->account);
	return true;
}

static bool add_account(struct slice old, struct buf *new, void *context)
{
	struct change *change = context;

	if (fail_where_it_exists(old, change))
		return false;
	buf_append_slice(new, old);
	if (old.len > 0 && old.data[old.len - 1] != '\n')
		buf_append_octet(new, '\n');
	buf_printf(new, "%s%s%.*s\n", change->account, change->options.len > 0 ? "  " : "", SLICE_PRINTF(change->options));
	return !new->overflowed;
}

static bool delete_account(struct slice old, struct buf *new, void *context)
{
	struct change *change = context;
	struct cursor c = cursor_over(old);
	bool dropping = false;

	while (!cursor_done(&c)) {
		const char *start = c.at;
		struct slice line = cursor_take_until(&c, '\n');

		cursor_skip(&c, 1);
		/* The lines behind an entry that begin with a blank are part of it. */
		if (!(dropping && line.len > 0 && octet_is_space((unsigned char)line.data[0])))
			dropping = is_entry_of(line, change->account);
		if (dropping)
			change->found = true;
		else
			buf_append_slice(new, cursor_since(&c, start));
	}
	return !new->overflowed;
}

static bool check_account_exists(struct slice old, struct buf *new, void *context)
{
	struct change *change = context;

	change->found = has_line(old, change->account);
	if (!change->found)
		ctl_fail(EX_NOUSER, "there is no account %s", change->account);
	buf_append_slice(new, old);
	return change->found && !new->overflowed;
}

static bool set_credential(struct slice old, struct buf *new, void *context)
{
	struct change *change = context;
	enum credentials_change done = credentials_edit(old, slice_string(change->account), buf_slice(&change->credential), new);

	if (done == CREDENTIALS_REFUSED)
		ctl_fail(EX_DATAERR, "%s: the credentials could not be written", change->account);
	/* An account without a password is deleted like any other. */
	return done == CREDENTIALS_CHANGED || done == CREDENTIALS_ABSENT;
}

/* --- passwords ------------------------------------------------------------------- */

/* From a terminal twice and unseen; from anything else the first line. */
static bool read_password(struct buf *password)
{
	char first[PASSWORD_MAX + 2], second[PASSWORD_MAX + 2];
	bool ok;

	if (!isatty(STDIN_FILENO)) {
		ok = fgets(first, sizeof first, stdin) != NULL;
		if (ok)
			first[strcspn(first, "\r\n")] = '\0';
		else
			ctl_fail(EX_NOINPUT, "no password on standard input");
	} else {
		ok = readpassphrase("Password: ", first, sizeof first, RPP_REQUIRE_TTY) != NULL &&
		    readpassphrase("Once more: ", second, sizeof second, RPP_REQUIRE_TTY) != NULL;
		if (!ok)
			ctl_fail(EX_NOINPUT, "no password was given");
		else if (strcmp(first, second) != 0)
			ok = ctl_fail(0, "the two are not the same") != 0;
		explicit_bzero(second, sizeof second);
	}
	if (ok)
		buf_append_string(password, first);
	explicit_bzero(first, sizeof first);
	return ok;
}

static bool make_credential(struct change *change)
{
	struct buf password = buf_with_limit(PASSWORD_MAX);
	bool made = read_password(&password);

	if (made) {
		made = credential_make(buf_slice(&password), SCRAM_ITERATIONS_DEFAULT, &change->credential);
		if (!made)
			ctl_fail(EX_DATAERR, "the password is empty, too long, or has control characters in it");
	}
	buf_wipe(&password);
	return made;
}

/* --- commands ---------------------------------------------------------------------- */

/* A server's first account comes before its first start, which makes the directories otherwise. */
static bool make_directories(void)
{
	char error[DIRECTORY_ERROR_MAX];

	if (access(settings->directory.tables, F_OK) == 0 && access(settings->directory.auth, F_OK) == 0)
		return true;
	if (directories_make(settings, geteuid() == 0, error))
		return true;
	ctl_fail(EX_CANTCREAT, "%s", error);
	return false;
}

/* A file that is not there is empty; one that cannot be read is not. */
static bool read_text(const char *directory, const char *name, struct buf *text)
{
	char path[1300];
	int file;
	bool readable;

	snprintf(path, sizeof path, "%s/%s", directory, name);
	file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (file == -1 && errno == ENOENT)
		return true;
	readable = file != -1 && io_read(file, text);
	if (!readable)
		ctl_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
	if (file != -1)
		close(file);
	return readable;
}

/* Said before a password is asked for; what counts is what add_account() finds, under the lock. */
static bool may_be_added(const struct change *change)
{
	struct buf accounts = buf_with_limit(TABLE_TEXT_MAX);
	bool may = read_text(settings->directory.tables, "accounts", &accounts) &&
	    !fail_where_it_exists(buf_slice(&accounts), change);

	buf_free(&accounts);
	return may;
}

static int add(struct change *change)
{
	struct slice account = slice_string(change->account);

	if (!make_directories())
		return EX_CANTCREAT;
	if (!may_be_added(change))
		return EX_DATAERR;
	if (!make_credential(change) || !edit_file(settings->directory.tables, "accounts", 0644, add_account, change))
		return EX_DATAERR;
	if (!edit_file(settings->directory.auth, "credentials", 0600, set_credential, change))
		return EX_CANTCREAT;
	if (!ctl_is_local_domain(slice_from(account, (size_t)(slice_find_last(account, '@') + 1))))
		ctl_fail(EX_OK, "%s is in no domain of this host, so no mail comes; see domains in petrel.conf(5)", change->account);
	return EX_OK;
}

static int passwd(struct change *change)
{
	if (!edit_file(settings->directory.tables, "accounts", 0644, check_account_exists, change))
		return EX_NOUSER;
	if (!make_credential(change) || !edit_file(settings->directory.auth, "credentials", 0600, set_credential, change))
		return EX_DATAERR;
	return EX_OK;
}

static int list_certificate(struct change *change)
{
	if (!edit_file(settings->directory.tables, "accounts", 0644, check_account_exists, change))
		return EX_NOUSER;
	return certificate_list(change->account, change->file);
}

/*
 * The credentials go first: nobody logs in to an account that is half gone; and its
 * certificates, so that they are not those of another who gets the name.
 */
static int delete(struct change *change)
{
	char path[MAILBOX_PATH_MAX], whole[PATH_MAX];

	if (!edit_file(settings->directory.tables, "accounts", 0644, check_account_exists, change))
		return EX_NOUSER;
	if (!edit_file(settings->directory.auth, "credentials", 0600, set_credential, change) ||
	    !certificate_forget(change->account) ||
	    !edit_file(settings->directory.tables, "accounts", 0644, delete_account, change))
		return EX_CANTCREAT;
	if (account_mailbox_path(slice_string(change->account), path) &&
	    snprintf(whole, sizeof whole, "%s/%s", settings->directory.mail, path) < (int)sizeof whole && access(whole, F_OK) == 0)
		fprintf(stderr, "petrel: the mailbox stays where it is: %s\n", whole);
	return EX_OK;
}

static void list_account(struct buf *out, bool json, bool is_first, struct slice line, bool may_log_in)
{
	struct slice key = line_key(line);

	if (json) {
		buf_append_string(out, is_first ? "[\n  {\"account\": " : ",\n  {\"account\": ");
		json_string(out, key);
		buf_append_string(out, ", \"options\": ");
		json_string(out, slice_trim(slice_from(line, key.len)));
		buf_printf(out, ", \"password\": %s}", may_log_in ? "true" : "false");
	} else {
		buf_printf(out, "%.*s%s\n", SLICE_PRINTF(line), may_log_in ? "" : "  (no password)");
	}
	ctl_print(out);
}

static void list_accounts(bool json, struct slice accounts, const struct credentials *credentials)
{
	struct buf out = buf_with_limit(65536);
	struct cursor c = cursor_over(accounts);
	bool is_first = true;

	while (!cursor_done(&c)) {
		struct slice line = cursor_take_until(&c, '\n');
		struct credential found;

		cursor_skip(&c, 1);
		if (line_key(line).len == 0)
			continue;
		list_account(&out, json, is_first, line, credentials_find(credentials, line_key(line), &found));
		is_first = false;
	}
	if (json)
		puts(is_first ? "[]" : "\n]");
	buf_free(&out);
}

static int list(const struct ctl *ctl)
{
	struct buf accounts = buf_with_limit(TABLE_TEXT_MAX), secrets = buf_with_limit(CREDENTIALS_FILE_MAX);
	struct buf error = buf_with_limit(512);
	struct credentials *credentials = NULL;
	int status = EX_NOINPUT;

	if (read_text(settings->directory.tables, "accounts", &accounts) &&
	    read_text(settings->directory.auth, "credentials", &secrets)) {
		credentials = credentials_parse(buf_slice(&secrets), "credentials", &error);
		status = credentials == NULL ? ctl_fail(EX_DATAERR, "%.*s", (int)error.len, error.data) : EX_OK;
	}
	if (credentials != NULL)
		list_accounts(ctl->json, buf_slice(&accounts), credentials);
	credentials_free(credentials);
	buf_wipe(&secrets);
	buf_free(&accounts);
	buf_free(&error);
	return status;
}

static int dispatch(const struct ctl *ctl, int argc, char **argv, struct change *change)
{
	static const struct {
		const char *name;
		int (*run)(struct change *change);
	} verbs[] = {{"add", add}, {"passwd", passwd}, {"delete", delete}};
	struct buf why = buf_with_limit(256);
	struct account_options options;

	if (argc == 1 && strcmp(argv[0], "list") == 0)
		return list(ctl);
	if (argc < 2)
		return ctl_fail(EX_USAGE, "user: wants add, passwd, certificate or delete and an address, or list");
	if (!credentials_canonical(slice_string(argv[1]), change->account))
		return ctl_fail(EX_DATAERR, "user: \"%s\" is not an account's address (name@domain)", argv[1]);
	if (argc == 3 && strcmp(argv[0], "add") == 0) {
		change->options = slice_string(argv[2]);
		if (!account_options_parse(change->options, &options, &why))
			return ctl_fail(EX_DATAERR, "user add: %.*s", (int)why.len, why.data);
	} else if (strcmp(argv[0], "certificate") == 0) {
		if (argc != 3)
			return ctl_fail(EX_USAGE, "user certificate: wants an address and a file");
		change->file = argv[2];
		return list_certificate(change);
	} else if (argc != 2) {
		return ctl_fail(EX_USAGE, "user %s: unexpected \"%s\"", argv[0], argv[2]);
	}
	for (size_t i = 0; i < sizeof verbs / sizeof verbs[0]; i++)
		if (strcmp(argv[0], verbs[i].name) == 0)
			return verbs[i].run(change);
	return ctl_fail(EX_USAGE, "user: there is no \"%s\"; it is add, passwd, certificate, list or delete", argv[0]);
}

int ctl_user(const struct ctl *ctl, int argc, char **argv)
{
	struct change change = {.credential = buf_with_limit(1024)};
	struct conf *conf = ctl_read_configuration(ctl);
	int status;

	if (conf == NULL)
		return EX_CONFIG;
	status = dispatch(ctl, argc, argv, &change);
	buf_wipe(&change.credential);
	conf_free(conf);
	return status;
}
