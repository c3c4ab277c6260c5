/*
 * external.c - EXTERNAL: a login by a client's certificate.
 */
#include "auth/external.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth/attempt_private.h"
#include "auth/beacons.h"
#include "auth/file.h"
#include "auth/proof.h"
#include "common/clock.h"
#include "common/io.h"
#include "common/log.h"
#include "common/process.h"

enum {
	OWN_MAX = 4096,              /* certificates of this host */
	NAMED_MAX = 16,              /* accounts of one certificate */
	CERTIFICATE_MAX = 32 * 1024, /* octets of one of a client's */
};

static struct beacons *beacons;
static struct authorities *authorities;
static struct event *minute;

/* Certificates of this host, and those that it showed before. */
static struct own {
	uint8_t (*digests)[CERTIFICATE_DIGEST];
	size_t count;
} own, own_before;

/* --- beacons ------------------------------------------------------------------------------ */

static void send_beacon(struct channel *front, void *beacon)
{
	write_slice(channel_begin(front, AUTH_BEACON, 0), slice_of(beacon, TLS_BEACON));
	channel_end(front);
}

/* A copy of the current one, where there is use for it. */
static bool take_beacon(uint8_t out[TLS_BEACON])
{
	const uint8_t *current = settings->tls.client_authorities == NULL || authorities == NULL
				     ? NULL
				     : beacons_current(beacons, clock_monotonic_us());

	if (current != NULL)
		memcpy(out, current, TLS_BEACON);
	return current != NULL;
}

void external_opened(struct channel *front)
{
	uint8_t beacon[TLS_BEACON];

	if (take_beacon(beacon))
		send_beacon(front, beacon);
}

static void send_beacons(void)
{
	uint8_t beacon[TLS_BEACON];

	if (!take_beacon(beacon))
		return;
	process_each_peer(ROLE_SMTPD, send_beacon, beacon);
	process_each_peer(ROLE_IMAPD, send_beacon, beacon);
	process_each_peer(ROLE_POP3D, send_beacon, beacon);
}

static void on_minute(evutil_socket_t fd, short what, void *context)
{
	(void)fd, (void)what, (void)context;
	send_beacons();
}

bool external_start(struct event_base *base)
{
	const struct timeval wait = {BEACON_SECONDS, 0};

	beacons = beacons_new();
	minute = event_new(base, -1, EV_PERSIST, on_minute, NULL);
	return beacons != NULL && minute != NULL && event_add(minute, &wait) == 0;
}

void external_stop(void)
{
	event_free(minute);
	beacons_free(beacons);
	authorities_free(authorities);
	authorities = NULL;
	free(own.digests);
	free(own_before.digests);
	own = own_before = (struct own){.count = 0};
}

/* --- files ---------------------------------------------------------------------------------- */

void external_take_authorities(const char *name, int descriptor)
{
	struct authorities *fresh = authorities_read(name, descriptor);

	if (fresh == NULL)
		return;
	authorities_free(authorities);
	authorities = fresh;
	send_beacons();
}

/* The digest of the first certificate of a chain; false where there is none. */
static bool digest_first(struct slice pem, uint8_t digest[CERTIFICATE_DIGEST])
{
	BIO *in = pem.len > 0 ? BIO_new_mem_buf(pem.data, (int)pem.len) : NULL;
	X509 *first = in == NULL ? NULL : PEM_read_bio_X509(in, NULL, NULL, NULL);
	bool digested = first != NULL && X509_digest(first, EVP_sha256(), digest, NULL) == 1;

	X509_free(first);
	BIO_free(in);
	ERR_clear_error();
	return digested;
}

