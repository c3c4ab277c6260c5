/*
 * stream_tls.c - the TLS side of a stream.
 *
 * OpenSSL reads from the socket by itself but writes into an evbuffer, the wire:
 * however many records a turn of the event loop makes, they leave in one write.
 * A server's handshake runs as an ASYNC job that is suspended while the process
 * `keys` signs; once it is over, the connection needs no jobs any more.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/network.h"
#include "common/stream_private.h"
#include "common/tls_private.h"

enum { WIRE_FULL = 64 * 1024 }; /* octets of records beyond which no more are made */

/* --- OpenSSL's view of the socket ------------------------------------------- */

static int wire_write(BIO *bio, const char *data, size_t len, size_t *written)
{
	struct stream *s = BIO_get_data(bio);

	BIO_clear_retry_flags(bio);
	if (evbuffer_add(s->tls->wire, data, len) != 0)
		return 0;
	*written = len;
	return 1;
}

static int wire_read(BIO *bio, char *data, size_t len, size_t *got)
{
	struct stream *s = BIO_get_data(bio);
	ssize_t n;

	BIO_clear_retry_flags(bio);
	do
		n = recv(s->fd, data, len, MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n > 0) {
		*got = (size_t)n;
		return 1;
	}
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		BIO_set_retry_read(bio);
	else if (n < 0)
		s->error = errno;
	else
		BIO_set_flags(bio, BIO_FLAGS_IN_EOF);
	return 0;
}

static long wire_control(BIO *bio, int command, long number, void *pointer)
{
	(void)number;
	(void)pointer;
	switch (command) {
	case BIO_CTRL_FLUSH:
		return 1;
	case BIO_CTRL_EOF:
		return BIO_test_flags(bio, BIO_FLAGS_IN_EOF) != 0;
	default:
		return 0;
	}
}

static BIO_METHOD *wire_method(void)
{
	static BIO_METHOD *method;

	if (method != NULL)
		return method;
	method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "stream");
	if (method == NULL)
		return NULL;
	BIO_meth_set_write_ex(method, wire_write);
	BIO_meth_set_read_ex(method, wire_read);
	BIO_meth_set_ctrl(method, wire_control);
	return method;
}

/* --- beginning ----------------------------------------------------------------- */

void stream_tls_free(struct stream_tls *tls)
{
	if (tls == NULL)
		return;
	if (tls->suspended) {
		/*
		 * A suspended job holds its stack and what OpenSSL allocated on the
		 * way: it is wound up by resuming it with the order to fail.
		 */
		tls_provider_abandon(true);
		SSL_do_handshake(tls->ssl);
		tls_provider_abandon(false);
		ERR_clear_error();
	}
	SSL_free(tls->ssl);
	tls_witness_free(tls->witness);
	evbuffer_free(tls->wire);
	free(tls);
}

/* The signature is there: called by tls_signed through OpenSSL. */
static int on_signature(SSL *ssl, void *context)
{
	struct stream *s = context;

	(void)ssl;
	stream_soon(s, SOON_HANDSHAKE);
	return 1;
}

static struct stream_tls *tls_new(struct stream *s, SSL_CTX *context)
{
	struct stream_tls *tls = calloc(1, sizeof *tls);
	BIO *bio = NULL;

	if (tls == NULL)
		return NULL;
	tls->wire = evbuffer_new();
	tls->ssl = SSL_new(context);
	if (wire_method() != NULL)
		bio = BIO_new(wire_method());
	if (tls->wire == NULL || tls->ssl == NULL || bio == NULL) {
		BIO_free(bio);
		SSL_free(tls->ssl);
		if (tls->wire != NULL)
			evbuffer_free(tls->wire);
		free(tls);
		return NULL;
	}
	BIO_set_data(bio, s);
	BIO_set_init(bio, 1);
	SSL_set_bio(tls->ssl, bio, bio);
	return tls;
}

/* What was said in the clear is over; see stream.h. */
static void start(struct stream *s, struct stream_tls *tls)
{
	evbuffer_drain(s->input, evbuffer_get_length(s->input));
	tls->phase = TLS_WAITING;
	tls->plain_left = evbuffer_get_length(s->output);
	s->tls = tls;
	s->phase_us = 0;
	if (s->limits.handshake_seconds != 0)
		s->phase_us =
		    clock_monotonic_us() + (uint64_t)s->limits.handshake_seconds * 1000000;
	stream_soon(s, SOON_FLUSH);
	stream_settle(s);
}

