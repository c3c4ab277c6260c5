/* What smtpd promises when others come and go: the real process, sandbox included. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/channel_lookup.h"
#include "common/channel_queue.h"
#include "common/tally.h"
#include "tests/unit/daemon/daemon.h"

static const char conf[] = "hostname hamburger.edu\nlimits { exempt none\n client { connections 3 } }\n";

enum { HELD_MAX = 64 };

static struct daemon d;
static struct sockaddr_in address;

/* --- qmgr and lookup ------------------------------------------------------------------ */

static struct channel *qmgr, *lookup;
static bool holds_commits; /* commits are not answered */
static bool holds_files;   /* nor are questions for files, until later */
static struct {
	uint32_t request;
	uint32_t count;
} held[HELD_MAX];
static unsigned held_count;
static bool is_malformed; /* the answer to a commit is nonsense */
static unsigned opened, committed, aborted;
static bool has_committed, qmgr_is_gone;
static uint64_t next_id = 1;

static void answer_open(struct channel *channel, uint32_t request, uint32_t count)
{
	struct writer *w = channel_begin(channel, QUEUE_OPENED, request);

	write_u32(w, count);
	for (uint32_t i = 0; i < count; i++)
		write_u64(w, next_id++);
	for (uint32_t i = 0; i < count; i++)
		channel_attach(channel, memfd_create("content", MFD_CLOEXEC));
	opened += count;
	channel_end(channel);
}

static void open_files(struct channel *channel, struct message *m)
{
	struct reader r = message_reader(m);
	uint32_t count = read_u32(&r);

	if (!holds_files) {
		answer_open(channel, m->request, count);
		return;
	}
	cr_assert_lt(held_count, HELD_MAX);
	held[held_count].request = m->request;
	held[held_count++].count = count;
}

static void commit(struct channel *channel, struct message *m)
{
	struct reader r = message_reader(m);
	struct envelope envelope;

	read_u64(&r);
	read_u64(&r);
	cr_assert(envelope_read(&r, &envelope));
	cr_assert(reader_finished(&r));
	envelope_free(&envelope);
	committed++;
	has_committed = true;
	if (holds_commits)
		return;
	write_u8(channel_begin(channel, QUEUE_COMMITTED, m->request),
	    is_malformed ? QUEUE_VERDICT_COUNT : QUEUE_ACCEPTED);
	channel_end(channel);
}

static bool on_queue(struct channel *channel, struct message *m, void *context)
{
	(void)context;
	switch (m->type) {
	case QUEUE_OPEN:
		open_files(channel, m);
		return true;
	case QUEUE_COMMIT:
		commit(channel, m);
		return true;
	case QUEUE_ABORT:
		aborted++;
		return true;
	default:
		return false;
	}
}

static bool on_lookup(struct channel *channel, struct message *m, void *context)
{
	struct lookup_verdict verdict = {LOOKUP_ACCEPTED, 250, "2.1.5", "Ok"};

	(void)context;
	lookup_verdict_write(channel_begin(channel, LOOKUP_VERDICT, m->request), &verdict);
	return channel_end(channel);
}

static void on_closed(struct channel *channel, void *context)
{
	(void)context;
	if (channel == qmgr) {
		qmgr = NULL;
		qmgr_is_gone = true;
	} else {
		lookup = NULL;
	}
}

static const struct channel_handlers queue_handlers = {on_queue, on_closed, NULL};
static const struct channel_handlers lookup_handlers = {on_lookup, on_closed, NULL};

static struct channel *peer(enum role role, const struct channel_handlers *handlers)
{
	return daemon_peer_with(&d, role, 0, handlers, NULL);
}

static void start_qmgr(void)
{
	qmgr_is_gone = false;
	qmgr = peer(ROLE_QMGR, &queue_handlers);
	daemon_run_for(&d, 50);
}

static void kill_qmgr(void)
{
	channel_free(qmgr);
	qmgr = NULL;
	daemon_run_for(&d, 50);
}

/* --- set-up --------------------------------------------------------------------------- */

