/*
 * output.c - text for people and JSON for programs.
 */
#include <stdio.h>
#include <time.h>

#include "ctl/ctl.h"

/* Octets of the UTF-8 sequence at the cursor, or 0 where it is none. */
static size_t utf8_length(const struct cursor *c)
{
	int first = cursor_peek(c);
	size_t length = first < 0x80 ? 1 : first >= 0xc2 && first <= 0xdf ? 2 : (first & 0xf0) == 0xe0 ? 3 : first >= 0xf0 && first <= 0xf4 ? 4 : 0;
	int second = cursor_peek_at(c, 1);

	for (size_t i = 1; i < length; i++)
		if ((cursor_peek_at(c, i) & 0xc0) != 0x80 || cursor_peek_at(c, i) == -1)
			return 0;
	/* Overlong forms, surrogates, beyond U+10FFFF. */
	if ((first == 0xe0 && second < 0xa0) || (first == 0xed && second > 0x9f) || (first == 0xf0 && second < 0x90) || (first == 0xf4 && second > 0x8f))
		return 0;
	return length;
}

void json_string(struct buf *out, struct slice text)
{
	struct cursor c = cursor_over(text);

	buf_append_octet(out, '"');
	while (!cursor_done(&c)) {
		int octet = cursor_peek(&c);
		size_t length = utf8_length(&c);

		if (length == 0) {
			buf_append_string(out, "\\ufffd");
			cursor_skip(&c, 1);
			continue;
		}
		if (octet == '"' || octet == '\\')
			buf_printf(out, "\\%c", octet);
		else if (octet < 0x20)
			buf_printf(out, "\\u%04x", (unsigned)octet);
		else
			buf_append_slice(out, slice_part(cursor_rest(&c), 0, length));
		cursor_skip(&c, length);
	}
	buf_append_octet(out, '"');
}

void ctl_print(struct buf *out)
{
	if (out->len > 0)
		fwrite(out->data, 1, out->len, stdout);
	buf_clear(out);
}

void ctl_time(struct buf *out, uint64_t wall_us)
{
	time_t seconds = (time_t)(wall_us / 1000000);
	struct tm tm;
	char text[32];

	localtime_r(&seconds, &tm);
	strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &tm);
	buf_append_string(out, text);
}

void ctl_age(struct buf *out, uint64_t us)
{
	static const struct {
		uint64_t seconds;
		char letter;
	} units[] = {{86400, 'd'}, {3600, 'h'}, {60, 'm'}, {1, 's'}};
	uint64_t seconds = us / 1000000;

	for (size_t i = 0; i < 4; i++) {
		if (seconds < units[i].seconds && i < 3)
			continue;
		buf_printf(out, "%llu%c", (unsigned long long)(seconds / units[i].seconds), units[i].letter);
		seconds %= units[i].seconds;
		if (i < 3 && seconds / units[i + 1].seconds > 0)
			buf_printf(out, " %llu%c", (unsigned long long)(seconds / units[i + 1].seconds), units[i + 1].letter);
		return;
	}
}
