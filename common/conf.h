/*
 * conf.h - petrel.conf.
 *
 * One table (settings.c) describes every setting: its name, type, default, unit
 * and one sentence.  The parser, `petrel config`, the defaults and the table in
 * petrel.conf(5) all come from it.
 *
 *     hostname  mail.example.org            # name, then value
 *     domains   { example.org example.net } # a list
 *     tls       { certificate /etc/...      # a group: the setting tls.certificate
 *                 key /etc/... }
 *     tls.key   /etc/...                    # the same, in one word
 *     access    { refuse helo localhost     # statements, a line each, for whoever
 *                 accept client unknown }   # knows their grammar
 *     include   /etc/petrel/more.conf
 *
 * Durations are 30s, 5m, 4h, 5d, 1w or a sum of them (1h30m); sizes are octets
 * or 64K, 50M, 1G (powers of 1024).  Values with blanks, braces or # are quoted.
 */
#ifndef PETREL_COMMON_CONF_H
#define PETREL_COMMON_CONF_H

#include <stdio.h>

#include "common/buf.h"
#include "common/codec.h"
#include "common/conf_form.h"
#include "common/slice.h"

/* A list of words. */
struct conf_list {
	size_t count;
	char **words;
};

/* A statement: its words as they were written, one blank between them. */
struct conf_line {
	char *text;
	char *file; /* where it stands: the file's name, without its directory */
	unsigned line;
};

struct conf_lines {
	size_t count;
	struct conf_line *lines;
};

enum conf_durability { DURABILITY_JOURNAL, DURABILITY_FILE };
enum conf_log_to { LOG_TO_FILE, LOG_TO_SYSLOG, LOG_TO_STDERR };
enum conf_refuse_at { REFUSE_AT_RCPT, REFUSE_AT_EARLIEST };
enum conf_early_talkers { EARLY_TALKERS_REFUSE, EARLY_TALKERS_DISCONNECT, EARLY_TALKERS_NOTE };
enum conf_cleartext { CLEARTEXT_NEVER, CLEARTEXT_LOOPBACK, CLEARTEXT_ALWAYS };
enum conf_bare_line_ends { BARE_LINE_ENDS_NORMALIZE, BARE_LINE_ENDS_REFUSE };
enum conf_submission_from { SUBMISSION_FROM_REFUSE, SUBMISSION_FROM_SENDER, SUBMISSION_FROM_ANY };
enum conf_submission_from_missing { SUBMISSION_FROM_MISSING_ADD, SUBMISSION_FROM_MISSING_REFUSE };
enum conf_certificates { CERTIFICATES_LISTED, CERTIFICATES_NAMED };
enum conf_greylist_clients { GREYLIST_NOBODY, GREYLIST_SUSPECTS, GREYLIST_STRANGERS };
enum conf_policy_failure { POLICY_FAILURE_DEFER, POLICY_FAILURE_ACCEPT };
enum conf_tls_version { TLS_VERSION_1_2, TLS_VERSION_1_3 };
enum conf_oauth_account { OAUTH_ACCOUNT_USERNAME, OAUTH_ACCOUNT_EMAIL, OAUTH_ACCOUNT_SUB };
enum conf_outbound_tls {
	OUTBOUND_TLS_OPPORTUNISTIC,
	OUTBOUND_TLS_REQUIRED, /* encrypted, with whomever */
	OUTBOUND_TLS_VERIFIED, /* and the host's certificate is good */
	OUTBOUND_TLS_OFF
};

/* How much one client, or one network, may do; 0: any number. */
struct conf_limits {
	int64_t connections; /* at a time */
	int64_t connections_per_minute;
	int64_t messages; /* this and the rest: in limits.window */
	int64_t recipients;
	int64_t auth_failures;
	int64_t errors;
	int64_t unknown_recipients;
};

enum conf_milter_failure { MILTER_FAILURE_TEMPFAIL, MILTER_FAILURE_ACCEPT, MILTER_FAILURE_REFUSE };

/* One `milter NAME { ... }`. */
struct conf_milter {
	char *name;
	char *address;             /* conf_form_socket */
	struct conf_list services; /* conf_form_milter_service */
	int on_failure;            /* enum conf_milter_failure */
	int64_t connect_timeout;
	int64_t command_timeout;
	int64_t content_timeout;
	int64_t end_timeout;
};

/* Everything that can be set.  Durations are in seconds, sizes in octets.  See settings.c for what each means. */
struct settings {
	char *hostname;
	struct conf_list domains;
	char *postmaster;
	char *recipient_delimiter;
	char *relay;

