/*
 * status.c - STATUS (RFC 3501, 6.3.10), alone or with LIST (RFC 5819).
 */
#include "imapd/session/commands.h"
#include "message/imap_text.h"

enum { STATUS_TEXT_MAX = 8192 };

static const struct {
	struct slice name;
	unsigned item;
} items[] = {
    {SLICE("MESSAGES"),    STATUS_MESSAGES   },
    {SLICE("RECENT"),      STATUS_RECENT     },
    {SLICE("UIDNEXT"),     STATUS_UIDNEXT    },
    {SLICE("UIDVALIDITY"), STATUS_UIDVALIDITY},
    {SLICE("UNSEEN"),      STATUS_UNSEEN     },
    {SLICE("DELETED"),     STATUS_DELETED    },
    {SLICE("SIZE"),        STATUS_SIZE       },
};

enum { ITEMS = sizeof items / sizeof items[0] };

static uint64_t value_of(const struct store_status *status, unsigned item)
{
	switch (item) {
	case STATUS_MESSAGES:
		return status->messages;
	case STATUS_RECENT:
		return status->recent;
	case STATUS_UIDNEXT:
		return status->uidnext;
	case STATUS_UIDVALIDITY:
		return status->uidvalidity;
	case STATUS_UNSEEN:
		return status->unseen;
	case STATUS_DELETED:
		return status->deleted;
	default:
		return status->size;
	}
}

bool take_status_items(struct syntax *s, unsigned *wanted)
{
	struct slice word;

	if (!syntax_space(s) || !syntax_octet(s, '('))
		return false;
	do {
		size_t i = 0;

		if (!syntax_atom(s, &word))
			return false;
		while (i < ITEMS && !slice_equal_nocase(word, items[i].name))
			i++;
		if (i == ITEMS)
			return syntax_fail(s, "Unknown STATUS item");
		*wanted |= items[i].item;
	} while (syntax_accept(s, ' '));
	return syntax_octet(s, ')');
}

enum store_error say_status(struct connection *c, struct slice name, unsigned wanted)
{
	struct buf line = buf_with_limit(STATUS_TEXT_MAX);
	struct store_status status;
	enum store_error error = store_folder_status(user_store(), name, &status);
	const char *separator = "";

	if (error != STORE_OK)
		return error;
	buf_append_string(&line, "* STATUS ");
	write_mailbox(&line, name);
	buf_append_string(&line, " (");
	for (size_t i = 0; i < ITEMS; i++) {
		if ((wanted & items[i].item) == 0)
			continue;
		buf_printf(&line, "%s%.*s %llu", separator, SLICE_PRINTF(items[i].name),
		    (unsigned long long)value_of(&status, items[i].item));
		separator = " ";
	}
	buf_append_string(&line, ")\r\n");
	say(c, buf_slice(&line));
	buf_free(&line);
	return STORE_OK;
}

void cmd_status(struct connection *c, struct syntax *s)
{
	enum store_error error;
	struct slice name;
	unsigned wanted = 0;

	if (!syntax_space(s) || !syntax_mailbox(s, &name) || !take_status_items(s, &wanted) ||
	    !syntax_end(s))
		return;
	error = say_status(c, name, wanted);
	if (error != STORE_OK)
		reply_store_error(c, error);
	else
		reply_ok(c, "STATUS completed");
}
