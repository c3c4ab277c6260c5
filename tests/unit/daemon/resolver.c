/*
 * What the resolver promises to its askers: the real process, libunbound's
 * thread and the sandbox included.  The test is the name server too.
 */
#include <criterion/criterion.h>

#include <arpa/inet.h>
#include <event2/event.h>
#include <unistd.h>

#include "common/channel_resolver.h"
#include "tests/unit/daemon/daemon.h"

enum { A = 1, PTR = 12, MX = 15, AAAA = 28, NXDOMAIN = 3 };

/* What the name server knows; all else does not exist. */
static const struct record {
	const char *name; /* on the wire */
	int type;         /* 0: the name exists */
	struct slice data;
} zone[] = {
#define RECORD(name, type, data)                                                                   \
	{                                                                                          \
		name, type,                                                                        \
		{                                                                                  \
			data, sizeof(data) - 1                                                     \
		}                                                                                  \
	}
    RECORD("\1a\4test", MX, "\0\24\3mx2\1a\4test\0"),
    RECORD("\1a\4test", MX, "\0\12\3mx1\1a\4test\0"),
    RECORD("\3mx1\1a\4test", A, "\300\0\2\1"),
    RECORD("\3mx1\1a\4test", AAAA, " \1\15\270\0\0\0\0\0\0\0\0\0\0\0\1"),
    RECORD("\3mx2\1a\4test", A, "\300\0\2\2"),
    RECORD("\10implicit\4test", A, "\300\0\2\3"),
    RECORD("\4null\4test", MX, "\0\0\0"),
    RECORD("\7nothing\4test", 0, ""),
    RECORD("\0011\0012\0010\003192\7in-addr\4arpa", PTR, "\4liar\4test\0"),
    RECORD("\0011\0012\0010\003192\7in-addr\4arpa", PTR, "\3mx1\1a\4test\0"),
    RECORD("\0012\0012\0010\003192\7in-addr\4arpa", PTR, "\3mx1\1a\4test\0"),
};

static struct daemon d;
static struct channel *smtpd;
static struct server {
	int socket;
	unsigned port;
	struct event *event;
	bool is_silent;
} server;

static size_t name_length(const char *wire)
{
	return strlen(wire) + 1;
}

/* Put the answer to the question behind it; the number of records, and whether the name exists. */
static unsigned append_answers(struct buf *answer, const char *name, int type, bool *exists)
{
	unsigned count = 0;

	*exists = false;
	for (size_t i = 0; i < sizeof zone / sizeof zone[0]; i++) {
		if (strcasecmp(zone[i].name, name) != 0)
			continue;
		*exists = true;
		if (zone[i].type != type)
			continue;
		/* A pointer to the question's name, the type, IN, a minute to live. */
		buf_append(answer, "\300\14\0", 3);
		buf_append_octet(answer, (char)type);
		buf_append(answer, "\0\1\0\0\0\74\0", 7);
		buf_append_octet(answer, (char)zone[i].data.len);
		buf_append_slice(answer, zone[i].data);
		count++;
	}
	return count;
}

static void serve(evutil_socket_t fd, short what, void *context)
{
	struct buf answer = buf_with_limit(4096);
	char question[512];
	struct sockaddr_storage peer;
	socklen_t peer_len = sizeof peer;
	ssize_t len =
	    recvfrom(fd, question, sizeof question - 1, 0, (struct sockaddr *)&peer, &peer_len);
	size_t end;
	bool exists;

	(void)what;
	if (len < 17 || ((struct server *)context)->is_silent)
		return;
	question[len] = '\0';
	end = 12 + name_length(question + 12) + 4;
	buf_append(&answer, question, end);
	answer.data[7] = (char)append_answers(&answer, question + 12, question[end - 3], &exists);
	answer.data[2] = (char)0x85; /* an answer, authoritative, recursion desired */
	answer.data[3] = (char)(exists ? 0x80 : 0x80 | NXDOMAIN);
	memset(answer.data + 8, 0, 4);
	cr_assert_geq(
	    sendto(fd, answer.data, answer.len, 0, (struct sockaddr *)&peer, peer_len), 0);
	buf_free(&answer);
}

static void server_open(struct server *s)
{
	struct sockaddr_in here = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof here;

	*s = (struct server){
	    .socket = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)};
	cr_assert_eq(bind(s->socket, (struct sockaddr *)&here, sizeof here), 0);
	cr_assert_eq(getsockname(s->socket, (struct sockaddr *)&here, &len), 0);
	s->port = ntohs(here.sin_port);
}

static void server_run(struct server *s)
{
	s->event = event_new(d.base, s->socket, EV_READ | EV_PERSIST, serve, s);
	event_add(s->event, NULL);
}

static void server_close(struct server *s)
{
	event_free(s->event);
	close(s->socket);
}

static void setup(void)
{
	char conf[256];

	server_open(&server);
	snprintf(conf, sizeof conf,
	    "hostname a.test\nresolver { forward 127.0.0.1@%u\ntimeout 2s }\n", server.port);
	daemon_start(&d, "resolver/resolver", ROLE_RESOLVER, conf);
	server_run(&server);
	smtpd = daemon_peer(&d, ROLE_SMTPD, 0, NULL);
}

