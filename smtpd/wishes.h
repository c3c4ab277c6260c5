/*
 * wishes.h - what a client wants of a message's further way.
 *
 * Three extensions of MAIL: that it leave later (FUTURERELEASE, RFC 4865), before
 * or after others (MT-PRIORITY, RFC 6710), and over verified TLS or not at all
 * (REQUIRETLS, RFC 8689).  The queue and the delivery agents act on them.
 */
#ifndef PETREL_SMTPD_WISHES_H
#define PETREL_SMTPD_WISHES_H

#include "common/channel_queue.h"

struct esmtp_parameter;
struct session;
struct transaction;

struct wishes {
	uint64_t release_us; /* wall time; 0: none */
	int8_t priority;     /* as it is granted */
	bool is_lowered;     /* the client wanted a higher one */
	uint8_t tls;         /* enum envelope_tls */
};

/* The lines of the reply to EHLO, but for the last one. */
void wishes_offer(struct session *s);

enum wish { WISH_UNKNOWN, WISH_TAKEN, WISH_REFUSED };

/* One parameter of MAIL; WISH_REFUSED: the reply was given, WISH_UNKNOWN: it is none of these. */
enum wish wishes_take(
    struct session *s, const struct esmtp_parameter *parameter, struct wishes *wishes);

/* From now on they are the transaction's. */
void wishes_grant(const struct wishes *wishes, struct transaction *transaction);
/* 250 to MAIL, which says where a wish was not granted in full. */
void wishes_reply(struct session *s);

#endif
