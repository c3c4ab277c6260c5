/*
 * scram.c - the server's side of SCRAM-SHA-256(-PLUS).
 */
#include "auth/scram.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>
#include <string.h>

#include "message/encoding.h"

enum {
	GS2_MAX = 3 * SCRAM_NAME_OCTETS_MAX + 64, /* "p=tls-server-end-point,a=...," */
	/* client-first-bare, server-first and client-final-without-proof */
	AUTH_MESSAGE_TEXT_MAX = 2 * AUTH_MESSAGE_MAX + AUTH_CHALLENGE_MAX + 2,
};

struct scram scram_new(void)
{
	return (struct scram){
	    .binding = buf_with_limit((GS2_MAX + AUTH_BINDING_MAX + 2) / 3 * 4),
	    .nonce = buf_with_limit(SCRAM_NONCE_MAX + SCRAM_NONCE_OCTETS / 3 * 4),
	    .auth_message = buf_with_limit(AUTH_MESSAGE_TEXT_MAX),
	};
}

void scram_end(struct scram *s)
{
	buf_wipe(&s->binding);
	buf_wipe(&s->nonce);
	buf_wipe(&s->auth_message);
	explicit_bzero(s, sizeof *s);
}

static enum scram_status malformed(const char **fault, const char *what)
{
	*fault = what;
	return SCRAM_MALFORMED;
}

static enum scram_status refused(const char **fault, const char *what)
{
	*fault = what;
	return SCRAM_REFUSED;
}

/* --- the pieces of a message (RFC 5802, 7) ---------------------------------------------- */

/* "x=value" up to the next comma or the end; the comma is left. */
static bool take_attribute(struct cursor *in, char letter, struct slice *value)
{
	if (!cursor_accept(in, letter) || !cursor_accept(in, '='))
		return false;
	*value = cursor_take_until(in, ',');
	return true;
}

/* saslname: "=2C" is a comma and "=3D" an equals sign; no other use of '='. */
static bool decode_name(struct slice encoded, char out[SCRAM_NAME_OCTETS_MAX + 1])
{
	struct cursor in = cursor_over(encoded);
	size_t len = 0;

	while (!cursor_done(&in)) {
		int octet = cursor_next(&in);

		if (octet == '=' && cursor_accept_nocase(&in, SLICE("2C")))
			octet = ',';
		else if (octet == '=' && cursor_accept_nocase(&in, SLICE("3D")))
			octet = '=';
		else if (octet == '=')
			return false;
		if (octet == '\0' || len == SCRAM_NAME_OCTETS_MAX)
			return false;
		out[len++] = (char)octet;
	}
	out[len] = '\0';
	return len > 0 && utf8_is_valid(slice_of(out, len));
}

static bool is_nonce_octet(int octet)
{
	return octet > ' ' && octet < 0x7f && octet != ',';
}

static bool is_nonce(struct slice text)
{
	struct cursor in = cursor_over(text);

	cursor_take_while(&in, is_nonce_octet);
	return text.len > 0 && cursor_done(&in);
}

/* Extensions that may be passed over: "x=value", and not the 'm' that must be understood. */
static bool skip_extensions(struct cursor *in)
{
	while (cursor_accept(in, ',')) {
		struct slice extension = cursor_take_until(in, ',');

		if (extension.len < 2 || !octet_is_alpha((unsigned char)extension.data[0]) ||
		    extension.data[1] != '=')
			return false;
	}
	return cursor_done(in);
}

/* --- the first messages ------------------------------------------------------------------- */

/* gs2-cbind-flag: what does the client bind to?  (RFC 5802, 6) */
static enum scram_status take_binding(struct cursor *in, bool is_plus, struct slice exporter,
    struct slice end_point, struct slice *data, const char **fault)
{
	bool was_offered = exporter.len > 0 || end_point.len > 0;
	struct slice type;

	*data = slice_of(NULL, 0);
	if (cursor_accept(in, 'n'))
		return is_plus ? malformed(fault, "-PLUS without a channel binding") : SCRAM_GOOD;
	if (cursor_accept(in, 'y')) {
		if (is_plus)
			return malformed(fault, "-PLUS without a channel binding");
		/* The offer that the client saw was not ours. */
		return was_offered ? refused(fault, "the offer of channel binding was taken away")
				   : SCRAM_GOOD;
	}
	if (!take_attribute(in, 'p', &type) || !is_plus)
		return malformed(fault, "malformed channel binding");
	if (slice_equal(type, SLICE("tls-exporter")))
		*data = exporter;
	else if (slice_equal(type, SLICE("tls-server-end-point")))
		*data = end_point;
	return data->len > 0 ? SCRAM_GOOD
			     : refused(fault, "a type of channel binding that is not to be had");
}

/* What "c=" has to say later: the GS2 header and the channel's binding. */
static bool expect_binding(struct scram *s, struct slice gs2_header, struct slice data)
{
	struct buf plain = buf_with_limit(GS2_MAX + AUTH_BINDING_MAX);
	bool good = buf_append_slice(&plain, gs2_header) && buf_append_slice(&plain, data) &&
		    base64_encode(buf_slice(&plain), &s->binding);

	buf_wipe(&plain);
	return good;
}

/* client-first-message-bare */
static enum scram_status take_first_bare(struct scram *s, struct cursor *in, const char **fault)
{
	struct slice bare = cursor_rest(in), name, nonce;

