/*
 * channel_control.h - what master and every other process say to each other.
 */
#ifndef PETREL_COMMON_CHANNEL_CONTROL_H
#define PETREL_COMMON_CHANNEL_CONTROL_H

#include "common/codec.h"
#include "common/slice.h"

/* Who a process is.  The numbers travel between processes of one start; they are not stored. */
enum role {
	ROLE_NONE,
	ROLE_MASTER,
	ROLE_LOGGER,
	ROLE_KEYS,
	ROLE_AUTH,
	ROLE_LOOKUP,
	ROLE_RESOLVER,
	ROLE_QMGR,
	ROLE_DELIVERY_MAILDIR,
	ROLE_DELIVERY_SMTP,
	ROLE_POLICY,
	ROLE_SMTPD,
	ROLE_IMAPD,
	ROLE_POP3D,
	ROLE_IMAP_SESSION, /* the parent that forks a process for each active user */
	ROLE_POP3_SESSION,
	ROLE_OAUTH,
	ROLE_COUNT
};

/* "smtpd", "delivery/maildir", ...: the process's name in logs, tables and file names ('/' becomes '-' there). */
const char *role_name(enum role role);
/* ROLE_NONE where no role has that name. */
enum role role_named(struct slice name);

/* What a listening socket is for. */
enum service {
	SERVICE_MX,          /* SMTP from other hosts, RFC 5321 */
	SERVICE_SUBMISSION,  /* RFC 6409, STARTTLS */
	SERVICE_SUBMISSIONS, /* RFC 8314, TLS from the start */
	SERVICE_IMAP,
	SERVICE_IMAPS,
	SERVICE_POP3,
	SERVICE_POP3S,
	SERVICE_COUNT
};
const char *service_name(enum service service);

/* A file that master opens for a process that cannot. */
enum control_file {
	CONTROL_FILE_CERTIFICATE, /* PEM chain; to keys, which says which of them have a key */
	CONTROL_FILE_KEY,         /* PEM private key; to keys alone */
	CONTROL_FILE_OAUTH_SECRET,       /* to oauth alone */
	CONTROL_FILE_OAUTH_AUTHORITIES,  /* PEM; to oauth alone */
	CONTROL_FILE_CLIENT_AUTHORITIES, /* PEM; to those who speak TLS, and auth */
	CONTROL_FILE_TALLY,       /* counters that the smtpd processes share (tally.h) */
	CONTROL_FILE_COUNT
};

enum control_type {
	/* master to a process, in this order at its start */
	CONTROL_SETUP = 1, /* struct control_setup and the settings */
	CONTROL_PEER,      /* struct control_peer, one descriptor */
	CONTROL_LISTENER,  /* u8 service, one descriptor; without a descriptor: stop listening */
	CONTROL_FILE,      /* u8 kind, string name, one descriptor; without: it cannot be opened just now */
	CONTROL_RELOAD,    /* the settings */
	CONTROL_STOP,
	CONTROL_FILES_END, /* to keys: what came since the last one is all there is */
	CONTROL_CERTIFICATES, /* to those who speak TLS, as keys sent it; to keys that is started again, before the files */
	/* a process to master */
	CONTROL_READY = 32, /* started; for qmgr: the journal is replayed */
	CONTROL_SESSION,    /* auth asks for a session: struct control_session */
	CONTROL_PEER_LOST,  /* the channel to a peer has ended: u32 its number */
	CONTROL_CERTIFICATES_JUDGED, /* keys: u32 count, as many struct control_certificate, the default first */
	CONTROL_SESSION_IDLE, /* a session process has no connection left and would like to end: u32 connections it was given so far */
	CONTROL_CONNECT, /* call of policy: string path of a UNIX socket that the settings name.  Answer CONTROL_CONNECTED */
	CONTROL_CONNECTED, /* u32 0 and one descriptor: a stream, connected, non-blocking; or u32 errno and none */
	/* master to the front daemon and to session processes */
	CONTROL_SESSION_FORK = 64, /* to the session parent: struct control_session, two descriptors: the new process's control channel, and its channel to logger */
	CONTROL_SESSION_CONNECT,   /* to the session process: struct control_session, one descriptor: channel to the front daemon */
	CONTROL_SESSION_READY,     /* to the front daemon: struct control_session, one descriptor: channel to the session.  Without: refused for now */
	CONTROL_SESSION_END,       /* to the session process: you may end */
	/* an administrator's connection, from master to whom the command is for */
	CONTROL_CLIENT = 96, /* struct control_client, one descriptor: the connection */
	CONTROL_TRIAL /* to smtpd: u8 service, string address, one descriptor: the administrator wants to know what a client from there would hear */
};

/* How a process is to come into being. */
struct control_setup {
	uint32_t role;
	uint32_t instance;
	bool privileged;      /* started by root: change root and uid */
	uint32_t uid;         /* run as; 0 only where the table says root */
	uint32_t gid;
	char root[1024];      /* change root to; empty: stay */
	uint32_t files_limit; /* RLIMIT_NOFILE */
	struct slice settings; /* conf_encode()d; points into the message */
};

/*
 * A certificate, as keys judged it: only those with a chain are shown to clients,
 * and keys has the private key of each.
 */
struct control_certificate {
	struct slice file;    /* its path */
	struct slice names;   /* the DNS names in it, separated by blanks */
	uint64_t not_after;   /* seconds since 1970 */
	struct slice problem; /* why what the file holds now is not in force; empty: it is */
	struct slice chain;   /* PEM; empty: nothing to show */
};

struct control_peer {
	uint32_t role;
	uint32_t instance;
	uint32_t number; /* of the channel; 0: master does not want to hear of its end */
};

/*
 * A session that a client has logged in to.  auth makes it; nobody else may:
 * master takes CONTROL_SESSION from auth only.
 */
struct control_session {
	uint32_t service;      /* SERVICE_IMAP or SERVICE_POP3, whichever port the client came by */
	uint32_t instance;     /* of the front daemon */
	uint64_t connection;   /* the front daemon's own number for the client's connection */
	char account[321];     /* the account's address, canonical */
	char mailbox[1024];    /* its home, relative to the mail root */
};

/* What an administrator's or user's connection is for. */
enum control_request {
	CONTROL_REQUEST_STATUS = 1, /* answered by master */
	CONTROL_REQUEST_RELOAD,     /* answered by master */
	CONTROL_REQUEST_STOP,       /* answered by master */
	CONTROL_REQUEST_QUEUE,      /* goes to qmgr: see channel_admin.h */
	CONTROL_REQUEST_POLICY,     /* goes to policy: see channel_admin.h */
	CONTROL_REQUEST_SUBMIT      /* goes to an smtpd, which speaks SMTP on it; for any local user */
};

struct control_client {
	uint32_t request; /* enum control_request */
	uint32_t uid;     /* of the process at the other end, by the kernel's word */
	char user[65];    /* its login name, or its uid in decimal */
};

void control_setup_write(struct writer *w, const struct control_setup *setup);
bool control_setup_read(struct reader *r, struct control_setup *setup);
void control_certificate_write(struct writer *w, const struct control_certificate *certificate);
/* Its slices point into what is read.  One of several: the reader need not be at its end. */
bool control_certificate_read(struct reader *r, struct control_certificate *certificate);
void control_peer_write(struct writer *w, const struct control_peer *peer);
bool control_peer_read(struct reader *r, struct control_peer *peer);
void control_session_write(struct writer *w, const struct control_session *session);
bool control_session_read(struct reader *r, struct control_session *session);
void control_client_write(struct writer *w, const struct control_client *client);
bool control_client_read(struct reader *r, struct control_client *client);

#endif
