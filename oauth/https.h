/*
 * https.h - one question by HTTPS (RFC 7662, 2.1), by libcurl on our event loop.
 *
 * Nothing but HTTPS, TLS 1.2 at least, no redirects, no proxy, no cookies; the
 * server's certificate has to be good and for its name; time, header and body are
 * limited.
 */
#ifndef PETREL_OAUTH_HTTPS_H
#define PETREL_OAUTH_HTTPS_H

#include "common/slice.h"

struct event_base;
struct https;

/* With the rights that the process was started with: what libcurl would load on first use. */
bool https_prepare(void);
bool https_start(struct event_base *);
void https_stop(void);

/*
 * Called once, from the event loop.
 *
 * fault  NULL: the body is the answer; otherwise a sentence for the log
 */
typedef void https_answered(void *context, struct slice body, const char *fault);

/* Ask about a token; nothing of it is needed after the call.  NULL: it cannot be asked. */
struct https *https_ask(struct slice token, https_answered *answered, void *context);
/* No answer is wanted any more. */
void https_cancel(struct https *);

#endif
