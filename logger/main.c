/*
 * main.c - the logger: one line for each event, to a file, to syslog or to
 * standard error.
 *
 * Every process has a channel to the logger on which it only writes.  The name
 * and number in front of a line are the logger's own knowledge of who is at the
 * other end, so that no process can write a line in another's name.
 *
 * Under load lines come by the thousand from many processes, and a wake-up for
 * each costs the writer as much as the line.  So after each write the logger
 * rests for a moment while lines gather in its sockets.  What gathered is put
 * into the order of its times before it is written.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/channel_log.h"
#include "common/log.h"
#include "common/io.h"
#include "common/process.h"
#include "logger/syslog.h"

enum {
	GATHERED_MAX = 256 * 1024, /* octets that wait for the end of a turn of the loop */
	STAMP_MAX = 40,
	LAST_LINES_MILLISECONDS = 50,
	REST_NANOSECONDS = 2000000, /* how late a line may be */
	LINES_MAX = 4096            /* that wait */
};

static const char file_name[] = "petrel.log";
static int log_file = -1;
static int directory = -1;
static struct buf gathered, in_order;
static struct line {
	uint64_t wall_us;
	size_t at, len; /* in `gathered` */
} lines[LINES_MAX];
static size_t line_count;
static struct event *write_out;
static bool has_syslog; /* connected; without it, lines that are for syslog go to standard error */

/* --- the file -------------------------------------------------------------------- */

/* Opened anew at each reload, so that whoever rotates logs only has to rename the file. */
static bool open_file(void)
{
	int file = openat(directory, file_name, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);

	if (file == -1) {
		fprintf(stderr, "logger: %s: %s\n", file_name, strerror(errno));
		return false;
	}
	if (log_file != -1)
		close(log_file);
	log_file = file;
	return true;
}

/* What one process said in one microsecond stays in the order in which it was said. */
static int compare_lines(const void *left, const void *right)
{
	const struct line *a = left, *b = right;

	if (a->wall_us != b->wall_us)
		return a->wall_us < b->wall_us ? -1 : 1;
	return a->at < b->at ? -1 : a->at > b->at;
}

static struct slice lines_in_order(void)
{
	size_t at = 1;

	while (at < line_count && lines[at - 1].wall_us <= lines[at].wall_us)
		at++;
	if (at >= line_count)
		return buf_slice(&gathered);
	qsort(lines, line_count, sizeof lines[0], compare_lines);
	for (size_t i = 0; i < line_count; i++)
		buf_append_slice(&in_order, slice_of(gathered.data + lines[i].at, lines[i].len));
	return buf_slice(&in_order);
}

static void write_gathered(void)
{
	/* The disk is full, and there is no log to say it in. */
	if (!io_write(settings->log.to == LOG_TO_FILE ? log_file : STDERR_FILENO, lines_in_order()))
		dprintf(STDERR_FILENO, "logger: lines are lost: %s\n", strerror(errno));
	buf_clear(&gathered);
	buf_clear(&in_order);
	line_count = 0;
}

static void on_write_out(int socket, short what, void *argument)
{
	(void)socket;
	(void)what;
	(void)argument;
	write_gathered();
	nanosleep(&(struct timespec){0, REST_NANOSECONDS}, NULL);
}

/* --- lines ------------------------------------------------------------------------- */

/* The stamp of a second is made once: lines come by the thousand. */
static const char *stamp_of(uint64_t wall_us)
{
	static char stamp[STAMP_MAX];
	static time_t last;
	time_t second = (time_t)(wall_us / 1000000);
	struct tm tm;

	if (second != last) {
		gmtime_r(&second, &tm);
		strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &tm);
		last = second;
	}
	return stamp;
}

static void add_line(const char *name, unsigned instance, enum log_level level, uint64_t wall_us, struct slice text)
{
	static const char *const levels[] = {"error: ", "warning: ", "", "debug: "};

	size_t at;

	if (gathered.len + text.len + 256 > GATHERED_MAX || line_count == LINES_MAX)
		write_gathered();
	at = gathered.len;
	buf_printf(&gathered, "%s.%06uZ %s %s[%u]: %s", stamp_of(wall_us), (unsigned)(wall_us % 1000000), settings->hostname, name, instance, levels[level]);
	buf_append_slice(&gathered, text);
	buf_append_octet(&gathered, '\n');
	lines[line_count++] = (struct line){wall_us, at, gathered.len - at};
	event_active(write_out, EV_TIMEOUT, 0);
}

