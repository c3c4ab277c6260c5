/*
 * channel_control.c - encoding of what master and every other process say to each other.
 */
#include "common/channel_control.h"

static const char *const role_names[ROLE_COUNT] = {
    [ROLE_NONE] = "none",
    [ROLE_MASTER] = "master",
    [ROLE_LOGGER] = "logger",
    [ROLE_KEYS] = "keys",
    [ROLE_AUTH] = "auth",
    [ROLE_LOOKUP] = "lookup",
    [ROLE_RESOLVER] = "resolver",
    [ROLE_QMGR] = "qmgr",
    [ROLE_DELIVERY_MAILDIR] = "delivery/maildir",
    [ROLE_DELIVERY_SMTP] = "delivery/smtp",
    [ROLE_POLICY] = "policy",
    [ROLE_SMTPD] = "smtpd",
    [ROLE_IMAPD] = "imapd",
    [ROLE_POP3D] = "pop3d",
    [ROLE_IMAP_SESSION] = "imap-session",
    [ROLE_POP3_SESSION] = "pop3-session",
    [ROLE_OAUTH] = "oauth",
};

static const char *const service_names[SERVICE_COUNT] = {
    [SERVICE_MX] = "mx",
    [SERVICE_SUBMISSION] = "submission",
    [SERVICE_SUBMISSIONS] = "submissions",
    [SERVICE_IMAP] = "imap",
    [SERVICE_IMAPS] = "imaps",
    [SERVICE_POP3] = "pop3",
    [SERVICE_POP3S] = "pop3s",
};

const char *role_name(enum role role)
{
	return role < ROLE_COUNT ? role_names[role] : "unknown";
}

enum role role_named(struct slice name)
{
	for (unsigned role = ROLE_MASTER; role < ROLE_COUNT; role++)
		if (slice_equal(name, slice_string(role_names[role])))
			return (enum role)role;
	return ROLE_NONE;
}

const char *service_name(enum service service)
{
	return service < SERVICE_COUNT ? service_names[service] : "unknown";
}

void control_setup_write(struct writer *w, const struct control_setup *setup)
{
	write_u32(w, setup->role);
	write_u32(w, setup->instance);
	write_bool(w, setup->privileged);
	write_u32(w, setup->uid);
	write_u32(w, setup->gid);
	write_string(w, setup->root);
	write_u32(w, setup->files_limit);
	write_slice(w, setup->settings);
}

bool control_setup_read(struct reader *r, struct control_setup *setup)
{
	setup->role = read_u32(r);
	setup->instance = read_u32(r);
	setup->privileged = read_bool(r);
	setup->uid = read_u32(r);
	setup->gid = read_u32(r);
	read_string(r, setup->root, sizeof setup->root);
	setup->files_limit = read_u32(r);
	setup->settings = read_slice(r);
	return reader_finished(r) && setup->role < ROLE_COUNT;
}

void control_certificate_write(struct writer *w, const struct control_certificate *certificate)
{
	write_slice(w, certificate->file);
	write_slice(w, certificate->names);
	write_u64(w, certificate->not_after);
	write_slice(w, certificate->problem);
	write_slice(w, certificate->chain);
}

bool control_certificate_read(struct reader *r, struct control_certificate *certificate)
{
	certificate->file = read_slice_max(r, 1023);
	certificate->names = read_slice(r);
	certificate->not_after = read_u64(r);
	certificate->problem = read_slice_max(r, 512);
	certificate->chain = read_slice(r);
	return reader_ok(r);
}

void control_peer_write(struct writer *w, const struct control_peer *peer)
{
	write_u32(w, peer->role);
	write_u32(w, peer->instance);
	write_u32(w, peer->number);
}

bool control_peer_read(struct reader *r, struct control_peer *peer)
{
	peer->role = read_u32(r);
	peer->instance = read_u32(r);
	peer->number = read_u32(r);
	return reader_finished(r) && peer->role < ROLE_COUNT;
}

void control_session_write(struct writer *w, const struct control_session *session)
{
	write_u32(w, session->service);
	write_u32(w, session->instance);
	write_u64(w, session->connection);
	write_string(w, session->account);
	write_string(w, session->mailbox);
}

bool control_session_read(struct reader *r, struct control_session *session)
{
	session->service = read_u32(r);
	session->instance = read_u32(r);
	session->connection = read_u64(r);
	read_string(r, session->account, sizeof session->account);
	read_string(r, session->mailbox, sizeof session->mailbox);
	return reader_finished(r) && (session->service == SERVICE_IMAP || session->service == SERVICE_POP3);
}

void control_client_write(struct writer *w, const struct control_client *client)
{
	write_u32(w, client->request);
	write_u32(w, client->uid);
	write_string(w, client->user);
}

bool control_client_read(struct reader *r, struct control_client *client)
{
	client->request = read_u32(r);
	client->uid = read_u32(r);
	read_string(r, client->user, sizeof client->user);
	return reader_finished(r);
}
