/*
 * proof.c - that a client has shown its certificate in a TLS handshake.
 */
#include "auth/proof.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>

enum handshake { /* RFC 8446, B.3 */
	CLIENT_HELLO = 1,
	SERVER_HELLO = 2,
	ENCRYPTED_EXTENSIONS = 8,
	CERTIFICATE = 11,
	CERTIFICATE_REQUEST = 13,
	CERTIFICATE_VERIFY = 15,
	FINISHED = 20,
	MESSAGE_HASH = 254
};

enum { OWN_CHAIN_MAX = 32 }; /* certificates that a server of ours may show */
enum { RANDOM = 32, SESSION_ID_MAX = 32, CONTEXT_MAX = 98 + PROOF_HASH_MAX };

/* A HelloRetryRequest is a ServerHello with this in it (RFC 8446, 4.1.3). */
static const struct slice retry_random =
    SLICE("\xcf\x21\xad\x74\xe5\x9a\x61\x11\xbe\x1d\x8c\x02\x1e\x65\xb8\x91"
	  "\xc2\xa2\x11\x16\x7a\xbb\x8c\x5e\x07\x9e\x09\xe2\xc8\xa8\x33\x9c");

/* --- numbers and vectors (RFC 8446, 3) -------------------------------------------------- */

/* Of one to three octets; false where fewer are left. */
static bool take_number(struct cursor *in, size_t octets, size_t *out)
{
	struct slice text = cursor_take(in, octets);

	*out = 0;
	for (size_t i = 0; i < text.len; i++)
		*out = *out << 8 | (unsigned char)text.data[i];
	return text.len == octets;
}

/* A length of so many octets, and what it is the length of. */
static bool take_vector(struct cursor *in, size_t octets, struct slice *out)
{
	size_t len;

	if (!take_number(in, octets, &len) || len > cursor_left(in))
		return false;
	*out = slice_of(in->at, len);
	cursor_skip(in, len);
	return true;
}

static bool take_message(struct cursor *in, enum handshake wanted, struct slice *body)
{
	size_t type;

	return take_number(in, 1, &type) && type == wanted && take_vector(in, 3, body);
}

/* --- messages ---------------------------------------------------------------------------- */

struct hello {
	bool is_retry;
	const EVP_MD *digest;
};

static bool read_server_hello(struct slice body, struct hello *hello)
{
	struct cursor in = cursor_over(body);
	struct slice random, session;
	size_t version, suite;

	if (!take_number(&in, 2, &version))
		return false;
	random = cursor_take(&in, RANDOM);
	if (random.len != RANDOM || !take_vector(&in, 1, &session) ||
	    session.len > SESSION_ID_MAX || !take_number(&in, 2, &suite))
		return false;
	hello->is_retry = slice_equal(random, retry_random);
	switch (suite) { /* RFC 8446, B.4 */
	case 0x1301:     /* TLS_AES_128_GCM_SHA256 */
	case 0x1303:     /* TLS_CHACHA20_POLY1305_SHA256 */
		hello->digest = EVP_sha256();
		return true;
	case 0x1302: /* TLS_AES_256_GCM_SHA384 */
		hello->digest = EVP_sha384();
		return true;
	default:
		return false;
	}
}

static bool read_request(struct slice body, struct slice *beacon)
{
	struct cursor in = cursor_over(body), extensions;
	struct slice context, all, data;
	size_t type;

	*beacon = slice_of(NULL, 0);
	if (!take_vector(&in, 1, &context) || context.len > 0 || !take_vector(&in, 2, &all) ||
	    !cursor_done(&in))
		return false;
	extensions = cursor_over(all);
	while (!cursor_done(&extensions)) {
		if (!take_number(&extensions, 2, &type) || !take_vector(&extensions, 2, &data))
			return false;
		if (type == TLS_BEACON_EXTENSION)
			*beacon = data;
	}
	return beacon->len == TLS_BEACON;
}

