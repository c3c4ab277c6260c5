/*
 * pair.c - two streams with a socket between them, for tests.
 */
#include "tests/unit/tls/pair.h"

#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "common/clock.h"

static void on_readable(struct stream *s, void *context)
{
	struct side *side = context;

	cr_assert_not(side->in_call, "readable was called from within a call");
	cr_assert_eq(s, side->stream);
	side->readable++;
	if (side->on_readable != NULL)
		side->on_readable(side);
	if (side->free_at_read) {
		side->stream = NULL;
		stream_free(s);
	}
}

static void on_drained(struct stream *s, void *context)
{
	struct side *side = context;

	(void)s;
	cr_assert_not(side->in_call, "drained was called from within a call");
	side->drained++;
}

static void on_connected(struct stream *s, void *context)
{
	(void)s;
	((struct side *)context)->connected++;
}

static void on_secured(struct stream *s, void *context)
{
	(void)s;
	((struct side *)context)->secured++;
}

static void on_closed(struct stream *s, enum stream_end end, void *context)
{
	struct side *side = context;

	cr_assert_not(side->in_call, "closed was called from within a call");
	side->closed++;
	side->end = end;
	snprintf(side->error, sizeof side->error, "%s", stream_error(s));
	if (side->free_at_close) {
		side->stream = NULL;
		stream_free(s);
	}
}

const struct stream_handlers side_handlers = {
    .readable = on_readable,
    .drained = on_drained,
    .connected = on_connected,
    .secured = on_secured,
    .closed = on_closed,
};

void pair_open(struct pair *p)
{
	int sockets[2];

	*p = (struct pair){0};
	cr_assert(tls_init());
	p->base = event_base_new();
	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	p->server.stream = stream_new(p->base, sockets[0], &side_handlers, &p->server);
	p->client.stream = stream_new(p->base, sockets[1], &side_handlers, &p->client);
	cr_assert_not_null(p->server.stream);
	cr_assert_not_null(p->client.stream);
}

void pair_close(struct pair *p)
{
	stream_free(p->server.stream);
	stream_free(p->client.stream);
	event_base_free(p->base);
}

static void stop_loop(evutil_socket_t fd, short what, void *base)
{
	(void)fd;
	(void)what;
	event_base_loopbreak(base);
}

static void turn_for(struct pair *p, unsigned milliseconds)
{
	struct timeval tv = {milliseconds / 1000, (suseconds_t)(milliseconds % 1000) * 1000};
	struct event *event = evtimer_new(p->base, stop_loop, p->base);

	evtimer_add(event, &tv);
	event_base_loop(p->base, EVLOOP_ONCE);
	event_free(event);
}

void pair_run_until(struct pair *p, bool (*condition)(struct pair *))
{
	uint64_t last = clock_monotonic_us() + 5000000;

	while (!condition(p)) {
		cr_assert(clock_monotonic_us() < last, "waited in vain (server: %s, client: %s)",
		    p->server.error, p->client.error);
		turn_for(p, 50);
	}
}

void pair_run_for(struct pair *p, unsigned milliseconds)
{
	uint64_t last = clock_monotonic_us() + milliseconds * 1000;

	while (clock_monotonic_us() < last)
		turn_for(p, 10);
}

char *side_take(struct side *side)
{
	struct evbuffer *in = stream_input(side->stream);
	size_t len = evbuffer_get_length(in);
	char *text = calloc(1, len + 1);

	evbuffer_remove(in, text, len);
	return text;
}

bool both_secured(struct pair *p)
{
	return p->server.secured == 1 && p->client.secured == 1;
}

bool server_closed(struct pair *p)
{
	return p->server.closed > 0;
}

bool client_closed(struct pair *p)
{
	return p->client.closed > 0;
}

bool server_read(struct pair *p)
{
	return p->server.readable > 0;
}

bool client_read(struct pair *p)
{
	return p->client.readable > 0;
}

static EVP_PKEY *make_key(const char *kind)
{
	if (strcmp(kind, "RSA") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048);
	if (strcmp(kind, "EC") == 0)
		return EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	return EVP_PKEY_Q_keygen(NULL, NULL, kind);
}

static void take_pem(BIO *bio, struct buf *out)
{
	char *text;
	long len = BIO_get_mem_data(bio, &text);

	cr_assert(buf_append(out, text, (size_t)len));
	BIO_free(bio);
}

void make_certificate(
    const char *kind, const char *name, struct buf *key_pem, struct buf *chain_pem)
{
	EVP_PKEY *key = make_key(kind);
	X509 *x = X509_new();
	X509_EXTENSION *names;
	BIO *bio = BIO_new(BIO_s_mem());
	char alternative[128];

	cr_assert_not_null(key);
	X509_set_version(x, X509_VERSION_3);
	ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
	X509_gmtime_adj(X509_getm_notBefore(x), -60);
	X509_gmtime_adj(X509_getm_notAfter(x), 3600);
	X509_set_pubkey(x, key);
	X509_NAME_add_entry_by_txt(
	    X509_get_subject_name(x), "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
	X509_set_issuer_name(x, X509_get_subject_name(x));
	snprintf(alternative, sizeof alternative, "DNS:%s", name);
	names = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative);
	X509_add_ext(x, names, -1);
	X509_EXTENSION_free(names);
	cr_assert(X509_sign(x, key, strcmp(kind, "ED25519") == 0 ? NULL : EVP_sha256()) > 0);
	PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
	take_pem(bio, key_pem);
	bio = BIO_new(BIO_s_mem());
	PEM_write_bio_X509(bio, x);
	take_pem(bio, chain_pem);
	X509_free(x);
	EVP_PKEY_free(key);
}

/* --- the late signer ------------------------------------------------------------------ */

struct late {
	struct late_signer *signer;
	struct tls_pending *pending;
	struct buf signature;
	struct event *event;
};

static struct late *only; /* one at a time is enough for a test */

static void late_free(struct late *late)
{
	event_free(late->event);
	buf_free(&late->signature);
	free(late);
	only = NULL;
}

static void late_answer(evutil_socket_t fd, short what, void *context)
{
	struct late *late = context;

	(void)fd;
	(void)what;
	tls_signed(late->pending, buf_slice(&late->signature));
	late_free(late);
}

static bool late_sign(void *context, struct tls_pending *pending, const struct keys_sign *question)
{
	struct late_signer *signer = context;
	struct late *late = calloc(1, sizeof *late);
	struct timeval tv = {0, (suseconds_t)signer->waiting * 1000};

	signer->asked++;
	late->signer = signer;
	late->pending = pending;
	late->signature = buf_with_limit(KEYS_SIGNATURE_MAX);
	late->event = evtimer_new(signer->base, late_answer, late);
	keyring_sign(signer->ring, question, &late->signature);
	if (!signer->silent)
		evtimer_add(late->event, &tv);
	only = late;
	return true;
}

static void late_cancel(void *context, struct tls_pending *pending)
{
	struct late_signer *signer = context;

	cr_assert_not_null(only);
	cr_assert_eq(only->pending, pending);
	signer->cancelled++;
	late_free(only);
}

void late_signer_use(struct late_signer *late)
{
	struct tls_signer signer = {late_sign, late_cancel, late};

	tls_set_signer(&signer);
}