static void listen_for(enum service service)
{
	socklen_t len = sizeof address;
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	address =
	    (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	cr_assert_eq(bind(listener, (struct sockaddr *)&address, sizeof address), 0);
	cr_assert_eq(listen(listener, 16), 0);
	getsockname(listener, (struct sockaddr *)&address, &len);
	write_u8(channel_begin(d.control, CONTROL_LISTENER, 0), (uint8_t)service);
	channel_attach(d.control, listener);
	channel_end(d.control);
}

static void setup(void)
{
	daemon_start(&d, "smtpd/smtpd", ROLE_SMTPD, conf);
	lookup = peer(ROLE_LOOKUP, &lookup_handlers);
	start_qmgr();
	daemon_send_file(&d, CONTROL_FILE_TALLY, "tally", tally_create(1));
	listen_for(SERVICE_MX);
	daemon_run_for(&d, 50);
}

static void teardown(void)
{
	channel_free(lookup);
	channel_free(qmgr);
	cr_assert_eq(daemon_stop(&d), 0);
}

TestSuite(smtpd_daemon, .init = setup, .fini = teardown, .timeout = 30);

static int connect_client(void)
{
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	cr_assert_eq(connect(client, (struct sockaddr *)&address, sizeof address), 0);
	fcntl(client, F_SETFL, O_NONBLOCK);
	daemon_run_for(&d, 50);
	return client;
}

/* Say something, and expect an answer that ends with this line's beginning. */
static void dialogue(int client, const char *say, const char *hear)
{
	char text[4096];
	size_t len = 0;
	const char *line;

	send(client, say, strlen(say), MSG_NOSIGNAL);
	for (int i = 0; i < 20; i++) {
		ssize_t n;

		daemon_run_for(&d, 10);
		n = recv(client, text + len, sizeof text - 1 - len, 0);
		if (n > 0)
			len += (size_t)n;
		if (n == 0 || (len > 0 && text[len - 1] == '\n'))
			break;
	}
	text[len] = '\0';
	if (hear[0] == '\0') {
		cr_assert_eq(len, 0, "after \"%s\": %s", say, text);
		return;
	}
	line = text;
	for (char *next = text; next != NULL && next[1] != '\0'; next = strchr(next + 1, '\n'))
		line = *next == '\n' ? next + 1 : next;
	cr_assert(strncmp(line, hear, strlen(hear)) == 0, "after \"%s\": %s", say, text);
}

static int greeted(void)
{
	int client = connect_client();

	dialogue(client, "", "220 hamburger.edu");
	dialogue(client, "EHLO x\r\n", "250 ENHANCEDSTATUSCODES");
	return client;
}

static const char message[] = "Subject: x\r\n\r\nx\r\n.\r\n";
static const char envelope[] = "MAIL FROM:<a@b.example>\r\nRCPT TO:<bob@hamburger.edu>\r\nDATA\r\n";

Test(smtpd_daemon, takes_a_message_with_files_that_were_opened_ahead)
{
	int client = greeted();

	cr_assert(opened >= 8);
	dialogue(client, envelope, "354 ");
	dialogue(client, message, "250 2.0.0 Ok: queued as ");
	dialogue(client, "QUIT\r\n", "221 2.0.0");
	cr_assert_eq(committed, 1);
	close(client);
}

Test(smtpd_daemon, sessions_live_on_while_qmgr_is_away_and_go_on_when_it_is_back)
{
	int client = greeted();

	kill_qmgr();
	dialogue(client, "MAIL FROM:<a@b.example>\r\n", "451 4.3.0");
	start_qmgr();
	dialogue(client, envelope, "354 ");
	dialogue(client, message, "250 2.0.0");
	close(client);
}

Test(smtpd_daemon, a_message_whose_file_died_with_qmgr_is_to_be_sent_again)
{
	int client = greeted();

	dialogue(client, envelope, "354 ");
	kill_qmgr();
	start_qmgr();
	dialogue(client, message, "451 4.3.0");
	cr_assert_eq(committed, 0);
	dialogue(client, envelope, "354 ");
	dialogue(client, message, "250 2.0.0");
	close(client);
}

Test(smtpd_daemon, a_lost_answer_to_a_commit_is_a_temporary_failure)
{
	int client = greeted();

	holds_commits = true;
	dialogue(client, envelope, "354 ");
	dialogue(client, message, "");
	daemon_run_until(&d, &has_committed);
	kill_qmgr();
	dialogue(client, "", "451 4.3.0");
	dialogue(client, "NOOP\r\n", "250 2.0.0");
	close(client);
}

Test(smtpd_daemon, a_malformed_answer_ends_the_channel_and_not_the_process)
{
	int client = greeted();

	is_malformed = true;
	dialogue(client, envelope, "354 ");
	dialogue(client, message, "451 4.3.0");
	daemon_run_until(&d, &qmgr_is_gone);
	is_malformed = false;
	start_qmgr();
	dialogue(client, envelope, "354 ");
	dialogue(client, message, "250 2.0.0");
	close(client);
}

Test(smtpd_daemon, a_client_that_leaves_in_a_message_has_its_file_given_back)
{
	int client = greeted();

	dialogue(client, envelope, "354 ");
	/* More than is kept waiting in memory: it has been written. */
	for (int i = 0; i < 3000; i++)
		send(client, "0123456789012345678901234567890123456789\r\n", 42, MSG_NOSIGNAL);
	daemon_run_for(&d, 50);
	close(client);
	daemon_run_for(&d, 50);
	cr_assert_eq(aborted, 1);
}

Test(smtpd_daemon, more_files_than_are_kept_go_back_and_the_channel_lives)
{
	enum { CLIENTS = 13, KEPT = 128 };
	int clients[CLIENTS];
	unsigned outstanding = opened;

	daemon_reload(&d, "hostname hamburger.edu\n");
	holds_files = true;
	for (int i = 0; i < CLIENTS; i++) {
		clients[i] = greeted();
		send(clients[i], envelope, strlen(envelope), MSG_NOSIGNAL);
		daemon_run_for(&d, 20);
	}
	/* Those that got a file give it back unused, and nobody waits any more for the others. */
	for (int i = 0; i < CLIENTS; i++)
		close(clients[i]);
	daemon_run_for(&d, 100);
	for (unsigned i = 0; i < held_count; i++) {
		outstanding += held[i].count;
		answer_open(qmgr, held[i].request, held[i].count);
	}
	holds_files = false;
	daemon_run_for(&d, 100);
	cr_assert_gt(outstanding, KEPT);
	cr_assert_not(qmgr_is_gone);
	cr_assert_eq(aborted, outstanding - KEPT);
}

Test(smtpd_daemon, an_address_with_too_many_connections_is_told_so)
{
	int clients[4];

	for (int i = 0; i < 3; i++) {
		clients[i] = connect_client();
		dialogue(clients[i], "", "220 ");
	}
	clients[3] = connect_client();
	dialogue(clients[3], "", "421 4.7.0");
	close(clients[3]);
	close(clients[0]);
	daemon_run_for(&d, 50);
	clients[3] = connect_client();
	dialogue(clients[3], "", "220 ");
	for (int i = 1; i < 4; i++)
		close(clients[i]);
}

Test(smtpd_daemon, a_reload_drops_no_connection_and_a_stop_tells_them)
{
	int client = greeted(), inside = greeted();

	dialogue(inside, envelope, "354 ");
	daemon_reload(&d, "hostname hamburger.edu\nsmtp.size-limit 64K\n");
	daemon_run_for(&d, 50);
	dialogue(client, "MAIL FROM:<a@b.example> SIZE=65537\r\n", "552 5.3.4");
	channel_send(d.control, CONTROL_STOP, 0);
	dialogue(client, "", "421 4.3.2");
	dialogue(inside, "", "");
	close(client);
	close(inside);
}

Test(smtpd_daemon, a_user_of_this_host_is_handed_over_by_master)
{
	struct control_client user = {CONTROL_REQUEST_SUBMIT, 1000, "carol"};
	int sockets[2];

	cr_assert_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets), 0);
	fcntl(sockets[0], F_SETFL, O_NONBLOCK);
	control_client_write(channel_begin(d.control, CONTROL_CLIENT, 0), &user);
	channel_attach(d.control, sockets[1]);
	channel_end(d.control);
	dialogue(sockets[0], "", "220 ");
	dialogue(sockets[0],
	    "MAIL FROM:<carol@hamburger.edu>\r\nRCPT TO:<x@elsewhere.example>\r\nDATA\r\n", "354 ");
	dialogue(sockets[0], message, "250 2.0.0");
	close(sockets[0]);
}
