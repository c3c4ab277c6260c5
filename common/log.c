/*
 * log.c - one line per event.
 */
#include "common/log.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/channel.h"
#include "common/channel_log.h"
#include "common/clock.h"

static const char *process_name = "petrel";
static struct channel *logger;
static enum log_level loudest = LEVEL_INFO;

/* Lines for a channel that is to come. */
enum { HELD_MAX = 1024 };
static struct held_line {
	enum log_level level;
	uint64_t wall_us;
	struct buf text;
} held[HELD_MAX];
static unsigned held_count;
static bool holding;

void log_set_name(const char *name)
{
	process_name = name;
}

void log_set_level(enum log_level level)
{
	loudest = level;
}

/* Where the logger is that far behind, it is better to lose lines than to lose the logger. */
enum { WAITING_MAX = CHANNEL_QUEUE_MAX / 4 };
static unsigned lost;

static void put_line(enum log_level level, uint64_t wall_us, struct slice text)
{
	struct writer *w = channel_begin(logger, LOG_LINE, 0);

	write_u8(w, (uint8_t)level);
	write_u64(w, wall_us);
	write_slice(w, text);
	channel_end(logger);
}

static void send_line(enum log_level level, uint64_t wall_us, struct slice text)
{
	char said[64];

	if (channel_queued(logger) > WAITING_MAX) {
		lost++;
		return;
	}
	if (lost > 0) {
		snprintf(said, sizeof said, "lines-lost count=%u", lost);
		put_line(LEVEL_ERROR, wall_us, slice_string(said));
		lost = 0;
	}
	put_line(level, wall_us, text);
}

static void print_line(struct slice text)
{
	dprintf(STDERR_FILENO, "%s: %.*s\n", process_name, SLICE_PRINTF(text));
}

void log_hold(void)
{
	holding = true;
}

void log_release(void)
{
	holding = false;
	for (unsigned i = 0; i < held_count; i++) {
		if (logger != NULL)
			send_line(held[i].level, held[i].wall_us, buf_slice(&held[i].text));
		else
			print_line(buf_slice(&held[i].text));
		buf_free(&held[i].text);
	}
	held_count = 0;
}

void log_set_channel(struct channel *channel)
{
	logger = channel;
	if (channel != NULL)
		log_release();
}

static bool is_plain(struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if (c <= ' ' || c > '~' || c == '"' || c == '\\')
			return false;
	}
	return value.len > 0;
}

static void render_value(struct buf *out, struct slice value)
{
	if (is_plain(value)) {
		buf_append_slice(out, value);
		return;
	}
	buf_append_octet(out, '"');
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else if (c < ' ' || c > '~')
			buf_printf(out, "\\x%02x", c);
		else
			buf_append_octet(out, (char)c);
	}
	buf_append_octet(out, '"');
}

static void render_field(struct buf *out, const struct log_field *field)
{
	char id[MESSAGE_ID_TEXT + 1], text[256];

	buf_printf(out, " %s=", field->name);
	switch (field->kind) {
	case LOG_KIND_NUMBER:
		buf_printf(out, "%llu", (unsigned long long)field->number);
		break;
	case LOG_KIND_SIGNED:
		buf_printf(out, "%lld", (long long)field->number);
		break;
	case LOG_KIND_ID:
		message_id_format(field->number, id);
		buf_append_string(out, id);
		break;
	case LOG_KIND_ERRNO:
		render_value(out, slice_string(strerror_r((int)field->number, text, sizeof text)));
		break;
	default:
		render_value(out, field->text);
	}
}

void log_render(struct buf *out, const char *event, const struct log_field *fields)
{
	buf_append_string(out, event);
	for (; fields->kind != LOG_KIND_END; fields++) {
		size_t before = out->len;

		render_field(out, fields);
		if (out->overflowed) {
			static const char cut[] = " [cut]";

			out->len = before;
			out->overflowed = false;
			out->limit += sizeof cut;
			buf_append_string(out, cut);
			return;
		}
	}
}

void log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	struct buf line = buf_with_limit(LOG_LINE_MAX);

	if (level > loudest)
		return;
	log_render(&line, event, fields);
	if (logger != NULL) {
		send_line(level, clock_wall_us(), buf_slice(&line));
	} else if (holding && held_count < HELD_MAX) {
		held[held_count++] = (struct held_line){level, clock_wall_us(), line};
		return;
	} else {
		print_line(buf_slice(&line));
	}
	buf_free(&line);
}
