/*
 * submit.c - a local message on its way: SMTP with the suite, or a file in drop/.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/channel_queue.h"
#include "common/clock.h"
#include "common/drop.h"
#include "common/id.h"
#include "common/io.h"
#include "ctl/ctl.h"
#include "ctl/submission.h"
#include "message/encoding.h"

enum {
	REPLY_LINE_MAX = 2048,
	PATIENCE_SECONDS = 300, /* with an smtpd that says nothing, or takes nothing */
	DROP_ATTEMPTS = 100
};

int submission_connect(void)
{
	struct ctl_connection *c = ctl_connect();
	int ends[2], status;

	if (c == NULL)
		return -1;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == -1) {
		ctl_disconnect(c);
		return -1;
	}
	channel_begin(ctl_channel(c), ADMIN_SUBMIT, 0);
	channel_attach(ctl_channel(c), ends[1]);
	channel_end(ctl_channel(c));
	status = ctl_wait(c, NULL, NULL, NULL);
	ctl_disconnect(c);
	if (status == EX_OK)
		return ends[0];
	close(ends[0]);
	return -1;
}

/* --- SMTP ------------------------------------------------------------------------- */

struct conversation {
	FILE *in;
	int out;
	char line[REPLY_LINE_MAX]; /* the last line of the last reply */
};

/* The code of the next reply, or 421 where the other side is gone. */
static int reply(struct conversation *c)
{
	do {
		if (fgets(c->line, sizeof c->line, c->in) == NULL || strlen(c->line) < 4) {
			snprintf(c->line, sizeof c->line, "421 4.4.2 the suite closed the connection");
			return 421;
		}
	} while (c->line[3] == '-');
	c->line[strcspn(c->line, "\r\n")] = '\0';
	return atoi(c->line);
}

static bool say(struct conversation *c, struct slice text)
{
	while (text.len > 0) {
		ssize_t written = send(c->out, text.data, text.len, MSG_NOSIGNAL);

		if (written < 0)
			return false;
		text = slice_from(text, (size_t)written);
	}
	return true;
}

