/*
 * listeners.c - the listening sockets.
 */
#include "master/listeners.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTENERS_MAX = 256, BACKLOG = 4096 };

struct listener {
	enum service service;
	struct sockaddr_storage address;
	socklen_t length;
	int socket;
	bool kept;
};

static struct listener listeners[LISTENERS_MAX];
static size_t listener_count;

/* Split "host:port" at its last colon, taking brackets off an IPv6 address. */
static bool split(const char *text, char *host, size_t host_size, char *port, size_t port_size)
{
	struct slice s = slice_string(text), h;
	ssize_t colon = slice_find_last(s, ':');

	if (colon < 0)
		return false;
	h = slice_part(s, 0, (size_t)colon);
	if (h.len >= 2 && h.data[0] == '[' && h.data[h.len - 1] == ']')
		h = slice_part(h, 1, h.len - 2);
	return slice_copy(h, host, host_size) && slice_copy(slice_from(s, (size_t)colon + 1), port, port_size) && port[0] != '\0';
}

/* The listener at that address, whatever it is for. */
static struct listener *find(const struct listener *wanted)
{
	for (size_t i = 0; i < listener_count; i++)
		if (listeners[i].length == wanted->length &&
		    memcmp(&listeners[i].address, &wanted->address, wanted->length) == 0)
			return &listeners[i];
	return NULL;
}

static int bind_socket(const struct listener *l)
{
	int on = 1, failure;
	int sock = socket(l->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (sock == -1)
		return -1;
	setsockopt(sock, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (l->address.ss_family == AF_INET6)
		setsockopt(sock, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	/* Inherited by the connections: small replies are never held back. */
	setsockopt(sock, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
	if (bind(sock, (const struct sockaddr *)&l->address, l->length) == 0 && listen(sock, BACKLOG) == 0)
		return sock;
	failure = errno;
	close(sock);
	errno = failure;
	return -1;
}

static bool add(struct listener wanted, const char *text, char *error)
{
	struct listener *existing = find(&wanted);

	if (existing != NULL && existing->service == wanted.service) {
		existing->kept = true;
		return true;
	}
	if (existing != NULL && existing->kept) {
		snprintf(error, LISTENER_ERROR_MAX, "listen.%s: %s is listen.%s's already", service_name(wanted.service), text,
		    service_name(existing->service));
		errno = EADDRINUSE;
		return false;
	}
	if (listener_count == LISTENERS_MAX) {
		snprintf(error, LISTENER_ERROR_MAX, "listen.%s: more than %d addresses in all", service_name(wanted.service), LISTENERS_MAX);
		return false;
	}
	wanted.socket = bind_socket(&wanted);
	wanted.kept = true;
	if (wanted.socket == -1) {
		snprintf(error, LISTENER_ERROR_MAX, "listen.%s: cannot listen on %s: %s", service_name(wanted.service), text, strerror(errno));
		return false;
	}
	listeners[listener_count++] = wanted;
	return true;
}

/* Every address that one word of a listen setting stands for. */
static bool add_word(enum service service, const char *text, char *error)
{
	struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICHOST | AI_NUMERICSERV};
	struct addrinfo *found, *a;
	char host[256], port[16];
	bool every, added = true;
	int failure;

	if (!split(text, host, sizeof host, port, sizeof port)) {
		snprintf(error, LISTENER_ERROR_MAX, "listen.%s: \"%s\" is not address:port", service_name(service), text);
		return false;
	}
	every = strcmp(host, "*") == 0;
	failure = getaddrinfo(every ? NULL : host, port, &hints, &found);
	if (failure != 0) {
		snprintf(error, LISTENER_ERROR_MAX, "listen.%s: \"%s\": %s", service_name(service), text, gai_strerror(failure));
		return false;
	}
	for (a = found; a != NULL && added; a = a->ai_next) {
		struct listener wanted = {.service = service, .length = a->ai_addrlen, .socket = -1};

		memcpy(&wanted.address, a->ai_addr, a->ai_addrlen);
		added = add(wanted, text, error);
		/* `*` means IPv6 where the host has it. */
		if (!added && every && a->ai_family == AF_INET6 && (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL))
			added = true;
	}
	freeaddrinfo(found);
	return added;
}

/* Close those that are (not) kept; true for services that lose one. */
static unsigned close_where(bool kept)
{
	unsigned changed = 0;
	size_t left = 0;

	for (size_t i = 0; i < listener_count; i++) {
		if (listeners[i].kept != kept) {
			listeners[left++] = listeners[i];
			continue;
		}
		changed |= 1u << listeners[i].service;
		close(listeners[i].socket);
	}
	listener_count = left;
	return changed;
}

bool listeners_update(const struct settings *s, unsigned *changed, char error[LISTENER_ERROR_MAX])
{
	size_t before = listener_count;

	*changed = 0;
	for (size_t i = 0; i < listener_count; i++)
		listeners[i].kept = false;
	for (unsigned service = 0; service < SERVICE_COUNT; service++)
		for (size_t i = 0; i < s->listen[service].count; i++)
			if (!add_word((enum service)service, s->listen[service].words[i], error)) {
				while (listener_count > before)
					close(listeners[--listener_count].socket);
				return false;
			}
	for (size_t i = before; i < listener_count; i++)
		*changed |= 1u << listeners[i].service;
	*changed |= close_where(false);
	return true;
}

void listeners_each(enum service service, void (*each)(enum service service, int socket, void *context), void *context)
{
	for (size_t i = 0; i < listener_count; i++)
		if (listeners[i].service == service)
			each(service, listeners[i].socket, context);
}

void listeners_close(void)
{
	while (listener_count > 0)
		close(listeners[--listener_count].socket);
}
