/*
 * session.h - one client's SMTP session (RFC 5321).
 *
 * A session reads commands from its stream and answers them in order.  Where a
 * command needs an answer from another process the session goes on with nothing
 * but further RCPT commands: a client that pipelines many recipients has them
 * all asked for at once, and gets the replies in the order of its commands, in
 * one write.
 *
 * This header is smtpd's own: main.c makes sessions, session.c drives them,
 * commands.c and its kin say what each command does.
 */
#ifndef PETREL_SMTPD_SESSION_H
#define PETREL_SMTPD_SESSION_H

#include <sys/queue.h>

#include "common/buf.h"
#include "common/channel_control.h"
#include "common/stream.h"
#include "smtpd/client.h"
#include "smtpd/gate.h"
#include "smtpd/house.h"
#include "smtpd/transaction.h"

enum {
	SESSION_LINE_MAX = 512,        /* octets of a command with its CRLF (RFC 5321, 4.5.3.1.4) */
	SESSION_PATH_LINE_MAX = 1280,  /* of MAIL and RCPT, which extensions lengthen */
	SESSION_AUTH_LINE_MAX = 12288, /* in the exchange of AUTH (RFC 4954, 4) */
	SESSION_RECIPIENTS_ASKED =
	    100, /* recipients of one session that lookup is asked about at once */
	SESSION_COMMAND_INPUT = 16384,  /* octets of input held while commands are read */
	SESSION_CONTENT_INPUT = 131072, /* and while a message is */
	SESSION_HELD_MAX = 131072, /* octets of replies that wait for their batch to be complete */
	SESSION_HELD_WANTED = 16384,   /* and at which they wait no longer */
	SESSION_HANDSHAKE_SECONDS = 30 /* a TLS handshake */
};

/* What the next octets from the client are. */
enum session_phase {
	PHASE_GREETING, /* nothing: it has to wait for us */
	PHASE_COMMAND,
	PHASE_AUTH,    /* a response in the exchange of AUTH */
	PHASE_CONTENT, /* a message */
	PHASE_CHUNK,   /* a part of one (BDAT) */
	PHASE_CLOSING  /* nothing that is looked at */
};

struct sasl;

/* Why a chunk is thrown away: the replies are in chunk.c. */
enum chunk_refusal {
	CHUNK_TAKEN,
	CHUNK_UNGREETED,
	CHUNK_WITHOUT_SENDER,
	CHUNK_WITHOUT_RECIPIENTS,
	CHUNK_TOO_LARGE,
	CHUNK_WITHOUT_SPACE,
	CHUNK_WITHOUT_FILE,
	CHUNK_AGAINST_THE_GATE
};

/* The chunk that is being read. */
struct chunk {
	uint64_t size;
	uint64_t left; /* of its octets, to come */
	bool is_last;
	uint8_t refusal; /* enum chunk_refusal */
	struct verdict *against; /* CHUNK_AGAINST_THE_GATE: allocated; else NULL */
};

/* How fast a message comes: smtp.data-rate. */
struct pace {
	uint64_t since_us; /* when the window began; 0: it has not */
	uint64_t octets;   /* taken since */
};

/* A RCPT command whose reply has not been given yet. */
struct session_recipient {
	TAILQ_ENTRY(session_recipient) entry;
	struct session *session;
	struct question question;
	bool is_answered;
	bool lists_are_known;
	struct lookup_lists lists;
	bool asks_policy;       /* after lookup */
	bool is_gates;          /* the verdict is of the gate, and not of lookup or a limit */
	struct verdict verdict; /* once it is answered; before: what the gate's checks said */
	char *fields;           /* header fields that policy wants in front of the message */
	struct envelope_recipient accepted; /* if it is; points into `texts` */
	char texts[];
};

TAILQ_HEAD(session_recipients, session_recipient);

struct session {
	TAILQ_ENTRY(session) entry;
	struct stream *stream;
	const struct house *house;
	struct client client; /* whom the session is with */
	struct client peer;   /* who has connected; not the same after XCLIENT */
	enum service service;

