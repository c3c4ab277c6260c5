/*
 * announce.c - telling the client what changed in the selected mailbox (RFC 3501, 7.2 to 7.4).
 *
 * Between commands' replies the view is brought up to date and the differences
 * are told: EXPUNGE from the highest number down, so that each number is right
 * when it is said; then EXISTS and RECENT; then the flags that others changed.
 */
#include "imapd/session/connection.h"

enum { LINES_A_STEP = 128 };

static const struct {
	uint32_t flag;
	const char *name;
} flag_names[] = {
    {STORE_ANSWERED, "\\Answered"},
    {STORE_FLAGGED,  "\\Flagged" },
    {STORE_DELETED,  "\\Deleted" },
    {STORE_SEEN,     "\\Seen"    },
    {STORE_DRAFT,    "\\Draft"   },
    {STORE_RECENT,   "\\Recent"  },
};

static void say_names(struct connection *c, uint32_t flags, uint64_t keywords)
{
	const char *separator = "";

	for (size_t i = 0; i < sizeof flag_names / sizeof flag_names[0]; i++)
		if ((flags & flag_names[i].flag) != 0) {
			say_string(c, separator);
			say_string(c, flag_names[i].name);
			separator = " ";
		}
	for (unsigned bit = 0; keywords != 0 && bit < store_view_keyword_count(c->view); bit++)
		if ((keywords >> bit & 1) != 0) {
			say_string(c, separator);
			say(c, store_view_keyword(c->view, bit));
			separator = " ";
		}
}

void say_flags(struct connection *c, const struct store_message *message)
{
	say_string(c, "FLAGS (");
	say_names(c, message->flags, message->keywords);
	say_string(c, ")");
}

void say_known_flags(struct connection *c)
{
	say_string(c, "* FLAGS (");
	say_names(c, STORE_SYSTEM_FLAGS, UINT64_MAX);
	say_string(c, ")\r\n* OK [PERMANENTFLAGS (");
	if (!store_view_is_read_only(c->view)) {
		say_names(c, STORE_SYSTEM_FLAGS, UINT64_MAX);
		say_string(c, " \\*");
	}
	say_string(c, ")] These flags are kept\r\n");
}

void begin_announcement(struct connection *c, unsigned update_flags)
{
	struct announcement *a = &c->announcement;
	enum store_error error = store_view_update(c->view, update_flags, &a->changes);

	a->active = error == STORE_OK;
	a->expunged_at = a->flagged_at = 0;
	a->new_told = false;
	if (error == STORE_OK) {
		if (a->changes.keywords_changed)
			say_known_flags(c);
		return;
	}
	log_store_error(error);
	if (error == STORE_CORRUPT)
		give_up_index();
	if (error != STORE_STALE)
		return;
	/* Deleted by somebody else, or numbered anew: what the client knows is worth nothing now. */
	leave_mailbox(c);
	c->farewell = FAREWELL_STALE;
}

static void say_changed_flags(struct connection *c, uint32_t seq)
{
	const struct store_message *message = store_view_message(c->view, seq);

	say_format(c, "* %u FETCH (", seq);
	if (c->by_uid)
		say_format(c, "UID %u ", message->uid);
	say_flags(c, message);
	say_string(c, ")\r\n");
}

enum step announce_step(struct connection *c)
{
	struct announcement *a = &c->announcement;
	const struct store_changes *changes = &a->changes;

	if (!a->active)
		return STEP_DONE;
	for (unsigned lines = 0; lines < LINES_A_STEP; lines++) {
		if (a->expunged_at < changes->expunged_count)
			say_format(c, "* %u EXPUNGE\r\n", changes->expunged[a->expunged_at++].seq);
		else if (changes->first_new != 0 && !a->new_told) {
			say_format(c, "* %u EXISTS\r\n* %u RECENT\r\n", store_view_count(c->view),
			    store_view_recent(c->view));
			a->new_told = true;
		} else if (a->flagged_at < changes->flagged_count)
			say_changed_flags(c, changes->flagged[a->flagged_at++]);
		else {
			a->active = false;
			return STEP_DONE;
		}
	}
	return STEP_MORE;
}
