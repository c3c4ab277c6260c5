/*
 * certificate.h - petrel user certificate: whose certificate is whose.
 */
#ifndef PETREL_CTL_CERTIFICATE_H
#define PETREL_CTL_CERTIFICATE_H

#include <stdbool.h>

/* List the first certificate of a PEM file for an account; an exit status. */
int certificate_list(const char *account, const char *path);
/* An account is deleted: its certificates are nobody's.  False where that failed, said on standard error. */
bool certificate_forget(const char *account);

#endif
