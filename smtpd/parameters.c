/*
 * parameters.c - what may stand behind the address in MAIL and RCPT.
 */
#include "smtpd/parameters.h"

#include "common/conf.h"
#include "message/address.h"
#include "message/encoding.h"
#include "smtpd/reply.h"
#include "smtpd/session.h"
#include "smtpd/submit.h"

enum {
	SIZE_DIGITS = 20, /* of SIZE=n (RFC 1870, 3) */
	ROOM_ASKED = 1024 * 1024, /* a SIZE from which on the disk is looked at: queue.free-space is there for the others */
	ENVID_MAX = 100,  /* octets as written (RFC 3461, 4.4) */
	ORCPT_MAX = 500   /* the same (RFC 3461, 4.2) */
};

/* Decoded xtext that can stand in a report: printable ASCII, and not nothing (RFC 3461, 4). */
static bool decode(struct slice xtext, struct buf *out)
{
	size_t start = out->len;

	if (!xtext_decode(xtext, out) || out->len == start)
		return false;
	for (size_t i = start; i < out->len; i++)
		if (out->data[i] < ' ' || out->data[i] > '~')
			return false;
	return true;
}

/* --- MAIL ------------------------------------------------------------------------- */

struct mail_parameters mail_parameters_none(void)
{
	return (struct mail_parameters){
	    .body = BODY_7BIT, .ret = RETURN_DEFAULT, .envid = buf_with_limit(ENVELOPE_TEXT_MAX)};
}

void mail_parameters_free(struct mail_parameters *parameters)
{
	buf_free(&parameters->envid);
}

static bool parse_parameters(struct session *s, struct slice text,
    struct esmtp_parameter parameters[ESMTP_PARAMETERS_MAX], size_t *count)
{
	ssize_t n = esmtp_parameters_parse(text, parameters, ESMTP_PARAMETERS_MAX);

	if (n < 0) {
		reply(s, 501, "5.5.4", "Malformed parameters");
		return false;
	}
	*count = (size_t)n;
	return true;
}

static bool size_is_taken(
    struct session *s, const struct esmtp_parameter *parameter, uint64_t *out)
{
	uint64_t size;

	if (parameter->value.len > SIZE_DIGITS ||
	    !slice_number(parameter->value, UINT64_MAX, &size)) {
		reply(s, 501, "5.5.4", "SIZE wants a number");
		return false;
	}
	if (size > submit_size_limit(s)) {
		reply(s, 552, "5.3.4", "Message too large: at most %llu octets",
		    (unsigned long long)submit_size_limit(s));
		return false;
	}
	if (size >= ROOM_ASKED && !s->house->has_room(size)) {
		reply(s, 452, "4.3.1", "Insufficient system storage, try again later");
		return false;
	}
	*out = size;
	return true;
}

static bool body_is_taken(
    struct session *s, const struct esmtp_parameter *parameter, enum envelope_body *body)
{
	if (slice_equal_nocase(parameter->value, SLICE("7BIT"))) {
		*body = BODY_7BIT;
	} else if (slice_equal_nocase(parameter->value, SLICE("8BITMIME"))) {
		*body = BODY_8BITMIME;
	} else {
		reply(s, 501, "5.5.4", "BODY wants 7BIT or 8BITMIME");
		return false;
	}
	return true;
}

/*
 * AUTH= of MAIL, "<>" or the address of who submitted the message, in xtext, has to
 * be understood (RFC 4954, 5).  It is believed from nobody, which that RFC says is
 * done as if it had been "<>": nothing is kept of it, and nothing handed on.
 */
static bool auth_is_taken(struct session *s, const struct esmtp_parameter *parameter)
{
	struct buf decoded = buf_with_limit(SESSION_PATH_LINE_MAX);
	struct address address;
	bool good = xtext_decode(parameter->value, &decoded) && utf8_is_printable(buf_slice(&decoded)) &&
		    (slice_equal(buf_slice(&decoded), SLICE("<>")) ||
			address_parse(buf_slice(&decoded), ADDRESS_LENIENT | ADDRESS_NOT_NULL, &address));

	buf_free(&decoded);
	if (!good)
		reply(s, 501, "5.5.4", "AUTH wants an address, or <>");
	return good;
}

