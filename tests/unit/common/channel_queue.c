/* What channel_queue.h promises about envelopes. */
#include <criterion/criterion.h>

#include "common/channel_queue.h"

static struct envelope_recipient recipients[] = {
    {{"bob@example.org", 15},   {"rfc822;Bob@example.org", 22}, NOTIFY_SUCCESS | NOTIFY_FAILURE},
    {{"carol@example.net", 17}, {"", 0},                        0                              },
    {{"dave@example.net", 16},  {"", 0},                        NOTIFY_NEVER                   },
};

static struct envelope sample(void)
{
	return (struct envelope){
	    .arrived_us = 1795224000123456,
	    .sender = SLICE("alice@example.org"),
	    .prepend = SLICE("Received: from a\r\n\tby b\r\nX-Other: c\r\n"),
	    .envid = SLICE("QQ314159"),
	    .login = SLICE("alice@example.org"),
	    .client = SLICE("a.example[192.0.2.1]"),
	    .body = BODY_8BITMIME,
	    .ret = RETURN_HEADERS,
	    .smtputf8 = true,
	    .tls = TLS_REQUIRED,
	    .priority = -4,
	    .release_us = 1795310400000000,
	    .hold = SLICE("milter rspamd: looks odd"),
	    .recipient_count = 3,
	    .recipients = recipients,
	};
}

static struct buf encoded(const struct envelope *envelope)
{
	struct buf b = buf_with_limit(1 << 20);
	struct writer w = {&b};

	envelope_write(&w, envelope);
	cr_assert_not(b.overflowed);
	return b;
}

static bool is_read(const struct envelope *envelope)
{
	struct buf b = encoded(envelope);
	struct reader r = reader_over(buf_slice(&b));
	struct envelope got;
	bool ok = envelope_read(&r, &got);

	if (ok)
		envelope_free(&got);
	else
		cr_assert_null(got.recipients, "something was left allocated");
	cr_assert_eq(ok, reader_ok(&r));
	buf_free(&b);
	return ok;
}

Test(channel_queue, an_envelope_that_was_written_is_read_back)
{
	struct envelope in = sample(), out;
	struct buf b = encoded(&in);
	struct reader r = reader_over(buf_slice(&b));

	cr_assert(envelope_read(&r, &out));
	cr_assert(reader_finished(&r));
	cr_assert_eq(out.arrived_us, in.arrived_us);
	cr_assert(slice_equal(out.sender, in.sender));
	cr_assert(slice_equal(out.prepend, in.prepend));
	cr_assert(slice_equal(out.envid, in.envid));
	cr_assert(slice_equal(out.login, in.login));
	cr_assert(slice_equal(out.client, in.client));
	cr_assert_eq(out.body, BODY_8BITMIME);
	cr_assert_eq(out.ret, RETURN_HEADERS);
	cr_assert(out.smtputf8);
	cr_assert_eq(out.tls, TLS_REQUIRED);
	cr_assert_eq(out.priority, -4);
	cr_assert_eq(out.release_us, in.release_us);
	cr_assert(slice_equal(out.hold, in.hold));
	cr_assert_eq(out.recipient_count, 3);
	for (size_t i = 0; i < 3; i++) {
		cr_assert(slice_equal(out.recipients[i].address, recipients[i].address));
		cr_assert(slice_equal(out.recipients[i].original, recipients[i].original));
		cr_assert_eq(out.recipients[i].notify, recipients[i].notify);
	}
	envelope_free(&out);
	buf_free(&b);
}

/* As it was written before there were TLS, priority, release time and a reason to hold. */
static struct buf encoded_as_version_1(const struct envelope *envelope)
{
	struct buf b = buf_with_limit(1 << 20);
	struct writer w = {&b};

