/*
 * reply.c - what is said to the client.
 *
 * Replies gather in the session and are given to its stream when the session can
 * do no more for now, so that a batch of commands is answered with one write
 * (RFC 2920, 3.2).
 */
#include "smtpd/reply.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/buf.h"
#include "smtpd/delay.h"
#include "smtpd/limits.h"
#include "smtpd/session.h"

/* A reply is one line of printable text, whatever its author had from elsewhere. */
static void clean(char *text)
{
	for (; *text != '\0'; text++) {
		if (octet_is_control((unsigned char)*text))
			*text = '?';
	}
}

static void add_line(struct session *s, unsigned code, char separator, const char *status,
    const char *format, va_list arguments) __attribute__((format(printf, 5, 0)));

static void add_line(struct session *s, unsigned code, char separator, const char *status,
    const char *format, va_list arguments)
{
	char text[REPLY_LINE_MAX - 32];
	const char head[4] = {(char)('0' + code / 100 % 10), (char)('0' + code / 10 % 10),
	    (char)('0' + code % 10), separator};

	vsnprintf(text, sizeof text, format, arguments);
	clean(text);
	if (s->phase == PHASE_CLOSING)
		return;
	buf_append(&s->held, head, sizeof head);
	if (status != NULL) {
		buf_append_string(&s->held, status);
		buf_append_octet(&s->held, ' ');
	}
	buf_append_string(&s->held, text);
	buf_append(&s->held, "\r\n", 2);
	if (s->held.len >= SESSION_HELD_WANTED)
		reply_flush(s);
}

static void count_error(struct session *s)
{
	s->errors++;
	if (!gate_is_trusted(s))
		limits_count(&s->client, LIMIT_ERRORS, 1);
	delay_next_reply(s);
}

void reply(struct session *s, unsigned code, const char *status, const char *format, ...)
{
	va_list arguments;

	if (code >= 500)
		count_error(s);
	va_start(arguments, format);
	add_line(s, code, ' ', status, format, arguments);
	va_end(arguments);
}

void reply_more(struct session *s, unsigned code, const char *status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	add_line(s, code, '-', status, format, arguments);
	va_end(arguments);
}

void reply_challenge(struct session *s, struct slice challenge)
{
	if (s->phase == PHASE_CLOSING)
		return;
	buf_append_string(&s->held, "334 ");
	buf_append_slice(&s->held, challenge);
	buf_append(&s->held, "\r\n", 2);
}

/* The class of code and status must say the same as the answer, whatever lookup's text is. */
void reply_verdict(struct session *s, const struct lookup_verdict *verdict)
{
	static const struct {
		unsigned code;
		const char *status;
	} defaults[LOOKUP_ANSWER_COUNT] = {
	    [LOOKUP_ACCEPTED] = {250, "2.1.5"},
	    [LOOKUP_REFUSED] = {550, "5.1.1"},
	    [LOOKUP_TEMPORARY] = {451, "4.3.0"},
	};
	unsigned code = defaults[verdict->answer].code;
	const char *status = defaults[verdict->answer].status;

	if (verdict->code / 100 == code / 100)
		code = verdict->code;
	if (verdict->status[0] == status[0])
		status = verdict->status;
	reply(s, code, status, "%s", verdict->text[0] == '\0' ? "Ok" : verdict->text);
}

void reply_flush(struct session *s)
{
	if (!delay_holds(s))
		reply_send(s);
}

void reply_send(struct session *s)
{
	if (s->held.len > 0)
		stream_write(s->stream, buf_slice(&s->held));
	buf_free(&s->held);
}
