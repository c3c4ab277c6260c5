/* POP3 after login, with the channel to pop3d played by the test. */
#include <event2/event.h>

#include "common/conf.h"
#include "pop3d/session/maildrop.h"
#include "tests/unit/store/scratch.h"

/* ---- the other side of the channel ---- */

struct session {
	struct buf output;
	bool ended;
	bool paused;
	size_t room; /* octets that the channel takes before it is congested */
};

static struct event_base *base;

void session_send(struct session *session, struct slice octets)
{
	buf_append_slice(&session->output, octets);
}

bool session_is_congested(const struct session *session)
{
	return session->output.len >= session->room;
}

void session_pause(struct session *session)
{
	session->paused = true;
}

void session_resume(struct session *session)
{
	session->paused = false;
}

void session_end(struct session *session, uint32_t commands)
{
	(void)commands;
	session->ended = true;
}

struct event_base *session_base(void)
{
	return base;
}

/* ---- a test's client ---- */

struct client {
	struct session session;
	void *context;
};

static void set_up(const struct scratch *s)
{
	static struct settings own;

	own.hostname = (char *)(uintptr_t) "mail.example.org";
	own.pop3.idle_timeout = 600;
	settings = &own;
	if (base == NULL)
		base = event_base_new();
	cr_assert(pop3_session.start(base, s->home, "alice@example.org"));
}

static void log_in(struct client *c)
{
	static const struct session_begin begin = {.client = "192.0.2.1"};

	*c = (struct client){
	    .session = {.output = {.limit = 64 << 20}, .room = SIZE_MAX}
        };
	cr_assert(pop3_session.connected(&c->session, &begin, &c->context));
}

/* Say something; all that comes back, until the next call. */
static const char *say(struct client *c, const char *text)
{
	static struct buf answer = {.limit = 64 << 20};

	buf_clear(&c->session.output);
	pop3_session.data(&c->session, c->context, slice_string(text));
	buf_clear(&answer);
	buf_append_slice(&answer, buf_slice(&c->session.output));
	buf_append_octet(&answer, '\0');
	return answer.data;
}

static void leave(struct client *c)
{
	pop3_session.ended(&c->session, c->context);
	buf_free(&c->session.output);
}

#define ONE "Subject: one\r\n\r\n.first\r\n"
#define TWO "Subject: two\r\n\r\nsecond\r\nline\r\n"

/* A home with two messages. */
static struct scratch two_messages(void)
{
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);

	scratch_append(store, "INBOX", ONE, 0);
	scratch_append(store, "INBOX", TWO, 0);
	store_close(store);
	set_up(&s);
	return s;
}

/* ---- what is promised ---- */

Test(pop3, the_textbooks_dialogue_deletes_what_it_read_at_quit)
{
	struct scratch s = two_messages();
	struct client c;

	log_in(&c);
	cr_assert_str_eq(
	    say(&c, "list\r\n"), "+OK 2 messages (54 octets)\r\n1 24\r\n2 30\r\n.\r\n");
	cr_assert_str_eq(
	    say(&c, "retr 1\r\n"), "+OK 24 octets\r\nSubject: one\r\n\r\n..first\r\n.\r\n");
	cr_assert_str_eq(say(&c, "dele 1\r\n"), "+OK Message 1 is deleted\r\n");
	cr_assert_str_eq(say(&c, "retr 2\r\n"), "+OK 30 octets\r\n" TWO ".\r\n");
	cr_assert_str_eq(say(&c, "dele 2\r\n"), "+OK Message 2 is deleted\r\n");
	cr_assert_eq(scratch_list(&s, "Maildir/cur", NULL), 2);
	cr_assert_str_eq(say(&c, "quit\r\n"), "+OK Goodbye\r\n");
	cr_assert(c.session.ended);
	cr_assert_eq(scratch_list(&s, "Maildir/cur", NULL), 0);
	leave(&c);
	scratch_remove(&s);
}

Test(pop3, nothing_is_deleted_without_quit)
{
	struct scratch s = two_messages();
	struct client c;

	log_in(&c);
	say(&c, "DELE 1\r\nDELE 2\r\n");
	leave(&c);
	cr_assert_eq(scratch_list(&s, "Maildir/cur", NULL), 2);
	log_in(&c);
	say(&c, "DELE 1\r\n");
	pop3_session.goodbye(&c.session, c.context);
	cr_assert(c.session.ended);
	leave(&c);
	cr_assert_eq(scratch_list(&s, "Maildir/cur", NULL), 2);
	scratch_remove(&s);
}

Test(pop3, commands_sent_together_are_answered_in_order)
{
	struct scratch s = two_messages();
	struct client c;

	log_in(&c);
	cr_assert_str_eq(say(&c, "STAT\r\nDELE 1\r\nSTAT\nLIST\r\nRSET\r\nNO"),
	    "+OK 2 54\r\n+OK Message 1 is deleted\r\n+OK 1 30\r\n+OK 1 messages (30 octets)\r\n2 "
	    "30\r\n.\r\n"
	    "+OK 2 messages (54 octets)\r\n");
	cr_assert_str_eq(say(&c, "OP\r\n"), "+OK\r\n");
	leave(&c);
	scratch_remove(&s);
}

