/*
 * limits.h - what a host says of how much it takes (LIMITS, RFC 9422).
 */
#ifndef PETREL_DELIVERY_SMTP_LIMITS_H
#define PETREL_DELIVERY_SMTP_LIMITS_H

#include "common/slice.h"

/* 0: it does not say. */
struct limits {
	uint32_t mails;      /* MAILMAX: messages in one session */
	uint32_t recipients; /* RCPTMAX: recipients of one message */
	uint32_t domains;    /* RCPTDOMAINMAX: different domains among them */
};

/*
 * What follows the keyword in the reply to EHLO: "RCPTMAX=100 MAILMAX=10".  Limits
 * with other names, or with values that are no numbers, are passed over; where the
 * whole is malformed or one comes twice nothing of it counts (RFC 9422, 3).
 */
struct limits limits_read(struct slice text);

#endif