	write_u8(&w, 1);
	write_u64(&w, envelope->arrived_us);
	write_slice(&w, envelope->sender);
	write_slice(&w, envelope->prepend);
	write_slice(&w, envelope->envid);
	write_slice(&w, envelope->login);
	write_slice(&w, envelope->client);
	write_u8(&w, envelope->body);
	write_u8(&w, envelope->ret);
	write_bool(&w, envelope->smtputf8);
	write_u32(&w, envelope->recipient_count);
	for (uint32_t i = 0; i < envelope->recipient_count; i++) {
		write_slice(&w, envelope->recipients[i].address);
		write_slice(&w, envelope->recipients[i].original);
		write_u8(&w, envelope->recipients[i].notify);
	}
	return b;
}

Test(channel_queue, an_envelope_of_the_first_version_is_still_read)
{
	struct envelope in = sample(), out;
	struct buf b = encoded_as_version_1(&in);
	struct reader r = reader_over(buf_slice(&b));

	cr_assert(envelope_read(&r, &out));
	cr_assert(reader_finished(&r));
	cr_assert(slice_equal(out.sender, in.sender));
	cr_assert(out.smtputf8);
	cr_assert_eq(out.recipient_count, 3);
	cr_assert(slice_equal(out.recipients[2].address, recipients[2].address));
	cr_assert_eq(out.tls, TLS_AS_SET);
	cr_assert_eq(out.priority, PRIORITY_NORMAL);
	cr_assert_eq(out.release_us, 0);
	cr_assert_eq(out.hold.len, 0);
	envelope_free(&out);
	for (unsigned version = 0; version < 256; version++) {
		bool is_known = version == 1;

		if (version == ENVELOPE_VERSION)
			continue; /* has more in it */
		b.data[0] = (char)version;
		r = reader_over(buf_slice(&b));
		cr_assert_eq(envelope_read(&r, &out), is_known, "version %u", version);
		envelope_free(&out);
	}
	buf_free(&b);
}

Test(channel_queue, wishes_out_of_their_range_are_refused)
{
	for (int priority = PRIORITY_LOWEST; priority <= PRIORITY_HIGHEST; priority++) {
		struct envelope e = sample();

		e.priority = (int8_t)priority;
		cr_assert(is_read(&e), "%d", priority);
	}
	for (int which = 0; which < 3; which++) {
		struct envelope e = sample();

		if (which == 0)
			e.tls = TLS_NOT_REQUIRED + 1;
		else
			e.priority = which == 1 ? PRIORITY_LOWEST - 1 : PRIORITY_HIGHEST + 1;
		cr_assert_not(is_read(&e));
	}
}

Test(channel_queue, what_follows_an_envelope_is_left_to_the_caller)
{
	struct envelope in = sample(), out;
	struct buf b = encoded(&in);
	struct writer w = {&b};
	struct reader r;

	write_u32(&w, 77);
	r = reader_over(buf_slice(&b));
	cr_assert(envelope_read(&r, &out));
	cr_assert_eq(read_u32(&r), 77);
	cr_assert(reader_finished(&r));
	envelope_free(&out);
	buf_free(&b);
}

Test(channel_queue, every_truncation_of_an_envelope_is_refused)
{
	struct envelope in = sample();
	struct buf b = encoded(&in);

	for (size_t len = 0; len < b.len; len++) {
		char *copy =
		    malloc(len + 1); /* its own block, so that a sanitizer sees a read past it */
		struct reader r = reader_over(slice_of(copy, len));
		struct envelope out;

		memcpy(copy, b.data, len);
		cr_assert_not(
		    envelope_read(&r, &out), "%zu of %zu octets were taken for whole", len, b.len);
		cr_assert_null(out.recipients);
		free(copy);
	}
	buf_free(&b);
}

Test(channel_queue, an_envelope_with_any_octet_changed_is_refused_or_clean)
{
	struct envelope in = sample();
	struct buf b = encoded(&in);

	for (size_t i = 0; i < b.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			struct reader r = reader_over(buf_slice(&b));
			struct envelope out;

			b.data[i] = (char)(b.data[i] ^ (1 << bit));
			if (envelope_read(&r, &out)) {
				cr_assert_leq(out.recipient_count, ENVELOPE_RECIPIENTS_MAX);
				cr_assert(envelope_text_is_clean(out.sender, ENVELOPE_ADDRESS_MAX));
				cr_assert(envelope_prepend_is_clean(out.prepend));
				for (uint32_t n = 0; n < out.recipient_count; n++)
					cr_assert(envelope_text_is_clean(
					    out.recipients[n].address, ENVELOPE_ADDRESS_MAX));
				envelope_free(&out);
			}
			b.data[i] = (char)(b.data[i] ^ (1 << bit));
		}
	buf_free(&b);
}

