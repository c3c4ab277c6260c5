/* What dialogue.h promises, against a peer that is a string. */
#include <criterion/criterion.h>
#include <event2/buffer.h>
#include <stdio.h>
#include <stdlib.h>

#include "delivery/smtp/dialogue.h"

static struct dialogue d;
static struct evbuffer *in, *out;
static struct delivery_recipient recipients[250];
static struct delivery_job job;
static struct transaction t;

static const struct tls_policy off = {PROTECTION_NONE, false};
static const struct tls_policy opportunistic = {PROTECTION_NONE, true};
static const struct tls_policy required = {PROTECTION_ENCRYPTED, true};
static const struct tls_policy verified = {PROTECTION_VERIFIED, true};
static const struct tls_policy promised = {PROTECTION_PROMISED, true};

static void set_up(void)
{
	in = evbuffer_new();
	out = evbuffer_new();
	dialogue_begin(&d, out, "mail.example.org", opportunistic);
	for (size_t i = 0; i < 250; i++)
		recipients[i] = (struct delivery_recipient){
		    .index = (uint32_t)i, .address = SLICE("bob@example.net")};
	recipients[1].address = SLICE("carol@example.net");
	recipients[2].address = SLICE("dave@example.net");
	job = (struct delivery_job){
	    .size = 100,
	    .sender = SLICE("alice@example.org"),
	    .recipients = recipients,
	    .recipient_count = 1,
	};
	t = (struct transaction){0};
}

static void tear_down(void)
{
	transaction_free(&t);
	evbuffer_free(in);
	evbuffer_free(out);
}

TestSuite(smtp_dialogue, .init = set_up, .fini = tear_down);

/* The peer says this. */
static enum dialogue_action peer(const char *text)
{
	evbuffer_add(in, text, strlen(text));
	return dialogue_input(&d, in);
}

/* We have said exactly this since the last look. */
static void said(const char *wanted)
{
	char got[65536];
	ev_ssize_t len = evbuffer_remove(out, got, sizeof got - 1);

	got[len < 0 ? 0 : len] = '\0';
	cr_assert_str_eq(got, wanted);
}

static void hush(void)
{
	evbuffer_drain(out, evbuffer_get_length(out));
}

/* A session with these lines in the reply to EHLO. */
static void stand(const char *ehlo)
{
	peer("220 mx.example.net ESMTP\r\n");
	cr_assert_eq(peer(ehlo), DO_START);
	hush();
}

static enum dialogue_action carry(uint32_t count)
{
	job.recipient_count = count;
	transaction_free(&t);
	cr_assert(transaction_begin(&t, &job));
	return dialogue_start(&d, &t);
}

static void is(uint32_t which, enum delivery_outcome outcome, const char *status)
{
	cr_assert_eq(t.recipients[which].state, RECIPIENT_SETTLED, "recipient %u is open", which);
	cr_assert_eq(t.recipients[which].outcome, outcome, "recipient %u", which);
	cr_assert_str_eq(t.recipients[which].status, status, "recipient %u", which);
}

#define PLAIN     "250 mx.example.net\r\n"
#define PIPELINED "250-mx.example.net\r\n250 PIPELINING\r\n"

Test(smtp_dialogue, a_message_is_delivered_by_the_reply_to_its_end_and_by_nothing_before)
{
	cr_assert_eq(peer("220 mx.example.net\r\n"), DO_WAIT);
	said("EHLO mail.example.org\r\n");
	cr_assert_eq(peer(PLAIN), DO_START);
	cr_assert_eq(carry(1), DO_WAIT);
	said("MAIL FROM:<alice@example.org>\r\n");
	cr_assert_eq(peer("250 ok\r\n"), DO_WAIT);
	said("RCPT TO:<bob@example.net>\r\n");
	cr_assert_eq(peer("250 ok\r\n"), DO_WAIT);
	said("DATA\r\n");
	cr_assert_eq(peer("354 go\r\n"), DO_CONTENT);
	cr_assert_neq(t.recipients[0].state, RECIPIENT_SETTLED);
	dialogue_content_sent(&d);
	cr_assert_eq(peer("250 2.0.0 queued as 1\r\n"), DO_TAKE);
	is(0, DELIVERY_DELIVERED, "2.0.0");
	cr_assert_str_eq(t.recipients[0].text, "250 2.0.0 queued as 1");
	cr_assert(dialogue_is_idle(&d));
	dialogue_quit(&d);
	said("QUIT\r\n");
}

