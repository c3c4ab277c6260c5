/*
 * search_match.c - does a message match the keys of a SEARCH?
 */
#include "imapd/session/envelope.h"
#include "imapd/session/search.h"
#include "message/charset.h"
#include "message/date.h"
#include "message/header.h"

static enum search_verdict verdict(bool matches)
{
	return matches ? SEARCH_YES : SEARCH_NO;
}

/* ---- texts -------------------------------------------------------------- */

/* Is the key's text somewhere in `text`, once that is folded like it? */
static bool has_text(struct slice text, struct slice wanted)
{
	struct buf folded = buf_with_limit(SEARCH_TEXT_MAX);
	bool found;

	/* What does not fit the limit is not looked at; what was folded before it is. */
	fold_text(text, &folded);
	found = slice_search(buf_slice(&folded), wanted) >= 0;
	buf_free(&folded);
	return found;
}

static bool value_has_text(struct slice value, struct slice wanted)
{
	struct buf decoded = buf_with_limit(SEARCH_TEXT_MAX);
	bool found;

	header_decode(value, &decoded);
	found = has_text(buf_slice(&decoded), wanted);
	buf_free(&decoded);
	return found;
}

/* In some field of a header; with `name`, only in fields called so. */
static bool header_has_text(struct slice header, const struct slice *name, struct slice wanted)
{
	struct header_walk walk = header_walk_over(header);
	struct header_field field;

	while (header_next(&walk, &field)) {
		if (name != NULL && !slice_equal_nocase(field.name, *name))
			continue;
		if (name == NULL && has_text(field.name, wanted))
			return true;
		if (value_has_text(field.value, wanted))
			return true;
	}
	return false;
}

static bool part_has_text(
    const struct mime *mime, const struct mime_part *part, struct slice wanted)
{
	struct buf text = buf_with_limit(SEARCH_TEXT_MAX);
	struct mime_part clipped = *part;
	bool found;

	if (part->kind != MIME_TEXT)
		return false;
	if (clipped.body_end - clipped.body_start > SEARCH_PART_MAX)
		clipped.body_end = clipped.body_start + SEARCH_PART_MAX;
	mime_decode_text(mime, &clipped, &text);
	found = has_text(buf_slice(&text), wanted);
	buf_free(&text);
	return found;
}

/*
 * The decoded text parts, and what stands in the headers of all parts: an
 * attachment is found by its file name, a forwarded message by its subject.
 */
static bool body_has_text(const struct mime *mime, struct slice wanted)
{
	for (size_t i = 0; i < mime->count; i++) {
		const struct mime_part *part = &mime->parts[i];

		if (i > 0 && header_has_text(mime_header(mime, part), NULL, wanted))
			return true;
		if (part_has_text(mime, part, wanted))
			return true;
	}
	return false;
}

/* ---- keys --------------------------------------------------------------- */

static enum search_verdict compare_day(const struct search_key *key, int64_t day)
{
	switch (key->order) {
	case SEARCH_BEFORE:
		return verdict(day < key->day);
	case SEARCH_ON:
		return verdict(day == key->day);
	case SEARCH_SINCE:
		return verdict(day >= key->day);
	}
	return SEARCH_NO;
}

static enum search_verdict match_internal_date(
    const struct search_key *key, const struct search_subject *subject)
{
	struct date date = date_local(subject->facts->internal_date);

	return compare_day(key, date_day(&date));
}

static enum search_verdict match_size(
    const struct search_key *key, const struct search_subject *subject)
{
	uint64_t size;

	if (!subject->size(subject->context, subject->seq, &size))
		return SEARCH_UNKNOWN;
	return verdict(key->larger ? size > key->size : size < key->size);
}

