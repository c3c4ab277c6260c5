/*
 * tls_files.h - which certificate and key files the settings mean.
 */
#ifndef PETREL_MASTER_TLS_FILES_H
#define PETREL_MASTER_TLS_FILES_H

#include "common/channel_control.h"
#include "common/conf.h"

enum { TLS_FILES_MAX = 2048, TLS_FILE_PATH_MAX = 1024 };

struct tls_file {
	enum control_file kind;
	char path[TLS_FILE_PATH_MAX];
};

struct tls_files {
	size_t count;
	struct tls_file *all;
};

/*
 * The files of tls.certificate and tls.key, in their order; then, for each of
 * tls.directory, fullchain.pem and privkey.pem in it, or where there is neither, in
 * its subdirectories by name.  None comes twice.  Whether they are what their names
 * say is not looked at.
 *
 * complain  is called for a directory that cannot be read, or has none of them
 * Returns false where it was called, or memory was short; what was found is there.
 */
bool tls_files_find(const struct settings *s, struct tls_files *files,
    void (*complain)(void *context, const char *directory, const char *why), void *context);
void tls_files_free(struct tls_files *files);

#endif
