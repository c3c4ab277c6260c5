/*
 * main.c - keys: the process that has the private keys.
 *
 * master opens the certificate and key files as root and hands the descriptors
 * over, a whole set at a time: at the start, at a reload, and when one of them has
 * changed.  keys says which certificates have their key here (chains.h), and
 * master passes that on to those who speak TLS.  For these keys signs, and makes
 * the keys of their session tickets.  It has no files, no network, and no way to
 * say a private key.
 *
 * The ring of the set before stays in use beside the new one for a minute: a front
 * daemon may not have got the new certificates yet, and handshakes are under way.
 */
#include <sys/stat.h>

#include <errno.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/channel_keys.h"
#include "common/io.h"
#include "common/log.h"
#include "common/process.h"
#include "common/tls.h"
#include "keys/chains.h"
#include "keys/keyring.h"
#include "keys/signers.h"
#include "keys/tickets.h"

enum {
	SECURE_HEAP = 1024 * 1024, /* octets of locked memory for private numbers; a power of two */
	SECURE_SMALLEST = 32,
	OLD_KEYS_SECONDS = 60,
	DAY_SECONDS = 86400,
};

/* In force; and the ring before, for a while. */
static struct keyring *ring, *ring_before;
static struct chains *chains;
/* The set that is coming; NULL: none is. */
static struct keyring *coming_ring;
static struct chains *coming;
static struct event *farewell; /* to the ring before */
static struct event *calendar; /* a look at the days that certificates have left */

/* --- files --------------------------------------------------------------------------- */