Test(smtp_dialogue, sender_recipients_and_data_go_in_one_flight_where_pipelining_is_offered)
{
	stand(PIPELINED);
	cr_assert_eq(carry(2), DO_WAIT);
	said("MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.net>\r\nRCPT "
	     "TO:<carol@example.net>\r\nDATA\r\n");
	cr_assert_eq(peer("250 ok\r\n550 5.1.1 no bob\r\n250 ok\r\n354 go\r\n"), DO_CONTENT);
	dialogue_content_sent(&d);
	cr_assert_eq(peer("250 ok\r\n"), DO_TAKE);
	is(0, DELIVERY_FAILED, "5.1.1");
	is(1, DELIVERY_DELIVERED, "2.0.0");
}

Test(smtp_dialogue, a_reply_may_come_in_any_pieces)
{
	const char *replies = "250 ok\r\n250-one\r\n250 two\r\n354 go\r\n";
	enum dialogue_action action = DO_WAIT;

	stand(PIPELINED);
	carry(1);
	for (const char *c = replies; *c != '\0'; c++) {
		cr_assert_eq(action, DO_WAIT);
		evbuffer_add(in, c, 1);
		action = dialogue_input(&d, in);
	}
	cr_assert_eq(action, DO_CONTENT);
}

Test(smtp_dialogue, the_parameters_that_the_host_offers_are_given)
{
	stand("250-mx\r\n250-SIZE 1000\r\n250-8bitmime\r\n250-DSN\r\n250 SMTPUTF8\r\n");
	job.body = BODY_8BITMIME;
	job.ret = RETURN_HEADERS;
	job.envid = SLICE("a=b");
	job.prepend = SLICE("Received: x\r\n");
	recipients[0].notify = NOTIFY_SUCCESS | NOTIFY_FAILURE;
	recipients[0].original = SLICE("rfc822;Bob+1@example.net");
	carry(1);
	said("MAIL FROM:<alice@example.org> SIZE=113 BODY=8BITMIME RET=HDRS ENVID=a+3Db\r\n");
	peer("250 ok\r\n");
	said("RCPT TO:<bob@example.net> NOTIFY=SUCCESS,FAILURE "
	     "ORCPT=rfc822;Bob+2B1@example.net\r\n");
}

Test(smtp_dialogue, a_host_that_knows_priorities_is_told_of_one_that_is_not_normal)
{
	stand("250-mx\r\n250 MT-PRIORITY MIXER\r\n");
	job.priority = -3;
	carry(1);
	said("MAIL FROM:<alice@example.org> MT-PRIORITY=-3\r\n");
	peer("550 no\r\n");
	job.priority = 0;
	carry(1);
	said("MAIL FROM:<alice@example.org>\r\n");
}

Test(smtp_dialogue, the_null_sender_is_an_empty_path)
{
	stand(PLAIN);
	job.sender = SLICE("");
	carry(1);
	said("MAIL FROM:<>\r\n");
}

Test(smtp_dialogue, a_host_that_does_not_know_EHLO_gets_HELO)
{
	peer("220 old\r\n");
	hush();
	cr_assert_eq(peer("500 what?\r\n"), DO_WAIT);
	said("HELO mail.example.org\r\n");
	cr_assert_eq(peer("250 hello\r\n"), DO_START);
	cr_assert_eq(d.offers, 0);
}

Test(smtp_dialogue, a_host_that_refuses_us_refuses_no_message)
{
	cr_assert_eq(peer("554 5.7.1 not you\r\n"), DO_GIVE_UP);
	cr_assert_str_eq(d.failure.status, "4.7.1");
	cr_assert_str_eq(d.failure.text, "554 5.7.1 not you");
}

Test(smtp_dialogue, refusal_of_the_sender_is_every_recipients_outcome)
{
	stand(PIPELINED);
	carry(2);
	cr_assert_eq(
	    peer("550 5.7.1 not from you\r\n503 no mail\r\n503 no mail\r\n503 no rcpt\r\n"),
	    DO_TAKE);
	is(0, DELIVERY_FAILED, "5.7.1");
	is(1, DELIVERY_FAILED, "5.7.1");
	cr_assert(dialogue_is_idle(&d));
}

