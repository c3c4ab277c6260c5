/*
 * domain.c - one spelling for each domain.
 */
#include "lookup/domain.h"

#include <idn2.h>
#include <stdlib.h>

#include "message/address.h"

static bool is_all_ascii(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((unsigned char)s.data[i] > 127)
			return false;
	return true;
}

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
	if (!is_all_ascii(domain))
		return to_a_labels(text, ascii);
	for (size_t i = 0; i <= domain.len; i++)
		ascii[i] = (char)octet_lower((unsigned char)text[i]);
	return true;
}
