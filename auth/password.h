/*
 * password.h - one spelling for a password.
 *
 * Keyboards differ in how they write the same letters, and clients of SCRAM prepare
 * a password by SASLprep (RFC 4013, RFC 5802, 2.2) before they compute with it.  A
 * verifier that was made of anything else is of no use to them.
 */
#ifndef PETREL_AUTH_PASSWORD_H
#define PETREL_AUTH_PASSWORD_H

#include "common/buf.h"

/*
 * Append the password's prepared form, by the tables of Unicode that libunistring
 * has: what is unassigned in RFC 4013's Unicode 3.2 is taken, as for queries.
 *
 * False where it has none (it is not UTF-8, or holds what RFC 4013, 2.3 and 2.4
 * forbid) or `out` is full: it is to be used as it is then, as clients do.
 */
bool password_prepare(struct slice password, struct buf *out);

#endif