Test(smtp_dialogue, without_pipelining_nothing_follows_a_refused_sender)
{
	stand(PLAIN);
	carry(2);
	hush();
	cr_assert_eq(peer("451 4.3.0 later\r\n"), DO_TAKE);
	said("");
	is(0, DELIVERY_DEFERRED, "4.3.0");
	is(1, DELIVERY_DEFERRED, "4.3.0");
}

Test(smtp_dialogue, without_an_accepted_recipient_there_is_no_data)
{
	stand(PLAIN);
	carry(1);
	peer("250 ok\r\n");
	hush();
	cr_assert_eq(peer("550 5.1.1 no\r\n"), DO_TAKE);
	said("");
	is(0, DELIVERY_FAILED, "5.1.1");
}

Test(smtp_dialogue, data_that_is_accepted_for_nobody_is_ended_at_once)
{
	stand(PIPELINED);
	carry(1);
	hush();
	cr_assert_eq(peer("250 ok\r\n550 5.1.1 no\r\n354 go\r\n"), DO_WAIT);
	said(".\r\n");
	cr_assert_eq(peer("250 accepted nothing\r\n"), DO_TAKE);
	is(0, DELIVERY_FAILED, "5.1.1");
	cr_assert(dialogue_is_idle(&d));
}

Test(smtp_dialogue, what_was_begun_and_not_finished_is_reset_before_the_next_message)
{
	stand(PIPELINED);
	carry(1);
	cr_assert_eq(peer("250 ok\r\n550 no\r\n503 no\r\n"), DO_TAKE);
	hush();
	carry(1);
	said("RSET\r\nMAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n");
	cr_assert_eq(peer("250 reset\r\n250 ok\r\n250 ok\r\n354 go\r\n"), DO_CONTENT);
	dialogue_content_sent(&d);
	cr_assert_eq(peer("250 ok\r\n"), DO_TAKE);
	hush();
	carry(1);
	said("MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n");
}

Test(smtp_dialogue, the_replies_to_data_and_to_its_end_are_for_accepted_recipients_only)
{
	stand(PIPELINED);
	carry(3);
	peer("250 ok\r\n450 4.2.1 busy\r\n250 ok\r\n550 5.1.1 no\r\n");
	cr_assert_eq(peer("554 5.7.0 spam\r\n"), DO_TAKE);
	is(0, DELIVERY_DEFERRED, "4.2.1");
	is(1, DELIVERY_FAILED, "5.7.0");
	is(2, DELIVERY_FAILED, "5.1.1");
	carry(2);
	peer("250 reset\r\n250 ok\r\n250 ok\r\n550 5.1.1 no\r\n354 go\r\n");
	dialogue_content_sent(&d);
	cr_assert_eq(peer("452 4.3.1 full\r\n"), DO_TAKE);
	is(0, DELIVERY_DEFERRED, "4.3.1");
	is(1, DELIVERY_FAILED, "5.1.1");
}

Test(smtp_dialogue, recipients_that_are_too_many_go_into_another_exchange)
{
	stand(PIPELINED);
	carry(3);
	peer("250 ok\r\n250 ok\r\n452 4.5.3 too many\r\n552 5.5.3 too many\r\n");
	cr_assert_eq(peer("354 go\r\n"), DO_CONTENT);
	dialogue_content_sent(&d);
	hush();
	cr_assert_eq(peer("250 ok 1\r\n"), DO_WAIT);
	said("MAIL FROM:<alice@example.org>\r\nRCPT TO:<carol@example.net>\r\nRCPT "
	     "TO:<dave@example.net>\r\nDATA\r\n");
	is(0, DELIVERY_DELIVERED, "2.0.0");
	/* Nobody else this time, and still: then it is for later. */
	cr_assert_eq(peer("250 ok\r\n452 4.5.3 too many\r\n550 5.1.1 no\r\n503 no\r\n"), DO_TAKE);
	is(1, DELIVERY_DEFERRED, "4.5.3");
	is(2, DELIVERY_FAILED, "5.1.1");
}

