/*
 * secret.c - the host's secret that decoys are made of.
 */
#include "auth/secret.h"

#include <sys/stat.h>

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <string.h>
#include <unistd.h>

#include "common/io.h"
#include "common/log.h"

static const char file_name[] = "decoy-secret";

uint8_t decoy_secret[SCRAM_KEY];

static bool read_secret(int directory)
{
	int file = openat(directory, file_name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	struct buf octets = buf_with_limit(SCRAM_KEY);
	struct stat about;
	bool good;

	if (file == -1)
		return false;
	good = fstat(file, &about) == 0 && S_ISREG(about.st_mode) && about.st_size == SCRAM_KEY &&
	       io_read(file, &octets) && octets.len == SCRAM_KEY;
	if (good)
		memcpy(decoy_secret, octets.data, SCRAM_KEY);
	else
		errno = EINVAL;
	buf_wipe(&octets);
	close(file);
	return good;
}

/* decoy_secret is random by now. */
static bool write_secret(int directory)
{
	int file = openat(directory, file_name,
	    O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, S_IRUSR | S_IWUSR);
	bool good;

	if (file == -1)
		return false;
	good = io_write(file, slice_of(decoy_secret, SCRAM_KEY)) && fsync(file) == 0;
	if (!good)
		unlinkat(directory, file_name, 0);
	close(file);
	return good;
}

bool secret_open(const char *path)
{
	int directory = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	bool kept = directory != -1 && read_secret(directory);

	if (!kept) {
		bool is_absent = errno == ENOENT;

		if (RAND_bytes(decoy_secret, sizeof decoy_secret) != 1) {
			log_error("no-randomness", log_string("file", file_name));
			return false;
		}
		if (is_absent && directory != -1)
			kept = write_secret(directory);
	}
	if (!kept)
		log_warning(
		    "decoy-secret-not-kept", log_string("file", file_name), log_errno(errno));
	if (directory != -1)
		close(directory);
	return true;
}
