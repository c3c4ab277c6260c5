/*
 * parameters.h - what may stand behind the address in MAIL and RCPT.
 */
#ifndef PETREL_SMTPD_PARAMETERS_H
#define PETREL_SMTPD_PARAMETERS_H

#include "common/buf.h"
#include "common/channel_queue.h"
#include "smtpd/wishes.h"

struct session;

struct mail_parameters {
	enum envelope_body body;
	enum envelope_return ret;
	struct buf envid; /* decoded; empty: none */
	struct wishes wishes;
	uint64_t size;    /* as SIZE= says; 0: it does not */
	bool smtputf8;
};

struct mail_parameters mail_parameters_none(void);
void mail_parameters_free(struct mail_parameters *parameters);
/* False where they are refused; the reply was given then. */
bool mail_parameters_take(struct session *s, struct slice text, struct mail_parameters *out);

struct rcpt_parameters {
	uint8_t notify;      /* NOTIFY_* */
	struct buf original; /* type, semicolon, decoded address; empty: none */
};

/* A reply that is given when its turn comes. */
struct refusal {
	uint16_t code;
	const char *status;
	const char *text;
};

struct rcpt_parameters rcpt_parameters_none(void);
void rcpt_parameters_free(struct rcpt_parameters *parameters);
/*
 * NULL where they are taken.
 *
 * smtputf8  the message may have addresses that are not ASCII (RFC 6531)
 */
const struct refusal *rcpt_parameters_take(
    struct slice text, bool smtputf8, struct rcpt_parameters *out);

#endif
