/*
 * sandbox.h - the last rights a process gives up: system calls it has no use for.
 */
#ifndef PETREL_COMMON_SANDBOX_H
#define PETREL_COMMON_SANDBOX_H

#include "common/channel_control.h"

/*
 * From now on this process may use the system calls of its role's row only; any
 * other ends it with SIGSYS.  Sets no-new-privileges.  False where the kernel
 * refuses; the process must not go on then.
 */
bool sandbox_enter(enum role role);

/* The same for a session process, which its role's parent has forked. */
bool sandbox_enter_session(void);

/* No core dumps, no ptrace by others of the same uid: secrets stay in memory. */
void sandbox_forbid_dumps(void);

#endif
