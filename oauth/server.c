/*
 * server.c - the server that is asked about tokens.
 */
#include "oauth/server.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <event2/event.h>
#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/authorities.h"
#include "common/channel_resolver.h"
#include "common/clock.h"
#include "common/io.h"
#include "common/log.h"
#include "common/process.h"
#include "common/tls.h"
#include "oauth/question.h"

enum {
	ADDRESSES_SECONDS = 60, /* for which they are taken to stay */
	AGAIN_SECONDS = 5,      /* after they could not be had */
	ADDRESSES_MAX = 2048,   /* octets of the list */
	SECRET_MAX = 1024
};

static char host[RESOLVER_NAME_MAX + 1];
static char port[8];
static bool is_address; /* the host is one */
static char addresses[ADDRESSES_MAX];
static uint64_t look_again_us; /* 0: they were never looked for */
static bool is_asking;
static struct channel *asked;
static uint32_t request;

static X509_STORE *of_system;
static struct authorities *configured;
static struct buf secret;

/* --- where it is -------------------------------------------------------------------------- */

static bool take_part(CURLU *url, CURLUPart part, unsigned flags, char *out, size_t size)
{
	char *text = NULL;
	bool good = curl_url_get(url, part, &text, flags) == CURLUE_OK &&
		    slice_copy(slice_string(text), out, size);

	curl_free(text);
	return good;
}

static bool is_literal(const char *name)
{
	struct in_addr in;

	return name[0] == '[' || inet_pton(AF_INET, name, &in) == 1;
}

static void read_url(void)
{
	CURLU *url = curl_url();
	bool good =
	    url != NULL && settings->oauth.introspection != NULL &&
	    curl_url_set(url, CURLUPART_URL, settings->oauth.introspection, 0) == CURLUE_OK &&
	    take_part(url, CURLUPART_HOST, 0, host, sizeof host) &&
	    take_part(url, CURLUPART_PORT, CURLU_DEFAULT_PORT, port, sizeof port);

	curl_url_cleanup(url);
	if (!good) {
		host[0] = '\0';
		log_error("not-a-url", log_string("setting", "oauth.introspection"));
	}
	is_address = is_literal(host);
	addresses[0] = '\0';
	look_again_us = 0;
}

static void add_address(struct buf *out, const struct resolver_address *address)
{
	char text[INET6_ADDRSTRLEN];

	if (inet_ntop(address->family, address->octets, text, sizeof text) != NULL)
		buf_printf(out, address->family == AF_INET6 ? "%s[%s]" : "%s%s",
		    out->data[out->len - 1] == ':' ? "" : ",", text);
}

static void take_hosts(const struct resolver_hosts *hosts)
{
	struct buf list = buf_with_limit(sizeof addresses - 1);
	size_t count = 0;

	buf_printf(&list, "%s:%s:", host, port);
	for (size_t i = 0; i < hosts->count; i++)
		for (size_t k = 0; k < hosts->hosts[i].address_count; k++, count++)
			add_address(&list, &hosts->hosts[i].addresses[k]);
	if (count > 0 && !list.overflowed) {
		slice_copy(buf_slice(&list), addresses, sizeof addresses);
		look_again_us = clock_monotonic_us() + (uint64_t)ADDRESSES_SECONDS * 1000000;
	}
	buf_free(&list);
}

static bool on_hosts(struct message *answer, void *context)
{
	static struct resolver_hosts hosts;
	bool good = true;

	(void)context;
	is_asking = false;
	look_again_us = clock_monotonic_us() + (uint64_t)AGAIN_SECONDS * 1000000;
	if (answer != NULL) {
		struct reader r = message_reader(answer);

		good = answer->type == RESOLVER_HOSTS && resolver_hosts_read(&r, &hosts) &&
		       reader_finished(&r);
		if (good)
			take_hosts(&hosts);
	}
	if (addresses[0] == '\0')
		log_warning("introspection-failed", log_string("host", host),
		    log_string("reason", "no address is to be had"));
	questions_resume();
	return good;
}

static void ask(void)
{
	asked = process_peer(ROLE_RESOLVER);
	if (asked == NULL)
		return;
	write_string(channel_call(asked, RESOLVER_ADDRESS, on_hosts, NULL, &request), host);
	is_asking = channel_end(asked);
}

enum server_state server_look(void)
{
	if (host[0] == '\0')
		return SERVER_UNKNOWN;
	if (is_address)
		return SERVER_KNOWN;
	if (!is_asking && clock_monotonic_us() >= look_again_us)
		ask();
	/* Those from before do while new ones are on their way. */
	if (addresses[0] != '\0')
		return SERVER_KNOWN;
	return is_asking ? SERVER_AWAITED : SERVER_UNKNOWN;
}

const char *server_addresses(void)
{
	return addresses;
}

/* --- who certifies it, and how it knows us ---------------------------------------------------- */

bool server_prepare(void)
{
	of_system = X509_STORE_new();
	if (of_system == NULL)
		return false;
	/* Where there are none, none is trusted. */
	tls_trust_system(of_system);
	return true;
}

void server_take_authorities(const char *name, int descriptor)
{
	struct authorities *fresh = authorities_read(name, descriptor);

	if (fresh == NULL)
		return;
	authorities_free(configured);
	configured = fresh;
}

X509_STORE *server_authorities(void)
{
	static X509_STORE *none;

	if (settings->oauth.authorities == NULL)
		return of_system;
	if (configured != NULL)
		return authorities_store(configured);
	/* They are named and could not be read: the system's are not meant. */
	if (none == NULL)
		none = X509_STORE_new();
	return none;
}

void server_take_secret(const char *name, int descriptor)
{
	struct buf text = buf_with_limit(SECRET_MAX);
	struct slice line;

	if (io_read(descriptor, &text)) {
		line = slice_trim(buf_slice(&text));
		buf_wipe(&secret);
		secret = buf_with_limit(SECRET_MAX);
		buf_append_slice(&secret, line);
	} else {
		log_error("cannot-read", log_string("file", name), log_errno(errno));
	}
	buf_wipe(&text);
	close(descriptor);
}

struct slice server_secret(void)
{
	return buf_slice(&secret);
}

/* --- its life --------------------------------------------------------------------------------- */

void server_start(void)
{
	read_url();
}

void server_reload(void)
{
	if (is_asking)
		channel_forget(asked, request);
	is_asking = false;
	read_url();
	if (settings->oauth.client_secret == NULL)
		buf_wipe(&secret);
}

void server_stop(void)
{
	buf_wipe(&secret);
	authorities_free(configured);
	X509_STORE_free(of_system);
}
