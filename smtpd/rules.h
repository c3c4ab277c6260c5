/*
 * rules.h - the access rules of petrel.conf in a session.
 */
#ifndef PETREL_SMTPD_RULES_H
#define PETREL_SMTPD_RULES_H

#include "access/rules.h"
#include "smtpd/gate.h"

/* Take the rules of the settings; those in force stay where memory is short. */
void rules_configure(void);
const struct access_rules *rules_in_force(void);

/* The rules' word on a stage: one of gate.c's checks. */
void rules_check(const struct gate_question *question, struct verdict *verdict);
/* The client's name may decide: it is waited for. */
bool rules_want_name(const struct session *s);
/* Tables may decide about this recipient, and have not been asked. */
bool rules_want_lists(const struct gate_question *question);
/* What is known. */
struct access_facts rules_facts(const struct gate_question *question);

#endif
