/*
 * list_parse.c - the arguments of LIST and LSUB.
 */
#include "imapd/session/list.h"
#include "imapd/session/pattern.h"

/* A word that means something in a list of options; 0: it changes nothing here. */
struct option {
	struct slice name;
	unsigned bit;
};

static const struct option selections[] = {
    {SLICE("SUBSCRIBED"),     SELECT_SUBSCRIBED },
    {SLICE("SPECIAL-USE"),    SELECT_SPECIAL_USE},
    {SLICE("RECURSIVEMATCH"), SELECT_RECURSIVE  },
    {SLICE("REMOTE"),         0		 }, /* there are no remote ones */
};

static const struct option returns[] = {
    {SLICE("SUBSCRIBED"),  RETURN_SUBSCRIBED},
    {SLICE("CHILDREN"),    0		}, /* always told */
    {SLICE("SPECIAL-USE"), 0		}, /* likewise */
};

static bool take_option(
    struct syntax *s, const struct option *options, size_t count, struct slice word, unsigned *bits)
{
	for (size_t i = 0; i < count; i++) {
		if (slice_equal_nocase(word, options[i].name)) {
			*bits |= options[i].bit;
			return true;
		}
	}
	return syntax_fail(s, "Unknown LIST option");
}

static bool take_selections(struct syntax *s, struct list_request *r)
{
	struct slice word;

	while (!syntax_at(s, ')')) {
		if (!syntax_atom(s, &word) ||
		    !take_option(s, selections, sizeof selections / sizeof selections[0], word,
			&r->selected) ||
		    (!syntax_at(s, ')') && !syntax_space(s)))
			return false;
	}
	if (r->selected == SELECT_RECURSIVE)
		return syntax_fail(s, "RECURSIVEMATCH needs another selection option");
	/* Who asks for the subscribed ones wants to see that they are (RFC 5258, 3.1). */
	if ((r->selected & SELECT_SUBSCRIBED) != 0)
		r->returned |= RETURN_SUBSCRIBED;
	return syntax_octet(s, ')');
}

static bool take_returns(struct syntax *s, struct list_request *r)
{
	struct slice word;

	if (!syntax_atom(s, &word) || !slice_equal_nocase(word, SLICE("RETURN")))
		return syntax_fail(s, "Only RETURN may follow");
	if (!syntax_space(s) || !syntax_octet(s, '('))
		return false;
	while (!syntax_at(s, ')')) {
		if (!syntax_atom(s, &word))
			return false;
		if (slice_equal_nocase(word, SLICE("STATUS"))
			? !take_status_items(s, &r->status)
			: !take_option(s, returns, sizeof returns / sizeof returns[0], word,
			      &r->returned))
			return false;
		if (!syntax_at(s, ')') && !syntax_space(s))
			return false;
	}
	return syntax_octet(s, ')');
}

/* A pattern that begins with the delimiter does not care for the reference; ours has no root to begin at. */
static bool add_pattern(
    struct syntax *s, struct list_request *r, struct slice reference, struct slice mailbox)
{
	struct buf *pattern = &r->patterns[r->pattern_count];

	if (r->pattern_count == LIST_PATTERNS_MAX)
		return syntax_fail(s, "Too many patterns");
	*pattern = buf_with_limit(PATTERN_MAX);
	r->pattern_count++;
	if (slice_starts_with(mailbox, SLICE("/")))
		mailbox = slice_from(mailbox, 1);
	else
		buf_append_slice(pattern, reference);
	buf_append_slice(pattern, mailbox);
	return !pattern->overflowed || syntax_fail(s, "The pattern is too long");
}

static bool take_patterns(struct syntax *s, struct list_request *r, struct slice reference)
{
	struct slice mailbox;

	if (!syntax_accept(s, '(')) {
		if (!syntax_list_mailbox(s, &mailbox))
			return false;
		r->asks_for_delimiter = slice_is_empty(mailbox);
		return add_pattern(s, r, reference, mailbox);
	}
	r->is_extended = true;
	do {
		if (!syntax_list_mailbox(s, &mailbox) || !add_pattern(s, r, reference, mailbox))
			return false;
	} while (syntax_accept(s, ' '));
	return syntax_octet(s, ')');
}

static bool take_plain(struct syntax *s, struct list_request *r)
{
	struct slice reference, mailbox;

	if (!syntax_list_mailbox(s, &reference) || !syntax_space(s) ||
	    !syntax_list_mailbox(s, &mailbox) || !syntax_end(s))
		return false;
	return add_pattern(s, r, reference, mailbox);
}

bool list_request_take(struct syntax *s, bool may_extend, struct list_request *out)
{
	struct slice reference;

	*out = (struct list_request){0};
	if (!syntax_space(s))
		return false;
	if (!may_extend)
		return take_plain(s, out);
	if (syntax_accept(s, '(')) {
		out->is_extended = true;
		if (!take_selections(s, out) || !syntax_space(s))
			return false;
	}
	if (!syntax_list_mailbox(s, &reference) || !syntax_space(s) ||
	    !take_patterns(s, out, reference))
		return false;
	if (syntax_accept(s, ' ')) {
		out->is_extended = true;
		if (!take_returns(s, out))
			return false;
	}
	/* In the extended form an empty pattern matches what is called so: nothing (RFC 5258, 3). */
	out->asks_for_delimiter = out->asks_for_delimiter && !out->is_extended;
	return syntax_end(s);
}

void list_request_free(struct list_request *request)
{
	for (size_t i = 0; i < request->pattern_count; i++)
		buf_free(&request->patterns[i]);
	request->pattern_count = 0;
}
