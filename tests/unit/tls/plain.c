/* What stream.h promises of streams in the clear. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/unit/tls/pair.h"

static struct pair p;

static void setup(void)
{
	pair_open(&p);
}

static void teardown(void)
{
	pair_close(&p);
}

TestSuite(stream, .init = setup, .fini = teardown, .timeout = 30);

Test(stream, what_is_put_into_the_output_arrives)
{
	char *text;

	stream_write(p.client.stream, SLICE("EHLO client\r\n"));
	pair_run_until(&p, server_read);
	text = side_take(&p.server);
	cr_assert_str_eq(text, "EHLO client\r\n");
	free(text);
}

/* Take a message as the kernel got it: the other end of a packet socket keeps the writes apart. */
Test(stream, replies_to_a_pipelined_batch_leave_in_one_write)
{
	int sockets[2];
	char text[256];
	ssize_t n;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sockets), 0);
	stream_free(p.server.stream);
	p.server.stream = stream_new(p.base, sockets[0], &side_handlers, &p.server);
	p.server.in_call = true;
	stream_write(p.server.stream, SLICE("250 2.1.0 sender\r\n"));
	stream_printf(p.server.stream, "250 2.1.5 recipient %d\r\n", 1);
	evbuffer_add_printf(stream_output(p.server.stream), "354 go ahead\r\n");
	p.server.in_call = false;
	pair_run_for(&p, 20);
	n = recv(sockets[1], text, sizeof text, MSG_DONTWAIT);
	cr_assert_eq(n, 18 + 23 + 14);
	cr_assert_eq(recv(sockets[1], text, sizeof text, MSG_DONTWAIT), -1);
	close(sockets[1]);
}

Test(stream, no_handler_is_called_from_within_a_call)
{
	stream_write(p.client.stream, SLICE("x"));
	pair_run_until(&p, server_read);
	p.server.in_call = true;
	stream_pause(p.server.stream);
	stream_resume(p.server.stream);
	stream_write(p.server.stream, SLICE("reply"));
	stream_set_limits(p.server.stream, &stream_default_limits);
	stream_close_when_sent(p.server.stream);
	p.server.in_call = false;
	pair_run_until(&p, client_closed);
}

Test(stream, resuming_tells_of_what_was_left)
{
	stream_write(p.client.stream, SLICE("MAIL\r\nRCPT\r\n"));
	pair_run_until(&p, server_read);
	stream_pause(p.server.stream);
	pair_run_for(&p, 20);
	cr_assert_eq(p.server.readable, 1);
	stream_resume(p.server.stream);
	pair_run_for(&p, 20);
	cr_assert_eq(p.server.readable, 2);
	/* Resuming what is not paused is nothing. */
	stream_resume(p.server.stream);
	pair_run_for(&p, 20);
	cr_assert_eq(p.server.readable, 2);
}

Test(stream, a_paused_stream_reads_nothing)
{
	stream_pause(p.server.stream);
	stream_write(p.client.stream, SLICE("x"));
	pair_run_for(&p, 30);
	cr_assert_eq(p.server.readable, 0);
	stream_resume(p.server.stream);
	pair_run_until(&p, server_read);
}

Test(stream, input_is_not_read_beyond_its_limit)
{
	struct stream_limits limits = stream_default_limits;
	char block[4096];
	size_t len;

	limits.input = 10000;
	stream_set_limits(p.server.stream, &limits);
	memset(block, 'x', sizeof block);
	for (int i = 0; i < 32; i++)
		stream_write(p.client.stream, slice_of(block, sizeof block));
	pair_run_for(&p, 50);
	len = evbuffer_get_length(stream_input(p.server.stream));
	cr_assert_eq(len, 10000, "%zu octets were read", len);
	/* Room again, outside of any handler: reading goes on. */
	p.server.readable = 0;
	evbuffer_drain(stream_input(p.server.stream), 6000);
	pair_run_until(&p, server_read);
	cr_assert_eq(evbuffer_get_length(stream_input(p.server.stream)), 10000);
}

Test(stream, a_peer_that_takes_no_replies_is_not_listened_to)
{
	struct stream_limits limits = stream_default_limits;
	static char block[4 * 1024 * 1024];
	char *text;

	limits.output = 4096;
	stream_set_limits(p.server.stream, &limits);
	stream_pause(p.client.stream);
	cr_assert(stream_has_room(p.server.stream));
	stream_write(p.server.stream, slice_of(block, sizeof block));
	cr_assert_not(stream_has_room(p.server.stream));
	pair_run_for(&p, 20);
	stream_write(p.client.stream, SLICE("NOOP\r\n"));
	pair_run_for(&p, 30);
	cr_assert_eq(p.server.readable, 0);
	cr_assert_eq(p.server.drained, 0);
	/* Once it takes them it is heard again. */
	limits.input = 2 * sizeof block;
	stream_set_limits(p.client.stream, &limits);
	stream_resume(p.client.stream);
	pair_run_until(&p, server_read);
	cr_assert_eq(p.server.drained, 1);
	cr_assert(stream_has_room(p.server.stream));
	text = side_take(&p.server);
	cr_assert_str_eq(text, "NOOP\r\n");
	free(text);
}

