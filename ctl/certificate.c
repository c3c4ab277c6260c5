/*
 * certificate.c - petrel user certificate: whose certificate is whose.
 *
 * What is listed is the SHA-256 of a certificate, a line of the file certificates
 * in auth's directory; auth notices by itself.
 */
#include "ctl/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/pem.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "auth/certificates.h"
#include "common/authorities.h"
#include "common/io.h"
#include "ctl/ctl.h"
#include "ctl/edit.h"

static const char file_name[] = "certificates";

struct listing {
	struct slice account;
	uint8_t digest[CERTIFICATE_DIGEST];
};

/* --- the certificate -------------------------------------------------------------------- */

static X509 *read_certificate(const char *path)
{
	FILE *file = fopen(path, "re");
	X509 *certificate;

	if (file == NULL) {
		ctl_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
		return NULL;
	}
	certificate = PEM_read_X509(file, NULL, NULL, NULL);
	fclose(file);
	if (certificate == NULL)
		ctl_fail(EX_DATAERR, "%s: there is no PEM certificate in it", path);
	return certificate;
}

static struct authorities *read_authorities(void)
{
	int file = open(settings->tls.client_authorities, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct buf pem = buf_with_limit(AUTHORITIES_FILE_MAX), error = buf_with_limit(256);
	struct authorities *authorities = NULL;

	if (file != -1 && io_read(file, &pem))
		authorities = authorities_parse(buf_slice(&pem), &error);
	if (file != -1)
		close(file);
	buf_free(&pem);
	buf_free(&error);
	return authorities;
}

/* It is listed all the same: what is missing may come later. */
static void warn(X509 *certificate, const char *path)
{
	struct authorities *authorities;
	const char *fault;

	if (settings->tls.client_authorities == NULL) {
		ctl_fail(EX_OK, "tls.client-authorities is not set, so no client is asked for a certificate");
		return;
	}
	authorities = read_authorities();
	if (authorities == NULL)
		ctl_fail(EX_OK, "%s: no authorities can be read from it", settings->tls.client_authorities);
	else if (!authorities_certify(authorities, certificate, NULL, &fault))
		ctl_fail(EX_OK, "%s: the authorities of tls.client-authorities alone do not stand for it: %s", path, fault);
	authorities_free(authorities);
}

/* --- the file ----------------------------------------------------------------------------- */

static void is_found(const char *account, void *context)
{
	struct listing *wanted = context;

	if (slice_equal(slice_string(account), wanted->account))
		wanted->account = slice_of(NULL, 0);
}

static bool add(struct slice old, struct buf *new, void *context)
{
	const struct listing *listing = context;
	struct listing found = *listing;
	struct buf error = buf_with_limit(512);
	struct certificates *listed = certificates_parse(old, file_name, &error);

	if (listed == NULL)
		ctl_fail(EX_DATAERR, "%.*s", SLICE_PRINTF(buf_slice(&error)));
	else
		certificates_find(listed, CERTIFICATE_WHOLE, listing->digest, is_found, &found);
	certificates_free(listed);
	buf_free(&error);
	if (listed == NULL)
		return false;
	/* Twice would do no harm, and no good. */
	return found.account.len == 0 ? buf_append_slice(new, old)
				      : certificates_add(old, listing->account, listing->digest, new);
}

static bool forget(struct slice old, struct buf *new, void *context)
{
	return certificates_remove(old, slice_string(context), new);
}

int certificate_list(const char *account, const char *path)
{
	struct listing listing = {.account = slice_string(account)};
	unsigned len = sizeof listing.digest;
	X509 *certificate = read_certificate(path);
	int status = EX_CANTCREAT;

	if (certificate == NULL)
		return EX_DATAERR;
	if (X509_digest(certificate, EVP_sha256(), listing.digest, &len) == 1 &&
	    edit_file(settings->directory.auth, file_name, 0600, add, &listing)) {
		warn(certificate, path);
		status = EX_OK;
	}
	X509_free(certificate);
	return status;
}

bool certificate_forget(const char *account)
{
	char path[1300];

	snprintf(path, sizeof path, "%s/%s", settings->directory.auth, file_name);
	if (access(path, F_OK) == -1 && errno == ENOENT)
		return true;
	return edit_file(
	    settings->directory.auth, file_name, 0600, forget, (void *)(uintptr_t)account);
}
