/*
 * crc32c.c - the Castagnoli CRC, by the processor's instruction where there is one.
 */
#include "common/crc32c.h"

#include <string.h>

#define POLYNOMIAL_REVERSED 0x82f63b78u

static uint32_t table[256];

__attribute__((constructor)) static void fill_table(void)
{
	for (uint32_t octet = 0; octet < 256; octet++) {
		uint32_t crc = octet;

		for (int bit = 0; bit < 8; bit++)
			crc = (crc >> 1) ^ ((crc & 1) != 0 ? POLYNOMIAL_REVERSED : 0);
		table[octet] = crc;
	}
}

static uint32_t by_table(uint32_t crc, const unsigned char *at, size_t len)
{
	for (; len > 0; len--)
		crc = (crc >> 8) ^ table[(crc ^ *at++) & 0xff];
	return crc;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t crc, const unsigned char *at, size_t len)
{
	uint64_t wide = crc;

	for (; len >= 8; len -= 8, at += 8) {
		uint64_t word;

		memcpy(&word, at, 8);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t)wide;
	for (; len > 0; len--)
		crc = __builtin_ia32_crc32qi(crc, *at++);
	return crc;
}
#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
	crc = ~crc;
#if defined(__x86_64__)
	if (__builtin_cpu_supports("sse4.2"))
		return ~by_instruction(crc, data, len);
#endif
	return ~by_table(crc, data, len);
}
