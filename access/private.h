/*
 * private.h - a rule as it is kept; shared by the files of access/ alone.
 */
#ifndef PETREL_ACCESS_PRIVATE_H
#define PETREL_ACCESS_PRIVATE_H

#include "access/rules.h"

enum access_condition_kind {
	CONDITION_CLIENT,
	CONDITION_HELO,
	CONDITION_FROM,
	CONDITION_TO,
	CONDITION_LOGIN,
	CONDITION_SERVICE,
	CONDITION_TLS,
	CONDITION_EARLY,
	CONDITION_PIPELINING,
	CONDITION_SCORE,
	CONDITION_COUNT
};

enum access_pattern_kind {
	PATTERN_GLOB, /* text with * for any number of octets; in any case */
	PATTERN_NETWORK,
	PATTERN_TABLE,
	PATTERN_NULL,    /* <>, the null sender */
	PATTERN_UNKNOWN, /* a client without a name */
	PATTERN_LITERAL, /* HELO [192.0.2.1], or without the brackets */
	PATTERN_BARE,    /* a HELO without a dot */
	PATTERN_MINE,    /* a HELO that is our own name */
	PATTERN_SERVICE,
	PATTERN_SCORE
};

struct access_pattern {
	uint8_t kind;   /* enum access_pattern_kind */
	uint8_t number; /* of the table, or the service */
	int64_t score;  /* at least */
	struct network network;
	char *text; /* as written, or folded (spelling.h) */
};

struct access_condition {
	uint8_t kind; /* enum access_condition_kind */
	bool is_negated;
	size_t pattern_count; /* 0: of those that take none, or any login */
	struct access_pattern *patterns;
};

struct access_rule {
	enum access_action action;
	unsigned seconds; /* ACCESS_TARPIT */
	size_t condition_count;
	struct access_condition *conditions;
	char *file;
	unsigned line;
	char *text; /* as written */
	uint16_t code;
	char status[12];
	char reply[ACCESS_TEXT_MAX];
};

struct access_rules {
	size_t count;
	struct access_rule *rules;
	bool looks_at_names;
	size_t table_count;
	struct access_table tables[ACCESS_TABLES_MAX];
};

/* True, false, or what it takes to know. */
enum access_truth { ACCESS_FALSE, ACCESS_TRUE, ACCESS_OPEN };

/* The word of a condition, as it is written. */
const char *access_condition_word(enum access_condition_kind kind);

/* Does everything hold that the rule says?  *wants (see access_verdict) where that is open; *failing is the condition that does not hold, or is open. */
enum access_truth access_rule_holds(const struct access_rule *rule,
    const struct access_facts *facts, unsigned *wants, const struct access_condition **failing);

#endif
