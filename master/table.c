/*
 * table.c - the processes of the suite and who talks to whom.
 */
#include "master/table.h"

#include <unistd.h>

#define SERVICES_SMTP (1u << SERVICE_MX | 1u << SERVICE_SUBMISSION | 1u << SERVICE_SUBMISSIONS)
#define SERVICES_IMAP (1u << SERVICE_IMAP | 1u << SERVICE_IMAPS)
#define SERVICES_POP3 (1u << SERVICE_POP3 | 1u << SERVICE_POP3S)

const struct table_process table_processes[] = {
    /* role                 program              user          root         stage           files  cert   key    listens */
    {ROLE_LOGGER,           "logger",            USER_NETWORK, ROOT_LOG,    STAGE_LOG,      256,   false, false, 0},
    {ROLE_KEYS,             "keys",              USER_KEYS,    ROOT_EMPTY,  STAGE_SERVICE,  256,   false, true,  0},
    {ROLE_AUTH,             "auth",              USER_AUTH,    ROOT_AUTH,   STAGE_SERVICE,  256,   true,  false, 0},
    {ROLE_LOOKUP,           "lookup",            USER_NETWORK, ROOT_TABLES, STAGE_SERVICE,  256,   false, false, 0},
    {ROLE_RESOLVER,         "resolver",          USER_NETWORK, ROOT_EMPTY,  STAGE_SERVICE,  4096,  false, false, 0},
    {ROLE_OAUTH,            "oauth",             USER_NETWORK, ROOT_EMPTY,  STAGE_SERVICE,  256,   false, false, 0},
    {ROLE_QMGR,             "qmgr",              USER_QUEUE,   ROOT_SPOOL,  STAGE_QUEUE,    65536, false, false, 0},
    {ROLE_DELIVERY_MAILDIR, "delivery-maildir",  USER_MAIL,    ROOT_MAIL,   STAGE_MAILBOX,  4096,  false, false, 0},
    {ROLE_DELIVERY_SMTP,    "delivery-smtp",     USER_NETWORK, ROOT_EMPTY,  STAGE_DELIVERY, 65536, false, false, 0},
    {ROLE_POLICY,           "policy",            USER_NETWORK, ROOT_POLICY, STAGE_SERVICE,  4096,  false, false, 0},
    {ROLE_SMTPD,            "smtpd",             USER_NETWORK, ROOT_EMPTY,  STAGE_FRONT,    65536, true,  false, SERVICES_SMTP},
    {ROLE_IMAP_SESSION,     "imap-session",      USER_ROOT,    ROOT_MAIL,   STAGE_SESSION,  4096,  false, false, 0},
    {ROLE_POP3_SESSION,     "pop3-session",      USER_ROOT,    ROOT_MAIL,   STAGE_SESSION,  4096,  false, false, 0},
    {ROLE_IMAPD,            "imapd",             USER_NETWORK, ROOT_EMPTY,  STAGE_FRONT,    65536, true,  false, SERVICES_IMAP},
    {ROLE_POP3D,            "pop3d",             USER_NETWORK, ROOT_EMPTY,  STAGE_FRONT,    65536, true,  false, SERVICES_POP3},
};
const size_t table_process_count = sizeof table_processes / sizeof table_processes[0];

/* Besides these, every process has its control channel, and a channel to logger on which it only writes. */
const struct table_channel table_channels[] = {
    {ROLE_SMTPD, ROLE_QMGR},
    {ROLE_SMTPD, ROLE_LOOKUP},
    {ROLE_SMTPD, ROLE_AUTH},
    {ROLE_SMTPD, ROLE_RESOLVER},
    {ROLE_SMTPD, ROLE_KEYS},
    {ROLE_SMTPD, ROLE_POLICY},
    {ROLE_POLICY, ROLE_RESOLVER},
    {ROLE_QMGR, ROLE_LOOKUP},
    {ROLE_QMGR, ROLE_DELIVERY_MAILDIR},
    {ROLE_QMGR, ROLE_DELIVERY_SMTP},
    {ROLE_DELIVERY_SMTP, ROLE_RESOLVER},
    {ROLE_DELIVERY_MAILDIR, ROLE_IMAPD},
    {ROLE_IMAPD, ROLE_AUTH},
    {ROLE_IMAPD, ROLE_KEYS},
    {ROLE_POP3D, ROLE_AUTH},
    {ROLE_POP3D, ROLE_KEYS},
    {ROLE_AUTH, ROLE_OAUTH},
    {ROLE_OAUTH, ROLE_RESOLVER},
};
const size_t table_channel_count = sizeof table_channels / sizeof table_channels[0];

const struct table_process *table_process_of(enum role role)
{
	for (size_t i = 0; i < table_process_count; i++)
		if (table_processes[i].role == role)
			return &table_processes[i];
	return NULL;
}

static unsigned one_per_processor(int64_t wanted)
{
	long processors;

	if (wanted > 0)
		return (unsigned)wanted;
	processors = sysconf(_SC_NPROCESSORS_ONLN);
	return processors < 1 ? 1 : processors > 64 ? 64 : (unsigned)processors;
}

unsigned table_instances(const struct table_process *row, const struct settings *s)
{
	switch (row->role) {
	case ROLE_SMTPD:
		return one_per_processor(s->smtp.workers);
	case ROLE_IMAPD:
		return one_per_processor(s->imap.workers);
	case ROLE_POP3D:
		return one_per_processor(s->pop3.workers);
	case ROLE_OAUTH:
		return s->oauth.introspection == NULL ? 0 : 1;
	case ROLE_DELIVERY_SMTP:
		return (unsigned)s->delivery.smtp_processes;
	case ROLE_DELIVERY_MAILDIR:
		return (unsigned)s->delivery.maildir_processes;
	default:
		return 1;
	}
}

const char *table_root_path(const struct table_process *row, const struct settings *s)
{
	static char empty[1024];

	switch (row->root) {
	case ROOT_EMPTY:
		snprintf(empty, sizeof empty, "%s/empty", s->directory.run);
		return empty;
	case ROOT_SPOOL:
		return s->directory.spool;
	case ROOT_MAIL:
		return s->directory.mail;
	case ROOT_TABLES:
		return s->directory.tables;
	case ROOT_AUTH:
		return s->directory.auth;
	case ROOT_LOG:
		return s->directory.log;
	case ROOT_POLICY:
		return s->directory.policy;
	default:
		return "";
	}
}

const char *table_user_name(const struct table_process *row, const struct settings *s)
{
	switch (row->user) {
	case USER_NETWORK:
		return s->user.network;
	case USER_QUEUE:
		return s->user.queue;
	case USER_MAIL:
		return s->user.mail;
	case USER_AUTH:
		return s->user.auth;
	case USER_KEYS:
		return s->user.keys;
	default:
		return NULL;
	}
}

void table_print(struct buf *out)
{
	static const char *const users[] = {"root", "network", "queue", "mail", "auth", "keys"};
	static const char *const roots[] = {"/", "empty", "spool", "mail", "tables", "auth", "log", "policy"};

	for (size_t i = 0; i < table_process_count; i++) {
		const struct table_process *row = &table_processes[i];

		buf_printf(out, "process %s user %s root %s\n", role_name(row->role), users[row->user], roots[row->root]);
	}
	for (size_t i = 0; i < table_channel_count; i++)
		buf_printf(out, "channel %s %s\n", role_name(table_channels[i].one), role_name(table_channels[i].other));
}