/* Where syslogd is gone, we are started again and find the new one; the line is not lost. */
static void to_syslog(const char *name, unsigned instance, enum log_level level, uint64_t wall_us, struct slice text)
{
	int failure;

	if (syslog_send(name, instance, level, wall_us, text))
		return;
	failure = errno;
	dprintf(STDERR_FILENO, "logger: syslog: %s\n", strerror(failure));
	if (failure != ECONNREFUSED && failure != ENOTCONN && failure != ECONNRESET)
		return;
	has_syslog = false;
	add_line(name, instance, level, wall_us, text);
	process_exit(EX_TEMPFAIL);
}

/* A process that was taken over must not be able to write a second line into the first. */
static bool is_one_line(struct slice text)
{
	for (size_t i = 0; i < text.len; i++)
		if ((unsigned char)text.data[i] < ' ' || (unsigned char)text.data[i] > '~')
			return false;
	return text.len > 0 && text.len <= LOG_LINE_MAX + 16;
}

static bool on_message(struct channel *channel, struct message *m, void *context)
{
	struct reader r = message_reader(m);
	unsigned level = read_u8(&r);
	uint64_t wall_us = read_u64(&r);
	struct slice text = read_slice(&r);
	const char *name = role_name(process_peer_role(channel));

	(void)context;
	if (m->type != LOG_LINE || !reader_finished(&r) || level > LEVEL_DEBUG || !is_one_line(text))
		return false;
	if (has_syslog)
		to_syslog(name, process_peer_instance(channel), (enum log_level)level, wall_us, text);
	else
		add_line(name, process_peer_instance(channel), (enum log_level)level, wall_us, text);
	return true;
}

/* --- the process --------------------------------------------------------------------- */

static bool prepare(void)
{
	/* The socket of syslog is outside the root directory: connect while it can be seen. */
	if (settings->log.to == LOG_TO_SYSLOG)
		has_syslog = syslog_connect();
	if (settings->log.to == LOG_TO_SYSLOG && !has_syslog)
		fprintf(stderr, "logger: /dev/log: %s; the log goes to standard error\n", strerror(errno));
	directory = open(settings->directory.log, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory == -1)
		fprintf(stderr, "logger: %s: %s\n", settings->directory.log, strerror(errno));
	return directory != -1;
}

static bool start(struct event_base *base)
{
	gathered = buf_with_limit(GATHERED_MAX);
	in_order = buf_with_limit(GATHERED_MAX);
	write_out = event_new(base, -1, 0, on_write_out, NULL);
	if (write_out == NULL || (settings->log.to == LOG_TO_FILE && !open_file()))
		return false;
	channel_send(process_master(), CONTROL_READY, 0);
	return true;
}

static void reload(void)
{
	if (settings->log.to == LOG_TO_FILE) {
		write_gathered();
		open_file();
	}
	/* There may be a syslogd now. */
	if (settings->log.to == LOG_TO_SYSLOG && !has_syslog)
		process_exit(EX_TEMPFAIL);
}

static void stop(void)
{
	struct timeval wait = {0, 1000 * LAST_LINES_MILLISECONDS};

	/* The others have ended by now, and what they wrote last may still wait in their channels. */
	event_base_loopexit(process_base(), &wait);
}

int main(int argc, char **argv)
{
	static struct process_peer peers[ROLE_COUNT + 1];
	static struct process process = {.role = ROLE_LOGGER, .peers = peers, .prepare = prepare, .start = start, .reload = reload, .stop = stop};
	size_t count = 0;
	int status;

	for (unsigned role = ROLE_MASTER; role < ROLE_COUNT; role++)
		if (role != ROLE_LOGGER)
			peers[count++] = (struct process_peer){.role = (enum role)role, .opened = channel_read_all, .message = on_message};
	status = process_main(&process, argc, argv);
	write_gathered();
	return status;
}
