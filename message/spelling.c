/*
 * spelling.c - one spelling for each domain, and one for each address that is looked up.
 */
#include "message/spelling.h"

#include <idn2.h>
#include <stdlib.h>
#include <unicase.h>
#include <uninorm.h>

#include "message/address.h"
#include "message/encoding.h"

static bool append_lower(struct slice text, struct buf *out)
{
	for (size_t i = 0; i < text.len; i++)
		buf_append_octet(out, (char)octet_lower((unsigned char)text.data[i]));
	return !out->overflowed;
}

/* --- domains -------------------------------------------------------------------------- */

static bool to_a_labels(const char *domain, char ascii[DOMAIN_TEXT_MAX])
{
	char *converted = NULL;
	bool good = idn2_to_ascii_8z(domain, &converted, IDN2_NFC_INPUT | IDN2_NONTRANSITIONAL) ==
			IDN2_OK &&
		    slice_copy(slice_string(converted), ascii, DOMAIN_TEXT_MAX) &&
		    domain_is_valid(slice_string(ascii));

	idn2_free(converted);
	return good;
}

bool domain_to_ascii(struct slice domain, char ascii[DOMAIN_TEXT_MAX])
{
	char text[DOMAIN_TEXT_MAX];

	if (!domain_is_valid(domain) || !slice_copy(domain, text, sizeof text))
		return false;
	if (!is_ascii(domain))
		return to_a_labels(text, ascii);
	for (size_t i = 0; i <= domain.len; i++)
		ascii[i] = (char)octet_lower((unsigned char)text[i]);
	return true;
}

bool address_write_house(const struct address *address, struct buf *out)
{
	struct address spelled = *address;
	char ascii[DOMAIN_TEXT_MAX];

	if (!is_ascii(address->domain)) {
		if (!domain_to_ascii(address->domain, ascii))
			return false;
		spelled.domain = slice_string(ascii);
	}
	return address_write_canonical(&spelled, out);
}

/* --- what is looked up ------------------------------------------------------------------ */

bool local_part_fold(struct slice local, struct buf *out)
{
	size_t len;
	uint8_t *folded;
	bool done;

	if (is_ascii(local) || !utf8_is_valid(local))
		return append_lower(local, out);
	/* No language: Turkish users have the same i as everybody else. */
	folded = u8_tolower((const uint8_t *)local.data, local.len, NULL, UNINORM_NFC, NULL, &len);
	if (folded == NULL)
		return append_lower(local, out);
	done = buf_append(out, folded, len);
	free(folded);
	return done;
}

bool address_fold(struct slice address, struct buf *out)
{
	ssize_t at = slice_find_last(address, '@');
	char ascii[DOMAIN_TEXT_MAX];
	struct slice domain;

	if (is_ascii(address))
		return append_lower(address, out);
	/* A quoted local part by itself may have an @ in it. */
	if (at < 0 || slice_ends_with(address, SLICE("\"")))
		return local_part_fold(address, out);
	domain = slice_from(address, (size_t)at + 1);
	local_part_fold(slice_part(address, 0, (size_t)at), out);
	buf_append_octet(out, '@');
	return domain_to_ascii(domain, ascii) ? buf_append_string(out, ascii)
					      : append_lower(domain, out);
}

bool domain_pattern_fold(struct slice pattern, struct buf *out)
{
	size_t head = (size_t)(slice_find_last(pattern, '*') + 1);
	struct slice labels = slice_from(pattern, head);
	char ascii[DOMAIN_TEXT_MAX];

	if (is_ascii(pattern))
		return append_lower(pattern, out);
	if (head > 0) {
		if (!slice_starts_with(labels, SLICE(".")) ||
		    !is_ascii(slice_part(pattern, 0, head)))
			return false;
		labels = slice_from(labels, 1);
		append_lower(slice_part(pattern, 0, head + 1), out);
	}
	return domain_to_ascii(labels, ascii) && buf_append_string(out, ascii);
}

bool address_pattern_fold(struct slice pattern, struct buf *out)
{
	ssize_t at = slice_find_last(pattern, '@');

	if (at < 0)
		return local_part_fold(pattern, out);
	return local_part_fold(slice_part(pattern, 0, (size_t)at + 1), out) &&
	       domain_pattern_fold(slice_from(pattern, (size_t)at + 1), out);
}
