/*
 * reply.c - what the other side answers.
 */
#include "delivery/smtp/reply.h"

#include <stdio.h>

void reply_clear(struct reply *reply)
{
	*reply = (struct reply){0};
}

/* "250", "250 text" or "250-text". */
static bool split_line(struct slice line, int *code, bool *is_last, struct slice *rest)
{
	struct cursor c = cursor_over(line);

	*code = 0;
	for (int i = 0; i < 3; i++) {
		if (!octet_is_digit(cursor_peek(&c)))
			return false;
		*code = *code * 10 + (cursor_next(&c) - '0');
	}
	*is_last = !cursor_accept(&c, '-');
	if (*is_last && !cursor_done(&c) && !cursor_accept(&c, ' '))
		return false;
	*rest = cursor_rest(&c);
	return *code >= 200 && *code <= 599;
}

static void keep_octet(struct reply *reply, char octet)
{
	if (reply->text_len + 1 >= sizeof reply->text)
		return;
	reply->text[reply->text_len++] = octet >= 0x20 && octet < 0x7f ? octet : '?';
	reply->text[reply->text_len] = '\0';
}

static void keep_text(struct reply *reply, struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		keep_octet(reply, text.data[i]);
}

/* The enhanced status code at the beginning of a line; empty where there is none. */
static struct slice find_status(struct slice rest)
{
	struct slice status = slice_part(rest, 0, DELIVERY_STATUS_MAX + 1);
	ssize_t blank = slice_find(status, 0, ' ');

	if (blank >= 0)
		status.len = (size_t)blank;
	else if (rest.len > DELIVERY_STATUS_MAX)
		status.len = 0;
	return delivery_status_is_valid(status) ? status : slice_of("", 0);
}

enum reply_progress reply_take(struct reply *reply, struct slice line)
{
	struct slice status, text;
	bool is_last;
	int code;

	if (line.len > REPLY_LINE_MAX || !split_line(line, &code, &is_last, &reply->rest))
		return REPLY_MALFORMED;
	if (reply->lines == REPLY_LINES_MAX || (reply->lines > 0 && code != reply->code))
		return REPLY_MALFORMED;
	status = find_status(reply->rest);
	if (reply->lines == 0) {
		reply->code = code;
		keep_text(reply, slice_part(line, 0, 3));
		if (!slice_is_empty(status) && status.data[0] - '0' == reply_class(reply))
			slice_copy(status, reply->status, sizeof reply->status);
		text = reply->rest;
	} else {
		/* Each line of a reply repeats the enhanced code (RFC 2034, 4); the reader needs it once. */
		text = slice_from(reply->rest, status.len);
	}
	text = slice_trim(text);
	if (!slice_is_empty(text)) {
		keep_octet(reply, ' ');
		keep_text(reply, text);
	}
	reply->lines++;
	return is_last ? REPLY_WHOLE : REPLY_MORE;
}

/*
 * What a code without an enhanced one stands for: the two numbers behind the class
 * (RFC 3463, RFC 5248).
 */
static const struct {
	int code;
	enum reply_stage stage;
	const char *rest;
} meanings[] = {
    {550, STAGE_RCPT, "1.1"},
    {551, STAGE_RCPT, "1.6"},
    {553, STAGE_RCPT, "1.3"},
    {450, STAGE_RCPT, "2.0"},
    {452, STAGE_RCPT, "5.3"},
    {550, STAGE_MAIL, "1.0"},
    {553, STAGE_MAIL, "1.7"},
    {452, STAGE_MAIL, "3.1"},
    {552, STAGE_MAIL, "3.4"},
    {452, STAGE_DATA, "3.1"},
    {552, STAGE_DATA, "3.4"},
};

/* The same for a code that means the same wherever it comes. */
static const struct {
	int code;
	const char *rest;
} general_meanings[] = {
    {421, "3.2" },
    {454, "7.0" },
    {455, "5.4" },
    {500, "5.2" },
    {501, "5.4" },
    {502, "5.1" },
    {503, "5.1" },
    {504, "5.4" },
    {521, "3.2" },
    {530, "7.0" },
    {535, "7.8" },
    {552, "2.2" },
    {555, "5.4" },
    {556, "1.10"},
};

static const char *meaning(int code, enum reply_stage stage)
{
	for (size_t i = 0; i < sizeof meanings / sizeof meanings[0]; i++)
		if (meanings[i].code == code && meanings[i].stage == stage)
			return meanings[i].rest;
	for (size_t i = 0; i < sizeof general_meanings / sizeof general_meanings[0]; i++)
		if (general_meanings[i].code == code)
			return general_meanings[i].rest;
	return "0.0";
}

void reply_status(const struct reply *reply, enum reply_stage stage, char class,
    char status[DELIVERY_STATUS_MAX + 1])
{
	const char *rest = reply->status[0] != '\0' ? reply->status + 2
			   : class == '2'           ? "0.0"
						    : meaning(reply->code, stage);

	snprintf(status, DELIVERY_STATUS_MAX + 1, "%c.%.7s", class, rest);
}
