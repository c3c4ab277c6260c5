/*
 * fetch_items.c - what a FETCH asks for.
 */
#include "imapd/session/fetch_items.h"

enum { LABEL_MAX = 65536 }; /* octets; the command is not longer either */

static const struct {
	struct slice name;
	unsigned facts;
} fact_words[] =
    {
	{SLICE("FLAGS"),         FETCH_FLAGS        },
	{SLICE("UID"),           FETCH_UID          },
	{SLICE("INTERNALDATE"),  FETCH_INTERNALDATE },
	{SLICE("RFC822.SIZE"),   FETCH_SIZE         },
	{SLICE("ENVELOPE"),      FETCH_ENVELOPE     },
	{SLICE("BODYSTRUCTURE"), FETCH_BODYSTRUCTURE},
},
  macros[] = {
      {SLICE("ALL"), FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_ENVELOPE},
      {SLICE("FAST"), FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE},
      {SLICE("FULL"), FETCH_FLAGS | FETCH_INTERNALDATE | FETCH_SIZE | FETCH_ENVELOPE | FETCH_BODY},
};

static const struct {
	struct slice name;
	enum imap_section_kind kind;
	bool peeks;
} whole_words[] = {
    {SLICE("RFC822"),        IMAP_SECTION_WHOLE,  false},
    {SLICE("RFC822.HEADER"), IMAP_SECTION_HEADER, true },
    {SLICE("RFC822.TEXT"),   IMAP_SECTION_TEXT,   false},
};

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static int upper(int c)
{
	return c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c;
}

static bool keep_label(struct syntax *s, struct buf *label, struct slice *out)
{
	*out = arena_copy(s->arena, buf_slice(label));
	if (label->overflowed || s->arena->failed)
		return syntax_fail(s, "Too much for one command");
	return true;
}

static struct fetch_section *new_section(struct syntax *s, struct fetch_items *items)
{
	if (items->section_count == FETCH_SECTIONS_MAX) {
		syntax_fail(s, "Too many body sections");
		return NULL;
	}
	return &items->sections[items->section_count++];
}

static bool is_section_octet(int c)
{
	return octet_is_alnum(c) || c == '.';
}

/* " (From To)" of HEADER.FIELDS, into the label too. */
static bool take_names(struct syntax *s, struct fetch_section *section, struct buf *label)
{
	if (!syntax_space(s) || !syntax_octet(s, '('))
		return false;
	section->names = arena_allocate(s->arena, FETCH_NAMES_MAX, sizeof *section->names);
	if (section->names == NULL)
		return syntax_fail(s, "Too much for one command");
	buf_append_string(label, " (");
	do {
		struct slice *name = &section->names[section->name_count];

		if (section->name_count == FETCH_NAMES_MAX)
			return syntax_fail(s, "Too many header names");
		if (!syntax_astring(s, name))
			return false;
		if (section->name_count++ > 0)
			buf_append_octet(label, ' ');
		if (syntax_is_atom(*name))
			buf_append_slice(label, *name);
		else
			imap_write_string(*name, label);
	} while (syntax_accept(s, ' '));
	buf_append_octet(label, ')');
	return syntax_octet(s, ')');
}

/* "<0.100>" */
static bool take_partial(struct syntax *s, struct fetch_section *section, struct buf *label)
{
	if (!syntax_accept(s, '<'))
		return true;
	section->is_partial = true;
	if (!syntax_number(s, UINT32_MAX, &section->from) || !syntax_octet(s, '.') ||
	    !syntax_number(s, UINT32_MAX, &section->max) || !syntax_octet(s, '>'))
		return false;
	buf_printf(label, "<%llu>", (unsigned long long)section->from);
	return section->max > 0 || syntax_fail(s, "A partial fetch of nothing");
}

/* What follows "BODY[". */
static bool take_section(struct syntax *s, struct fetch_section *section, struct buf *label)
{
	struct slice name = cursor_take_while(&s->in, is_section_octet);

	if (!imap_section_parse(name, &section->section))
		return syntax_fail(s, "There is no such body section");
	buf_append_string(label, "BODY[");
	for (size_t i = 0; i < name.len; i++)
		buf_append_octet(label, (char)upper((unsigned char)name.data[i]));
	if ((section->section.kind == IMAP_SECTION_HEADER_FIELDS ||
		section->section.kind == IMAP_SECTION_HEADER_FIELDS_NOT) &&
	    !take_names(s, section, label))
		return false;
	buf_append_octet(label, ']');
	return syntax_octet(s, ']') && take_partial(s, section, label) &&
	       keep_label(s, label, &section->label);
}

static bool take_body(struct syntax *s, struct fetch_items *items, bool peeks)
{
	struct buf label = buf_with_limit(LABEL_MAX);
	struct fetch_section *section = new_section(s, items);
	bool ok = section != NULL && take_section(s, section, &label);

	buf_free(&label);
	items->sets_seen = items->sets_seen || !peeks;
	return ok;
}

static bool take_item(struct syntax *s, struct fetch_items *items)
{
	struct slice name;

	if (s->fault != NULL)
		return false;
	name = cursor_take_while(&s->in, is_section_octet);
	if (syntax_accept(s, '[')) {
		bool peeks = slice_equal_nocase(name, SLICE("BODY.PEEK"));

		if (!peeks && !slice_equal_nocase(name, SLICE("BODY")))
			return syntax_fail(s, "Unknown FETCH item");
		return take_body(s, items, peeks);
	}
	if (slice_equal_nocase(name, SLICE("BODY"))) {
		items->facts |= FETCH_BODY;
		return true;
	}
	for (size_t i = 0; i < COUNT(fact_words); i++)
		if (slice_equal_nocase(name, fact_words[i].name)) {
			items->facts |= fact_words[i].facts;
			return true;
		}
	for (size_t i = 0; i < COUNT(whole_words); i++)
		if (slice_equal_nocase(name, whole_words[i].name)) {
			struct fetch_section *section = new_section(s, items);

			if (section == NULL)
				return false;
			section->label = whole_words[i].name;
			section->section.kind = whole_words[i].kind;
			items->sets_seen = items->sets_seen || !whole_words[i].peeks;
			return true;
		}
	return syntax_fail(s, "Unknown FETCH item");
}

static bool take_macro(struct syntax *s, struct fetch_items *items)
{
	for (size_t i = 0; i < COUNT(macros); i++)
		if (slice_equal_nocase(cursor_rest(&s->in), macros[i].name)) {
			cursor_skip(&s->in, macros[i].name.len);
			items->facts = macros[i].facts;
			return true;
		}
	return false;
}

bool syntax_fetch_items(struct syntax *s, struct fetch_items *out)
{
	*out = (struct fetch_items){0};
	if (s->fault != NULL)
		return false;
	if (take_macro(s, out))
		return true;
	out->sections = arena_allocate(s->arena, FETCH_SECTIONS_MAX, sizeof *out->sections);
	if (out->sections == NULL)
		return syntax_fail(s, "Too much for one command");
	if (!syntax_accept(s, '('))
		return take_item(s, out);
	do {
		if (!take_item(s, out))
			return false;
	} while (syntax_accept(s, ' '));
	return syntax_octet(s, ')');
}
