/*
 * search_parse.c - the keys of SEARCH: from the client's words to a tree.
 */
#include <stdlib.h>

#include "imapd/session/envelope.h"
#include "imapd/session/search.h"
#include "message/charset.h"
#include "message/date.h"
#include "message/encoding.h"

/* What a key's word is followed by. */
enum argument {
	TAKES_NOTHING, /* mask and wanted say it all */
	TAKES_KEYWORD, /* wanted: has it, or has it not */
	TAKES_DATE,
	TAKES_SENT_DATE,
	TAKES_SIZE,
	TAKES_TEXT,
	TAKES_ENVELOPE_TEXT,
	TAKES_HEADER,
	TAKES_UIDS,
	TAKES_KEY,
	TAKES_TWO_KEYS,
};

enum { SEARCH_WORD_MAX = 4 * 65536 }; /* octets of a text to look for, folded */

struct word {
	struct slice name;
	enum argument argument;
	uint32_t mask,
	    wanted; /* or the search_order, envelope_field, search_kind that it is about */
};

static const struct word words[] = {
    {SLICE("ALL"),        TAKES_NOTHING,       0,                         0             },
    {SLICE("ANSWERED"),   TAKES_NOTHING,       STORE_ANSWERED,            STORE_ANSWERED},
    {SLICE("BCC"),        TAKES_ENVELOPE_TEXT, ENVELOPE_BCC,              0             },
    {SLICE("BEFORE"),     TAKES_DATE,          SEARCH_BEFORE,             0             },
    {SLICE("BODY"),       TAKES_TEXT,          SEARCH_BODY,               0             },
    {SLICE("CC"),         TAKES_ENVELOPE_TEXT, ENVELOPE_CC,               0             },
    {SLICE("DELETED"),    TAKES_NOTHING,       STORE_DELETED,             STORE_DELETED },
    {SLICE("DRAFT"),      TAKES_NOTHING,       STORE_DRAFT,               STORE_DRAFT   },
    {SLICE("FLAGGED"),    TAKES_NOTHING,       STORE_FLAGGED,             STORE_FLAGGED },
    {SLICE("FROM"),       TAKES_ENVELOPE_TEXT, ENVELOPE_FROM,             0             },
    {SLICE("HEADER"),     TAKES_HEADER,        0,                         0             },
    {SLICE("KEYWORD"),    TAKES_KEYWORD,       0,                         1             },
    {SLICE("LARGER"),     TAKES_SIZE,          0,                         1             },
    {SLICE("NEW"),        TAKES_NOTHING,       STORE_RECENT | STORE_SEEN, STORE_RECENT  },
    {SLICE("NOT"),        TAKES_KEY,           0,                         0             },
    {SLICE("OLD"),        TAKES_NOTHING,       STORE_RECENT,              0             },
    {SLICE("ON"),         TAKES_DATE,          SEARCH_ON,                 0             },
    {SLICE("OR"),         TAKES_TWO_KEYS,      0,                         0             },
    {SLICE("RECENT"),     TAKES_NOTHING,       STORE_RECENT,              STORE_RECENT  },
    {SLICE("SEEN"),       TAKES_NOTHING,       STORE_SEEN,                STORE_SEEN    },
    {SLICE("SENTBEFORE"), TAKES_SENT_DATE,     SEARCH_BEFORE,             0             },
    {SLICE("SENTON"),     TAKES_SENT_DATE,     SEARCH_ON,                 0             },
    {SLICE("SENTSINCE"),  TAKES_SENT_DATE,     SEARCH_SINCE,              0             },
    {SLICE("SINCE"),      TAKES_DATE,          SEARCH_SINCE,              0             },
    {SLICE("SMALLER"),    TAKES_SIZE,          0,                         0             },
    {SLICE("SUBJECT"),    TAKES_ENVELOPE_TEXT, ENVELOPE_SUBJECT,          0             },
    {SLICE("TEXT"),       TAKES_TEXT,          SEARCH_TEXT,               0             },
    {SLICE("TO"),         TAKES_ENVELOPE_TEXT, ENVELOPE_TO,               0             },
    {SLICE("UID"),        TAKES_UIDS,          0,                         0             },
    {SLICE("UNANSWERED"), TAKES_NOTHING,       STORE_ANSWERED,            0             },
    {SLICE("UNDELETED"),  TAKES_NOTHING,       STORE_DELETED,             0             },
    {SLICE("UNDRAFT"),    TAKES_NOTHING,       STORE_DRAFT,               0             },
    {SLICE("UNFLAGGED"),  TAKES_NOTHING,       STORE_FLAGGED,             0             },
    {SLICE("UNKEYWORD"),  TAKES_KEYWORD,       0,                         0             },
    {SLICE("UNSEEN"),     TAKES_NOTHING,       STORE_SEEN,                0             },
};

