/*
 * delegation.c - the policy delegation protocol of Postfix, as text.
 */
#include "policy/delegation.h"

#include <stdlib.h>

#include "common/id.h"

/* --- the request ------------------------------------------------------------------ */

static bool add(struct buf *out, const char *name, struct slice value)
{
	bool good = buf_append_string(out, name) && buf_append_octet(out, '=');

	for (size_t i = 0; good && i < value.len; i++) {
		char c = value.data[i];

		good = buf_append_octet(out, c == '\n' || c == '\r' || c == '\0' ? '?' : c);
	}
	return good && buf_append_octet(out, '\n');
}

static bool add_number(struct buf *out, const char *name, uint64_t value)
{
	return buf_printf(out, "%s=%llu\n", name, (unsigned long long)value);
}

static struct slice state_of(const struct policy_question *q)
{
	switch ((enum gate_stage)q->stage) {
	case GATE_CONNECT:
		return SLICE("CONNECT");
	case GATE_HELO:
		return q->is_extended ? SLICE("EHLO") : SLICE("HELO");
	case GATE_MAIL:
		return SLICE("MAIL");
	case GATE_RCPT:
		return SLICE("RCPT");
	case GATE_DATA:
		return SLICE("DATA");
	default:
		return SLICE("END-OF-MESSAGE");
	}
}

/* Without a confirmed name, Postfix says "unknown" in both places. */
static struct slice name_of(const struct policy_question *q)
{
	return q->client_name.len > 0 ? q->client_name : SLICE("unknown");
}

static bool add_client(struct buf *out, const struct policy_question *q)
{
	char address[HOST_ADDRESS_TEXT] = "";

	host_address_print(&q->address, address);
	return add(out, "helo_name", q->helo) &&
	       add(out, "client_address", slice_string(address)) &&
	       add(out, "client_name", name_of(q)) && add(out, "reverse_client_name", name_of(q));
}

static bool add_message(struct buf *out, const struct policy_question *q, struct slice instance)
{
	char id[MESSAGE_ID_TEXT + 1] = "";

	if (q->message != 0)
		message_id_format(q->message, id);
	return add(out, "queue_id", slice_string(id)) && add(out, "instance", instance) &&
	       add(out, "sender", q->sender) && add(out, "recipient", q->recipient) &&
	       add_number(out, "recipient_count", q->stage > GATE_RCPT ? q->recipient_count : 0) &&
	       add_number(out, "size", q->size);
}

static bool add_security(struct buf *out, const struct policy_question *q)
{
	return add(out, "sasl_method", SLICE("")) && add(out, "sasl_username", q->login) &&
	       add(out, "sasl_sender", SLICE("")) && add(out, "ccert_subject", SLICE("")) &&
	       add(out, "ccert_issuer", SLICE("")) && add(out, "ccert_fingerprint", SLICE("")) &&
	       add(out, "ccert_pubkey_fingerprint", SLICE("")) &&
	       add(out, "encryption_protocol", q->tls_protocol) &&
	       add(out, "encryption_cipher", q->tls_cipher) &&
	       add_number(out, "encryption_keysize", q->tls_bits);
}

bool delegation_write(
    struct buf *out, const struct policy_question *q, struct slice instance, struct slice context)
{
	return add(out, "request", SLICE("smtpd_access_policy")) &&
	       add(out, "protocol_state", state_of(q)) &&
	       add(out, "protocol_name", q->is_extended ? SLICE("ESMTP") : SLICE("SMTP")) &&
	       add_client(out, q) && add_message(out, q, instance) && add_security(out, q) &&
	       add(out, "etrn_domain", SLICE("")) && add(out, "stress", SLICE("")) &&
	       add(out, "policy_context", context) && buf_append_octet(out, '\n');
}

/* --- the reply ---------------------------------------------------------------------- */

