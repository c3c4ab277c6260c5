/*
 * rules.h - access rules: who may send what to whom.
 *
 *     access {
 *         accept  client 192.0.2.0/24 from *@example.net
 *         refuse  helo localhost *.invalid         say "You are not me"
 *         defer   client unknown
 *         refuse  from <badsenders>
 *     }
 *
 * A rule is an action, conditions that must all be true, and perhaps a text for
 * the client.  For each recipient the rules are read from the top to the bottom,
 * and the first one that matches decides; tarpit and note go on to the next.
 *
 * Everything here is pure: facts go in, a verdict comes out.  Facts that are not
 * known yet make a condition neither true nor false, and then the verdict says
 * what is missing.  So a rule that is certain early can be found early, and it is
 * always the one that would decide at the end.
 */
#ifndef PETREL_ACCESS_RULES_H
#define PETREL_ACCESS_RULES_H

#include "common/buf.h"
#include "common/channel_control.h"
#include "common/conf.h"
#include "common/network.h"
#include "common/slice.h"

enum {
	ACCESS_TABLES_MAX =
	    32, /* tables in all rules, counted once for each thing looked up in them */
	ACCESS_TEXT_MAX = 256, /* octets of a reply's text */
	ACCESS_KEYS_MAX =
	    160, /* keys that one thing is looked up by: as many as labels fit into a name */
	ACCESS_TARPIT_SECONDS = 120 /* the longest delay */
};

enum access_action {
	ACCESS_NO_RULE, /* none matched: mail is taken as if there were no rules */
	ACCESS_ACCEPT,
	ACCESS_REFUSE,
	ACCESS_DEFER,
	ACCESS_DISCONNECT,
	ACCESS_HOLD,    /* take it and keep it until somebody has looked at it */
	ACCESS_DISCARD, /* say that it was taken, and throw it away */
	ACCESS_TARPIT,  /* slow the client down; goes on */
	ACCESS_NOTE,    /* say it in the log; goes on */
	ACCESS_ACTION_COUNT
};

/* How far a session is. */
enum access_stage { ACCESS_CONNECT, ACCESS_HELO, ACCESS_MAIL, ACCESS_RCPT };

/* The client's name, as the DNS has it in both directions. */
enum access_name {
	ACCESS_NAME_PENDING, /* the DNS has not answered yet */
	ACCESS_NAME_NONE,
	ACCESS_NAME_KNOWN,
	ACCESS_NAME_FAILED /* the DNS cannot say now */
};

/* What there is to look up in tables. */
enum access_subject {
	ACCESS_SUBJECT_CLIENT, /* address and name */
	ACCESS_SUBJECT_HELO,
	ACCESS_SUBJECT_FROM,
	ACCESS_SUBJECT_TO,
	ACCESS_SUBJECT_LOGIN,
	ACCESS_SUBJECT_COUNT
};

/* A table, and what is to be looked up in it. */
struct access_table {
	char *name;
	uint8_t subject; /* enum access_subject */
};

struct access_facts {
	enum access_stage stage;
	enum service service;
	struct host_address client; /* family 0: unknown */
	enum access_name name_state;
	struct slice name;
	bool is_early;         /* it talked before it was greeted */
	bool is_pipelining;    /* it sent commands ahead before it was allowed to */
	bool is_secured;       /* TLS */
	int64_t score;         /* what DNS lists say of the client, weighted; from HELO on */
	struct slice login;    /* empty: none */
	struct slice helo;     /* from HELO on */
	struct slice hostname; /* our own name */
	struct slice from;     /* from MAIL on; empty: the null sender */
	struct slice to;       /* at RCPT */
	bool tables_are_known;
	uint32_t listed;   /* bit i: table i has what is looked up in it */
	uint32_t unlisted; /* bit i: it has not; neither: nobody can say now */
};

struct access_rule;
struct access_rules;

/* What a verdict waits for. */
enum {
	ACCESS_WANTS_STAGE = 1,  /* a later stage */
	ACCESS_WANTS_NAME = 2,   /* the client's name */
	ACCESS_WANTS_TABLES = 4, /* tables_are_known */
	ACCESS_WANTS_FAILED = 8  /* a name or table that cannot be had now */
};

enum { ACCESS_NOTES_MAX = 8 };

struct access_verdict {
	/*
	 * 0: decided, by `rule` or by none (ACCESS_NO_RULE).  Else `rule` is the first
	 * that may match, and this is what it takes to know.
	 */
	unsigned wants;
	enum access_action action;
	const struct access_rule *rule;
	uint16_t code; /* of a refusal or deferral: what the client is told */
	char status[12];
	char text[ACCESS_TEXT_MAX];
	unsigned tarpit_seconds;                           /* 0: none */
	const struct access_rule *notes[ACCESS_NOTES_MAX]; /* matched on the way, or NULL */
};

/*
 * The rules of a configuration; none are fine.  NULL with a message in the form of
 * conf.h's, naming file, line and word, where one cannot be read; or where memory
 * is short.
 */
struct access_rules *access_rules_new(const struct conf_lines *lines, char error[CONF_ERROR_MAX]);
/* Can they all be read?  The message is as that of access_rules_new. */
bool access_rules_check(const struct conf_lines *lines, char error[CONF_ERROR_MAX]);
void access_rules_free(struct access_rules *rules);
bool access_rules_are_empty(const struct access_rules *rules);
/* A rule looks at the client's name in the DNS. */
bool access_rules_look_at_names(const struct access_rules *rules);

/* The tables that are to be asked, in the order of the bits in the facts. */
size_t access_rules_tables(const struct access_rules *rules, const struct access_table **tables);

void access_evaluate(const struct access_rules *rules, const struct access_facts *facts,
    struct access_verdict *verdict);

/* Call `each` with every key that is to be looked up for a subject, the most exact first. */
void access_keys(const struct access_facts *facts, enum access_subject subject,
    void (*each)(struct slice key, void *context), void *context);

/* "petrel.conf:12", and the rule as it is written there. */
void access_rule_origin(const struct access_rule *rule, struct buf *out);
const char *access_rule_text(const struct access_rule *rule);
const char *access_action_name(enum access_action action);

/*
 * Go through the rules as access_evaluate() does, and say of each that is looked
 * at whether it matches, and if not, which condition is not true.
 */
void access_explain(const struct access_rules *rules, const struct access_facts *facts,
    void (*each)(const struct access_rule *rule, bool matches, struct slice why, void *context),
    void *context);

#endif