struct parsing {
	struct syntax *s;
	struct search *search;
	struct slice charset;
	size_t keys;
};

static bool take_key(struct parsing *p, unsigned depth, struct search_key **out);

static struct search_key *new_key(struct parsing *p, enum search_kind kind)
{
	struct search_key *key = NULL;

	if (p->keys++ < SEARCH_KEYS_MAX)
		key = arena_allocate(p->s->arena, 1, sizeof *key);
	if (key == NULL) {
		syntax_fail(p->s, "Too many search keys");
		return NULL;
	}
	key->kind = kind;
	key->cost = (int)kind;
	return key;
}

/* A string of the client's, as folded UTF-8. */
static bool take_search_text(struct parsing *p, struct slice *out)
{
	struct buf utf8 = buf_with_limit(SEARCH_WORD_MAX);
	struct buf folded = buf_with_limit(SEARCH_WORD_MAX);
	struct slice text;
	bool ok = syntax_astring(p->s, &text);

	if (ok && !charset_to_utf8(p->charset, text, &utf8)) {
		p->search->unknown_charset = p->charset;
		ok = syntax_fail(p->s, "Unknown charset");
	}
	if (ok) {
		ok = fold_text(buf_slice(&utf8), &folded);
		*out = arena_copy(p->s->arena, buf_slice(&folded));
		if (!ok || p->s->arena->failed)
			ok = syntax_fail(p->s, "The search text is too long");
	}
	buf_free(&utf8);
	buf_free(&folded);
	return ok;
}

static bool take_day(struct syntax *s, int64_t *day)
{
	struct slice text;

	return syntax_astring(s, &text) &&
	       (date_parse_day(text, day) || syntax_fail(s, "A date is malformed"));
}

/* An envelope holds these fields of the header; a search for them need not read the message. */
static bool field_in_envelope(struct slice name, unsigned *field)
{
	if (slice_equal_nocase(name, SLICE("Message-ID")))
		*field = ENVELOPE_MESSAGE_ID;
	else if (slice_equal_nocase(name, SLICE("In-Reply-To")))
		*field = ENVELOPE_IN_REPLY_TO;
	else if (slice_equal_nocase(name, SLICE("Subject")))
		*field = ENVELOPE_SUBJECT;
	else
		return false;
	return true;
}

static bool take_header(struct parsing *p, struct search_key *key)
{
	if (!syntax_astring(p->s, &key->name) || !syntax_space(p->s) ||
	    !take_search_text(p, &key->text))
		return false;
	if (key->text.len > 0 && field_in_envelope(key->name, &key->field)) {
		key->kind = SEARCH_ENVELOPE;
		key->cost = SEARCH_ENVELOPE;
	}
	return true;
}

static enum search_kind kind_of(const struct word *word)
{
	switch (word->argument) {
	case TAKES_NOTHING:
		return word->mask == 0 ? SEARCH_ALL : SEARCH_FLAGS;
	case TAKES_KEYWORD:
		return SEARCH_KEYWORD;
	case TAKES_DATE:
		return SEARCH_INTERNAL_DATE;
	case TAKES_SENT_DATE:
		return SEARCH_SENT_DATE;
	case TAKES_SIZE:
		return SEARCH_SIZE;
	case TAKES_TEXT:
		return (enum search_kind)word->mask;
	case TAKES_ENVELOPE_TEXT:
		return SEARCH_ENVELOPE;
	case TAKES_HEADER:
		return SEARCH_HEADER;
	case TAKES_UIDS:
		return SEARCH_UID;
	case TAKES_KEY:
		return SEARCH_NOT;
	case TAKES_TWO_KEYS:
		return SEARCH_OR;
	}
	return SEARCH_ALL;
}

static bool take_inner_keys(struct parsing *p, unsigned depth, struct search_key *key)
{
	if (!take_key(p, depth + 1, &key->inner))
		return false;
	key->cost = key->inner->cost;
	if (key->kind == SEARCH_NOT)
		return true;
	if (!syntax_space(p->s) || !take_key(p, depth + 1, &key->inner->next))
		return false;
	if (key->inner->next->cost > key->cost)
		key->cost = key->inner->next->cost;
	return true;
}

static bool take_argument(
    struct parsing *p, const struct word *word, unsigned depth, struct search_key *key)
{
	struct syntax *s = p->s;