Test(smtp_dialogue, a_long_list_of_recipients_goes_in_exchanges_of_100)
{
	unsigned exchanges = 0;

	stand(PIPELINED);
	cr_assert_eq(carry(250), DO_WAIT);
	for (uint32_t left = 250; left > 0; exchanges++) {
		uint32_t now = left < BATCH_MAX ? left : BATCH_MAX;

		peer("250 ok\r\n");
		for (uint32_t i = 0; i < now; i++)
			cr_assert_eq(peer("250 ok\r\n"), DO_WAIT);
		cr_assert_eq(peer("354 go\r\n"), DO_CONTENT);
		dialogue_content_sent(&d);
		left -= now;
		cr_assert_eq(peer("250 ok\r\n"), left == 0 ? DO_TAKE : DO_WAIT);
	}
	cr_assert_eq(exchanges, 3);
	for (uint32_t i = 0; i < 250; i++)
		is(i, DELIVERY_DELIVERED, "2.0.0");
}

Test(smtp_dialogue, a_connection_lost_after_the_end_of_data_defers)
{
	stand(PIPELINED);
	carry(1);
	peer("250 ok\r\n250 ok\r\n354 go\r\n");
	dialogue_content_sent(&d);
	cr_assert_eq(dialogue_lost(&d, "time-out"), DO_TAKE);
	is(0, DELIVERY_DEFERRED, "4.4.2");
	cr_assert_str_eq(
	    t.recipients[0].text, "time-out waiting for the reply to the end of the message");
	cr_assert_not(dialogue_is_idle(&d));
}

Test(smtp_dialogue, a_connection_lost_before_the_message_was_touched_leaves_it_to_another)
{
	stand(PIPELINED);
	carry(1);
	cr_assert_eq(dialogue_lost(&d, "connection closed"), DO_GIVE_UP);
	cr_assert_eq(t.recipients[0].state, RECIPIENT_OPEN);
	cr_assert_str_eq(d.failure.status, "4.4.2");
}

Test(smtp_dialogue, a_refusal_stands_even_when_the_connection_is_lost_right_after)
{
	stand(PIPELINED);
	carry(1);
	cr_assert_eq(peer("550 5.7.1 never\r\n"), DO_WAIT);
	cr_assert_eq(dialogue_lost(&d, "connection closed"), DO_TAKE);
	is(0, DELIVERY_FAILED, "5.7.1");
}

Test(smtp_dialogue, 421_ends_the_session_wherever_it_comes)
{
	stand(PIPELINED);
	carry(2);
	cr_assert_eq(peer("421 4.3.2 going down\r\n"), DO_GIVE_UP);
	cr_assert_eq(t.recipients[0].state, RECIPIENT_OPEN);

	dialogue_begin(&d, out, "mail.example.org", off);
	stand(PIPELINED);
	carry(2);
	cr_assert_eq(peer("250 ok\r\n550 5.1.1 no\r\n421 4.3.2 going down\r\n"), DO_TAKE);
	is(0, DELIVERY_FAILED, "5.1.1");
	is(1, DELIVERY_DEFERRED, "4.3.2");

	dialogue_begin(&d, out, "mail.example.org", off);
	stand(PIPELINED);
	carry(1);
	peer("250 ok\r\n250 ok\r\n354 go\r\n");
	dialogue_content_sent(&d);
	cr_assert_eq(peer("421 4.3.2 going down\r\n"), DO_TAKE);
	is(0, DELIVERY_DEFERRED, "4.3.2");
}

Test(smtp_dialogue, success_that_is_said_before_the_end_of_the_message_is_none)
{
	stand(PIPELINED);
	carry(1);
	/* In one packet with 354 ... */
	cr_assert_eq(peer("250 ok\r\n250 ok\r\n354 go\r\n250 queued\r\n"), DO_TAKE);
	is(0, DELIVERY_DEFERRED, "4.5.0");
	cr_assert_not(dialogue_is_idle(&d));

	/* ... or while the content is on its way. */
	evbuffer_drain(in, evbuffer_get_length(in));
	dialogue_begin(&d, out, "mail.example.org", off);
	stand(PIPELINED);
	carry(1);
	cr_assert_eq(peer("250 ok\r\n250 ok\r\n354 go\r\n"), DO_CONTENT);
	cr_assert_eq(peer("250 queued\r\n"), DO_TAKE);
	is(0, DELIVERY_DEFERRED, "4.5.0");
}

