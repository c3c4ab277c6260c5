/*
 * authorities.h - who may certify clients: a file of certificates, and what may be
 * shown on their word.
 *
 * The file is PEM: certificates that are trusted, and revocation lists.  Where
 * there is a list, every client's certificate has to be on the right side of one
 * that is in date.
 */
#ifndef PETREL_COMMON_AUTHORITIES_H
#define PETREL_COMMON_AUTHORITIES_H

#include <openssl/x509.h>

#include "common/buf.h"

enum {
	AUTHORITIES_FILE_MAX = 16 * 1024 * 1024, /* octets */
	AUTHORITIES_CHAIN_MAX = 8,               /* certificates that a client may show */
};

struct authorities;

/* NULL with a sentence in `error` where the text is not PEM, or no certificate is in it. */
struct authorities *authorities_parse(struct slice pem, struct buf *error);
/* The same from an open file, which is closed; what fails is logged under `name`. */
struct authorities *authorities_read(const char *name, int descriptor);
/* One more owner; authorities_free() is called once for each. */
struct authorities *authorities_keep(struct authorities *);
void authorities_free(struct authorities *);

/*
 * Do they stand for this certificate of a TLS client, now?
 *
 * chain  what else the client has shown, in any order; NULL: nothing
 * fault  where they do not: a sentence in OpenSSL's words, which never hold the peer's
 */
bool authorities_certify(
    const struct authorities *, X509 *leaf, STACK_OF(X509) * chain, const char **fault);

/* The same as OpenSSL's own structure; not the caller's. */
X509_STORE *authorities_store(const struct authorities *);
/* Their names, for the request; the caller's to free.  NULL: out of memory. */
STACK_OF(X509_NAME) * authorities_names(const struct authorities *);

#endif
