/*
 * table.h - the processes of the suite and who talks to whom.
 *
 * These two tables are the security policy: what is not in them does not exist.
 * `petrel status` shows the first as it runs, and a test holds /proc against both.
 */
#ifndef PETREL_MASTER_TABLE_H
#define PETREL_MASTER_TABLE_H

#include "common/channel_control.h"
#include "common/conf.h"

/* Whose identity a process takes. */
enum table_user { USER_ROOT, USER_NETWORK, USER_QUEUE, USER_MAIL, USER_AUTH, USER_KEYS };

/* Which directory becomes its root. */
enum table_root { ROOT_HOST, ROOT_EMPTY, ROOT_SPOOL, ROOT_MAIL, ROOT_TABLES, ROOT_AUTH, ROOT_LOG, ROOT_POLICY };

/*
 * Stages of an orderly stop: those who take work first, those who serve others
 * last.  delivery/maildir outlives the queue, which has it flush the mailboxes at the end.
 */
enum table_stage { STAGE_FRONT, STAGE_SESSION, STAGE_DELIVERY, STAGE_QUEUE, STAGE_MAILBOX, STAGE_SERVICE, STAGE_LOG, STAGE_COUNT };

struct table_process {
	enum role role;
	const char *program;     /* below the directory of programs */
	enum table_user user;
	enum table_root root;
	enum table_stage stage;
	uint32_t files_limit;    /* RLIMIT_NOFILE */
	bool takes_certificate;  /* what of TLS is public: what keys says of them, and tls.client-authorities */
	bool takes_key;          /* the files, keys and all */
	unsigned services;       /* bits of enum service that it listens for */
};

struct table_channel {
	enum role one, other;
};

extern const struct table_process table_processes[];
extern const size_t table_process_count;
extern const struct table_channel table_channels[];
extern const size_t table_channel_count;

/* NULL where the role has no row (master itself). */
const struct table_process *table_process_of(enum role role);
/* How many instances the settings ask for. */
unsigned table_instances(const struct table_process *row, const struct settings *s);
/* The path of its root directory; an empty string for the host's own. */
const char *table_root_path(const struct table_process *row, const struct settings *s);
/* The login name of its user; NULL for root. */
const char *table_user_name(const struct table_process *row, const struct settings *s);
/* Print both tables, one line a row: `petrel status --tables`, and the test. */
void table_print(struct buf *out);

#endif
