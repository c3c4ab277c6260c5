/*
 * io.c - whole reads and writes of files.
 */
#include "common/io.h"

#include <errno.h>
#include <unistd.h>

enum { PIECE = 65536 };

bool io_write(int file, struct slice octets)
{
	while (octets.len > 0) {
		ssize_t written = write(file, octets.data, octets.len);

		if (written < 0 && errno == EINTR)
			continue;
		if (written == 0)
			errno = EIO;
		if (written <= 0)
			return false;
		octets = slice_from(octets, (size_t)written);
	}
	return true;
}

static ssize_t read_again(int file, void *octets, size_t len)
{
	ssize_t got;

	do
		got = read(file, octets, len);
	while (got < 0 && errno == EINTR);
	return got;
}

/* The buf is full: that is well where the file ends here, too. */
static bool ends_here(int file)
{
	char octet;
	ssize_t got = read_again(file, &octet, 1);

	if (got > 0)
		errno = EFBIG;
	return got == 0;
}

bool io_read(int file, struct buf *out)
{
	for (;;) {
		size_t room = out->limit - out->len;
		char *at;
		ssize_t got;

		if (room == 0)
			return ends_here(file);
		if (room > PIECE)
			room = PIECE;
		at = buf_extend(out, room);
		if (at == NULL) {
			errno = ENOMEM;
			return false;
		}
		got = read_again(file, at, room);
		out->len -= room - (got < 0 ? 0 : (size_t)got);
		if (got <= 0)
			return got == 0;
	}
}

bool io_read_at(int file, void *octets, size_t len, uint64_t offset)
{
	char *at = octets;

	while (len > 0) {
		ssize_t got = pread(file, at, len, (off_t)offset);

		if (got < 0 && errno == EINTR)
			continue;
		if (got == 0)
			errno = EIO;
		if (got <= 0)
			return false;
		at += got;
		len -= (size_t)got;
		offset += (uint64_t)got;
	}
	return true;
}
