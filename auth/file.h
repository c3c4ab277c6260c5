/*
 * file.h - the credentials, and whose certificates are whose, in force: the files
 * as they were when they were last good.
 */
#ifndef PETREL_AUTH_FILE_H
#define PETREL_AUTH_FILE_H

#include "auth/certificates.h"
#include "auth/credentials.h"

/* Open the directory that the files are in; before chroot.  False, and a line in the log, where it cannot be. */
bool file_open_directory(const char *path);

/*
 * The credentials in force; NULL where there never were any that could be read.
 * Looks at the file each time, so that an account that was just made can log in
 * (a system call, beside a password's milliseconds), and reads it where it has changed.
 * What is malformed is logged, and what was in force stays.  Valid until the next
 * call.
 *
 * generation  changes with the credentials
 */
const struct credentials *file_credentials(unsigned *generation);

/* The listed certificates, likewise; NULL: there is no such file, or none that was ever good. */
const struct certificates *file_certificates(void);

/* Look, and read, at the next call in any case. */
void file_reload(void);
void file_close(void);

#endif
