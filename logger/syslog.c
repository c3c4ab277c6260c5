/*
 * syslog.c - lines for the host's syslogd, in the form that it has always had (RFC 3164).
 */
#include "logger/syslog.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"

enum { PATIENCE_SECONDS = 5 /* how long a syslogd that is behind is waited for */ };

static int syslogd = -1;

bool syslog_connect(void)
{
	const struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = "/dev/log"};
	const struct timeval patience = {PATIENCE_SECONDS, 0};
	int sock = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	if (sock == -1)
		return false;
	if (setsockopt(sock, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience) == -1 ||
	    connect(sock, (const struct sockaddr *)&address, sizeof address) == -1) {
		close(sock);
		return false;
	}
	syslogd = sock;
	return true;
}

bool syslog_send(const char *name, unsigned instance, enum log_level level, uint64_t wall_us, struct slice text)
{
	static const int priorities[] = {LOG_ERR, LOG_WARNING, LOG_INFO, LOG_DEBUG};
	struct buf line = buf_with_limit(LOG_LINE_MAX + 256);
	time_t second = (time_t)(wall_us / 1000000);
	char stamp[32];
	struct tm tm;
	bool sent;

	localtime_r(&second, &tm);
	strftime(stamp, sizeof stamp, "%b %e %H:%M:%S", &tm);
	buf_printf(&line, "<%d>%s petrel: %s[%u]: %.*s", LOG_MAIL | priorities[level], stamp, name, instance, SLICE_PRINTF(text));
	sent = send(syslogd, line.data, line.len, MSG_NOSIGNAL) == (ssize_t)line.len;
	buf_free(&line);
	return sent;
}
