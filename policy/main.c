/*
 * main.c - the daemon that is asked whether a session may go on.
 *
 * smtpd asks it where the settings say so, and only then.  It speaks to programs
 * of others and reads what they answer, so it has no rights but a directory of
 * its own; UNIX sockets it gets from master, connected.
 */
#include <sysexits.h>

#include "common/channel_filter.h"
#include "common/log.h"
#include "common/process.h"
#include "policy/control.h"
#include "policy/dnslists.h"
#include "policy/greylisting.h"
#include "policy/inquiry.h"
#include "policy/milter.h"
#include "policy/services.h"

static bool on_message(struct channel *channel, struct message *m, void *context)
{
	struct reader r = message_reader(m);
	uint64_t session;

	(void)context;
	switch (m->type) {
	case POLICY_ASK:
		return inquiry_begin(channel, m);
	case POLICY_ENDED:
		session = read_u64(&r);
		if (!reader_finished(&r))
			return false;
		milters_ended(channel, session);
		return true;
	case FILTER_MESSAGE:
		return milters_filter(channel, m);
	default:
		return false;
	}
}

static void on_closed(struct channel *channel, void *context)
{
	(void)context;
	inquiries_forget(channel);
	milters_closed(channel);
}

static void configure(void)
{
	dnslists_configure();
	services_configure();
	greylisting_configure();
}

static void reload(void)
{
	configure();
	milters_reload();
}

static bool prepare(void)
{
	return greylisting_prepare() && milters_prepare();
}

static void stop(void)
{
	greylisting_stop();
	process_exit(EX_OK);
}

static bool start(struct event_base *base)
{
	configure();
	return milters_start(base) && channel_send(process_master(), CONTROL_READY, 0);
}

static const struct process_peer peers[] = {
    {.role = ROLE_SMTPD, .message = on_message, .closed = on_closed},
    {.role = ROLE_RESOLVER}, /* only answers */
    {.role = ROLE_NONE},
};

static const struct process policy = {
    .role = ROLE_POLICY,
    .peers = peers,
    .prepare = prepare,
    .start = start,
    .reload = reload,
    .stop = stop,
    .control = control_take_client,
};

int main(int argc, char **argv)
{
	return process_main(&policy, argc, argv);
}