/* How much of a message a report of its failure holds (RFC 3461, 4.3). */
static bool ret_is_taken(
    struct session *s, const struct esmtp_parameter *parameter, enum envelope_return *ret)
{
	if (slice_equal_nocase(parameter->value, SLICE("FULL"))) {
		*ret = RETURN_FULL;
	} else if (slice_equal_nocase(parameter->value, SLICE("HDRS"))) {
		*ret = RETURN_HEADERS;
	} else {
		reply(s, 501, "5.5.4", "RET wants FULL or HDRS");
		return false;
	}
	return true;
}

/* What the sender calls this message, for the reports about it (RFC 3461, 4.4). */
static bool envid_is_taken(
    struct session *s, const struct esmtp_parameter *parameter, struct buf *envid)
{
	if (parameter->value.len <= ENVID_MAX && decode(parameter->value, envid))
		return true;
	reply(s, 501, "5.5.4", "ENVID wants 1 to 100 octets of xtext, printable when decoded");
	return false;
}

/* RFC 6531, 3.4: it has no value. */
static bool smtputf8_is_taken(
    struct session *s, const struct esmtp_parameter *parameter, bool *smtputf8)
{
	*smtputf8 = !parameter->has_value;
	if (parameter->has_value)
		reply(s, 501, "5.5.4", "SMTPUTF8 takes no value");
	return *smtputf8;
}

static bool wish_is_taken(
    struct session *s, const struct esmtp_parameter *parameter, struct wishes *wishes)
{
	enum wish wish = wishes_take(s, parameter, wishes);

	if (wish == WISH_UNKNOWN)
		reply(s, 555, "5.5.4", "Unsupported parameter %.*s",
		    SLICE_PRINTF(parameter->keyword));
	return wish == WISH_TAKEN;
}

bool mail_parameters_take(struct session *s, struct slice text, struct mail_parameters *out)
{
	struct esmtp_parameter parameters[ESMTP_PARAMETERS_MAX];
	size_t count;

	if (!parse_parameters(s, text, parameters, &count))
		return false;
	for (size_t i = 0; i < count; i++) {
		const struct esmtp_parameter *parameter = &parameters[i];
		bool good;

		if (slice_equal_nocase(parameter->keyword, SLICE("SIZE"))) {
			good = size_is_taken(s, parameter, &out->size);
		} else if (slice_equal_nocase(parameter->keyword, SLICE("BODY"))) {
			good = body_is_taken(s, parameter, &out->body);
		} else if (slice_equal_nocase(parameter->keyword, SLICE("AUTH"))) {
			good = auth_is_taken(s, parameter);
		} else if (slice_equal_nocase(parameter->keyword, SLICE("RET"))) {
			good = ret_is_taken(s, parameter, &out->ret);
		} else if (slice_equal_nocase(parameter->keyword, SLICE("ENVID"))) {
			good = envid_is_taken(s, parameter, &out->envid);
		} else if (slice_equal_nocase(parameter->keyword, SLICE("SMTPUTF8"))) {
			good = smtputf8_is_taken(s, parameter, &out->smtputf8);
		} else {
			good = wish_is_taken(s, parameter, &out->wishes);
		}
		if (!good)
			return false;
	}
	return true;
}

/* --- RCPT ------------------------------------------------------------------------- */

struct rcpt_parameters rcpt_parameters_none(void)
{
	return (struct rcpt_parameters){.original = buf_with_limit(ENVELOPE_TEXT_MAX)};
}

void rcpt_parameters_free(struct rcpt_parameters *parameters)
{
	buf_free(&parameters->original);
}

