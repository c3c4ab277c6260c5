/*
 * background.h - petrel start: back to the shell when the suite takes mail.
 */
#ifndef PETREL_MASTER_BACKGROUND_H
#define PETREL_MASTER_BACKGROUND_H

#include <stdbool.h>

/*
 * Go on in a process in the background.  The one that was started stays until that
 * process says that it is ready, or ends, and gives it as its exit status.
 *
 * Until then it also passes on what comes to standard error.  Afterwards nobody in
 * the background holds the terminal, or whatever else was there: `petrel start |
 * tee` comes to an end.  With `keeps_errors` (a log that goes there) they do.
 */
void background_enter(bool keeps_errors);
/* Ready: let the other process go.  Does nothing in the foreground. */
void background_ready(void);
/* Not ready in time, but not given up either: the other process says so by its exit status. */
void background_late(void);

#endif
