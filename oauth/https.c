/*
 * https.c - one question by HTTPS, by libcurl on our event loop.
 */
#include "oauth/https.h"

#include <curl/curl.h>
#include <event2/event.h>
#include <openssl/ssl.h>
#include <stdlib.h>
#include <string.h>

#include "common/channel_auth.h"
#include "common/conf.h"
#include "common/log.h"
#include "oauth/answer.h"
#include "oauth/server.h"

enum {
	HEADERS_MAX = 32 * 1024, /* octets */
	FORM_MAX = 3 * AUTH_TOKEN_MAX + 128,
	USER_MAX = 8 * 1024
};

struct https {
	CURL *easy;
	struct curl_slist *headers;
	struct curl_slist *addresses;
	struct buf form;
	struct buf body;
	size_t header_octets;
	https_answered *answered;
	void *context;
};

static CURLM *multi;
static struct event_base *loop;
static struct event *timer;

/* --- the event loop --------------------------------------------------------------------- */

static void take_finished(void);

static void on_socket(evutil_socket_t fd, short what, void *context)
{
	int running;

	(void)context;
	curl_multi_socket_action(multi, fd,
	    ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
		((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0),
	    &running);
	take_finished();
}

static void on_timer(evutil_socket_t fd, short what, void *context)
{
	int running;

	(void)fd, (void)what, (void)context;
	curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0, &running);
	take_finished();
}

/* What libcurl wants to hear of a socket; its event is kept as the socket's private pointer. */
static int watch_socket(CURL *easy, curl_socket_t fd, int what, void *context, void *own)
{
	struct event *event = own;
	short wanted = EV_PERSIST;

	(void)easy, (void)context;
	if (event != NULL)
		event_free(event);
	event = NULL;
	if (what != CURL_POLL_REMOVE) {
		if (what & CURL_POLL_IN)
			wanted |= EV_READ;
		if (what & CURL_POLL_OUT)
			wanted |= EV_WRITE;
		event = event_new(loop, fd, wanted, on_socket, NULL);
		if (event == NULL || event_add(event, NULL) != 0)
			log_error("cannot-watch-socket");
	}
	curl_multi_assign(multi, fd, event);
	return 0;
}

static int set_timer(CURLM *of, long milliseconds, void *context)
{
	const struct timeval wait = {milliseconds / 1000, milliseconds % 1000 * 1000};

	(void)of, (void)context;
	if (milliseconds < 0)
		evtimer_del(timer);
	else
		evtimer_add(timer, &wait);
	return 0;
}

bool https_prepare(void)
{
	return curl_global_init(CURL_GLOBAL_SSL) == CURLE_OK;
}

bool https_start(struct event_base *base)
{
	loop = base;
	timer = evtimer_new(base, on_timer, NULL);
	multi = curl_multi_init();
	return timer != NULL && multi != NULL &&
	       curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, watch_socket) == CURLM_OK &&
	       curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, set_timer) == CURLM_OK &&
	       curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 16L) == CURLM_OK;
}

void https_stop(void)
{
	curl_multi_cleanup(multi);
	event_free(timer);
}

/* --- the answer ------------------------------------------------------------------------- */

static void https_free(struct https *h)
{
	curl_multi_remove_handle(multi, h->easy);
	curl_easy_cleanup(h->easy);
	curl_slist_free_all(h->headers);
	curl_slist_free_all(h->addresses);
	buf_wipe(&h->form);
	buf_wipe(&h->body);
	free(h);
}

void https_cancel(struct https *h)
{
	https_free(h);
}

/* NULL: it is an answer. */
static const char *fault_of(const struct https *h, CURLcode result)
{
	const char *type = NULL;
	long status = 0;

	if (h->body.overflowed || h->header_octets > HEADERS_MAX)
		return "the answer is too large";
	if (result != CURLE_OK)
		return curl_easy_strerror(result);
	curl_easy_getinfo(h->easy, CURLINFO_RESPONSE_CODE, &status);
	curl_easy_getinfo(h->easy, CURLINFO_CONTENT_TYPE, &type);
	if (status == 401 || status == 403)
		return "the server does not take our client-id and client-secret";
	if (status >= 300 && status < 400)
		return "the server redirects";
	if (status != 200)
		return "the server's status is not 200";
	if (!slice_starts_with_nocase(slice_string(type), SLICE("application/json")))
		return "the answer is not JSON";
	return NULL;
}

static void take_finished(void)
{
	CURLMsg *message;
	int left;

	while ((message = curl_multi_info_read(multi, &left)) != NULL) {
		struct https *h = NULL;

		if (message->msg != CURLMSG_DONE)
			continue;
		curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, (char **)&h);
		h->answered(h->context, buf_slice(&h->body), fault_of(h, message->data.result));
		https_free(h);
	}
}

static size_t on_body(char *data, size_t one, size_t len, void *context)
{
	struct https *h = context;

	(void)one;
	return buf_append(&h->body, data, len) ? len : 0;
}

