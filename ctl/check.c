/*
 * check.c - petrel check: what a start or a reload would fail on, all of it at once.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "access/rules.h"
#include "auth/certificates.h"
#include "auth/credentials.h"
#include "common/authorities.h"
#include "common/io.h"
#include "common/policy_service.h"
#include "ctl/check.h"
#include "ctl/ctl.h"
#include "master/listeners.h"
#include "message/spelling.h"
#include "table/entry.h"
#include "table/table.h"

enum { FINDING_MAX = 1024 };

void find(struct findings *f, bool is_error, const char *format, ...)
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

/* A name in another script has to have A-labels (IDNA2008), or no mail for it is known as ours. */
static void check_domains(struct findings *f)
{
	char ascii[DOMAIN_TEXT_MAX];

	for (size_t i = 0; i < settings->domains.count; i++)
		if (!domain_to_ascii(slice_string(settings->domains.words[i]), ascii))
			find(f, true, "domains: \"%s\" is no domain name", settings->domains.words[i]);
}

/* A UNIX socket of another program's, where the address names one. */
static void check_socket(struct findings *f, const char *setting, const struct service_address *address)
{
	struct stat st;

	if (address->path[0] == '\0')
		return;
	if (stat(address->path, &st) == -1)
		find(f, false, "%s: %s: %s; the service does not run, perhaps", setting, address->path, strerror(errno));
	else if (!S_ISSOCK(st.st_mode))
		find(f, false, "%s: %s is not a socket", setting, address->path);
}

/* What would be asked of nobody, or of somebody who is not there. */
static void check_policy(struct findings *f)
{
	struct policy_service service;

	if (settings->greylist.clients == GREYLIST_SUSPECTS && settings->dnslists.lists.count == 0)
		find(f, false, "greylist.clients: without dnslists.lists nobody is a suspect");
	for (size_t i = 0; i < settings->policy.services.count; i++)
		if (policy_service_parse(slice_string(settings->policy.services.words[i]), &service))
			check_socket(f, "policy.services", &service.address);
	for (size_t i = 0; i < settings->milters.count; i++) {
		struct conf_milter milter;
		struct service_address address;
		char setting[64];

		if (!conf_group_read(&conf_milter_group, settings->milters.words[i], &milter))
			continue;
		snprintf(setting, sizeof setting, "milter %s", milter.name);
		if (service_address_parse(slice_string(milter.address), &address))
			check_socket(f, setting, &address);
		conf_group_free(&conf_milter_group, &milter);
	}
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

static void check_authorities(struct findings *f, const char *setting, const char *path)
{
	struct buf pem = buf_with_limit(AUTHORITIES_FILE_MAX), error = buf_with_limit(256);
	struct authorities *authorities = NULL;
	int file;

	if (path == NULL)
		return;
	file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (file == -1 || !io_read(file, &pem))
		find(f, true, "%s: %s: %s", setting, path, strerror(errno));
	else if ((authorities = authorities_parse(buf_slice(&pem), &error)) == NULL)
		find(f, true, "%s: %s: %.*s", setting, path, SLICE_PRINTF(buf_slice(&error)));
	authorities_free(authorities);
	buf_free(&pem);
	buf_free(&error);
	if (file != -1)
		close(file);
}

static void check_secret(struct findings *f, const char *setting, const char *path)
{
	struct stat st;

	if (path == NULL)
		return;
	if (access(path, R_OK) == -1 || stat(path, &st) == -1)
		find(f, true, "%s: %s: %s", setting, path, strerror(errno));
	else if ((st.st_mode & S_IROTH) != 0)
		find(f, false, "%s: %s can be read by everybody on this host", setting, path);
}

/* What users log in by, besides passwords. */
static void check_logins(struct findings *f)
{
	check_authorities(f, "tls.client-authorities", settings->tls.client_authorities);
	check_authorities(f, "oauth.authorities", settings->oauth.authorities);
	check_secret(f, "oauth.client-secret", settings->oauth.client_secret);
	if (settings->oauth.client_secret != NULL && settings->oauth.client_id == NULL)
		find(f, false, "oauth.client-secret: not used without oauth.client-id");
	if (settings->oauth.introspection == NULL && settings->oauth.client_id != NULL)
		find(f, false, "oauth: no tokens are taken, as oauth.introspection is not set");
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

/* The tables that access rules name: whoever wrote the rule had one in mind. */
static void check_lists(struct findings *f)
{
	char problem[CONF_ERROR_MAX];
	struct access_rules *rules = access_rules_new(&settings->access, problem);
	int directory = open(settings->directory.tables, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	const struct access_table *tables;
	size_t count = access_rules_tables(rules, &tables);

	for (size_t i = 0; directory != -1 && i < count; i++) {
		struct table_error error;
		struct table *table = table_open(directory, tables[i].name, &table_schema_plain, &error);
		enum table_change change = table == NULL ? TABLE_REFUSED : table_refresh(table, &error);

		if (change == TABLE_REFUSED || change == TABLE_MISSING)
			find(f, change == TABLE_REFUSED, "access: the table <%s>: %s/%s", tables[i].name,
			    settings->directory.tables, error.text);
		if (table != NULL)
			table_close(table);
	}
	if (directory != -1)
		close(directory);
	access_rules_free(rules);
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

/* Nobody has to list any. */
static void check_certificates(struct findings *f)
{
	char path[1300];
	struct buf text = buf_with_limit(CERTIFICATES_FILE_MAX), error = buf_with_limit(FINDING_MAX);
	struct certificates *certificates;
	int file;

	snprintf(path, sizeof path, "%s/certificates", settings->directory.auth);
	file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	if (file == -1 && errno == ENOENT)
		return;
	if (file == -1 || !io_read(file, &text)) {
		find(f, true, "%s: %s", path, strerror(errno));
	} else {
		certificates = certificates_parse(buf_slice(&text), path, &error);
		if (certificates == NULL)
			find(f, true, "%.*s", (int)error.len, error.data);
		else if (settings->tls.client_authorities == NULL)
			find(f, false, "%s: not used, as tls.client-authorities is not set", path);
		certificates_free(certificates);
	}
	if (file != -1)
		close(file);
	buf_free(&text);
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
	check_domains(f);
	check_policy(f);
	check_users(f);
	check_tls(f);
	check_logins(f);
	check_directories(f);
	check_tables(f);
	check_lists(f);
	check_credentials(f);
	check_certificates(f);
	check_listeners(f);
}

unsigned ctl_check_files(void)
{
	struct findings f = {.only_errors = true};

	check_tls(&f);
	check_logins(&f);
	check_tables(&f);
	check_lists(&f);
	check_credentials(&f);
	check_certificates(&f);
	return f.errors;
}

static void found_error(void *context, const char *error)
{
	find(context, true, "%s", error);
}

int ctl_check(const struct ctl *ctl, int argc, char **argv)
{
	struct findings f = {.json = ctl->json, .out = buf_with_limit(65536)};
	struct conf *conf;

	(void)argv;
	if (argc > 0)
		return ctl_fail(EX_USAGE, "check: takes no arguments");
	conf = ctl_try_configuration(ctl, found_error, &f);
	if (conf != NULL)
		check_all(&f);
	if (ctl->json)
		puts(f.errors + f.warnings == 0 ? "[]" : "\n]");
	else if (f.errors + f.warnings == 0)
		puts("Nothing found.");
	buf_free(&f.out);
	conf_free(conf);
	return f.errors > 0 ? EX_CONFIG : EX_OK;
}
