/*
 * main.c - the daemon that asks the DNS for all others.
 *
 * The only process besides the SMTP client that sends packets of its own; it
 * has no files and no secrets.  What it reads from files, it reads before its
 * root directory is empty.
 */
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/channel_resolver.h"
#include "common/io.h"
#include "common/log.h"
#include "common/process.h"
#include "resolver/question.h"
#include "resolver/records.h"

enum { FILE_MAX = 65536 }; /* octets of resolv.conf and of the trust anchors */

static struct nameservers system_servers; /* of resolv.conf, as it was at the start */
static struct nameservers servers;        /* in use */
static struct buf anchors;
static struct dns *dns;
static bool has_started;

/* --- what is read from files ------------------------------------------------- */

static bool read_file(const char *path, struct buf *out)
{
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	bool whole;

	*out = buf_with_limit(FILE_MAX);
	if (file < 0)
		return false;
	whole = io_read(file, out);
	close(file);
	return whole;
}

static void refuse_server(struct slice server)
{
	log_error("nameserver-unusable", log_slice("server", server));
}

static void read_system_servers(void)
{
	struct buf text;

	if (read_file("/etc/resolv.conf", &text))
		nameservers_read(&system_servers, buf_slice(&text), refuse_server);
	else
		log_warning("resolv.conf-unusable", log_errno(errno));
	buf_free(&text);
}

static bool read_anchors(void)
{
	const char *path = settings->resolver.trust_anchor;

	if (path == NULL || path[0] == '\0' || read_file(path, &anchors))
		return true;
	log_error("trust-anchor-unusable", log_string("file", path), log_errno(errno));
	return false;
}

static bool prepare(void)
{
	read_system_servers();
	return read_anchors();
}

/* --- servers ----------------------------------------------------------------- */

static struct nameservers servers_of_settings(void)
{
	struct nameservers n = {0};

	for (size_t i = 0; i < settings->resolver.forward.count; i++)
		if (!nameservers_add(&n, slice_string(settings->resolver.forward.words[i])))
			refuse_server(slice_string(settings->resolver.forward.words[i]));
	return settings->resolver.forward.count > 0 ? n : system_servers;
}

static void log_servers(void)
{
	struct buf list = buf_with_limit(NAMESERVERS_MAX * NAMESERVER_TEXT_MAX);

	for (size_t i = 0; i < servers.count; i++)
		buf_printf(&list, "%s%s", i == 0 ? "" : " ", servers.servers[i]);
	if (servers.count > 0)
		log_info("nameservers", log_slice("servers", buf_slice(&list)));
	else
		log_warning("no-usable-nameserver", log_string("using", "the root servers"));
	buf_free(&list);
}

static bool same_servers(const struct nameservers *a, const struct nameservers *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++)
		if (strcmp(a->servers[i], b->servers[i]) != 0)
			return false;
	return true;
}

/* Turn to the servers that the settings name now. */
static bool use_servers(struct event_base *base)
{
	struct nameservers wanted = servers_of_settings();
	struct dns *new;

	if (dns == NULL || !same_servers(&wanted, &servers)) {
		new = dns_new(base, &wanted, buf_slice(&anchors));
		if (new == NULL)
			return false;
		questions_move(new);
		records_move(new);
		dns_free(dns);
		dns = new;
		servers = wanted;
		log_servers();
	}
	questions_use(base, dns, (unsigned)settings->resolver.timeout);
	records_use(base, dns, (unsigned)settings->resolver.timeout);
	return true;
}

static bool start(struct event_base *base)
{
	has_started = use_servers(base);
	return has_started && channel_send(process_master(), CONTROL_READY, 0);
}

static void reload(void)
{
	if (has_started && !use_servers(process_base()))
		log_error("nameservers-unchanged");
}

/* --- questions --------------------------------------------------------------- */

static bool on_message(struct channel *channel, struct message *m, void *context)
{
	struct reader r = message_reader(m);
	struct resolver_address address;
	char name[RESOLVER_NAME_MAX + 1];

	(void)context;
	switch (m->type) {
	case RESOLVER_MX:
	case RESOLVER_ADDRESS:
		read_string(&r, name, sizeof name);
		if (!reader_finished(&r))
			return false;
		if (m->type == RESOLVER_MX)
			question_mx(channel, m->request, name);
		else
			question_address(channel, m->request, name);
		return true;
	case RESOLVER_A:
	case RESOLVER_TXT:
		read_string(&r, name, sizeof name);
		if (!reader_finished(&r))
			return false;
		records_ask(channel, m->request, (enum resolver_type)m->type, name);
		return true;
	case RESOLVER_NAME:
		resolver_address_read(&r, &address);
		if (!reader_finished(&r))
			return false;
		question_name(channel, m->request, &address);
		return true;
	default:
		return false;
	}
}

static void on_closed(struct channel *channel, void *context)
{
	(void)context;
	questions_forget(channel);
	records_forget(channel);
}

static const struct process_peer peers[] = {
    {.role = ROLE_SMTPD,         .message = on_message, .closed = on_closed},
    {.role = ROLE_OAUTH,         .message = on_message, .closed = on_closed},
    {.role = ROLE_DELIVERY_SMTP,       .message = on_message, .closed = on_closed},
    {.role = ROLE_POLICY,       .message = on_message, .closed = on_closed},
    {.role = ROLE_NONE},
};

static const struct process resolver = {
    .role = ROLE_RESOLVER,
    .peers = peers,
    .prepare = prepare,
    .start = start,
    .reload = reload,
};

int main(int argc, char **argv)
{
	return process_main(&resolver, argc, argv);
}
