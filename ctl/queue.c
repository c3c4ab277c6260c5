/*
 * queue.c - petrel queue: looking at the queue and changing it.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "common/clock.h"
#include "common/id.h"
#include "ctl/ctl.h"

static const char *const state_names[ADMIN_STATE_COUNT] = {"active", "deferred", "held", "scheduled"};

struct listing {
	struct buf out;
	bool json;
	bool short_form; /* mailq's */
	uint64_t count, octets;
};

static void entry_wishes_json(struct listing *l, const struct admin_entry *e)
{
	static const char *const tls[] = {[TLS_AS_SET] = "null", [TLS_REQUIRED] = "true", [TLS_NOT_REQUIRED] = "false"};

	buf_printf(&l->out, ", \"priority\": %d, \"not_before\": %llu, \"require_tls\": %s, \"hold_reason\": ", e->priority,
	    (unsigned long long)(e->release_us / 1000000), e->tls <= TLS_NOT_REQUIRED ? tls[e->tls] : "null");
	if (e->hold.len == 0)
		buf_append_string(&l->out, "null");
	else
		json_string(&l->out, e->hold);
}

static void entry_json(struct listing *l, const struct admin_entry *e, const char *id)
{
	buf_printf(&l->out, "%s  {\"id\": \"%s\", \"state\": \"%s\", \"size\": %llu, \"arrived\": %llu, \"next_attempt\": %llu, \"attempts\": %u, \"sender\": ",
	    l->count == 0 ? "[\n" : ",\n", id, state_names[e->state], (unsigned long long)e->size, (unsigned long long)(e->arrived_us / 1000000),
	    (unsigned long long)(e->next_attempt_us / 1000000), (unsigned)e->attempts);
	json_string(&l->out, e->sender);
	entry_wishes_json(l, e);
	buf_append_string(&l->out, ", \"recipients\": [");
	for (uint32_t i = 0; i < e->recipient_count; i++) {
		buf_append_string(&l->out, i == 0 ? "{\"address\": " : ", {\"address\": ");
		json_string(&l->out, e->recipients[i].address);
		buf_append_string(&l->out, ", \"reason\": ");
		if (e->recipients[i].reason.len == 0)
			buf_append_string(&l->out, "null");
		else
			json_string(&l->out, e->recipients[i].reason);
		buf_append_octet(&l->out, '}');
	}
	buf_append_string(&l->out, "]}");
}

/* What came from outside must not drive the terminal. */
static void append_printable(struct buf *out, struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		buf_append_octet(out, octet_is_control((unsigned char)text.data[i]) ? '?' : text.data[i]);
}

static void entry_text(struct listing *l, const struct admin_entry *e, const char *id)
{
	uint64_t now = clock_wall_us();

	buf_printf(&l->out, "%s  %-8s %8llu  ", id, state_names[e->state], (unsigned long long)e->size);
	ctl_time(&l->out, e->arrived_us);
	buf_append_string(&l->out, "  ");
	if (e->sender.len == 0)
		buf_append_string(&l->out, "<>");
	append_printable(&l->out, e->sender);
	if (e->priority != PRIORITY_NORMAL)
		buf_printf(&l->out, "  priority %d", e->priority);
	buf_append_octet(&l->out, '\n');
	if (e->state == ADMIN_HELD && e->hold.len > 0) {
		buf_append_string(&l->out, "       held: ");
		append_printable(&l->out, e->hold);
		buf_append_octet(&l->out, '\n');
	}
	if (e->state == ADMIN_SCHEDULED) {
		buf_append_string(&l->out, "       not before ");
		ctl_time(&l->out, e->release_us);
		buf_append_octet(&l->out, '\n');
	}
	for (uint32_t i = 0; i < e->recipient_count; i++) {
		buf_append_string(&l->out, "    to ");
		append_printable(&l->out, e->recipients[i].address);
		if (e->recipients[i].reason.len > 0) {
			buf_append_string(&l->out, "\n       ");
			append_printable(&l->out, e->recipients[i].reason);
		}
		buf_append_octet(&l->out, '\n');
	}
	if (e->state == ADMIN_DEFERRED && e->next_attempt_us > now) {
		buf_printf(&l->out, "       %u attempt%s, the next in ", (unsigned)e->attempts, e->attempts == 1 ? "" : "s");
		ctl_age(&l->out, e->next_attempt_us - now);
		buf_append_octet(&l->out, '\n');
	}
}