Test(pop3, a_deleted_message_cannot_be_named_until_rset)
{
	struct scratch s = two_messages();
	struct client c;

	log_in(&c);
	say(&c, "DELE 1\r\n");
	cr_assert_eq(strncmp(say(&c, "RETR 1\r\n"), "-ERR", 4), 0);
	cr_assert_eq(strncmp(say(&c, "DELE 1\r\n"), "-ERR", 4), 0);
	cr_assert_eq(strncmp(say(&c, "LIST 1\r\n"), "-ERR", 4), 0);
	cr_assert_eq(strncmp(say(&c, "UIDL 1\r\n"), "-ERR", 4), 0);
	cr_assert_eq(strncmp(say(&c, "TOP 1 0\r\n"), "-ERR", 4), 0);
	say(&c, "RSET\r\n");
	cr_assert_str_eq(say(&c, "LIST 1\r\n"), "+OK 1 24\r\n");
	leave(&c);
	scratch_remove(&s);
}

Test(pop3, what_makes_no_sense_is_refused)
{
	static const char *const bad[] = {"RETR\r\n", "RETR 0\r\n", "RETR 3\r\n", "RETR x\r\n",
	    "RETR 1 2\r\n", "RETR -1\r\n", "RETR 99999999999999999999\r\n", "TOP 1\r\n",
	    "TOP 1 x\r\n", "LIST 1 2 3\r\n", "STAT 1\r\n", "PASS x\r\n", "\r\n"};
	struct scratch s = two_messages();
	struct client c;

	log_in(&c);
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_assert_eq(strncmp(say(&c, bad[i]), "-ERR ", 5), 0, "%s", bad[i]);
	cr_assert_not(c.session.ended);
	leave(&c);
	scratch_remove(&s);
}

Test(pop3, a_line_without_end_is_not_collected_for_ever)
{
	struct scratch s = two_messages();
	struct client c;
	char *text = malloc(200001);

	memset(text, 'a', 200000);
	text[200000] = '\0';
	log_in(&c);
	cr_assert_str_eq(say(&c, text), "-ERR The line is too long\r\n");
	cr_assert(c.session.ended);
	free(text);
	leave(&c);
	scratch_remove(&s);
}

Test(pop3, unique_ids_are_the_same_at_the_next_login)
{
	struct scratch s = two_messages();
	struct client c;
	char before[256];

	log_in(&c);
	strlcpy(before, say(&c, "UIDL\r\n"), sizeof before);
	cr_assert_eq(strncmp(before, "+OK\r\n1 ", 7), 0);
	say(&c, "DELE 1\r\nQUIT\r\n");
	leave(&c);
	log_in(&c);
	cr_assert_eq(
	    strncmp(strstr(before, "\r\n2 ") + 4, strstr(say(&c, "UIDL\r\n"), "\r\n1 ") + 4, 32),
	    0);
	leave(&c);
	scratch_remove(&s);
}

Test(pop3, a_client_that_reads_slowly_gets_everything_and_costs_little)
{
	enum { LINES = 40000 };
	struct scratch s = scratch_make();
	struct store *store = scratch_open(&s);
	struct client c;
	struct buf message = buf_with_limit(8 << 20), got = buf_with_limit(8 << 20);

	buf_append_string(&message, "Subject: long\r\n\r\n");
	for (int i = 0; i < LINES; i++)
		buf_printf(&message, ".line %d of a long message\r\n", i);
	buf_append_octet(&message, '\0');
	scratch_append(store, "INBOX", message.data, 0);
	store_close(store);
	set_up(&s);
	log_in(&c);
	c.session.room = 20000;
	pop3_session.data(&c.session, c.context, SLICE("RETR 1\r\nNOOP\r\n"));
	while (c.session.paused) {
		cr_assert_leq(c.session.output.len, 20000 + MAILDROP_OUTPUT_MAX);
		buf_append_slice(&got, buf_slice(&c.session.output));
		buf_clear(&c.session.output);
		pop3_session.drained(&c.session, c.context);
	}
	buf_append_slice(&got, buf_slice(&c.session.output));
	cr_assert_gt(got.len, message.len);
	cr_assert(slice_ends_with(
	    buf_slice(&got), SLICE("..line 39999 of a long message\r\n.\r\n+OK\r\n")));
	buf_free(&message);
	buf_free(&got);
	leave(&c);
	scratch_remove(&s);
}

Test(pop3, a_message_that_another_program_removed_is_an_error_not_an_end)
{
	struct scratch s = two_messages();
	struct client c, other;

	log_in(&c);
	log_in(&other);
	say(&other, "DELE 1\r\nQUIT\r\n");
	leave(&other);
	cr_assert_eq(strncmp(say(&c, "RETR 1\r\n"), "-ERR", 4), 0);
	cr_assert_str_eq(say(&c, "RETR 2\r\n"), "+OK 30 octets\r\n" TWO ".\r\n");
	cr_assert_str_eq(
	    say(&c, "DELE 1\r\nQUIT\r\n"), "+OK Message 1 is deleted\r\n+OK Goodbye\r\n");
	leave(&c);
	scratch_remove(&s);
}
