/*
 * sendmail.c - sendmail(1), mailq(1) and newaliases(1): what programs call.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/io.h"
#include "common/log.h"
#include "ctl/ctl.h"
#include "ctl/submission.h"
#include "paths.h"

enum mode { MODE_SEND, MODE_SMTP, MODE_QUEUE, MODE_ALIASES };

struct options {
	enum mode mode;
	bool header_recipients; /* -t */
	bool dot_ends;          /* without -i */
	const char *sender;     /* -f, -r */
	const char *full_name;  /* -F */
	const char *conf_path;  /* -C */
};

const char ctl_program[] = "sendmail";

/* -b takes the mode, -o old-style options; most of the others only have to be swallowed. */
static bool parse_options(struct options *o, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "A:B:b:C:d:e:F:f:Ghim:N:no:O:p:q::R:r:tUV:vX:")) != -1) {
		switch (option) {
		case 'b':
			if (strchr("smpi", optarg[0]) == NULL) {
				ctl_fail(EX_USAGE, "-b%s is not supported; see sendmail(1)", optarg);
				return false;
			}
			o->mode = optarg[0] == 's' ? MODE_SMTP : optarg[0] == 'p' ? MODE_QUEUE : optarg[0] == 'i' ? MODE_ALIASES : MODE_SEND;
			break;
		case 't':
			o->header_recipients = true;
			break;
		case 'i':
			o->dot_ends = false;
			break;
		case 'o':
			if (strcmp(optarg, "i") == 0)
				o->dot_ends = false;
			break;
		case 'f':
		case 'r':
			o->sender = optarg;
			break;
		case 'F':
			o->full_name = optarg;
			break;
		case 'C':
			o->conf_path = optarg;
			break;
		case '?':
			return false;
		default:
			break;
		}
	}
	return true;
}

static bool set_sender(struct submission *s, const char *given)
{
	char login[128];

	if (given != NULL && (given[0] == '\0' || strcmp(given, "<>") == 0))
		return true;
	if (given == NULL && !submission_login(login, sizeof login))
		return false;
	if (submission_qualify(slice_string(given == NULL ? login : given), s->sender))
		return true;
	ctl_fail(EX_USAGE, "the sender \"%s\" is not an address", given == NULL ? login : given);
	return false;
}

static int send_message(const struct options *o, int argc, char **argv)
{
	static struct submission s;
	int status;

	if (!set_sender(&s, o->sender))
		return EX_USAGE;
	for (int i = 0; i < argc; i++)
		if (!submission_add_recipient(&s, slice_string(argv[i])))
			return EX_USAGE;
	if (argc == 0 && !o->header_recipients)
		return ctl_fail(EX_USAGE, "no recipients; name them, or use -t to take them from the header");
	status = submission_read(&s, o->dot_ends);
	if (status != EX_OK)
		return status;
	if ((o->header_recipients && !submission_take_header_recipients(&s)) || !submission_drop_bcc(&s) || !submission_complete_header(&s, o->full_name))
		return EX_DATAERR;
	if (s.recipient_count == 0)
		return ctl_fail(EX_DATAERR, "the header names no recipients");
	status = submission_send(&s);
	/* Programs do not come again: what the suite does not take now waits in drop/ for when it does. */
	if (status == -1)
		status = submission_drop(&s);
	submission_free(&s);
	return status;
}

/* Copy what can be read from one side to the other; false at its end. */
static bool pass_on(int from, int to)
{
	char block[16384];
	ssize_t got = read(from, block, sizeof block);

	return (got == -1 && errno == EINTR) || (got > 0 && io_write(to, slice_of(block, (size_t)got)));
}

/* -bs: whoever called us speaks SMTP on standard input and output. */
static int speak_smtp(void)
{
	int suite = submission_connect();
	struct pollfd polled[2] = {{STDIN_FILENO, POLLIN, 0}, {suite, POLLIN, 0}};

	if (suite == -1) {
		puts("421 4.3.2 The mail system is not running\r");
		return EX_TEMPFAIL;
	}
	for (;;) {
		if (poll(polled, 2, -1) == -1) {
			if (errno == EINTR)
				continue;
			break;
		}
		if (polled[1].revents != 0 && !pass_on(suite, STDOUT_FILENO))
			break;
		if (polled[0].revents != 0 && !pass_on(STDIN_FILENO, suite)) {
			shutdown(suite, SHUT_WR);
			polled[0].fd = -1;
		}
	}
	close(suite);
	return EX_OK;
}

/* Become petrel(8), without the group that only drop/ is for. */
static int become_petrel(const char *conf_path, const char *first, const char *second, const char *third)
{
	const char *arguments[] = {"petrel", "-c", conf_path, first, second, third, NULL};

	if (setregid(getgid(), getgid()) == -1)
		return EX_OSERR;
	execv(PETREL_SBINDIR "/petrel", (char *const *)arguments);
	return ctl_fail(EX_OSFILE, "%s/petrel: %s", PETREL_SBINDIR, strerror(errno));
}

static enum mode mode_of_name(const char *name)
{
	const char *slash = strrchr(name, '/');

	name = slash == NULL ? name : slash + 1;
	return strcmp(name, "mailq") == 0 ? MODE_QUEUE : strcmp(name, "newaliases") == 0 ? MODE_ALIASES : MODE_SEND;
}

#ifdef PETREL_SANITIZERS
/*
 * A program with a group of its own may not be looked into, by its user or by itself:
 * the leak finder would fail each run, and the user's options are not read.
 */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}
#endif

int main(int argc, char **argv)
{
	struct options o = {.mode = mode_of_name(argv[0]), .dot_ends = true, .full_name = "", .conf_path = PETREL_CONFDIR "/petrel.conf"};
	/* secure_getenv: with the group of drop/, only the host's own configuration counts. */
	const char *configured = secure_getenv("PETREL_CONF");
	struct conf *conf;
	int status;

	log_set_name("sendmail");
	signal(SIGPIPE, SIG_IGN);
	if (configured != NULL && configured[0] != '\0')
		o.conf_path = configured;
	if (!parse_options(&o, argc, argv))
		return EX_USAGE;
	if (strcmp(o.conf_path, PETREL_CONFDIR "/petrel.conf") != 0 && setregid(getgid(), getgid()) == -1)
		return EX_OSERR;
	if (o.mode == MODE_QUEUE)
		return become_petrel(o.conf_path, "queue", "list", NULL);
	if (o.mode == MODE_ALIASES)
		return become_petrel(o.conf_path, "table", "build", "aliases");
	conf = ctl_read_configuration(&(struct ctl){.conf_path = o.conf_path});
	if (conf == NULL)
		return EX_CONFIG;
	status = o.mode == MODE_SMTP ? speak_smtp() : send_message(&o, argc - optind, argv + optind);
	conf_free(conf);
	return status;
}
