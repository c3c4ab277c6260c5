/*
 * wishes.c - what a client wants of a message's further way.
 *
 * Holding mail back and overtaking that of others cost the house something: users
 * may ask for the first, users and listed hosts for the second.  A priority above
 * what a user may have is not refused but lowered, and the reply says so.  TLS on
 * the further way may be asked for by everybody whose own connection has it.
 */
#include "smtpd/wishes.h"

#include "common/clock.h"
#include "common/conf.h"
#include "message/address.h"
#include "message/date.h"
#include "smtpd/reply.h"
#include "smtpd/session.h"
#include "smtpd/submit.h"

enum {
	INTERVAL_DIGITS = 9, /* of HOLDFOR (RFC 4865, 4) */
	SECOND_US = 1000000
};

/* Users, and who will have to become one before MAIL is taken. */
static bool is_for_users(const struct session *s)
{
	return s->is_submission || submit_is_user(s);
}

static uint64_t longest_wait(const struct session *s)
{
	return is_for_users(s) ? (uint64_t)settings->submission.future_release_limit : 0;
}

static bool is_believed(const struct session *s)
{
	return !s->is_local && client_is_in(&s->client, &settings->smtp.priority_networks);
}

static bool takes_priority(const struct session *s)
{
	return is_for_users(s) || is_believed(s);
}

void wishes_offer(struct session *s)
{
	uint64_t longest = longest_wait(s);
	struct buf latest = buf_with_limit(DATE_TEXT_MAX);
	struct date date = {(int64_t)(clock_wall_us() / SECOND_US + longest), 0};

	if (longest > 0 && date_write_timestamp(&date, &latest))
		reply_more(s, 250, NULL, "FUTURERELEASE %llu %.*s", (unsigned long long)longest,
		    SLICE_PRINTF(buf_slice(&latest)));
	if (takes_priority(s))
		reply_more(s, 250, NULL, "MT-PRIORITY MIXER");
	if (session_is_secured(s))
		reply_more(s, 250, NULL, "REQUIRETLS");
	buf_free(&latest);
}

static enum wish refuse(struct session *s, unsigned code, const char *status, const char *text)
{
	reply(s, code, status, "%s", text);
	return WISH_REFUSED;
}

/* --- FUTURERELEASE ------------------------------------------------------------------ */

/* What makes no sense is answered like what cannot be read (RFC 4865, 4.1). */
static enum wish take_interval(struct session *s, struct slice value, struct wishes *wishes)
{
	uint64_t seconds;

	if (value.len > INTERVAL_DIGITS || !slice_number(value, UINT32_MAX, &seconds) ||
	    seconds == 0)
		return refuse(s, 501, "5.5.4", "HOLDFOR wants a number of seconds");
	if (seconds > longest_wait(s))
		return refuse(s, 501, "5.5.4", "HOLDFOR: that is longer than this host waits");
	wishes->release_us = clock_wall_us() + seconds * SECOND_US;
	return WISH_TAKEN;
}

static enum wish take_moment(struct session *s, struct slice value, struct wishes *wishes)
{
	int64_t now = (int64_t)(clock_wall_us() / SECOND_US);
	struct date date;

	if (!date_parse_timestamp(value, &date))
		return refuse(s, 501, "5.5.4", "HOLDUNTIL wants a date and time (RFC 3339)");
	if (date.seconds <= now)
		return refuse(s, 501, "5.5.4", "HOLDUNTIL: that moment is past");
	if (date.seconds - now > (int64_t)longest_wait(s))
		return refuse(s, 501, "5.5.4", "HOLDUNTIL: that is longer than this host waits");
	wishes->release_us = (uint64_t)date.seconds * SECOND_US;
	return WISH_TAKEN;
}

static enum wish take_release(
    struct session *s, struct slice value, bool is_interval, struct wishes *wishes)
{
	if (longest_wait(s) == 0)
		return WISH_UNKNOWN;
	if (wishes->release_us != 0)
		return refuse(s, 501, "5.5.4", "HOLDFOR and HOLDUNTIL exclude each other");
	return is_interval ? take_interval(s, value, wishes) : take_moment(s, value, wishes);
}

/* --- MT-PRIORITY, REQUIRETLS ---------------------------------------------------------- */

/* -9 to 9, without needless signs and zeros (RFC 6710, 6). */
static bool read_priority(struct slice value, int8_t *priority)
{
	struct cursor in = cursor_over(value);
	bool is_negative = cursor_accept(&in, '-');
	int digit = cursor_next(&in);

	if (!octet_is_digit(digit) || !cursor_done(&in) || (is_negative && digit == '0'))
		return false;
	*priority = (int8_t)(is_negative ? '0' - digit : digit - '0');
	return true;
}

static enum wish take_priority(struct session *s, struct slice value, struct wishes *wishes)
{
	int8_t limit = (int8_t)settings->submission.priority_limit;

	if (!takes_priority(s))
		return WISH_UNKNOWN;
	if (!read_priority(value, &wishes->priority))
		return refuse(s, 501, "5.5.2", "MT-PRIORITY wants a number from -9 to 9");
	if (wishes->priority > limit && !is_believed(s)) {
		wishes->priority = limit;
		wishes->is_lowered = true;
	}
	return WISH_TAKEN;
}

static enum wish take_tls(
    struct session *s, const struct esmtp_parameter *parameter, struct wishes *wishes)
{
	if (parameter->has_value)
		return refuse(s, 501, "5.5.4", "REQUIRETLS has no value");
	if (!session_is_secured(s))
		return refuse(s, 523, "5.7.10", "REQUIRETLS wants TLS here as well");
	wishes->tls = TLS_REQUIRED;
	return WISH_TAKEN;
}

enum wish wishes_take(
    struct session *s, const struct esmtp_parameter *parameter, struct wishes *wishes)
{
	if (slice_equal_nocase(parameter->keyword, SLICE("HOLDFOR")))
		return take_release(s, parameter->value, true, wishes);
	if (slice_equal_nocase(parameter->keyword, SLICE("HOLDUNTIL")))
		return take_release(s, parameter->value, false, wishes);
	if (slice_equal_nocase(parameter->keyword, SLICE("MT-PRIORITY")))
		return take_priority(s, parameter->value, wishes);
	if (slice_equal_nocase(parameter->keyword, SLICE("REQUIRETLS")))
		return take_tls(s, parameter, wishes);
	return WISH_UNKNOWN;
}

/* --- the transaction -------------------------------------------------------------------- */

void wishes_grant(const struct wishes *wishes, struct transaction *transaction)
{
	transaction->release_us = wishes->release_us;
	transaction->priority = wishes->priority;
	transaction->priority_is_lowered = wishes->is_lowered;
	transaction->tls = wishes->tls;
}

void wishes_reply(struct session *s)
{
	if (s->transaction->priority_is_lowered)
		reply(s, 250, "2.3.6", "%d is the new priority of the message",
		    s->transaction->priority);
	else
		reply(s, 250, "2.1.0", "Ok");
}
