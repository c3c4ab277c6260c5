/*
 * dns.c - asking the DNS without waiting for it.
 */
#include "resolver/dns.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <unbound.h>

#include "common/log.h"

enum { CLASS_IN = 1, TRUST_ANCHOR_MAX = 4096, RCODE_SERVFAIL = 2 };

struct dns {
	struct ub_ctx *unbound;
	struct event *readable;
	size_t outstanding;
};

struct dns_query {
	struct dns *dns;
	int id; /* libunbound's */
	dns_callback *callback;
	void *context;
};

static const struct {
	const char *name;
	const char *value;
} options[] = {
  /* A forwarder on this host is as good as any. */
    {"do-not-query-localhost:", "no" },
 /* Mail inside private networks has reverse names there, and no DNSSEC. */
    {"unblock-lan-zones:",      "yes"},
    {"insecure-lan-zones:",     "yes"},
 /* A server that was down is asked again soon, not after a quarter of an hour. */
    {"infra-host-ttl:",         "60" },
 /* Absence is believed for a few minutes at most: people repair their zones. */
    {"cache-max-negative-ttl:", "300"},
};

static bool configure(struct ub_ctx *unbound, const struct nameservers *servers)
{
	for (size_t i = 0; i < sizeof options / sizeof options[0]; i++)
		if (ub_ctx_set_option(unbound, options[i].name, options[i].value) != 0) {
			log_error("dns-option-unusable", log_string("option", options[i].name));
			return false;
		}
	for (size_t i = 0; i < servers->count; i++)
		if (ub_ctx_set_fwd(unbound, servers->servers[i]) != 0)
			log_error("nameserver-unusable", log_string("server", servers->servers[i]));
	/* The answers of libraries go to nobody's standard error. */
	return ub_ctx_debugout(unbound, NULL) == 0 && ub_ctx_async(unbound, 1) == 0;
}

static bool add_anchors(struct ub_ctx *unbound, struct slice anchors)
{
	struct cursor c = cursor_over(anchors);
	char record[TRUST_ANCHOR_MAX];

	while (!cursor_done(&c)) {
		struct cursor line = cursor_over(cursor_take_until(&c, '\n'));
		struct slice text = slice_trim(cursor_take_until(&line, ';'));

		cursor_accept(&c, '\n');
		if (text.len == 0)
			continue;
		if (!slice_copy(text, record, sizeof record) ||
		    ub_ctx_add_ta(unbound, record) != 0) {
			log_error("trust-anchor-unusable", log_slice("record", text));
			return false;
		}
	}
	return true;
}

static void on_readable(evutil_socket_t socket, short what, void *context)
{
	struct dns *dns = context;

	(void)socket;
	(void)what;
	ub_process(dns->unbound);
}

struct dns *dns_new(
    struct event_base *base, const struct nameservers *servers, struct slice anchors)
{
	struct dns *dns = calloc(1, sizeof *dns);

	if (dns == NULL)
		return NULL;
	dns->unbound = ub_ctx_create();
	/* libunbound answers for test. itself (RFC 6761); private networks, and Petrel's own tests, have it. */
	if (dns->unbound != NULL && configure(dns->unbound, servers) &&
	    add_anchors(dns->unbound, anchors) && ub_ctx_zone_remove(dns->unbound, "test.") == 0)
		dns->readable =
		    event_new(base, ub_fd(dns->unbound), EV_READ | EV_PERSIST, on_readable, dns);
	if (dns->readable == NULL || event_add(dns->readable, NULL) != 0) {
		log_error("dns-unusable", log_errno(errno));
		dns_free(dns);
		return NULL;
	}
	return dns;
}

void dns_free(struct dns *dns)
{
	if (dns == NULL)
		return;
	if (dns->readable != NULL)
		event_free(dns->readable);
	if (dns->unbound != NULL)
		ub_ctx_delete(dns->unbound);
	free(dns);
}

size_t dns_outstanding(const struct dns *dns)
{
	return dns->outstanding;
}

static void take_records(const struct ub_result *result, struct dns_answer *answer)
{
	for (size_t i = 0; i < DNS_RECORDS_MAX && result->data[i] != NULL; i++)
		if (result->len[i] >= 0)
			answer->records[answer->count++] =
			    slice_of(result->data[i], (size_t)result->len[i]);
}

static void read_result(int error, const struct ub_result *result, struct dns_answer *answer)
{
	*answer = (struct dns_answer){.status = RESOLVER_TEMPORARY, .reason = "no answer"};
	if (error != 0 || result == NULL) {
		answer->reason = ub_strerror(error);
		return;
	}
	answer->secure = result->secure != 0;
	answer->ttl = result->ttl > 0 ? (uint32_t)result->ttl : 0;
	if (result->bogus) {
		answer->reason = "validation failed";
	} else if (result->nxdomain) {
		answer->status = RESOLVER_NO_NAME;
	} else if (result->rcode != 0) {
		answer->reason = result->rcode == RCODE_SERVFAIL ? "server failure" : "refused";
	} else if (!result->havedata) {
		answer->status = RESOLVER_NO_DATA;
	} else {
		answer->status = RESOLVER_OK;
		take_records(result, answer);
	}
}

static void on_answer(void *context, int error, struct ub_result *result)
{
	struct dns_answer answer;
	struct dns_query *query = context;
	dns_callback *callback = query->callback;
	void *callback_context = query->context;

	query->dns->outstanding--;
	free(query);
	read_result(error, result, &answer);
	callback(callback_context, &answer);
	ub_resolve_free(result);
}

struct dns_query *dns_ask(
    struct dns *dns, const char *name, enum dns_type type, dns_callback *callback, void *context)
{
	struct dns_query *query = malloc(sizeof *query);
	int error;

	if (query == NULL)
		return NULL;
	*query = (struct dns_query){dns, 0, callback, context};
	error = ub_resolve_async(dns->unbound, name, type, CLASS_IN, query, on_answer, &query->id);
	if (error != 0) {
		log_error("dns-unusable", log_string("reason", ub_strerror(error)));
		free(query);
		return NULL;
	}
	dns->outstanding++;
	return query;
}

void dns_cancel(struct dns_query *query)
{
	if (query == NULL)
		return;
	ub_cancel(query->dns->unbound, query->id);
	query->dns->outstanding--;
	free(query);
}
