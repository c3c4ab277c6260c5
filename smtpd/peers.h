/*
 * peers.h - a session's questions, asked over channels.
 */
#ifndef PETREL_SMTPD_PEERS_H
#define PETREL_SMTPD_PEERS_H

#include "common/process.h"
#include "smtpd/house.h"

/* Whom smtpd talks to, for process_main(). */
extern const struct process_peer smtpd_peers[];

/* New settings are in force. */
void peers_reload(void);

/* All of a house but tls and ended, which are main.c's. */
void peers_furnish(struct house *house);

#endif
