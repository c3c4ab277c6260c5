/*
 * control.c - the administrator's view of the queue.
 *
 * master hands over the connection of a `petrel queue` command.  Each command
 * walks the queue in order of identifiers, a part in each turn of the event
 * loop, so that a listing of a million messages holds up nobody's mail.
 */
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/channel_admin.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/process.h"
#include "message/date.h"
#include "qmgr/queue.h"

enum {
	CLIENTS_MAX = 16,
	STEP_MESSAGES = 200,          /* in one turn */
	SHOWN_OCTETS_MAX = 16 * 1024, /* of a message's header */
	DETAIL_OCTETS_MAX = 1024 * 1024,
	SECOND_US = 1000000,
};

struct client {
	struct channel *channel;
	struct event *step;
	uint16_t command; /* being carried out; 0: none */
	struct admin_filter filter;
	char *filter_text; /* what its slices point into */
	message_id next;
	uint64_t count;
};

static unsigned client_count;

/* --- which messages ---------------------------------------------------------------------- */

/* A whole address, or "@domain". */
static bool address_matches(struct slice pattern, struct slice address)
{
	if (slice_is_empty(pattern))
		return true;
	return pattern.data[0] == '@' ? slice_ends_with_nocase(address, pattern)
				      : slice_equal_nocase(address, pattern);
}

/* "mx:example.net" or "example.net", held against a recipient where the site is not known yet. */
static bool site_matches(struct slice site, struct slice address)
{
	ssize_t at = slice_find_last(address, '@');

	if (slice_starts_with(site, SLICE("mx:")))
		site = slice_from(site, 3);
	return at >= 0 && slice_equal_nocase(slice_from(address, (size_t)at + 1), site);
}

static bool recipient_matches(const struct admin_filter *filter, const struct loaded *l)
{
	bool has_recipient = slice_is_empty(filter->recipient),
	     has_site = slice_is_empty(filter->site);

	for (uint32_t i = 0; i < l->envelope.recipient_count && !(has_recipient && has_site); i++) {
		struct slice address = l->envelope.recipients[i].address;

		has_recipient = has_recipient || address_matches(filter->recipient, address);
		has_site = has_site || site_matches(filter->site, address);
	}
	for (size_t i = 0; i < l->target_count && !(has_recipient && has_site); i++) {
		has_recipient =
		    has_recipient || address_matches(filter->recipient, l->targets[i]->address);
		has_site = has_site || slice_equal(l->targets[i]->place, filter->site) ||
			   site_matches(filter->site, l->targets[i]->address);
	}
	return has_recipient && has_site;
}

static bool needs_loading(const struct client *c)
{
	return c->command == ADMIN_QUEUE_LIST || c->filter.sender.len > 0 ||
	       c->filter.recipient.len > 0 || c->filter.site.len > 0;
}

static bool matches(const struct client *c, const struct mail *mail)
{
	if (c->filter.id != 0 && c->filter.id != mail->file.id)
		return false;
	return mail->loaded == NULL ||
	       (address_matches(c->filter.sender, mail->loaded->envelope.sender) &&
		   recipient_matches(&c->filter, mail->loaded));
}

/* Only looked at: back to where it was. */
static void put_back(struct mail *mail)
{
	mail_unload(mail);
	queue.active--;
}

/* --- listing ------------------------------------------------------------------------------- */

static bool is_open_target(const struct target *target)
{
	return target->state != TARGET_DELIVERED && target->state != TARGET_FAILED;
}

static struct slice last_reason(const struct loaded *l, struct slice address)
{
	const struct history *history = mail_find_history(l, address);

	return history == NULL ? SLICE("") : history->text;
}

static void list_recipients(const struct loaded *l, struct admin_entry *entry)
{
	for (size_t i = 0; i < l->question_count; i++)
		if (l->questions[i].is_open)
			entry->recipients[entry->recipient_count++] =
			    (struct admin_entry_recipient){
				l->questions[i].address, last_reason(l, l->questions[i].address)};
	for (size_t i = 0; i < l->target_count; i++) {
		const struct target *target = l->targets[i];

		if (is_open_target(target))
			entry->recipients[entry->recipient_count++] =
			    (struct admin_entry_recipient){target->address,
				target->text != NULL ? slice_string(target->text)
						     : last_reason(l, target->address)};
	}
}

