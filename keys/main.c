/*
 * main.c - keys: the process that has the private keys.
 *
 * master opens the key files as root and hands the descriptors over; keys parses
 * them and signs for the processes that speak TLS.  It has no files, no network,
 * and nothing to say but signatures.
 *
 * A reload fills a new ring.  The one before stays in use beside it for a minute:
 * a front daemon may not have got the new certificate yet, and handshakes are
 * under way.  Where the new ring stays empty, the old one stays altogether.
 */
#include <sys/stat.h>

#include <errno.h>
#include <event2/event.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/channel_keys.h"
#include "common/io.h"
#include "common/log.h"
#include "common/process.h"
#include "common/tls.h"
#include "keys/keyring.h"

enum {
	SECURE_HEAP = 1024 * 1024, /* octets of locked memory for private numbers; a power of two */
	SECURE_SMALLEST = 32,
	OLD_KEYS_SECONDS = 60,
};

static struct keyring *current, *previous;
static struct event *farewell; /* to the previous ring */

/* --- files --------------------------------------------------------------------------- */

static void log_key(const char *name, const uint8_t id[KEYS_ID_OCTETS])
{
	char text[2 * KEYS_ID_OCTETS + 1];

	for (size_t i = 0; i < KEYS_ID_OCTETS; i++)
		snprintf(text + 2 * i, 3, "%02x", id[i]);
	log_info("key-loaded", log_string("file", name), log_string("key", text));
}

static void take_file(enum control_file kind, const char *name, int descriptor)
{
	struct buf pem = buf_with_limit(KEYRING_FILE_MAX), error = buf_with_limit(512);
	uint8_t id[KEYS_ID_OCTETS];
	struct stat st;

	if (kind != CONTROL_FILE_KEY)
		buf_append_string(&error, "not a file for keys");
	else if (fstat(descriptor, &st) != 0 || !S_ISREG(st.st_mode))
		buf_append_string(&error, "not a regular file");
	else if (!io_read(descriptor, &pem))
		buf_printf(&error, "%s", strerror(errno));
	else if (keyring_add(current, buf_slice(&pem), id, &error))
		log_key(name, id);
	if (error.len > 0)
		log_error("cannot-use-key", log_string("file", name),
		    log_slice("reason", buf_slice(&error)));
	buf_wipe(&pem);
	buf_free(&error);
	close(descriptor);
}

static void on_farewell(evutil_socket_t fd, short what, void *context)
{
	(void)fd;
	(void)what;
	(void)context;
	if (keyring_count(current) > 0) {
		keyring_free(previous);
		previous = NULL;
	} else if (previous != NULL && keyring_count(previous) > 0) {
		log_warning("keys-kept", log_number("keys", keyring_count(previous)),
		    log_string("reason", "the reload brought none that can be used"));
	}
}

static void reload(void)
{
	const struct timeval wait = {OLD_KEYS_SECONDS, 0};
	struct keyring *fresh = keyring_new();

	if (fresh == NULL)
		return;
	/* A ring that was filled by nothing is not worth keeping: what is behind it is. */
	if (previous == NULL || keyring_count(current) > 0) {
		keyring_free(previous);
		previous = current;
	} else {
		keyring_free(current);
	}
	current = fresh;
	evtimer_add(farewell, &wait);
}

/* --- questions ---------------------------------------------------------------------------- */

static bool on_message(struct channel *channel, struct message *m, void *context)
{
	struct buf signature = buf_with_limit(KEYS_SIGNATURE_MAX);
	struct reader r = message_reader(m);
	struct keys_sign question;

	(void)context;
	if (m->type != KEYS_SIGN || !keys_sign_read(&r, &question) || !reader_finished(&r))
		return false;
	if (!keyring_sign(current, &question, &signature) &&
	    (previous == NULL || !keyring_sign(previous, &question, &signature)))
		log_warning("refused-to-sign",
		    log_string("for", role_name(process_peer_role(channel))),
		    log_number("algorithm", question.algorithm),
		    log_string("digest", question.digest));
	write_slice(channel_begin(channel, KEYS_SIGNATURE, m->request), buf_slice(&signature));
	channel_end(channel);
	buf_free(&signature);
	return true;
}

/* --- the process ---------------------------------------------------------------------------- */

static bool prepare(void)
{
	/* Where memory cannot be locked, the keys are no less secret from other processes. */
	if (CRYPTO_secure_malloc_init(SECURE_HEAP, SECURE_SMALLEST) != 1)
		log_warning(
		    "memory-not-locked", log_string("consequence", "keys may get into swap"));
	current = keyring_new();
	farewell = evtimer_new(process_base(), on_farewell, NULL);
	return OPENSSL_init_crypto(
		   OPENSSL_INIT_NO_LOAD_CONFIG | OPENSSL_INIT_LOAD_CRYPTO_STRINGS, NULL) == 1 &&
	       current != NULL && farewell != NULL;
}

static bool start(struct event_base *base)
{
	(void)base;
	return channel_send(process_master(), CONTROL_READY, 0);
}

static void stop(void)
{
	keyring_free(current);
	keyring_free(previous);
	current = previous = NULL;
	process_exit(EX_OK);
}

static const struct process_peer peers[] = {
    {.role = ROLE_SMTPD,     .message = on_message},
    {.role = ROLE_IMAPD,                      .message = on_message},
    {.role = ROLE_POP3D,.message = on_message},
    {.role = ROLE_NONE    },
};

static const struct process process = {
    .role = ROLE_KEYS,
    .peers = peers,
    .prepare = prepare,
    .start = start,
    .reload = reload,
    .stop = stop,
    .file = take_file,
};

int main(int argc, char **argv)
{
	return process_main(&process, argc, argv);
}
