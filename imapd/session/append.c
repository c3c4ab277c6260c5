/*
 * append.c - APPEND (RFC 3501, 6.3.11) and MULTIAPPEND (RFC 3502).
 *
 * A message goes from the client's octets straight into a file of the store, so
 * its size costs no memory.  Everything that could be wrong with it is looked at
 * before its literal is asked for; a client that does not wait to be asked has its
 * octets thrown away.
 */
#include <event2/buffer.h>
#include <stdlib.h>

#include "imapd/session/commands.h"
#include "message/date.h"

struct appending {
	struct store_append *append; /* NULL once it has failed */
	enum store_error error;
};

void append_drop(struct connection *c)
{
	struct appending *a = c->appending;

	if (a == NULL)
		return;
	if (a->append != NULL)
		store_append_abort(a->append);
	free(a);
	c->appending = NULL;
}

static void fail(struct appending *a, enum store_error error)
{
	if (a->append != NULL)
		store_append_abort(a->append);
	a->append = NULL;
	a->error = error;
}

/* A literal that will not be taken: reply now, or when its octets have been thrown away. */
static void refuse(struct connection *c, const char *why)
{
	c->refusal = why;
	append_drop(c);
	if (c->phase == PHASE_APPENDING)
		c->phase = PHASE_READY;
	if (gather_refuse(&c->gather))
		reply_no(c, "%s", why);
}

static const char *response_to_append(enum store_error error)
{
	return error == STORE_NO_FOLDER ? "[TRYCREATE] No such mailbox"
					: store_error_response(error);
}

/* What stands between the mailbox and the literal: "(\Seen) "17-Jul-1996 02:44:25 -0700" ". */
static bool take_message_info(struct syntax *s, struct store_append_info *info)
{
	struct flag_list flags = {0};
	struct slice text;
	struct date date;

	info->internal_date = STORE_DATE_NOW;
	if (syntax_at(s, '(') && (!syntax_flag_list(s, &flags) || !syntax_space(s)))
		return false;
	if (syntax_at(s, '"')) {
		if (!syntax_string(s, &text) || !syntax_space(s))
			return false;
		if (!date_parse_internal(text, &date))
			return syntax_fail(s, "The date is malformed");
		info->internal_date = date.seconds;
	}
	info->flags = flags.system;
	info->keywords = flags.keywords;
	info->keyword_count = flags.keyword_count;
	return syntax_end(s);
}

/* "tag APPEND mailbox " */
static bool take_mailbox(struct syntax *s, struct slice *mailbox)
{
	struct slice tag, verb;

	return syntax_tag(s, &tag) && syntax_space(s) && syntax_atom(s, &verb) &&
	       slice_equal_nocase(verb, SLICE("APPEND")) && syntax_space(s) &&
	       syntax_mailbox(s, mailbox) && syntax_space(s);
}

static enum store_error begin(
    struct connection *c, struct slice mailbox, const struct store_append_info *info)
{
	enum store_error error = STORE_OK;

	if (c->appending == NULL) {
		c->appending = calloc(1, sizeof *c->appending);
		if (c->appending == NULL)
			return STORE_MEMORY;
		error = store_append_begin(user_store(), mailbox, &c->appending->append);
		if (error != STORE_OK)
			c->appending->append = NULL;
	}
	if (error == STORE_OK)
		error = c->appending->append == NULL
			    ? c->appending->error
			    : store_append_message(c->appending->append, info);
	return error;
}

static void begin_message(
    struct connection *c, struct slice mailbox, const struct store_append_info *info)
{
	enum store_error error;

	if (c->gather.literal_len > (uint64_t)settings->imap.append_limit) {
		refuse(c, "[TOOBIG] The message is larger than this server takes");
		return;
	}
	if (c->gather.literal_len == 0) {
		refuse(c, "[CANNOT] A message cannot be empty");
		return;
	}
	error = begin(c, mailbox, info);
	if (error != STORE_OK) {
		log_store_error(error);
		refuse(c, response_to_append(error));
		return;
	}
	if (c->gather.literal_waits)
		say_string(c, "+ OK\r\n");
	gather_stream(&c->gather);
	c->phase = PHASE_APPENDING;
}

