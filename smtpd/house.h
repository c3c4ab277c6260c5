/*
 * house.h - what an SMTP session asks of the rest of the house.
 *
 * A session decides nothing about recipients, passwords and storage: it asks.
 * Here are all its questions.  In the daemon they are calls over channels
 * (peers.c); in tests and in the fuzzer they are answered by a few lines of C.
 *
 * Each question that was put (the function returned true) gets exactly one
 * answer, later, from the event loop and never within the call, unless it is
 * withdrawn.  An answer of NULL says that it was lost: whoever was asked died,
 * or was silent for too long.  False says that nobody is there to be asked; both
 * are a temporary failure to the client.
 */
#ifndef PETREL_SMTPD_HOUSE_H
#define PETREL_SMTPD_HOUSE_H

#include <sys/queue.h>
#include <sys/socket.h>

#include "access/rules.h"
#include "common/channel_auth.h"
#include "common/channel_filter.h"
#include "common/channel_lookup.h"
#include "common/channel_policy.h"
#include "common/channel_queue.h"
#include "common/id.h"
#include "smtpd/client.h"

struct channel;
struct tls_server;

/* A file of the spool that one message's content goes into. */
struct spool_file {
	message_id id;
	int descriptor;      /* -1: none */
	unsigned generation; /* which life of qmgr it belongs to */
};

static const struct spool_file no_spool_file = {0, -1, 0};

/* A question that is under way, or none.  Lives in whoever asks; {0} at first. */
struct question {
	bool is_open;
	void *asker; /* handed to `answered` */
	union {
		/* house.recipient, house.sender; NULL: lost */
		void (*verdict)(void *asker, const struct lookup_verdict *verdict);
		/* house.lists; NULL: lost */
		void (*lists)(void *asker, const struct lookup_lists *lists);
		/* house.login; NULL: lost */
		void (*login)(void *asker, const struct auth_result *result);
		/* house.name: empty where the client has no name, or (not is_certain) nobody can say now */
		void (*name)(void *asker, struct slice name, bool is_certain);
		/* house.policy; NULL: lost */
		void (*policy)(void *asker, const struct policy_answer *answer);
		/* house.file: the asker's now; NULL: `full` says whether qmgr has no room, or is away */
		void (*file)(void *asker, const struct spool_file *file, bool full);
		/* house.read: the asker's now; -1: it cannot be read, or the answer was lost */
		void (*readable)(void *asker, int descriptor);
		/* house.filter; NULL: lost */
		void (*filtered)(void *asker, const struct filter_answer *answer);
		/* house.commit; QUEUE_FAILED where the answer was lost */
		void (*committed)(void *asker, enum queue_verdict verdict);
	} answered;

	/* for those who answer */
	struct channel *channel;
	uint32_t request;
	TAILQ_ENTRY(question) waiting;
};

enum house_file { HOUSE_FILE_GIVEN, HOUSE_FILE_ASKED, HOUSE_FILE_NONE };

struct house {
	/*
	 * Is this a recipient?  may_relay: the client may send to other hosts.  Where
	 * `login` is not empty, and the answer is yes, it is one more of that user's.
	 */
	bool (*recipient)(struct question *question, struct slice address, bool may_relay, struct slice login);
	/* May this login send as that address?  begins_message: then it is one more of that user's. */
	bool (*sender)(struct question *question, struct slice login, struct slice address, bool begins_message);
	/* Which of the rules' tables hold what the facts say? */
	bool (*lists)(struct question *question, const struct access_rules *rules,
	    const struct access_facts *facts);
	/* Who is the client?  The slices in what is asked are the caller's to wipe. */
	bool (*login)(struct question *question, const struct auth_question *asked);
	/* The session's conversation with auth, if there is one, is over. */
	void (*cancel)(uint64_t session);
	/* What is the client's host called? */
	bool (*name)(struct question *question, const struct client *client);
	/* May the session go on?  Asked by gate.c alone, and only where the settings want it. */
	bool (*policy)(struct question *question, const struct policy_question *asked);
	/* A session that policy was asked about is over. */
	void (*policy_ended)(uint64_t session);
	/* A file for a message: given at once where one is open already. */
	enum house_file (*file)(struct question *question, struct spool_file *file);
	/* Somebody else is to read what was written to a file. */
	bool (*read)(struct question *question, const struct spool_file *file);
	/*
	 * Show a message to the milters.  Both descriptors are taken over, whatever is
	 * returned: `content` to read from, `target` to write to.
	 */
	bool (*filter)(struct question *question, const struct filter_question *asked, int content,
	    int target);
	/* The content of `other` takes the place of that of `file`; `other` is no more. */
	void (*replace)(const struct spool_file *file, struct spool_file *other);
	/* Store it: the descriptor is taken over, whatever is returned. */
	bool (*commit)(struct question *question, struct spool_file *file, uint64_t size,
	    const struct envelope *envelope);
	/* Give a file back that is not committed; is_untouched: nothing was written to it. */
	void (*abort)(struct spool_file *file, bool is_untouched);
	/* No answer is wanted any more. */
	void (*withdraw)(struct question *question);

	/* The spool's disk has room for a message of that size, as far as is known. */
	bool (*has_room)(uint64_t size);
	/* There is somebody who can store a message. */
	bool (*queue_is_open)(void);
	/* Those who answer are behind: take no new work.  sessions_resume() says when that is over. */
	bool (*is_congested)(void);
	/* What we show under TLS; NULL: no certificate. */
	struct tls_server *(*tls)(void);
	/* A session has ended; its client is counted no more. */
	void (*ended)(const struct client *client);
};

#endif