Test(smtp_dialogue, a_refusal_that_comes_while_the_message_is_sent_is_one)
{
	stand(PIPELINED);
	carry(1);
	peer("250 ok\r\n250 ok\r\n354 go\r\n");
	cr_assert_eq(peer("552 5.3.4 too large\r\n"), DO_TAKE);
	is(0, DELIVERY_FAILED, "5.3.4");
	cr_assert_not(dialogue_is_idle(&d));
}

Test(smtp_dialogue, replies_out_of_step_leave_nothing_final)
{
	/* One reply too many somewhere: carol's fate would be told of dave. */
	stand(PIPELINED);
	carry(3);
	cr_assert_eq(peer("250 ok\r\n250 ok\r\n250 ok\r\n550 5.1.1 no\r\n250 ok\r\n"), DO_TAKE);
	for (uint32_t i = 0; i < 3; i++)
		is(i, DELIVERY_DEFERRED, "4.5.0");
}

Test(smtp_dialogue, garbage_ends_the_session)
{
	cr_assert_eq(peer("\x16\x03\x01 is TLS\r\n"), DO_GIVE_UP);
	cr_assert_str_eq(d.failure.status, "4.5.0");

	dialogue_begin(&d, out, "mail.example.org", off);
	evbuffer_drain(in, evbuffer_get_length(in));
	stand(PIPELINED);
	carry(1);
	peer("250 ok\r\n250 ok\r\n354 go\r\n");
	dialogue_content_sent(&d);
	cr_assert_eq(peer("OK, queued\r\n"), DO_TAKE);
	is(0, DELIVERY_DEFERRED, "4.5.0");
}

Test(smtp_dialogue, a_line_without_an_end_ends_the_session)
{
	char flood[REPLY_LINE_MAX + 2];

	memset(flood, '2', sizeof flood);
	evbuffer_add(in, flood, sizeof flood);
	cr_assert_eq(dialogue_input(&d, in), DO_GIVE_UP);
}

Test(smtp_dialogue, TLS_is_begun_where_it_is_offered_and_all_is_asked_anew)
{
	peer("220 mx\r\n");
	hush();
	cr_assert_eq(peer("250-mx\r\n250-PIPELINING\r\n250 STARTTLS\r\n"), DO_WAIT);
	said("STARTTLS\r\n");
	cr_assert_eq(peer("220 go\r\n"), DO_HANDSHAKE);
	cr_assert_eq(dialogue_secured(&d, false), DO_WAIT);
	said("EHLO mail.example.org\r\n");
	cr_assert_eq(d.offers, 0, "what was said in the clear counts no more");
	cr_assert_eq(peer("250-mx\r\n250 STARTTLS\r\n"), DO_START);
	cr_assert_eq(d.offers, OFFERS_STARTTLS);
}

Test(smtp_dialogue, a_host_that_takes_its_offer_of_TLS_back_is_spoken_to_in_the_clear)
{
	peer("220 mx\r\n250-mx\r\n250 STARTTLS\r\n");
	cr_assert_eq(peer("454 4.7.0 not now\r\n"), DO_START);
}

Test(smtp_dialogue, where_TLS_is_required_nothing_goes_in_the_clear)
{
	dialogue_begin(&d, out, "mail.example.org", required);
	peer("220 mx\r\n");
	cr_assert_eq(peer(PIPELINED), DO_GIVE_UP);
	cr_assert_str_eq(d.failure.status, "4.7.4");
	dialogue_begin(&d, out, "mail.example.org", required);
	peer("220 mx\r\n250-mx\r\n250 STARTTLS\r\n");
	cr_assert_eq(peer("454 4.7.0 not now\r\n"), DO_GIVE_UP);
	dialogue_begin(&d, out, "mail.example.org", required);
	peer("220 mx\r\n500 what?\r\n");
	cr_assert_eq(peer("250 mx\r\n"), DO_GIVE_UP);
}

Test(smtp_dialogue, where_TLS_is_off_it_is_not_asked_for)
{
	dialogue_begin(&d, out, "mail.example.org", off);
	peer("220 mx\r\n");
	cr_assert_eq(peer("250-mx\r\n250 STARTTLS\r\n"), DO_START);
}