	if (cursor_peek(in) == 'm')
		return refused(fault, "an extension that is not known");
	if (!take_attribute(in, 'n', &name) || !decode_name(name, s->name))
		return malformed(fault, "malformed name");
	if (!cursor_accept(in, ',') || !take_attribute(in, 'r', &nonce) || !is_nonce(nonce) ||
	    nonce.len > SCRAM_NONCE_MAX)
		return malformed(fault, "malformed nonce");
	if (!skip_extensions(in))
		return malformed(fault, "malformed extensions");
	if (!buf_append_slice(&s->nonce, nonce) || !buf_append_slice(&s->auth_message, bare))
		return malformed(fault, "too long");
	return SCRAM_GOOD;
}

enum scram_status scram_client_first(struct scram *s, struct slice message, bool is_plus,
    struct slice exporter, struct slice end_point, const char **fault)
{
	struct cursor in = cursor_over(message);
	const char *start = in.at;
	struct slice data, authorize;
	enum scram_status status = take_binding(&in, is_plus, exporter, end_point, &data, fault);

	if (status == SCRAM_MALFORMED)
		return status;
	if (!cursor_accept(&in, ',') ||
	    (cursor_peek(&in) != ',' &&
		(!take_attribute(&in, 'a', &authorize) || !decode_name(authorize, s->authorize))) ||
	    !cursor_accept(&in, ','))
		return malformed(fault, "malformed authorization identity");
	if (status == SCRAM_REFUSED) {
		const char *other;

		/* The log wants the name all the same. */
		take_first_bare(s, &in, &other);
		return status;
	}
	if (!expect_binding(s, cursor_since(&in, start), data))
		return malformed(fault, "too long");
	return take_first_bare(s, &in, fault);
}

bool scram_server_first(
    struct scram *s, const struct credential *credential, const uint8_t *random, struct buf *out)
{
	size_t start = out->len;

	s->credential = *credential;
	base64_encode(slice_of(random, SCRAM_NONCE_OCTETS), &s->nonce);
	buf_printf(out, "r=%.*s,s=", SLICE_PRINTF(buf_slice(&s->nonce)));
	base64_encode(slice_of(credential->scram.salt, credential->scram.salt_len), out);
	buf_printf(out, ",i=%u", credential->scram.iterations);
	buf_append_octet(&s->auth_message, ',');
	buf_append_slice(&s->auth_message, slice_from(buf_slice(out), start));
	return !out->overflowed && !s->nonce.overflowed && !s->auth_message.overflowed;
}

/* --- the final messages --------------------------------------------------------------------- */

static bool decode_proof(struct slice encoded, uint8_t proof[SCRAM_KEY])
{
	struct buf decoded = buf_with_limit(SCRAM_KEY + 3);
	bool good = base64_decode(encoded, &decoded) && decoded.len == SCRAM_KEY;

	if (good)
		memcpy(proof, decoded.data, SCRAM_KEY);
	buf_wipe(&decoded);
	return good;
}

enum scram_status scram_client_final(struct scram *s, struct slice message, const char **fault)
{
	ssize_t last = slice_find_last(message, ',');
	struct slice rest = last == -1 ? message : slice_part(message, 0, (size_t)last);
	struct cursor in = cursor_over(rest), end;
	struct slice binding, nonce, proof;

	if (last == -1)
		return malformed(fault, "malformed final message");
	end = cursor_over(slice_from(message, (size_t)last + 1));
	if (!take_attribute(&end, 'p', &proof) || !cursor_done(&end) ||
	    !decode_proof(proof, s->proof))
		return malformed(fault, "malformed proof");
	if (!take_attribute(&in, 'c', &binding) || !cursor_accept(&in, ',') ||
	    !take_attribute(&in, 'r', &nonce) || !is_nonce(nonce) || !skip_extensions(&in))
		return malformed(fault, "malformed final message");
	if (!slice_equal(binding, buf_slice(&s->binding)))
		return refused(fault, "the channel binding is another channel's");
	if (!slice_equal(nonce, buf_slice(&s->nonce)))
		return refused(fault, "the nonce is another conversation's");
	if (!buf_append_octet(&s->auth_message, ',') || !buf_append_slice(&s->auth_message, rest))
		return malformed(fault, "too long");
	return SCRAM_GOOD;
}

bool scram_verify(const struct scram *s, struct buf *out)
{
	struct slice text = buf_slice(&s->auth_message);
	uint8_t client_key[SCRAM_KEY], stored_key[SCRAM_KEY], signature[SCRAM_KEY];
	bool right;

	/* ClientKey = ClientProof XOR ClientSignature */
	scram_hmac(s->credential.scram.stored_key, text, signature);
	for (size_t i = 0; i < SCRAM_KEY; i++)
		client_key[i] = s->proof[i] ^ signature[i];
	SHA256(client_key, sizeof client_key, stored_key);
	right = CRYPTO_memcmp(stored_key, s->credential.scram.stored_key, SCRAM_KEY) == 0;
	scram_hmac(s->credential.scram.server_key, text, signature);
	if (right) {
		buf_append_string(out, "v=");
		base64_encode(slice_of(signature, sizeof signature), out);
	}
	explicit_bzero(client_key, sizeof client_key);
	explicit_bzero(signature, sizeof signature);
	return right && !out->overflowed;
}
