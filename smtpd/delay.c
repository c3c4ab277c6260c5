/*
 * delay.c - making clients wait.
 */
#include "smtpd/delay.h"

#include "common/conf.h"
#include "smtpd/session.h"

static unsigned waiting;

void delay_next_reply(struct session *s)
{
	if (gate_is_trusted(s) || s->errors < settings->smtp.tarpit_errors ||
	    settings->smtp.tarpit_delay == 0)
		return;
	s->next_delay = (uint16_t)settings->smtp.tarpit_delay;
}

void delay_all_replies(struct session *s, unsigned seconds)
{
	if (seconds > s->delay_of_all)
		s->delay_of_all = (uint16_t)seconds;
}

/* Where as many wait as may, nobody else does. */
static unsigned wanted(const struct session *s)
{
	unsigned all = s->held.len > 0 ? s->delay_of_all : 0;

	if (s->peer.is_trial || waiting >= (uint64_t)settings->smtp.tarpit_sessions)
		return 0;
	return s->next_delay > all ? s->next_delay : all;
}

bool delay_holds(const struct session *s)
{
	return s->is_delayed || wanted(s) > 0;
}

bool delay_begin(struct session *s)
{
	unsigned seconds = wanted(s);

	if (s->is_delayed)
		return true;
	s->next_delay = 0;
	if (seconds == 0)
		return false;
	waiting++;
	s->is_delayed = true;
	event_add(s->timer, &(struct timeval){.tv_sec = seconds});
	return true;
}

bool delay_is_over(struct session *s)
{
	if (!s->is_delayed)
		return false;
	waiting--;
	s->is_delayed = false;
	return true;
}

void delay_forget(struct session *s)
{
	(void)delay_is_over(s);
	s->next_delay = s->delay_of_all = 0;
}

unsigned delay_of_greeting(const struct session *s)
{
	if (s->service != SERVICE_MX || gate_is_trusted(s) || s->client.is_loopback ||
	    s->has_waited || s->peer.is_trial)
		return 0;
	return (unsigned)settings->smtp.greeting_delay;
}
