/*
 * channel_admin.h - the control socket: what `petrel` and master, qmgr say to each other.
 *
 * The control socket (directory.run/control) is an AF_UNIX SOCK_SEQPACKET socket
 * that speaks channel.h's protocol.  A client's first message says what it
 * wants; master looks at the peer's uid, answers what is its own, and hands the
 * connection to the process whose matter it is.  Anyone may submit mail; all
 * else is for root and for the user that the suite runs as.
 */
#ifndef PETREL_COMMON_CHANNEL_ADMIN_H
#define PETREL_COMMON_CHANNEL_ADMIN_H

#include <sys/un.h>

#include "common/channel_queue.h"
#include "common/codec.h"

/*
 * The control socket of the suite whose directory.run is `directory`.  A path that
 * is longer than an address can be is given by way of a descriptor of its
 * directory, which is to be closed after the bind or connect (-1: there is none).
 * False, with errno, where that directory cannot be opened.
 */
bool admin_address(const char *directory, struct sockaddr_un *address, int *opened);

enum admin_type {
	/* client to master: the first and only message that master reads */
	ADMIN_STATUS = 1, /* answer: ADMIN_PROCESS and ADMIN_CERTIFICATE for each, then ADMIN_DONE */
	ADMIN_RELOAD,     /* answer: ADMIN_DONE */
	ADMIN_STOP,       /* answer: ADMIN_DONE once all processes have ended */
	ADMIN_SUBMIT,     /* descriptor: a stream socket on which an smtpd will speak SMTP.  Answer: ADMIN_DONE */
	ADMIN_QUEUE,      /* answer ADMIN_GO from qmgr, which reads the commands below from then on */
	ADMIN_POLICY,     /* likewise from policy */

	ADMIN_TRIAL = 16, /* u8 service, string address; descriptor: a stream socket on which an smtpd will speak SMTP as with a client from there.  Answer: ADMIN_DONE */

	/* client to qmgr */
	ADMIN_QUEUE_LIST = 32, /* struct admin_filter; answer: ADMIN_QUEUE_ENTRY for each, then ADMIN_DONE */
	ADMIN_QUEUE_SHOW,      /* u64 id; answer: ADMIN_QUEUE_DETAIL, ADMIN_DONE */
	ADMIN_QUEUE_FLUSH,     /* struct admin_filter: try these now; answer: ADMIN_DONE */
	ADMIN_QUEUE_DELETE,    /* struct admin_filter; answer: ADMIN_DONE */
	ADMIN_QUEUE_HOLD,      /* struct admin_filter; answer: ADMIN_DONE */
	ADMIN_QUEUE_RELEASE,   /* struct admin_filter; answer: ADMIN_DONE */

	/* client to policy */
	ADMIN_GREYLIST_LIST = 48, /* answer: ADMIN_GREYLIST_NETWORK for each, then ADMIN_DONE */
	ADMIN_GREYLIST_ALLOW,     /* string network: it is spared for good; answer: ADMIN_DONE */
	ADMIN_GREYLIST_FORGET,    /* string network: nothing is known of it any more; answer: ADMIN_DONE */
	ADMIN_POLICY_LOOK,        /* struct admin_look; answer: ADMIN_POLICY_FACTS, ADMIN_DONE.  Changes nothing */

	/* answers */
	ADMIN_DONE = 64,    /* u8 exit status (sysexits.h), u64 how many were affected, string message for a person */
	ADMIN_PROCESS,      /* struct admin_process */
	ADMIN_GO,           /* empty: the commands, please */
	ADMIN_QUEUE_ENTRY,  /* struct admin_entry */
	ADMIN_QUEUE_DETAIL, /* slice: the message's header and envelope as text for a person */
	ADMIN_CERTIFICATE,  /* struct admin_certificate */
	ADMIN_GREYLIST_NETWORK, /* struct admin_network */
	ADMIN_POLICY_FACTS      /* struct admin_facts */
};

