/*
 * commands.c - the verbs of IMAP after login: the table, and those that need no mailbox.
 */
#include "imapd/session/commands.h"

#include <stdlib.h>

#include "common/log.h"
#include "imapd/capability.h"
#include "imapd/id.h"
#include "message/encoding.h"
#include "message/imap_text.h"

enum {
	NEEDS_MAILBOX = 1 << 0,
	TAKES_UID = 1 << 1,     /* also as UID FETCH ... */
	KEEPS_NUMBERS = 1 << 3, /* no EXPUNGE while it runs, unless with UID */
};

struct command {
	struct slice name;
	command_verb *run;
	unsigned flags;
};

static command_verb cmd_capability, cmd_noop, cmd_check, cmd_logout, cmd_id, cmd_namespace,
    cmd_enable;

static const struct command commands[] = {
    {SLICE("APPEND"),      cmd_append,      0					},
    {SLICE("CAPABILITY"),  cmd_capability,  0                                        },
    {SLICE("CHECK"),       cmd_check,       NEEDS_MAILBOX                            },
    {SLICE("CLOSE"),       cmd_close,       NEEDS_MAILBOX                            },
    {SLICE("COPY"),        cmd_copy,        NEEDS_MAILBOX | TAKES_UID                },
    {SLICE("CREATE"),      cmd_create,      0					},
    {SLICE("DELETE"),      cmd_delete,      0					},
    {SLICE("ENABLE"),      cmd_enable,      0					},
    {SLICE("EXAMINE"),     cmd_examine,     0					},
    {SLICE("EXPUNGE"),     cmd_expunge,     NEEDS_MAILBOX | TAKES_UID                },
    {SLICE("FETCH"),       cmd_fetch,       NEEDS_MAILBOX | TAKES_UID | KEEPS_NUMBERS},
    {SLICE("ID"),          cmd_id,          0					},
    {SLICE("IDLE"),        cmd_idle,        0					},
    {SLICE("LIST"),        cmd_list,        0					},
    {SLICE("LOGOUT"),      cmd_logout,      0					},
    {SLICE("LSUB"),        cmd_lsub,        0					},
    {SLICE("MOVE"),        cmd_move,        NEEDS_MAILBOX | TAKES_UID                },
    {SLICE("NAMESPACE"),   cmd_namespace,   0                                        },
    {SLICE("NOOP"),        cmd_noop,        0					},
    {SLICE("RENAME"),      cmd_rename,      0					},
    {SLICE("SEARCH"),      cmd_search,      NEEDS_MAILBOX | TAKES_UID | KEEPS_NUMBERS},
    {SLICE("SELECT"),      cmd_select,      0					},
    {SLICE("STATUS"),      cmd_status,      0					},
    {SLICE("STORE"),       cmd_store,       NEEDS_MAILBOX | TAKES_UID | KEEPS_NUMBERS},
    {SLICE("SUBSCRIBE"),   cmd_subscribe,   0                                        },
    {SLICE("UNSELECT"),    cmd_unselect,    NEEDS_MAILBOX                            },
    {SLICE("UNSUBSCRIBE"), cmd_unsubscribe, 0                                        },
};

bool command_keeps_numbers(const struct connection *c)
{
	return c->command != NULL && (c->command->flags & KEEPS_NUMBERS) != 0 && !c->by_uid;
}

static const struct command *find_command(struct slice name)
{
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (slice_equal_nocase(name, commands[i].name))
			return &commands[i];
	return NULL;
}

void read_tag(struct connection *c)
{
	struct syntax s = syntax_over(gather_text(&c->gather), &c->arena);
	struct slice tag;

	if (!syntax_tag(&s, &tag) || !slice_copy(tag, c->tag, sizeof c->tag))
		c->tag[0] = '\0';
}

static const struct command *take_command(struct connection *c, struct syntax *s)
{
	const struct command *command;
	struct slice word;

	if (!syntax_space(s) || !syntax_atom(s, &word))
		return NULL;
	if (slice_equal_nocase(word, SLICE("UID"))) {
		c->by_uid = true;
		if (!syntax_space(s) || !syntax_atom(s, &word))
			return NULL;
	}
	command = find_command(word);
	if (command == NULL || (c->by_uid && (command->flags & TAKES_UID) == 0)) {
		syntax_fail(s, "Unknown command");
		return NULL;
	}
	return command;
}

void run_command(struct connection *c)
{
	struct syntax s = syntax_over(gather_text(&c->gather), &c->arena);
	struct slice tag;

	c->tag[0] = '\0';
	if (syntax_tag(&s, &tag)) {
		slice_copy(tag, c->tag, sizeof c->tag);
		c->command = take_command(c, &s);
	}
	if (c->command != NULL && (c->command->flags & NEEDS_MAILBOX) != 0 && c->view == NULL) {
		reply_bad(c, "No mailbox is selected");
		return;
	}
	if (c->command != NULL)
		c->command->run(c, &s);
	if (s.fault != NULL)
		reply_bad(c, "%s", s.fault);
}