	uint8_t phase;          /* enum session_phase */
	bool is_blocked;        /* no command is taken before an answer has come */
	bool has_greeted;       /* HELO or EHLO was said */
	bool is_extended;       /* EHLO was */
	uint8_t name_state;     /* enum access_name; without meaning where there is a client_name */
	bool is_pipelining;     /* it has sent commands ahead where that is not allowed */
	bool has_waited;        /* for its greeting */
	bool is_delayed;        /* its replies are held back; see delay.h */
	uint16_t next_delay;    /* seconds; of the next reply */
	uint16_t delay_of_all;  /* and of every one */
	bool is_local;          /* a user of this host, by way of master */
	bool input_ended;       /* the client will send no more */
	bool skips_line;        /* the rest of a line that was too long is thrown away */
	bool is_submission;     /* TLS and AUTH before MAIL */
	uint64_t number;        /* of this session in this process, for auth's log */
	struct event *timer;    /* the client's silence */
	uint32_t unknown_recipients; /* that it has tried since the last message that was taken */
	uint32_t unanswered_recipients; /* that it has tried since it is not told any more */
	uint32_t errors;        /* refused commands since the last message that was taken */
	uint32_t message_count; /* messages taken */
	uint32_t transaction_count; /* messages begun */

	char *helo;        /* what HELO or EHLO said */
	const char *mechanism; /* by which `login` was authenticated, or tried to be; NULL: by none */
	char *login;       /* the account that is authenticated, canonical */
	char *client_name; /* as the DNS has it */

	struct question question; /* whatever makes is_blocked true, but for the commit */
	struct question name_question;
	struct gate gate;
	struct session_recipients
	    recipients; /* whose replies are outstanding, in the order of the commands */
	unsigned recipient_count;
	struct transaction *transaction;
	struct chunk chunk;
	struct pace pace;
	struct sasl *sasl;
	struct buf held; /* replies that have not been given to the stream */
};

/* --- for main.c -------------------------------------------------------------- */

/*
 * Begin a session on a connected socket, which is taken over, and greet.  For a
 * client of family AF_UNIX it is a user of this host, authenticated already.
 * False where memory is short: the socket is closed and house->ended not called.
 */
bool session_begin(struct event_base *base, int socket, enum service service,
    const struct client *client, const struct house *house);

/* The sessions there are. */
unsigned sessions_count(void);
/* Those who answer have caught up (see house.is_congested). */
void sessions_resume(void);
/*
 * End all sessions in order: 421 for who may be told, nothing for who is in the
 * middle of a message, the outstanding answer and then 421 for who waits for the
 * reply to one.  house->ended is called for each as it goes.
 */
void sessions_stop(void);

/* --- for the commands ---------------------------------------------------------- */

/* Forget the mail transaction: what RSET does. */
void session_reset(struct session *s);
/* Forget everything that was said, as after STARTTLS (RFC 3207, 4.2). */
void session_forget(struct session *s);
/* Say 220, as to a client that has just come, once the gate has nothing against it. */
void session_greet(struct session *s);
/* No command is taken until session_unblock(). */
void session_block(struct session *s);
/* Go on; to be called at the end of every answer to a question. */
void session_unblock(struct session *s);
/* Say 221 or 421 with reply() first: what is sent leaves, and the session ends. */
void session_close(struct session *s);
/* The same, where the client has said QUIT. */
void session_part(struct session *s);
/* What the client sends next, and so how much of it is held and how long it may be waited for. */
void session_expect(struct session *s, enum session_phase phase);
/* Shake hands, as a server that users log in to; false where memory is short. */
bool session_start_tls(struct session *s, struct tls_server *tls);
/* May AUTH be used as things are? */
bool session_may_authenticate(const struct session *s);
bool session_is_secured(const struct session *s);
/* "host[192.0.2.1]", as logs and envelopes name the client. */
enum { SESSION_CLIENT_MAX = 400 };
void session_client(const struct session *s, char text[SESSION_CLIENT_MAX]);

#endif
