/*
 * What delivery/smtp promises: the real process, sandbox included.  The test is
 * qmgr, the resolver and the other host.
 */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <stdio.h>
#include <unistd.h>

#include "common/channel_resolver.h"
#include "common/stream.h"
#include "tests/unit/daemon/delivery.h"

#define MESSAGE "Subject: hello\r\n\r\n.one\r\n"

/* Another host, at 127.0.0.1. */
static struct host {
	int socket;
	unsigned port;
	struct event *event;
	const char *ehlo;    /* the lines of its reply to EHLO */
	const char *to_rcpt; /* replies; NULL: 250 */
	unsigned wary_of;    /* that is said in so many connections, the first ones; 0: in all */
	const char *to_end;
	bool hangs_up;        /* after each message, without a word */
	bool is_silent;       /* to the end of a message */
	unsigned connections; /* so far */
	unsigned messages;
	unsigned quits;
	uint64_t octets;   /* of content */
	char said[4096];   /* by the client, last connection; without content */
	char content[256]; /* the beginning of the last message */
} host;

struct client {
	struct stream *stream;
	bool in_data;
	size_t content_len;
	char tail[5]; /* the last octets of the content */
};

static struct daemon d;
static struct qmgr qmgr;
static struct delivery_recipient recipients[2] = {
    {.index = 7, .address = {"bob@example.net", 15}  },
    {.index = 8, .address = {"carol@example.net", 17}}
};

/* --- the other host ------------------------------------------------------------ */

static void command(struct client *c, const char *line)
{
	size_t used = strlen(host.said);

	snprintf(host.said + used, sizeof host.said - used, "%s\n", line);
	if (strncmp(line, "EHLO", 4) == 0) {
		stream_printf(c->stream, "%s", host.ehlo);
	} else if (strncmp(line, "RCPT", 4) == 0 && host.to_rcpt != NULL &&
		   (host.wary_of == 0 || host.connections <= host.wary_of)) {
		stream_printf(c->stream, "%s\r\n", host.to_rcpt);
	} else if (strcmp(line, "STARTTLS") == 0) {
		stream_printf(c->stream, "220 go\r\n");
	} else if (strcmp(line, "DATA") == 0) {
		stream_printf(c->stream, "354 go\r\n");
		c->in_data = true;
		c->content_len = 0;
		memcpy(c->tail, "xxx\r\n", 5);
		host.content[0] = '\0';
	} else if (strcmp(line, "QUIT") == 0) {
		host.quits++;
		stream_printf(c->stream, "221 bye\r\n");
		stream_close_when_sent(c->stream);
	} else if (line[0] == 0x16) {
		stream_printf(c->stream, "500 that is no command\r\n"); /* and no TLS either */
	} else {
		stream_printf(c->stream, "250 ok\r\n");
	}
}

static void end_of_message(struct client *c)
{
	host.messages++;
	c->in_data = false;
	if (!host.is_silent)
		stream_printf(
		    c->stream, "%s\r\n", host.to_end == NULL ? "250 2.0.0 taken" : host.to_end);
	if (host.hangs_up)
		stream_close_when_sent(c->stream);
}

/* Content, up to its end or to the end of what is there. */
static void content(struct client *c, struct evbuffer *in)
{
	while (c->in_data && evbuffer_get_length(in) > 0) {
		char octet;

		evbuffer_remove(in, &octet, 1);
		memmove(c->tail, c->tail + 1, 4);
		c->tail[4] = octet;
		host.octets++;
		if (c->content_len < sizeof host.content - 1) {
			host.content[c->content_len++] = octet;
			host.content[c->content_len] = '\0';
		}
		if (memcmp(c->tail, "\r\n.\r\n", 5) == 0)
			end_of_message(c);
	}
}

static void on_readable(struct stream *stream, void *context)
{
	struct client *c = context;
	struct evbuffer *in = stream_input(stream);
	char *line;

	do {
		content(c, in);
		line = c->in_data ? NULL : evbuffer_readln(in, NULL, EVBUFFER_EOL_LF);
		if (line != NULL) {
			line[strcspn(line, "\r")] = '\0';
			command(c, line);
		}
		free(line);
	} while (line != NULL);
}

static void on_closed(struct stream *stream, enum stream_end end, void *context)
{
	(void)end;
	stream_free(stream);
	free(context);
}