/* Which messages; empty fields and zero: all. */
struct admin_filter {
	uint64_t id;
	struct slice sender;    /* whole address, or @domain */
	struct slice recipient; /* likewise */
	struct slice site;
};

struct admin_process {
	char name[32];
	uint32_t instance;
	uint32_t pid;       /* 0: waiting to be started again */
	uint64_t started_us; /* wall time */
	uint32_t restarts;
	char user[33];
	char root[1024];
};

struct admin_certificate {
	struct slice file;
	struct slice names;   /* separated by blanks */
	struct slice problem; /* why what the file holds now is not in force; empty: it is */
	uint64_t not_after;   /* of what is shown; seconds since 1970 */
	bool is_shown;        /* to clients; with a problem: what the file held before */
};

/* A network that the greylist knows. */
struct admin_network {
	char network[64]; /* "192.0.2.0/24" */
	uint32_t successes;
	uint64_t last_s;  /* wall time */
	bool is_allowed;  /* it is spared */
	bool is_by_hand;  /* because an administrator said so */
};

/* What would policy know of a client, if it came now with this recipient? */
struct admin_look {
	char address[64];       /* of the client, as text */
	struct slice sender;    /* empty: the null sender */
	struct slice recipient; /* empty: only the score is wanted */
};

enum admin_grey {
	ADMIN_GREY_OFF,     /* it is not asked about such a client */
	ADMIN_GREY_NEW,     /* it would be told to come again */
	ADMIN_GREY_EARLY,   /* likewise: it has come before, too early */
	ADMIN_GREY_PASSES,  /* it has come, and waited as told */
	ADMIN_GREY_ALLOWED, /* its network is spared */
	ADMIN_GREY_COUNT
};

struct admin_facts {
	int32_t score;       /* in DNS lists */
	struct slice listed; /* in their words; empty: it is not listed */
	uint8_t grey;        /* enum admin_grey */
	uint64_t wait_s;     /* NEW, EARLY */
};

struct admin_entry_recipient {
	struct slice address;
	struct slice reason; /* of the last deferral; empty: none yet */
};

/* A message in the queue. */
struct admin_entry {
	uint64_t id;
	uint64_t size;
	uint64_t arrived_us;
	uint64_t next_attempt_us; /* 0: now, or being delivered */
	uint32_t attempts;
	uint8_t state;            /* enum admin_state */
	uint8_t tls;              /* enum envelope_tls */
	int8_t priority;
	uint64_t release_us;      /* SCHEDULED: until then */
	struct slice hold;        /* why it was held when it arrived; empty: it was not */
	struct slice sender;
	uint32_t recipient_count; /* those that are still to be delivered to */
	struct admin_entry_recipient *recipients; /* allocated by admin_entry_read */
};

enum admin_state {
	ADMIN_ACTIVE,
	ADMIN_DEFERRED,
	ADMIN_HELD,
	ADMIN_SCHEDULED, /* its sender wants it to leave later */
	ADMIN_STATE_COUNT
};

void admin_filter_write(struct writer *w, const struct admin_filter *filter);
bool admin_filter_read(struct reader *r, struct admin_filter *filter);
void admin_process_write(struct writer *w, const struct admin_process *process);
bool admin_process_read(struct reader *r, struct admin_process *process);
void admin_certificate_write(struct writer *w, const struct admin_certificate *certificate);
bool admin_certificate_read(struct reader *r, struct admin_certificate *certificate);
void admin_network_write(struct writer *w, const struct admin_network *network);
bool admin_network_read(struct reader *r, struct admin_network *network);
void admin_look_write(struct writer *w, const struct admin_look *look);
bool admin_look_read(struct reader *r, struct admin_look *look);
void admin_facts_write(struct writer *w, const struct admin_facts *facts);
bool admin_facts_read(struct reader *r, struct admin_facts *facts);
void admin_entry_write(struct writer *w, const struct admin_entry *entry);
bool admin_entry_read(struct reader *r, struct admin_entry *entry);
void admin_entry_free(struct admin_entry *entry);

#endif
