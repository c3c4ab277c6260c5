/*
 * channel_delivery.h - how delivery agents pull work from qmgr.
 *
 * An agent says how many deliveries it has room for.  qmgr gives it jobs; each
 * uses up one slot.  A job's result gives the slot back, or, with `reuse`, asks
 * for the next job of the same site on the connection that is still open: qmgr
 * answers with a job for that site or, where there is none, with
 * DELIVERY_NO_MORE, and the slot is free again.
 *
 *   agent                    qmgr
 *   DELIVERY_WANT 20   ──▶
 *                      ◀──   DELIVERY_JOB (fd)
 *   DELIVERY_RESULT    ──▶          reuse = true
 *                      ◀──   DELIVERY_JOB same site, or DELIVERY_NO_MORE
 */
#ifndef PETREL_COMMON_CHANNEL_DELIVERY_H
#define PETREL_COMMON_CHANNEL_DELIVERY_H

#include "common/channel_queue.h"
#include "common/codec.h"
#include "common/id.h"

enum delivery_type {
	DELIVERY_WANT = 1,   /* agent: u32 more slots are free */
	DELIVERY_JOB,        /* qmgr: struct delivery_job, one descriptor: the content, read only */
	DELIVERY_RESULT,     /* agent: struct delivery_result */
	DELIVERY_NO_MORE,    /* qmgr: u64 number of the job whose result asked for reuse */
	DELIVERY_CHECKPOINT, /* qmgr calls delivery/maildir: flush the mail file system.  Answer DELIVERY_FLUSHED */
	DELIVERY_FLUSHED,    /* bool: true where all that was delivered before is on disk */
	DELIVERY_CANCEL      /* qmgr: u64 job: its result is not waited for any more; the agent drops the job and
	                        gives the slot back by a result without recipients */
};

enum {
	DELIVERY_RECIPIENTS_MAX = 1000, /* in one job */
	DELIVERY_TEXT_MAX = 2048,       /* of a diagnostic */
	DELIVERY_SITE_MAX = 512,
	DELIVERY_MAILBOX_MAX = 1023,    /* octets of a home's path */
	DELIVERY_REMOTE_MAX = 512,      /* of a result's remote and tls */
	DELIVERY_STATUS_MAX = 9         /* "5.123.456" */
};

struct delivery_recipient {
	uint32_t index;         /* the queue's number for it, echoed in the result */
	struct slice address;   /* to whom: RCPT TO, or the account's address for a mailbox */
	struct slice original;  /* ORCPT; empty: none */
	struct slice mailbox;   /* delivery/maildir: home relative to the mail root */
	struct slice envelope_address; /* the address as it was accepted: Delivered-To and X-Original-To */
	uint8_t notify;
};

struct delivery_job {
	uint64_t job;
	message_id id;
	uint64_t offset;        /* of the content in the descriptor */
	uint64_t size;          /* of the content, octets */
	uint64_t arrived_us;
	/*
	 * remote: "mx:example.net" (an A-label), "host:relay.example.net:587", "host:[192.0.2.1]:2525",
	 * "host:[IPv6:2001:db8::1]:25"; a host always comes with its port
	 */
	struct slice site;
	struct slice sender;
	struct slice prepend;   /* header fields to write in front of the content */
	struct slice envid;
	uint8_t body;           /* enum envelope_body */
	uint8_t ret;
	bool smtputf8;
	uint8_t tls;            /* enum envelope_tls */
	int8_t priority;
	bool redeliver;         /* after a crash: it may be there already, look first */
	uint32_t attempt;       /* 1 for the first */
	uint32_t recipient_count;
	struct delivery_recipient *recipients; /* allocated by delivery_job_read */
};

enum delivery_outcome {
	DELIVERY_DELIVERED,
	DELIVERY_DEFERRED, /* temporary: try again */
	DELIVERY_FAILED,   /* permanent: tell the sender */
	DELIVERY_OUTCOME_COUNT
};

struct delivery_recipient_result {
	uint32_t index;
	uint8_t outcome;       /* enum delivery_outcome */
	struct slice status;   /* enhanced status code "5.1.1" (RFC 3463), of the class that the outcome has */
	struct slice text;     /* what happened; for SMTP the other side's reply, "550 5.1.1 No such user" */
};

struct delivery_result {
	uint64_t job;
	bool reuse;            /* give me another for the same site */
	bool site_failed;      /* no host of the site could be reached: it says nothing about the message */
	bool passes_dsn;       /* the other side offers DSN: it reports successes from here on (RFC 3461, 5.2) */
	struct slice remote;   /* "mx1.example.net[192.0.2.1]:25"; empty for a mailbox */
	struct slice tls;      /* "TLSv1.3 TLS_AES_256_GCM_SHA384"; empty: in the clear */
	uint32_t count;
	struct delivery_recipient_result *recipients; /* allocated by delivery_result_read */
};

/*
 * The readers below are false where a message is malformed: counts, lengths and
 * numbers out of bounds, control characters in any text (see channel_queue.h),
 * octets left over.  Nothing is left allocated then.  Slices point into what
 * was decoded.
 */
void delivery_job_write(struct writer *w, const struct delivery_job *job);
bool delivery_job_read(struct reader *r, struct delivery_job *job);
void delivery_job_free(struct delivery_job *job);
void delivery_result_write(struct writer *w, const struct delivery_result *result);
bool delivery_result_read(struct reader *r, struct delivery_result *result);
void delivery_result_free(struct delivery_result *result);
/* "2.0.0": class 2, 4 or 5, then two numbers of at most three digits (RFC 3463, 2). */
bool delivery_status_is_valid(struct slice status);

#endif