static const struct stream_handlers client_handlers = {
    .readable = on_readable, .closed = on_closed};

static void on_connection(evutil_socket_t fd, short what, void *context)
{
	struct client *c = calloc(1, sizeof *c);

	(void)what;
	(void)context;
	host.connections++;
	host.said[0] = '\0';
	c->stream = stream_new(d.base, accept(fd, NULL, NULL), &client_handlers, c);
	stream_printf(c->stream, "220 mx.example.net\r\n");
}

static void open_host(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t len = sizeof address;

	host = (struct host){.ehlo = "250-mx.example.net\r\n250 PIPELINING\r\n"};
	host.socket = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(host.socket, (struct sockaddr *)&address, sizeof address), 0);
	cr_assert_eq(listen(host.socket, 16), 0);
	getsockname(host.socket, (struct sockaddr *)&address, &len);
	host.port = ntohs(address.sin_port);
}

/* --- the resolver ----------------------------------------------------------------- */

static struct resolver_hosts hosts;
static unsigned questions;

static bool on_question(struct channel *channel, struct message *m, void *context)
{
	(void)context;
	questions++;
	resolver_hosts_write(channel_begin(channel, RESOLVER_HOSTS, m->request), &hosts);
	return channel_end(channel);
}

static void on_resolver_closed(struct channel *channel, void *context)
{
	(void)channel;
	(void)context;
}

static const struct channel_handlers resolver_handlers = {on_question, on_resolver_closed, NULL};

static void host_is_at(const char *name, uint16_t preference, uint8_t last_octet)
{
	struct resolver_host *h = &hosts.hosts[hosts.count++];

	*h = (struct resolver_host){.preference = preference, .address_count = 1};
	strcpy(h->name, name);
	h->addresses[0] = (struct resolver_address){
	    AF_INET, {127, 0, 0, last_octet}
        };
}

/* --- the house ----------------------------------------------------------------------- */

static void start_with(const char *more)
{
	char conf[512];

	open_host();
	snprintf(conf, sizeof conf,
	    "hostname mail.example.org\ndelivery.smtp-port %u\ndelivery.connect-timeout 2s\n"
	    "delivery.idle-connection 1s\n%s",
	    host.port, more);
	daemon_start(&d, "delivery/delivery-smtp", ROLE_DELIVERY_SMTP, conf);
	host.event = event_new(d.base, host.socket, EV_READ | EV_PERSIST, on_connection, NULL);
	event_add(host.event, NULL);
	hosts = (struct resolver_hosts){0};
	questions = 0;
	daemon_peer_with(&d, ROLE_RESOLVER, 0, &resolver_handlers, NULL);
	qmgr_open(&qmgr, &d);
}

static void start(void)
{
	start_with("");
}

static void stop(void)
{
	event_free(host.event);
	close(host.socket);
	cr_assert_eq(daemon_stop(&d), 0);
}

TestSuite(delivery_smtp, .init = start, .fini = stop, .timeout = 20);
/* These start it themselves, with settings of their own. */
TestSuite(delivery_smtp_set, .fini = stop, .timeout = 20);

static uint8_t tls; /* what the sender of the next message wants */

static void give(uint64_t number, const char *site, int content_fd, uint64_t size)
{
	char here[64];
	struct delivery_job job = {
	    .job = number,
	    .id = 1000 + number,
	    .size = size,
	    .sender = SLICE("alice@example.org"),
	    .prepend = SLICE("Received: x\r\n"),
	    .tls = tls,
	    .recipients = recipients,
	    .recipient_count = 2,
	};

	snprintf(here, sizeof here, "host:[127.0.0.1]:%u", host.port);
	job.site = slice_string(site == NULL ? here : site);
	qmgr_give(&qmgr, &job, content_fd);
}

/* Give a small message and wait for what comes of it. */
static void deliver(uint64_t number, const char *site)
{
	int fd = content_of(SLICE(MESSAGE));

	give(number, site, fd, sizeof MESSAGE - 1);
	close(fd);
	qmgr_await(&qmgr);
	cr_assert_eq(qmgr.job, number);
}