	struct {
		struct conf_list certificate;
		struct conf_list key;
		struct conf_list directory;
		char *client_authorities;
		int minimum; /* enum conf_tls_version */
		int64_t watch;
		int64_t expiry_warning;
		int64_t ticket_rotation;
		int64_t key_threads;
	} tls;

	struct conf_list listen[7]; /* by enum service */

	struct {
		char *run;
		char *spool;
		char *mail;
		char *tables;
		char *auth;
		char *policy;
		char *log;
	} directory;

	struct {
		char *network;
		char *queue;
		char *mail;
		char *auth;
		char *keys;
		char *drop_group;
	} user;

	struct {
		int to; /* enum conf_log_to */
		int level; /* enum log_level */
	} log;

	struct {
		int64_t start_timeout;
	} process;

	struct {
		struct conf_list networks;
		struct conf_list ports;
		int64_t timeout;
	} proxy;

	struct conf_lines access;

	struct {
		int64_t window;
		struct conf_list exempt;
		int64_t ipv4_network; /* bits */
		int64_t ipv6_client;
		int64_t ipv6_network;
		struct conf_limits client;
		struct conf_limits network;
	} limits;

	struct {
		int64_t workers;
		int64_t size_limit;
		int64_t recipients_limit;
		int64_t connections_limit;
		int64_t errors_limit;
		int64_t command_timeout;
		int64_t data_timeout;
		int64_t data_rate;
		int64_t data_rate_window;
		int64_t received_limit;
		int bare_line_ends; /* enum conf_bare_line_ends */
		struct conf_list relay_networks;
		struct conf_list xclient_networks;
		struct conf_list priority_networks;
		int refuse_at; /* enum conf_refuse_at */
		int64_t greeting_delay;
		int early_talkers; /* enum conf_early_talkers */
		int64_t tarpit_errors;
		int64_t tarpit_delay;
		int64_t tarpit_sessions;
		int64_t unknown_recipients_limit;
	} smtp;

	struct conf_list milters; /* texts of conf_milter_group */

	struct {
		int from;         /* enum conf_submission_from */
		int from_missing; /* enum conf_submission_from_missing */
		int64_t size_limit;
		int64_t recipients_limit;
		int64_t messages_per_hour;
		int64_t messages_per_day;
		int64_t recipients_per_hour;
		int64_t recipients_per_day;
		int64_t future_release_limit;
		int64_t priority_limit;
	} submission;

	struct {
		struct conf_list services;
		int failure; /* enum conf_policy_failure */
	} policy;

	struct {
		struct conf_list lists;
		int64_t refuse_score;
		int64_t timeout;
	} dnslists;

	struct {
		int clients; /* enum conf_greylist_clients */
		int64_t score;
		int64_t delay;
		int64_t retry_window;
		int64_t keep;
		int64_t successes;
		int64_t entries_limit;
		struct conf_list exceptions;
	} greylist;

	struct {
		int durability; /* enum conf_durability */
		int64_t journal_segment;
		int64_t journal_segments;
		int64_t journal_message_limit;
		int64_t messages_limit;
		int64_t free_space;
		int64_t retry_first;
		int64_t retry_longest;
		int64_t warn_after;
		int64_t expire;
		int64_t site_concurrency;
		int64_t aliases_depth;
		int64_t aliases_fanout;
	} queue;

	struct {
		int64_t smtp_processes;
		int64_t smtp_connections;
		int64_t smtp_port;
		int64_t connect_timeout;
		int64_t reply_timeout;
		int64_t data_timeout;
		int64_t idle_connection;
		int64_t connection_messages;
		int tls; /* enum conf_outbound_tls */
		int tls_waiver; /* 0 or 1 */
		int64_t maildir_processes;
		int64_t maildir_jobs;
	} delivery;

	struct {
		struct conf_list forward;
		int64_t timeout;
		char *trust_anchor;
	} resolver;

	struct {
		int cleartext; /* enum conf_cleartext */
		int scram;     /* 0 or 1 */
		int certificates; /* enum conf_certificates */
		int64_t cache;
		int64_t threads;
		int64_t failure_delay;
	} auth;

	struct {
		char *introspection;
		char *client_id;
		char *client_secret;
		char *authorities;
		int account; /* enum conf_oauth_account */
		struct conf_list scope;
		struct conf_list audience;
		char *configuration;
		int64_t timeout;
		int64_t cache;
		int64_t connections;
	} oauth;

	struct {
		int64_t workers;
		int64_t connections_limit;
		int64_t login_timeout;
		int64_t idle_timeout;
		int64_t session_linger;
		int64_t append_limit;
	} imap;

	struct {
		int64_t workers;
		int64_t connections_limit;
		int64_t login_timeout;
		int64_t idle_timeout;
	} pop3;
};

