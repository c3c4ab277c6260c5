/*
 * domain.h - one spelling for each domain.
 */
#ifndef PETREL_LOOKUP_DOMAIN_H
#define PETREL_LOOKUP_DOMAIN_H

#include "common/slice.h"

enum { DOMAIN_TEXT_MAX = 256 }; /* with its NUL */

/*
 * The domain as DNS knows it: lower case, internationalized labels as A-labels
 * (RFC 5890).  False where it is no domain name.
 */
bool domain_to_ascii(struct slice domain, char ascii[DOMAIN_TEXT_MAX]);

#endif
