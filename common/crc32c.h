/*
 * crc32c.h - the Castagnoli CRC (RFC 3720, appendix B.4) that guards records on disk.
 */
#ifndef PETREL_COMMON_CRC32C_H
#define PETREL_COMMON_CRC32C_H

#include <stddef.h>
#include <stdint.h>

/* Continue `crc` (0 to begin) over len octets. */
uint32_t crc32c(uint32_t crc, const void *data, size_t len);

#endif