/* The certificates of a Certificate; false where there is none, or more than `max`. */
static bool read_certificates(struct slice body, struct slice *out, size_t max, size_t *count)
{
	struct cursor in = cursor_over(body), list;
	struct slice context, all, certificate, extensions;

	*count = 0;
	if (!take_vector(&in, 1, &context) || context.len > 0 || !take_vector(&in, 3, &all) ||
	    !cursor_done(&in))
		return false;
	list = cursor_over(all);
	while (!cursor_done(&list)) {
		if (*count == max || !take_vector(&list, 3, &certificate) ||
		    !take_vector(&list, 2, &extensions) || certificate.len == 0)
			return false;
		out[(*count)++] = certificate;
	}
	return *count > 0;
}

/* --- the transcript ------------------------------------------------------------------------ */

/*
 * RFC 8446, 4.4.1.  first_end: where the first ClientHello ends, which is hashed on
 * its own where a HelloRetryRequest follows it.
 */
static bool hash_transcript(
    struct slice transcript, size_t first_end, const struct hello *hello, struct proof *out)
{
	EVP_MD_CTX *context = EVP_MD_CTX_new();
	unsigned len = 0;
	uint8_t first[EVP_MAX_MD_SIZE];
	bool good = context != NULL && EVP_DigestInit_ex(context, hello->digest, NULL) == 1;

	if (good && hello->is_retry) {
		uint8_t head[] = {MESSAGE_HASH, 0, 0, 0};

		good =
		    EVP_Digest(transcript.data, first_end, first, &len, hello->digest, NULL) == 1;
		head[3] = (uint8_t)len;
		good = good && EVP_DigestUpdate(context, head, sizeof head) == 1 &&
		       EVP_DigestUpdate(context, first, len) == 1;
		transcript = slice_from(transcript, first_end);
	}
	good = good && EVP_DigestUpdate(context, transcript.data, transcript.len) == 1 &&
	       (size_t)EVP_MD_get_size(hello->digest) <= sizeof out->hash &&
	       EVP_DigestFinal_ex(context, out->hash, &len) == 1;
	out->hash_len = len;
	EVP_MD_CTX_free(context);
	return good;
}

/* Up to the ServerHello that counts. */
static bool take_hellos(struct cursor *in, struct hello *hello, size_t *first_end)
{
	const char *start = in->at;
	const EVP_MD *digest;
	struct slice body;

	if (!take_message(in, CLIENT_HELLO, &body))
		return false;
	*first_end = (size_t)(in->at - start);
	if (!take_message(in, SERVER_HELLO, &body) || !read_server_hello(body, hello))
		return false;
	if (!hello->is_retry)
		return true;
	digest = hello->digest;
	if (!take_message(in, CLIENT_HELLO, &body) || !take_message(in, SERVER_HELLO, &body) ||
	    !read_server_hello(body, hello) || hello->is_retry || hello->digest != digest)
		return false;
	hello->is_retry = true;
	return true;
}

bool proof_read(struct slice transcript, struct proof *out, const char **fault)
{
	struct cursor in = cursor_over(transcript);
	struct slice servers[OWN_CHAIN_MAX], body;
	struct hello hello;
	size_t first_end, count;

	*out = (struct proof){0};
	*fault = "not a handshake of TLS 1.3";
	if (!take_hellos(&in, &hello, &first_end) ||
	    !take_message(&in, ENCRYPTED_EXTENSIONS, &body))
		return false;
	*fault = "a certificate was not asked for";
	if (!take_message(&in, CERTIFICATE_REQUEST, &body) || !read_request(body, &out->beacon))
		return false;
	*fault = "the server's part is malformed";
	if (!take_message(&in, CERTIFICATE, &body) ||
	    !read_certificates(body, servers, OWN_CHAIN_MAX, &count) ||
	    !take_message(&in, CERTIFICATE_VERIFY, &body) || !take_message(&in, FINISHED, &body))
		return false;
	out->server = servers[0];
	*fault = "the client has shown no certificate";
	if (!take_message(&in, CERTIFICATE, &body) || !cursor_done(&in) ||
	    !read_certificates(body, out->chain, AUTHORITIES_CHAIN_MAX, &out->chain_len))
		return false;
	*fault = "the digest failed";
	return hash_transcript(transcript, first_end, &hello, out);
}

