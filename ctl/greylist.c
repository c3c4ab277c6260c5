/*
 * greylist.c - petrel greylist: the networks that the greylist knows.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "ctl/ctl.h"

struct listing {
	struct buf out;
	bool json;
	uint64_t count;
};

static bool on_network(struct message *m, void *context)
{
	struct listing *l = context;
	struct reader r = message_reader(m);
	struct admin_network n;

	if (m->type != ADMIN_GREYLIST_NETWORK || !admin_network_read(&r, &n))
		return false;
	if (l->json) {
		buf_append_string(&l->out, l->count == 0 ? "[\n  {\"network\": " : ",\n  {\"network\": ");
		json_string(&l->out, slice_string(n.network));
		buf_printf(&l->out, ", \"successes\": %u, \"last\": %llu, \"allowed\": %s, \"by_hand\": %s}", (unsigned)n.successes,
		    (unsigned long long)n.last_s, n.is_allowed ? "true" : "false", n.is_by_hand ? "true" : "false");
	} else {
		buf_printf(&l->out, "%-24s ", n.network);
		ctl_time(&l->out, n.last_s * 1000000);
		if (n.is_by_hand)
			buf_append_string(&l->out, "  allowed for good\n");
		else
			buf_printf(&l->out, "  %u%s\n", (unsigned)n.successes, n.is_allowed ? ", allowed" : "");
	}
	l->count++;
	ctl_print(&l->out);
	return true;
}

static int list(const struct ctl *ctl, struct ctl_connection *c)
{
	struct listing l = {.out = buf_with_limit(65536), .json = ctl->json};
	int status;

	channel_send(ctl_channel(c), ADMIN_GREYLIST_LIST, 0);
	status = ctl_wait(c, on_network, &l, NULL);
	if (ctl->json)
		puts(l.count == 0 ? "[]" : "\n]");
	else if (l.count == 0 && status == EX_OK)
		puts("No network is known yet.");
	buf_free(&l.out);
	return status;
}

static int change(const struct ctl *ctl, struct ctl_connection *c, uint16_t type, const char *network)
{
	const char *what = type == ADMIN_GREYLIST_ALLOW ? "allowed" : "forgotten";
	uint64_t count = 0;
	int status;

	write_string(channel_begin(ctl_channel(c), type, 0), network);
	channel_end(ctl_channel(c));
	status = ctl_wait(c, NULL, NULL, &count);
	if (ctl->json)
		printf("{\"%s\": %llu}\n", what, (unsigned long long)count);
	else if (status == EX_OK)
		printf("%s: %s\n", network, count > 0 ? what : "nothing was known of it");
	return status;
}

static int run(const struct ctl *ctl, uint16_t type, const char *network)
{
	struct ctl_connection *c = ctl_connect();
	int status = EX_UNAVAILABLE;

	if (c == NULL)
		return ctl_not_running();
	channel_send(ctl_channel(c), ADMIN_POLICY, 0);
	if (ctl_wait_for_go(c))
		status = type == ADMIN_GREYLIST_LIST ? list(ctl, c) : change(ctl, c, type, network);
	ctl_disconnect(c);
	return status;
}

int ctl_greylist(const struct ctl *ctl, int argc, char **argv)
{
	static const struct {
		const char *name;
		uint16_t type;
		int arguments;
	} verbs[] = {
	    {"list",   ADMIN_GREYLIST_LIST,   0},
	    {"allow",  ADMIN_GREYLIST_ALLOW,  1},
	    {"forget", ADMIN_GREYLIST_FORGET, 1},
	};
	struct conf *conf;
	size_t verb;
	int status;

	for (verb = 0; argc > 0 && verb < sizeof verbs / sizeof verbs[0]; verb++)
		if (strcmp(argv[0], verbs[verb].name) == 0)
			break;
	if (argc == 0 || verb == sizeof verbs / sizeof verbs[0])
		return ctl_fail(EX_USAGE, "greylist: wants list, allow or forget");
	if (argc - 1 != verbs[verb].arguments)
		return ctl_fail(EX_USAGE, "greylist %s: wants %s", argv[0], verbs[verb].arguments == 0 ? "no arguments" : "an address or a network");
	conf = ctl_read_configuration(ctl);
	if (conf == NULL)
		return EX_CONFIG;
	status = run(ctl, verbs[verb].type, argv[1]);
	conf_free(conf);
	return status;
}