bool stream_start_tls_server(struct stream *s, struct tls_server *server)
{
	struct stream_tls *tls;

	if (s->tls != NULL || s->phase != PHASE_OPEN)
		return false;
	tls = tls_new(s, server->context);
	if (tls == NULL)
		return false;
	SSL_set_accept_state(tls->ssl);
	SSL_set_mode(tls->ssl, SSL_MODE_ASYNC);
	SSL_set_async_callback(tls->ssl, on_signature);
	SSL_set_async_callback_arg(tls->ssl, s);
	start(s, tls);
	return true;
}

bool stream_start_tls_client(
    struct stream *s, struct tls_client *client, const char *name, enum tls_verify verify)
{
	struct host_address address;
	struct stream_tls *tls;
	bool is_address;

	if (s->tls != NULL || s->phase != PHASE_OPEN || (verify == TLS_VERIFY_NAME && name == NULL))
		return false;
	tls = tls_new(s, client->context);
	if (tls == NULL)
		return false;
	SSL_set_connect_state(tls->ssl);
	/* RFC 6066, 3: an address is no name of a host. */
	is_address = name != NULL && host_address_parse(slice_string(name), &address);
	if (name != NULL && !is_address && SSL_set_tlsext_host_name(tls->ssl, name) != 1)
		goto failed;
	if (verify == TLS_VERIFY_NAME) {
		SSL_set_hostflags(tls->ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		if ((is_address ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(tls->ssl), name)
				: SSL_set1_host(tls->ssl, name)) != 1)
			goto failed;
		SSL_set_verify(tls->ssl, SSL_VERIFY_PEER, NULL);
		SSL_set_security_level(tls->ssl, 2); /* what is checked had better be worth it */
		tls->verify = true;
	}
	start(s, tls);
	return true;
failed:
	ERR_clear_error();
	stream_tls_free(tls);
	return false;
}

/* --- going on ----------------------------------------------------------------- */

/*
 * Why it failed, in OpenSSL's words: they come from its own table of reasons, so
 * nothing that the peer sent gets into the log.  The first in the queue is the
 * cause; "EVP lib" and the like only say which way it came.
 */
static const char *first_reason(void)
{
	unsigned long code;

	while ((code = ERR_get_error()) != 0)
		if (!ERR_SYSTEM_ERROR(code) && !ERR_COMMON_ERROR(code))
			return ERR_reason_error_string(code);
	return NULL;
}

static void failed(struct stream *s, const char *otherwise)
{
	const char *reason = first_reason();
	long verdict = SSL_get_verify_result(s->tls->ssl);

	if (s->tls->verify && verdict != X509_V_OK)
		reason = X509_verify_cert_error_string(verdict);
	if (s->error != 0)
		stream_fail(s, STREAM_FAILED, s->error, "the connection was lost under TLS");
	else
		stream_fail(s, STREAM_TLS_FAILED, 0, reason != NULL ? reason : otherwise);
	ERR_clear_error();
}

/* Give the wire to the socket, and wait for room where it is full. */
static enum stream_step send_wire(struct stream *s)
{
	return stream_send(s, s->tls->wire, evbuffer_get_length(s->tls->wire));
}

void stream_tls_look_ahead(struct stream_tls *tls)
{
	tls->reads_ahead = SSL_has_pending(tls->ssl) == 1;
}

enum stream_step stream_tls_shake(struct stream *s)
{
	struct stream_tls *tls = s->tls;
	int done, why;

	ERR_clear_error();
	done = SSL_do_handshake(tls->ssl);
	why = SSL_get_error(tls->ssl, done);
	/* Alerts, too, are worth sending. */
	if (evbuffer_get_length(tls->wire) > 0)
		stream_soon(s, SOON_FLUSH);
	if (done == 1) {
		/* Nothing is signed after the handshake, so no job is needed. */
		SSL_clear_mode(tls->ssl, SSL_MODE_ASYNC);
		tls->phase = TLS_SECURED;
		stream_tls_look_ahead(tls);
		tls_witness_finish(tls);
		return STEP_DONE;
	}
	switch (why) {
	case SSL_ERROR_WANT_READ:
		return STEP_WAIT;
	case SSL_ERROR_WANT_ASYNC:
		tls->suspended = true;
		return STEP_WAIT;
	case SSL_ERROR_WANT_ASYNC_JOB:
		tls->starved = true;
		return STEP_WAIT;
	default:
		failed(s, "the peer ended the connection within the TLS handshake");
		send_wire(s);
		return STEP_FAILED;
	}
}

enum stream_step stream_tls_read(struct stream *s)
{
	int n, why;

