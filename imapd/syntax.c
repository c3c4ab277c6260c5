/*
 * syntax.c - the words of IMAP commands.
 */
#include "imapd/syntax.h"

#include <stdlib.h>

#include "message/encoding.h"
#include "store/store.h"

enum { MAILBOX_TEXT_MAX = 4096 }; /* octets of a mailbox name as the client writes it */

bool syntax_fail(struct syntax *s, const char *fault)
{
	if (s->fault == NULL)
		s->fault = fault;
	return false;
}

static bool ran_out_of_memory(struct syntax *s)
{
	return syntax_fail(s, "Too much for one command");
}

/* atom-specials of RFC 3501 and everything above ASCII are out. */
bool syntax_is_atom_octet(int c)
{
	if (c <= ' ' || c >= 0x7f)
		return false;
	switch (c) {
	case '(':
	case ')':
	case '{':
	case '%':
	case '*':
	case '"':
	case '\\':
	case ']':
		return false;
	default:
		return true;
	}
}

bool syntax_is_atom(struct slice word)
{
	for (size_t i = 0; i < word.len; i++)
		if (!syntax_is_atom_octet((unsigned char)word.data[i]))
			return false;
	return word.len > 0;
}

static bool is_astring_octet(int c)
{
	return c == ']' || syntax_is_atom_octet(c);
}

/* An atom of a lenient kind: mailbox names of some clients hold UTF-8 outside of quotes. */
static bool is_list_octet(int c)
{
	return c == '%' || c == '*' || is_astring_octet(c);
}

static bool is_tag_octet(int c)
{
	return c != '+' && is_astring_octet(c);
}

bool syntax_end(struct syntax *s)
{
	if (s->fault != NULL)
		return false;
	return cursor_done(&s->in) ||
	       syntax_fail(s, "Something is left over at the end of the command");
}

bool syntax_space(struct syntax *s)
{
	return syntax_accept(s, ' ') || syntax_fail(s, "An argument is missing");
}

bool syntax_octet(struct syntax *s, char octet)
{
	return syntax_accept(s, octet) || syntax_fail(s, "The arguments are malformed");
}

static bool take_word(struct syntax *s, bool (*accepts)(int), const char *fault, struct slice *out)
{
	if (s->fault != NULL)
		return false;
	*out = cursor_take_while(&s->in, accepts);
	return out->len > 0 || syntax_fail(s, fault);
}

bool syntax_tag(struct syntax *s, struct slice *out)
{
	if (!take_word(s, is_tag_octet, "A command begins with a tag", out))
		return false;
	return out->len <= SYNTAX_TAG_MAX || syntax_fail(s, "The tag is too long");
}

bool syntax_atom(struct syntax *s, struct slice *out)
{
	return take_word(s, syntax_is_atom_octet, "A word is missing", out);
}

static bool take_quoted(struct syntax *s, struct slice *out)
{
	const char *start = s->in.at;
	size_t escapes = 0;
	char *to;
	int c;

	while ((c = cursor_next(&s->in)) != '"') {
		if (c == '\\') {
			escapes++;
			c = cursor_next(&s->in);
			if (c != '"' && c != '\\')
				return syntax_fail(
				    s, "A backslash in a quoted string stands for nothing");
		}
		if (c <= 0 || c == '\r' || c == '\n')
			return syntax_fail(s, "A quoted string is not closed");
	}
	*out = cursor_since(&s->in, start);
	out->len--;
	if (escapes == 0)
		return true;
	*out = arena_copy(s->arena, *out);
	if (out->data == NULL)
		return ran_out_of_memory(s);
	to = (char *)out->data;
	for (size_t i = 0; i < out->len; i++) {
		if (out->data[i] == '\\')
			i++;
		*to++ = out->data[i];
	}
	out->len -= escapes;
	return true;
}