static size_t on_header(char *data, size_t one, size_t len, void *context)
{
	struct https *h = context;

	(void)data, (void)one;
	h->header_octets += len;
	return h->header_octets <= HEADERS_MAX ? len : 0;
}

static CURLcode trust(CURL *easy, void *context, void *argument)
{
	(void)easy, (void)argument;
	SSL_CTX_set1_cert_store(context, server_authorities());
	return CURLE_OK;
}

/* --- the question ------------------------------------------------------------------------ */

static bool append_escaped(CURL *easy, struct buf *out, struct slice text)
{
	char *escaped = curl_easy_escape(easy, text.data, (int)text.len);
	bool good = escaped != NULL && buf_append_string(out, escaped);

	if (escaped != NULL)
		explicit_bzero(escaped, strlen(escaped));
	curl_free(escaped);
	return good;
}

static bool write_form(struct https *h, struct slice token)
{
	return buf_append_string(&h->form, "token_type_hint=access_token&token=") &&
	       append_escaped(h->easy, &h->form, token) && buf_append_octet(&h->form, '\0');
}

/* RFC 6749, 2.3.1: both are encoded as in a form, for Basic. */
static bool set_client(struct https *h)
{
	struct buf name = buf_with_limit(USER_MAX), secret = buf_with_limit(USER_MAX);
	bool good = true;

	if (settings->oauth.client_id != NULL) {
		good = append_escaped(h->easy, &name, slice_string(settings->oauth.client_id)) &&
		       buf_append_octet(&name, '\0') &&
		       (server_secret().len == 0 ||
			   append_escaped(h->easy, &secret, server_secret())) &&
		       buf_append_octet(&secret, '\0') &&
		       curl_easy_setopt(h->easy, CURLOPT_HTTPAUTH, CURLAUTH_BASIC) == CURLE_OK &&
		       curl_easy_setopt(h->easy, CURLOPT_USERNAME, name.data) == CURLE_OK &&
		       curl_easy_setopt(h->easy, CURLOPT_PASSWORD, secret.data) == CURLE_OK;
	}
	buf_free(&name);
	buf_wipe(&secret);
	return good;
}

/* Resolver's addresses: libcurl would start a thread, which may read files, to find them. */
static bool set_addresses(struct https *h)
{
	if (server_addresses()[0] == '\0')
		return true;
	h->addresses = curl_slist_append(NULL, server_addresses());
	return h->addresses != NULL &&
	       curl_easy_setopt(h->easy, CURLOPT_RESOLVE, h->addresses) == CURLE_OK;
}

static bool set_limits(CURL *easy)
{
	return curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_PROXY, "") == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1) ==
		   CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) ==
		   CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_TIMEOUT_MS, (long)settings->oauth.timeout * 1000) ==
		   CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_MAXFILESIZE, (long)ANSWER_MAX) == CURLE_OK;
}

static bool set_trust(CURL *easy)
{
	return curl_easy_setopt(easy, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_CAINFO, NULL) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_CAPATH, NULL) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSL_SESSIONID_CACHE, 0L) == CURLE_OK &&
	       curl_easy_setopt(easy, CURLOPT_SSL_CTX_FUNCTION, trust) == CURLE_OK;
}

static bool set_question(struct https *h)
{
	h->headers = curl_slist_append(NULL, "Accept: application/json");
	return h->headers != NULL &&
	       curl_easy_setopt(h->easy, CURLOPT_URL, settings->oauth.introspection) == CURLE_OK &&
	       curl_easy_setopt(h->easy, CURLOPT_HTTPHEADER, h->headers) == CURLE_OK &&
	       curl_easy_setopt(h->easy, CURLOPT_POSTFIELDS, h->form.data) == CURLE_OK &&
	       curl_easy_setopt(h->easy, CURLOPT_WRITEFUNCTION, on_body) == CURLE_OK &&
	       curl_easy_setopt(h->easy, CURLOPT_WRITEDATA, h) == CURLE_OK &&
	       curl_easy_setopt(h->easy, CURLOPT_HEADERFUNCTION, on_header) == CURLE_OK &&
	       curl_easy_setopt(h->easy, CURLOPT_HEADERDATA, h) == CURLE_OK &&
	       curl_easy_setopt(h->easy, CURLOPT_PRIVATE, h) == CURLE_OK;
}

struct https *https_ask(struct slice token, https_answered *answered, void *context)
{
	struct https *h = calloc(1, sizeof *h);

	if (h == NULL)
		return NULL;
	h->form = buf_with_limit(FORM_MAX);
	h->body = buf_with_limit(ANSWER_MAX);
	h->answered = answered;
	h->context = context;
	h->easy = curl_easy_init();
	if (h->easy != NULL && write_form(h, token) && set_limits(h->easy) && set_trust(h->easy) &&
	    set_question(h) && set_client(h) && set_addresses(h) &&
	    curl_multi_add_handle(multi, h->easy) == CURLM_OK)
		return h;
	https_free(h);
	return NULL;
}
