/*
 * trace.c - petrel trace: every line of a message's life, across processes, in order.
 *
 * The log has one line for each event, and every line about a message has its
 * id.  An address is turned into the ids of the messages whose lines name it
 * first.  Rotated files (petrel.log.1, ...) are read too, the oldest first.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>

#include "common/id.h"
#include "common/log.h"
#include "ctl/ctl.h"

enum { ROTATED_MAX = 9, IDS_MAX = 10000 };

struct trace {
	const struct ctl *ctl;
	struct slice address; /* empty: an id was given */
	message_id *ids;      /* ascending */
	size_t id_count;
	bool cut;             /* more than IDS_MAX messages */
	unsigned lines;
	struct buf out;
};

/* The value of " name=" in a line, as it stands there; empty where it does not. */
static struct slice field(struct slice line, const char *name)
{
	char key[32];
	ssize_t at;
	struct cursor c;

	snprintf(key, sizeof key, " %s=", name);
	at = slice_search(line, slice_string(key));
	if (at < 0)
		return slice_of("", 0);
	c = cursor_over(slice_from(line, (size_t)at + strlen(key)));
	if (!cursor_accept(&c, '"'))
		return cursor_take_until(&c, ' ');
	return cursor_take_until(&c, '"');
}

static bool names_address(struct slice line, struct slice address)
{
	static const char *const fields[] = {"from", "to", "orig_to", "account"};

	for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
		if (slice_equal_nocase(field(line, fields[i]), address))
			return true;
	return false;
}

/* Where the id stands or would stand. */
static size_t id_position(const struct trace *t, message_id id)
{
	size_t low = 0, high = t->id_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (t->ids[middle] < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static bool has_id(const struct trace *t, message_id id)
{
	size_t at = id_position(t, id);

	return at < t->id_count && t->ids[at] == id;
}

static void add_id(struct trace *t, message_id id)
{
	size_t at = id_position(t, id);

	if (at < t->id_count && t->ids[at] == id)
		return;
	if (t->id_count == IDS_MAX) {
		t->cut = true;
		return;
	}
	memmove(t->ids + at + 1, t->ids + at, (t->id_count - at) * sizeof t->ids[0]);
	t->ids[at] = id;
	t->id_count++;
}

static void collect(struct trace *t, struct slice line)
{
	message_id id;

	if (names_address(line, t->address) && message_id_parse(field(line, "id"), &id))
		add_id(t, id);
}

static void print(struct trace *t, struct slice line)
{
	message_id id;

	if (!message_id_parse(field(line, "id"), &id) || !has_id(t, id))
		return;
	if (t->ctl->json) {
		buf_append_string(&t->out, t->lines == 0 ? "[\n  " : ",\n  ");
		json_string(&t->out, line);
	} else {
		buf_append_slice(&t->out, line);
		buf_append_octet(&t->out, '\n');
	}
	t->lines++;
	ctl_print(&t->out);
}

static bool read_file(struct trace *t, const char *path, void (*each)(struct trace *, struct slice))
{
	FILE *file = fopen(path, "re");
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	if (file == NULL)
		return false;
	while ((len = getline(&line, &size, file)) > 0)
		each(t, slice_of(line, (size_t)len - (line[len - 1] == '\n')));
	free(line);
	fclose(file);
	return true;
}

static bool read_all(struct trace *t, void (*each)(struct trace *, struct slice))
{
	char path[1100];

	for (int n = ROTATED_MAX; n > 0; n--) {
		snprintf(path, sizeof path, "%s/petrel.log.%d", settings->directory.log, n);
		read_file(t, path, each);
	}
	snprintf(path, sizeof path, "%s/petrel.log", settings->directory.log);
	if (read_file(t, path, each))
		return true;
	ctl_fail(EX_NOINPUT, "%s: %s", path, strerror(errno));
	return false;
}

/* An address as common/log.c writes it: what is not ASCII as "\\xd0". */
static void spell_as_logged(struct slice address, struct buf *out)
{
	struct buf house = buf_with_limit(4096);

	ctl_spell(address, &house);
	for (size_t i = 0; i < house.len; i++) {
		unsigned char c = (unsigned char)house.data[i];

		if (c < ' ' || c > '~')
			buf_printf(out, "\\x%02x", c);
		else
			buf_append_octet(out, (char)c);
	}
	buf_free(&house);
}

int ctl_trace(const struct ctl *ctl, int argc, char **argv)
{
	struct trace t = {.ctl = ctl, .out = buf_with_limit(65536)};
	struct buf spelled = buf_with_limit(65536);
	struct conf *conf;
	message_id id;
	int status = EX_OK;

	if (argc != 1)
		return ctl_fail(EX_USAGE, "trace: wants a message's id or an address");
	conf = ctl_read_configuration(ctl);
	if (conf == NULL)
		return EX_CONFIG;
	if (settings->log.to != LOG_TO_FILE) {
		conf_free(conf);
		return ctl_fail(EX_CONFIG, "trace: the log does not go to a file (log.to); ask journalctl or syslog's files for id=%s", argv[0]);
	}
	t.ids = calloc(IDS_MAX, sizeof t.ids[0]);
	if (t.ids == NULL)
		return EX_OSERR;
	if (message_id_parse(slice_string(argv[0]), &id)) {
		add_id(&t, id);
	} else {
		spell_as_logged(slice_string(argv[0]), &spelled);
		t.address = buf_slice(&spelled);
	}
	if ((t.address.len > 0 && !read_all(&t, collect)) || !read_all(&t, print))
		status = EX_NOINPUT;
	if (ctl->json && t.lines > 0)
		puts("\n]");
	if (t.cut)
		ctl_fail(EX_OK, "trace: only the first %d messages are shown", IDS_MAX);
	if (status == EX_OK && t.lines == 0)
		status = ctl_fail(EX_NOINPUT, "trace: no line of the log is about %s", argv[0]);
	buf_free(&t.out);
	buf_free(&spelled);
	free(t.ids);
	conf_free(conf);
	return status;
}