Test(smtp_dialogue, what_the_host_does_not_take_is_not_begun)
{
	stand("250-mx\r\n250 SIZE 99\r\n");
	cr_assert_eq(carry(1), DO_TAKE);
	is(0, DELIVERY_FAILED, "5.3.4");
	said("");
	cr_assert(dialogue_is_idle(&d), "the connection can still be used");
	job.size = 99;
	transaction_free(&t);
	transaction_begin(&t, &job);
	t.needs_8bitmime = true;
	cr_assert_eq(dialogue_start(&d, &t), DO_TAKE);
	is(0, DELIVERY_FAILED, "5.6.3");
	transaction_free(&t);
	transaction_begin(&t, &job);
	t.needs_smtputf8 = true;
	cr_assert_eq(dialogue_start(&d, &t), DO_TAKE);
	is(0, DELIVERY_FAILED, "5.6.7");
	said("");
}

static enum dialogue_action carry_to_bob_and_iwan(void)
{
	recipients[1].address = SLICE("\320\270\320\262\320\260\320\275@example.net");
	job.recipient_count = 2;
	transaction_begin(&t, &job);
	t.has_utf8_recipients = true;
	return dialogue_start(&d, &t);
}

Test(smtp_dialogue, a_recipient_that_is_not_ascii_keeps_the_message_from_nobody_else)
{
	stand(PIPELINED);
	cr_assert_eq(carry_to_bob_and_iwan(), DO_WAIT);
	said("MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n");
	is(1, DELIVERY_FAILED, "5.6.7");
}

Test(smtp_dialogue, a_recipient_that_is_not_ascii_is_said_under_smtputf8)
{
	stand("250-mx\r\n250-PIPELINING\r\n250 SMTPUTF8\r\n");
	cr_assert_eq(carry_to_bob_and_iwan(), DO_WAIT);
	said("MAIL FROM:<alice@example.org> SMTPUTF8\r\nRCPT TO:<bob@example.net>\r\nRCPT "
	     "TO:<\320\270\320\262\320\260\320\275@example.net>\r\nDATA\r\n");
}

Test(smtp_dialogue, a_size_of_zero_is_no_limit)
{
	stand("250-mx\r\n250 SIZE 0\r\n");
	cr_assert_eq(carry(1), DO_WAIT);
}

Test(smtp_dialogue, a_host_that_speaks_between_messages_is_left)
{
	stand(PLAIN);
	cr_assert_eq(peer("421 4.4.2 idle for too long\r\n"), DO_GIVE_UP);
}

/* --- what is asked of the session ------------------------------------------------------------- */

/* Up to the reply to EHLO under TLS. */
static void secure(struct tls_policy policy, bool is_verified)
{
	dialogue_begin(&d, out, "mail.example.org", policy);
	cr_assert_eq(peer("220 mx\r\n250-mx\r\n250 STARTTLS\r\n"), DO_WAIT);
	cr_assert_eq(peer("220 go\r\n"), DO_HANDSHAKE);
	cr_assert_eq(dialogue_secured(&d, is_verified), DO_WAIT);
	hush();
}

Test(smtp_dialogue, a_session_gives_what_it_has_come_to)
{
	secure(opportunistic, false);
	cr_assert_eq(peer("250-mx\r\n250 REQUIRETLS\r\n"), DO_START);
	cr_assert_eq(dialogue_protection(&d), PROTECTION_ENCRYPTED);
	secure(verified, true);
	cr_assert_eq(peer(PLAIN), DO_START);
	cr_assert_eq(dialogue_protection(&d), PROTECTION_VERIFIED);
	secure(promised, true);
	cr_assert_eq(peer("250-mx\r\n250 REQUIRETLS\r\n"), DO_START);
	cr_assert_eq(dialogue_protection(&d), PROTECTION_PROMISED);
	dialogue_begin(&d, out, "mail.example.org", off);
	peer("220 mx\r\n");
	cr_assert_eq(peer("250-mx\r\n250 REQUIRETLS\r\n"), DO_START);
	cr_assert_eq(dialogue_protection(&d), PROTECTION_NONE, "an offer in the clear is worth nothing");
}

Test(smtp_dialogue, where_certificates_are_to_be_good_one_that_is_not_will_not_do)
{
	secure(verified, false);
	cr_assert_eq(peer(PLAIN), DO_GIVE_UP);
	cr_assert_str_eq(d.failure.status, "4.7.4");
}

