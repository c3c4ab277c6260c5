/*
 * io.h - whole reads and writes of files.
 *
 * read(2) and write(2) may do a part of what they were asked, or be interrupted;
 * these do all of it or fail.  They block, so they are for files, not for peers.
 */
#ifndef PETREL_COMMON_IO_H
#define PETREL_COMMON_IO_H

#include "common/buf.h"
#include "common/slice.h"

/* Write all of it.  False with errno. */
bool io_write(int file, struct slice octets);
/*
 * Append everything from where the file stands to its end.  False with errno:
 * EFBIG where it is more than the buf's limit.
 */
bool io_read(int file, struct buf *out);
/* Read exactly `len` octets at `offset`.  False with errno: EIO where the file ends before. */
bool io_read_at(int file, void *octets, size_t len, uint64_t offset);

#endif
