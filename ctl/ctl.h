/*
 * ctl.h - what the commands of petrel(8) share.
 */
#ifndef PETREL_CTL_CTL_H
#define PETREL_CTL_CTL_H

#include "common/buf.h"
#include "common/channel.h"
#include "common/channel_admin.h"
#include "common/conf.h"

/* What was given in front of the command's own arguments. */
struct ctl {
	const char *conf_path;
	bool json;
};

/* One command: gets the arguments behind its name, returns an exit status (sysexits.h). */
int ctl_start(const struct ctl *ctl, int argc, char **argv);
int ctl_stop(const struct ctl *ctl, int argc, char **argv);
int ctl_reload(const struct ctl *ctl, int argc, char **argv);
int ctl_status(const struct ctl *ctl, int argc, char **argv);
int ctl_check(const struct ctl *ctl, int argc, char **argv);
int ctl_config(const struct ctl *ctl, int argc, char **argv);
int ctl_queue(const struct ctl *ctl, int argc, char **argv);
int ctl_greylist(const struct ctl *ctl, int argc, char **argv);
int ctl_user(const struct ctl *ctl, int argc, char **argv);
int ctl_table(const struct ctl *ctl, int argc, char **argv);
int ctl_test(const struct ctl *ctl, int argc, char **argv);
int ctl_trace(const struct ctl *ctl, int argc, char **argv);

/* Read and check the configuration, and point `settings` at it; says what is wrong on standard error.  NULL then. */
struct conf *ctl_read_configuration(const struct ctl *ctl);
/* The same; `report` is called with each thing that is wrong. */
struct conf *ctl_try_configuration(const struct ctl *ctl, conf_report report, void *context);

/*
 * Append what a person writes, an address, "@domain" or a domain, as the queue and
 * the log have it (message/spelling.h); what is none of these stays as it is.
 */
void ctl_spell(struct slice text, struct buf *out);
/* Whether mail for that domain ends here: a setting says so, or the table domains. */
bool ctl_is_local_domain(struct slice domain);

/*
 * Say on standard error what is wrong with the files that the settings name: the
 * certificate and its key, the tables, the credentials.  How many errors.
 */
unsigned ctl_check_files(void);

/* Say "petrel: ..." (or "sendmail: ...") on standard error and give the status back. */
int ctl_fail(int status, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The name in front of it; each program has its own. */
extern const char ctl_program[];

/* --- the running suite ---------------------------------------------------------- */

/* Called with every answer but ADMIN_DONE.  False: malformed. */
typedef bool (*ctl_answer)(struct message *m, void *context);

struct ctl_connection;

/* Connect to the control socket.  NULL (errno says why) where no suite is running. */
struct ctl_connection *ctl_connect(void);
struct channel *ctl_channel(struct ctl_connection *connection);
/*
 * Wait for ADMIN_DONE, passing what comes before it to `answer`.  The exit status
 * that it carries; EX_UNAVAILABLE where the connection ended.  *count (unless
 * NULL) is how many things were affected; a message for a person is printed.
 */
int ctl_wait(struct ctl_connection *connection, ctl_answer answer, void *context, uint64_t *count);
/* The same, for ADMIN_GO alone: false where it was something else. */
bool ctl_wait_for_go(struct ctl_connection *connection);
void ctl_disconnect(struct ctl_connection *connection);
/* Says that nothing is running; the exit status. */
int ctl_not_running(void);

/* --- output ---------------------------------------------------------------------- */

/* Append a JSON string, quoted and escaped (RFC 8259); octets that are no UTF-8 become U+FFFD. */
void json_string(struct buf *out, struct slice text);
/* Print to standard output and clear. */
void ctl_print(struct buf *out);
/* "2026-11-21 10:00:00" in local time. */
void ctl_time(struct buf *out, uint64_t wall_us);
/* "3d 4h", "12m", "5s": the two largest units. */
void ctl_age(struct buf *out, uint64_t us);

#endif