	ERR_clear_error();
	n = SSL_read(s->tls->ssl, stream_scratch, STREAM_SCRATCH);
	if (evbuffer_get_length(s->tls->wire) > 0)
		stream_soon(s, SOON_FLUSH);
	if (n > 0) {
		int added = evbuffer_add(s->input, stream_scratch, (size_t)n);

		explicit_bzero(stream_scratch, (size_t)n);
		if (added == 0)
			return STEP_DONE;
		stream_fail(s, STREAM_FAILED, ENOMEM, "no memory for input");
		return STEP_FAILED;
	}
	why = SSL_get_error(s->tls->ssl, n);
	if (why == SSL_ERROR_WANT_READ)
		return STEP_WAIT;
	if (why == SSL_ERROR_ZERO_RETURN)
		return STEP_END;
	failed(s, "the peer broke the TLS protocol");
	send_wire(s);
	return STEP_FAILED;
}

/*
 * One record from the front of the output.  It is gathered first: many small
 * replies make one record, not one each.
 */
static enum stream_step encrypt(struct stream *s)
{
	ev_ssize_t len = evbuffer_copyout(s->output, stream_scratch, STREAM_SCRATCH);
	int n;

	ERR_clear_error();
	n = SSL_write(s->tls->ssl, stream_scratch, (int)len);
	explicit_bzero(stream_scratch, (size_t)len);
	if (n <= 0) {
		failed(s, "TLS could not send");
		return STEP_FAILED;
	}
	evbuffer_drain(s->output, (size_t)n);
	return STEP_DONE;
}

enum stream_step stream_tls_flush(struct stream *s)
{
	enum stream_step step;

	do {
		while (evbuffer_get_length(s->output) > 0 &&
		       evbuffer_get_length(s->tls->wire) < WIRE_FULL)
			if (encrypt(s) != STEP_DONE)
				return STEP_FAILED;
		/* The last record and the end leave in one write. */
		if (s->phase == PHASE_CLOSING && !s->tls->notified &&
		    evbuffer_get_length(s->output) == 0)
			stream_tls_notify(s);
		step = send_wire(s);
	} while (step == STEP_DONE && evbuffer_get_length(s->output) > 0);
	return step;
}

void stream_tls_notify(struct stream *s)
{
	s->tls->notified = true;
	ERR_clear_error();
	SSL_shutdown(s->tls->ssl);
	ERR_clear_error();
}

/* --- asking ---------------------------------------------------------------------- */

bool stream_is_secured(const struct stream *s)
{
	return s->tls != NULL && s->tls->phase == TLS_SECURED;
}

void stream_tls_facts(const struct stream *s, struct tls_facts *facts)
{
	const SSL *ssl;

	*facts = (struct tls_facts){.protocol = "none", .cipher = "none"};
	if (!stream_is_secured(s))
		return;
	ssl = s->tls->ssl;
	facts->protocol = SSL_get_version(ssl);
	facts->cipher = SSL_get_cipher_name(ssl);
	facts->bits = SSL_get_cipher_bits(ssl, NULL);
	facts->resumed = SSL_session_reused(ssl) == 1;
	facts->verified = s->tls->verify && SSL_get_verify_result(ssl) == X509_V_OK &&
			  SSL_get0_peer_certificate(ssl) != NULL;
	facts->server_name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
}

bool stream_tls_export(const struct stream *s, const char *label, void *out, size_t len)
{
	SSL *ssl;

	if (!stream_is_secured(s))
		return false;
	ssl = s->tls->ssl;
	/* Without the extended master secret an exporter does not bind to this channel. */
	if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1)
		return false;
	return SSL_export_keying_material(ssl, out, len, label, strlen(label), NULL, 0, 0) == 1;
}

size_t tls_end_point(const SSL *ssl, uint8_t out[TLS_BINDING_MAX])
{
	X509 *certificate =
	    SSL_is_server(ssl) ? SSL_get_certificate(ssl) : SSL_get0_peer_certificate(ssl);
	unsigned len = TLS_BINDING_MAX;
	int digest = NID_undef;

	if (certificate == NULL ||
	    X509_get_signature_info(certificate, &digest, NULL, NULL, NULL) != 1 ||
	    digest == NID_undef)
		return 0;
	if (digest == NID_md5 || digest == NID_sha1)
		digest = NID_sha256;
	return X509_digest(certificate, EVP_get_digestbynid(digest), out, &len) == 1 ? len : 0;
}

void stream_tls_bindings(const struct stream *s, struct tls_bindings *bindings)
{
	enum { EXPORTER_LEN = 32 };

	*bindings = (struct tls_bindings){0};
	if (!stream_is_secured(s))
		return;
	if (stream_tls_export(s, "EXPORTER-Channel-Binding", bindings->exporter, EXPORTER_LEN))
		bindings->exporter_len = EXPORTER_LEN;
	if (SSL_is_server(s->tls->ssl) && SSL_session_reused(s->tls->ssl) == 1)
		bindings->end_point_len =
		    tls_tickets_end_point(s->tls->ssl, bindings->end_point);
	else
		bindings->end_point_len = tls_end_point(s->tls->ssl, bindings->end_point);
}