static enum admin_state admin_state(const struct mail *mail)
{
	switch (mail->state) {
	case MAIL_HELD:
		return ADMIN_HELD;
	case MAIL_WAITING:
		return mail->loaded->envelope.release_us > clock_wall_us() ? ADMIN_SCHEDULED
									   : ADMIN_DEFERRED;
	default:
		return ADMIN_ACTIVE;
	}
}

static void list(struct client *c, const struct mail *mail)
{
	const struct loaded *l = mail->loaded;
	struct admin_entry entry = {
	    .id = mail->file.id,
	    .size = mail->file.size,
	    .arrived_us = l->envelope.arrived_us,
	    .next_attempt_us = attempt_due_us(mail),
	    .attempts = l->attempts,
	    .state = (uint8_t)admin_state(mail),
	    .tls = l->envelope.tls,
	    .priority = l->envelope.priority,
	    .release_us = l->envelope.release_us,
	    .hold = l->envelope.hold,
	    .sender = l->envelope.sender,
	};

	entry.recipients =
	    calloc(l->question_count + l->target_count + 1, sizeof *entry.recipients);
	if (entry.recipients == NULL)
		return;
	list_recipients(l, &entry);
	admin_entry_write(channel_begin(c->channel, ADMIN_QUEUE_ENTRY, 0), &entry);
	/* A list so long that it does not fit is shown by its first members. */
	while (!channel_end(c->channel) && entry.recipient_count > 0) {
		entry.recipient_count /= 2;
		admin_entry_write(channel_begin(c->channel, ADMIN_QUEUE_ENTRY, 0), &entry);
	}
	free(entry.recipients);
	c->count++;
}

/* --- showing --------------------------------------------------------------------------------- */

/* Text from outside goes to a terminal: control characters do not. */
static void append_clean(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c == '\r')
			continue;
		buf_append_octet(
		    out, c == '\n' || c == '\t' || !octet_is_control(c) ? (char)c : '?');
	}
}

/* What the sender, or who took the message, wants of its way. */
static void describe_wishes(struct buf *out, const struct envelope *envelope)
{
	static const char *const tls[] = {
	    [TLS_REQUIRED] = "required", [TLS_NOT_REQUIRED] = "not required"};
	struct date release = date_local((int64_t)(envelope->release_us / SECOND_US));

	if (envelope->hold.len > 0) {
		buf_append_string(out, "Held-At-Arrival: ");
		append_clean(out, envelope->hold);
		buf_append_octet(out, '\n');
	}
	if (envelope->release_us != 0) {
		buf_append_string(out, "Not-Before: ");
		date_write(&release, out);
		buf_append_octet(out, '\n');
	}
	if (envelope->priority != PRIORITY_NORMAL)
		buf_printf(out, "Priority: %d\n", envelope->priority);
	if (envelope->tls != TLS_AS_SET)
		buf_printf(out, "TLS: %s\n", tls[envelope->tls]);
}

static void describe_envelope(struct buf *out, const struct mail *mail)
{
	const struct loaded *l = mail->loaded;
	struct date arrived = date_local((int64_t)(l->envelope.arrived_us / SECOND_US));
	char id[MESSAGE_ID_TEXT + 1];

	message_id_format(mail->file.id, id);
	buf_printf(out, "Queue-Id: %s\nPlace: %s\nSize: %llu\nArrived: ", id,
	    spool_place_name(mail->file.place), (unsigned long long)mail->file.size);
	date_write(&arrived, out);
	buf_append_string(out, "\nSender: <");
	append_clean(out, l->envelope.sender);
	buf_printf(out, ">\nAttempts: %u\n", l->attempts);
	describe_wishes(out, &l->envelope);
	for (uint32_t i = 0; i < l->envelope.recipient_count; i++) {
		buf_append_string(out, "Recipient: <");
		append_clean(out, l->envelope.recipients[i].address);
		buf_append_string(out, ">\n");
	}
	for (size_t i = 0; i < l->history_count; i++) {
		static const char *const words[] = {[OUTCOME_DELIVERED] = "delivered",
		    [OUTCOME_DEFERRED] = "deferred",
		    [OUTCOME_FAILED] = "failed",
		    [OUTCOME_UNSETTLED] = "to be delivered again"};

		buf_printf(out, "Outcome: %s <", words[l->history[i].status]);
		append_clean(out, l->history[i].address);
		buf_append_string(out, "> ");
		append_clean(out, l->history[i].text);
		buf_append_string(out, "\n");
	}
}