static bool on_entry(struct message *m, void *context)
{
	struct listing *l = context;
	struct admin_entry e;
	struct reader r = message_reader(m);
	char id[MESSAGE_ID_TEXT + 1];

	if (m->type != ADMIN_QUEUE_ENTRY || !admin_entry_read(&r, &e))
		return false;
	message_id_format(e.id, id);
	if (l->json)
		entry_json(l, &e, id);
	else
		entry_text(l, &e, id);
	l->count++;
	l->octets += e.size;
	admin_entry_free(&e);
	ctl_print(&l->out);
	return true;
}

/* A text for people: as a string, where a program asks. */
static void detail_json(struct slice text)
{
	struct buf out = buf_with_limit(CHANNEL_BODY_MAX * 8);

	buf_append_string(&out, "{\"text\": ");
	json_string(&out, text);
	buf_append_string(&out, "}\n");
	ctl_print(&out);
	buf_free(&out);
}

static bool on_detail(struct message *m, void *context)
{
	const struct ctl *ctl = context;
	struct reader r = message_reader(m);
	struct slice text = read_slice(&r);

	if (m->type != ADMIN_QUEUE_DETAIL || !reader_finished(&r))
		return false;
	if (ctl->json) {
		detail_json(text);
		return true;
	}
	for (size_t i = 0; i < text.len; i++)
		putchar(octet_is_control((unsigned char)text.data[i]) && text.data[i] != '\n' && text.data[i] != '\t' ? '?' : text.data[i]);
	return true;
}

/* As the queue has it.  It lives as long as the program, like the word that it is made of. */
static struct slice spell(const char *word)
{
	struct buf out = buf_with_limit(4096);

	ctl_spell(slice_string(word), &out);
	return out.overflowed ? slice_string(word) : buf_slice(&out);
}

/* Turn "id", "--from a", "--to a", "--site s", "a domain" into a filter. */
static bool parse_filter(struct admin_filter *f, int argc, char **argv)
{
	for (int i = 0; i < argc; i++) {
		struct slice *field = strcmp(argv[i], "--from") == 0 ? &f->sender :
		    strcmp(argv[i], "--to") == 0 ? &f->recipient :
		    strcmp(argv[i], "--site") == 0 ? &f->site :
						     NULL;

		if (field != NULL && i + 1 < argc) {
			*field = spell(argv[++i]);
			continue;
		}
		if (field == NULL && message_id_parse(slice_string(argv[i]), &f->id))
			continue;
		if (field == NULL && argv[i][0] != '-' && strchr(argv[i], '@') == NULL && strchr(argv[i], '.') != NULL) {
			f->site = spell(argv[i]);
			continue;
		}
		ctl_fail(EX_USAGE, "queue: \"%s\" is neither a message's id nor a domain nor an option that takes a value", argv[i]);
		return false;
	}
	return true;
}

static bool is_empty(const struct admin_filter *f)
{
	return f->id == 0 && f->sender.len == 0 && f->recipient.len == 0 && f->site.len == 0;
}

static struct ctl_connection *connect_to_queue(int *status)
{
	struct ctl_connection *c = ctl_connect();

	if (c == NULL) {
		*status = ctl_not_running();
		return NULL;
	}
	channel_send(ctl_channel(c), ADMIN_QUEUE, 0);
	if (ctl_wait_for_go(c))
		return c;
	ctl_disconnect(c);
	*status = EX_UNAVAILABLE;
	return NULL;
}

