/*
 * fuzz_smtp_reply.c - another host may say anything.
 *
 * The first octet chooses the number of recipients and the setting for TLS, the
 * rest is what the host says.  Whatever it is, the conversation ends, and nobody
 * is delivered before the end of the message was given out.
 */
#include <event2/buffer.h>

#include "delivery/smtp/dialogue.h"
#include "tests/fuzz/fuzz.h"

enum { RECIPIENTS = 3 };

static void check(const struct transaction *t, bool is_sent)
{
	for (uint32_t i = 0; i < t->count; i++) {
		const struct transaction_recipient *r = &t->recipients[i];

		if (r->state != RECIPIENT_SETTLED)
			continue;
		REQUIRE(r->outcome != DELIVERY_DELIVERED || is_sent);
		REQUIRE(delivery_status_is_valid(slice_string(r->status)));
		REQUIRE(envelope_text_is_clean(slice_string(r->text), DELIVERY_TEXT_MAX));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct delivery_recipient recipients[RECIPIENTS] = {{.address = SLICE("a@example.net")},
	    {.address = SLICE("b@example.net")}, {.address = SLICE("c@example.net")}};
	struct delivery_job job = {
	    .size = 10, .sender = SLICE("s@example.org"), .recipients = recipients};
	struct evbuffer *in = evbuffer_new(), *out = evbuffer_new();
	struct transaction t;
	struct tls_policy policy;
	struct dialogue d;
	enum dialogue_action action = DO_WAIT;
	bool is_sent = false, is_carried = false;

	if (size == 0 || in == NULL || out == NULL)
		goto done;
	job.recipient_count = 1 + data[0] % RECIPIENTS;
	policy = (struct tls_policy){(enum protection)(data[0] / RECIPIENTS % 4), data[0] < 128};
	dialogue_begin(&d, out, "mail.example.org", policy);
	evbuffer_add(in, data + 1, size - 1);
	if (!transaction_begin(&t, &job))
		goto done;
	while (d.state != DIALOGUE_OVER) {
		size_t left = evbuffer_get_length(in);

		action = dialogue_input(&d, in);
		if (action == DO_HANDSHAKE)
			action = dialogue_secured(&d, (data[0] & 1) != 0);
		if (action == DO_CONTENT) {
			dialogue_content_sent(&d);
			is_sent = true;
		}
		if (action == DO_TAKE || (action == DO_START && is_carried)) {
			check(&t, is_sent);
			break;
		}
		if (action == DO_START) {
			is_carried = true;
			if (dialogue_start(&d, &t) == DO_TAKE)
				break;
		}
		if (action == DO_WAIT && evbuffer_get_length(in) == left)
			dialogue_lost(&d, "the end of the test");
	}
	check(&t, is_sent);
	transaction_free(&t);
done:
	if (in != NULL)
		evbuffer_free(in);
	if (out != NULL)
		evbuffer_free(out);
	return 0;
}
