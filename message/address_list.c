/*
 * address_list.c - the address lists of a header (RFC 5322, 3.4 and 4.4).
 *
 * One pass over the tokens of a field.  What has been read of the entry at hand
 * lies in four texts (phrase, route, local part, domain), and the place says
 * which of them the next word belongs to; an entry ends at a comma, a semicolon
 * or the end.  So broken syntax never stops the parse: it only makes an entry odd.
 */
#include <stdlib.h>

#include "message/address.h"
#include "message/header.h"

enum {
	TEXT_MAX = 16 << 20, /* octets of all names and addresses of one list */
	FIRST_ROOM = 8,
};

enum place {
	IN_PHRASE,       /* a display name, or a local part: the next special tells */
	IN_DOMAIN,       /* after the '@' of an address without brackets */
	IN_ANGLE,        /* after '<': a local part */
	IN_ROUTE,        /* after "<@" */
	IN_ANGLE_DOMAIN, /* after the '@' within brackets */
	AFTER_ANGLE,     /* after '>': nothing should come before the comma */
};

/* Tokens are the specials themselves, and these. */
enum { TOKEN_END = -1, TOKEN_WORD = 'w', TOKEN_NONE = 0 };

struct parse {
	struct cursor in;
	struct address_list *list;
	bool is_in_group;
	/* The token at hand. */
	struct buf text; /* of a word, without quotes */
	bool has_blank;  /* blanks or comments came before it */
	int previous;    /* the token before it, within the entry */
	/* The entry at hand. */
	enum place place;
	struct buf phrase;
	size_t name_len; /* of the phrase: what lies before the last run of words and dots */
	struct buf route;
	struct buf local;
	struct buf domain;
	struct buf comment; /* the last one */
};

struct address_list address_list_empty(void)
{
	return (struct address_list){.text = arena_with_limit(TEXT_MAX)};
}

void address_list_free(struct address_list *list)
{
	free(list->items);
	arena_free(&list->text);
	*list = address_list_empty();
}

/* ---- tokens ------------------------------------------------------------- */

/* The inside of a comment or quoted string, without backslashes and line ends, up to its end. */
static void take_inside(struct parse *p, char open, char close, struct buf *out)
{
	int depth = 1;
	int octet;

	while ((octet = cursor_next(&p->in)) >= 0) {
		if (octet == '\\' && !cursor_done(&p->in))
			octet = cursor_next(&p->in);
		else if (octet == close && --depth == 0)
			return;
		else if (octet == open)
			depth++;
		if (octet != '\r' && octet != '\n')
			buf_append_octet(out, (char)octet);
	}
	p->list->malformed = true;
}

static bool is_blank(int c)
{
	return octet_is_space(c) || c == '\r' || c == '\n';
}

static void skip_blanks_and_comments(struct parse *p)
{
	p->has_blank = false;
	while (is_blank(cursor_peek(&p->in)) || cursor_peek(&p->in) == '(') {
		p->has_blank = true;
		if (cursor_next(&p->in) == '(') {
			buf_clear(&p->comment);
			take_inside(p, '(', ')', &p->comment);
		}
	}
}

static bool is_atom_octet(int c)
{
	return !is_blank(c) && c != 0 && strchr("()<>[]:;@\\,.\"", c) == NULL;
}

/* "[192.0.2.1]", its brackets kept, its blanks dropped. */
static void take_literal(struct parse *p)
{
	int octet;

	do {
		octet = cursor_next(&p->in);
		if (octet >= 0 && !is_blank(octet))
			buf_append_octet(&p->text, (char)octet);
	} while (octet >= 0 && octet != ']');
}

static int next_token(struct parse *p)
{
	int octet;

	skip_blanks_and_comments(p);
	buf_clear(&p->text);
	octet = cursor_peek(&p->in);
	if (octet < 0)
		return TOKEN_END;
	if (octet == '"') {
		cursor_skip(&p->in, 1);
		take_inside(p, '"', '"', &p->text);
		return TOKEN_WORD;
	}
	if (octet == '[') {
		take_literal(p);
		return TOKEN_WORD;
	}
	if (is_atom_octet(octet)) {
		buf_append_slice(&p->text, cursor_take_while(&p->in, is_atom_octet));
		return TOKEN_WORD;
	}
	cursor_skip(&p->in, 1);
	return octet == 0 ? '\\' : octet; /* both are nothing here */
}

/* ---- entries ------------------------------------------------------------ */

static struct slice keep(struct parse *p, struct slice s)
{
	return s.len == 0 ? slice_of(NULL, 0) : arena_copy(&p->list->text, s);
}

