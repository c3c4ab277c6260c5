/*
 * check.c - petrel check: what a start or a reload would fail on, all of it at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "auth/credentials.h"
#include "common/authorities.h"
#include "common/io.h"
#include "ctl/ctl.h"
#include "master/listeners.h"
#include "table/entry.h"
#include "table/table.h"

enum { SOON_DAYS = 14, FINDING_MAX = 1024 };

struct findings {
	bool json;
	bool only_errors; /* and those on standard error: this is not petrel check */
	unsigned errors, warnings;
	struct buf out;
};

static void find(struct findings *f, bool is_error, const char *format, ...) __attribute__((format(printf, 3, 4)));

static void find(struct findings *f, bool is_error, const char *format, ...)
{
	struct buf text = buf_with_limit(FINDING_MAX);
	va_list arguments;

	va_start(arguments, format);
	buf_vprintf(&text, format, arguments);
	va_end(arguments);
	if (f->only_errors) {
		if (is_error)
			ctl_fail(EX_CONFIG, "%.*s", (int)text.len, text.data);
	} else if (f->json) {
		buf_printf(&f->out, "%s  {\"level\": \"%s\", \"text\": ", f->errors + f->warnings == 0 ? "[\n" : ",\n", is_error ? "error" : "warning");
		json_string(&f->out, buf_slice(&text));
		buf_append_octet(&f->out, '}');
	} else {
		buf_printf(&f->out, "%s: %.*s\n", is_error ? "error" : "warning", (int)text.len, text.data);
	}
	if (is_error)
		f->errors++;
	else
		f->warnings++;
	ctl_print(&f->out);
	buf_free(&text);
}

static void check_names(struct findings *f)
{
	if (strchr(settings->hostname, '.') == NULL)
		find(f, false, "hostname: \"%s\" has no domain; other hosts may refuse mail from it", settings->hostname);
	if (settings->domains.count == 0)
		find(f, false, "domains: none, so no mail is taken for delivery here");
}

static void check_user(struct findings *f, const char *setting, const char *name)
{
	struct passwd *user = getpwnam(name);

	if (user == NULL)
		find(f, true, "%s: there is no user \"%s\"", setting, name);
	else if (user->pw_uid == 0)
		find(f, true, "%s: \"%s\" is root", setting, name);
}

static void check_users(struct findings *f)
{
	const char *names[] = {settings->user.network, settings->user.queue, settings->user.mail, settings->user.auth, settings->user.keys};
	const char *const called[] = {"user.network", "user.queue", "user.mail", "user.auth", "user.keys"};

	if (geteuid() != 0)
		return;
	for (size_t i = 0; i < 5; i++) {
		check_user(f, called[i], names[i]);
		for (size_t j = 0; j < i; j++)
			if (strcmp(names[i], names[j]) == 0)
				find(f, true, "%s and %s are the same user, \"%s\"; what the one may, the other may too", called[j], called[i], names[i]);
	}
	if (getgrnam(settings->user.drop_group) == NULL)
		find(f, true, "user.drop-group: there is no group \"%s\"", settings->user.drop_group);
}

static void check_validity(struct findings *f, X509 *certificate)
{
	time_t soon = time(NULL) + SOON_DAYS * 86400;

	if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0)
		find(f, true, "tls.certificate: %s has expired", settings->tls.certificate);
	else if (X509_cmp_time(X509_get0_notAfter(certificate), &soon) < 0)
		find(f, false, "tls.certificate: %s expires within %d days", settings->tls.certificate, SOON_DAYS);
	if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
		find(f, true, "tls.certificate: %s is not valid yet", settings->tls.certificate);
	if (X509_check_host(certificate, settings->hostname, 0, 0, NULL) != 1)
		find(f, false, "tls.certificate: %s is not for %s", settings->tls.certificate, settings->hostname);
}

static int no_passphrase(char *buffer, int size, int writing, void *context)
{
	(void)buffer;
	(void)size;
	(void)writing;
	(void)context;
	return -1;
}

static void check_client_authorities(struct findings *f)
{
	const char *path = settings->tls.client_authorities;
	struct buf pem = buf_with_limit(AUTHORITIES_FILE_MAX), error = buf_with_limit(256);
	struct authorities *authorities = NULL;
	int file;

	if (path == NULL)
		return;
	file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (file == -1 || !io_read(file, &pem))
		find(f, true, "tls.client-authorities: %s: %s", path, strerror(errno));
	else if ((authorities = authorities_parse(buf_slice(&pem), &error)) == NULL)
		find(f, true, "tls.client-authorities: %s: %.*s", path, SLICE_PRINTF(buf_slice(&error)));
	authorities_free(authorities);
	buf_free(&pem);
	buf_free(&error);
	if (file != -1)
		close(file);
}

static void check_tls(struct findings *f)
{
	FILE *file;
	struct stat st;
	X509 *certificate = NULL;
	EVP_PKEY *key = NULL;

	if (settings->tls.certificate == NULL) {
		find(f, false, "tls: no certificate, so there is no TLS, and nobody can log in unless auth.cleartext allows it");
		return;
	}
	file = fopen(settings->tls.certificate, "re");
	if (file == NULL)
		find(f, true, "tls.certificate: %s: %s", settings->tls.certificate, strerror(errno));
	else if ((certificate = PEM_read_X509(file, NULL, NULL, NULL)) == NULL)
		find(f, true, "tls.certificate: %s: there is no PEM certificate in it", settings->tls.certificate);
	if (file != NULL)
		fclose(file);
	file = fopen(settings->tls.key, "re");
	if (file != NULL && fstat(fileno(file), &st) == 0 && (st.st_mode & S_IROTH) != 0)
		find(f, false, "tls.key: %s can be read by everybody on this host", settings->tls.key);
	if (file == NULL)
		find(f, true, "tls.key: %s: %s", settings->tls.key, strerror(errno));
	else if ((key = PEM_read_PrivateKey(file, NULL, no_passphrase, NULL)) == NULL)
		find(f, true, "tls.key: %s: there is no PEM private key in it, or it is encrypted", settings->tls.key);
	if (file != NULL)
		fclose(file);
	if (certificate != NULL && key != NULL && X509_check_private_key(certificate, key) != 1)
		find(f, true, "tls: the key %s does not belong to the certificate %s", settings->tls.key, settings->tls.certificate);
	if (certificate != NULL)
		check_validity(f, certificate);
	X509_free(certificate);
	EVP_PKEY_free(key);
}

