/*
 * commands.h - the verbs of IMAP after login.
 */
#ifndef PETREL_IMAPD_SESSION_COMMANDS_H
#define PETREL_IMAPD_SESSION_COMMANDS_H

#include "imapd/session/connection.h"

/*
 * A verb.  It is given its arguments, from behind the verb on (the blank before
 * them included), and ends with a reply or begins work.  Where the arguments are
 * malformed it does neither: what syntax.h noted as the fault is the reply.
 */
typedef void command_verb(struct connection *c, struct syntax *s);

command_verb cmd_select, cmd_examine, cmd_create, cmd_delete, cmd_rename, cmd_subscribe,
    cmd_unsubscribe, cmd_close, cmd_unselect; /* mailboxes.c */
command_verb cmd_status;                      /* status.c */
command_verb cmd_list, cmd_lsub;              /* list.c */
command_verb cmd_idle;                                    /* idle.c */
command_verb cmd_append; /* append.c: reached only where no message came */
command_verb cmd_fetch;  /* fetch.c */
command_verb cmd_search; /* find.c */
command_verb cmd_store, cmd_copy, cmd_move, cmd_expunge; /* change.c */

/* Keep the tag of what was gathered, for a reply to a command that cannot be run. */
void read_tag(struct connection *c);
/* Sequence numbers may not change in the reply to the command in hand (RFC 3501, 7.4.1). */
bool command_keeps_numbers(const struct connection *c);

/*
 * The sequence numbers that a set means in the selected mailbox, in ascending
 * order, expunged ones included; to be freed.  False: the set is no good, and the
 * reply has been made.
 */
bool resolve_numbers(struct connection *c, struct sequence *set, uint32_t **seqs, size_t *count);

/* What STATUS can tell of a mailbox. */
enum status_item {
	STATUS_MESSAGES = 1 << 0,
	STATUS_RECENT = 1 << 1,
	STATUS_UIDNEXT = 1 << 2,
	STATUS_UIDVALIDITY = 1 << 3,
	STATUS_UNSEEN = 1 << 4,
	STATUS_DELETED = 1 << 5,
	STATUS_SIZE = 1 << 6,
};

/* " (MESSAGES UNSEEN)", as bits of enum status_item. */
bool take_status_items(struct syntax *s, unsigned *wanted);
/* Say the STATUS response. */
enum store_error say_status(struct connection *c, struct slice name, unsigned wanted);

/* Append a mailbox's name as a client wants to read it: modified UTF-7, quoted. */
void write_mailbox(struct buf *out, struct slice name);

#endif