bool external_take_certificates(const struct message *m)
{
	struct reader r = message_reader(m);
	struct own fresh = {.count = 0};
	uint32_t left = read_u32(&r);

	if (left > OWN_MAX)
		return false;
	if (left > 0 && (fresh.digests = calloc(left, sizeof *fresh.digests)) == NULL) {
		log_error("cannot-use-certificates", log_string("reason", "no memory"));
		return true;
	}
	for (; left > 0; left--) {
		struct control_certificate certificate;

		if (!control_certificate_read(&r, &certificate)) {
			free(fresh.digests);
			return false;
		}
		fresh.count += digest_first(certificate.chain, fresh.digests[fresh.count]);
	}
	free(own_before.digests);
	own_before = own;
	own = fresh;
	return reader_finished(&r);
}

void external_reload(void)
{
	send_beacons();
}

static bool is_among(const struct own *set, const uint8_t digest[CERTIFICATE_DIGEST])
{
	for (size_t i = 0; i < set->count; i++)
		if (memcmp(set->digests[i], digest, CERTIFICATE_DIGEST) == 0)
			return true;
	return false;
}

/* Connections from before the last change are there still. */
static bool is_own(struct slice certificate)
{
	uint8_t digest[EVP_MAX_MD_SIZE];

	if (EVP_Digest(certificate.data, certificate.len, digest, NULL, EVP_sha256(), NULL) != 1)
		return false;
	return is_among(&own, digest) || is_among(&own_before, digest);
}

/* --- whose it is ------------------------------------------------------------------------------ */

struct named {
	char accounts[NAMED_MAX][CREDENTIALS_ACCOUNT_MAX + 1];
	size_t count;
};

static void add_account(const char *account, void *context)
{
	struct named *named = context;

	for (size_t i = 0; i < named->count; i++)
		if (strcmp(named->accounts[i], account) == 0)
			return;
	if (named->count < NAMED_MAX)
		slice_copy(slice_string(account), named->accounts[named->count++],
		    sizeof named->accounts[0]);
}

static void add_listed(X509 *leaf, struct named *named)
{
	const struct certificates *listed = file_certificates();
	uint8_t digest[EVP_MAX_MD_SIZE];
	unsigned char *key = NULL;
	unsigned len = sizeof digest;
	int key_len;

	if (listed == NULL)
		return;
	if (X509_digest(leaf, EVP_sha256(), digest, &len) == 1)
		certificates_find(listed, CERTIFICATE_WHOLE, digest, add_account, named);
	key_len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &key);
	if (key_len > 0 && EVP_Digest(key, (size_t)key_len, digest, &len, EVP_sha256(), NULL) == 1)
		certificates_find(listed, CERTIFICATE_KEY, digest, add_account, named);
	OPENSSL_free(key);
}

/* Its mail addresses (RFC 5280, 4.2.1.6: rfc822Name). */
static void add_addresses(X509 *leaf, struct named *named)
{
	GENERAL_NAMES *names = X509_get_ext_d2i(leaf, NID_subject_alt_name, NULL, NULL);
	char account[CREDENTIALS_ACCOUNT_MAX + 1];

	for (int i = 0; i < sk_GENERAL_NAME_num(names); i++) {
		const GENERAL_NAME *name = sk_GENERAL_NAME_value(names, i);
		struct slice address;

		if (name->type != GEN_EMAIL)
			continue;
		address = slice_of(ASN1_STRING_get0_data(name->d.rfc822Name),
		    (size_t)ASN1_STRING_length(name->d.rfc822Name));
		if (credentials_canonical(address, account))
			add_account(account, named);
	}
	GENERAL_NAMES_free(names);
}

/* NULL, or why it cannot be told. */
static const char *find_account(X509 *leaf, struct slice authorize, struct slice *account)
{
	static struct named named;

	named.count = 0;
	add_listed(leaf, &named);
	if (settings->auth.certificates == CERTIFICATES_NAMED)
		add_addresses(leaf, &named);
	if (named.count == 0)
		return "the certificate is nobody's";
	if (authorize.len > 0) {
		/* attempt_identify() looks whether it is an account's name at all. */
		for (size_t i = 0; i < named.count; i++)
			if (attempt_names(authorize, named.accounts[i])) {
				*account = slice_string(named.accounts[i]);
				return NULL;
			}
		return "the certificate is not that account's";
	}
	if (named.count > 1)
		return "the certificate is several accounts', and the client has named none";
	*account = slice_string(named.accounts[0]);
	return NULL;
}