static void describe_header(struct buf *out, const struct mail *mail)
{
	char header[SHOWN_OCTETS_MAX];
	int fd = spool_open_file(&queue.spool, &mail->file, O_RDONLY);
	size_t wanted = mail->file.size < sizeof header ? (size_t)mail->file.size : sizeof header;
	ssize_t got = fd < 0 ? 0 : spool_read_at(fd, header, wanted, 0), end;

	if (fd >= 0)
		close(fd);
	buf_append_string(out, "\n");
	append_clean(out, mail->loaded->envelope.prepend);
	if (got <= 0)
		return;
	end = slice_search(slice_of(header, (size_t)got), SLICE("\r\n\r\n"));
	append_clean(out, slice_of(header, end < 0 ? (size_t)got : (size_t)end + 2));
}

static bool show(struct client *c, struct mail *mail)
{
	struct buf out = buf_with_limit(DETAIL_OCTETS_MAX);
	bool was_loaded = mail->loaded != NULL;

	if (!was_loaded && !attempt_load(mail))
		return false;
	describe_envelope(&out, mail);
	describe_header(&out, mail);
	if (!was_loaded)
		put_back(mail);
	write_slice(channel_begin(c->channel, ADMIN_QUEUE_DETAIL, 0), buf_slice(&out));
	channel_end(c->channel);
	buf_free(&out);
	return true;
}

/* --- walking ---------------------------------------------------------------------------------- */

static void act(struct client *c, struct mail *mail)
{
	switch (c->command) {
	case ADMIN_QUEUE_LIST:
		list(c, mail);
		return;
	case ADMIN_QUEUE_FLUSH:
		if (mail->state != MAIL_WAITING || attempt_is_scheduled(mail))
			return;
		attempt_now(mail);
		break;
	case ADMIN_QUEUE_DELETE:
		attempt_delete(mail);
		break;
	case ADMIN_QUEUE_HOLD:
		if (mail->state == MAIL_HELD && mail->loaded == NULL)
			return;
		attempt_hold(mail);
		break;
	case ADMIN_QUEUE_RELEASE:
		if (!attempt_is_held(mail))
			return;
		attempt_release(mail);
		break;
	}
	c->count++;
}

static void visit(struct client *c, struct mail *mail)
{
	bool is_for_a_look = mail->loaded == NULL && needs_loading(c);
	bool is_wanted;

	/* What is delivered and only waits for a flush is no message any more. */
	if (mail->state == MAIL_SETTLING || (is_for_a_look && !attempt_load(mail)))
		return;
	is_wanted = matches(c, mail);
	if (is_wanted && c->command == ADMIN_QUEUE_LIST)
		list(c, mail);
	if (is_for_a_look)
		put_back(mail);
	if (is_wanted && c->command != ADMIN_QUEUE_LIST)
		act(c, mail);
}

static void done(struct client *c, int status, const char *text)
{
	struct writer *w = channel_begin(c->channel, ADMIN_DONE, 0);

	write_u8(w, (uint8_t)status);
	write_u64(w, c->count);
	write_string(w, text);
	channel_end(c->channel);
	c->command = 0;
}

static void go_on(struct client *c)
{
	struct timeval at_once = {0, 0};

	event_add(c->step, &at_once);
}

