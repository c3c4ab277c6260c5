/*
 * services.c - connections to UNIX sockets of other programs, for processes that see no paths.
 *
 * master is the only process that can reach them all.  It sends and reads nothing
 * on such a connection: it is the child's from the first octet on.
 */
#include "master/services.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/channel_control.h"
#include "common/log.h"
#include "common/policy_service.h"

/* -1 with errno. */
static int connect_to(const char *path)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int saved, sock;

	if (!slice_copy(slice_string(path), address.sun_path, sizeof address.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (sock == -1 || connect(sock, (struct sockaddr *)&address, sizeof address) == 0)
		return sock;
	/* EAGAIN: its queue is full.  Whoever asked will ask again when it suits him. */
	saved = errno;
	close(sock);
	errno = saved;
	return -1;
}

bool services_connect(struct channel *child, const struct settings *s, struct message *m)
{
	struct reader r = message_reader(m);
	char path[SERVICE_PATH_MAX + 1];
	int sock, error;

	if (!read_string(&r, path, sizeof path) || !reader_finished(&r) || m->request == 0)
		return false;
	/* After a reload it may ask for what it still knows from before: no reason to end it. */
	if (!service_path_is_named(s, slice_string(path))) {
		log_warning("service-not-named", log_string("path", path));
		sock = -1;
		errno = EACCES;
	} else {
		sock = connect_to(path);
	}
	error = sock == -1 ? errno : 0;
	write_u32(channel_begin(child, CONTROL_CONNECTED, m->request), (uint32_t)error);
	if (sock != -1)
		channel_attach(child, sock);
	channel_end(child);
	return true;
}