/* --- what is proved ----------------------------------------------------------------------------- */

static X509 *parse_certificate(struct slice der)
{
	const unsigned char *at = (const unsigned char *)der.data;
	X509 *certificate = der.len > CERTIFICATE_MAX ? NULL : d2i_X509(NULL, &at, (long)der.len);

	if (certificate == NULL || at == (const unsigned char *)der.data + der.len)
		return certificate;
	X509_free(certificate);
	return NULL;
}

/* NULL where one is malformed. */
static STACK_OF(X509) * parse_chain(const struct proof *proof)
{
	STACK_OF(X509) *chain = sk_X509_new_null();

	for (size_t i = 0; chain != NULL && i < proof->chain_len; i++) {
		X509 *certificate = parse_certificate(proof->chain[i]);

		if (certificate == NULL || sk_X509_push(chain, certificate) <= 0) {
			X509_free(certificate);
			sk_X509_pop_free(chain, X509_free);
			return NULL;
		}
	}
	return chain;
}

/* NULL, or why it proves nothing. */
static const char *judge(const struct proof *proof, STACK_OF(X509) * chain, struct slice verify)
{
	X509 *leaf = sk_X509_value(chain, 0);
	const char *fault;

	if (!is_own(proof->server))
		return "the client was shown another host's certificate";
	if (!proof_is_signed(proof, leaf, verify))
		return "the signature is wrong";
	if (authorities == NULL)
		return "no authorities";
	if (!authorities_certify(authorities, leaf, chain, &fault))
		return fault;
	switch (beacons_use(
	    beacons, proof->beacon, slice_of(proof->hash, proof->hash_len), clock_monotonic_us())) {
	case BEACON_FRESH:
		return NULL;
	case BEACON_USED:
		return "the handshake has logged somebody in before";
	case BEACON_UNKNOWN:
		return "the handshake is too old";
	}
	return "out of memory";
}

static void go_on(struct attempt *a, const struct auth_question *question,
    const struct proof *proof, STACK_OF(X509) * chain)
{
	const struct credentials *credentials = attempt_credentials(a);
	const char *fault = judge(proof, chain, question->verify);
	struct slice account = slice_of(NULL, 0);
	struct credential ignored;

	if (fault == NULL)
		fault = find_account(sk_X509_value(chain, 0), question->authorize, &account);
	if (fault != NULL) {
		/* Who it was meant for, for the log and the throttle. */
		slice_copy(slice_part(question->authorize, 0, sizeof a->account - 1), a->account,
		    sizeof a->account);
		attempt_refuse(a, fault);
	} else if (credentials == NULL) {
		attempt_answer(a, AUTH_TEMPORARY);
	} else if (attempt_identify(a, account, question->authorize)) {
		if (credentials_find(credentials, slice_string(a->account), &ignored))
			attempt_succeed(a);
		else
			attempt_refuse(a, "no such account");
		explicit_bzero(&ignored, sizeof ignored);
	}
}

void external_begin(struct channel *channel, uint32_t request, const struct auth_question *question)
{
	struct attempt *a = attempt_new(channel, request, question);
	STACK_OF(X509) *chain = NULL;
	struct proof proof;
	const char *fault;

	if (a == NULL) {
		auth_reply(channel, request, &(struct auth_result){.verdict = AUTH_TEMPORARY});
		return;
	}
	if (!proof_read(question->transcript, &proof, &fault))
		attempt_refuse(a, fault);
	else if ((chain = parse_chain(&proof)) == NULL)
		attempt_refuse(a, "a certificate is malformed");
	else
		go_on(a, question, &proof, chain);
	sk_X509_pop_free(chain, X509_free);
	ERR_clear_error();
}
