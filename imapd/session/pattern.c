/*
 * pattern.c - the wildcards of LIST and LSUB.
 *
 * The pattern is walked as a set of places at which a match of the octets read so
 * far may stand.  Each octet of the name moves the whole set at once, so no
 * wildcard is ever tried twice for the same octet.
 */
#include "imapd/session/pattern.h"

/* A wildcard may stand for nothing: where a match can be before it, it can be behind it. */
static void step_over_wildcards(struct slice pattern, bool *places)
{
	for (size_t i = 0; i < pattern.len; i++)
		if (places[i] && (pattern.data[i] == '*' || pattern.data[i] == '%'))
			places[i + 1] = true;
}

static bool octets_match(char wanted, char octet, bool any_case)
{
	if (any_case)
		return octet_lower((unsigned char)wanted) == octet_lower((unsigned char)octet);
	return wanted == octet;
}

/* One octet of the name.  False where no place is left. */
static bool advance(struct slice pattern, bool *places, char octet, bool any_case)
{
	bool any = false;

	for (size_t i = pattern.len + 1; i-- > 0;) {
		char wanted = i < pattern.len ? pattern.data[i] : '\0';
		bool stays = i < pattern.len && (wanted == '*' || (wanted == '%' && octet != '/'));
		bool arrives = i > 0 && places[i - 1] && pattern.data[i - 1] != '*' &&
			       pattern.data[i - 1] != '%' &&
			       octets_match(pattern.data[i - 1], octet, any_case);

		places[i] = (places[i] && stays) || arrives;
		any = any || places[i];
	}
	step_over_wildcards(pattern, places);
	return any;
}

bool pattern_matches(struct slice pattern, struct slice name)
{
	bool places[PATTERN_MAX + 1] = {true};
	bool under_inbox = slice_equal_nocase(name, SLICE("INBOX")) ||
			   slice_starts_with_nocase(name, SLICE("INBOX/"));

	if (pattern.len > PATTERN_MAX)
		return false;
	step_over_wildcards(pattern, places);
	for (size_t i = 0; i < name.len; i++)
		if (!advance(pattern, places, name.data[i], under_inbox && i < SLICE("INBOX").len))
			return false;
	return places[pattern.len];
}
