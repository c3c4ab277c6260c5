/*
 * syslog.h - lines for the host's syslogd.
 *
 * syslog(3) would look for /dev/log again whenever syslogd was started anew, and
 * wants the right to make sockets for it.  The logger sees nothing outside its
 * directory by then and makes no sockets: it connects once, and ends when the
 * other side is gone, since master starts it again with a look at /dev/log.
 */
#ifndef PETREL_LOGGER_SYSLOG_H
#define PETREL_LOGGER_SYSLOG_H

#include <stdint.h>

#include "common/log.h"

/* Connect, before the root directory changes.  False with errno. */
bool syslog_connect(void);
/* False with errno: the line did not get there. */
bool syslog_send(const char *name, unsigned instance, enum log_level level, uint64_t wall_us, struct slice text);

#endif
