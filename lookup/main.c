/*
 * main.c - the daemon that says who a recipient is.
 *
 * It reads tables and answers questions; it writes nothing and knows no
 * network.  A question that ends in "no such user" has the tables looked at
 * once more first, so that a new account is there at once; apart from that,
 * files are looked at once a second at most.
 */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/channel_lookup.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/process.h"
#include "lookup/allowance.h"
#include "lookup/directory.h"
#include "lookup/expand.h"
#include "lookup/lists.h"
#include "lookup/verdict.h"

enum {
	REFRESH_US = 1000 * 1000,
	ADDRESS_MAX = 1024 /* octets of an address in a question */
};

static struct directory directory;
static struct lists lists;
static int tables_fd = -1;
static uint64_t refreshed_us;

static bool refresh(bool reload)
{
	bool has_changed = directory_refresh(&directory, reload);

	refreshed_us = clock_monotonic_us();
	/* Both are looked at, whatever the one says. */
	return lists_refresh(&lists, reload) || has_changed;
}

static void refresh_now_and_then(void)
{
	if (clock_monotonic_us() - refreshed_us >= REFRESH_US)
		refresh(false);
}

static bool send_verdict(
    struct channel *channel, uint32_t request, const struct lookup_verdict *verdict)
{
	lookup_verdict_write(channel_begin(channel, LOOKUP_VERDICT, request), verdict);
	channel_end(channel);
	return true;
}

/* What was said yes to counts, and may be too much. */
static void count(struct lookup_verdict *verdict, struct slice login, enum allowance_of of)
{
	char text[ALLOWANCE_TEXT_MAX];

	if (verdict->answer != LOOKUP_ACCEPTED || login.len == 0 ||
	    allowance_take(login, of, clock_monotonic_us(), text))
		return;
	*verdict = (struct lookup_verdict){LOOKUP_TEMPORARY, 450, "4.7.1", ""};
	slice_copy(slice_string(text), verdict->text, sizeof verdict->text);
}

static bool on_recipient(struct channel *channel, struct message *m)
{
	struct reader r = message_reader(m);
	struct slice address = read_slice_max(&r, ADDRESS_MAX);
	bool may_relay = read_bool(&r);
	struct slice login = read_slice_max(&r, ADDRESS_MAX);
	struct lookup_verdict verdict;

	if (!reader_finished(&r))
		return false;
	verdict_on_recipient(&directory, address, may_relay, &verdict);
	if (verdict.answer != LOOKUP_ACCEPTED && refresh(false))
		verdict_on_recipient(&directory, address, may_relay, &verdict);
	count(&verdict, login, ALLOWANCE_RECIPIENTS);
	return send_verdict(channel, m->request, &verdict);
}

static bool on_sender(struct channel *channel, struct message *m)
{
	struct reader r = message_reader(m);
	struct slice login = read_slice_max(&r, ADDRESS_MAX);
	struct slice sender = read_slice_max(&r, ADDRESS_MAX);
	bool begins_message = read_bool(&r);
	struct lookup_verdict verdict;

	if (!reader_finished(&r))
		return false;
	verdict_on_sender(&directory, login, sender, &verdict);
	if (verdict.answer != LOOKUP_ACCEPTED && refresh(false))
		verdict_on_sender(&directory, login, sender, &verdict);
	if (begins_message)
		count(&verdict, login, ALLOWANCE_MESSAGES);
	return send_verdict(channel, m->request, &verdict);
}

enum { LIST_KEYS_MAX = 1024 }; /* in one question */

/* Is any of the keys that follow in that table?  All of them are read, whatever they say. */
static enum table_answer find_any(struct reader *r, struct slice table)
{
	uint32_t count = read_u32(r);
	enum table_answer sum = TABLE_ABSENT;

	if (count > LIST_KEYS_MAX)
		reader_fail(r);
	for (uint32_t i = 0; i < count && reader_ok(r); i++) {
		struct slice key = read_slice_max(r, ADDRESS_MAX + 8);
		enum table_answer one =
		    sum == TABLE_FOUND ? TABLE_FOUND : lists_find(&lists, table, key);

		if (one != TABLE_ABSENT)
			sum = one;
	}
	return sum;
}

