/*
 * fake_house.h - a session without the rest of the suite.
 *
 * The session runs in this process, on one end of a socket pair; the test is the
 * client at the other end, and lookup, auth and qmgr are a few lines of C here.
 * Answers come in the next turn of the loop, or when the test says so.
 */
#ifndef PETREL_TESTS_FAKE_HOUSE_H
#define PETREL_TESTS_FAKE_HOUSE_H

#include <event2/event.h>

#include "common/buf.h"
#include "common/conf.h"
#include "common/log.h"
#include "smtpd/session.h"

enum { FAKE_COMMITS_MAX = 64, FAKE_RECIPIENTS_SEEN = 4, FAKE_QUESTIONS_MAX = 4096 };
enum { FAKE_ROOM = 40 * 1024 * 1024 }; /* octets on the fake disk */

/* A message that the fake qmgr was given. */
struct fake_commit {
	char content[65536];
	uint64_t size;
	char sender[512];
	char recipients[4096]; /* separated by blanks */
	char prepend[8192];
	char login[512];
	char client[512];
	uint8_t body;
	uint8_t ret;
	bool smtputf8;
	uint8_t tls;
	int8_t priority;
	uint64_t release_us;
	char hold[1025];
	char envid[1024];
	/* of the first recipients */
	uint8_t notify[FAKE_RECIPIENTS_SEEN];
	char original[FAKE_RECIPIENTS_SEEN][1024];
};

struct fake_house {
	struct event_base *base;
	struct conf *conf;
	int client; /* the test's end of the connection */
	bool session_is_open;
	struct buf said; /* by the server, since the last look */

	/* how the house behaves */
	bool holds_answers; /* until fake_answer() */
	bool lookup_is_away;
	bool allowance_is_used_up;
	bool auth_is_away;
	bool policy_is_away;
	int32_t score; /* that policy says of the client */
	struct verdict connect_verdict;
	bool queue_is_away;
	bool is_congested;
	bool loses_answers;
	bool has_no_file;
	const char *name; /* the client's, in the DNS */
	bool name_fails;
	struct lookup_lists lists; /* what the rules' tables hold */
	struct tls_server *tls;
	enum queue_verdict verdict;
	int file_to_give; /* instead of a memory file; -1: none */

	/* what happened */
	unsigned recipients_asked;
	unsigned recipients_open; /* asked and not answered */
	unsigned senders_asked;
	unsigned messages_counted; /* against a user's allowance */
	unsigned recipients_counted;
	unsigned names_asked;
	unsigned lists_asked;
	unsigned policy_asked[GATE_STAGE_COUNT];
	unsigned policy_ended;
	uint64_t policy_size; /* as it was told last */
	unsigned aborted;
	unsigned withdrawn;
	unsigned conversations_open; /* of SCRAM, neither ended nor cancelled */
	unsigned commits_count;
	struct fake_commit commits[FAKE_COMMITS_MAX];
	uint64_t last_id;
};

extern struct fake_house fake;

/* A house at its defaults, with hostname hamburger.edu; nobody is connected. */
void fake_open(void);
/* Extra lines of petrel.conf. */
void fake_set(const char *lines);
/* A client connects; what the server says first waits in `said`. */
void fake_connect(enum service service, const char *address);
/* A user of this host is handed over. */
void fake_connect_user(uint32_t uid, const char *user);
void fake_close(void);

/* Let everybody do what they can. */
void fake_run(void);
/* Send, run, and give what the server said since, NUL-terminated. */
const char *fake_say(const char *text);
const char *fake_send(const void *octets, size_t len);
/* What the server said since. */
const char *fake_heard(void);
/* Answer `count` questions that are held, the newest first where `backwards`. */
void fake_answer(unsigned count, bool backwards);
/* The client sends no more. */
void fake_end_input(void);
/* The server has closed the connection. */
bool fake_is_closed(void);
#endif
