/*
 * verdict.h - whether an SMTP session may go on: the one form in which anybody says so.
 *
 * Limits, access rules, lookup, DNS lists, greylisting, policy services and
 * milters all end in a verdict, so that the reply, the log line and
 * `petrel test session` can name what decided, whoever it was.
 */
#ifndef PETREL_COMMON_VERDICT_H
#define PETREL_COMMON_VERDICT_H

#include "common/codec.h"

/* Where a session is asked for a verdict. */
enum gate_stage {
	GATE_CONNECT, /* before the greeting */
	GATE_HELO,
	GATE_MAIL,
	GATE_RCPT,    /* for each recipient */
	GATE_DATA,    /* DATA, or a message's first BDAT */
	GATE_MESSAGE, /* the content is complete; before it is committed */
	GATE_STAGE_COUNT
};
/* "connect", "helo", "mail", "rcpt", "data", "message". */
const char *gate_stage_name(enum gate_stage stage);
/* False where no stage has that name. */
bool gate_stage_named(struct slice name, enum gate_stage *stage);

enum verdict_answer {
	VERDICT_NONE,       /* nothing to be said against it: ask on */
	VERDICT_ACCEPT,     /* it goes on, and nobody else is asked at this stage */
	VERDICT_HOLD,       /* it goes on, and the message will wait for the administrator */
	VERDICT_DISCARD,    /* it goes on, and the message will be thrown away behind a 250 */
	VERDICT_DEFER,      /* temporary failure */
	VERDICT_REFUSE,     /* permanent failure */
	VERDICT_DISCONNECT, /* a failure (by its code), and the connection ends */
	VERDICT_ANSWER_COUNT
};

enum { VERDICT_TEXT_MAX = 256, VERDICT_BY_MAX = 96 };

struct verdict {
	uint8_t answer;              /* enum verdict_answer */
	uint16_t code;               /* of the reply; 0: the usual one of the answer */
	char status[12];             /* enhanced status code: "5.7.1"; empty: the usual one */
	char text[VERDICT_TEXT_MAX]; /* of the reply; empty: the usual one */
	char by
	    [VERDICT_BY_MAX]; /* the rule or service that decided: "greylist", "inet:127.0.0.1:10023" */
};

/* Fill one in; texts that are too long are cut, and NULL is an empty one. */
struct verdict verdict_of(enum verdict_answer answer, unsigned code, const char *status,
    const char *text, const char *by);

/* The session may not do what it asked for. */
static inline bool verdict_is_against(const struct verdict *verdict)
{
	return verdict->answer >= VERDICT_DEFER;
}

/*
 * The code and the enhanced status of a verdict against the session.  They say
 * the same as the answer, whatever the verdict's own are: a DEFER is a 4xx.
 */
unsigned verdict_code(const struct verdict *verdict);
const char *verdict_status(const struct verdict *verdict);
const char *verdict_text(const struct verdict *verdict);

void verdict_write(struct writer *w, const struct verdict *verdict);
/* For records that go on behind it: ask reader_finished() at their end. */
void verdict_read(struct reader *r, struct verdict *verdict);

#endif