static void step(int fd, short what, void *context)
{
	struct client *c = context;
	struct mail *mail;

	(void)fd;
	(void)what;
	for (int i = 0; i < STEP_MESSAGES && c->command != 0; i++) {
		if (channel_is_congested(c->channel))
			return; /* goes on when it is drained */
		mail = queue_from(c->next);
		if (mail == NULL || queue.is_closed ||
		    (c->filter.id != 0 && mail->file.id > c->filter.id)) {
			done(c, c->filter.id != 0 && c->count == 0 ? EX_DATAERR : EX_OK,
			    c->filter.id != 0 && c->count == 0 ? "no such message" : "");
			return;
		}
		c->next = mail->file.id + 1;
		visit(c, mail);
	}
	if (c->command != 0)
		go_on(c);
}

/* As the administrator calls it. */
static const char *command_name(unsigned command)
{
	switch (command) {
	case ADMIN_QUEUE_FLUSH:
		return "flush";
	case ADMIN_QUEUE_DELETE:
		return "delete";
	case ADMIN_QUEUE_HOLD:
		return "hold";
	case ADMIN_QUEUE_RELEASE:
		return "release";
	default:
		return "list";
	}
}

static bool begin(struct client *c, struct message *m)
{
	struct reader r;

	free(c->filter_text);
	c->filter_text = slice_dup(m->body);
	if (c->filter_text == NULL)
		return false;
	r = reader_over(slice_of(c->filter_text, m->body.len));
	if (!admin_filter_read(&r, &c->filter))
		return false;
	c->command = m->type;
	c->count = 0;
	c->next = c->filter.id;
	if (m->type != ADMIN_QUEUE_LIST)
		log_info("queue-command", log_string("command", command_name(m->type)), log_id(c->filter.id),
		    log_slice("sender", c->filter.sender),
		    log_slice("recipient", c->filter.recipient), log_slice("site", c->filter.site));
	if (m->type == ADMIN_QUEUE_FLUSH)
		delivery_forgive();
	go_on(c);
	return true;
}

static bool show_one(struct client *c, struct message *m)
{
	struct reader r = message_reader(m);
	struct mail *mail = queue_find(read_u64(&r));

	if (!reader_finished(&r))
		return false;
	c->count = mail != NULL && show(c, mail) ? 1 : 0;
	done(c, c->count == 1 ? EX_OK : EX_DATAERR, c->count == 1 ? "" : "no such message");
	return true;
}

/* --- connections --------------------------------------------------------------------------------- */

static bool client_message(struct channel *channel, struct message *m, void *context)
{
	struct client *c = context;

	(void)channel;
	if (c->command != 0)
		return false; /* one at a time */
	switch (m->type) {
	case ADMIN_QUEUE_LIST:
	case ADMIN_QUEUE_FLUSH:
	case ADMIN_QUEUE_DELETE:
	case ADMIN_QUEUE_HOLD:
	case ADMIN_QUEUE_RELEASE:
		return begin(c, m);
	case ADMIN_QUEUE_SHOW:
		return show_one(c, m);
	default:
		return false;
	}
}

static void client_closed(struct channel *channel, void *context)
{
	struct client *c = context;

	(void)channel;
	event_free(c->step);
	free(c->filter_text);
	free(c);
	client_count--;
}

static void client_drained(struct channel *channel, void *context)
{
	struct client *c = context;

	(void)channel;
	if (c->command != 0)
		go_on(c);
}

static const struct channel_handlers client_handlers = {
    client_message, client_closed, client_drained};

static void client_new(int socket)
{
	struct client *c = client_count < CLIENTS_MAX ? calloc(1, sizeof *c) : NULL;

	if (c != NULL)
		c->step = evtimer_new(queue.base, step, c);
	if (c == NULL || c->step == NULL ||
	    (c->channel = channel_new(queue.base, socket, &client_handlers, c)) == NULL) {
		if (c != NULL && c->step != NULL)
			event_free(c->step);
		free(c);
		close(socket);
		return;
	}
	client_count++;
	channel_send(c->channel, ADMIN_GO, 0);
}

bool control_message(struct message *m)
{
	struct reader r = message_reader(m);
	struct control_client who;
	int socket;

	if (m->type != CONTROL_CLIENT || !control_client_read(&r, &who) ||
	    who.request != CONTROL_REQUEST_QUEUE || (socket = message_take_descriptor(m, 0)) < 0)
		return false;
	client_new(socket);
	return true;
}
