/*
 * IMAP commands: however a client's octets are cut into pieces, they give the same
 * commands; every argument of every verb parses or fails within its limits; what
 * parsed can be used.
 *
 * The input's first octet is the size of the pieces.
 */
#include "imapd/gather.h"
#include "imapd/id.h"
#include "imapd/session/envelope.h"
#include "imapd/session/fetch_items.h"
#include "imapd/session/pattern.h"
#include "imapd/session/search.h"
#include "tests/fuzz/fuzz.h"

enum { ARENA_MAX = 8 << 20 };

static void sets_are_in_order(struct syntax s)
{
	struct sequence set;

	if (!syntax_sequence(&s, &set))
		return;
	sequence_resolve(&set, 1000);
	REQUIRE((set.count == 0) == set.is_saved);
	for (size_t i = 0; i < set.count; i++) {
		REQUIRE(set.ranges[i].first <= set.ranges[i].last);
		REQUIRE(i == 0 || set.ranges[i].first > set.ranges[i - 1].last);
		REQUIRE(sequence_has(&set, set.ranges[i].first) &&
			sequence_has(&set, set.ranges[i].last));
	}
}

static void labels_are_one_line(struct syntax s)
{
	struct fetch_items items;

	if (!syntax_fetch_items(&s, &items))
		return;
	REQUIRE(items.section_count <= FETCH_SECTIONS_MAX);
	for (size_t i = 0; i < items.section_count; i++)
		REQUIRE(slice_starts_with_nocase(items.sections[i].label, SLICE("BODY[")) ||
			slice_starts_with(items.sections[i].label, SLICE("RFC822")));
}

static bool no_size(void *context, uint32_t seq, uint64_t *size)
{
	(void)context;
	*size = seq;
	return true;
}

static bool no_envelope(void *context, uint32_t seq, struct slice *envelope)
{
	(void)context;
	(void)seq;
	*envelope = SLICE("(\"1 Feb 1994\" \"subject\" NIL NIL NIL NIL NIL NIL NIL NIL)");
	return true;
}

static bool no_mime(void *context, uint32_t seq, const struct mime **mime)
{
	(void)context;
	(void)seq;
	(void)mime;
	return false;
}

static void searches_come_to_an_end(struct syntax s)
{
	struct store_message facts = {.uid = 7, .flags = STORE_SEEN, .internal_date = 1000000000};
	struct search_subject subject = {3, &facts, no_size, no_envelope, no_mime, NULL};
	struct search search;

	if (syntax_search(&s, &search))
		search_matches(search.key, &subject);
}

static void texts_are_whole(struct syntax s)
{
	struct syntax mailbox = s, list = s, flags = s, id = s, string = s;
	struct buf out = buf_with_limit(1 << 20);
	struct flag_list parsed;
	struct slice text;

	if (syntax_mailbox(&mailbox, &text))
		REQUIRE(slice_find(text, 0, '\0') == -1);
	if (syntax_list_mailbox(&list, &text) && text.len < 64)
		pattern_matches(text, SLICE("INBOX/some/name"));
	if (syntax_store_flags(&flags, &parsed))
		REQUIRE(parsed.keyword_count <= SYNTAX_FLAGS_MAX);
	syntax_id(&id, &out);
	syntax_nstring(&string, &text);
	for (enum envelope_field field = ENVELOPE_DATE; field < ENVELOPE_FIELDS; field++)
		envelope_text(cursor_rest(&s.in), field, &out);
	buf_free(&out);
}

static void parse(struct slice command)
{
	struct arena arena = arena_with_limit(ARENA_MAX);
	struct syntax s = syntax_over(command, &arena);
	struct slice tag, verb;

	if (syntax_tag(&s, &tag) && syntax_space(&s) && syntax_atom(&s, &verb) &&
	    syntax_space(&s)) {
		REQUIRE(tag.len <= SYNTAX_TAG_MAX);
		sets_are_in_order(s);
		labels_are_one_line(s);
		searches_come_to_an_end(s);
		texts_are_whole(s);
	}
	arena_free(&arena);
}

/* Gather `in` in pieces.  Gives the number of commands and adds up their lengths. */
static size_t gather_all(struct slice in, size_t piece, bool parses, size_t *octets)
{
	struct gather g = gather_with_limit(GATHER_COMMAND_MAX);
	size_t commands = 0;

	*octets = 0;
	while (in.len > 0) {
		struct slice now = slice_part(in, 0, piece);
		size_t taken;
		enum gather_event event = gather_take(&g, now, &taken);

		REQUIRE(taken <= now.len);
		REQUIRE(taken > 0 || event != GATHER_MORE);
		REQUIRE(g.text.len <= GATHER_COMMAND_MAX);
		in = slice_from(in, taken);
		if (event == GATHER_TOO_LONG)
			break;
		if (event == GATHER_COMMAND) {
			commands++;
			*octets += gather_text(&g).len;
			if (parses)
				parse(gather_text(&g));
		}
		if (event == GATHER_LITERAL && !gather_accept(&g))
			gather_refuse(&g);
		else if (event == GATHER_COMMAND || event == GATHER_REFUSED)
			gather_next(&g);
	}
	gather_free(&g);
	return commands;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in;
	size_t octets, again;

	if (size < 2)
		return 0;
	in = slice_of(data + 1, size - 1);
	REQUIRE(gather_all(in, SIZE_MAX, true, &octets) ==
		gather_all(in, (size_t)data[0] + 1, false, &again));
	REQUIRE(octets == again);
	return 0;
}
