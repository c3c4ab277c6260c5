/*
 * tls_provider.c - an OpenSSL provider for private keys that are somewhere else.
 *
 * OpenSSL 3 finds key types and signature algorithms in providers.  This one,
 * "petrel", has keys that consist of their public half and of the name under
 * which the process `keys` knows the private one.  Signing digests the text here,
 * sends the digest to the signer (tls.h) and suspends the ASYNC job it runs in,
 * that is, the handshake, until the signature arrives.
 *
 * Everything public (sizes, curve names, export, comparison) is answered by the
 * same key in OpenSSL's default provider, which each of our keys carries along.
 *
 * provider-keymgmt(7), provider-signature(7), ASYNC_start_job(3)
 */
#include <openssl/async.h>
#include <openssl/core.h>
#include <openssl/core_dispatch.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/provider.h>
#include <openssl/rsa.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <stdlib.h>
#include <string.h>

#include "common/tls_private.h"

#define PROVIDER_NAME "petrel"
#define ONLY_OURS     "provider=petrel"
#define ONLY_DEFAULT  "provider=default"

static struct tls_signer signer;
static OSSL_LIB_CTX *library; /* whose default provider does the public part */
static bool giving_up;

void tls_set_signer(const struct tls_signer *new_signer)
{
	signer = *new_signer;
}

void tls_provider_abandon(bool abandon)
{
	giving_up = abandon;
}

bool tls_key_id(EVP_PKEY *key, uint8_t id[KEYS_ID_OCTETS])
{
	unsigned char *der = NULL;
	int len = i2d_PUBKEY(key, &der);

	if (len <= 0) {
		ERR_clear_error();
		return false;
	}
	SHA256(der, (size_t)len, id);
	OPENSSL_free(der);
	return true;
}

/* For the log, where a handshake failed for want of a signature. */
enum { NO_SIGNATURE = 1 };

static int error_library(void)
{
	static ERR_STRING_DATA reasons[] = {
	    {ERR_PACK(0,			      0, NO_SIGNATURE), "no signature was to be had from keys"},
	    {0, NULL },
	};
	static int library_number;

	if (library_number == 0) {
		library_number = ERR_get_next_error_library();
		ERR_load_strings(library_number, reasons); /* puts the number into them */
	}
	return library_number;
}

/* --- waiting for a signature ----------------------------------------------------- */

struct tls_pending {
	ASYNC_WAIT_CTX *wait;
	bool suspended;
	bool done;
	size_t len;
	unsigned char signature[KEYS_SIGNATURE_MAX];
};

void tls_signed(struct tls_pending *p, struct slice signature)
{
	int (*wake)(void *) = NULL;
	void *whom = NULL;

	if (signature.len > 0 && signature.len <= sizeof p->signature) {
		memcpy(p->signature, signature.data, signature.len);
		p->len = signature.len;
	}
	p->done = true;
	if (p->suspended && ASYNC_WAIT_CTX_get_callback(p->wait, &wake, &whom) == 1 && wake != NULL)
		wake(whom);
}

/* False where no signature is to be had.  Lives on the job's own stack while it waits. */
static bool ask_signer(const struct keys_sign *question, struct tls_pending *p)
{
	ASYNC_JOB *job = ASYNC_get_current_job();

	/* Outside a job there is nothing to suspend but the whole process. */
	if (job == NULL || signer.sign == NULL || giving_up)
		return false;
	*p = (struct tls_pending){.wait = ASYNC_get_wait_ctx(job)};
	if (!signer.sign(signer.context, p, question))
		return false;
	while (!p->done) {
		p->suspended = true;
		if (ASYNC_pause_job() != 1 || (giving_up && !p->done)) {
			signer.cancel(signer.context, p);
			return false;
		}
	}
	return p->len > 0;
}

/* --- keys ------------------------------------------------------------------------- */

struct remote_key {
	EVP_PKEY *public_key; /* in the default provider */
	uint8_t id[KEYS_ID_OCTETS];
};

static void *key_new(void *provider)
{
	(void)provider;
	return calloc(1, sizeof(struct remote_key));
}

static void key_free(void *data)
{
	struct remote_key *key = data;

	if (key == NULL)
		return;
	EVP_PKEY_free(key->public_key);
	free(key);
}

static int key_has(const void *data, int selection)
{
	const struct remote_key *key = data;

	(void)selection; /* the private half, too, is to be had, in its way */
	return key != NULL && key->public_key != NULL;
}

static int key_match(const void *one, const void *other, int selection)
{
	const struct remote_key *a = one, *b = other;

	(void)selection;
	return a->public_key != NULL && b->public_key != NULL &&
	       memcmp(a->id, b->id, sizeof a->id) == 0;
}