static int list(const struct ctl *ctl, struct ctl_connection *c, const struct admin_filter *f)
{
	struct listing l = {.out = buf_with_limit(CHANNEL_BODY_MAX * 8), .json = ctl->json};
	int status;

	admin_filter_write(channel_begin(ctl_channel(c), ADMIN_QUEUE_LIST, 0), f);
	channel_end(ctl_channel(c));
	status = ctl_wait(c, on_entry, &l, NULL);
	if (ctl->json)
		puts(l.count == 0 ? "[]" : "\n]");
	else if (l.count == 0)
		puts("The queue is empty.");
	else
		printf("%llu message%s, %llu octets\n", (unsigned long long)l.count, l.count == 1 ? "" : "s", (unsigned long long)l.octets);
	buf_free(&l.out);
	return status;
}

static int show(const struct ctl *ctl, struct ctl_connection *c, const struct admin_filter *f)
{
	write_u64(channel_begin(ctl_channel(c), ADMIN_QUEUE_SHOW, 0), f->id);
	channel_end(ctl_channel(c));
	return ctl_wait(c, on_detail, (void *)(uintptr_t)ctl, NULL);
}

static int change(const struct ctl *ctl, struct ctl_connection *c, uint16_t type, const struct admin_filter *f, const char *done)
{
	uint64_t count = 0;
	int status;

	admin_filter_write(channel_begin(ctl_channel(c), type, 0), f);
	channel_end(ctl_channel(c));
	status = ctl_wait(c, NULL, NULL, &count);
	if (ctl->json)
		printf("{\"%s\": %llu}\n", done, (unsigned long long)count);
	else if (status == EX_OK)
		printf("%llu message%s %s\n", (unsigned long long)count, count == 1 ? "" : "s", done);
	return status;
}

static const struct {
	const char *name;
	uint16_t type;
	bool wants_id;     /* exactly one message */
	bool wants_filter; /* some restriction, or --all */
	const char *done;
} verbs[] = {
    {"list",    ADMIN_QUEUE_LIST,    false, false, NULL},
    {"show",    ADMIN_QUEUE_SHOW,    true,  true,  NULL},
    {"flush",   ADMIN_QUEUE_FLUSH,   false, false, "to be tried now"},
    {"hold",    ADMIN_QUEUE_HOLD,    false, true,  "held"},
    {"release", ADMIN_QUEUE_RELEASE, false, true,  "released"},
    {"delete",  ADMIN_QUEUE_DELETE,  false, true,  "deleted"},
};

static int run(const struct ctl *ctl, size_t verb, const struct admin_filter *f)
{
	int status = EX_OK;
	struct ctl_connection *c = connect_to_queue(&status);

	if (c == NULL)
		return status;
	switch (verbs[verb].type) {
	case ADMIN_QUEUE_LIST:
		status = list(ctl, c, f);
		break;
	case ADMIN_QUEUE_SHOW:
		status = show(ctl, c, f);
		break;
	default:
		status = change(ctl, c, verbs[verb].type, f, verbs[verb].done);
	}
	ctl_disconnect(c);
	return status;
}

int ctl_queue(const struct ctl *ctl, int argc, char **argv)
{
	struct admin_filter f = {0};
	struct conf *conf;
	bool all = false;
	size_t verb;
	int status;

	for (verb = 0; argc > 0 && verb < sizeof verbs / sizeof verbs[0]; verb++)
		if (strcmp(argv[0], verbs[verb].name) == 0)
			break;
	if (argc == 0 || verb == sizeof verbs / sizeof verbs[0])
		return ctl_fail(EX_USAGE, "queue: wants list, show, flush, hold, release or delete");
	if (argc == 2 && strcmp(argv[1], "--all") == 0)
		all = true;
	else if (!parse_filter(&f, argc - 1, argv + 1))
		return EX_USAGE;
	if (verbs[verb].wants_id && f.id == 0)
		return ctl_fail(EX_USAGE, "queue %s: wants a message's id", argv[0]);
	if (verbs[verb].wants_filter && is_empty(&f) && !all)
		return ctl_fail(EX_USAGE, "queue %s: say which: an id, a domain, --from, --to, or --all", argv[0]);
	conf = ctl_read_configuration(ctl);
	if (conf == NULL)
		return EX_CONFIG;
	status = run(ctl, verb, &f);
	conf_free(conf);
	return status;
}
