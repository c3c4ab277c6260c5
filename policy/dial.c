/*
 * dial.c - a connection to a program that the settings name.
 */
#include "policy/dial.h"

#include <stdlib.h>

#include "common/process.h"

struct dial {
	const struct stream_handlers *handlers;
	void *context;
	dial_done *done;
	uint32_t request; /* of the call to master */
};

/* master's answer. */
static bool connected(struct message *m, void *context)
{
	struct dial *dial = context;
	struct stream *stream = NULL;
	const char *problem = "master is gone";
	bool good = true;

	if (m != NULL) {
		struct reader r = message_reader(m);
		uint32_t error = read_u32(&r);
		int socket = message_take_descriptor(m, 0);

		good = m->type == CONTROL_CONNECTED && reader_finished(&r) &&
		       (error == 0) == (socket != -1);
		problem = error == 0 ? "out of memory" : strerror((int)error);
		if (socket != -1)
			stream = stream_new(process_base(), socket, dial->handlers, dial->context);
	}
	dial->done(dial->context, stream, problem);
	free(dial);
	return good;
}

static struct stream *connect_to_host(const struct service_address *to, unsigned seconds,
    const struct stream_handlers *handlers, void *context)
{
	struct sockaddr_storage address;

	host_address_to_socket(&to->host, to->port, &address);
	return stream_connect(process_base(), (struct sockaddr *)&address,
	    to->host.family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6),
	    NULL, 0, seconds, handlers, context);
}

struct stream *dial(const struct service_address *to, unsigned seconds,
    const struct stream_handlers *handlers, void *context, dial_done *done, struct dial **pending)
{
	struct channel *master = process_master();
	struct dial *new;

	*pending = NULL;
	if (to->path[0] == '\0')
		return connect_to_host(to, seconds, handlers, context);
	new = master == NULL ? NULL : malloc(sizeof *new);
	if (new == NULL)
		return NULL;
	*new = (struct dial){handlers, context, done, 0};
	write_string(
	    channel_call(master, CONTROL_CONNECT, connected, new, &new->request), to->path);
	if (channel_end(master))
		*pending = new;
	else
		free(new);
	return NULL;
}

void dial_cancel(struct dial *pending)
{
	if (pending == NULL)
		return;
	if (process_master() != NULL)
		channel_forget(process_master(), pending->request);
	free(pending);
}
