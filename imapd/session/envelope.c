/*
 * envelope.c - reading back the text of an ENVELOPE.
 */
#include "imapd/session/envelope.h"

#include "imapd/syntax.h"

enum { ENVELOPE_TEXT_MAX = 4 << 20 }; /* octets of strings with escapes in one envelope */

/* Take a string, and append it where `out` is given. */
static bool take_text(struct syntax *s, struct buf *out)
{
	struct slice text;

	return syntax_nstring(s, &text) && (out == NULL || buf_append_slice(out, text));
}

/* (name route local domain); a group's start has NIL for its domain. */
static bool take_address(struct syntax *s, struct buf *out)
{
	struct slice name, route, local, domain;

	if (!syntax_octet(s, '(') || !syntax_nstring(s, &name) || !syntax_space(s) ||
	    !syntax_nstring(s, &route) || !syntax_space(s) || !syntax_nstring(s, &local) ||
	    !syntax_space(s) || !syntax_nstring(s, &domain) || !syntax_octet(s, ')'))
		return false;
	if (out == NULL)
		return true;
	if (out->len > 0)
		buf_append_string(out, ", ");
	buf_append_slice(out, name);
	buf_append_string(out, " <");
	buf_append_slice(out, local);
	if (domain.data != NULL) {
		buf_append_octet(out, '@');
		buf_append_slice(out, domain);
	}
	buf_append_octet(out, '>');
	return !out->overflowed;
}

static bool take_addresses(struct syntax *s, struct buf *out)
{
	if (cursor_accept_nocase(&s->in, SLICE("NIL")))
		return true;
	if (!syntax_octet(s, '('))
		return false;
	do {
		if (!take_address(s, out))
			return false;
		syntax_accept(s, ' ');
	} while (!syntax_accept(s, ')'));
	return true;
}

static bool is_address_list(enum envelope_field field)
{
	return field >= ENVELOPE_FROM && field <= ENVELOPE_BCC;
}

bool envelope_text(struct slice envelope, enum envelope_field field, struct buf *out)
{
	struct arena arena = arena_with_limit(ENVELOPE_TEXT_MAX);
	struct syntax s = syntax_over(envelope, &arena);
	bool ok = syntax_octet(&s, '(');

	for (enum envelope_field at = ENVELOPE_DATE; ok && at <= field; at++) {
		struct buf *to = at == field ? out : NULL;

		ok = (at == ENVELOPE_DATE || syntax_space(&s)) &&
		     (is_address_list(at) ? take_addresses(&s, to) : take_text(&s, to));
	}
	arena_free(&arena);
	return ok;
}