static int key_import(struct remote_key *key, const char *type, const OSSL_PARAM params[])
{
	EVP_PKEY_CTX *c = EVP_PKEY_CTX_new_from_name(library, type, ONLY_DEFAULT);
	OSSL_PARAM *copy = OSSL_PARAM_dup(params); /* fromdata wants them writable */
	bool imported = false;

	if (c != NULL && copy != NULL && key->public_key == NULL &&
	    EVP_PKEY_fromdata_init(c) == 1 &&
	    EVP_PKEY_fromdata(c, &key->public_key, EVP_PKEY_PUBLIC_KEY, copy) == 1)
		imported = tls_key_id(key->public_key, key->id);
	OSSL_PARAM_free(copy);
	EVP_PKEY_CTX_free(c);
	return imported;
}

static int rsa_import(void *key, int selection, const OSSL_PARAM params[])
{
	(void)selection;
	return key_import(key, "RSA", params);
}

static int ec_import(void *key, int selection, const OSSL_PARAM params[])
{
	(void)selection;
	return key_import(key, "EC", params);
}

static int ed25519_import(void *key, int selection, const OSSL_PARAM params[])
{
	(void)selection;
	return key_import(key, "ED25519", params);
}

/*
 * The private half cannot leave.  Saying so is what makes OpenSSL sign here: it
 * would otherwise move the key to the default provider, which has no use for it.
 */
static int key_export(void *data, int selection, OSSL_CALLBACK *take, void *context)
{
	struct remote_key *key = data;

	if ((selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 || key->public_key == NULL)
		return 0;
	return EVP_PKEY_export(key->public_key, selection, take, context);
}

static int key_get_params(void *data, OSSL_PARAM params[])
{
	struct remote_key *key = data;

	return key->public_key != NULL && EVP_PKEY_get_params(key->public_key, params);
}

static const OSSL_PARAM *key_gettable(void *provider)
{
	static const OSSL_PARAM known[] = {
	    OSSL_PARAM_int(OSSL_PKEY_PARAM_BITS, NULL),
	    OSSL_PARAM_int(OSSL_PKEY_PARAM_SECURITY_BITS, NULL),
	    OSSL_PARAM_int(OSSL_PKEY_PARAM_MAX_SIZE, NULL),
	    OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
	    OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_DEFAULT_DIGEST, NULL, 0),
	    OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_MANDATORY_DIGEST, NULL, 0),
	    OSSL_PARAM_END,
	};

	(void)provider;
	return known;
}

static const OSSL_PARAM *key_types(int selection)
{
	static const OSSL_PARAM known[] = {
	    OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_N, NULL, 0),
	    OSSL_PARAM_BN(OSSL_PKEY_PARAM_RSA_E, NULL, 0),
	    OSSL_PARAM_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, NULL, 0),
	    OSSL_PARAM_octet_string(OSSL_PKEY_PARAM_PUB_KEY, NULL, 0),
	    OSSL_PARAM_END,
	};

	return (selection & OSSL_KEYMGMT_SELECT_PRIVATE_KEY) != 0 ? NULL : known;
}

static const OSSL_PARAM *key_import_types(int selection)
{
	return key_types(selection & ~OSSL_KEYMGMT_SELECT_PRIVATE_KEY);
}

static const char *ec_operation(int operation)
{
	return operation == OSSL_OP_SIGNATURE ? "ECDSA" : NULL;
}

typedef void (*dispatched)(void);

#define KEY_FUNCTIONS(import)                                                                      \
	{OSSL_FUNC_KEYMGMT_NEW, (dispatched)key_new},                                              \
	    {OSSL_FUNC_KEYMGMT_FREE, (dispatched)key_free},                                        \
	    {OSSL_FUNC_KEYMGMT_HAS, (dispatched)key_has},                                          \
	    {OSSL_FUNC_KEYMGMT_MATCH, (dispatched)key_match},                                      \
	    {OSSL_FUNC_KEYMGMT_IMPORT, (dispatched)(import)},                                      \
	    {OSSL_FUNC_KEYMGMT_IMPORT_TYPES, (dispatched)key_import_types},                        \
	    {OSSL_FUNC_KEYMGMT_EXPORT, (dispatched)key_export},                                    \
	    {OSSL_FUNC_KEYMGMT_EXPORT_TYPES, (dispatched)key_types},                               \
	    {OSSL_FUNC_KEYMGMT_GET_PARAMS, (dispatched)key_get_params},                            \
	{                                                                                          \
		OSSL_FUNC_KEYMGMT_GETTABLE_PARAMS, (dispatched)key_gettable                        \
	}

static const OSSL_DISPATCH rsa_key[] = {
    KEY_FUNCTIONS(rsa_import), {0, NULL}
};
static const OSSL_DISPATCH ec_key[] = {
    KEY_FUNCTIONS(ec_import),
    {OSSL_FUNC_KEYMGMT_QUERY_OPERATION_NAME, (dispatched)ec_operation},
    {0,				      NULL		    },
};
static const OSSL_DISPATCH ed25519_key[] = {
    KEY_FUNCTIONS(ed25519_import), {0, NULL}
};