static const struct {
	struct slice word;
	enum delegation_action action;
} words[] = {
    {SLICE("DUNNO"),           ACTION_DUNNO          },
    {SLICE("OK"),              ACTION_OK             },
    {SLICE("PERMIT"),          ACTION_OK             },
    {SLICE("REJECT"),          ACTION_REFUSE         },
    {SLICE("DEFER"),           ACTION_DEFER          },
    {SLICE("DEFER_IF_PERMIT"), ACTION_DEFER_IF_PERMIT},
    {SLICE("DEFER_IF_REJECT"), ACTION_DEFER_IF_REJECT},
    {SLICE("DISCARD"),         ACTION_DISCARD        },
    {SLICE("HOLD"),            ACTION_HOLD           },
    {SLICE("PREPEND"),         ACTION_PREPEND        },
    {SLICE("WARN"),            ACTION_WARN           },
    {SLICE("INFO"),            ACTION_INFO           },
};

static bool is_digit(int c)
{
	return octet_is_digit(c);
}

/* A number by itself: with 4 or 5 in front it is a reply's code, any other means "OK". */
static void read_code(struct slice word, struct delegation_reply *reply)
{
	uint64_t code;

	if (word.len == 3 && slice_number(word, 599, &code) && code >= 400) {
		reply->action = code >= 500 ? ACTION_REFUSE : ACTION_DEFER;
		reply->code = (unsigned)code;
		reply->ends_connection = code == 421 || code == 521;
	} else {
		reply->action = ACTION_OK;
	}
}

static void read_word(struct slice word, struct delegation_reply *reply)
{
	struct cursor in = cursor_over(word);

	reply->action = ACTION_UNKNOWN;
	if (word.len > 0 && cursor_take_while(&in, is_digit).len == word.len) {
		read_code(word, reply);
		return;
	}
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (slice_equal_nocase(word, words[i].word))
			reply->action = words[i].action;
	}
}

static bool is_against(enum delegation_action action)
{
	return action == ACTION_REFUSE || action == ACTION_DEFER ||
	       action == ACTION_DEFER_IF_PERMIT || action == ACTION_DEFER_IF_REJECT;
}

/* "4.7.1" in front of the text (RFC 3463); "4.7 things" is text. */
static void read_status(struct delegation_reply *reply)
{
	struct cursor in = cursor_over(reply->text);
	struct slice status = cursor_take_until(&in, ' ');
	struct cursor parts = cursor_over(status);
	struct slice class = cursor_take_while(&parts, is_digit);
	bool good = class.len == 1 && (class.data[0] == '4' || class.data[0] == '5');

	for (int i = 0; i < 2 && good; i++) {
		struct slice part = slice_of(NULL, 0);

		good = cursor_accept(&parts, '.');
		if (good)
			part = cursor_take_while(&parts, is_digit);
		good = good && part.len >= 1 && part.len <= 3;
	}
	if (!good || !cursor_done(&parts) ||
	    !slice_copy(status, reply->status, sizeof reply->status))
		return;
	reply->text = slice_trim(cursor_rest(&in));
}

static void read_action(struct slice value, struct delegation_reply *reply)
{
	struct cursor in = cursor_over(slice_trim(value));

	*reply = (struct delegation_reply){.word = cursor_take_until(&in, ' ')};
	reply->text = slice_trim(cursor_rest(&in));
	read_word(reply->word, reply);
	if (is_against(reply->action))
		read_status(reply);
}

enum delegation_state delegation_read(
    struct slice input, struct delegation_reply *reply, size_t *octets)
{
	struct cursor in = cursor_over(slice_part(input, 0, DELEGATION_REPLY_MAX));
	bool has_action = false;

	for (;;) {
		struct slice line = cursor_take_until(&in, '\n');
		ssize_t equals;

		if (!cursor_accept(&in, '\n'))
			return input.len < DELEGATION_REPLY_MAX ? DELEGATION_MORE
								: DELEGATION_MALFORMED;
		if (line.len > 0 && line.data[line.len - 1] == '\r')
			line.len--;
		if (line.len == 0)
			break;
		equals = slice_find(line, 0, '=');
		if (equals < 0 || slice_find(line, 0, '\0') >= 0)
			return DELEGATION_MALFORMED;
		if (slice_equal(slice_trim(slice_part(line, 0, (size_t)equals)), SLICE("action"))) {
			read_action(slice_from(line, (size_t)equals + 1), reply);
			has_action = true;
		}
	}
	*octets = (size_t)(in.at - input.data);
	return has_action ? DELEGATION_READY : DELEGATION_MALFORMED;
}
