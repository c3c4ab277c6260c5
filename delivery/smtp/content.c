/*
 * content.c - a message on its way to the wire.
 */
#include "delivery/smtp/content.h"

#include <errno.h>
#include <event2/buffer.h>
#include <unistd.h>

static char block[CONTENT_BLOCK];

void content_begin(
    struct content *content, int descriptor, uint64_t offset, uint64_t size, struct slice prepend)
{
	*content = (struct content){
	    .descriptor = descriptor,
	    .offset = offset,
	    .left = size,
	    .prepend = prepend,
	    .at_line_start = true,
	};
}

/* Memory that runs out must not leave a gap in the message. */
static void content_put(struct content *content, const char *data, size_t len, struct evbuffer *out)
{
	if (content->error == 0 && evbuffer_add(out, data, len) == -1)
		content->error = ENOMEM;
}

/*
 * Encode at most CONTENT_BLOCK octets; no octet becomes more than two, and one
 * may wait from before.
 */
static void encode_block(struct content *content, struct slice in, struct evbuffer *out)
{
	static char encoded[2 * CONTENT_BLOCK + 1];
	size_t len = 0;

	for (size_t i = 0; i < in.len; i++) {
		char octet = in.data[i];

		if (content->after_cr && octet != '\n') {
			encoded[len++] = ' ';
			content->at_line_start = false;
		}
		content->after_cr = octet == '\r';
		if (octet == '\n') {
			encoded[len++] = '\r';
			encoded[len++] = '\n';
			content->at_line_start = true;
		} else if (octet != '\r') {
			if (octet == '.' && content->at_line_start)
				encoded[len++] = '.';
			encoded[len++] = octet;
			content->at_line_start = false;
		}
	}
	content_put(content, encoded, len, out);
}

void content_encode(struct content *content, struct slice in, struct evbuffer *out)
{
	for (size_t at = 0; at < in.len; at += CONTENT_BLOCK)
		encode_block(content, slice_part(in, at, CONTENT_BLOCK), out);
}

void content_encode_end(struct content *content, struct evbuffer *out)
{
	if (content->after_cr || !content->at_line_start)
		content_put(content, "\r\n", 2, out);
	content_put(content, ".\r\n", 3, out);
}

/* Fill the block; an empty slice with *error set where that cannot be. */
static struct slice read_block(int descriptor, uint64_t offset, uint64_t left, int *error)
{
	size_t wanted = left < CONTENT_BLOCK ? (size_t)left : CONTENT_BLOCK;
	ssize_t got;

	do
		got = pread(descriptor, block, wanted, (off_t)offset);
	while (got == -1 && errno == EINTR);
	/* A file that ends too early is as bad as one that cannot be read. */
	if (got == 0)
		errno = EIO;
	*error = got <= 0 ? errno : 0;
	return slice_of(block, got < 0 ? 0 : (size_t)got);
}

enum content_progress content_send(struct content *content, struct evbuffer *out)
{
	struct slice in;
	int error;

	content_encode(content, content->prepend, out);
	content->prepend = slice_of("", 0);
	if (content->left > 0) {
		in = read_block(content->descriptor, content->offset, content->left, &error);
		if (slice_is_empty(in)) {
			content->error = error;
			return CONTENT_FAILED;
		}
		content->offset += in.len;
		content->left -= in.len;
		content_encode(content, in, out);
	}
	if (content->left == 0 && content->error == 0)
		content_encode_end(content, out);
	if (content->error != 0)
		return CONTENT_FAILED;
	return content->left > 0 ? CONTENT_MORE : CONTENT_SENT;
}

/* Where in the message the scan is. */
struct scan {
	bool in_body;
	bool line_is_empty;
};

static void examine(struct scan *scan, struct slice in, struct content_facts *facts)
{
	for (size_t i = 0; i < in.len; i++) {
		unsigned char octet = (unsigned char)in.data[i];

		if (octet > 127 && scan->in_body)
			facts->body_is_8bit = true;
		else if (octet > 127)
			facts->header_is_8bit = true;
		if (octet == '\n') {
			scan->in_body |= scan->line_is_empty;
			scan->line_is_empty = true;
		} else if (octet != '\r') {
			scan->line_is_empty = false;
		}
	}
}

bool content_examine(int descriptor, uint64_t offset, uint64_t size, struct slice prepend,
    struct content_facts *facts)
{
	struct scan scan = {false, true};
	int error;

	*facts = (struct content_facts){0};
	examine(&scan, prepend, facts);
	while (size > 0) {
		struct slice in = read_block(descriptor, offset, size, &error);

		if (slice_is_empty(in))
			return false;
		examine(&scan, in, facts);
		offset += in.len;
		size -= in.len;
	}
	return true;
}
