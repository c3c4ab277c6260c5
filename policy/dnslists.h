/*
 * dnslists.h - the judge that asks DNS lists about a client, and adds up what they weigh.
 *
 * It is asked before the greeting, and never against a client by itself: the score goes
 * to smtpd, whose access rules may know better, and which refuses recipients by it.
 */
#ifndef PETREL_POLICY_DNSLISTS_H
#define PETREL_POLICY_DNSLISTS_H

#include "policy/inquiry.h"

/* The settings are in force: what was known of clients is forgotten. */
void dnslists_configure(void);

bool dnslists_are_concerned(const struct policy_question *question);
void dnslists_ask(struct inquiry *inquiry);
void dnslists_forget(struct inquiry *inquiry);

#endif