static void check_listeners(struct findings *f)
{
	struct ctl_connection *running = ctl_connect();
	char error[LISTENER_ERROR_MAX];
	unsigned changed;

	/* A suite that runs has the ports; they are its own. */
	if (running != NULL)
		ctl_disconnect(running);
	else if (!listeners_update(settings, &changed, error))
		find(f, true, "%s", error);
	listeners_close();
}

/* Accounts that no mail can reach: the first of them, and how many. */
struct strays {
	char first[256];
	unsigned count;
};

static bool note_stray(void *context, struct slice key, struct slice value)
{
	struct strays *strays = context;

	(void)value;
	if (!ctl_is_local_domain(slice_from(key, (size_t)(slice_find_last(key, '@') + 1))) && strays->count++ == 0)
		snprintf(strays->first, sizeof strays->first, "%.*s", SLICE_PRINTF(key));
	return true;
}

static void check_accounts(struct findings *f, struct table *accounts)
{
	struct strays strays = {.count = 0};

	if (table_is_missing(accounts)) {
		find(f, false, "there are no accounts yet; petrel user add makes one");
		return;
	}
	table_each(accounts, note_stray, &strays);
	if (strays.count > 0)
		find(f, false, "accounts: \"%s\"%s in no domain of this host, so no mail comes", strays.first,
		    strays.count > 1 ? " and others are" : " is");
}

static void check_tables(struct findings *f)
{
	static const char *const names[] = {"accounts", "aliases", "routes", "senders", "domains"};
	int directory = open(settings->directory.tables, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (directory == -1 && errno == ENOENT)
		find(f, false, "there are no accounts yet; petrel user add makes one");
	else if (directory == -1)
		find(f, true, "directory.tables: %s: %s", settings->directory.tables, strerror(errno));
	for (size_t i = 0; directory != -1 && i < sizeof names / sizeof names[0]; i++) {
		struct table_error error;
		struct table *table = table_open(directory, names[i], table_schema_named(slice_string(names[i])), &error);

		if (table == NULL || table_refresh(table, &error) == TABLE_REFUSED)
			find(f, true, "%s/%s", settings->directory.tables, error.text);
		else if (i == 0)
			check_accounts(f, table);
		if (table != NULL)
			table_close(table);
	}
	if (directory != -1)
		close(directory);
}

static void check_credentials(struct findings *f)
{
	struct buf text = buf_with_limit(CREDENTIALS_FILE_MAX), error = buf_with_limit(512);
	char path[1300];
	struct credentials *credentials;
	int file;

	snprintf(path, sizeof path, "%s/credentials", settings->directory.auth);
	file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (file == -1 && errno == ENOENT)
		return;
	if (file == -1 || !io_read(file, &text)) {
		find(f, true, "%s: %s", path, strerror(errno));
	} else {
		credentials = credentials_parse(buf_slice(&text), path, &error);
		if (credentials == NULL)
			find(f, true, "%.*s", (int)error.len, error.data);
		credentials_free(credentials);
	}
	if (file != -1)
		close(file);
	buf_wipe(&text);
	buf_free(&error);
}

static void check_directories(struct findings *f)
{
	const char *paths[] = {settings->directory.run, settings->directory.spool, settings->directory.mail, settings->directory.log};
	const char *const called[] = {"directory.run", "directory.spool", "directory.mail", "directory.log"};

	for (size_t i = 0; i < 4; i++) {
		struct stat st;

		if (stat(paths[i], &st) == 0 && !S_ISDIR(st.st_mode))
			find(f, true, "%s: %s is not a directory", called[i], paths[i]);
		else if (access(paths[i], W_OK) == -1 && errno != ENOENT)
			find(f, true, "%s: %s: %s", called[i], paths[i], strerror(errno));
	}
}

static void check_all(struct findings *f)
{
	check_names(f);
	check_users(f);
	check_tls(f);
	check_client_authorities(f);
	check_directories(f);
	check_tables(f);
	check_credentials(f);
	check_listeners(f);
}

unsigned ctl_check_files(void)
{
	struct findings f = {.only_errors = true};

	check_tls(&f);
	check_client_authorities(&f);
	check_tables(&f);
	check_credentials(&f);
	return f.errors;
}

int ctl_check(const struct ctl *ctl, int argc, char **argv)
{
	struct findings f = {.json = ctl->json, .out = buf_with_limit(65536)};
	char error[CONF_ERROR_MAX] = "out of memory";
	struct conf *conf;

	(void)argv;
	if (argc > 0)
		return ctl_fail(EX_USAGE, "check: takes no arguments");
	conf = ctl_try_configuration(ctl, error);
	if (conf == NULL)
		find(&f, true, "%s", error);
	else
		check_all(&f);
	if (ctl->json)
		puts(f.errors + f.warnings == 0 ? "[]" : "\n]");
	else if (f.errors + f.warnings == 0)
		puts("Nothing found.");
	buf_free(&f.out);
	conf_free(conf);
	return f.errors > 0 ? EX_CONFIG : EX_OK;
}
