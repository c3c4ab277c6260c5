/*
 * A message's octets, at once and in pieces: what is stored of it, where it ends and
 * what is known of its header are the same however they arrive.  And whatever the
 * octets: what is stored has no line end but CR LF and no NUL, the end is where a
 * slow and simple reader finds it, and no Bcc is in the header of a submission.
 *
 * The input's first octet chooses the rules, the second the size of the pieces.
 */
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "message/header.h"
#include "smtpd/content.h"
#include "tests/fuzz/fuzz.h"

enum { IS_CHUNKED = 1, IS_SUBMISSION = 2, REFUSES_BARE = 4, IS_SMALL = 8 };
enum { STORED_MAX = 1 << 20 };

struct outcome {
	bool has_ended;
	enum content_problem problem;
	uint64_t taken;
	uint64_t size;
	unsigned seen;
	unsigned received_count;
	unsigned from_count;
	bool starts_with_header;
	struct buf from;
	struct buf stored;
};

static void note(const struct content *content, struct outcome *outcome)
{
	char *room;

	*outcome = (struct outcome){
	    .has_ended = content->has_ended,
	    .problem = content->problem,
	    .taken = content->taken,
	    .size = content->size,
	    .seen = content->fields.seen,
	    .received_count = content->fields.received_count,
	    .from_count = content->fields.from_count,
	    .starts_with_header = content->fields.starts_with_header,
	    .from = buf_with_limit(FIELDS_FROM_MAX),
	    .stored = buf_with_limit(STORED_MAX),
	};
	buf_append_slice(&outcome->from, buf_slice(&content->fields.from));
	REQUIRE(content->size <= content->rules.size_limit);
	if (!content->has_ended || content->problem != CONTENT_GOOD || content->size == 0)
		return;
	REQUIRE(content->written == content->size);
	room = buf_extend(&outcome->stored, content->size);
	REQUIRE(room != NULL);
	REQUIRE(pread(content->file, room, content->size, 0) == (ssize_t)content->size);
}

static void read_it(
    const struct content_rules *rules, struct slice in, size_t piece, struct outcome *outcome)
{
	struct evbuffer *input = evbuffer_new();
	struct content content;
	int file = memfd_create("content", MFD_CLOEXEC);

	REQUIRE(input != NULL && file >= 0);
	content_begin(&content, file, rules);
	while (in.len > 0 && !content.has_ended) {
		struct slice part = slice_part(in, 0, piece);
		uint64_t left = part.len;

		evbuffer_add(input, part.data, part.len);
		in = slice_from(in, part.len);
		if (!rules->is_chunked) {
			content_take(&content, input);
		} else {
			content_take_chunk(&content, input, &left);
			REQUIRE(left == 0);
		}
	}
	if (rules->is_chunked)
		content_finish_chunks(&content);
	REQUIRE(content.has_ended || evbuffer_get_length(input) == 0);
	note(&content, outcome);
	content_end(&content);
	close(file);
	evbuffer_free(input);
}

static void require_same(const struct outcome *a, const struct outcome *b)
{
	REQUIRE(a->has_ended == b->has_ended);
	/* Of several reasons to refuse it, which is seen first may depend on the pieces. */
	REQUIRE((a->problem == CONTENT_GOOD) == (b->problem == CONTENT_GOOD));
	if (a->has_ended)
		REQUIRE(a->taken == b->taken);
	if (!a->has_ended || a->problem != CONTENT_GOOD)
		return;
	REQUIRE(a->size == b->size);
	REQUIRE(a->seen == b->seen && a->received_count == b->received_count);
	REQUIRE(a->from_count == b->from_count);
	REQUIRE(a->starts_with_header == b->starts_with_header);
	REQUIRE(slice_equal(buf_slice(&a->from), buf_slice(&b->from)));
	REQUIRE(slice_equal(buf_slice(&a->stored), buf_slice(&b->stored)));
}

/* Octets up to and with the first CRLF.CRLF, one at the very beginning without its CRLF; 0: none. */
static size_t end_of(struct slice in)
{
	static const struct slice mark = SLICE("\r\n.\r\n");
	ssize_t at;

	if (slice_starts_with(in, slice_from(mark, 2)))
		return mark.len - 2;
	at = slice_search(in, mark);
	return at < 0 ? 0 : (size_t)at + mark.len;
}

static void check_stored(const struct content_rules *rules, struct slice stored, bool has_header)
{
	struct header_walk walk = header_walk_over(stored);
	struct header_field field;

	REQUIRE(stored.len == 0 || slice_ends_with(stored, SLICE("\r\n")));
	for (size_t i = 0; i < stored.len; i++) {
		REQUIRE(stored.data[i] != '\0');
		if (stored.data[i] == '\n')
			REQUIRE(i > 0 && stored.data[i - 1] == '\r');
		if (stored.data[i] == '\r')
			REQUIRE(i + 1 < stored.len && stored.data[i + 1] == '\n');
	}
	while (rules->dropped != 0 && has_header && header_next(&walk, &field))
		REQUIRE(!slice_equal_nocase(field.name, SLICE("Bcc")) &&
			!slice_equal_nocase(field.name, SLICE("Resent-Bcc")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct content_rules rules = {.size_limit = STORED_MAX, .received_limit = 5};
	struct outcome whole, pieces;
	struct slice in;

	if (size < 3)
		return 0;
	in = slice_of(data + 2, size - 2);
	rules.is_chunked = (data[0] & IS_CHUNKED) != 0;
	rules.refuses_bare = (data[0] & REFUSES_BARE) != 0;
	if ((data[0] & IS_SUBMISSION) != 0) {
		rules.dropped = FIELD_BCC | FIELD_RESENT_BCC;
		rules.keeps_from = true;
	}
	if ((data[0] & IS_SMALL) != 0)
		rules.size_limit = 64;
	read_it(&rules, in, in.len, &whole);
	read_it(&rules, in, 1 + data[1] % 64, &pieces);
	require_same(&whole, &pieces);
	if (!rules.is_chunked)
		REQUIRE(whole.has_ended ? whole.taken == end_of(in) : end_of(in) == 0);
	if (whole.has_ended && whole.problem == CONTENT_GOOD)
		check_stored(&rules, buf_slice(&whole.stored), whole.starts_with_header);
	buf_free(&whole.from);
	buf_free(&whole.stored);
	buf_free(&pieces.from);
	buf_free(&pieces.stored);
	return 0;
}
