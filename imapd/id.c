/*
 * id.c - ID: who a client says it is.
 */
#include "imapd/id.h"

enum { PAIRS_MAX = 30 }; /* RFC 2971, 3.3 */

static bool take_pair(struct syntax *s, struct buf *out)
{
	struct slice name, value;

	if (!syntax_string(s, &name) || !syntax_space(s) || !syntax_nstring(s, &value))
		return false;
	buf_append_slice(out, name);
	buf_append_octet(out, '=');
	buf_append_slice(out, value);
	buf_append_octet(out, ' ');
	return true;
}

static bool take_pairs(struct syntax *s, struct buf *out)
{
	for (unsigned pairs = 0; !syntax_accept(s, ')'); pairs++) {
		if (pairs == PAIRS_MAX)
			return syntax_fail(s, "Too many ID fields");
		if ((pairs > 0 && !syntax_space(s)) || !take_pair(s, out))
			return false;
	}
	return true;
}

bool syntax_id(struct syntax *s, struct buf *out)
{
	if (!syntax_space(s))
		return false;
	if (!cursor_accept_nocase(&s->in, SLICE("NIL")) &&
	    (!syntax_octet(s, '(') || !take_pairs(s, out)))
		return false;
	return syntax_end(s);
}