/* --- the signature --------------------------------------------------------------------------- */

struct scheme {
	size_t number; /* RFC 8446, 4.2.3 */
	int key;       /* EVP_PKEY_... */
	const EVP_MD *(*digest)(void);
};

static const struct scheme schemes[] = {
    {0x0403, EVP_PKEY_EC,      EVP_sha256},
    {0x0503, EVP_PKEY_EC,      EVP_sha384},
    {0x0603, EVP_PKEY_EC,      EVP_sha512},
    {0x0804, EVP_PKEY_RSA,     EVP_sha256},
    {0x0805, EVP_PKEY_RSA,     EVP_sha384},
    {0x0806, EVP_PKEY_RSA,     EVP_sha512},
    {0x0807, EVP_PKEY_ED25519, NULL      },
    {0x0808, EVP_PKEY_ED448,   NULL      },
    {0x0809, EVP_PKEY_RSA_PSS, EVP_sha256},
    {0x080a, EVP_PKEY_RSA_PSS, EVP_sha384},
    {0x080b, EVP_PKEY_RSA_PSS, EVP_sha512},
};

static const struct scheme *scheme_of(size_t number, const EVP_PKEY *key)
{
	for (size_t i = 0; i < sizeof schemes / sizeof schemes[0]; i++)
		if (schemes[i].number == number)
			return EVP_PKEY_get_base_id(key) == schemes[i].key ? &schemes[i] : NULL;
	return NULL;
}

static bool set_padding(EVP_PKEY_CTX *context, int key)
{
	if (key != EVP_PKEY_RSA && key != EVP_PKEY_RSA_PSS)
		return true;
	return EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_PSS_PADDING) > 0 &&
	       EVP_PKEY_CTX_set_rsa_pss_saltlen(context, RSA_PSS_SALTLEN_DIGEST) > 0;
}

/* What a client signs: RFC 8446, 4.4.3. */
static struct slice signed_text(const struct proof *proof, char text[CONTEXT_MAX])
{
	static const char context[] = "TLS 1.3, client CertificateVerify"; /* and its NUL */

	memset(text, ' ', 64);
	memcpy(text + 64, context, sizeof context);
	memcpy(text + 64 + sizeof context, proof->hash, proof->hash_len);
	return slice_of(text, 64 + sizeof context + proof->hash_len);
}

bool proof_is_signed(const struct proof *proof, X509 *leaf, struct slice verify)
{
	struct cursor in = cursor_over(verify);
	EVP_PKEY *key = X509_get0_pubkey(leaf);
	EVP_PKEY_CTX *of_key = NULL;
	EVP_MD_CTX *context = NULL;
	const struct scheme *scheme;
	struct slice signature, text;
	char octets[CONTEXT_MAX];
	size_t number;
	bool good;

	if (key == NULL || !take_number(&in, 2, &number) || !take_vector(&in, 2, &signature) ||
	    !cursor_done(&in) || (scheme = scheme_of(number, key)) == NULL)
		return false;
	text = signed_text(proof, octets);
	context = EVP_MD_CTX_new();
	good = context != NULL &&
	       EVP_DigestVerifyInit(context, &of_key,
		   scheme->digest == NULL ? NULL : scheme->digest(), NULL, key) == 1 &&
	       set_padding(of_key, scheme->key) &&
	       EVP_DigestVerify(context, (const unsigned char *)signature.data, signature.len,
		   (const unsigned char *)text.data, text.len) == 1;
	EVP_MD_CTX_free(context);
	ERR_clear_error();
	return good;
}