static void both_are(enum delivery_outcome outcome, const char *status)
{
	cr_assert_eq(qmgr.count, 2);
	cr_assert_eq(qmgr.outcomes[0].index, 7);
	cr_assert_eq(qmgr.outcomes[1].index, 8);
	for (int i = 0; i < 2; i++) {
		cr_assert_eq(qmgr.outcomes[i].outcome, outcome, "%s", qmgr.outcomes[i].text);
		cr_assert_str_eq(qmgr.outcomes[i].status, status);
	}
}

Test(delivery_smtp, a_message_reaches_the_other_host_as_it_is_and_its_words_come_back)
{
	char remote[64];

	snprintf(remote, sizeof remote, "[127.0.0.1]:%u", host.port);
	deliver(1, NULL);
	both_are(DELIVERY_DELIVERED, "2.0.0");
	cr_assert_str_eq(qmgr.outcomes[0].text, "250 2.0.0 taken");
	cr_assert_str_eq(qmgr.remote, remote);
	cr_assert_str_empty(qmgr.tls);
	cr_assert_str_eq(host.said,
	    "EHLO mail.example.org\nMAIL FROM:<alice@example.org>\n"
	    "RCPT TO:<bob@example.net>\nRCPT TO:<carol@example.net>\nDATA\n");
	cr_assert_str_eq(host.content, "Received: x\r\nSubject: hello\r\n\r\n..one\r\n.\r\n");
}

Test(delivery_smtp, messages_for_one_site_share_a_connection)
{
	for (uint64_t i = 1; i <= 5; i++) {
		deliver(i, NULL);
		both_are(DELIVERY_DELIVERED, "2.0.0");
		cr_assert(qmgr.reuse);
	}
	cr_assert_eq(host.connections, 1);
	cr_assert_eq(host.messages, 5);
}

Test(delivery_smtp, a_connection_without_work_says_goodbye_after_a_while)
{
	deliver(1, NULL);
	write_u64(channel_begin(qmgr.channel, DELIVERY_NO_MORE, 0), 1);
	channel_end(qmgr.channel);
	daemon_run_for(&d, 300);
	cr_assert_eq(host.quits, 0, "it is kept for delivery.idle-connection");
	daemon_run_for(&d, 1200);
	cr_assert_eq(host.quits, 1);
}

Test(delivery_smtp, a_connection_that_the_host_has_closed_meanwhile_costs_no_message)
{
	host.hangs_up = true;
	for (uint64_t i = 1; i <= 3; i++) {
		deliver(i, NULL);
		both_are(DELIVERY_DELIVERED, "2.0.0");
	}
	cr_assert_eq(host.connections, 3);
}

Test(delivery_smtp, hosts_are_tried_in_the_resolvers_order)
{
	host_is_at("mx1.example.net", 10, 2); /* nobody listens there */
	host_is_at("mx2.example.net", 20, 1);
	deliver(1, "mx:example.net");
	both_are(DELIVERY_DELIVERED, "2.0.0");
	cr_assert_eq(strncmp(qmgr.remote, "mx2.example.net[127.0.0.1]:", 27), 0, "%s", qmgr.remote);
	cr_assert_eq(questions, 1);
}

Test(delivery_smtp, a_site_without_a_host_that_answers_is_told_from_a_message_that_is_refused)
{
	host_is_at("mx1.example.net", 10, 2);
	host_is_at("mx2.example.net", 10, 3);
	deliver(1, "mx:example.net");
	both_are(DELIVERY_DEFERRED, "4.4.1");
	cr_assert(qmgr.site_failed);
	cr_assert_not_null(strstr(qmgr.outcomes[0].text, "mx2.example.net[127.0.0.3]"), "%s",
	    qmgr.outcomes[0].text);
	cr_assert_not_null(
	    strstr(qmgr.outcomes[0].text, "Connection refused"), "%s", qmgr.outcomes[0].text);
	host.to_end = "554 5.7.1 spam";
	deliver(2, NULL);
	both_are(DELIVERY_FAILED, "5.7.1");
	cr_assert_not(qmgr.site_failed);
	cr_assert_str_eq(qmgr.outcomes[0].text, "554 5.7.1 spam");
}

