/*
 * file.c - the credentials, and whose certificates are whose, in force: the files
 * as they were when they were last good.
 */
#include "auth/file.h"

#include <errno.h>

#include "auth/watched.h"
#include "common/log.h"

static struct watched credentials_file = {.name = "credentials", .limit = CREDENTIALS_FILE_MAX};
static struct watched certificates_file = {.name = "certificates", .limit = CERTIFICATES_FILE_MAX};

static struct credentials *credentials;
static unsigned changes;
static struct certificates *certificates;

bool file_open_directory(const char *path)
{
	return watched_open_directory(path);
}

/* --- credentials ---------------------------------------------------------------------- */

static void parse_credentials(struct slice text)
{
	struct buf error = buf_with_limit(1024);
	struct credentials *fresh = credentials_parse(text, credentials_file.name, &error);

	if (fresh == NULL) {
		log_error("malformed-credentials", log_slice("reason", buf_slice(&error)),
		    log_string("consequence",
			credentials == NULL ? "nobody can log in" : "the ones from before stay"));
	} else {
		log_info("credentials-loaded", log_number("accounts", credentials_count(fresh)));
		credentials_free(credentials);
		credentials = fresh;
		changes++;
	}
	buf_free(&error);
}

const struct credentials *file_credentials(unsigned *generation)
{
	struct buf text;

	switch (watched_look(&credentials_file, &text)) {
	case WATCHED_READ:
		parse_credentials(buf_slice(&text));
		buf_wipe(&text);
		break;
	case WATCHED_ABSENT:
		log_warning("no-credentials", log_string("file", credentials_file.name),
		    log_errno(errno), log_string("remedy", "petrel user add"));
		break;
	default:
		break;
	}
	*generation = changes;
	return credentials;
}

/* --- certificates ----------------------------------------------------------------------- */

static void parse_certificates(struct slice text)
{
	struct buf error = buf_with_limit(1024);
	struct certificates *fresh = certificates_parse(text, certificates_file.name, &error);

	if (fresh == NULL) {
		log_error("malformed-certificates", log_slice("reason", buf_slice(&error)),
		    log_string("consequence", "the ones from before stay"));
	} else {
		log_info("certificates-loaded", log_number("listed", certificates_count(fresh)));
		certificates_free(certificates);
		certificates = fresh;
	}
	buf_free(&error);
}

const struct certificates *file_certificates(void)
{
	struct buf text;

	switch (watched_look(&certificates_file, &text)) {
	case WATCHED_READ:
		parse_certificates(buf_slice(&text));
		buf_free(&text);
		break;
	case WATCHED_ABSENT: /* nobody has to list any; and who removes the file means it */
		certificates_free(certificates);
		certificates = NULL;
		break;
	default:
		break;
	}
	return certificates;
}

/* --- both --------------------------------------------------------------------------------- */

void file_reload(void)
{
	watched_forget(&credentials_file);
	watched_forget(&certificates_file);
}

void file_close(void)
{
	credentials_free(credentials);
	credentials = NULL;
	certificates_free(certificates);
	certificates = NULL;
	watched_close_directory();
}
