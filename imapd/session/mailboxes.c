/*
 * mailboxes.c - selecting a mailbox, and what is done to mailboxes as a whole.
 */
#include "imapd/session/commands.h"

/* ---- selecting ----------------------------------------------------------- */

static uint32_t first_unseen(const struct store_view *view)
{
	uint32_t count = store_view_count(view);

	for (uint32_t seq = 1; seq <= count; seq++)
		if ((store_view_message(view, seq)->flags & STORE_SEEN) == 0)
			return seq;
	return 0;
}

static void say_selected(struct connection *c)
{
	uint32_t unseen = first_unseen(c->view);

	say_format(c, "* %u EXISTS\r\n", store_view_count(c->view));
	say_format(c, "* %u RECENT\r\n", store_view_recent(c->view));
	say_known_flags(c);
	if (unseen > 0)
		say_format(c, "* OK [UNSEEN %u] First unseen message\r\n", unseen);
	say_format(c, "* OK [UIDVALIDITY %u] UIDs are valid\r\n", store_view_uidvalidity(c->view));
	say_format(c, "* OK [UIDNEXT %u] Predicted next UID\r\n", store_view_uidnext(c->view));
}

static void select_mailbox(struct connection *c, struct syntax *s, unsigned flags)
{
	struct slice name;
	enum store_error error;

	if (!syntax_space(s) || !syntax_mailbox(s, &name) || !syntax_end(s))
		return;
	/* Whatever comes of it, the mailbox that was selected is no longer (RFC 3501, 6.3.1). */
	leave_mailbox(c);
	error = store_view_open(user_store(), name, flags, &c->view);
	if (error != STORE_OK) {
		c->view = NULL;
		/* There is always an INBOX. */
		if (error == STORE_NO_FOLDER && slice_equal(name, SLICE("INBOX")))
			error = STORE_CORRUPT;
		reply_store_error(c, error);
		return;
	}
	say_selected(c);
	reply_ok(c, "%s",
	    (flags & STORE_READ_ONLY) != 0 ? "[READ-ONLY] EXAMINE completed"
					   : "[READ-WRITE] SELECT completed");
}

void cmd_select(struct connection *c, struct syntax *s)
{
	select_mailbox(c, s, 0);
}

void cmd_examine(struct connection *c, struct syntax *s)
{
	select_mailbox(c, s, STORE_READ_ONLY);
}

void cmd_unselect(struct connection *c, struct syntax *s)
{
	if (!syntax_end(s))
		return;
	leave_mailbox(c);
	reply_ok(c, "UNSELECT completed");
}

/* Like UNSELECT, but what is marked \Deleted goes, without a word (RFC 3501, 6.4.2). */
void cmd_close(struct connection *c, struct syntax *s)
{
	enum store_error error = STORE_OK;

	if (!syntax_end(s))
		return;
	if (!store_view_is_read_only(c->view)) {
		error = store_expunge(c->view, NULL, 0, false);
		tell_others(c);
	}
	leave_mailbox(c);
	if (error != STORE_OK)
		reply_store_error(c, error);
	else
		reply_ok(c, "CLOSE completed");
}

/* ---- mailboxes as a whole ------------------------------------------------ */

static void reply_outcome(struct connection *c, enum store_error error, const char *done)
{
	if (error != STORE_OK)
		reply_store_error(c, error);
	else
		reply_ok(c, "%s", done);
}

/* The client may end the name with a delimiter to say that mailboxes will be made below it (RFC 3501, 6.3.3). */
static struct slice without_last_delimiter(struct slice name)
{
	if (name.len > 1 && name.data[name.len - 1] == '/')
		name.len--;
	return name;
}

/* " (USE (\Sent \Archive))", where it comes (RFC 6154, 5.3).  A use that cannot be given gives *cannot. */
static bool take_uses(struct syntax *s, unsigned *uses, bool *cannot)
{
	struct slice word;

	if (!syntax_accept(s, ' '))
		return s->fault == NULL;
	if (!syntax_octet(s, '(') || !syntax_atom(s, &word))
		return false;
	if (!slice_equal_nocase(word, SLICE("USE")))
		return syntax_fail(s, "Unknown CREATE parameter");
	if (!syntax_space(s) || !syntax_octet(s, '('))
		return false;
	while (!syntax_at(s, ')')) {
		unsigned use;

		if (!syntax_octet(s, '\\') || !syntax_atom(s, &word))
			return false;
		use = store_use_of(word);
		*cannot = *cannot || use == 0;
		*uses |= use;
		if (!syntax_at(s, ')') && !syntax_space(s))
			return false;
	}
	return syntax_octet(s, ')') && syntax_octet(s, ')');
}

void cmd_create(struct connection *c, struct syntax *s)
{
	struct slice name;
	unsigned uses = 0;
	bool cannot = false;

	if (!syntax_space(s) || !syntax_mailbox(s, &name) || !take_uses(s, &uses, &cannot) ||
	    !syntax_end(s))
		return;
	if (cannot)
		reply_no(c, "[USEATTR] A mailbox cannot be made for that use");
	else
		reply_outcome(c,
		    store_folder_create_for(user_store(), without_last_delimiter(name), uses),
		    "CREATE completed");
}

void cmd_delete(struct connection *c, struct syntax *s)
{
	struct slice name;

	if (!syntax_space(s) || !syntax_mailbox(s, &name) || !syntax_end(s))
		return;
	if (c->view != NULL && slice_equal(store_view_name(c->view), name) &&
	    !slice_equal(name, SLICE("INBOX")))
		leave_mailbox(c);
	reply_outcome(c, store_folder_delete(user_store(), name), "DELETE completed");
	tell_others(c);
}

void cmd_rename(struct connection *c, struct syntax *s)
{
	struct slice from, to;

	if (!syntax_space(s) || !syntax_mailbox(s, &from) || !syntax_space(s) ||
	    !syntax_mailbox(s, &to) || !syntax_end(s))
		return;
	reply_outcome(c, store_folder_rename(user_store(), from, without_last_delimiter(to)),
	    "RENAME completed");
	tell_others(c);
}

void cmd_subscribe(struct connection *c, struct syntax *s)
{
	struct slice name;

	if (syntax_space(s) && syntax_mailbox(s, &name) && syntax_end(s))
		reply_outcome(c, store_subscribe(user_store(), name), "SUBSCRIBE completed");
}

void cmd_unsubscribe(struct connection *c, struct syntax *s)
{
	struct slice name;

	if (syntax_space(s) && syntax_mailbox(s, &name) && syntax_end(s))
		reply_outcome(c, store_unsubscribe(user_store(), name), "UNSUBSCRIBE completed");
}
