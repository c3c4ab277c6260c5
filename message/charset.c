/*
 * charset.c - octets of some character set as UTF-8.
 *
 * Conversion proper is iconv's, but only for the charsets in the table below:
 * the C library has converters with a history that no mail needs, and a name
 * from a message must not choose what code is loaded.  Converters stay open
 * once opened, because a process that serves mail cannot load them any more.
 */
#include "message/charset.h"

#include <errno.h>
#include <iconv.h>

#include "message/encoding.h"

enum { CONVERTED_PIECE = 1024 };

static const char *const utf8_names[] = {"utf-8", "utf8", "unicode-1-1-utf-8"};
/* ISO-8859-1 is taken for Windows-1252, which contains its letters: that is what is meant. */
static const char *const western_names[] = {
    "iso-8859-1", "iso8859-1", "iso_8859-1", "latin1", "l1", "windows-1252", "cp1252"};
/* Names of seven bits, or of nothing: where there are eight, the name was wrong. */
static const char *const guessed_names[] = {
    "us-ascii", "ascii", "ansi_x3.4-1968", "x-unknown", "unknown-8bit"};

/* Names that mail uses, and what the C library calls them. */
static struct converter {
	const char *name;
	const char *library_name;
	iconv_t
	    open; /* only in the first entry of a library_name; NULL: not tried, -1: not to be had */
} converters[] = {
    {"iso-8859-2",     "ISO-8859-2",  NULL},
    {"latin2",         "ISO-8859-2",  NULL},
    {"iso-8859-3",     "ISO-8859-3",  NULL},
    {"iso-8859-4",     "ISO-8859-4",  NULL},
    {"iso-8859-5",     "ISO-8859-5",  NULL},
    {"iso-8859-6",     "ISO-8859-6",  NULL},
    {"iso-8859-7",     "ISO-8859-7",  NULL},
    {"iso-8859-8",     "ISO-8859-8",  NULL},
    {"iso-8859-8-i",   "ISO-8859-8",  NULL},
    {"iso-8859-9",     "ISO-8859-9",  NULL},
    {"iso-8859-10",    "ISO-8859-10", NULL},
    {"iso-8859-11",    "ISO-8859-11", NULL},
    {"iso-8859-13",    "ISO-8859-13", NULL},
    {"iso-8859-14",    "ISO-8859-14", NULL},
    {"iso-8859-15",    "ISO-8859-15", NULL},
    {"latin-9",        "ISO-8859-15", NULL},
    {"iso-8859-16",    "ISO-8859-16", NULL},
    {"windows-874",    "CP874",       NULL},
    {"tis-620",        "CP874",       NULL},
    {"windows-1250",   "CP1250",      NULL},
    {"cp1250",         "CP1250",      NULL},
    {"windows-1251",   "CP1251",      NULL},
    {"cp1251",         "CP1251",      NULL},
    {"windows-1253",   "CP1253",      NULL},
    {"windows-1254",   "CP1254",      NULL},
    {"windows-1255",   "CP1255",      NULL},
    {"windows-1256",   "CP1256",      NULL},
    {"windows-1257",   "CP1257",      NULL},
    {"windows-1258",   "CP1258",      NULL},
    {"koi8-r",         "KOI8-R",      NULL},
    {"koi8-u",         "KOI8-U",      NULL},
    {"ibm437",         "CP437",       NULL},
    {"ibm850",         "CP850",       NULL},
    {"ibm852",         "CP852",       NULL},
    {"ibm866",         "CP866",       NULL},
    {"macintosh",      "MACINTOSH",   NULL},
    {"gb2312",         "GB18030",     NULL}, /* contains the other two */
    {"gbk",	    "GB18030",     NULL},
    {"gb18030",        "GB18030",     NULL},
    {"cp936",          "GB18030",     NULL},
    {"big5",           "BIG5-HKSCS",  NULL},
    {"big5-hkscs",     "BIG5-HKSCS",  NULL},
    {"euc-kr",         "CP949",       NULL},
    {"ks_c_5601-1987", "CP949",       NULL},
    {"cp949",          "CP949",       NULL},
    {"euc-jp",         "EUC-JP",      NULL},
    {"shift_jis",      "CP932",       NULL},
    {"shift-jis",      "CP932",       NULL},
    {"cp932",          "CP932",       NULL},
    {"iso-2022-jp",    "ISO-2022-JP", NULL},
    {"utf-16",         "UTF-16",      NULL},
    {"utf-16be",       "UTF-16BE",    NULL},
    {"utf-16le",       "UTF-16LE",    NULL},
};