static bool take_literal(struct syntax *s, struct slice *out)
{
	struct slice digits = cursor_take_while(&s->in, octet_is_digit);
	uint64_t len;

	cursor_accept(&s->in, '+');
	if (!slice_number(digits, cursor_left(&s->in), &len) || !cursor_accept(&s->in, '}') ||
	    !cursor_accept(&s->in, '\r') || !cursor_accept(&s->in, '\n') ||
	    len > cursor_left(&s->in))
		return syntax_fail(s, "A literal is malformed");
	*out = cursor_take(&s->in, (size_t)len);
	if (slice_find(*out, 0, '\0') >= 0)
		return syntax_fail(s, "A literal holds a NUL octet");
	return true;
}

bool syntax_string(struct syntax *s, struct slice *out)
{
	if (syntax_accept(s, '"'))
		return take_quoted(s, out);
	if (syntax_accept(s, '{'))
		return take_literal(s, out);
	return syntax_fail(s, "A string is missing");
}

static bool is_at_string(const struct syntax *s)
{
	return syntax_at(s, '"') || syntax_at(s, '{');
}

bool syntax_astring(struct syntax *s, struct slice *out)
{
	if (is_at_string(s))
		return syntax_string(s, out);
	return take_word(s, is_astring_octet, "A string is missing", out);
}

bool syntax_nstring(struct syntax *s, struct slice *out)
{
	if (s->fault == NULL && cursor_accept_nocase(&s->in, SLICE("NIL"))) {
		*out = slice_of(NULL, 0);
		return true;
	}
	return syntax_string(s, out);
}

bool syntax_number(struct syntax *s, uint64_t max, uint64_t *out)
{
	struct slice digits;

	if (!take_word(s, octet_is_digit, "A number is missing", &digits))
		return false;
	return slice_number(digits, max, out) || syntax_fail(s, "A number is too large");
}

bool syntax_list_mailbox(struct syntax *s, struct slice *out)
{
	if (is_at_string(s) ? !syntax_string(s, out)
			    : !take_word(s, is_list_octet, "A mailbox name is missing", out))
		return false;
	return out->len <= MAILBOX_TEXT_MAX || syntax_fail(s, "The mailbox name is too long");
}

bool syntax_mailbox(struct syntax *s, struct slice *out)
{
	struct buf decoded = buf_with_limit(MAILBOX_TEXT_MAX);
	struct slice name;

	if (!syntax_astring(s, &name))
		return false;
	if (slice_equal_nocase(name, SLICE("INBOX"))) {
		*out = SLICE("INBOX");
		return true;
	}
	if (!mutf7_decode(name, &decoded)) {
		buf_free(&decoded);
		return syntax_fail(s, "The mailbox name is no modified UTF-7");
	}
	*out = arena_copy(s->arena, buf_slice(&decoded));
	buf_free(&decoded);
	return s->arena->failed ? ran_out_of_memory(s) : true;
}

/* ---- sequence sets ------------------------------------------------------ */

static bool take_sequence_number(struct syntax *s, uint32_t *out)
{
	uint64_t number;

	if (syntax_accept(s, '*')) {
		*out = SYNTAX_STAR;
		return true;
	}
	if (!syntax_number(s, UINT32_MAX, &number))
		return false;
	if (number == 0)
		return syntax_fail(s, "Zero is no message's number");
	*out = (uint32_t)number;
	return true;
}

static size_t count_ranges(struct cursor in)
{
	size_t commas = 0;
	int c;

	while ((c = cursor_next(&in)) == ',' || c == ':' || c == '*' || octet_is_digit(c))
		commas += c == ',';
	return commas + 1;
}

bool syntax_sequence(struct syntax *s, struct sequence *out)
{
	size_t room;

	*out = (struct sequence){.is_saved = syntax_accept(s, '$')};
	if (out->is_saved || s->fault != NULL)
		return out->is_saved;
	room = count_ranges(s->in);
	if (room > SYNTAX_SET_MAX)
		return syntax_fail(s, "The sequence set has too many parts");
	out->ranges = arena_allocate(s->arena, room, sizeof *out->ranges);
	if (out->ranges == NULL)
		return ran_out_of_memory(s);
	do {
		struct range *range = &out->ranges[out->count++];

		if (!take_sequence_number(s, &range->first))
			return false;
		range->last = range->first;
		if (syntax_accept(s, ':') && !take_sequence_number(s, &range->last))
			return false;
	} while (syntax_accept(s, ','));
	return true;
}