Test(delivery_smtp, where_a_host_puts_everybody_off_one_other_is_asked)
{
	host.to_rcpt = "450 4.7.1 greylisted";
	host.wary_of = 1;
	host_is_at("mx1.example.net", 10, 1);
	host_is_at("mx2.example.net", 20, 1);
	deliver(1, "mx:example.net");
	both_are(DELIVERY_DELIVERED, "2.0.0");
	cr_assert_eq(strncmp(qmgr.remote, "mx2.example.net[", 16), 0, "%s", qmgr.remote);
	cr_assert_eq(host.connections, 2);
}

Test(delivery_smtp, no_more_than_one_other_is_asked_and_none_where_it_is_refused)
{
	host.to_rcpt = "450 4.7.1 greylisted";
	host_is_at("mx1.example.net", 10, 1);
	host_is_at("mx2.example.net", 20, 1);
	host_is_at("mx3.example.net", 30, 1);
	deliver(1, "mx:example.net");
	both_are(DELIVERY_DEFERRED, "4.7.1");
	cr_assert_eq(host.connections, 2);
	cr_assert_not(qmgr.site_failed);
	host.to_rcpt = "550 5.1.1 no such user";
	deliver(2, "mx:other.example");
	both_are(DELIVERY_FAILED, "5.1.1");
	cr_assert_eq(host.connections, 3);
}

Test(delivery_smtp, where_the_other_host_gives_no_session_the_first_ones_word_stands)
{
	host.to_rcpt = "450 4.7.1 greylisted";
	host_is_at("mx1.example.net", 10, 1);
	host_is_at("mx2.example.net", 20, 2); /* nobody listens there */
	deliver(1, "mx:example.net");
	both_are(DELIVERY_DEFERRED, "4.7.1");
	cr_assert_str_eq(qmgr.outcomes[0].text, "450 4.7.1 greylisted");
	cr_assert_eq(strncmp(qmgr.remote, "mx1.example.net[", 16), 0, "%s", qmgr.remote);
	cr_assert_not(qmgr.site_failed);
}

Test(delivery_smtp, a_message_that_requires_TLS_does_not_go_where_the_DNS_may_be_forged)
{
	tls = TLS_REQUIRED;
	host_is_at("mx1.example.net", 10, 1);
	deliver(1, "mx:example.net");
	both_are(DELIVERY_FAILED, "5.7.10");
	cr_assert_eq(host.connections, 0);
	hosts.secure = true;
	deliver(2, "mx:example.net");
	both_are(DELIVERY_FAILED, "5.7.10");
	cr_assert_eq(host.connections, 1, "its host offers no TLS");
	cr_assert_not(qmgr.site_failed);
	cr_assert_eq(host.messages, 0);
	tls = TLS_AS_SET;
}

Test(delivery_smtp, a_domain_that_does_not_exist_or_takes_no_mail_fails)
{
	hosts.status = RESOLVER_NO_NAME;
	deliver(1, "mx:example.net");
	both_are(DELIVERY_FAILED, "5.1.2");
	hosts.status = RESOLVER_NULL_MX;
	deliver(2, "mx:example.net");
	both_are(DELIVERY_FAILED, "5.1.10");
	hosts.status = RESOLVER_TEMPORARY;
	deliver(3, "mx:example.net");
	both_are(DELIVERY_DEFERRED, "4.4.3");
	cr_assert_eq(host.connections, 0);
}

Test(delivery_smtp,
    where_the_TLS_handshake_fails_the_message_goes_in_the_clear_over_a_new_connection)
{
	host.ehlo = "250-mx.example.net\r\n250 STARTTLS\r\n";
	deliver(1, NULL);
	both_are(DELIVERY_DELIVERED, "2.0.0");
	cr_assert_eq(host.connections, 2);
	cr_assert_null(strstr(host.said, "STARTTLS"), "%s", host.said);
}

Test(delivery_smtp_set, a_host_whose_TLS_fails_is_remembered_for_those_who_do_not_ask_for_it)
{
	start_with("delivery.connection-messages 1\n");
	host.ehlo = "250-mx.example.net\r\n250 STARTTLS\r\n";
	deliver(1, NULL);
	cr_assert_eq(host.connections, 2);
	deliver(2, NULL);
	both_are(DELIVERY_DELIVERED, "2.0.0");
	cr_assert_eq(host.connections, 3, "it was not tried again");
	tls = TLS_REQUIRED;
	deliver(3, NULL);
	both_are(DELIVERY_DEFERRED, "4.7.5");
	cr_assert_eq(host.messages, 2);
	tls = TLS_AS_SET;
}