Test(stream, after_the_end_of_input_output_can_still_be_sent)
{
	char *text;

	stream_write(p.client.stream, SLICE("QUIT\r\n"));
	pair_run_until(&p, server_read);
	shutdown(stream_fd(p.client.stream), SHUT_WR);
	pair_run_until(&p, server_closed);
	cr_assert_eq(p.server.end, STREAM_END_OF_INPUT);
	stream_write(p.server.stream, SLICE("221 bye\r\n"));
	stream_close_when_sent(p.server.stream);
	pair_run_until(&p, client_closed);
	cr_assert_eq(p.server.closed, 2);
	cr_assert_eq(p.server.end, STREAM_CLOSED);
	text = side_take(&p.client);
	cr_assert_str_eq(text, "221 bye\r\n");
	free(text);
}

Test(stream, closing_sends_everything_first)
{
	static char block[3 * 1024 * 1024];
	struct stream_limits limits = stream_default_limits;
	size_t got;

	limits.input = sizeof block + 10;
	stream_set_limits(p.client.stream, &limits);
	stream_write(p.server.stream, slice_of(block, sizeof block));
	stream_close_when_sent(p.server.stream);
	pair_run_until(&p, client_closed);
	cr_assert_eq(p.client.end, STREAM_END_OF_INPUT);
	got = evbuffer_get_length(stream_input(p.client.stream));
	cr_assert_eq(got, sizeof block, "%zu of %zu octets arrived", got, sizeof block);
	/* The server waits for the client's end, and then is done. */
	stream_free(p.client.stream);
	p.client.stream = NULL;
	pair_run_until(&p, server_closed);
	cr_assert_eq(p.server.end, STREAM_CLOSED);
}

Test(stream, who_parts_does_not_wait_for_the_peers_end)
{
	stream_write(p.server.stream, SLICE("221 bye\r\n"));
	stream_part(p.server.stream);
	pair_run_until(&p, server_closed);
	cr_assert_eq(p.server.end, STREAM_CLOSED);
	cr_assert_eq(p.client.closed, 0, "the client has not even looked yet");
	stream_free(p.server.stream);
	p.server.stream = NULL;
	pair_run_until(&p, client_closed);
	cr_assert_eq(p.client.end, STREAM_END_OF_INPUT);
	cr_assert_eq(evbuffer_get_length(stream_input(p.client.stream)), 9);
}

Test(stream, what_came_behind_the_goodbye_does_not_cost_the_peer_our_last_word)
{
	stream_write(p.client.stream, SLICE("QUIT\r\nMAIL"));
	pair_run_until(&p, server_read);
	evbuffer_drain(stream_input(p.server.stream), 6);
	stream_write(p.server.stream, SLICE("221 bye\r\n"));
	stream_part(p.server.stream);
	pair_run_until(&p, client_closed);
	cr_assert_eq(p.client.end, STREAM_END_OF_INPUT);
	cr_assert_eq(p.server.closed, 0, "it waits for the client's end");
}

Test(stream, a_silent_peer_times_out)
{
	struct stream_limits limits = stream_default_limits;

	limits.read_seconds = 1;
	stream_set_limits(p.server.stream, &limits);
	pair_run_for(&p, 700);
	cr_assert_eq(p.server.closed, 0);
	pair_run_until(&p, server_closed);
	cr_assert_eq(p.server.end, STREAM_TIMED_OUT);
}

Test(stream, a_paused_stream_does_not_time_out)
{
	struct stream_limits limits = stream_default_limits;

	limits.read_seconds = 1;
	stream_set_limits(p.server.stream, &limits);
	stream_pause(p.server.stream);
	pair_run_for(&p, 1300);
	cr_assert_eq(p.server.closed, 0);
	stream_resume(p.server.stream);
	pair_run_for(&p, 500);
	cr_assert_eq(p.server.closed, 0, "the time that it was paused was counted");
	pair_run_until(&p, server_closed);
	cr_assert_eq(p.server.end, STREAM_TIMED_OUT);
}

