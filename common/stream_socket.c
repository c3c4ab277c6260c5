/*
 * stream_socket.c - octets between a stream's buffers and its socket.
 *
 * MSG_DONTWAIT, whether the socket is non-blocking or not: whoever handed it over may
 * share it (a local user does, at submission), and could make it block.
 */
#include <sys/socket.h>
#include <sys/uio.h>

#include <errno.h>

#include "common/clock.h"
#include "common/stream_private.h"

enum { IOVECS = 64 }; /* pieces of output in one write */

char stream_scratch[STREAM_SCRATCH];

enum stream_step stream_send(struct stream *s, struct evbuffer *from, size_t limit)
{
	while (limit > 0) {
		struct evbuffer_iovec pieces[IOVECS];
		struct msghdr message = {.msg_iov = (struct iovec *)pieces};
		int count = evbuffer_peek(from, (ev_ssize_t)limit, NULL, pieces, IOVECS);
		size_t total = 0, used = 0;
		ssize_t n;

		for (; used < (size_t)count && used < IOVECS && total < limit; used++) {
			if (pieces[used].iov_len > limit - total)
				pieces[used].iov_len = limit - total;
			total += pieces[used].iov_len;
		}
		message.msg_iovlen = used;
		if (total == 0)
			break;
		n = sendmsg(s->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return STEP_WAIT;
		if (n < 0) {
			stream_fail(s, STREAM_FAILED, errno, "sending failed");
			return STEP_FAILED;
		}
		evbuffer_drain(from, (size_t)n);
		limit -= (size_t)n;
		s->progress_us = s->heard_us = clock_monotonic_us();
		/* The socket took less than it was given: it is full. */
		if ((size_t)n < total)
			return STEP_WAIT;
	}
	return STEP_DONE;
}

enum stream_step stream_receive(struct stream *s, size_t limit, size_t *n)
{
	ssize_t got;

	do
		got = recv(s->fd, stream_scratch, limit < STREAM_SCRATCH ? limit : STREAM_SCRATCH,
		    MSG_DONTWAIT);
	while (got < 0 && errno == EINTR);
	if (got == 0)
		return STEP_END;
	if (got > 0) {
		*n = (size_t)got;
		return STEP_DONE;
	}
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return STEP_WAIT;
	stream_fail(s, STREAM_FAILED, errno, "receiving failed");
	return STEP_FAILED;
}
