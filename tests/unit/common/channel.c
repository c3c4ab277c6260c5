/* What channel.h promises. */
#include <criterion/criterion.h>

#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/channel.h"

struct end {
	struct channel *channel;
	unsigned messages, closed, answers, lost, drained;
	uint16_t last_type;
	uint32_t last_request;
	size_t last_length;
	char last_text[64];
	int descriptor;
	bool refuse; /* says that every message is malformed */
	bool answer_calls;
};

static struct event_base *base;
static struct end left, right;

static bool on_message(struct channel *channel, struct message *m, void *context)
{
	struct end *end = context;

	end->messages++;
	end->last_type = m->type;
	end->last_request = m->request;
	end->last_length = m->body.len;
	slice_copy(slice_part(m->body, 0, sizeof end->last_text - 1), end->last_text, sizeof end->last_text);
	if (m->descriptor_count > 0)
		end->descriptor = message_take_descriptor(m, 0);
	if (end->answer_calls && m->request != 0) {
		struct writer *w = channel_begin(channel, (uint16_t)(m->type + 1), m->request);

		buf_append_slice(w->out, m->body);
		channel_end(channel);
	}
	return !end->refuse;
}

static void on_closed(struct channel *channel, void *context)
{
	struct end *end = context;

	(void)channel;
	end->closed++;
	end->channel = NULL;
}

static void on_drained(struct channel *channel, void *context)
{
	struct end *end = context;

	(void)channel;
	end->drained++;
}

static const struct channel_handlers handlers = {on_message, on_closed, on_drained};

static bool on_answer(struct message *answer, void *context)
{
	struct end *end = context;

	if (answer == NULL) {
		end->lost++;
		return true;
	}
	end->answers++;
	end->last_type = answer->type;
	return true;
}

static void set_up(void)
{
	int sockets[2];

	base = event_base_new();
	left = right = (struct end){.descriptor = -1};
	cr_assert_eq(channel_pair(sockets), 0);
	left.channel = channel_new(base, sockets[0], &handlers, &left);
	right.channel = channel_new(base, sockets[1], &handlers, &right);
}

static void run(void)
{
	for (int i = 0; i < 50; i++)
		event_base_loop(base, EVLOOP_NONBLOCK);
}

/* A raw socket on the right side, to say what no channel would. */
static int raw_set_up(void)
{
	int sockets[2];

	base = event_base_new();
	left = (struct end){.descriptor = -1};
	cr_assert_eq(channel_pair(sockets), 0);
	left.channel = channel_new(base, sockets[0], &handlers, &left);
	return sockets[1];
}

Test(channel, a_message_arrives_with_its_type_body_and_descriptor, .init = set_up)
{
	int pipes[2];
	struct writer *w;

	cr_assert_eq(pipe(pipes), 0);
	w = channel_begin(left.channel, 7, 0);
	buf_append_string(w->out, "hello");
	channel_attach(left.channel, pipes[1]);
	cr_assert(channel_end(left.channel));
	run();
	cr_assert_eq(right.messages, 1);
	cr_assert_eq(right.last_type, 7);
	cr_assert_str_eq(right.last_text, "hello");
	cr_assert_neq(right.descriptor, -1);
	cr_assert_neq(fcntl(right.descriptor, F_GETFD) & FD_CLOEXEC, 0, "a descriptor from a peer is close-on-exec");
	close(right.descriptor);
	cr_assert_eq(read(pipes[0], right.last_text, 1), 0, "the sender's copy is closed after sending");
}

Test(channel, messages_of_one_turn_leave_in_one_packet)
{
	int raw = raw_set_up();
	char packet[4096];

	for (int i = 0; i < 10; i++)
		channel_send(left.channel, 1, 0);
	run();
	cr_assert_eq(recv(raw, packet, sizeof packet, MSG_DONTWAIT), 10 * 12);
}

Test(channel, a_body_larger_than_a_packet_arrives_whole, .init = set_up)
{
	struct writer *w;
	static char large[3 * 1000 * 1000];

	memset(large, 'x', sizeof large);
	channel_send(left.channel, 1, 0);
	w = channel_begin(left.channel, 2, 0);
	buf_append(w->out, large, sizeof large);
	cr_assert(channel_end(left.channel));
	channel_send(left.channel, 3, 0);
	run();
	cr_assert_eq(right.messages, 3);
	cr_assert_eq(right.last_type, 3, "order is kept");
	cr_assert_eq(right.closed, 0);
}