Test(smtp_dialogue, a_message_that_requires_TLS_says_so_to_the_next_host)
{
	secure(promised, true);
	peer("250-mx\r\n250 REQUIRETLS\r\n");
	job.tls = TLS_REQUIRED;
	carry(1);
	said("MAIL FROM:<alice@example.org> REQUIRETLS\r\n");
}

Test(smtp_dialogue, a_message_that_requires_TLS_is_not_sent_without_the_hosts_promise)
{
	secure(promised, true);
	cr_assert_eq(peer(PIPELINED), DO_GIVE_UP);
	cr_assert_str_eq(d.failure.status, "5.7.30");
	cr_assert(dialogue_is_idle(&d), "the host hears a goodbye");
	dialogue_begin(&d, out, "mail.example.org", promised);
	peer("220 mx\r\n");
	cr_assert_eq(peer("250-mx\r\n250 REQUIRETLS\r\n"), DO_GIVE_UP);
	cr_assert_str_eq(d.failure.status, "5.7.10");
	/* Nor on a session that was begun for another message. */
	secure(opportunistic, false);
	peer("250-mx\r\n250 REQUIRETLS\r\n");
	job.tls = TLS_REQUIRED;
	cr_assert_eq(carry(1), DO_GIVE_UP);
	cr_assert_str_eq(d.failure.status, "5.7.10");
	said("");
}

Test(smtp_dialogue, a_message_that_requires_no_TLS_says_nothing)
{
	secure(opportunistic, true);
	peer("250-mx\r\n250 REQUIRETLS\r\n");
	job.tls = TLS_NOT_REQUIRED;
	carry(1);
	said("MAIL FROM:<alice@example.org>\r\n");
}

static enum protection least_for(int setting, bool waiver, uint8_t tls)
{
	static struct settings some;

	some.delivery.tls = setting;
	some.delivery.tls_waiver = waiver;
	return tls_policy_for(&some, tls).least;
}

Test(smtp_policy, a_sender_may_ask_for_more_and_where_the_setting_lets_him_for_less)
{
	cr_assert_eq(least_for(OUTBOUND_TLS_OPPORTUNISTIC, true, TLS_AS_SET), PROTECTION_NONE);
	cr_assert_eq(least_for(OUTBOUND_TLS_REQUIRED, true, TLS_AS_SET), PROTECTION_ENCRYPTED);
	cr_assert_eq(least_for(OUTBOUND_TLS_VERIFIED, true, TLS_AS_SET), PROTECTION_VERIFIED);
	for (int setting = OUTBOUND_TLS_OPPORTUNISTIC; setting <= OUTBOUND_TLS_OFF; setting++) {
		cr_assert_eq(least_for(setting, true, TLS_REQUIRED), PROTECTION_PROMISED);
		cr_assert_eq(least_for(setting, true, TLS_NOT_REQUIRED), PROTECTION_NONE);
	}
	cr_assert_eq(least_for(OUTBOUND_TLS_REQUIRED, false, TLS_NOT_REQUIRED), PROTECTION_ENCRYPTED);
	cr_assert_eq(least_for(OUTBOUND_TLS_VERIFIED, false, TLS_NOT_REQUIRED), PROTECTION_VERIFIED);
}

/* --- the host's limits -------------------------------------------------------------------------- */

static struct limits limits_of(const char *text)
{
	return limits_read(slice_string(text));
}

Test(smtp_limits, what_a_host_says_of_its_limits_is_read)
{
	struct limits l = limits_of("RCPTMAX=20 MAILMAX=5 RCPTDOMAINMAX=1");

	cr_assert_eq(l.recipients, 20);
	cr_assert_eq(l.mails, 5);
	cr_assert_eq(l.domains, 1);
	l = limits_of("  rcptmax=20  X-OTHER=some/thing ");
	cr_assert_eq(l.recipients, 20);
	cr_assert_eq(l.mails, 0);
	l = limits_of("MAILMAX=many RCPTMAX=3");
	cr_assert_eq(l.mails, 0, "no number is no limit");
	cr_assert_eq(l.recipients, 3);
	cr_assert_eq(limits_of("RCPTMAX=1234567").recipients, 0);
	cr_assert_eq(limits_of("RCPTMAX=0").recipients, 0, "nobody could be written to");
}

