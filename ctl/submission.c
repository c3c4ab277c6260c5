/*
 * submission.c - a local message made complete.
 */
#include "ctl/submission.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/id.h"
#include "ctl/ctl.h"
#include "message/address.h"
#include "message/date.h"
#include "message/header.h"
#include "message/spelling.h"

bool submission_login(char *login, size_t size)
{
	struct passwd *user = getpwuid(getuid());

	if (user != NULL)
		return slice_copy(slice_string(user->pw_name), login, size);
	return snprintf(login, size, "%u", (unsigned)getuid()) < (int)size;
}

bool submission_qualify(struct slice text, char out[321])
{
	struct address address;
	struct buf canonical = buf_with_limit(320);
	const char *domain = settings->domains.count > 0 ? settings->domains.words[0] : settings->hostname;
	bool ok = address_parse(text, ADDRESS_LENIENT | ADDRESS_NO_DOMAIN | ADDRESS_NOT_NULL, &address);

	if (ok && address.domain.len == 0)
		address.domain = slice_string(domain);
	ok = ok && address_write_house(&address, &canonical) && slice_copy(buf_slice(&canonical), out, 321);
	buf_free(&canonical);
	return ok;
}

bool submission_add_recipient(struct submission *s, struct slice address)
{
	char qualified[321];

	if (!submission_qualify(address, qualified)) {
		ctl_fail(EX_USAGE, "\"%.*s\" is not an address", SLICE_PRINTF(address));
		return false;
	}
	for (size_t i = 0; i < s->recipient_count; i++)
		if (strcmp(s->recipients[i], qualified) == 0)
			return true;
	if (s->recipient_count == SUBMISSION_RECIPIENTS_MAX) {
		ctl_fail(EX_USAGE, "more than %d recipients", SUBMISSION_RECIPIENTS_MAX);
		return false;
	}
	s->recipients[s->recipient_count] = slice_dup(slice_string(qualified));
	return s->recipients[s->recipient_count++] != NULL;
}

/* Where in the message the reading is. */
struct lines {
	struct buf *out;
	size_t start;   /* of the line that is being read */
	bool after_cr;  /* a CR has come, and what it means the next octet tells */
	bool dot_ends;
	bool has_ended; /* by a dot */
};

static void end_line(struct lines *l)
{
	l->after_cr = false;
	if (l->dot_ends && l->out->len == l->start + 1 && l->out->data[l->start] == '.') {
		l->out->len = l->start;
		l->has_ended = true;
		return;
	}
	buf_append_string(l->out, "\r\n");
	l->start = l->out->len;
}

static bool is_within_line(int octet)
{
	return octet != '\r' && octet != '\n' && octet != '\0';
}

/*
 * LF ends a line, CR LF does, and so does a CR by itself: it has no other meaning
 * in a message (RFC 5322, 2.2).  NUL has none at all and is left out.
 */
static void take_lines(struct lines *l, struct slice octets)
{
	struct cursor c = cursor_over(octets);

	while (!cursor_done(&c) && !l->has_ended && !l->out->overflowed) {
		struct slice part = cursor_take_while(&c, is_within_line);

		if (part.len > 0 && l->after_cr)
			end_line(l);
		if (!l->has_ended)
			buf_append_slice(l->out, part);
		if (cursor_accept(&c, '\n'))
			end_line(l);
		else if (cursor_accept(&c, '\r'))
			l->after_cr = true;
		else
			cursor_accept(&c, '\0');
	}
}

int submission_read(struct submission *s, bool dot_ends)
{
	static char block[65536];
	struct lines l = {.out = &s->message, .dot_ends = dot_ends};
	ssize_t got = 1;

	s->message = buf_with_limit((size_t)settings->submission.size_limit);
	while (got > 0 && !l.has_ended && !s->message.overflowed) {
		do
			got = read(STDIN_FILENO, block, sizeof block);
		while (got < 0 && errno == EINTR);
		if (got > 0)
			take_lines(&l, slice_of(block, (size_t)got));
	}
	if (got < 0)
		return ctl_fail(EX_IOERR, "standard input: %s", strerror(errno));
	if (l.after_cr || s->message.len > l.start)
		end_line(&l);
	if (s->message.overflowed)
		return ctl_fail(EX_DATAERR, "the message is larger than submission.size-limit, %lld octets", (long long)settings->submission.size_limit);
	return EX_OK;
}

