/*
 * check.h - what the parts of petrel check share.
 */
#ifndef PETREL_CTL_CHECK_H
#define PETREL_CTL_CHECK_H

#include "common/buf.h"

struct findings {
	bool json;
	bool only_errors; /* and those on standard error: this is not petrel check */
	unsigned errors, warnings;
	struct buf out;
};

/* Something is wrong, or might be. */
void find(struct findings *f, bool is_error, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* The certificates and keys (check_tls.c). */
void check_tls(struct findings *f);

#endif
