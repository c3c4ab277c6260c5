/*
 * nameservers.h - which DNS servers to ask.
 */
#ifndef PETREL_RESOLVER_NAMESERVERS_H
#define PETREL_RESOLVER_NAMESERVERS_H

#include "common/slice.h"

enum {
	NAMESERVERS_MAX = 16,
	NAMESERVER_TEXT_MAX = 80 /* "2001:db8::1@5353", with its NUL */
};

struct nameservers {
	size_t count;
	char servers[NAMESERVERS_MAX][NAMESERVER_TEXT_MAX]; /* address or address@port */
};

/* False where the text is neither an address nor address@port, or there are too many. */
bool nameservers_add(struct nameservers *n, struct slice text);

/*
 * Take the nameserver lines of a resolv.conf(5).
 *
 * refuse  called for each that is unusable
 */
void nameservers_read(
    struct nameservers *n, struct slice text, void (*refuse)(struct slice server));

#endif
