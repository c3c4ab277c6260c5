/*
 * tls_certificate.c - what certificates say: chains in PEM, names, validity.
 */
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <time.h>

#include "common/tls_private.h"

enum { CHAIN_LENGTH_MAX = 16, HOST_MAX = 253 };

X509 *tls_next_certificate(BIO *in, struct buf *error)
{
	X509 *certificate = X509_new_ex(tls_library(), NULL);

	if (certificate == NULL) {
		tls_complain(error, "no memory");
		return NULL;
	}
	if (PEM_read_bio_X509(in, &certificate, NULL, NULL) != NULL)
		return certificate;
	/* PEM_read_bio_X509 keeps what it was given where it finds nothing. */
	X509_free(certificate);
	if (ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE)
		ERR_clear_error();
	else
		tls_complain(error, "malformed certificate");
	return NULL;
}

X509 *tls_parse_chain(struct slice pem, STACK_OF(X509) * rest, struct buf *error)
{
	BIO *in = pem.len > 0 && pem.len <= TLS_CHAIN_MAX
		      ? BIO_new_mem_buf(pem.data, (int)pem.len)
		      : NULL;
	X509 *first, *next;

	if (in == NULL) {
		buf_append_string(error, pem.len == 0 ? "empty file" : "too large");
		return NULL;
	}
	first = tls_next_certificate(in, error);
	if (first == NULL && error->len == 0)
		buf_append_string(error, "no certificate in PEM format");
	while (first != NULL && (next = tls_next_certificate(in, error)) != NULL) {
		if (sk_X509_num(rest) >= CHAIN_LENGTH_MAX || sk_X509_push(rest, next) <= 0) {
			X509_free(next);
			buf_append_string(error, "too many certificates in the chain");
			break;
		}
	}
	BIO_free(in);
	if (error->len == 0)
		return first;
	X509_free(first);
	return NULL;
}

/* --- names -------------------------------------------------------------------------- */

/* A host's name as certificates and clients write it: A-labels, and perhaps a wildcard in front. */
static bool is_plain(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		unsigned char octet = (unsigned char)name.data[i];

		if (!octet_is_alnum(octet) && octet != '-' && octet != '_' && octet != '.' &&
		    octet != '*')
			return false;
	}
	return name.len > 0 && name.len <= HOST_MAX;
}

void tls_names_of(const X509 *certificate, struct buf *names)
{
	GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);

	for (int i = 0; all != NULL && i < sk_GENERAL_NAME_num(all); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
		struct slice text;
		char *lower;

		if (name->type != GEN_DNS)
			continue;
		text = slice_of(ASN1_STRING_get0_data(name->d.dNSName),
		    (size_t)ASN1_STRING_length(name->d.dNSName));
		if (!is_plain(text) || (names->len > 0 && !buf_append_octet(names, ' ')))
			continue;
		lower = buf_extend(names, text.len);
		for (size_t n = 0; lower != NULL && n < text.len; n++)
			lower[n] = octet_lower(text.data[n]);
	}
	GENERAL_NAMES_free(all);
	ERR_clear_error();
}

/* RFC 9525, 6.3: the wildcard is the leftmost label, all of it, and stands for one label. */
static bool covers(struct slice name, struct slice host)
{
	ssize_t dot;

	if (!slice_starts_with(name, SLICE("*.")))
		return slice_equal_nocase(name, host);
	dot = slice_find(host, 0, '.');
	return name.len > 2 && dot > 0 &&
	       slice_equal_nocase(slice_from(name, 2), slice_from(host, (size_t)dot + 1));
}

bool tls_names_cover(struct slice names, struct slice host)
{
	struct cursor c = cursor_over(names);

	while (host.len > 0 && !cursor_done(&c)) {
		if (covers(cursor_take_until(&c, ' '), host))
			return true;
		cursor_skip(&c, 1);
	}
	return false;
}

/* --- the rest ------------------------------------------------------------------------- */

static bool seconds_of(const ASN1_TIME *when, uint64_t *seconds)
{
	struct tm tm;
	time_t t;

	if (ASN1_TIME_to_tm(when, &tm) != 1)
		return false;
	t = timegm(&tm);
	*seconds = t < 0 ? 0 : (uint64_t)t;
	return true;
}

bool tls_certificate_read(struct slice pem, struct tls_certificate *facts, struct buf *error)
{
	STACK_OF(X509) *rest = sk_X509_new_null();
	X509 *first = rest == NULL ? NULL : tls_parse_chain(pem, rest, error);
	bool read = first != NULL;

	*facts = (struct tls_certificate){.names = buf_with_limit(TLS_NAMES_MAX)};
	if (read && !tls_key_id(X509_get0_pubkey(first), facts->key))
		read = tls_complain(error, "unknown kind of key");
	if (read && (!seconds_of(X509_get0_notBefore(first), &facts->not_before) ||
			!seconds_of(X509_get0_notAfter(first), &facts->not_after)))
		read = tls_complain(error, "malformed time of validity");
	if (read)
		tls_names_of(first, &facts->names);
	X509_free(first);
	sk_X509_pop_free(rest, X509_free);
	return read;
}