Test(channel_queue, a_line_break_in_any_text_is_refused)
{
	struct envelope e;

	e = sample();
	cr_assert(is_read(&e));
	e.sender = SLICE("a@b\r\nRCPT TO:<x@y>");
	cr_assert_not(is_read(&e));
	e = sample();
	e.envid = SLICE("a\nb");
	cr_assert_not(is_read(&e));
	e = sample();
	e.login = SLICE("a\0b");
	cr_assert_not(is_read(&e));
	e = sample();
	e.client = SLICE("a\x7f");
	cr_assert_not(is_read(&e));
	e = sample();
	e.hold = SLICE("a\nb");
	cr_assert_not(is_read(&e));
	for (int which = 0; which < 2; which++) {
		struct envelope_recipient one[] = {recipients[0]};

		if (which == 0)
			one[0].address = SLICE("a\r@b");
		else
			one[0].original = SLICE("rfc822;a\n@b");
		e = sample();
		e.recipients = one;
		e.recipient_count = 1;
		cr_assert_not(is_read(&e));
	}
}

Test(channel_queue, header_fields_in_front_are_whole_lines_and_nothing_follows_their_end)
{
	cr_assert(envelope_prepend_is_clean(SLICE("")));
	cr_assert(envelope_prepend_is_clean(SLICE("A: b\r\n c\r\n")));
	cr_assert(envelope_prepend_is_clean(SLICE("A: b\r\n\r\n")),
	    "the content has no header of its own");
	cr_assert_not(envelope_prepend_is_clean(SLICE("A: b\r\n\r\n\r\n")));
	cr_assert_not(envelope_prepend_is_clean(SLICE("A: b")));
	cr_assert_not(envelope_prepend_is_clean(SLICE("A: b\n")));
	cr_assert_not(envelope_prepend_is_clean(SLICE("A: b\r")));
	cr_assert_not(envelope_prepend_is_clean(SLICE("A: b\rc\r\n")));
	cr_assert_not(envelope_prepend_is_clean(SLICE("A: b\r\r\n")));
	cr_assert_not(envelope_prepend_is_clean(SLICE("A: \0b\r\n")));
	cr_assert_not(envelope_prepend_is_clean(SLICE("A: b\r\n\r\nbody\r\n")));
	cr_assert_not(envelope_prepend_is_clean(SLICE("\r\n")));
	cr_assert_not(envelope_prepend_is_clean(SLICE("\n")));
}

Test(channel_queue, never_does_not_go_with_another_wish)
{
	cr_assert(envelope_notify_is_valid(0));
	cr_assert(envelope_notify_is_valid(NOTIFY_NEVER));
	cr_assert(envelope_notify_is_valid(NOTIFY_SUCCESS | NOTIFY_FAILURE | NOTIFY_DELAY));
	cr_assert_not(envelope_notify_is_valid(NOTIFY_NEVER | NOTIFY_SUCCESS));
	cr_assert_not(envelope_notify_is_valid(16));
}

Test(channel_queue, a_count_beyond_what_is_there_allocates_nothing)
{
	struct envelope in = sample(), out;
	struct buf b;
	struct reader r;

	in.recipient_count = 0;
	b = encoded(&in);
	memcpy(b.data + b.len - 4, "\x10\x27\0\0", 4); /* ENVELOPE_RECIPIENTS_MAX */
	r = reader_over(buf_slice(&b));
	cr_assert_not(envelope_read(&r, &out));
	cr_assert_null(out.recipients);
	buf_free(&b);
}