Test(delivery_smtp_set, where_TLS_is_required_a_failed_handshake_defers)
{
	start_with("delivery.tls required\n");
	host.ehlo = "250-mx.example.net\r\n250 STARTTLS\r\n";
	deliver(1, NULL);
	both_are(DELIVERY_DEFERRED, "4.7.5");
	cr_assert_eq(host.messages, 0);
	host.ehlo = "250 mx.example.net\r\n";
	deliver(2, NULL);
	both_are(DELIVERY_DEFERRED, "4.7.4");
	cr_assert_eq(host.messages, 0);
}

Test(delivery_smtp_set, a_host_that_is_silent_after_the_message_leaves_it_deferred)
{
	start_with("delivery.reply-timeout 1s\ndelivery.data-timeout 1s\n");
	host.is_silent = true;
	deliver(1, NULL);
	both_are(DELIVERY_DEFERRED, "4.4.2");
	cr_assert_str_eq(
	    qmgr.outcomes[0].text, "time-out waiting for the reply to the end of the message");
	cr_assert_not(qmgr.reuse);
}

static unsigned long memory_peak_kib(void)
{
	char path[64], line[256];
	unsigned long peak = 0;
	FILE *f;

	snprintf(path, sizeof path, "/proc/%d/status", (int)d.pid);
	f = fopen(path, "r");
	cr_assert_not_null(f);
	while (fgets(line, sizeof line, f) != NULL)
		sscanf(line, "VmHWM: %lu", &peak);
	fclose(f);
	return peak;
}

Test(delivery_smtp, a_large_message_costs_no_more_memory_than_a_small_one)
{
	enum { SIZE = 50 * 1024 * 1024 };
	static char block[65536];
	int fd = content_of(SLICE(""));
	unsigned long before;

	for (size_t i = 0; i < sizeof block; i++)
		block[i] = i % 64 == 62 ? '\r' : i % 64 == 63 ? '\n' : 'x';
	for (size_t i = 0; i < SIZE / sizeof block; i++)
		cr_assert_eq(write(fd, block, sizeof block), (ssize_t)sizeof block);
	deliver(1, NULL);
	before = memory_peak_kib();
	host.octets = 0;
	give(2, NULL, fd, SIZE);
	qmgr_await(&qmgr);
	both_are(DELIVERY_DELIVERED, "2.0.0");
	cr_assert_eq(host.octets, SIZE + 13 + 3);
#ifndef PETREL_SANITIZERS /* which keep what was freed */
	cr_assert_lt(
	    memory_peak_kib(), before + 4096, "from %lu to %lu KiB", before, memory_peak_kib());
#else
	(void)before;
#endif
	close(fd);
}

Test(delivery_smtp, a_message_that_is_shorter_than_it_should_be_is_never_ended)
{
	int fd = content_of(SLICE(MESSAGE));

	give(1, NULL, fd, sizeof MESSAGE + 100);
	close(fd);
	qmgr_await(&qmgr);
	both_are(DELIVERY_DEFERRED, "4.3.0");
	daemon_run_for(&d, 100);
	cr_assert_eq(host.messages, 0);
}

Test(delivery_smtp, a_cancelled_job_gives_its_slot_back)
{
	int fd = content_of(SLICE(MESSAGE));

	host.is_silent = true;
	give(1, NULL, fd, sizeof MESSAGE - 1);
	close(fd);
	daemon_run_for(&d, 200);
	write_u64(channel_begin(qmgr.channel, DELIVERY_CANCEL, 0), 1);
	channel_end(qmgr.channel);
	qmgr_await(&qmgr);
	cr_assert_eq(qmgr.job, 1);
	cr_assert_eq(qmgr.count, 0);
	cr_assert_not(qmgr.reuse);
}

Test(delivery_smtp, an_orderly_stop_says_goodbye_and_lets_a_message_be_finished)
{
	deliver(1, NULL);
	cr_assert_eq(host.quits, 0);
	channel_send(d.control, CONTROL_STOP, 0);
	daemon_run_until(&d, &d.is_gone);
	cr_assert_eq(host.quits, 1);
}