static void add_item(struct parse *p, struct header_address item)
{
	struct address_list *list = p->list;

	if (list->count == ADDRESS_LIST_MAX || list->text.failed) {
		list->truncated = true;
		return;
	}
	if (list->count == list->room) {
		size_t room = list->room == 0 ? FIRST_ROOM : list->room * 2;
		struct header_address *items = reallocarray(list->items, room, sizeof(*items));

		if (items == NULL) {
			list->text.failed = true;
			return;
		}
		list->items = items;
		list->room = room;
	}
	list->items[list->count++] = item;
}

static void add_mailbox(struct parse *p)
{
	struct slice name = slice_part(buf_slice(&p->phrase), 0, p->name_len);
	struct slice local = buf_slice(&p->local);

	if (p->place == IN_PHRASE) {
		if (p->phrase.len == 0)
			return;
		/* Words alone: a local user if it is one, else a text that no address is in. */
		if (p->name_len > 0) {
			local = buf_slice(&p->phrase);
			p->list->malformed = true;
		}
		name = slice_of(NULL, 0);
	} else if (local.len == 0 || (p->place != IN_DOMAIN && p->place != AFTER_ANGLE)) {
		p->list->malformed = true;
	}
	if (name.len == 0)
		name = buf_slice(&p->comment);
	add_item(p, (struct header_address){
			HEADER_ADDRESS_MAILBOX,
			keep(p, slice_trim(name)),
			keep(p, buf_slice(&p->route)),
			keep(p, local),
			keep(p, buf_slice(&p->domain)),
		    });
}

static void start_entry(struct parse *p)
{
	p->place = IN_PHRASE;
	p->name_len = 0;
	p->previous = TOKEN_NONE;
	buf_clear(&p->phrase);
	buf_clear(&p->route);
	buf_clear(&p->local);
	buf_clear(&p->domain);
	buf_clear(&p->comment);
}

static void end_entry(struct parse *p)
{
	add_mailbox(p);
	start_entry(p);
}

static void end_group(struct parse *p)
{
	if (p->is_in_group)
		add_item(p, (struct header_address){.kind = HEADER_ADDRESS_GROUP_END});
	p->is_in_group = false;
}

/* A text for the phrase, blanks before it kept as one. */
static void add_to_phrase(struct parse *p, struct slice text)
{
	if (p->phrase.len > 0 && (p->has_blank || p->previous == TOKEN_WORD))
		buf_append_octet(&p->phrase, ' ');
	buf_append_slice(&p->phrase, text);
}

/* ---- what each token does ----------------------------------------------- */

static void token_word(struct parse *p)
{
	struct slice text = buf_slice(&p->text);

	switch (p->place) {
	case IN_PHRASE:
		/* Two words side by side: what came before is a name, not part of an address. */
		if (p->previous == TOKEN_WORD) {
			p->name_len = p->phrase.len;
			buf_clear(&p->local);
		}
		add_to_phrase(p, text);
		buf_append_slice(&p->local, text);
		break;
	case IN_ANGLE:
		if (p->previous == TOKEN_WORD) {
			p->list->malformed = true;
			buf_append_octet(&p->local, ' ');
		}
		buf_append_slice(&p->local, text);
		break;
	case IN_DOMAIN:
		add_to_phrase(p, text);
		__attribute__((fallthrough));
	case IN_ANGLE_DOMAIN:
		if (p->previous == TOKEN_WORD)
			p->list->malformed = true;
		else
			buf_append_slice(&p->domain, text);
		break;
	case IN_ROUTE:
		buf_append_slice(&p->route, text);
		break;
	case AFTER_ANGLE:
		p->list->malformed = true;
		break;
	}
}

static void token_dot(struct parse *p)
{
	switch (p->place) {
	case IN_PHRASE:
		buf_append_octet(&p->phrase, '.');
		__attribute__((fallthrough));
	case IN_ANGLE:
		buf_append_octet(&p->local, '.');
		break;
	case IN_DOMAIN:
		buf_append_octet(&p->phrase, '.');
		__attribute__((fallthrough));
	case IN_ANGLE_DOMAIN:
		buf_append_octet(&p->domain, '.');
		break;
	case IN_ROUTE:
		buf_append_octet(&p->route, '.');
		break;
	case AFTER_ANGLE:
		p->list->malformed = true;
		break;
	}
}

