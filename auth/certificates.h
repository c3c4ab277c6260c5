/*
 * certificates.h - whose certificate is it: the file certificates.
 *
 * One line for each certificate or key, '#' begins a comment line:
 *
 *     alice@example.org certificate 5f:0a:...   SHA-256 of the certificate
 *     bob@example.org   key         9be1...     SHA-256 of its public key (RFC 7469, 2.4)
 *
 * in hexadecimal, with or without colons.  Pure functions; what was parsed is
 * never changed.
 */
#ifndef PETREL_AUTH_CERTIFICATES_H
#define PETREL_AUTH_CERTIFICATES_H

#include "auth/credentials.h"

enum {
	CERTIFICATES_FILE_MAX = 16 * 1024 * 1024, /* octets of the file */
	CERTIFICATE_DIGEST = 32,
};

enum certificate_kind { CERTIFICATE_WHOLE, CERTIFICATE_KEY };

struct certificates;

/* NULL with a message in `error` ("certificates:12: ...") where a line is malformed. */
struct certificates *certificates_parse(struct slice text, const char *name, struct buf *error);
void certificates_free(struct certificates *);
size_t certificates_count(const struct certificates *);

/*
 * Call `each` with the accounts that a digest is listed for.
 */
void certificates_find(const struct certificates *, enum certificate_kind,
    const uint8_t digest[CERTIFICATE_DIGEST], void (*each)(const char *account, void *context),
    void *context);

/*
 * The text of a file without an account's lines; comments and all other lines stay as
 * they are.  False where `out` is full.
 */
bool certificates_remove(struct slice text, struct slice account, struct buf *out);
/* The text with another line at its end.  False where `out` is full. */
bool certificates_add(struct slice text, struct slice account,
    const uint8_t digest[CERTIFICATE_DIGEST], struct buf *out);

#endif
