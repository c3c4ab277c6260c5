/*
 * certificates.h - certificates and keys on their way: files to keys, and what keys
 * says of them to those who speak TLS.
 *
 * master opens the files, because nobody else can, and reads none of them.  keys
 * judges which certificates have their key; its judgement is kept here, so that a
 * process that is started again has it at once.  The files are looked at from time
 * to time (tls.watch), and go to keys again when they have changed and rested.
 */
#ifndef PETREL_MASTER_CERTIFICATES_H
#define PETREL_MASTER_CERTIFICATES_H

#include "common/channel.h"
#include "master/children.h"

struct event_base;

/* Look at the files from time to time. */
bool certificates_watch(struct event_base *base);
/* The settings have changed. */
void certificates_reload(void);

/* To keys: all the files. */
void certificates_send_files(const struct child *keys);
/* To one who speaks TLS, or to keys at its start: what keys said last, if it has. */
void certificates_send(const struct child *child);
/* CONTROL_CERTIFICATES_JUDGED; those who speak TLS get it.  False: malformed. */
bool certificates_judged(const struct message *m);
/* keys has spoken. */
bool certificates_are_judged(void);
/* To petrel status: an ADMIN_CERTIFICATE for each. */
void certificates_describe(struct channel *channel);

#endif
