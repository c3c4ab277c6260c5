/*
 * data.h - DATA: from the command to the reply to the end of the message.
 */
#ifndef PETREL_SMTPD_DATA_H
#define PETREL_SMTPD_DATA_H

#include <stdbool.h>
#include <stdint.h>

struct buf;
struct session;
struct spool_file;

/* The command, once there is at least one recipient. */
void data_begin(struct session *s);
/* Take what there is of the message.  False where more has to come first. */
bool data_take(struct session *s);

/* Begin the message whose content goes into that file. */
void data_open(struct session *s, const struct spool_file *file, bool is_chunked);
/* The message is complete, however it came: it is examined, and committed or refused. */
void data_finish(struct session *s);
/* We have nothing against it: past the gate it goes to qmgr, whose answer is the reply. */
void data_commit(struct session *s);
/* What goes in front of the content: the trace, and what the message lacks. */
bool data_write_prepended(const struct session *s, uint64_t now_us, struct buf *out);
/* It cannot be taken: say why, and forget it. */
void data_refuse(struct session *s);

#endif