bool append_literal(struct connection *c)
{
	struct slice text = gather_text(&c->gather);
	struct syntax s =
	    syntax_over(slice_part(text, 0, (size_t)slice_find_last(text, '{')), &c->arena);
	struct store_append_info info = {0};
	struct slice mailbox = {0};

	if (c->phase == PHASE_APPENDING ? !syntax_space(&s) : !take_mailbox(&s, &mailbox))
		return false;
	if (!take_message_info(&s, &info))
		return false;
	if (c->phase == PHASE_READY) {
		read_tag(c);
		c->commands++;
	}
	begin_message(c, mailbox, &info);
	return true;
}

/* ---- the message's octets ------------------------------------------------ */

static bool take_octets(struct connection *c)
{
	struct appending *a = c->appending;
	struct evbuffer_iovec piece;
	struct slice octets;
	enum store_error error;

	if (evbuffer_peek(c->in, -1, NULL, &piece, 1) < 1 || piece.iov_len == 0)
		return false;
	octets = gather_streamed(&c->gather, slice_of(piece.iov_base, piece.iov_len));
	if (a->append != NULL) {
		error = store_append_write(a->append, octets);
		if (error != STORE_OK) {
			log_store_error(error);
			fail(a, error);
		}
	}
	evbuffer_drain(c->in, octets.len);
	return true;
}

static void commit(struct connection *c)
{
	struct appending *a = c->appending;
	struct store_appended result;
	enum store_error error = a->error;

	if (a->append != NULL) {
		error = store_append_commit(a->append, &result);
		a->append = NULL;
		if (error != STORE_OK)
			log_store_error(error);
	}
	append_drop(c);
	if (error != STORE_OK)
		reply_no(c, "%s", response_to_append(error));
	else if (result.count == 1)
		reply_ok(
		    c, "[APPENDUID %u %u] APPEND completed", result.uidvalidity, result.first_uid);
	else
		reply_ok(c, "[APPENDUID %u %u:%u] APPEND completed", result.uidvalidity,
		    result.first_uid, result.first_uid + result.count - 1);
	tell_others(c);
}

static void give_up(struct connection *c, const char *why)
{
	append_drop(c);
	reply_bad(c, "%s", why);
}

/* The line behind a message: empty, or the next message's. */
static bool take_line(struct connection *c)
{
	size_t len = evbuffer_get_length(c->in), taken;
	enum gather_event event;

	if (len == 0)
		return false;
	event = gather_take(&c->gather, slice_of(evbuffer_pullup(c->in, -1), len), &taken);
	evbuffer_drain(c->in, taken);
	switch (event) {
	case GATHER_MORE:
		return false;
	case GATHER_COMMAND:
		if (gather_text(&c->gather).len == 0)
			commit(c);
		else
			give_up(c, "Something is left over behind the message");
		return true;
	case GATHER_LITERAL:
		if (!append_literal(c))
			refuse(c, "[CANNOT] The arguments are malformed");
		return true;
	case GATHER_REFUSED:
	case GATHER_TOO_LONG:
		break;
	}
	say_goodbye(c, "[TOOBIG] The command is too long");
	return true;
}

bool append_input(struct connection *c)
{
	return gather_is_streaming(&c->gather) ? take_octets(c) : take_line(c);
}

/* Reached where no literal came that could be a message: the arguments tell what is wrong. */
void cmd_append(struct connection *c, struct syntax *s)
{
	struct slice mailbox;

	(void)c;
	if (syntax_space(s) && syntax_mailbox(s, &mailbox) && syntax_space(s))
		syntax_fail(s, "A message is missing, or what stands before it is malformed");
}