static bool on_listed(struct channel *channel, struct message *m)
{
	struct reader r = message_reader(m);
	uint32_t count = read_u32(&r), listed = 0, unlisted = 0;
	struct writer *w;

	if (count > ACCESS_TABLES_MAX)
		return false;
	for (uint32_t i = 0; i < count && reader_ok(&r); i++) {
		struct slice table = read_slice_max(&r, TABLE_NAME_MAX);
		enum table_answer answer = find_any(&r, table);

		if (answer == TABLE_FOUND)
			listed |= UINT32_C(1) << i;
		else if (answer == TABLE_ABSENT)
			unlisted |= UINT32_C(1) << i;
	}
	if (!reader_finished(&r))
		return false;
	w = channel_begin(channel, LOOKUP_LISTS, m->request);
	write_u32(w, listed);
	write_u32(w, unlisted);
	channel_end(channel);
	return true;
}

static bool has_errors(const struct expansion *e)
{
	for (uint32_t i = 0; i < e->result.count; i++)
		if (e->result.deliveries[i].kind == LOOKUP_ERROR)
			return true;
	return false;
}

static bool on_expand(struct channel *channel, struct message *m)
{
	static const struct lookup_delivery too_large = {
	    .kind = LOOKUP_ERROR,
	    .status = {"5.2.4",				  5 },
	    .text = {"The address expands to too many others", 38}
        };
	struct reader r = message_reader(m);
	struct slice address = read_slice_max(&r, ADDRESS_MAX);
	struct expansion e;

	if (!reader_finished(&r))
		return false;
	expand(&directory, address, &e);
	if (has_errors(&e) && refresh(false)) {
		expansion_free(&e);
		expand(&directory, address, &e);
	}
	lookup_expansion_write(channel_begin(channel, LOOKUP_EXPANSION, m->request), &e.result);
	if (!channel_end(channel)) {
		struct lookup_delivery error = too_large;

		error.address = address;
		lookup_expansion_write(channel_begin(channel, LOOKUP_EXPANSION, m->request),
		    &(struct lookup_expansion){1, &error});
		channel_end(channel);
	}
	expansion_free(&e);
	return true;
}

static bool on_message(struct channel *channel, struct message *m, void *context)
{
	(void)context;
	refresh_now_and_then();
	switch (m->type) {
	case LOOKUP_RECIPIENT:
		return on_recipient(channel, m);
	case LOOKUP_EXPAND:
		return on_expand(channel, m);
	case LOOKUP_SENDER:
		return on_sender(channel, m);
	case LOOKUP_LISTED:
		return on_listed(channel, m);
	default:
		return false;
	}
}

/* The directory becomes the root directory; its descriptor serves with and without that. */
static bool prepare(void)
{
	tables_fd = open(settings->directory.tables, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	own_addresses_learn();
	if (tables_fd < 0)
		log_error("tables-unusable", log_string("directory", settings->directory.tables),
		    log_errno(errno));
	return tables_fd >= 0;
}

static bool start(struct event_base *base)
{
	(void)base;
	if (!directory_open(&directory, tables_fd) || !directory_configure(&directory, settings) ||
	    !lists_configure(&lists, settings, tables_fd))
		return false;
	refresh(false);
	return channel_send(process_master(), CONTROL_READY, 0);
}

static void reload(void)
{
	if (!directory_configure(&directory, settings) ||
	    !lists_configure(&lists, settings, tables_fd))
		log_error("settings-unusable", log_errno(errno));
	refresh(true);
}

static const struct process_peer peers[] = {
    {.role = ROLE_SMTPD,     .message = on_message},
    {.role = ROLE_QMGR,                      .message = on_message},
    {.role = ROLE_NONE},
};

static const struct process lookup = {
    .role = ROLE_LOOKUP,
    .peers = peers,
    .prepare = prepare,
    .start = start,
    .reload = reload,
};

int main(int argc, char **argv)
{
	int status = process_main(&lookup, argc, argv);

	lists_close(&lists);
	directory_close(&directory);
	return status;
}
