/* What channel_delivery.h promises. */
#include <criterion/criterion.h>

#include "common/channel_delivery.h"

static struct delivery_recipient recipients[] = {
    {7, {"bob@example.org", 15},   {"rfc822;bob@x", 12}, {"example.org/bob", 15},
     {"b@example.org", 13},								NOTIFY_DELAY},
    {9, {"carol@example.org", 17}, {"", 0},              {"", 0},                 {"", 0}, 0           },
};

static struct delivery_job sample_job(void)
{
	return (struct delivery_job){
	    .job = 5,
	    .id = 6,
	    .offset = 1,
	    .size = 4096,
	    .arrived_us = 1795224000123456,
	    .site = SLICE("mx:example.org"),
	    .sender = SLICE("alice@example.net"),
	    .prepend = SLICE("Received: by c\r\n"),
	    .envid = SLICE("e"),
	    .body = BODY_8BITMIME,
	    .ret = RETURN_FULL,
	    .tls = TLS_REQUIRED,
	    .priority = -9,
	    .redeliver = true,
	    .attempt = 2,
	    .recipient_count = 2,
	    .recipients = recipients,
	};
}

static struct delivery_recipient_result outcomes[] = {
    {7, DELIVERY_FAILED,    {"5.1.1", 5}, {"550 5.1.1 No such user", 22}},
    {9, DELIVERY_DELIVERED, {"2.0.0", 5}, {"250 ok", 6}                 },
};

static struct delivery_result sample_result(void)
{
	return (struct delivery_result){
	    .job = 5,
	    .reuse = true,
	    .remote = SLICE("mx.example.org[192.0.2.1]:25"),
	    .passes_dsn = true,
	    .tls = SLICE("TLSv1.3 TLS_AES_256_GCM_SHA384"),
	    .count = 2,
	    .recipients = outcomes,
	};
}

static struct buf encoded_job(const struct delivery_job *job)
{
	struct buf b = buf_with_limit(1 << 20);
	struct writer w = {&b};

	delivery_job_write(&w, job);
	cr_assert_not(b.overflowed);
	return b;
}

static struct buf encoded_result(const struct delivery_result *result)
{
	struct buf b = buf_with_limit(1 << 20);
	struct writer w = {&b};

	delivery_result_write(&w, result);
	cr_assert_not(b.overflowed);
	return b;
}

static bool job_is_read(const struct delivery_job *job)
{
	struct buf b = encoded_job(job);
	struct reader r = reader_over(buf_slice(&b));
	struct delivery_job got;
	bool ok = delivery_job_read(&r, &got);

	cr_assert(ok || got.recipients == NULL, "something was left allocated");
	delivery_job_free(&got);
	buf_free(&b);
	return ok;
}

static bool result_is_read(const struct delivery_result *result)
{
	struct buf b = encoded_result(result);
	struct reader r = reader_over(buf_slice(&b));
	struct delivery_result got;
	bool ok = delivery_result_read(&r, &got);

	cr_assert(ok || got.recipients == NULL, "something was left allocated");
	delivery_result_free(&got);
	buf_free(&b);
	return ok;
}

Test(channel_delivery, a_job_that_was_written_is_read_back)
{
	struct delivery_job in = sample_job(), out;
	struct buf b = encoded_job(&in);
	struct reader r = reader_over(buf_slice(&b));

	cr_assert(delivery_job_read(&r, &out));
	cr_assert_eq(out.job, 5);
	cr_assert_eq(out.id, 6);
	cr_assert_eq(out.offset, 1);
	cr_assert_eq(out.size, 4096);
	cr_assert_eq(out.arrived_us, in.arrived_us);
	cr_assert(slice_equal(out.site, in.site));
	cr_assert(slice_equal(out.sender, in.sender));
	cr_assert(slice_equal(out.prepend, in.prepend));
	cr_assert(slice_equal(out.envid, in.envid));
	cr_assert_eq(out.body, BODY_8BITMIME);
	cr_assert_eq(out.ret, RETURN_FULL);
	cr_assert_not(out.smtputf8);
	cr_assert_eq(out.tls, TLS_REQUIRED);
	cr_assert_eq(out.priority, -9);
	cr_assert(out.redeliver);
	cr_assert_eq(out.attempt, 2);
	cr_assert_eq(out.recipient_count, 2);
	cr_assert_eq(out.recipients[0].index, 7);
	cr_assert(slice_equal(out.recipients[0].address, SLICE("bob@example.org")));
	cr_assert(slice_equal(out.recipients[0].original, SLICE("rfc822;bob@x")));
	cr_assert(slice_equal(out.recipients[0].mailbox, SLICE("example.org/bob")));
	cr_assert(slice_equal(out.recipients[0].envelope_address, SLICE("b@example.org")));
	cr_assert_eq(out.recipients[0].notify, NOTIFY_DELAY);
	cr_assert_eq(out.recipients[1].index, 9);
	delivery_job_free(&out);
	buf_free(&b);
}

Test(channel_delivery, a_result_that_was_written_is_read_back)
{
	struct delivery_result in = sample_result(), out;
	struct buf b = encoded_result(&in);
	struct reader r = reader_over(buf_slice(&b));

	cr_assert(delivery_result_read(&r, &out));
	cr_assert_eq(out.job, 5);
	cr_assert(out.reuse);
	cr_assert_not(out.site_failed);
	cr_assert(slice_equal(out.remote, in.remote));
	cr_assert(slice_equal(out.tls, in.tls));
	cr_assert_eq(out.passes_dsn, in.passes_dsn);
	cr_assert_eq(out.count, 2);
	for (size_t i = 0; i < 2; i++) {
		cr_assert_eq(out.recipients[i].index, outcomes[i].index);
		cr_assert_eq(out.recipients[i].outcome, outcomes[i].outcome);
		cr_assert(slice_equal(out.recipients[i].status, outcomes[i].status));
		cr_assert(slice_equal(out.recipients[i].text, outcomes[i].text));
	}
	delivery_result_free(&out);
	buf_free(&b);
}