static void log_key(const char *name, const uint8_t id[KEYS_ID_OCTETS])
{
	char text[2 * KEYS_ID_OCTETS + 1];

	for (size_t i = 0; i < KEYS_ID_OCTETS; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
	log_info("key-loaded", log_string("file", name), log_string("key", text));
}

static void add_key(const char *name, struct slice pem, const char *problem)
{
	struct buf error = buf_with_limit(512);
	uint8_t id[KEYS_ID_OCTETS];

	if (*problem != '\0')
		buf_append_string(&error, problem);
	else if (keyring_add(coming_ring, pem, id, &error) && !keyring_has(ring, id))
		log_key(name, id);
	if (error.len > 0)
		log_error("cannot-use-key", log_string("file", name),
		    log_slice("reason", buf_slice(&error)));
	buf_free(&error);
}

/* Why it cannot be read; empty: it was. */
static const char *read_file(int descriptor, struct buf *pem)
{
	struct stat st;

	if (descriptor == -1)
		return "it cannot be opened";
	if (fstat(descriptor, &st) != 0 || !S_ISREG(st.st_mode))
		return "not a regular file";
	if (!io_read(descriptor, pem))
		return errno == EFBIG ? "too large" : strerror(errno);
	return "";
}

static bool begin_set(void)
{
	if (coming_ring == NULL)
		coming_ring = keyring_new();
	if (coming == NULL)
		coming = chains_new();
	return coming_ring != NULL && coming != NULL;
}

static void take_file(enum control_file kind, const char *name, int descriptor)
{
	struct buf pem =
	    buf_with_limit(kind == CONTROL_FILE_KEY ? KEYRING_FILE_MAX : TLS_CHAIN_MAX);
	const char *problem = read_file(descriptor, &pem);

	if (!begin_set())
		log_error("no-memory", log_string("file", name));
	else if (kind == CONTROL_FILE_KEY)
		add_key(name, buf_slice(&pem), problem);
	else if (!chains_add(coming, name, *problem == '\0' ? buf_slice(&pem) : SLICE(""), problem))
		log_error("cannot-use-certificate", log_string("file", name),
		    log_string("reason", "too many certificates"));
	buf_wipe(&pem);
	if (descriptor != -1)
		close(descriptor);
}

static void on_farewell(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	keyring_free(ring_before);
	ring_before = NULL;
}

static void on_calendar(evutil_socket_t fd, short what, void *context)
{
	const struct timeval day = {DAY_SECONDS, 0};

	(void)fd;
	(void)what;
	(void)context;
	chains_warn(chains, (uint64_t)settings->tls.expiry_warning);
	evtimer_add(calendar, &day);
}

/* The set is whole: judge it, use it, and say so. */
static bool end_set(void)
{
	const struct timeval wait = {OLD_KEYS_SECONDS, 0};
	struct slice host = slice_of(NULL, 0);

	if (!begin_set()) {
		log_error("no-memory");
		return true;
	}
	/* Where the settings name none, the first is the one for this host. */
	if (settings->tls.certificate.count == 0 && settings->hostname != NULL)
		host = slice_string(settings->hostname);
	chains_judge(coming, coming_ring, chains, ring, host);
	chains_free(chains);
	chains = coming;
	keyring_free(ring_before);
	ring_before = ring;
	ring = coming_ring;
	coming = NULL;
	coming_ring = NULL;
	evtimer_add(farewell, &wait);
	chains_write(
	    chains, channel_begin(process_master(), CONTROL_CERTIFICATES_JUDGED, 0));
	if (!channel_end(process_master()))
		log_error("cannot-tell-certificates", log_string("reason", "they are too large"));
	on_calendar(-1, 0, NULL);
	return true;
}

/* --- questions ---------------------------------------------------------------------------- */

static bool on_message(struct channel *channel, struct message *m, void *context)
{
	struct reader r = message_reader(m);
	struct keys_sign question;
	struct signing_key *key;

	(void)context;
	if (m->type != KEYS_SIGN || !keys_sign_read(&r, &question) || !reader_finished(&r))
		return false;
	key = keyring_key(ring, question.key);
	if (key == NULL && ring_before != NULL)
		key = keyring_key(ring_before, question.key);
	signers_sign(channel, m->request, key, &question);
	return true;
}

static void on_closed(struct channel *channel, void *context)
{
	(void)context;
	signers_forget(channel);
}

/* --- the process ---------------------------------------------------------------------------- */

static bool prepare(void)
{
	/* Where memory cannot be locked, the keys are no less secret from other processes. */
	if (CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_SMALLEST) != 1)
		log_warning(
		    "memory-not-locked", log_string("consequence", "keys may get into swap"));
	ring = keyring_new();
	chains = chains_new();
	farewell = evtimer_new(process_base(), on_farewell, NULL);
	calendar = evtimer_new(process_base(), on_calendar, NULL);
	return OPENSSL_init_crypto(
		   OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL) == 1 &&
	       ring != NULL && chains != NULL && farewell != NULL && calendar != NULL &&
	       tickets_start(process_base());
}

static bool start(struct event_base *base)
{
	tickets_schedule();
	if (!signers_start(base, (unsigned)settings->tls.key_threads)) {
		log_error("no-threads", log_errno(errno));
		return false;
	}
	return channel_send(process_master(), CONTROL_READY, 0);
}

static void stop(void)
{
	signers_stop();
	keyring_free(ring);
	keyring_free(ring_before);
	keyring_free(coming_ring);
	ring = ring_before = coming_ring = NULL;
	tickets_stop();
	process_exit(EX_OK);
}

static bool control(struct message *m)
{
	if (m->type == CONTROL_CERTIFICATES)
		return chains_recall(chains, m->body);
	return m->type == CONTROL_FILES_END && end_set();
}

static const struct process_peer peers[] = {
    {.role = ROLE_SMTPD, .opened = tickets_tell, .message = on_message, .closed = on_closed},
    {.role = ROLE_IMAPD, .opened = tickets_tell, .message = on_message, .closed = on_closed},
    {.role = ROLE_POP3D, .opened = tickets_tell, .message = on_message, .closed = on_closed},
    {.role = ROLE_NONE},
};

static const struct process process = {
    .role = ROLE_KEYS,
    .peers = peers,
    .prepare = prepare,
    .start = start,
    .reload = tickets_schedule,
    .stop = stop,
    .file = take_file,
    .control = control,
};

int main(int argc, char **argv)
{
	return process_main(&process, argc, argv);
}
