/*
 * suite.c - petrel start, stop, reload, status.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/clock.h"
#include "ctl/ctl.h"
#include "master/table.h"
#include "paths.h"

int ctl_start(const struct ctl *ctl, int argc, char **argv)
{
	struct conf *conf = ctl_read_configuration(ctl);
	bool foreground = argc == 1 && strcmp(argv[0], "-f") == 0;
	struct ctl_connection *running;
	const char *arguments[] = {"master", "-c", ctl->conf_path, foreground ? NULL : "-b", NULL};

	if (conf == NULL)
		return EX_CONFIG;
	if (argc > 0 && !foreground)
		return ctl_fail(EX_USAGE, "start: takes -f (stay in the foreground) and nothing else");
	running = ctl_connect();
	if (running != NULL) {
		ctl_disconnect(running);
		return ctl_fail(EX_UNAVAILABLE, "already running (see petrel status)");
	}
	/* Mail flows without a key, and waits for a table; better that than no mail at all. */
	ctl_check_files();
	/* execv takes pointers to what it does not change. */
	execv(PETREL_LIBEXECDIR "/master", (char *const *)arguments);
	return ctl_fail(EX_OSFILE, "%s/master: %s", PETREL_LIBEXECDIR, strerror(errno));
}

/* A command that is one message to master and nothing but its answer. */
static int ask_master(const struct ctl *ctl, uint16_t type, ctl_answer answer, void *context)
{
	struct conf *conf = ctl_read_configuration(ctl);
	struct ctl_connection *c;
	int status;

	if (conf == NULL)
		return EX_CONFIG;
	c = ctl_connect();
	if (c == NULL) {
		status = ctl_not_running();
	} else {
		channel_send(ctl_channel(c), type, 0);
		status = ctl_wait(c, answer, context, NULL);
		ctl_disconnect(c);
	}
	conf_free(conf);
	return status;
}

int ctl_stop(const struct ctl *ctl, int argc, char **argv)
{
	(void)argv;
	if (argc > 0)
		return ctl_fail(EX_USAGE, "stop: takes no arguments");
	return ask_master(ctl, ADMIN_STOP, NULL, NULL);
}

int ctl_reload(const struct ctl *ctl, int argc, char **argv)
{
	struct conf *conf;
	unsigned errors;

	(void)argv;
	if (argc > 0)
		return ctl_fail(EX_USAGE, "reload: takes no arguments");
	conf = ctl_read_configuration(ctl);
	if (conf == NULL)
		return EX_CONFIG;
	errors = ctl_check_files();
	conf_free(conf);
	if (errors > 0)
		return ctl_fail(EX_CONFIG, "not reloaded: what is in force stays so");
	return ask_master(ctl, ADMIN_RELOAD, NULL, NULL);
}

struct status {
	struct buf out;
	bool json;
	unsigned count;
};

static void status_json(struct status *s, const struct admin_process *p)
{
	buf_append_string(&s->out, s->count++ == 0 ? "[\n" : ",\n");
	buf_append_string(&s->out, "  {\"process\": ");
	json_string(&s->out, slice_string(p->name));
	buf_printf(&s->out, ", \"instance\": %u, \"pid\": %u, \"started\": %llu, \"restarts\": %u, \"user\": ", (unsigned)p->instance,
	    (unsigned)p->pid, (unsigned long long)(p->started_us / 1000000), (unsigned)p->restarts);
	json_string(&s->out, slice_string(p->user));
	buf_append_string(&s->out, ", \"root\": ");
	json_string(&s->out, slice_string(p->root[0] == '\0' ? "/" : p->root));
	buf_append_octet(&s->out, '}');
}

static void status_line(struct status *s, const struct admin_process *p)
{
	char name[48];

	if (s->count++ == 0)
		buf_printf(&s->out, "%-20s %8s  %-10s %-9s %-10s %s\n", "PROCESS", "PID", "USER", "RESTARTS", "RUNNING", "ROOT");
	snprintf(name, sizeof name, "%s[%u]", p->name, (unsigned)p->instance);
	buf_printf(&s->out, "%-20s ", name);
	if (p->pid == 0)
		buf_printf(&s->out, "%8s", "down");
	else
		buf_printf(&s->out, "%8u", (unsigned)p->pid);
	buf_printf(&s->out, "  %-10s %-9u ", p->user, (unsigned)p->restarts);
	if (p->pid != 0) {
		size_t before = s->out.len;

		ctl_age(&s->out, clock_wall_us() - p->started_us);
		while (s->out.len < before + 10)
			buf_append_octet(&s->out, ' ');
	} else {
		buf_printf(&s->out, "%-10s", "-");
	}
	buf_printf(&s->out, " %s\n", p->root[0] == '\0' ? "/" : p->root);
}

static bool on_process(struct message *m, void *context)
{
	struct status *s = context;
	struct admin_process p;
	struct reader r = message_reader(m);

	if (m->type != ADMIN_PROCESS || !admin_process_read(&r, &p))
		return false;
	if (s->json)
		status_json(s, &p);
	else
		status_line(s, &p);
	ctl_print(&s->out);
	return true;
}

int ctl_status(const struct ctl *ctl, int argc, char **argv)
{
	struct status s = {buf_with_limit(65536), ctl->json, 0};
	int status;

	if (argc == 1 && strcmp(argv[0], "--tables") == 0) {
		table_print(&s.out);
		ctl_print(&s.out);
		buf_free(&s.out);
		return EX_OK;
	}
	if (argc > 0)
		return ctl_fail(EX_USAGE, "status: takes --tables and nothing else");
	status = ask_master(ctl, ADMIN_STATUS, on_process, &s);
	if (ctl->json && s.count > 0)
		puts("\n]");
	buf_free(&s.out);
	return status;
}
