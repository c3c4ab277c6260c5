/*
 * check_tls.c - petrel check: certificates and keys, judged as keys would.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/io.h"
#include "common/tls.h"
#include "ctl/check.h"
#include "keys/keyring.h"
#include "master/tls_files.h"

enum { DAY = 86400 };

/* What was found in the files. */
struct tls_check {
	struct findings *findings;
	struct keyring *ring;
	const char *only_key; /* where there is one key; NULL: there are more */
	unsigned certificates, keys, unread_keys;
	bool one_is_for_us; /* a certificate covers this host's name */
};

static bool read_file(struct tls_check *c, const char *called, const char *path, struct buf *text)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	bool is_read = file != -1 && fstat(file, &st) == 0 && io_read(file, text);

	if (!is_read)
		find(c->findings, true, "%s: %s: %s", called, path, strerror(errno));
	else if (slice_equal(slice_string(called), SLICE("tls.key")) && (st.st_mode & S_IROTH) != 0)
		find(c->findings, false, "tls.key: %s can be read by everybody on this host", path);
	if (file != -1)
		close(file);
	return is_read;
}

static void check_key(struct tls_check *c, const char *path)
{
	struct buf pem = buf_with_limit(KEYRING_FILE_MAX), error = buf_with_limit(512);
	uint8_t id[KEYS_ID_OCTETS];

	c->only_key = c->keys++ == 0 ? path : NULL;
	if (!read_file(c, "tls.key", path, &pem)) {
		c->unread_keys++;
	} else if (!keyring_add(c->ring, buf_slice(&pem), id, &error)) {
		find(c->findings, true, "tls.key: %s: %.*s", path, (int)error.len, error.data);
		c->unread_keys++;
	}
	buf_wipe(&pem);
	buf_free(&error);
}

static void check_validity(struct findings *f, const char *path, const struct tls_certificate *facts)
{
	uint64_t now = clock_wall_us() / 1000000;

	if (facts->not_after <= now)
		find(f, true, "tls.certificate: %s has expired", path);
	else if (facts->not_after <= now + (uint64_t)settings->tls.expiry_warning)
		find(f, false, "tls.certificate: %s expires in %llu days", path, (unsigned long long)((facts->not_after - now) / DAY));
	if (facts->not_before > now)
		find(f, true, "tls.certificate: %s is not valid yet", path);
}

static void check_certificate(struct tls_check *c, const char *path)
{
	struct buf pem = buf_with_limit(TLS_CHAIN_MAX), error = buf_with_limit(512);
	struct tls_certificate facts = {.names = {NULL, 0, 0, 0, false}};

	c->certificates++;
	if (!read_file(c, "tls.certificate", path, &pem)) {
		c->one_is_for_us = true; /* perhaps */
	} else if (!tls_certificate_read(buf_slice(&pem), &facts, &error)) {
		find(c->findings, true, "tls.certificate: %s: %.*s", path, (int)error.len, error.data);
		c->one_is_for_us = true;
	} else {
		if (!keyring_has(c->ring, facts.key) && c->unread_keys == 0 && c->only_key != NULL)
			find(c->findings, true, "tls: the key %s does not belong to the certificate %s", c->only_key, path);
		else if (!keyring_has(c->ring, facts.key) && c->unread_keys == 0)
			find(c->findings, true, "tls: none of the keys belongs to the certificate %s", path);
		check_validity(c->findings, path, &facts);
		if (tls_names_cover(buf_slice(&facts.names), slice_string(settings->hostname)))
			c->one_is_for_us = true;
	}
	buf_free(&facts.names);
	buf_free(&pem);
	buf_free(&error);
}

static void complain(void *context, const char *directory, const char *why)
{
	struct tls_check *c = context;

	find(c->findings, true, "tls.directory: %s: %s", directory, why);
}

void check_tls(struct findings *f)
{
	struct tls_check c = {.findings = f, .ring = keyring_new()};
	struct tls_files files;

	if (c.ring == NULL)
		return;
	if (tls_files_find(settings, &files, complain, &c) && files.count == 0)
		find(f, false, "tls: no certificate, so there is no TLS, and nobody can log in unless auth.cleartext allows it");
	for (size_t i = 0; i < files.count; i++)
		if (files.all[i].kind == CONTROL_FILE_KEY)
			check_key(&c, files.all[i].path);
	for (size_t i = 0; i < files.count; i++)
		if (files.all[i].kind == CONTROL_FILE_CERTIFICATE)
			check_certificate(&c, files.all[i].path);
	if (c.certificates > 0 && !c.one_is_for_us)
		find(f, false, "tls.certificate: none is for %s, the name that other hosts know this one by", settings->hostname);
	tls_files_free(&files);
	keyring_free(c.ring);
}