/* --- signatures -------------------------------------------------------------------- */

struct signing {
	struct remote_key *key; /* OpenSSL keeps it alive for the operation */
	uint8_t algorithm;      /* enum keys_algorithm */
	char digest[16];
};

static void *signing_new(uint8_t algorithm)
{
	struct signing *s = calloc(1, sizeof *s);

	if (s != NULL)
		s->algorithm = algorithm;
	return s;
}

static void *rsa_signing_new(void *provider, const char *properties)
{
	(void)provider;
	(void)properties;
	return signing_new(KEYS_RSA_PKCS1);
}

static void *ecdsa_signing_new(void *provider, const char *properties)
{
	(void)provider;
	(void)properties;
	return signing_new(KEYS_ECDSA);
}

static void *ed25519_signing_new(void *provider, const char *properties)
{
	(void)provider;
	(void)properties;
	return signing_new(KEYS_EDDSA);
}

static void signing_free(void *data)
{
	free(data);
}

/* RSA's padding and salt; the salt is as long as the digest, the only one that TLS knows. */
static int signing_set_params(void *data, const OSSL_PARAM params[])
{
	struct signing *s = data;
	const OSSL_PARAM *p = OSSL_PARAM_locate_const(params, OSSL_SIGNATURE_PARAM_PAD_MODE);
	int mode = 0;

	if (p == NULL || s->algorithm == KEYS_ECDSA || s->algorithm == KEYS_EDDSA)
		return 1;
	if (p->data_type == OSSL_PARAM_UTF8_STRING) {
		if (strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PSS) == 0)
			mode = RSA_PKCS1_PSS_PADDING;
		else if (strcmp(p->data, OSSL_PKEY_RSA_PAD_MODE_PKCSV15) == 0)
			mode = RSA_PKCS1_PADDING;
	} else if (OSSL_PARAM_get_int(p, &mode) != 1) {
		return 0;
	}
	if (mode != RSA_PKCS1_PSS_PADDING && mode != RSA_PKCS1_PADDING)
		return 0;
	s->algorithm = mode == RSA_PKCS1_PSS_PADDING ? KEYS_RSA_PSS : KEYS_RSA_PKCS1;
	return 1;
}

static const OSSL_PARAM *signing_settable(void *data, void *provider)
{
	static const OSSL_PARAM known[] = {
	    OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, NULL, 0),
	    OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, NULL, 0),
	    OSSL_PARAM_utf8_string(OSSL_SIGNATURE_PARAM_MGF1_DIGEST, NULL, 0),
	    OSSL_PARAM_END,
	};

	(void)data;
	(void)provider;
	return known;
}

/*
 * The digests that keys knows, by the names that it knows: OpenSSL itself calls
 * the same one SHA256, SHA-256 or SHA2-256.
 */
static bool set_digest(struct signing *s, const char *name)
{
	static const char *const known[] = {"SHA256", "SHA384", "SHA512"};
	EVP_MD *md = name == NULL ? NULL : EVP_MD_fetch(library, name, ONLY_DEFAULT);

	s->digest[0] = '\0';
	for (size_t i = 0; md != NULL && i < sizeof known / sizeof known[0]; i++)
		if (EVP_MD_is_a(md, known[i]))
			slice_copy(slice_string(known[i]), s->digest, sizeof s->digest);
	EVP_MD_free(md);
	return s->digest[0] != '\0';
}

static int signing_begin(void *data, const char *digest, void *key, const OSSL_PARAM params[])
{
	struct signing *s = data;

	if (key != NULL)
		s->key = key;
	if (s->algorithm != KEYS_EDDSA && !set_digest(s, digest))
		return 0;
	return s->key != NULL && (params == NULL || signing_set_params(s, params));
}

static int signing_sign(void *data, unsigned char *signature, size_t *len, size_t room,
    const unsigned char *text, size_t text_len)
{
	struct signing *s = data;
	struct keys_sign question = {.algorithm = s->algorithm};
	unsigned char digest[EVP_MAX_MD_SIZE];
	struct tls_pending pending;
	size_t digest_len = 0;

	*len = (size_t)EVP_PKEY_get_size(s->key->public_key);
	if (signature == NULL)
		return 1;
	memcpy(question.key, s->key->id, sizeof question.key);
	memcpy(question.digest, s->digest, sizeof question.digest);
	question.input = slice_of(text, text_len);
	if (s->algorithm != KEYS_EDDSA) {
		if (EVP_Q_digest(
			library, s->digest, ONLY_DEFAULT, text, text_len, digest, &digest_len) != 1)
			return 0;
		question.input = slice_of(digest, digest_len);
	}
	if (question.input.len > KEYS_INPUT_MAX || !ask_signer(&question, &pending) ||
	    pending.len > room) {
		ERR_raise(error_library(), NO_SIGNATURE);
		return 0;
	}
	memcpy(signature, pending.signature, pending.len);
	*len = pending.len;
	return 1;
}