/*
 * The settings in force in this process.  Replaced as a whole at a reload: a
 * pointer into them is not to be kept across a return to the event loop.
 */
extern const struct settings *settings;

enum conf_type {
	CONF_STRING,
	CONF_PATH,     /* absolute */
	CONF_NUMBER,
	CONF_SIZE,     /* octets */
	CONF_DURATION, /* seconds */
	CONF_CHOICE,   /* one of the words in `choices`; stored as their index */
	CONF_LIST,     /* words */
	CONF_LINES,    /* statements */
	CONF_GROUPS    /* groups with names, one after another: `milter NAME { ... }`.  Stored as a list of their texts */
};

struct conf_setting {
	const char *name;
	enum conf_type type;
	size_t offset;              /* in struct settings */
	const char *default_value;  /* as it would be written in petrel.conf; NULL: none */
	int64_t min, max;           /* of numbers, sizes and durations */
	const char *const *choices; /* ends with NULL */
	const char *about;          /* one sentence */
	bool at_start;              /* a reload does not change it: it needs a restart */
	const struct conf_form *form; /* of strings and lists; NULL: any word */
	const struct conf_group *group; /* of groups */
};

/* What may stand in a group with a name. */
struct conf_group {
	const struct conf_setting *members; /* rows whose offsets are those in the group's struct */
	size_t count;
	size_t size;        /* of that struct; its first field is the name, a char * */
	const char *needed; /* the member that must be set; NULL: none */
};

extern const struct conf_group conf_milter_group;

extern const struct conf_setting conf_table[];
extern const size_t conf_table_size;

/* Where a value came from. */
struct conf_origin {
	char *file; /* NULL: the default */
	unsigned line;
};

struct conf {
	struct settings values;
	struct conf_origin *origins; /* as many as conf_table has rows */
};

enum {
	CONF_ERROR_MAX = 512,
	CONF_FILE_MAX = 1024 * 1024,       /* octets of one file */
	CONF_INCLUDE_DEPTH = 8,
	CONF_WORDS_MAX = 10000,            /* in all files together */
	CONF_LINE_MAX = 4096,              /* octets of a statement */
	CONF_ENCODED_MAX = 2 * 1024 * 1024 /* octets of a whole configuration on its way to another process */
};

/* Everything at its default.  NULL when out of memory. */
struct conf *conf_new(void);
void conf_free(struct conf *conf);
/*
 * Read a file into conf.  False with a message in `error`, in the form
 *     petrel.conf:12: tls: unknown setting "certficate"; did you mean "certificate"?
 */
bool conf_read_file(struct conf *conf, const char *path, char error[CONF_ERROR_MAX]);
/* The same from memory; `name` stands for the file in messages. */
bool conf_read_text(struct conf *conf, struct slice text, const char *name, char error[CONF_ERROR_MAX]);

/* Called with each error, in the form above. */
typedef void (*conf_report)(void *context, const char *error);
/*
 * The same as conf_read_file(), for a person who wants to see all errors at once: a
 * statement with an error is passed over, and the reading goes on behind it, unless
 * nobody can tell where that is (a quote that is not closed).  True where
 * there was none.
 */
bool conf_read_file_reporting(struct conf *conf, const char *path, conf_report report, void *context);
bool conf_read_text_reporting(
    struct conf *conf, struct slice text, const char *name, conf_report report, void *context);
/* What holds between settings: a key without a certificate, no hostname and none to be found, ... */
bool conf_check(struct conf *conf, char error[CONF_ERROR_MAX]);

/* Send settings to another process. */
void conf_encode(struct writer *w, const struct conf *conf);
struct conf *conf_decode(struct slice encoded);

/* Row `row` of the table as text that the parser would take, without the name. */
void conf_value_print(struct buf *out, const struct conf *conf, size_t row);
/* The row of the setting with that name, or -1. */
ssize_t conf_row(struct slice name);
/*
 * Take the next word of a statement; false at its end.  Only in quotes can a word
 * be empty, or have a blank in it.
 */
bool conf_line_word(struct cursor *in, struct buf *word, bool *is_quoted);
/*
 * A group out of its text: `item` is filled with defaults and with what the text
 * says, and freed with conf_group_free().  False where it makes no sense; nothing
 * is left to be freed then.
 */
bool conf_group_read(const struct conf_group *group, const char *text, void *item);
void conf_group_free(const struct conf_group *group, void *item);
/* "5m" and the like; the texts that the parser takes and conf_value_print gives. */
bool conf_parse_duration(struct slice text, int64_t *seconds);
bool conf_parse_size(struct slice text, int64_t *octets);
void conf_print_duration(struct buf *out, int64_t seconds);
void conf_print_size(struct buf *out, int64_t octets);

#endif
