/*
 * command.c - the commands of an exchange that carry addresses.
 *
 * Addresses come from a job and hold no control character (delivery_job_read
 * sees to it), so none can end a command and begin another.
 */
#include "delivery/smtp/command.h"

#include <event2/buffer.h>
#include <inttypes.h>

#include "delivery/smtp/dialogue.h"
#include "message/address.h"

uint64_t command_size(const struct transaction *transaction)
{
	return transaction->job->size + transaction->job->prepend.len;
}

/* " NAME=text" with the text in xtext (RFC 3461, 4). */
static void write_xtext(struct evbuffer *out, const char *name, struct slice text)
{
	struct buf encoded = buf_with_limit(4096);

	if (xtext_encode(text, &encoded))
		evbuffer_add_printf(out, " %s=%.*s", name, SLICE_PRINTF(buf_slice(&encoded)));
	buf_free(&encoded);
}

void command_write_mail(
    struct evbuffer *out, const struct transaction *transaction, unsigned offers)
{
	const struct delivery_job *job = transaction->job;

	evbuffer_add_printf(out, "MAIL FROM:<%.*s>", SLICE_PRINTF(job->sender));
	if ((offers & OFFERS_SIZE) != 0)
		evbuffer_add_printf(out, " SIZE=%" PRIu64, command_size(transaction));
	if ((offers & OFFERS_8BITMIME) != 0 && job->body == BODY_8BITMIME)
		evbuffer_add_printf(out, " BODY=8BITMIME");
	/* An alias may lead from an address that is ASCII to one that is not. */
	if ((offers & OFFERS_SMTPUTF8) != 0 &&
	    (job->smtputf8 || transaction->needs_smtputf8 || transaction->has_utf8_recipients))
		evbuffer_add_printf(out, " SMTPUTF8");
	if ((offers & OFFERS_DSN) != 0 && job->ret != RETURN_DEFAULT)
		evbuffer_add_printf(out, " RET=%s", job->ret == RETURN_FULL ? "FULL" : "HDRS");
	if ((offers & OFFERS_DSN) != 0 && !slice_is_empty(job->envid))
		write_xtext(out, "ENVID", job->envid);
	if ((offers & OFFERS_REQUIRETLS) != 0 && job->tls == TLS_REQUIRED)
		evbuffer_add_printf(out, " REQUIRETLS");
	/* The normal one is what a host assumes that is told of none (RFC 6710, 5). */
	if ((offers & OFFERS_MT_PRIORITY) != 0 && job->priority != PRIORITY_NORMAL)
		evbuffer_add_printf(out, " MT-PRIORITY=%d", job->priority);
	evbuffer_add(out, "\r\n", 2);
}

static void write_notify(struct evbuffer *out, uint8_t notify)
{
	static const struct {
		uint8_t bit;
		const char *word;
	} words[] = {
	    {NOTIFY_NEVER,   "NEVER"  },
            {NOTIFY_SUCCESS, "SUCCESS"},
            {NOTIFY_FAILURE, "FAILURE"},
	    {NOTIFY_DELAY,   "DELAY"  }
        };
	const char *separator = " NOTIFY=";

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		if ((notify & words[i].bit) != 0) {
			evbuffer_add_printf(out, "%s%s", separator, words[i].word);
			separator = ",";
		}
}

/*
 * " ORCPT=rfc822;xtext" (RFC 3461, 4.2): the type stays, the address is encoded; one
 * of type utf-8 so that it needs no SMTPUTF8 (RFC 6533, 3).
 */
static void write_original(struct evbuffer *out, struct slice original)
{
	ssize_t semicolon = slice_find(original, 0, ';');
	struct buf encoded = buf_with_limit(8192);
	struct slice address;
	bool good = semicolon > 0;

	if (good) {
		address = slice_from(original, (size_t)semicolon + 1);
		good = slice_starts_with_nocase(original, SLICE("utf-8;"))
			   ? utf8_address_encode(address, false, &encoded)
			   : xtext_encode(address, &encoded);
	}
	if (good)
		evbuffer_add_printf(out, " ORCPT=%.*s;%.*s", (int)semicolon, original.data,
		    SLICE_PRINTF(buf_slice(&encoded)));
	buf_free(&encoded);
}

void command_write_rcpt(
    struct evbuffer *out, const struct delivery_recipient *recipient, unsigned offers)
{
	evbuffer_add_printf(out, "RCPT TO:<%.*s>", SLICE_PRINTF(recipient->address));
	if ((offers & OFFERS_DSN) != 0) {
		write_notify(out, recipient->notify);
		write_original(out, recipient->original);
	}
	evbuffer_add(out, "\r\n", 2);
}