/* "NEVER", or some of the others with commas between, each once (RFC 3461, 4.1). */
static bool read_notify(struct slice value, uint8_t *notify)
{
	static const struct {
		struct slice word;
		uint8_t bit;
	} words[] = {
	    {SLICE("NEVER"),   NOTIFY_NEVER  },
	    {SLICE("SUCCESS"), NOTIFY_SUCCESS},
	    {SLICE("FAILURE"), NOTIFY_FAILURE},
	    {SLICE("DELAY"),   NOTIFY_DELAY  },
	};
	struct cursor in = cursor_over(value);

	*notify = 0;
	do {
		struct slice word = cursor_take_until(&in, ',');
		uint8_t bit = 0;

		for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
			if (slice_equal_nocase(word, words[i].word))
				bit = words[i].bit;
		if (bit == 0 || (*notify & bit) != 0)
			return false;
		*notify |= bit;
	} while (cursor_accept(&in, ','));
	return envelope_notify_is_valid(*notify);
}

/*
 * "rfc822;" and the address in xtext; the type is a word (RFC 3461, 4.2).  After
 * "utf-8;" the address is written in its own way, whether the message is SMTPUTF8
 * or not; only in one that is may it hold octets above 127 (RFC 6533, 3).  Postfix
 * writes such an address in xtext, with the type rfc822: it is what it is.
 */
static bool read_original(struct slice value, bool smtputf8, struct buf *original)
{
	struct cursor in = cursor_over(value);
	struct slice type = cursor_take_until(&in, ';');
	struct buf address = buf_with_limit(ENVELOPE_TEXT_MAX);
	bool good;

	if (value.len > ORCPT_MAX || type.len == 0 || !cursor_accept(&in, ';'))
		return false;
	for (size_t i = 0; i < type.len; i++)
		if (!octet_is_alnum((unsigned char)type.data[i]) && type.data[i] != '-')
			return false;
	if (slice_equal_nocase(type, SLICE("utf-8")))
		good = utf8_address_decode(cursor_rest(&in), smtputf8, &address);
	else if (smtputf8 && slice_equal_nocase(type, SLICE("rfc822")))
		good = xtext_decode(cursor_rest(&in), &address) &&
		       utf8_is_printable(buf_slice(&address));
	else
		good = decode(cursor_rest(&in), &address);
	if (!is_ascii(buf_slice(&address)))
		type = SLICE("utf-8");
	good = good && address.len > 0 && buf_append_slice(original, type) &&
	       buf_append_octet(original, ';') && buf_append_slice(original, buf_slice(&address));
	buf_free(&address);
	return good;
}

const struct refusal *rcpt_parameters_take(
    struct slice text, bool smtputf8, struct rcpt_parameters *out)
{
	static const struct refusal malformed = {501, "5.5.4", "Malformed parameters"};
	static const struct refusal unsupported = {555, "5.5.4", "Unsupported parameters"};
	static const struct refusal notify = {
	    501, "5.5.4", "NOTIFY wants NEVER, or some of SUCCESS,FAILURE,DELAY"};
	static const struct refusal original = {
	    501, "5.5.4", "ORCPT wants a type, a semicolon and an address in xtext"};
	struct esmtp_parameter parameters[ESMTP_PARAMETERS_MAX];
	ssize_t count = esmtp_parameters_parse(text, parameters, ESMTP_PARAMETERS_MAX);

	if (count < 0)
		return &malformed;
	for (ssize_t i = 0; i < count; i++) {
		const struct esmtp_parameter *parameter = &parameters[i];

		if (slice_equal_nocase(parameter->keyword, SLICE("NOTIFY"))) {
			if (!read_notify(parameter->value, &out->notify))
				return &notify;
		} else if (slice_equal_nocase(parameter->keyword, SLICE("ORCPT"))) {
			if (!read_original(parameter->value, smtputf8, &out->original))
				return &original;
		} else {
			return &unsupported;
		}
	}
	return NULL;
}