static enum search_verdict match_sent_date(
    const struct search_key *key, const struct search_subject *subject)
{
	struct buf text = buf_with_limit(SEARCH_TEXT_MAX);
	struct slice envelope;
	struct date date;
	bool has_date;

	if (!subject->envelope(subject->context, subject->seq, &envelope))
		return SEARCH_UNKNOWN;
	has_date =
	    envelope_text(envelope, ENVELOPE_DATE, &text) && date_parse(buf_slice(&text), &date);
	buf_free(&text);
	return has_date ? compare_day(key, date_day(&date)) : SEARCH_NO;
}

static enum search_verdict match_envelope(
    const struct search_key *key, const struct search_subject *subject)
{
	struct buf text = buf_with_limit(SEARCH_TEXT_MAX);
	struct slice envelope;
	enum search_verdict result;

	if (!subject->envelope(subject->context, subject->seq, &envelope))
		return SEARCH_UNKNOWN;
	result = verdict(envelope_text(envelope, (enum envelope_field)key->field, &text) &&
			 value_has_text(buf_slice(&text), key->text));
	buf_free(&text);
	return result;
}

static enum search_verdict match_content(
    const struct search_key *key, const struct search_subject *subject)
{
	const struct mime *mime;
	struct slice header;

	if (!subject->mime(subject->context, subject->seq, &mime))
		return SEARCH_UNKNOWN;
	header = mime_header(mime, &mime->parts[0]);
	if (key->kind == SEARCH_HEADER)
		return verdict(header_has_text(header, &key->name, key->text));
	if (key->kind == SEARCH_TEXT && header_has_text(header, NULL, key->text))
		return SEARCH_YES;
	return verdict(body_has_text(mime, key->text));
}

static enum search_verdict match_inner(
    const struct search_key *key, const struct search_subject *subject)
{
	/* An OR stops at the first yes, an AND at the first no. */
	enum search_verdict stop = key->kind == SEARCH_OR ? SEARCH_YES : SEARCH_NO;
	enum search_verdict result = key->kind == SEARCH_OR ? SEARCH_NO : SEARCH_YES;

	for (const struct search_key *inner = key->inner; inner != NULL; inner = inner->next) {
		enum search_verdict one = search_matches(inner, subject);

		if (one == stop)
			return stop;
		if (one == SEARCH_UNKNOWN)
			result = SEARCH_UNKNOWN;
	}
	return result;
}

static enum search_verdict match_not(
    const struct search_key *key, const struct search_subject *subject)
{
	switch (search_matches(key->inner, subject)) {
	case SEARCH_YES:
		return SEARCH_NO;
	case SEARCH_NO:
		return SEARCH_YES;
	case SEARCH_UNKNOWN:
		break;
	}
	return SEARCH_UNKNOWN;
}

enum search_verdict search_matches(
    const struct search_key *key, const struct search_subject *subject)
{
	switch (key->kind) {
	case SEARCH_ALL:
		return SEARCH_YES;
	case SEARCH_FLAGS:
		return verdict((subject->facts->flags & key->mask) == key->wanted);
	case SEARCH_KEYWORD:
		return verdict(((subject->facts->keywords & key->bits) != 0) == (key->wanted != 0));
	case SEARCH_SEQUENCE:
		return verdict(sequence_has(&key->sequence, subject->seq));
	case SEARCH_UID:
		return verdict(sequence_has(&key->sequence, subject->facts->uid));
	case SEARCH_INTERNAL_DATE:
		return match_internal_date(key, subject);
	case SEARCH_SIZE:
		return match_size(key, subject);
	case SEARCH_SENT_DATE:
		return match_sent_date(key, subject);
	case SEARCH_ENVELOPE:
		return match_envelope(key, subject);
	case SEARCH_HEADER:
	case SEARCH_BODY:
	case SEARCH_TEXT:
		return match_content(key, subject);
	case SEARCH_NOT:
		return match_not(key, subject);
	case SEARCH_OR:
	case SEARCH_AND:
		return match_inner(key, subject);
	}
	return SEARCH_NO;
}