	if (word->argument == TAKES_NOTHING) {
		key->mask = word->mask;
		key->wanted = word->wanted;
		return true;
	}
	if (!syntax_space(s))
		return false;
	switch (word->argument) {
	case TAKES_KEYWORD:
		key->wanted = word->wanted;
		return syntax_atom(s, &key->name);
	case TAKES_DATE:
	case TAKES_SENT_DATE:
		key->order = (enum search_order)word->mask;
		return take_day(s, &key->day);
	case TAKES_SIZE:
		key->larger = word->wanted != 0;
		return syntax_number(s, UINT64_MAX, &key->size);
	case TAKES_ENVELOPE_TEXT:
		key->field = word->mask;
		return take_search_text(p, &key->text);
	case TAKES_TEXT:
		return take_search_text(p, &key->text);
	case TAKES_HEADER:
		return take_header(p, key);
	case TAKES_UIDS:
		return syntax_sequence(s, &key->sequence);
	case TAKES_KEY:
	case TAKES_TWO_KEYS:
		return take_inner_keys(p, depth, key);
	case TAKES_NOTHING:
		break;
	}
	return true;
}

static int compare_word(const void *name, const void *word)
{
	struct slice a = *(const struct slice *)name, b = ((const struct word *)word)->name;
	size_t shared = a.len < b.len ? a.len : b.len;

	for (size_t i = 0; i < shared; i++) {
		int order =
		    octet_lower((unsigned char)a.data[i]) - octet_lower((unsigned char)b.data[i]);

		if (order != 0)
			return order;
	}
	return (a.len > b.len) - (a.len < b.len);
}

/* Into the AND behind the keys that cost no more. */
static void insert_by_cost(struct search_key *all, struct search_key *key)
{
	struct search_key **at = &all->inner;

	while (*at != NULL && (*at)->cost <= key->cost)
		at = &(*at)->next;
	key->next = *at;
	*at = key;
	if (key->cost > all->cost)
		all->cost = key->cost;
}

/* Keys side by side, up to the end or a closing parenthesis: all of them must match. */
static bool take_keys(struct parsing *p, unsigned depth, struct search_key **out)
{
	struct search_key *all = new_key(p, SEARCH_AND);

	if (all == NULL)
		return false;
	all->cost = 0;
	do {
		struct search_key *key;

		if (!take_key(p, depth, &key))
			return false;
		insert_by_cost(all, key);
	} while (syntax_accept(p->s, ' '));
	*out = all;
	return true;
}

static bool take_key(struct parsing *p, unsigned depth, struct search_key **out)
{
	struct syntax *s = p->s;
	const struct word *word;
	struct slice name;

	if (depth > SEARCH_DEPTH_MAX)
		return syntax_fail(s, "Search keys are nested too deeply");
	if (syntax_accept(s, '('))
		return take_keys(p, depth + 1, out) && syntax_octet(s, ')');
	if (octet_is_digit(cursor_peek(&s->in)) || syntax_at(s, '*') || syntax_at(s, '$')) {
		*out = new_key(p, SEARCH_SEQUENCE);
		return *out != NULL && syntax_sequence(s, &(*out)->sequence);
	}
	if (!syntax_atom(s, &name))
		return false;
	word = bsearch(&name, words, sizeof words / sizeof words[0], sizeof words[0], compare_word);
	if (word == NULL)
		return syntax_fail(s, "Unknown search key");
	*out = new_key(p, kind_of(word));
	return *out != NULL && take_argument(p, word, depth, *out);
}

/* "RETURN (MIN COUNT) ", where it comes. */
static bool take_returns(struct syntax *s, struct search *out)
{
	static const struct {
		struct slice name;
		unsigned bit;
	} returns[] = {
	    {SLICE("MIN"),   RETURN_MIN  },
	    {SLICE("MAX"),   RETURN_MAX  },
	    {SLICE("ALL"),   RETURN_ALL  },
	    {SLICE("COUNT"), RETURN_COUNT},
	    {SLICE("SAVE"),  RETURN_SAVE },
	};
	struct slice word;
	size_t i;

	if (s->fault != NULL || !cursor_accept_nocase(&s->in, SLICE("RETURN (")))
		return s->fault == NULL;
	out->is_extended = true;
	while (!syntax_at(s, ')')) {
		if (!syntax_atom(s, &word))
			return false;
		for (i = 0; i < sizeof returns / sizeof returns[0]; i++)
			if (slice_equal_nocase(word, returns[i].name))
				break;
		if (i == sizeof returns / sizeof returns[0])
			return syntax_fail(s, "Unknown SEARCH return option");
		out->returned |= returns[i].bit;
		if (!syntax_at(s, ')') && !syntax_space(s))
			return false;
	}
	if (out->returned == 0)
		out->returned = RETURN_ALL;
	return syntax_octet(s, ')') && syntax_space(s);
}

bool syntax_search(struct syntax *s, struct search *out)
{
	struct parsing p = {s, out, SLICE("UTF-8"), 0};

	*out = (struct search){0};
	if (!take_returns(s, out))
		return false;
	if (s->fault == NULL && cursor_accept_nocase(&s->in, SLICE("CHARSET ")) &&
	    (!syntax_astring(s, &p.charset) || !syntax_space(s)))
		return false;
	return take_keys(&p, 0, &out->key);
}
