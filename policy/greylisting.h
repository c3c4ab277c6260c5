/*
 * greylisting.h - the judge that tells strangers to come again (RFC 6647).
 */
#ifndef PETREL_POLICY_GREYLISTING_H
#define PETREL_POLICY_GREYLISTING_H

#include "common/channel_admin.h"
#include "policy/inquiry.h"

/* Before the root directory hides it: open policy's directory. */
bool greylisting_prepare(void);
/* The settings are in force: open the book, or close it. */
void greylisting_configure(void);
void greylisting_stop(void);

bool greylisting_is_concerned(const struct policy_question *question);
/*
 * What would become of a question at GATE_RCPT?  Nothing is written down.  *wait_s: how
 * long the client would have to wait.
 */
enum admin_grey greylisting_look(const struct policy_question *question, uint64_t *wait_s);
void greylisting_ask(struct inquiry *inquiry);

#endif
