/*
 * credentials.h - who has which password: the file credentials.
 *
 * One line for each account, '#' begins a comment line:
 *
 *     alice@example.org {SCRAM-SHA-256}4096$salt$StoredKey:ServerKey
 *     bob@example.org   {CRYPT}$y$j9T$...
 *     carol@example.org $6$...
 *
 * The first form is RFC 5803's verifier (salt and keys in base64), from which
 * SCRAM-SHA-256 (RFC 7677) can be served without knowing the password.  The
 * other two are a hash that crypt(3) knows; hashes without a salt or with one
 * round of DES are refused.  Account names are compared, and once parsed are kept,
 * in the one spelling that addresses have where they are looked up (spelling.h).
 *
 * Pure functions; a struct credentials is never changed after it was parsed, so
 * threads may share it.
 */
#ifndef PETREL_AUTH_CREDENTIALS_H
#define PETREL_AUTH_CREDENTIALS_H

#include "common/buf.h"
#include "common/siphash.h"
#include "common/slice.h"

enum {
	CREDENTIALS_FILE_MAX = 64 * 1024 * 1024, /* octets of the file */
	CREDENTIALS_ACCOUNT_MAX = 320,           /* of an account's name */
	CREDENTIALS_LINE_MAX = 1024,
	SCRAM_KEY = 32, /* octets of a SHA-256 */
	SCRAM_SALT_MAX = 64,
	SCRAM_ITERATIONS_MIN = 4096, /* RFC 7677, 4 */
	SCRAM_ITERATIONS_MAX = 10000000,
	SCRAM_ITERATIONS_DEFAULT = 30000, /* some 5 ms of CPU */
	CRYPT_HASH_MAX = 383,             /* CRYPT_OUTPUT_SIZE, without its NUL */
};

enum credential_kind { CREDENTIAL_SCRAM_SHA_256, CREDENTIAL_CRYPT };

/* One password, as far as it is known. */
struct credential {
	enum credential_kind kind;
	union {
		struct {
			uint32_t iterations;
			uint8_t salt_len;
			uint8_t salt[SCRAM_SALT_MAX];
			uint8_t stored_key[SCRAM_KEY];
			uint8_t server_key[SCRAM_KEY];
		} scram;
		char crypt[CRYPT_HASH_MAX + 1];
	};
};

/*
 * Parse what stands behind the account's name.  Where it is malformed, returns
 * false and *fault is a sentence that says how, and does not repeat the hash.
 */
bool credential_parse(struct slice text, struct credential *out, const char **fault);

/*
 * Is this the password?  TAKES MILLISECONDS OF CPU, as it is meant to: not for an
 * event loop.  Takes as long for a wrong one as for a right one.  A password with
 * a NUL in it is never right.  It is right in every spelling (password.h) for SCRAM's
 * verifiers; for a hash of crypt(3) octet by octet.  Safe in threads.
 */
bool credential_verify(const struct credential *, struct slice password);

/*
 * Make a verifier for a password, prepared (password.h), and append it as text.  As slow as verifying.
 * False where the password is empty or holds control characters, iterations are
 * out of bounds, or memory or randomness is not to be had.
 */
bool credential_make(struct slice password, uint32_t iterations, struct buf *out);

/* HMAC-SHA-256 with a key of SCRAM's. */
void scram_hmac(const uint8_t key[SCRAM_KEY], struct slice text, uint8_t out[SCRAM_KEY]);

/*
 * A credential for SCRAM where the account has none: its salt is the account's
 * own, the same each time, and no password fits it.
 *
 * secret  what nobody outside knows, the same for the life of the host
 * model   what iterations and the salt's length are taken from; NULL: what
 *         credential_make() writes
 */
void credential_decoy_scram(struct slice account, const uint8_t secret[SCRAM_KEY],
    const struct credential *model, struct credential *out);

/* --- the file ------------------------------------------------------------------ */

struct credentials;

/*
 * Parse a whole file.  NULL with a message in `error` where a line is malformed or
 * an account stands there twice:
 *
 *     credentials:12: carol@example.org: "{MD5}" is not a kind of password
 *
 * name   stands for the file in messages
 */
struct credentials *credentials_parse(struct slice text, const char *name, struct buf *error);
void credentials_free(struct credentials *);
size_t credentials_count(const struct credentials *);
/* False where there is no such account. */
bool credentials_find(const struct credentials *, struct slice account, struct credential *out);
/*
 * A credential to verify against, to no avail, where there is no such account: one
 * of the file's own, the same for the same name each time, so that the time it
 * takes tells nothing about who exists.
 *
 * key  what nobody outside knows, the same for the life of the process
 */
void credentials_decoy(const struct credentials *, struct slice account, struct siphash_key key,
    struct credential *out);

/*
 * The account's credential for SCRAM: true; or one that looks like it, to no avail
 * (credential_decoy_scram, after the first SCRAM account of the file), where there
 * is no such account, or it has a hash of crypt(3).  Takes as long in each case.
 */
bool credentials_scram(const struct credentials *, struct slice account,
    const uint8_t secret[SCRAM_KEY], struct credential *out);

/* The n-th account's name, in the order of the file; for lists. */
struct slice credentials_account(const struct credentials *, size_t n);

enum credentials_change {
	CREDENTIALS_CHANGED,
	CREDENTIALS_ABSENT, /* no line for this account: nothing to remove */
	CREDENTIALS_REFUSED /* not an account's name, or too long, or out of memory */
};

/*
 * The text of a file with one account's line changed: replaced, or added at the
 * end.  Comments and all other lines stay as they are.
 *
 * credential  the text behind the name; empty: remove the line
 * out         the new text, appended
 */
enum credentials_change credentials_edit(
    struct slice text, struct slice account, struct slice credential, struct buf *out);

/* "local@domain" in that spelling into `out`; false where it is no account's name. */
bool credentials_canonical(struct slice account, char out[CREDENTIALS_ACCOUNT_MAX + 1]);

#endif
