/*
 * listeners.h - the listening sockets.  master binds them and never reads from one.
 */
#ifndef PETREL_MASTER_LISTENERS_H
#define PETREL_MASTER_LISTENERS_H

#include "common/channel_control.h"
#include "common/conf.h"

enum { LISTENER_ERROR_MAX = 512 };

/*
 * Bind what the settings ask for; what is bound already stays as it is, what is
 * asked for no longer is closed.  On failure nothing has changed and `error` says
 * which address was the trouble.  *changed has a bit for each service whose
 * sockets are not the same as before.
 */
bool listeners_update(const struct settings *s, unsigned *changed, char error[LISTENER_ERROR_MAX]);
/* Call `each` with every socket of a service; it stays master's. */
void listeners_each(enum service service, void (*each)(enum service service, int socket, void *context), void *context);
void listeners_close(void);

#endif
