/*
 * connection.h - one connection of a client, after login.
 *
 * A connection takes one command at a time out of its input, in order, and is in
 * one of these phases:
 *
 *   READY      wants the next command
 *   APPENDING  in the middle of an APPEND whose message is on its way into the store
 *   IDLING     in IDLE: tells of changes as they come, until the client says DONE
 *   WORKING    a command that takes long or says much goes on, step by step
 *   ANNOUNCING the command is done; what changed meanwhile is told, then its tagged reply
 *   ENDED      everything is said
 *
 * A step stops where the client does not take our output or the turn has lasted
 * too long; the loop goes on with the user's other connections and comes back.
 * So memory stays bounded whatever a command asks for, and a SEARCH through all
 * bodies does not keep another connection waiting.
 */
#ifndef PETREL_IMAPD_SESSION_CONNECTION_H
#define PETREL_IMAPD_SESSION_CONNECTION_H

#include <event2/event.h>

#include "common/session.h"
#include "imapd/gather.h"
#include "imapd/syntax.h"
#include "message/arena.h"
#include "store/store.h"

enum {
	CONNECTION_ARENA_MAX = 8 * 1024 * 1024, /* octets for one command's parsed arguments */
	CONNECTION_INPUT_MAX = 128 * 1024, /* octets of input at which the client has to wait */
	CONNECTION_BAD_MAX = 50,           /* malformed commands before the client is sent away */
	CONNECTION_TURN_MS = 20,           /* how long one connection may keep the others waiting */
	CONNECTION_LOOK_SECONDS =
	    60, /* how often an idling one looks for what other programs changed */
};

enum phase {
	PHASE_READY,
	PHASE_APPENDING,
	PHASE_IDLING,
	PHASE_WORKING,
	PHASE_ANNOUNCING,
	PHASE_ENDED,
};

enum step {
	STEP_DONE,
	STEP_MORE, /* call again, in this turn or another */
};

#define FAREWELL_STALE   "[UNAVAILABLE] The selected mailbox is no longer there"
#define FAREWELL_CORRUPT "[CORRUPTION] The index has to be made anew; please log in again"

struct connection;
struct command;
struct appending;
struct message_reading;

/* A command that takes more than one step. */
struct work {
	enum step (*step)(struct connection *c, void *state);
	void (*drop)(void *state); /* frees the state, when done or when the connection ends */
	void *state;
};

/* What store_view_update reported, and how far the client has been told. */
struct announcement {
	bool active;
	bool new_told;
	struct store_changes changes;
	size_t expunged_at, flagged_at;
};

struct connection {
	struct session *session;
	struct evbuffer *in;
	struct buf out;        /* gathered for one message to the front */
	struct event *timeout; /* the client is silent for too long */
	struct event *again;   /* another turn; in IDLE, a look at the mailbox */
	bool input_held;
	bool mid_line; /* in the middle of a response: nothing else can be said */

	struct store_view *view; /* the selected mailbox */
	struct message_reading *reading;
	struct sequence saved; /* UIDs that a search has saved (RFC 5182), resolved; to be freed */

	enum phase phase;
	struct gather gather;
	struct arena arena; /* what the command in hand has parsed */
	char tag[SYNTAX_TAG_MAX + 1];
	const struct command *command;
	bool by_uid; /* UID FETCH and its like */
	struct work work;
	struct appending *appending;
	const char *refusal; /* the reply once the octets of a refused literal are thrown away */
	struct announcement announcement;
	bool look;            /* in IDLE: something may have changed */
	struct buf reply;     /* the tagged reply, sent last */
	const char *farewell; /* and then a BYE with this text */

	uint32_t commands;
	unsigned bad_commands;
};

extern const struct session_protocol imap_protocol;

/* ---- output -------------------------------------------------------------- */

void say(struct connection *c, struct slice octets);
void say_string(struct connection *c, const char *text);
void say_format(struct connection *c, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* The client does not take what was said: no more for now. */
bool is_congested(const struct connection *c);
/* Send what was gathered. */
void say_now(struct connection *c);

/* ---- the end of a command ------------------------------------------------ */

/*
 * Exactly one of these ends a command (or begin_work, at whose end one of these
 * comes).  The tagged reply is sent after changes have been announced.
 */
void reply_ok(struct connection *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void reply_no(struct connection *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
void reply_bad(struct connection *c, const char *format, ...) __attribute__((format(printf, 2, 3)));
/*
 * NO for an error of the store, with a response code (RFC 5530); what is worth it
 * goes to the log.  A view or index that is worthless ends the connection.
 */
void reply_store_error(struct connection *c, enum store_error error);
/* The index makes no sense: all connections end, and the next finds a new one. */
void give_up_index(void);
/* The text of such a NO. */
const char *store_error_response(enum store_error error);
/* A line in the log for what is not the client's doing. */
void log_store_error(enum store_error error);

void begin_work(struct connection *c, enum step (*step)(struct connection *, void *),
    void (*drop)(void *), void *state);

/* "* BYE text", and the end of the connection. */
void say_goodbye(struct connection *c, const char *text);
/* The end, once what was said is sent. */
void end_connection(struct connection *c);
/* The end without another word: in the middle of a literal nothing else can be said. */
void cut_off(struct connection *c);

/* ---- the user's mailboxes ------------------------------------------------ */

struct store *user_store(void);
/* This connection changed something: the others that idle have a look. */
void tell_others(struct connection *c);
/* What a search has saved from now on; its ranges are taken over. */
void save_result(struct connection *c, struct sequence result);
/* Close the selected mailbox, if there is one. */
void leave_mailbox(struct connection *c);

/* ---- between the files of this folder ------------------------------------ */

/* commands.c */
void run_command(struct connection *c);
/* append.c: a literal was announced in a command that is an APPEND; false: it is not the message. */
bool append_literal(struct connection *c);
/* Take input in PHASE_APPENDING; false: more is needed. */
bool append_input(struct connection *c);
void append_drop(struct connection *c);
/* announce.c */
void begin_announcement(struct connection *c, unsigned update_flags);
enum step announce_step(struct connection *c);
void say_flags(struct connection *c, const struct store_message *message);
void say_known_flags(struct connection *c);
/* idle.c */
bool idle_input(struct connection *c);

#endif