static int command(struct conversation *c, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int command(struct conversation *c, const char *format, ...)
{
	struct buf line = buf_with_limit(1024);
	va_list arguments;
	int code;

	va_start(arguments, format);
	buf_vprintf(&line, format, arguments);
	va_end(arguments);
	buf_append_string(&line, "\r\n");
	code = !line.overflowed && say(c, buf_slice(&line)) ? reply(c) : 421;
	buf_free(&line);
	return code;
}

/* A no that is final is an exit status; any other is -1. */
static int fail_with_reply(const struct conversation *c, const char *what)
{
	return c->line[0] == '5' ? ctl_fail(EX_UNAVAILABLE, "%s: %s; nothing was sent", what, c->line) : -1;
}

/* The message with dots doubled at the starts of lines (RFC 5321, 4.5.2), and its end. */
static bool say_content(struct conversation *c, struct slice message)
{
	struct buf stuffed = buf_with_limit(message.len * 2 + 16);
	struct cursor in = cursor_over(message);
	bool said;

	while (!cursor_done(&in)) {
		if (cursor_peek(&in) == '.')
			buf_append_octet(&stuffed, '.');
		buf_append_slice(&stuffed, cursor_take_until(&in, '\n'));
		if (cursor_accept(&in, '\n'))
			buf_append_octet(&stuffed, '\n');
	}
	buf_append_string(&stuffed, ".\r\n");
	said = !stuffed.overflowed && say(c, buf_slice(&stuffed));
	buf_free(&stuffed);
	return said;
}

/* An address is not ASCII (domains are, by now): only hosts that know SMTPUTF8 can have the message (RFC 6531). */
static bool needs_smtputf8(const struct submission *s)
{
	bool needs = !is_ascii(slice_string(s->sender));

	for (size_t i = 0; i < s->recipient_count; i++)
		needs |= !is_ascii(slice_string(s->recipients[i]));
	return needs;
}

static int converse(struct conversation *c, const struct submission *s)
{
	int code;

	if (reply(c) != 220 || command(c, "EHLO localhost") != 250)
		return fail_with_reply(c, "greeting");
	code = command(c, "MAIL FROM:<%s> SIZE=%zu%s%s", s->sender, s->message.len, is_ascii(buf_slice(&s->message)) ? "" : " BODY=8BITMIME",
	    needs_smtputf8(s) ? " SMTPUTF8" : "");
	if (code != 250)
		return fail_with_reply(c, s->sender);
	for (size_t i = 0; i < s->recipient_count; i++) {
		code = command(c, "RCPT TO:<%s>", s->recipients[i]);
		if (code != 250 && code != 251)
			return fail_with_reply(c, s->recipients[i]);
	}
	if (command(c, "DATA") != 354)
		return fail_with_reply(c, "DATA");
	if (!say_content(c, buf_slice(&s->message)) || reply(c) != 250)
		return fail_with_reply(c, "message");
	command(c, "QUIT");
	return EX_OK;
}

int submission_send(const struct submission *s)
{
	const struct timeval patience = {PATIENCE_SECONDS, 0};
	struct conversation c = {.out = submission_connect()};
	int status;

	if (c.out == -1)
		return -1;
	(void)setsockopt(c.out, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	(void)setsockopt(c.out, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
	c.in = fdopen(c.out, "r");
	if (c.in == NULL) {
		close(c.out);
		return EX_OSERR;
	}
	status = converse(&c, s);
	fclose(c.in);
	return status;
}

/* --- drop/ -------------------------------------------------------------------------- */

/* The envelope as the record that follows the content, as in any file of the queue. */
static bool append_envelope(const struct submission *s, struct buf *out)
{
	char login[128] = "";
	struct envelope_recipient *recipients = calloc(s->recipient_count, sizeof *recipients);
	struct envelope e = {
	    .arrived_us = clock_wall_us(),
	    .sender = slice_string(s->sender),
	    .prepend = slice_of("", 0),
	    .envid = slice_of("", 0),
	    .client = SLICE("local"),
	    .body = is_ascii(buf_slice(&s->message)) ? BODY_7BIT : BODY_8BITMIME,
	    .smtputf8 = needs_smtputf8(s),
	    .recipient_count = (uint32_t)s->recipient_count,
	    .recipients = recipients,
	};
	bool ok = recipients != NULL && submission_login(login, sizeof login);

	e.login = slice_string(login);
	for (size_t i = 0; ok && i < s->recipient_count; i++)
		recipients[i] = (struct envelope_recipient){slice_string(s->recipients[i]), slice_of("", 0), 0};
	ok = ok && drop_append_envelope(out, &e);
	free(recipients);
	return ok;
}

/* A file that is not whole has a dot in front of its name, and is not taken for a message (common/drop.h). */
static int create(int directory, char name[64], message_id *id)
{
	for (int i = 0; i < DROP_ATTEMPTS; i++) {
		char text[MESSAGE_ID_TEXT + 1];
		int file;

		*id = message_id_next(0);
		message_id_format(*id, text);
		snprintf(name, 64, ".%s", text);
		file = openat(directory, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0644);
		if (file != -1 || errno != EEXIST)
			return file;
	}
	return -1;
}

int submission_drop(const struct submission *s)
{
	char path[1300], unfinished[64], name[DROP_NAME_MAX];
	struct buf records = buf_with_limit(DROP_RECORDS_MAX);
	message_id id;
	int directory, file = -1;
	bool dropped = append_envelope(s, &records);

	snprintf(path, sizeof path, "%s/drop", settings->directory.spool);
	/* The directory can be entered and written, not read: O_PATH is all that a user gets. */
	directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	dropped = dropped && directory != -1 && (file = create(directory, unfinished, &id)) != -1;
	if (dropped) {
		drop_format_name(id, s->message.len, name);
		/* The queue has another uid, and the directory keeps everybody else out.  The umask has no say. */
		dropped = fchmod(file, 0644) == 0 && io_write(file, buf_slice(&s->message)) && io_write(file, buf_slice(&records)) &&
		    fsync(file) == 0 && renameat(directory, unfinished, directory, name) == 0;
		if (!dropped)
			unlinkat(directory, unfinished, 0);
	}
	if (!dropped)
		ctl_fail(EX_TEMPFAIL, "the mail system takes no mail just now, and the message could not be left in %s: %s", path, strerror(errno));
	if (file != -1)
		close(file);
	if (directory != -1)
		close(directory);
	buf_free(&records);
	return dropped ? EX_OK : EX_TEMPFAIL;
}