Test(stream, a_peer_that_takes_nothing_times_out)
{
	struct stream_limits limits = stream_default_limits;
	static char block[4 * 1024 * 1024];

	limits.write_seconds = 1;
	stream_set_limits(p.server.stream, &limits);
	stream_pause(p.client.stream);
	stream_write(p.server.stream, slice_of(block, sizeof block));
	pair_run_until(&p, server_closed);
	cr_assert_eq(p.server.end, STREAM_TIMED_OUT);
}

static void write_back(struct side *side)
{
	stream_write(p.client.stream, SLICE("."));
	(void)side;
}

Test(stream, a_deadline_is_not_moved_by_octets_that_trickle_in)
{
	p.server.on_readable = write_back;
	stream_set_deadline(p.server.stream, 1);
	stream_write(p.client.stream, SLICE("."));
	pair_run_until(&p, server_closed);
	cr_assert_eq(p.server.end, STREAM_TIMED_OUT);
	cr_assert(p.server.readable > 10);
}

Test(stream, a_deadline_can_be_taken_away)
{
	stream_set_deadline(p.server.stream, 1);
	stream_set_deadline(p.server.stream, 0);
	pair_run_for(&p, 1200);
	cr_assert_eq(p.server.closed, 0);
}

Test(stream, a_stream_may_be_freed_in_its_own_handlers)
{
	p.server.free_at_read = true;
	stream_write(p.client.stream, SLICE("x"));
	pair_run_until(&p, client_closed);
	cr_assert_eq(p.server.readable, 1);
	cr_assert_eq(p.server.closed, 0);
	cr_assert_eq(p.client.end, STREAM_END_OF_INPUT);
}

Test(stream, a_lost_connection_is_told_once)
{
	p.server.free_at_close = false;
	stream_free(p.client.stream);
	p.client.stream = NULL;
	pair_run_until(&p, server_closed);
	cr_assert_eq(p.server.end, STREAM_END_OF_INPUT);
	stream_write(p.server.stream, SLICE("into the void"));
	pair_run_for(&p, 30);
	cr_assert_eq(p.server.closed, 2);
	cr_assert_eq(p.server.end, STREAM_FAILED);
	cr_assert_eq(stream_errno(p.server.stream), EPIPE);
	stream_write(p.server.stream, SLICE("once more"));
	pair_run_for(&p, 30);
	cr_assert_eq(p.server.closed, 2);
}

static int listener(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	socklen_t len = sizeof *address;

	*address =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	cr_assert_eq(bind(fd, (struct sockaddr *)address, len), 0);
	cr_assert_eq(listen(fd, 5), 0);
	getsockname(fd, (struct sockaddr *)address, &len);
	return fd;
}

static bool client_connected(struct pair *pair)
{
	return pair->client.connected == 1;
}

Test(stream, a_client_connects_and_what_it_said_before_is_sent)
{
	struct sockaddr_in address;
	int fd = listener(&address), accepted;
	char text[16] = "";

	stream_free(p.client.stream);
	p.client.stream = stream_connect(p.base, (struct sockaddr *)&address, sizeof address, NULL,
	    0, 5, &side_handlers, &p.client);
	cr_assert_not_null(p.client.stream);
	stream_write(p.client.stream, SLICE("early"));
	pair_run_until(&p, client_connected);
	pair_run_for(&p, 20);
	accepted = accept(fd, NULL, NULL);
	cr_assert_eq(recv(accepted, text, sizeof text, MSG_DONTWAIT), 5);
	close(accepted);
	close(fd);
}

Test(stream, a_refused_connection_is_a_failure_with_its_errno)
{
	struct sockaddr_in address;

	close(listener(&address));
	stream_free(p.client.stream);
	p.client.stream = stream_connect(p.base, (struct sockaddr *)&address, sizeof address, NULL,
	    0, 5, &side_handlers, &p.client);
	pair_run_until(&p, client_closed);
	cr_assert_eq(p.client.end, STREAM_FAILED);
	cr_assert_eq(stream_errno(p.client.stream), ECONNREFUSED);
	cr_assert_eq(p.client.connected, 0);
}

Test(stream, a_socket_that_its_sharer_makes_blocking_holds_nothing_up)
{
	static char text[65536];
	int sockets[2], shared;

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets), 0);
	shared = dup(sockets[0]);
	stream_free(p.server.stream);
	p.server.stream = stream_new(p.base, sockets[0], &side_handlers, &p.server);
	cr_assert_eq(fcntl(shared, F_SETFL, 0), 0);
	for (int i = 0; i < 32; i++)
		stream_write(p.server.stream, slice_of(text, sizeof text));
	pair_run_for(&p, 20);
	cr_assert_gt(stream_output_len(p.server.stream), 0, "the other end takes nothing, and nobody waits for it");
	close(shared);
	close(sockets[1]);
}