Test(channel, a_body_above_the_limit_is_not_sent_and_harms_nothing, .init = set_up)
{
	struct writer *w = channel_begin(left.channel, 2, 0);
	char *large = calloc(1, CHANNEL_BODY_MAX + 1);

	buf_append(w->out, large, CHANNEL_BODY_MAX + 1);
	cr_assert_not(channel_end(left.channel));
	free(large);
	channel_send(left.channel, 3, 0);
	run();
	cr_assert_eq(right.messages, 1);
	cr_assert_eq(right.last_type, 3);
}

Test(channel, calls_get_their_answers_and_both_sides_may_call_at_once, .init = set_up)
{
	left.answer_calls = right.answer_calls = true;
	for (int i = 0; i < 100; i++) {
		channel_call(left.channel, 10, on_answer, &left, NULL);
		channel_end(left.channel);
		channel_call(right.channel, 20, on_answer, &right, NULL);
		channel_end(right.channel);
	}
	run();
	cr_assert_eq(left.answers, 100);
	cr_assert_eq(right.answers, 100);
	cr_assert_eq(left.messages, 100);
	cr_assert_eq(channel_calls_outstanding(left.channel), 0);
}

Test(channel, a_dead_peer_answers_every_call_with_nothing_once, .init = set_up)
{
	for (int i = 0; i < 40; i++) {
		channel_call(left.channel, 10, on_answer, &left, NULL);
		channel_end(left.channel);
	}
	run();
	channel_free(right.channel);
	run();
	cr_assert_eq(left.lost, 40);
	cr_assert_eq(left.closed, 1);
}

Test(channel, a_forgotten_call_gets_no_answer_and_its_late_answer_does_no_harm, .init = set_up)
{
	uint32_t request;

	right.answer_calls = true;
	channel_call(left.channel, 10, on_answer, &left, &request);
	channel_end(left.channel);
	channel_forget(left.channel, request);
	run();
	cr_assert_eq(left.answers + left.lost, 0);
	cr_assert_eq(left.closed, 0);
}

Test(channel, a_message_its_reader_calls_malformed_closes_the_channel, .init = set_up)
{
	right.refuse = true;
	channel_send(left.channel, 1, 0);
	channel_send(left.channel, 1, 0);
	run();
	cr_assert_eq(right.messages, 1, "nothing is read after the malformed one");
	cr_assert_eq(right.closed, 1);
	cr_assert_eq(left.closed, 1);
}

Test(channel, malformed_packets_end_the_channel_and_nothing_else)
{
	static const struct {
		const char *octets;
		size_t len;
	} bad[] = {
	    {"x", 1},
	    {"\1\0\0\0\0\0\0\0\0\0\0", 11},
	    {"\1\0\0\0\0\0\0\0\5\0\0\0abcd", 16},
	    {"\1\0\0\0\0\0\0\0\377\377\377\377", 12},
	    {"\1\0\0\3\0\0\0\0\0\0\0\0", 12},
	    {"\1\0\1\0\0\0\0\0\4\0\0\0", 12},
	    {"\1\0\200\0\0\0\0\0\0\0\0\0", 12},
	    {"\1\0\0\0\0\0\0\0\0\0\0\0\1\0", 14},
	};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		int raw = raw_set_up();

		cr_assert_eq(send(raw, bad[i].octets, bad[i].len, 0), (ssize_t)bad[i].len);
		run();
		cr_assert_eq(left.closed, 1, "packet %zu was taken", i);
		close(raw);
		event_base_free(base);
	}
}

Test(channel, any_octets_from_a_peer_end_at_worst_that_channel)
{
	srandom(1);
	for (int round = 0; round < 3000; round++) {
		int raw = raw_set_up();
		char packet[64];
		size_t len = 1 + (size_t)random() % sizeof packet;

		for (size_t i = 0; i < len; i++)
			packet[i] = (char)(random() % 4 == 0 ? random() : 0);
		send(raw, packet, len, 0);
		event_base_loop(base, EVLOOP_NONBLOCK);
		event_base_loop(base, EVLOOP_NONBLOCK);
		if (left.channel != NULL)
			channel_free(left.channel);
		close(raw);
		event_base_free(base);
	}
}

Test(channel, descriptors_that_no_message_claims_close_the_channel_and_are_closed)
{
	int raw = raw_set_up(), pipes[2];
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char octets[12] = {1};
	struct iovec iov = {octets, sizeof octets};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
	char octet;

	cr_assert_eq(pipe(pipes), 0);
	CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &pipes[1], sizeof(int));
	cr_assert_eq(sendmsg(raw, &m, 0), 12);
	close(pipes[1]);
	run();
	cr_assert_eq(left.closed, 1);
	cr_assert_eq(read(pipes[0], &octet, 1), 0, "nobody holds the other end any more");
}