Test(channel_delivery, every_truncation_is_refused)
{
	struct delivery_job job = sample_job(), job_out;
	struct delivery_result result = sample_result(), result_out;
	struct buf b = encoded_job(&job);

	for (size_t len = 0; len < b.len; len++) {
		struct reader r = reader_over(slice_of(b.data, len));

		cr_assert_not(delivery_job_read(&r, &job_out), "%zu octets of a job", len);
		cr_assert_null(job_out.recipients);
	}
	buf_free(&b);
	b = encoded_result(&result);
	for (size_t len = 0; len < b.len; len++) {
		struct reader r = reader_over(slice_of(b.data, len));

		cr_assert_not(delivery_result_read(&r, &result_out), "%zu octets of a result", len);
		cr_assert_null(result_out.recipients);
	}
	buf_free(&b);
}

Test(channel_delivery, octets_left_over_are_refused)
{
	struct delivery_job job = sample_job();
	struct delivery_result result = sample_result();
	struct buf b = encoded_job(&job);
	struct reader r;

	buf_append_octet(&b, 'x');
	r = reader_over(buf_slice(&b));
	cr_assert_not(delivery_job_read(&r, &job));
	buf_free(&b);
	b = encoded_result(&result);
	buf_append_octet(&b, 'x');
	r = reader_over(buf_slice(&b));
	cr_assert_not(delivery_result_read(&r, &result));
	buf_free(&b);
}

Test(channel_delivery, a_job_with_any_octet_changed_is_refused_or_clean)
{
	struct delivery_job job = sample_job();
	struct buf b = encoded_job(&job);

	for (size_t i = 0; i < b.len; i++)
		for (int bit = 0; bit < 8; bit++) {
			struct reader r = reader_over(buf_slice(&b));
			struct delivery_job out;

			b.data[i] = (char)(b.data[i] ^ (1 << bit));
			if (delivery_job_read(&r, &out)) {
				cr_assert_leq(out.recipient_count, DELIVERY_RECIPIENTS_MAX);
				cr_assert_leq(out.size, INT64_MAX);
				cr_assert(envelope_prepend_is_clean(out.prepend));
				delivery_job_free(&out);
			}
			b.data[i] = (char)(b.data[i] ^ (1 << bit));
		}
	buf_free(&b);
}

Test(channel_delivery, what_makes_no_sense_in_a_job_is_refused)
{
	struct delivery_job job = sample_job();

	cr_assert(job_is_read(&job));
	job.recipient_count = 0;
	cr_assert_not(job_is_read(&job), "a job without recipients");
	job = sample_job();
	job.offset = 2;
	job.size = INT64_MAX - 1;
	cr_assert_not(job_is_read(&job), "a content whose end no file offset can say");
	job = sample_job();
	job.body = BODY_BINARYMIME + 1;
	cr_assert_not(job_is_read(&job));
	job = sample_job();
	job.sender = SLICE("a@b>\r\nDATA");
	cr_assert_not(job_is_read(&job));
	job = sample_job();
	job.site = SLICE("mx:a\nb");
	cr_assert_not(job_is_read(&job));
}

Test(channel_delivery, too_many_recipients_are_refused)
{
	struct delivery_job job = sample_job();
	struct delivery_recipient *many = calloc(DELIVERY_RECIPIENTS_MAX + 1, sizeof *many);

	for (size_t i = 0; i <= DELIVERY_RECIPIENTS_MAX; i++)
		many[i] = recipients[1];
	job.recipients = many;
	job.recipient_count = DELIVERY_RECIPIENTS_MAX;
	cr_assert(job_is_read(&job));
	job.recipient_count++;
	cr_assert_not(job_is_read(&job));
	free(many);
}

Test(channel_delivery, a_status_is_of_the_class_of_its_outcome)
{
	struct delivery_recipient_result one[] = {outcomes[0]};
	struct delivery_result result = sample_result();

	result.recipients = one;
	result.count = 1;
	cr_assert(result_is_read(&result));
	one[0].status = SLICE("2.0.0");
	cr_assert_not(result_is_read(&result), "a failure that says success");
	one[0].outcome = DELIVERY_DELIVERED;
	cr_assert(result_is_read(&result));
	one[0].status = SLICE("4.0.0");
	cr_assert_not(result_is_read(&result));
	one[0].status = SLICE("");
	cr_assert_not(result_is_read(&result));
	one[0] = outcomes[0];
	one[0].text = SLICE("550 no\r\nX-Forged: yes");
	cr_assert_not(result_is_read(&result));
}

Test(channel_delivery, a_status_code_has_the_form_of_RFC_3463)
{
	cr_assert(delivery_status_is_valid(SLICE("2.0.0")));
	cr_assert(delivery_status_is_valid(SLICE("4.123.456")));
	cr_assert_not(delivery_status_is_valid(SLICE("")));
	cr_assert_not(delivery_status_is_valid(SLICE("3.0.0")));
	cr_assert_not(delivery_status_is_valid(SLICE("5.1")));
	cr_assert_not(delivery_status_is_valid(SLICE("5.1.")));
	cr_assert_not(delivery_status_is_valid(SLICE("5.1.1 ")));
	cr_assert_not(delivery_status_is_valid(SLICE("5.1.1.1")));
	cr_assert_not(delivery_status_is_valid(SLICE("55.1.1")));
	cr_assert_not(delivery_status_is_valid(SLICE("5.1234.1")));
}