enum { CONVERTERS = sizeof(converters) / sizeof(converters[0]) };

static bool is_among(struct slice name, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (slice_equal_nocase(name, slice_string(names[i])))
			return true;
	return false;
}

#define IS_AMONG(name, names) is_among(name, names, sizeof(names) / sizeof(names[0]))

/* The converter of `converter`, opened; (iconv_t)-1 where the C library has it not. */
static iconv_t opened(struct converter *converter)
{
	struct converter *first = converters;

	while (strcmp(first->library_name, converter->library_name) != 0)
		first++;
	if (first->open == NULL)
		first->open = iconv_open("UTF-8", first->library_name);
	return first->open;
}

void charset_preload(void)
{
	for (size_t i = 0; i < CONVERTERS; i++)
		opened(&converters[i]);
}

static bool convert(iconv_t converter, struct slice in, struct buf *out)
{
	/* iconv takes a pointer to char, and promises not to write through it. */
	char *at = (char *)(uintptr_t)in.data;
	size_t left = in.len;

	iconv(converter, NULL, NULL, NULL, NULL);
	while (left > 0 && !out->overflowed) {
		char piece[CONVERTED_PIECE];
		char *end = piece;
		size_t room = sizeof(piece);
		size_t result = iconv(converter, &at, &left, &end, &room);

		buf_append(out, piece, (size_t)(end - piece));
		if (result != (size_t)-1 || errno == E2BIG)
			continue;
		/* Malformed, or cut off at the end. */
		utf8_append(out, UNICODE_REPLACEMENT);
		at++;
		left--;
	}
	return !out->overflowed;
}

/* Windows-1252, 0x80 to 0x9f; the rest is ISO-8859-1. */
static const uint16_t western[32] = {0x20ac, 0x81, 0x201a, 0x0192, 0x201e, 0x2026, 0x2020, 0x2021,
    0x02c6, 0x2030, 0x0160, 0x2039, 0x0152, 0x8d, 0x017d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c,
    0x201d, 0x2022, 0x2013, 0x2014, 0x02dc, 0x2122, 0x0161, 0x203a, 0x0153, 0x9d, 0x017e, 0x0178};

static bool convert_western(struct slice in, struct buf *out)
{
	for (size_t i = 0; i < in.len && !out->overflowed; i++) {
		uint32_t octet = (unsigned char)in.data[i];

		utf8_append(out, octet >= 0x80 && octet <= 0x9f ? western[octet - 0x80] : octet);
	}
	return !out->overflowed;
}

bool charset_to_utf8(struct slice charset, struct slice in, struct buf *out)
{
	size_t before = out->len;
	bool was_overflowed = out->overflowed;
	bool done = false;

	/* "utf-8*en": a language (RFC 2231, 5). */
	ssize_t star = slice_find(charset, 0, '*');
	charset = slice_trim(slice_part(charset, 0, star < 0 ? SIZE_MAX : (size_t)star));
	if (IS_AMONG(charset, utf8_names))
		done = utf8_append_clean(out, in);
	else if (IS_AMONG(charset, western_names))
		done = convert_western(in, out);
	else if (IS_AMONG(charset, guessed_names))
		done = text_guess(in, out);
	for (size_t i = 0; !done && i < CONVERTERS; i++)
		if (slice_equal_nocase(charset, slice_string(converters[i].name))) {
			iconv_t converter = opened(&converters[i]);

			done = converter != (iconv_t)-1 && convert(converter, in, out);
			break;
		}
	if (!done && !was_overflowed)
		out->len = before;
	return done;
}

bool text_guess(struct slice in, struct buf *out)
{
	return utf8_is_valid(in) ? buf_append_slice(out, in) : convert_western(in, out);
}
