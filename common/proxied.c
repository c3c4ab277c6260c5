/*
 * proxied.c - connections that a load balancer passes on.
 *
 * Octets are looked at before they are taken, so that none is taken that belongs
 * to what comes behind the header.
 */
#include "common/proxied.h"

#include <errno.h>
#include <event2/event.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/network.h"
#include "common/proxy.h"

struct proxied {
	TAILQ_ENTRY(proxied) entry;
	struct event *event;
	int socket;
	enum service service;
	struct sockaddr_storage peer;
	proxied_ready ready;
	uint64_t since_us; /* on the monotonic clock */
	size_t held;       /* octets of the header so far */
	char octets[PROXY_HEADER_MAX];
};

static TAILQ_HEAD(, proxied) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static unsigned waiting_count;

unsigned proxied_count(void)
{
	return waiting_count;
}

static uint16_t port_of(const struct sockaddr_storage *address)
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;

	/* The port is in the same place in both families. */
	return ntohs(in->sin_port);
}

static bool is_on_proxied_port(int socket)
{
	const struct conf_list *ports = &settings->proxy.ports;
	struct sockaddr_storage own;
	socklen_t len = sizeof own;
	uint64_t port;

	if (ports->count == 0)
		return true;
	if (getsockname(socket, (struct sockaddr *)&own, &len) != 0)
		return true; /* it is gone; whatever is said to it does no harm */
	for (size_t i = 0; i < ports->count; i++)
		if (slice_number(slice_string(ports->words[i]), UINT16_MAX, &port) &&
		    port == port_of(&own))
			return true;
	return false;
}

bool proxied_expects_header(int socket, const struct sockaddr *peer)
{
	struct host_address address;

	return settings->proxy.networks.count > 0 && host_address_from_socket(&address, peer) &&
	       networks_have(&settings->proxy.networks, &address) && is_on_proxied_port(socket);
}

/* Give the socket up to the caller and forget the rest. */
static int proxied_free(struct proxied *p)
{
	int socket = p->socket;

	TAILQ_REMOVE(&waiting, p, entry);
	waiting_count--;
	if (p->event != NULL)
		event_free(p->event);
	free(p);
	return socket;
}

static void refuse(struct proxied *p, const char *reason)
{
	struct host_address address;
	char text[HOST_ADDRESS_TEXT] = "";

	if (host_address_from_socket(&address, (struct sockaddr *)&p->peer))
		host_address_print(&address, text);
	log_warning("no-proxy-header", log_string("proxy", text),
	    log_string("service", service_name(p->service)), log_string("reason", reason));
	close(proxied_free(p));
}

static void complete(struct proxied *p, const struct proxy_header *header)
{
	enum service service = p->service;
	proxied_ready ready = p->ready;
	struct sockaddr_storage client = p->peer;

	if (!header->is_anonymous)
		host_address_to_socket(&header->source, header->source_port, &client);
	ready(proxied_free(p), service, (struct sockaddr *)&client, header->is_anonymous);
}

/* The event's own time-out begins anew with each octet. */
static bool is_late(const struct proxied *p)
{
	return clock_monotonic_us() - p->since_us > (uint64_t)settings->proxy.timeout * 1000000;
}

/* Take `len` octets that were seen already off the socket. */
static bool take(struct proxied *p, size_t len)
{
	if (recv(p->socket, p->octets + p->held, len, MSG_DONTWAIT) != (ssize_t)len)
		return false;
	p->held += len;
	return true;
}

static void look(struct proxied *p)
{
	struct proxy_header header;
	ssize_t seen = recv(
	    p->socket, p->octets + p->held, sizeof p->octets - p->held, MSG_PEEK | MSG_DONTWAIT);

	if (seen < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (seen <= 0) {
		/* A check that looks whether somebody listens, and no more. */
		if (p->held > 0)
			refuse(p, "the connection ended in it");
		else
			close(proxied_free(p));
		return;
	}
	switch (proxy_header_read(slice_of(p->octets, p->held + (size_t)seen), &header)) {
	case PROXY_MORE:
		if (!take(p, (size_t)seen))
			refuse(p, "the connection broke");
		else if (p->held == sizeof p->octets)
			refuse(p, "the header is too long");
		else if (is_late(p))
			refuse(p, "it did not come in time");
		break;
	case PROXY_COMPLETE:
		if (take(p, header.len - p->held))
			complete(p, &header);
		else
			refuse(p, "the connection broke");
		break;
	case PROXY_MALFORMED:
		refuse(p, header.problem);
		break;
	}
}

static void happened(int descriptor, short events, void *context)
{
	(void)descriptor;
	if (events & EV_READ)
		look(context);
	else
		refuse(context, "it did not come in time");
}

void proxied_wait(struct event_base *base, int socket, enum service service,
    const struct sockaddr *peer, proxied_ready ready)
{
	struct proxied *p = calloc(1, sizeof *p);

	if (p == NULL) {
		close(socket);
		return;
	}
	p->socket = socket;
	p->service = service;
	p->ready = ready;
	p->since_us = clock_monotonic_us();
	memcpy(&p->peer, peer,
	    peer->sa_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6));
	TAILQ_INSERT_TAIL(&waiting, p, entry);
	waiting_count++;
	p->event = event_new(base, socket, EV_READ | EV_PERSIST, happened, p);
	if (p->event == NULL ||
	    event_add(p->event, &(struct timeval){.tv_sec = settings->proxy.timeout}) != 0)
		close(proxied_free(p));
}

void proxied_stop(void)
{
	struct proxied *p;

	while ((p = TAILQ_FIRST(&waiting)) != NULL)
		close(proxied_free(p));
}