/* "$" means what was saved, as UIDs; the ranges are copied, since what follows changes them. */
static bool take_saved(struct connection *c, struct sequence *set)
{
	set->count = c->saved.count;
	set->ranges = arena_allocate(&c->arena, set->count + 1, sizeof *set->ranges);
	if (set->ranges == NULL) {
		reply_store_error(c, STORE_MEMORY);
		return false;
	}
	if (set->count > 0)
		memcpy(set->ranges, c->saved.ranges, set->count * sizeof *set->ranges);
	return true;
}

/* Ranges of UIDs become ranges of sequence numbers; those without a message are empty (first > last). */
static void number_uids(struct connection *c, struct sequence *set)
{
	uint32_t messages = store_view_count(c->view);

	for (size_t i = 0; i < set->count; i++) {
		struct range *range = &set->ranges[i];

		range->first = store_view_find(c->view, range->first);
		range->last = range->last == UINT32_MAX ? messages
							: store_view_find(c->view, range->last + 1) - 1;
	}
}

static bool gather_numbers(
    struct connection *c, const struct sequence *set, uint32_t **seqs, size_t *count)
{
	size_t room = 0;

	for (size_t i = 0; i < set->count; i++)
		if (set->ranges[i].first <= set->ranges[i].last)
			room += set->ranges[i].last - set->ranges[i].first + 1;
	if (room == 0)
		return true;
	*seqs = reallocarray(NULL, room, sizeof **seqs);
	if (*seqs == NULL) {
		reply_store_error(c, STORE_MEMORY);
		return false;
	}
	for (size_t i = 0; i < set->count; i++)
		for (uint32_t seq = set->ranges[i].first; seq <= set->ranges[i].last; seq++)
			(*seqs)[(*count)++] = seq;
	return true;
}

bool resolve_numbers(struct connection *c, struct sequence *set, uint32_t **seqs, size_t *count)
{
	uint32_t messages = store_view_count(c->view);
	uint32_t largest = messages;
	bool by_uid = c->by_uid || set->is_saved;

	*count = 0;
	*seqs = NULL;
	if (set->is_saved && !take_saved(c, set))
		return false;
	if (by_uid && messages > 0)
		largest = store_view_message(c->view, messages)->uid;
	sequence_resolve(set, largest);
	if (!by_uid && set->ranges[set->count - 1].last > messages) {
		reply_bad(c, "There is no message with that number");
		return false;
	}
	if (messages == 0)
		return true;
	if (by_uid)
		number_uids(c, set);
	return gather_numbers(c, set, seqs, count);
}

void write_mailbox(struct buf *out, struct slice name)
{
	struct buf encoded = buf_with_limit(4 * STORE_NAME_MAX);

	mutf7_encode(name, &encoded);
	imap_write_string(buf_slice(&encoded), out);
	buf_free(&encoded);
}

/* ---- verbs --------------------------------------------------------------- */

static void cmd_capability(struct connection *c, struct syntax *s)
{
	struct buf capabilities = buf_with_limit(1024);

	if (!syntax_end(s))
		return;
	capability_write(&capabilities);
	say_string(c, "* CAPABILITY ");
	say(c, buf_slice(&capabilities));
	say_string(c, "\r\n");
	buf_free(&capabilities);
	reply_ok(c, "CAPABILITY completed");
}

static void cmd_noop(struct connection *c, struct syntax *s)
{
	if (syntax_end(s))
		reply_ok(c, "NOOP completed");
}

static void cmd_check(struct connection *c, struct syntax *s)
{
	if (syntax_end(s))
		reply_ok(c, "CHECK completed");
}

static void cmd_logout(struct connection *c, struct syntax *s)
{
	if (!syntax_end(s))
		return;
	say_string(c, "* BYE Logging out\r\n");
	say_format(c, "%s OK LOGOUT completed\r\n", c->tag);
	end_connection(c);
}

/* The client's own words go to the log, where they help with its bugs. */
static void cmd_id(struct connection *c, struct syntax *s)
{
	struct buf client = buf_with_limit(2048);

	if (syntax_id(s, &client)) {
		log_debug("client-id", log_slice("id", buf_slice(&client)));
		say_string(c, ID_RESPONSE);
		reply_ok(c, "ID completed");
	}
	buf_free(&client);
}

/* RFC 2342: everything is the user's own. */
static void cmd_namespace(struct connection *c, struct syntax *s)
{
	if (!syntax_end(s))
		return;
	say_string(c, "* NAMESPACE ((\"\" \"/\")) NIL NIL\r\n");
	reply_ok(c, "NAMESPACE completed");
}

/* RFC 5161: extensions that are not known are passed over, and none that is has to be enabled. */
static void cmd_enable(struct connection *c, struct syntax *s)
{
	struct slice name;

	do {
		if (!syntax_space(s) || !syntax_atom(s, &name))
			return;
	} while (!cursor_done(&s->in));
	say_string(c, "* ENABLED\r\n");
	reply_ok(c, "ENABLE completed");
}