Test(channel, a_peer_that_does_not_read_makes_the_channel_congested_and_later_drained, .init = set_up)
{
	static char text[30000];

	channel_pause(right.channel);
	for (int i = 0; i < 100; i++) {
		struct writer *w = channel_begin(left.channel, 1, 0);

		buf_append(w->out, text, sizeof text);
		channel_end(left.channel);
		event_base_loop(base, EVLOOP_NONBLOCK);
	}
	cr_assert(channel_is_congested(left.channel));
	cr_assert_eq(left.drained, 0);
	channel_resume(right.channel);
	run();
	run();
	cr_assert_eq(right.messages, 100);
	cr_assert_not(channel_is_congested(left.channel));
	cr_assert_eq(left.drained, 1);
}

Test(channel, a_queue_beyond_its_bound_gives_the_peer_up, .init = set_up)
{
	static char text[60000];

	channel_pause(right.channel);
	for (int i = 0; i < CHANNEL_QUEUE_MAX / 60000 + 20; i++) {
		struct writer *w = channel_begin(left.channel, 1, 0);

		buf_append(w->out, text, sizeof text);
		channel_end(left.channel);
	}
	run();
	cr_assert_eq(left.closed, 1);
}

Test(channel, one_call_too_many_is_refused_and_harms_none_of_the_others, .init = set_up)
{
	unsigned made = 0;

	right.answer_calls = true;
	for (int i = 0; i < CHANNEL_CALLS_MAX + 10; i++) {
		channel_call(left.channel, 10, on_answer, &left, NULL);
		made += channel_end(left.channel);
	}
	cr_assert_eq(made, CHANNEL_CALLS_MAX);
	for (int i = 0; i < 200 && left.answers < made; i++)
		run();
	cr_assert_eq(left.answers, CHANNEL_CALLS_MAX);
	cr_assert_eq(left.closed, 0);
}

static unsigned refused;

/* Does what a careless caller does: asks the same peer again at once. */
static bool on_answer_ask_again(struct message *answer, void *context)
{
	struct end *end = context;

	if (answer == NULL) {
		end->lost++;
		channel_call(end->channel, 10, on_answer_ask_again, end, NULL);
		refused += !channel_end(end->channel);
	}
	return true;
}

Test(channel, a_call_made_while_calls_are_being_lost_is_refused, .init = set_up)
{
	for (int i = 0; i < 40; i++) {
		channel_call(left.channel, 10, on_answer_ask_again, &left, NULL);
		channel_end(left.channel);
	}
	run();
	channel_free(right.channel);
	run();
	cr_assert_eq(left.lost, 40);
	cr_assert_eq(refused, 40, "who is told that it was not made waits for no answer");
	cr_assert_eq(left.closed, 1);
}

Test(channel, bodies_in_memory_files_count_towards_the_bound_of_the_queue, .init = set_up)
{
	static char large[CHANNEL_BODY_MAX];

	channel_pause(right.channel);
	for (int i = 0; i < CHANNEL_QUEUE_MAX / CHANNEL_BODY_MAX + 2; i++) {
		struct writer *w = channel_begin(left.channel, 1, 0);

		buf_append(w->out, large, sizeof large);
		cr_assert(channel_end(left.channel));
	}
	cr_assert_geq(channel_queued(left.channel), CHANNEL_QUEUE_MAX);
	run();
	cr_assert_eq(left.closed, 1);
}

/* A packet that says that its body is in the file. */
static void send_with_file(int raw, int file, uint8_t length)
{
	union {
		struct cmsghdr align;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	char octets[12] = {1, 0, 1, 1, 0, 0, 0, 0, (char)length};
	struct iovec iov = {octets, sizeof octets};
	struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};

	CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
	CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
	CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &file, sizeof(int));
	cr_assert_eq(sendmsg(raw, &m, 0), 12);
}

Test(channel, a_body_in_a_file_that_could_change_or_be_slow_closes_the_channel)
{
	enum { SEALS = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL };
	char path[] = "/var/tmp/petrel-channel-XXXXXX";
	int files[] = {mkstemp(path), memfd_create("unsealed", MFD_ALLOW_SEALING), memfd_create("sealed", MFD_ALLOW_SEALING)};

	unlink(path);
	for (int i = 0; i < 3; i++) {
		int raw = raw_set_up();

		cr_assert_eq(write(files[i], "hello", 5), 5);
		if (i == 2)
			cr_assert_eq(fcntl(files[i], F_ADD_SEALS, SEALS), 0);
		send_with_file(raw, files[i], 5);
		run();
		cr_assert_eq(left.closed, i < 2, "file %d", i);
		cr_assert_eq(left.messages, i == 2, "file %d", i);
		close(raw);
		close(files[i]);
	}
}
