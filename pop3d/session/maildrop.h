/*
 * maildrop.h - a client of POP3 after login: RFC 1939's TRANSACTION state.
 *
 * The maildrop is a view of INBOX taken at login.  It stays as it is: messages that
 * arrive later wait for the next login, and one that another program expunges
 * meanwhile keeps its number but cannot be read any more.  Several clients may have
 * the maildrop at once, each with a view of its own.
 *
 * Nothing but QUIT deletes.  Whatever else ends the connection leaves every message
 * where it is.
 */
#ifndef PETREL_POP3D_SESSION_MAILDROP_H
#define PETREL_POP3D_SESSION_MAILDROP_H

#include "common/buf.h"
#include "common/session.h"
#include "pop3d/session/multiline.h"
#include "store/store.h"

struct event;

enum {
	MAILDROP_LINE_MAX = 1024, /* octets of a command; RFC 2449 asks for 255 */
	MAILDROP_INPUT_MAX =
	    4 << 20, /* octets that wait while a long answer is sent: one message of the channel */
	MAILDROP_OUTPUT_MAX = 64 * 1024, /* octets made at once */
	MAILDROP_BAD_MAX = 50,           /* malformed commands before the client is sent away */
};

/* A long answer under way. */
enum maildrop_answer {
	ANSWER_NONE,
	ANSWER_MESSAGE, /* RETR and TOP */
	ANSWER_LIST,
	ANSWER_UIDL,
};

struct maildrop {
	struct session *session;
	struct store_view *view; /* NULL: the maildrop could not be opened */
	bool *is_deleted;        /* by sequence number - 1 */
	uint32_t deleted;
	struct event *idle;
	struct buf input;
	bool is_over;    /* session_end was called */
	bool is_running; /* within maildrop_run: it is not entered twice */
	uint32_t commands;
	unsigned bad_commands;

	enum maildrop_answer answer;
	uint32_t next; /* ANSWER_LIST, ANSWER_UIDL: the next sequence number */
	struct store_content *content;
	uint64_t offset; /* ANSWER_MESSAGE: octets of the content given */
	struct multiline multiline;
};

extern const struct session_protocol pop3_session;

/* session.c: send a line, CRLF added. */
void maildrop_reply(struct maildrop *drop, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Log why the store failed, and tell the client that it did. */
void maildrop_failed(struct maildrop *drop, enum store_error error);
/* Say no more; the front closes the connection once all is sent. */
void maildrop_end(struct maildrop *drop);
/* answers.c: go on with a long answer as far as the channel takes it; true when it is whole. */
bool maildrop_go_on(struct maildrop *drop);
/* Give up a long answer. */
void maildrop_drop_answer(struct maildrop *drop);

/* commands.c: one line, without its end. */
void maildrop_command(struct maildrop *drop, struct slice line);

#endif
