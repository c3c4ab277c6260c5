/*
 * spelling.h - one spelling for each domain, and one for each address that is looked up.
 *
 * People write domains and names in their own scripts (RFC 5890, RFC 6531), and
 * in more than one way.  Inside the house there is one form of each:
 *
 *   domains     in lower case, internationalized labels as A-labels, from the
 *               moment at which smtpd has read them.  So an address whose local
 *               part is ASCII is wholly ASCII, and any host can have it.
 *   local parts as they were written, since only their own host may say which of
 *               them are the same (RFC 5321, 2.4; RFC 6531, 3.3).  Where this host
 *               looks one up, letter case does not count, and composed and
 *               decomposed letters (RFC 5198) are the same.
 */
#ifndef PETREL_MESSAGE_SPELLING_H
#define PETREL_MESSAGE_SPELLING_H

#include "common/buf.h"
#include "common/slice.h"

struct address;

enum { DOMAIN_TEXT_MAX = 256 }; /* with its NUL */

/*
 * The domain as DNS knows it: lower case, internationalized labels as A-labels
 * by IDNA2008 with the mappings of UTS 46 (non-transitional).  False where it is
 * no domain name.
 */
bool domain_to_ascii(struct slice domain, char ascii[DOMAIN_TEXT_MAX]);

/*
 * Append the address as the house has it: canonical (address.h), its domain in
 * A-labels.  False where the domain has none, or `out` is full.
 */
bool address_write_house(const struct address *address, struct buf *out);

/*
 * Append a local part as it is looked up: in lower case and in Unicode's
 * normalization form C, as RFC 8265 (3.3) has it for names of users.  What is not
 * UTF-8 stays as it is, but for ASCII letters.  False where `out` is full.
 */
bool local_part_fold(struct slice local, struct buf *out);

/*
 * Append an address as it is looked up: the local part folded, the domain as an
 * A-label; without a domain all of it is a local part.  A domain that has no A-label
 * stays as it is, and will not be found.  False where `out` is full.
 */
bool address_fold(struct slice address, struct buf *out);

/*
 * The same for patterns in which `*` stands for any octets: of a domain, and of
 * addresses ("*@*.example.org").  What a star leaves of a domain that is not ASCII
 * must be whole labels.  False where that has no A-label, or `out` is full.
 */
bool domain_pattern_fold(struct slice pattern, struct buf *out);
bool address_pattern_fold(struct slice pattern, struct buf *out);

#endif
