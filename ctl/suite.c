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
	bool json, only_certificates;
	unsigned count, certificates;
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

/* --- certificates: beside the processes, and by themselves ----------------------- */

/* What is to be seen of it at a glance. */
static void certificate_state(struct buf *out, const struct admin_certificate *c)
{
	uint64_t now = clock_wall_us() / 1000000;

	if (!c->is_shown)
		buf_append_string(out, "not shown");
	else if (c->not_after <= now)
		buf_append_string(out, "EXPIRED");
	else
		ctl_age(out, (c->not_after - now) * 1000000);
}

static void certificate_json(struct status *s, const struct admin_certificate *c)
{
	struct cursor names = cursor_over(c->names);
	bool is_first = true;

	buf_append_string(&s->out, s->count++ == 0 ? "[\n" : ",\n");
	buf_append_string(&s->out, "  {\"file\": ");
	json_string(&s->out, c->file);
	buf_append_string(&s->out, ", \"names\": [");
	for (; !cursor_done(&names); cursor_skip(&names, 1), is_first = false) {
		buf_append_string(&s->out, is_first ? "" : ", ");
		json_string(&s->out, cursor_take_until(&names, ' '));
	}
	buf_printf(&s->out, "], \"expires\": %llu, \"shown\": %s, \"problem\": ", (unsigned long long)c->not_after, c->is_shown ? "true" : "false");
	if (c->problem.len > 0)
		json_string(&s->out, c->problem);
	else
		buf_append_string(&s->out, "null");
	buf_append_octet(&s->out, '}');
}

static void certificate_line(struct status *s, const struct admin_certificate *c)
{
	uint64_t now = clock_wall_us() / 1000000;
	size_t before;

	if (s->certificates++ == 0)
		buf_printf(&s->out, "%s%-10s %s\n", s->count > 0 ? "\n" : "", "EXPIRES IN", "CERTIFICATE");
	before = s->out.len;
	certificate_state(&s->out, c);
	while (s->out.len < before + 10)
		buf_append_octet(&s->out, ' ');
	buf_printf(&s->out, " %.*s", SLICE_PRINTF(c->file));
	if (c->names.len > 0)
		buf_printf(&s->out, " (%.*s)", SLICE_PRINTF(c->names));
	buf_append_octet(&s->out, '\n');
	if (c->problem.len > 0)
		buf_printf(&s->out, "%-10s warning: the file holds what cannot be used: %.*s\n", "", SLICE_PRINTF(c->problem));
	else if (c->not_after <= now + (uint64_t)settings->tls.expiry_warning)
		buf_printf(&s->out, "%-10s warning: it is to be renewed\n", "");
}

static bool on_certificate(struct status *s, struct message *m)
{
	struct admin_certificate c;
	struct reader r = message_reader(m);

	if (!admin_certificate_read(&r, &c))
		return false;
	if (!s->json)
		certificate_line(s, &c);
	else if (s->only_certificates)
		certificate_json(s, &c);
	ctl_print(&s->out);
	return true;
}

static bool on_process(struct message *m, void *context)
{
	struct status *s = context;
	struct admin_process p;
	struct reader r = message_reader(m);

	if (m->type == ADMIN_CERTIFICATE)
		return on_certificate(s, m);
	if (m->type != ADMIN_PROCESS || !admin_process_read(&r, &p))
		return false;
	if (s->only_certificates)
		return true;
	if (s->json)
		status_json(s, &p);
	else
		status_line(s, &p);
	ctl_print(&s->out);
	return true;
}

int ctl_status(const struct ctl *ctl, int argc, char **argv)
{
	struct status s = {.out = buf_with_limit(262144), .json = ctl->json};
	int status;

	if (argc == 1 && strcmp(argv[0], "--tables") == 0) {
		table_print(&s.out);
		ctl_print(&s.out);
		buf_free(&s.out);
		return EX_OK;
	}
	s.only_certificates = argc == 1 && strcmp(argv[0], "--certificates") == 0;
	if (argc > 0 && !s.only_certificates)
		return ctl_fail(EX_USAGE, "status: takes --certificates or --tables and nothing else");
	status = ask_master(ctl, ADMIN_STATUS, on_process, &s);
	if (ctl->json && status == EX_OK)
		puts(s.count > 0 ? "\n]" : "[]");
	buf_free(&s.out);
	return status;
}
