/*
 * services.h - the judge that asks other programs by Postfix's policy delegation protocol.
 */
#ifndef PETREL_POLICY_SERVICES_H
#define PETREL_POLICY_SERVICES_H

#include "policy/inquiry.h"

/* The settings are in force: know their services, and forget those that they do not name any more. */
void services_configure(void);

bool services_are_concerned(const struct policy_question *question);
void services_ask(struct inquiry *inquiry);
void services_forget(struct inquiry *inquiry);

#endif