#define SIGNING_FUNCTIONS(new)                                                                     \
	{                                                                                          \
		{OSSL_FUNC_SIGNATURE_NEWCTX, (dispatched)(new)},                                   \
		    {OSSL_FUNC_SIGNATURE_FREECTX, (dispatched)signing_free},                       \
		    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN_INIT, (dispatched)signing_begin},             \
		    {OSSL_FUNC_SIGNATURE_DIGEST_SIGN, (dispatched)signing_sign},                   \
		    {OSSL_FUNC_SIGNATURE_SET_CTX_PARAMS, (dispatched)signing_set_params},          \
		    {OSSL_FUNC_SIGNATURE_SETTABLE_CTX_PARAMS, (dispatched)signing_settable},       \
		    {0, NULL},                                                                     \
	}

static const OSSL_DISPATCH rsa_signing[] = SIGNING_FUNCTIONS(rsa_signing_new);
static const OSSL_DISPATCH ecdsa_signing[] = SIGNING_FUNCTIONS(ecdsa_signing_new);
static const OSSL_DISPATCH ed25519_signing[] = SIGNING_FUNCTIONS(ed25519_signing_new);

/* --- the provider -------------------------------------------------------------------- */

static const OSSL_ALGORITHM keys[] = {
    {"RSA:rsaEncryption:1.2.840.113549.1.1.1", ONLY_OURS, rsa_key,     "RSA keys held by keys"    },
    {"EC:id-ecPublicKey:1.2.840.10045.2.1",    ONLY_OURS, ec_key,      "EC keys held by keys"     },
    {"ED25519:1.3.101.112",                    ONLY_OURS, ed25519_key, "Ed25519 keys held by keys"},
    {NULL,				     NULL,      NULL,        NULL                       },
};

static const OSSL_ALGORITHM signatures[] = {
    {"RSA:rsaEncryption:1.2.840.113549.1.1.1", ONLY_OURS, rsa_signing,     "RSA by keys"    },
    {"ECDSA",				  ONLY_OURS, ecdsa_signing,   "ECDSA by keys"  },
    {"ED25519:1.3.101.112",                    ONLY_OURS, ed25519_signing, "Ed25519 by keys"},
    {NULL,				     NULL,      NULL,            NULL             },
};

static const OSSL_ALGORITHM *query(void *provider, int operation, int *no_cache)
{
	(void)provider;
	*no_cache = 0;
	switch (operation) {
	case OSSL_OP_KEYMGMT:
		return keys;
	case OSSL_OP_SIGNATURE:
		return signatures;
	default:
		return NULL;
	}
}

static const OSSL_DISPATCH provider_functions[] = {
    {OSSL_FUNC_PROVIDER_QUERY_OPERATION, (dispatched)query},
    {0,				  NULL	     },
};

static int provider_init(const OSSL_CORE_HANDLE *core, const OSSL_DISPATCH *in,
    const OSSL_DISPATCH **out, void **context)
{
	static char something; /* OpenSSL takes a NULL context for failure */

	(void)core;
	(void)in;
	*out = provider_functions;
	*context = &something;
	return 1;
}

bool tls_provider_load(OSSL_LIB_CTX *into)
{
	library = into;
	return OSSL_PROVIDER_add_builtin(into, PROVIDER_NAME, provider_init) == 1 &&
	       OSSL_PROVIDER_load(into, PROVIDER_NAME) != NULL;
}

EVP_PKEY *tls_provider_key(EVP_PKEY *public_key)
{
	static const char *const types[] = {"RSA", "EC", "ED25519"};
	OSSL_PARAM *params = NULL;
	EVP_PKEY_CTX *c = NULL;
	EVP_PKEY *key = NULL;

	for (size_t i = 0; i < sizeof types / sizeof types[0] && c == NULL; i++)
		if (EVP_PKEY_is_a(public_key, types[i]))
			c = EVP_PKEY_CTX_new_from_name(library, types[i], ONLY_OURS);
	if (c == NULL || EVP_PKEY_todata(public_key, EVP_PKEY_PUBLIC_KEY, &params) != 1 ||
	    EVP_PKEY_fromdata_init(c) != 1 ||
	    EVP_PKEY_fromdata(c, &key, EVP_PKEY_PUBLIC_KEY, params) != 1)
		key = NULL;
	OSSL_PARAM_free(params);
	EVP_PKEY_CTX_free(c);
	return key;
}
