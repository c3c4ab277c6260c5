/*
 * tls_files.c - which certificate and key files the settings mean.
 */
#include "master/tls_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char chain_name[] = "fullchain.pem", key_name[] = "privkey.pem";

static bool is_there(const struct tls_files *files, const char *path)
{
	for (size_t i = 0; i < files->count; i++)
		if (strcmp(files->all[i].path, path) == 0)
			return true;
	return false;
}

static bool add(struct tls_files *files, enum control_file kind, const char *directory, const char *name)
{
	struct tls_file *more, file = {.kind = kind};

	if (snprintf(file.path, sizeof file.path, "%s%s%s", directory, *name == '\0' ? "" : "/", name) >= (int)sizeof file.path)
		return false;
	if (is_there(files, file.path))
		return true;
	more = files->count < TLS_FILES_MAX ? reallocarray(files->all, files->count + 1, sizeof *more) : NULL;
	if (more == NULL)
		return false;
	files->all = more;
	more[files->count++] = file;
	return true;
}

static bool has(const char *directory, const char *name)
{
	char path[TLS_FILE_PATH_MAX];

	return snprintf(path, sizeof path, "%s/%s", directory, name) < (int)sizeof path && access(path, F_OK) == 0;
}

/* One of the two is enough: the other may be on its way. */
static bool is_pair(const char *directory)
{
	return has(directory, chain_name) || has(directory, key_name);
}

static bool add_pair(struct tls_files *files, const char *directory)
{
	return add(files, CONTROL_FILE_CERTIFICATE, directory, chain_name) && add(files, CONTROL_FILE_KEY, directory, key_name);
}

static int is_visible(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* How many pairs are below it; -1: it cannot be read, or there are too many. */
static int add_below(struct tls_files *files, const char *directory)
{
	struct dirent **entries;
	int count = scandir(directory, &entries, is_visible, alphasort), pairs = 0;

	for (int i = 0; i < count; i++) {
		char path[TLS_FILE_PATH_MAX];

		if (pairs >= 0 && snprintf(path, sizeof path, "%s/%s", directory, entries[i]->d_name) < (int)sizeof path && is_pair(path)) {
			errno = ENOMEM;
			pairs = add_pair(files, path) ? pairs + 1 : -1;
		}
		free(entries[i]);
	}
	if (count >= 0)
		free(entries);
	return count < 0 ? -1 : pairs;
}

bool tls_files_find(const struct settings *s, struct tls_files *files,
    void (*complain)(void *context, const char *directory, const char *why), void *context)
{
	bool found = true;

	*files = (struct tls_files){0};
	for (size_t i = 0; i < s->tls.certificate.count; i++)
		found = add(files, CONTROL_FILE_CERTIFICATE, s->tls.certificate.words[i], "") && found;
	for (size_t i = 0; i < s->tls.key.count; i++)
		found = add(files, CONTROL_FILE_KEY, s->tls.key.words[i], "") && found;
	for (size_t i = 0; i < s->tls.directory.count; i++) {
		const char *directory = s->tls.directory.words[i];
		int pairs = is_pair(directory) ? (add_pair(files, directory) ? 1 : -1) : add_below(files, directory);

		if (pairs > 0)
			continue;
		complain(context, directory, pairs < 0 ? strerror(errno) : "there is no fullchain.pem in it, nor in its subdirectories");
		found = false;
	}
	return found;
}

void tls_files_free(struct tls_files *files)
{
	free(files->all);
	*files = (struct tls_files){0};
}