static bool add_list(struct submission *s, struct slice value)
{
	struct address_list list = address_list_empty();
	bool ok = address_list_add(&list, value);

	for (size_t i = 0; ok && i < list.count; i++) {
		struct buf address = buf_with_limit(1024);

		if (list.items[i].kind == HEADER_ADDRESS_MAILBOX)
			ok = header_address_write(&list.items[i], &address) && submission_add_recipient(s, buf_slice(&address));
		buf_free(&address);
	}
	address_list_free(&list);
	return ok;
}

/* Is the field one of those that name recipients?  Of a message that is sent on, those of the sending on are (RFC 5322, 3.6.6). */
static bool names_recipients(struct slice name, bool is_resent)
{
	if (is_resent) {
		if (!slice_starts_with_nocase(name, SLICE("Resent-")))
			return false;
		name = slice_from(name, strlen("Resent-"));
	}
	return slice_equal_nocase(name, SLICE("To")) || slice_equal_nocase(name, SLICE("Cc")) || slice_equal_nocase(name, SLICE("Bcc"));
}

static bool is_resent(struct slice message)
{
	struct header_walk walk = header_walk_over(message);
	struct header_field field;

	while (header_next(&walk, &field))
		if (names_recipients(field.name, true))
			return true;
	return false;
}

bool submission_take_header_recipients(struct submission *s)
{
	struct header_walk walk = header_walk_over(buf_slice(&s->message));
	bool resent = is_resent(buf_slice(&s->message));
	struct header_field field;

	while (header_next(&walk, &field))
		if (names_recipients(field.name, resent) && !add_list(s, field.value))
			return false;
	return true;
}

bool submission_drop_bcc(struct submission *s)
{
	struct header_walk walk = header_walk_over(buf_slice(&s->message));
	struct buf without_bcc = buf_with_limit(s->message.limit);
	struct header_field field;

	while (header_next(&walk, &field))
		if (!slice_equal_nocase(field.name, SLICE("Bcc")) && !slice_equal_nocase(field.name, SLICE("Resent-Bcc")))
			buf_append_slice(&without_bcc, field.whole);
	buf_append_slice(&without_bcc, slice_from(buf_slice(&s->message), walk.at));
	buf_free(&s->message);
	s->message = without_bcc;
	return !s->message.overflowed;
}

static bool add_from(struct buf *out, const struct submission *s, const char *full_name)
{
	struct buf value = buf_with_limit(2048);
	char login[128], author[321];
	bool ok = submission_login(login, sizeof login) && submission_qualify(slice_string(login), author);

	ok = ok && header_append_mailbox(&value, slice_string(full_name), slice_string(s->sender[0] != '\0' ? s->sender : author)) &&
	    header_write(out, "From", buf_slice(&value));
	buf_free(&value);
	return ok;
}

static bool add_date(struct buf *out)
{
	struct date now = date_local((int64_t)(clock_wall_us() / 1000000));
	struct buf value = buf_with_limit(64);
	bool ok = date_write(&now, &value) && header_write(out, "Date", buf_slice(&value));

	buf_free(&value);
	return ok;
}

static bool add_message_id(struct buf *out)
{
	char id[MESSAGE_ID_TEXT + 1], value[512];

	message_id_format(message_id_next(0), id);
	snprintf(value, sizeof value, "<%s.%ld@%s>", id, (long)getpid(), settings->hostname);
	return header_write(out, "Message-ID", slice_string(value));
}

/* A message whose first line is no header field gets an empty line in front of it: all of it is body. */
static bool has_header(struct slice message)
{
	struct header_walk walk = header_walk_over(message);
	struct header_field field;

	return slice_starts_with(message, SLICE("\r\n")) || (header_next(&walk, &field) && field.name.len > 0);
}

bool submission_complete_header(struct submission *s, const char *full_name)
{
	struct slice message = buf_slice(&s->message);
	struct buf complete = buf_with_limit(s->message.limit + 8192);
	struct header_field field;
	bool ok = true;

	if (!header_find(message, SLICE("From"), &field))
		ok = add_from(&complete, s, full_name);
	if (!header_find(message, SLICE("Date"), &field))
		ok = ok && add_date(&complete);
	if (!header_find(message, SLICE("Message-ID"), &field))
		ok = ok && add_message_id(&complete);
	if (!has_header(message))
		buf_append_string(&complete, "\r\n");
	buf_append_slice(&complete, message);
	buf_free(&s->message);
	s->message = complete;
	return ok && !complete.overflowed;
}

void submission_free(struct submission *s)
{
	for (size_t i = 0; i < s->recipient_count; i++)
		free(s->recipients[i]);
	s->recipient_count = 0;
	buf_free(&s->message);
}