static int compare_ranges(const void *a, const void *b)
{
	const struct range *left = a, *right = b;

	return (left->first > right->first) - (left->first < right->first);
}

void sequence_resolve(struct sequence *sequence, uint32_t largest)
{
	size_t kept = 0;

	for (size_t i = 0; i < sequence->count; i++) {
		struct range *range = &sequence->ranges[i];
		uint32_t first = range->first == SYNTAX_STAR ? largest : range->first;
		uint32_t last = range->last == SYNTAX_STAR ? largest : range->last;

		range->first = first < last ? first : last;
		range->last = first < last ? last : first;
	}
	/* "$" has no ranges. */
	if (sequence->count > 1)
		qsort(sequence->ranges, sequence->count, sizeof *sequence->ranges, compare_ranges);
	for (size_t i = 0; i < sequence->count; i++) {
		struct range next = sequence->ranges[i];
		struct range *before = kept == 0 ? NULL : &sequence->ranges[kept - 1];

		if (before != NULL && next.first <= before->last) {
			if (next.last > before->last)
				before->last = next.last;
		} else
			sequence->ranges[kept++] = next;
	}
	sequence->count = kept;
}

bool sequence_has(const struct sequence *sequence, uint32_t number)
{
	size_t low = 0, high = sequence->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;
		const struct range *range = &sequence->ranges[middle];

		if (number < range->first)
			high = middle;
		else if (number > range->last)
			low = middle + 1;
		else
			return true;
	}
	return false;
}

/* ---- flags -------------------------------------------------------------- */

static const struct {
	struct slice name;
	uint32_t flag;
} system_flags[] = {
    {SLICE("Seen"),     STORE_SEEN    },
    {SLICE("Answered"), STORE_ANSWERED},
    {SLICE("Flagged"),  STORE_FLAGGED },
    {SLICE("Deleted"),  STORE_DELETED },
    {SLICE("Draft"),    STORE_DRAFT   },
};

static bool take_flag(struct syntax *s, struct flag_list *out)
{
	struct slice name;

	if (!syntax_accept(s, '\\')) {
		if (!syntax_atom(s, &name))
			return false;
		if (name.len > STORE_KEYWORD_MAX)
			return syntax_fail(s, "The keyword is too long");
		if (out->keyword_count == SYNTAX_FLAGS_MAX)
			return syntax_fail(s, "Too many flags");
		out->keywords[out->keyword_count++] = name;
		return true;
	}
	if (!syntax_atom(s, &name))
		return false;
	for (size_t i = 0; i < sizeof system_flags / sizeof system_flags[0]; i++)
		if (slice_equal_nocase(name, system_flags[i].name)) {
			out->system |= system_flags[i].flag;
			return true;
		}
	return syntax_fail(s, "There is no such system flag that can be set");
}

static bool begin_flags(struct syntax *s, struct flag_list *out)
{
	*out = (struct flag_list){0};
	if (s->fault != NULL)
		return false;
	out->keywords = arena_allocate(s->arena, SYNTAX_FLAGS_MAX, sizeof *out->keywords);
	return out->keywords != NULL || ran_out_of_memory(s);
}

static bool take_flags(struct syntax *s, struct flag_list *out)
{
	do {
		if (!take_flag(s, out))
			return false;
	} while (syntax_accept(s, ' '));
	return true;
}

bool syntax_flag_list(struct syntax *s, struct flag_list *out)
{
	if (!begin_flags(s, out) || !syntax_octet(s, '('))
		return false;
	if (syntax_accept(s, ')'))
		return true;
	return take_flags(s, out) && syntax_octet(s, ')');
}

bool syntax_store_flags(struct syntax *s, struct flag_list *out)
{
	if (syntax_at(s, '('))
		return syntax_flag_list(s, out);
	return begin_flags(s, out) && take_flags(s, out);
}