static void teardown(void)
{
	server_close(&server);
	channel_free(smtpd);
	cr_assert_eq(daemon_stop(&d), 0);
}

TestSuite(resolver_daemon, .init = setup, .fini = teardown, .timeout = 30);

static struct resolver_hosts hosts;

/* The hosts as "status: preference name addresses...; ...". */
static void expect(enum resolver_type type, const char *name, const char *expected)
{
	static const char *const words[] = {
	    "ok", "no-name", "no-data", "null-mx", "temporary", "bad-name"};
	struct buf found = buf_with_limit(65536);
	struct reply reply = {0};
	struct reader r;
	char address[INET6_ADDRSTRLEN];

	write_string(channel_call(smtpd, type, daemon_reply, &reply, NULL), name);
	cr_assert(channel_end(smtpd));
	daemon_run_until(&d, &reply.came);
	r = reader_over(slice_of(reply.body, reply.len));
	cr_assert_eq(reply.type, RESOLVER_HOSTS);
	cr_assert(resolver_hosts_read(&r, &hosts));
	buf_printf(&found, "%s%s:", words[hosts.status], hosts.implicit ? " implicit" : "");
	for (unsigned i = 0; i < hosts.count; i++) {
		const struct resolver_host *host = &hosts.hosts[i];

		buf_printf(&found, " %u %s", host->preference, host->name);
		for (unsigned j = 0; j < host->address_count; j++)
			buf_printf(&found, " %s",
			    inet_ntop(host->addresses[j].family, host->addresses[j].octets, address,
				sizeof address));
		buf_append_octet(&found, ';');
	}
	cr_assert(slice_equal(buf_slice(&found), slice_string(expected)), "%s: %.*s", name,
	    SLICE_PRINTF(buf_slice(&found)));
	buf_free(&found);
}

static void expect_name(uint8_t last, enum resolver_status status, const char *name)
{
	struct resolver_address address = {
	    AF_INET, {192, 0, 2, last}
        };
	struct reply reply = {0};
	struct reader r;
	char found[RESOLVER_NAME_MAX + 1];

	resolver_address_write(
	    channel_call(smtpd, RESOLVER_NAME, daemon_reply, &reply, NULL), &address);
	cr_assert(channel_end(smtpd));
	daemon_run_until(&d, &reply.came);
	r = reader_over(slice_of(reply.body, reply.len));
	cr_assert_eq(reply.type, RESOLVER_NAMED);
	cr_assert_eq(read_u8(&r), status);
	cr_assert(read_string(&r, found, sizeof found));
	cr_assert_str_eq(found, name);
}

Test(resolver_daemon, mail_goes_to_the_mx_hosts_in_their_order)
{
	expect(RESOLVER_MX, "A.Test",
	    "ok: 10 mx1.a.test 2001:db8::1 192.0.2.1; 20 mx2.a.test 192.0.2.2;");
}

Test(resolver_daemon, a_domain_without_mx_is_its_own_mail_host)
{
	expect(RESOLVER_MX, "implicit.test", "ok implicit: 0 implicit.test 192.0.2.3;");
	expect(RESOLVER_MX, "nothing.test", "no-data implicit: 0 nothing.test;");
}

Test(resolver_daemon, a_domain_that_does_not_exist_or_takes_no_mail_is_told_apart)
{
	expect(RESOLVER_MX, "gone.test", "no-name:");
	expect(RESOLVER_MX, "null.test", "null-mx:");
	expect(RESOLVER_MX, "a..test", "bad-name:");
	expect(RESOLVER_MX, "", "bad-name:");
}

Test(resolver_daemon, a_hosts_addresses_are_of_both_families)
{
	expect(RESOLVER_ADDRESS, "mx1.a.test", "ok: 0 mx1.a.test 2001:db8::1 192.0.2.1;");
	expect(RESOLVER_ADDRESS, "gone.test", "no-name: 0 gone.test;");
}

Test(resolver_daemon, a_name_counts_if_it_points_back)
{
	expect_name(1, RESOLVER_OK, "mx1.a.test");
	expect_name(2, RESOLVER_NO_NAME, "");
	expect_name(3, RESOLVER_NO_NAME, "");
}

Test(resolver_daemon, a_silent_server_is_a_temporary_failure_when_the_time_is_up)
{
	server.is_silent = true;
	expect(RESOLVER_MX, "a.test", "temporary:");
	expect_name(1, RESOLVER_TEMPORARY, "");
}

Test(resolver_daemon, questions_in_flight_survive_a_change_of_servers)
{
	struct reply reply = {0};
	struct reader r;
	struct server other;
	char conf[256];

	server_open(&other);
	server_run(&other);
	server.is_silent = true;
	write_string(channel_call(smtpd, RESOLVER_MX, daemon_reply, &reply, NULL), "null.test");
	cr_assert(channel_end(smtpd));
	daemon_run_for(&d, 200);
	snprintf(conf, sizeof conf, "hostname a.test\nresolver.forward 127.0.0.1@%u\n", other.port);
	daemon_reload(&d, conf);
	daemon_run_until(&d, &reply.came);
	r = reader_over(slice_of(reply.body, reply.len));
	cr_assert(resolver_hosts_read(&r, &hosts));
	cr_assert_eq(hosts.status, RESOLVER_NULL_MX);
	server_close(&other);
}