Test(smtp_limits, what_is_malformed_counts_for_nothing_as_a_whole)
{
	static const char *const bad[] = {"", "RCPTMAX", "RCPTMAX=", "RCPTMAX=1 RCPTMAX=2",
	    "RCPTMAX=1,MAILMAX=2=", "=1", "RCPTMAX=1 MAILMAX", "RCPTMAX=1;MAILMAX=2",
	    "RCPTMAX=1\tMAILMAX=2", "RCPTMAX=1 \303\251=2"};

	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct limits l = limits_of(bad[i]);

		cr_assert_eq(l.recipients, 0, "%s", bad[i]);
		cr_assert_eq(l.mails, 0, "%s", bad[i]);
	}
}

/* Everything is accepted; how many messages it took. */
static unsigned messages_until_taken(enum dialogue_action action)
{
	unsigned messages = 0;

	while (action == DO_WAIT) {
		char commands[65536];
		ev_ssize_t len = evbuffer_remove(out, commands, sizeof commands - 1);

		commands[len < 0 ? 0 : len] = '\0';
		for (const char *c = commands; *c != '\0'; c = strchr(c, '\n') + 1) {
			action = peer(strncmp(c, "DATA", 4) == 0 ? "354 go\r\n" : "250 ok\r\n");
			cr_assert_lt(messages, 100);
		}
		if (action == DO_CONTENT) {
			messages++;
			dialogue_content_sent(&d);
			action = peer("250 2.0.0 ok\r\n");
		}
	}
	cr_assert_eq(action, DO_TAKE);
	return messages;
}

Test(smtp_dialogue, no_more_recipients_go_into_a_message_than_the_host_says)
{
	stand("250-mx\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=2\r\n");
	cr_assert_eq(messages_until_taken(carry(5)), 3);
	for (uint32_t i = 0; i < 5; i++)
		is(i, DELIVERY_DELIVERED, "2.0.0");
}

Test(smtp_dialogue, no_more_domains_go_into_a_message_than_the_host_says)
{
	stand("250-mx\r\n250-PIPELINING\r\n250 LIMITS RCPTDOMAINMAX=1\r\n");
	recipients[1].address = SLICE("carol@elsewhere.example");
	recipients[3].address = SLICE("erin@Elsewhere.example");
	carry(5);
	said("MAIL FROM:<alice@example.org>\r\nRCPT TO:<bob@example.net>\r\nRCPT "
	     "TO:<dave@example.net>\r\nRCPT TO:<bob@example.net>\r\nDATA\r\n");
	peer("250 ok\r\n250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
	dialogue_content_sent(&d);
	cr_assert_eq(peer("250 2.0.0 ok\r\n"), DO_WAIT);
	said("MAIL FROM:<alice@example.org>\r\nRCPT TO:<carol@elsewhere.example>\r\nRCPT "
	     "TO:<erin@Elsewhere.example>\r\nDATA\r\n");
}

Test(smtp_dialogue, a_host_that_takes_no_more_messages_is_left_in_peace)
{
	stand("250-mx\r\n250-PIPELINING\r\n250 LIMITS MAILMAX=2 RCPTMAX=2\r\n");
	cr_assert_eq(messages_until_taken(carry(2)), 1);
	cr_assert_not(dialogue_is_used_up(&d));
	cr_assert_eq(messages_until_taken(carry(1)), 1);
	cr_assert(dialogue_is_used_up(&d));
	/* What is left of a message when the session is used up goes over another one. */
	dialogue_begin(&d, out, "mail.example.org", off);
	stand("250-mx\r\n250-PIPELINING\r\n250 LIMITS MAILMAX=1 RCPTMAX=2\r\n");
	carry(3);
	peer("250 ok\r\n250 ok\r\n250 ok\r\n354 go\r\n");
	dialogue_content_sent(&d);
	cr_assert_eq(peer("250 2.0.0 ok\r\n"), DO_GIVE_UP);
	is(0, DELIVERY_DELIVERED, "2.0.0");
	is(1, DELIVERY_DELIVERED, "2.0.0");
	cr_assert_eq(t.recipients[2].state, RECIPIENT_OPEN);
	cr_assert(dialogue_is_used_up(&d));
}
