/*
 * tls_witness.c - asking a client for its certificate, and keeping what it signed.
 *
 * A certificate that is not good for anything does not end the handshake: the
 * client may have a password, too.
 */
#include "common/tls_witness.h"

#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "common/stream_private.h"
#include "common/tls_private.h"

struct tls_witness {
	struct authorities *authorities;
	struct buf transcript;
	struct buf verify;
	bool is_complete; /* the client's CertificateVerify was seen */
	bool is_certified;
	uint8_t beacon[TLS_BEACON];
	struct tls_shown shown;
};

static int witness_index(void)
{
	static int number = -1;

	if (number == -1)
		number = SSL_get_ex_new_index(0, NULL, NULL, NULL, NULL);
	return number;
}

static struct tls_witness *witness_of(const SSL *ssl)
{
	return SSL_get_ex_data(ssl, witness_index());
}

/* --- the beacon --------------------------------------------------------------------- */

static int add_beacon(SSL *ssl, unsigned type, unsigned context, const unsigned char **out,
    size_t *len, X509 *certificate, size_t place, int *alert, void *argument)
{
	struct tls_witness *w = witness_of(ssl);

	(void)type, (void)context, (void)certificate, (void)place, (void)alert, (void)argument;
	if (w == NULL)
		return 0;
	*out = w->beacon;
	*len = sizeof w->beacon;
	return 1;
}

bool tls_witness_prepare(SSL_CTX *context)
{
	return witness_index() != -1 &&
	       SSL_CTX_add_custom_ext(context, TLS_BEACON_EXTENSION,
		   SSL_EXT_TLS1_3_CERTIFICATE_REQUEST, add_beacon, NULL, NULL, NULL, NULL) == 1;
}

/* --- the handshake -------------------------------------------------------------------- */

enum { MESSAGE_HEAD = 4 }; /* type and length */

static void on_message(
    int is_ours, int version, int type, const void *data, size_t len, SSL *ssl, void *context)
{
	struct tls_witness *w = context;
	struct slice message = slice_of(data, len);

	(void)version, (void)ssl;
	if (type != SSL3_RT_HANDSHAKE || w->is_complete || len < MESSAGE_HEAD)
		return;
	if (!is_ours && message.data[0] == SSL3_MT_CERTIFICATE_VERIFY) {
		buf_append_slice(&w->verify, slice_from(message, MESSAGE_HEAD));
		w->is_complete = true;
	} else {
		buf_append_slice(&w->transcript, message);
	}
}

/* Whether it is any good is found out afterwards, under authorities that are ours. */
static int on_certificate(int good, X509_STORE_CTX *context)
{
	SSL *ssl = X509_STORE_CTX_get_ex_data(context, SSL_get_ex_data_X509_STORE_CTX_idx());

	(void)good;
	/* A session that is resumed has nothing signed in it: it is not to be. */
	SSL_set_num_tickets(ssl, 0);
	return 1;
}

bool stream_ask_certificate(
    struct stream *s, struct authorities *authorities, const uint8_t beacon[TLS_BEACON])
{
	struct tls_witness *w = calloc(1, sizeof *w);
	STACK_OF(X509_NAME) *names = authorities_names(authorities);
	SSL *ssl = s->tls->ssl;

	if (w == NULL || names == NULL || SSL_set_ex_data(ssl, witness_index(), w) != 1) {
		sk_X509_NAME_pop_free(names, X509_NAME_free);
		free(w);
		return false;
	}
	w->authorities = authorities_keep(authorities);
	w->transcript = buf_with_limit(TLS_TRANSCRIPT_MAX);
	w->verify = buf_with_limit(TLS_SIGNATURE_MAX);
	memcpy(w->beacon, beacon, sizeof w->beacon);
	s->tls->witness = w;
	SSL_set0_CA_list(ssl, names);
	SSL_set_verify(ssl, SSL_VERIFY_PEER, on_certificate);
	SSL_set_verify_depth(ssl, AUTHORITIES_CHAIN_MAX);
	SSL_set_max_cert_list(ssl, TLS_SHOWN_MAX);
	SSL_set_msg_callback(ssl, on_message);
	SSL_set_msg_callback_arg(ssl, w);
	return true;
}

/* --- afterwards ------------------------------------------------------------------------- */

static void forget_transcript(struct tls_witness *w)
{
	buf_free(&w->transcript);
	buf_free(&w->verify);
	w->is_certified = false;
}

static bool is_proof(const struct tls_witness *w, const SSL *ssl, const char **fault)
{
	*fault = "TLS 1.3 is needed to log in by a certificate";
	if (SSL_version(ssl) < TLS1_3_VERSION)
		return false;
	*fault = "the handshake was too large";
	return w->is_complete && !w->transcript.overflowed && !w->verify.overflowed;
}

static void look(struct tls_witness *w, SSL *ssl)
{
	X509 *leaf = SSL_get0_peer_certificate(ssl);
	unsigned len = sizeof w->shown.digest;

	w->shown.certificate =
	    leaf != NULL && X509_digest(leaf, EVP_sha256(), w->shown.digest, &len) == 1;
	w->is_certified = w->shown.certificate && is_proof(w, ssl, &w->shown.fault) &&
			  authorities_certify(
			      w->authorities, leaf, SSL_get_peer_cert_chain(ssl), &w->shown.fault);
	if (w->is_certified)
		w->shown.fault = NULL;
	else
		forget_transcript(w);
}

void tls_witness_finish(struct stream_tls *tls)
{
	if (tls->witness == NULL)
		return;
	SSL_set_msg_callback(tls->ssl, NULL);
	look(tls->witness, tls->ssl);
	authorities_free(tls->witness->authorities);
	tls->witness->authorities = NULL;
}

void tls_witness_free(struct tls_witness *w)
{
	if (w == NULL)
		return;
	forget_transcript(w);
	authorities_free(w->authorities);
	free(w);
}

void stream_client_shown(const struct stream *s, struct tls_shown *shown)
{
	*shown = (struct tls_shown){0};
	if (stream_is_secured(s) && s->tls->witness != NULL)
		*shown = s->tls->witness->shown;
}

bool stream_client_proof(const struct stream *s, struct tls_proof *proof)
{
	const struct tls_witness *w = stream_is_secured(s) ? s->tls->witness : NULL;

	*proof = (struct tls_proof){0};
	if (w == NULL || !w->is_certified)
		return false;
	*proof = (struct tls_proof){buf_slice(&w->transcript), buf_slice(&w->verify)};
	return true;
}

void stream_forget_proof(struct stream *s)
{
	if (s->tls != NULL && s->tls->witness != NULL)
		forget_transcript(s->tls->witness);
}