static void token_at(struct parse *p)
{
	switch (p->place) {
	case IN_PHRASE:
		if (p->name_len > 0)
			p->list->malformed = true;
		buf_append_octet(&p->phrase, '@');
		p->place = IN_DOMAIN;
		break;
	case IN_ANGLE:
		if (p->previous == '<') {
			buf_append_octet(&p->route, '@');
			p->place = IN_ROUTE;
		} else {
			p->place = IN_ANGLE_DOMAIN;
		}
		break;
	case IN_DOMAIN:
	case IN_ANGLE_DOMAIN:
		/* "a@b@c": only the last can be the domain's. */
		p->list->malformed = true;
		buf_append_octet(&p->local, '@');
		buf_append_slice(&p->local, buf_slice(&p->domain));
		buf_clear(&p->domain);
		break;
	case IN_ROUTE:
		buf_append_octet(&p->route, '@');
		break;
	case AFTER_ANGLE:
		p->list->malformed = true;
		break;
	}
}

static void token_open(struct parse *p)
{
	if (p->place != IN_PHRASE && p->place != IN_DOMAIN) {
		p->list->malformed = true;
		return;
	}
	/* "a@b <a@b>": an address for a name, which should have been quoted. */
	if (p->place == IN_DOMAIN)
		p->list->malformed = true;
	p->name_len = p->phrase.len;
	buf_clear(&p->local);
	buf_clear(&p->domain);
	p->place = IN_ANGLE;
}

static void token_close(struct parse *p)
{
	if (p->place == IN_ANGLE || p->place == IN_ANGLE_DOMAIN || p->place == IN_ROUTE)
		p->place = AFTER_ANGLE;
	else
		p->list->malformed = true;
}

static void token_colon(struct parse *p)
{
	if (p->place == IN_ROUTE) {
		p->place = IN_ANGLE;
		return;
	}
	if (p->place != IN_PHRASE || p->is_in_group) {
		p->list->malformed = true;
		/* A group within a group is its members. */
		if (p->place == IN_PHRASE)
			start_entry(p);
		return;
	}
	add_item(p, (struct header_address){
			.kind = HEADER_ADDRESS_GROUP_START,
			.name = keep(p, buf_slice(&p->phrase)),
		    });
	start_entry(p);
	p->is_in_group = true;
}

static void token_comma(struct parse *p)
{
	if (p->place == IN_ROUTE)
		buf_append_octet(&p->route, ',');
	else
		end_entry(p);
}

static void token_semicolon(struct parse *p)
{
	end_entry(p);
	if (!p->is_in_group)
		p->list->malformed = true;
	end_group(p);
}

static void apply_token(struct parse *p, int token)
{
	static const struct {
		int token;
		void (*apply)(struct parse *p);
	} tokens[] = {
	    {TOKEN_WORD, token_word     },
	    {'.',        token_dot      },
	    {'@',        token_at       },
	    {'<',        token_open     },
	    {'>',        token_close    },
	    {':',        token_colon    },
	    {',',        token_comma    },
	    {';',        token_semicolon},
	};

	for (size_t i = 0; i < sizeof(tokens) / sizeof(tokens[0]); i++)
		if (tokens[i].token == token) {
			tokens[i].apply(p);
			return;
		}
	p->list->malformed = true;
}

bool address_list_add(struct address_list *list, struct slice value)
{
	/* No text of an entry is longer than the field and the blanks put between its words. */
	size_t limit = value.len > SIZE_MAX / 2 ? SIZE_MAX : value.len * 2 + 1;
	struct parse p = {
	    .in = cursor_over(value),
	    .list = list,
	    .text = buf_with_limit(limit),
	    .phrase = buf_with_limit(limit),
	    .route = buf_with_limit(limit),
	    .local = buf_with_limit(limit),
	    .domain = buf_with_limit(limit),
	    .comment = buf_with_limit(limit),
	};
	bool has_memory;
	int token;

	while ((token = next_token(&p)) != TOKEN_END && !list->truncated && !list->text.failed) {
		apply_token(&p, token);
		p.previous = token;
	}
	end_entry(&p);
	if (p.is_in_group)
		list->malformed = true;
	end_group(&p);
	has_memory = !list->text.failed && !p.text.overflowed && !p.phrase.overflowed &&
		     !p.route.overflowed && !p.local.overflowed && !p.domain.overflowed &&
		     !p.comment.overflowed;
	buf_free(&p.text);
	buf_free(&p.phrase);
	buf_free(&p.route);
	buf_free(&p.local);
	buf_free(&p.domain);
	buf_free(&p.comment);
	return has_memory;
}

bool header_address_write(const struct header_address *address, struct buf *out)
{
	address_quote_local(address->local, out);
	if (address->domain.len > 0) {
		buf_append_octet(out, '@');
		for (size_t i = 0; i < address->domain.len; i++)
			buf_append_octet(
			    out, (char)octet_lower((unsigned char)address->domain.data[i]));
	}
	return !out->overflowed;
}
