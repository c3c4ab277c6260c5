/*
 * codec.c - writing and reading the fields of a record.
 */
#include "common/codec.h"

static void write_number(struct writer *w, uint64_t value, size_t octets)
{
	char *at = buf_extend(w->out, octets);

	if (at == NULL)
		return;
	for (size_t i = 0; i < octets; i++)
		at[i] = (char)(value >> (8 * i));
}

void write_u8(struct writer *w, uint8_t value)
{
	write_number(w, value, 1);
}

void write_u16(struct writer *w, uint16_t value)
{
	write_number(w, value, 2);
}

void write_u32(struct writer *w, uint32_t value)
{
	write_number(w, value, 4);
}

void write_u64(struct writer *w, uint64_t value)
{
	write_number(w, value, 8);
}

void write_bool(struct writer *w, bool value)
{
	write_number(w, value ? 1 : 0, 1);
}

void write_slice(struct writer *w, struct slice value)
{
	if (value.len > UINT32_MAX) {
		w->out->overflowed = true;
		return;
	}
	write_number(w, value.len, 4);
	buf_append_slice(w->out, value);
}

void write_string(struct writer *w, const char *value)
{
	write_slice(w, slice_string(value));
}

static uint64_t read_number(struct reader *r, size_t octets)
{
	struct slice s = r->failed ? slice_of(NULL, 0) : cursor_take(&r->in, octets);
	uint64_t value = 0;

	if (s.len != octets) {
		r->failed = true;
		return 0;
	}
	for (size_t i = 0; i < octets; i++)
		value |= (uint64_t)(unsigned char)s.data[i] << (8 * i);
	return value;
}

uint8_t read_u8(struct reader *r)
{
	return (uint8_t)read_number(r, 1);
}

uint16_t read_u16(struct reader *r)
{
	return (uint16_t)read_number(r, 2);
}

uint32_t read_u32(struct reader *r)
{
	return (uint32_t)read_number(r, 4);
}

uint64_t read_u64(struct reader *r)
{
	return read_number(r, 8);
}

bool read_bool(struct reader *r)
{
	uint64_t value = read_number(r, 1);

	if (value > 1)
		r->failed = true;
	return value == 1 && !r->failed;
}

struct slice read_slice_max(struct reader *r, size_t max)
{
	uint32_t len = read_u32(r);

	if (r->failed || len > max || len > cursor_left(&r->in)) {
		r->failed = true;
		return slice_of("", 0);
	}
	return len == 0 ? slice_of("", 0) : cursor_take(&r->in, len);
}

struct slice read_slice(struct reader *r)
{
	return read_slice_max(r, UINT32_MAX);
}

bool read_string(struct reader *r, char *buffer, size_t size)
{
	struct slice s = read_slice(r);

	if (r->failed || slice_find(s, 0, '\0') >= 0 || !slice_copy(s, buffer, size)) {
		r->failed = true;
		if (size > 0)
			buffer[0] = '\0';
		return false;
	}
	return true;
}
