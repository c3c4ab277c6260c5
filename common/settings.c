/*
 * settings.c - every setting there is: the one table.
 */
#include <unistd.h>

#include "common/channel_control.h"
#include "common/conf.h"
#include "paths.h"

#define PATH(name, field, value, about)                                                            \
	{name, CONF_PATH, offsetof(struct settings, field), value, 0, 0, NULL, about, true, NULL, NULL}
#define FILE_PATH(name, field, value, about)                                                       \
	{name, CONF_PATH, offsetof(struct settings, field), value, 0, 0, NULL, about, false, NULL, NULL}
#define FIXED(name, field, value, about)                                                           \
	{name, CONF_STRING, offsetof(struct settings, field), value, 0, 0, NULL, about, true, NULL, NULL}
#define NUMBER(name, field, value, min, max, about)                                                \
	{name, CONF_NUMBER, offsetof(struct settings, field), value, min, max, NULL, about, false, NULL, NULL}
#define COUNT(name, field, value, min, max, about)                                                 \
	{name, CONF_NUMBER, offsetof(struct settings, field), value, min, max, NULL, about, true, NULL, NULL}
#define SIZE(name, field, value, min, max, about)                                                  \
	{name, CONF_SIZE, offsetof(struct settings, field), value, min, max, NULL, about, false, NULL, NULL}
#define FIXED_SIZE(name, field, value, min, max, about)                                            \
	{name, CONF_SIZE, offsetof(struct settings, field), value, min, max, NULL, about, true, NULL, NULL}
#define DURATION(name, field, value, min, max, about)                                              \
	{name, CONF_DURATION, offsetof(struct settings, field), value, min, max, NULL, about, false, NULL, NULL}
#define CHOICE(name, field, value, choices, about)                                                 \
	{name, CONF_CHOICE, offsetof(struct settings, field), value, 0, 0, choices, about, false, NULL, NULL}
#define FIXED_CHOICE(name, field, value, choices, about)                                           \
	{name, CONF_CHOICE, offsetof(struct settings, field), value, 0, 0, choices, about, true, NULL, NULL}

#define LINES(name, field, about)                                                                  \
	{name, CONF_LINES, offsetof(struct settings, field), NULL, 0, 0, NULL, about, false, NULL, NULL}

/* Words that have a form of their own (conf_form.h). */
#define STRING_OF(form, name, field, value, about)                                                 \
	{name, CONF_STRING, offsetof(struct settings, field), value, 0, 0, NULL, about, false,      \
	    &conf_form_##form, NULL}
#define LIST_OF(form, name, field, value, about)                                                   \
	{name, CONF_LIST, offsetof(struct settings, field), value, 0, 0, NULL, about, false,        \
	    &conf_form_##form, NULL}

/* Groups with names of their own: their members are rows of another table. */
#define GROUPS(name, field, which, about)                                                          \
	{name, CONF_GROUPS, offsetof(struct settings, field), NULL, 0, 0, NULL, about, false, NULL, \
	    &which}

#define KILO ((int64_t)1024)
#define MEGA (1024 * KILO)
#define GIGA (1024 * MEGA)
#define DAY  (24 * 3600)

/* The order of the words is the order of the enumerations in conf.h and log.h. */
static const char *const durability_choices[] = {"journal", "file", NULL};
static const char *const log_to_choices[] = {"file", "syslog", "stderr", NULL};
static const char *const log_level_choices[] = {"error", "warning", "info", "debug", NULL};
static const char *const refuse_at_choices[] = {"rcpt", "earliest", NULL};
static const char *const early_talkers_choices[] = {"refuse", "disconnect", "note", NULL};
static const char *const cleartext_choices[] = {"never", "loopback", "always", NULL};
static const char *const certificates_choices[] = {"listed", "named", NULL};
static const char *const oauth_account_choices[] = {"username", "email", "sub", NULL};
static const char *const no_yes_choices[] = {"no", "yes", NULL};
static const char *const bare_line_ends_choices[] = {"normalize", "refuse", NULL};
static const char *const submission_from_choices[] = {"refuse", "sender", "any", NULL};
static const char *const from_missing_choices[] = {"add", "refuse", NULL};
static const char *const greylist_clients_choices[] = {"nobody", "suspects", "strangers", NULL};
static const char *const policy_failure_choices[] = {"defer", "accept", NULL};
static const char *const tls_version_choices[] = {"TLSv1.2", "TLSv1.3", NULL};
static const char *const outbound_tls_choices[] = {"opportunistic", "required", "verified", "off", NULL};

#define OF_MILTER(field) offsetof(struct conf_milter, field)
static const char *const milter_failure_choices[] = {"tempfail", "accept", "refuse", NULL};

static const struct conf_setting milter_members[] = {
    {"address", CONF_STRING, OF_MILTER(address), NULL, 0, 0, NULL,
	"Where it listens: unix:/path or inet:address:port.", false, &conf_form_socket, NULL},
    {"services", CONF_LIST, OF_MILTER(services), "mx submission local", 0, 0, NULL,
	"Whose mail it is shown: mx, submission (both ports), local (sendmail(1)).", false, &conf_form_milter_service, NULL},
    {"on-failure", CONF_CHOICE, OF_MILTER(on_failure), "tempfail", 0, 0, milter_failure_choices,
	"What becomes of mail while it does not answer, or answers nonsense.", false, NULL, NULL},
    {"connect-timeout", CONF_DURATION, OF_MILTER(connect_timeout), "10s", 1, 300, NULL,
	"How long a connection to it, and the agreement on how to talk, may take.", false, NULL, NULL},
    {"command-timeout", CONF_DURATION, OF_MILTER(command_timeout), "30s", 1, 300, NULL,
	"How long it may take for its reply to a command of the envelope.", false, NULL, NULL},
    {"content-timeout", CONF_DURATION, OF_MILTER(content_timeout), "30s", 1, 300, NULL,
	"How long it may take for its reply to a header field or a piece of the body.", false, NULL, NULL},
    {"end-timeout", CONF_DURATION, OF_MILTER(end_timeout), "5m", 1, 600, NULL,
	"How long it may be silent at the end of a message.", false, NULL, NULL},
};
const struct conf_group conf_milter_group = {milter_members,
    sizeof milter_members / sizeof milter_members[0], sizeof(struct conf_milter), "address"};

const struct conf_setting conf_table[] = {
    STRING_OF(host, "hostname", hostname, NULL,
	"The name of this host: in greetings, trace headers and reports.  Default: the system's own."),
    LIST_OF(domain, "domains", domains, NULL, "The domains whose mail ends here."),
    STRING_OF(address, "postmaster", postmaster, NULL,
	"Who gets mail for postmaster where no alias says so.  Default: the first account."),
    STRING_OF(delimiter, "recipient-delimiter", recipient_delimiter, "+",
	"What separates a user's name from an extension (alice+lists); empty: nothing does."),
    STRING_OF(relay, "relay", relay, NULL,
	"Send all mail for other hosts to this one, as host or host:port, instead of looking up MX records."),

    LIST_OF(path, "tls.certificate", tls.certificate, NULL,
	"Certificate chains, PEM, the host's own certificate first.  A client is shown what covers the name that it asks for; the first of the list where nothing does."),
    LIST_OF(path, "tls.key", tls.key, NULL,
	"The private keys that belong to them, PEM, in any order.  Only the process keys sees them."),
    LIST_OF(path, "tls.directory", tls.directory, NULL,
	"Directories with fullchain.pem and privkey.pem, in them or in their subdirectories, as certbot and others leave them."),
    FILE_PATH("tls.client-authorities", tls.client_authorities, NULL,
	"Who certifies users that log in by a certificate: PEM, revocation lists included.  Default: nobody does."),
    CHOICE("tls.minimum", tls.minimum, "TLSv1.2", tls_version_choices, "The oldest TLS version that clients may use."),
    DURATION("tls.watch", tls.watch, "1m", 0, DAY,
	"How often these files are looked at, so that what was renewed is taken; 0: only at a reload."),
    DURATION("tls.expiry-warning", tls.expiry_warning, "14d", 0, 366 * DAY,
	"How long before its end a certificate is warned of, in the log and by petrel status and petrel check."),
    DURATION("tls.ticket-rotation", tls.ticket_rotation, "12h", 0, 3 * DAY,
	"How long one key encrypts the session tickets of all processes; then it is taken for as long again.  0: no tickets."),
    COUNT("tls.key-threads", tls.key_threads, "0", 0, 64,
	"How many threads sign with RSA keys; 0: one for each processor."),

    LIST_OF(listen, "listen.mx", listen[SERVICE_MX], "*:25", "Where mail from other hosts is taken: address:port; none: nowhere."),
    LIST_OF(listen, "listen.submission", listen[SERVICE_SUBMISSION], "*:587", "Where users submit mail, with STARTTLS."),
    LIST_OF(listen, "listen.submissions", listen[SERVICE_SUBMISSIONS], "*:465", "Where users submit mail, with TLS from the start."),
    LIST_OF(listen, "listen.imap", listen[SERVICE_IMAP], "*:143", "Where IMAP is served, with STARTTLS."),
    LIST_OF(listen, "listen.imaps", listen[SERVICE_IMAPS], "*:993", "Where IMAP is served, with TLS from the start."),
    LIST_OF(listen, "listen.pop3", listen[SERVICE_POP3], "*:110", "Where POP3 is served, with STLS."),
    LIST_OF(listen, "listen.pop3s", listen[SERVICE_POP3S], "*:995", "Where POP3 is served, with TLS from the start."),

    PATH("directory.run", directory.run, PETREL_RUNSTATEDIR "/petrel", "The pid file and the control socket."),
    PATH("directory.spool", directory.spool, PETREL_LOCALSTATEDIR "/spool/petrel", "The queue."),
    PATH("directory.mail", directory.mail, PETREL_LOCALSTATEDIR "/mail/petrel", "The mailboxes of virtual users."),
    PATH("directory.tables", directory.tables, PETREL_CONFDIR "/tables", "The tables accounts, aliases, routes, senders and domains."),
    PATH("directory.auth", directory.auth, PETREL_CONFDIR "/auth", "The file credentials: who has which password."),
    PATH("directory.policy", directory.policy, PETREL_LOCALSTATEDIR "/lib/petrel/policy", "What policy remembers: the greylist."),
    PATH("directory.log", directory.log, PETREL_LOCALSTATEDIR "/log/petrel", "The log file, petrel.log."),

    FIXED("user.network", user.network, "petrel", "Who the processes run as that speak to the network."),
    FIXED("user.queue", user.queue, "petrelq", "Who qmgr runs as, and who owns the spool."),
    FIXED("user.mail", user.mail, "petrelm", "Who owns the mailboxes of virtual users."),
    FIXED("user.auth", user.auth, "petrela", "Who auth runs as, and who owns the credentials."),
    FIXED("user.keys", user.keys, "petrelk", "Who keys runs as."),
    FIXED("user.drop-group", user.drop_group, "petreldrop", "The group that may put mail into the spool's drop/."),

    FIXED_CHOICE("log.to", log.to, "file", log_to_choices, "Where the log goes."),
    CHOICE("log.level", log.level, "info", log_level_choices, "How much is logged."),

    DURATION("process.start-timeout", process.start_timeout, "60s", 1, 3600,
	"How long a process may take until it is ready; then it is ended and started again."),

    LIST_OF(network, "proxy.networks", proxy.networks, NULL,
	"Load balancers that say by the PROXY protocol who their client is: connections from there begin with its header."),
    LIST_OF(port, "proxy.ports", proxy.ports, NULL,
	"Our ports where they do so; default: all of SMTP, IMAP and POP3."),
    DURATION("proxy.timeout", proxy.timeout, "5s", 1, 300, "How long such a header may take to come."),

    LINES("access", access, "Who may send mail here: a rule on each line, the first that matches decides; see ACCESS RULES."),

    DURATION("limits.window", limits.window, "1h", 60, DAY,
	"The time in which limits are counted, but for connections."),
    LIST_OF(network, "limits.exempt", limits.exempt, "127.0.0.0/8 ::1/128", "Clients that are not counted; none: all are."),
    NUMBER("limits.ipv4-network", limits.ipv4_network, "24", 8, 32, "How many bits of an IPv4 address are one network's."),
    NUMBER("limits.ipv6-client", limits.ipv6_client, "64", 32, 128, "How many bits of an IPv6 address are one client's."),
    NUMBER("limits.ipv6-network", limits.ipv6_network, "48", 16, 128, "How many bits of an IPv6 address are one network's."),
    NUMBER("limits.client.connections", limits.client.connections, "50", 0, 1000000, "Connections at a time, of one client; 0: any number."),
    NUMBER("limits.client.connections-per-minute", limits.client.connections_per_minute, "300", 0, 1000000, "Connections in a minute, of one client; 0: any number."),
    NUMBER("limits.client.messages", limits.client.messages, "0", 0, 1000000, "Messages in limits.window, of one client; 0: any number."),
    NUMBER("limits.client.recipients", limits.client.recipients, "0", 0, 1000000, "Recipients in limits.window, of one client; 0: any number."),
    NUMBER("limits.client.auth-failures", limits.client.auth_failures, "20", 0, 1000000, "Failed logins in limits.window, of one client; 0: any number."),
    NUMBER("limits.client.errors", limits.client.errors, "200", 0, 1000000, "Commands in limits.window that were refused for good, of one client; 0: any number."),
    NUMBER("limits.client.unknown-recipients", limits.client.unknown_recipients, "100", 0, 1000000, "Recipients in limits.window that there are not, of one client; 0: any number."),
    NUMBER("limits.network.connections", limits.network.connections, "250", 0, 1000000, "Connections at a time, of one network; 0: any number."),
    NUMBER("limits.network.connections-per-minute", limits.network.connections_per_minute, "1500", 0, 1000000, "Connections in a minute, of one network; 0: any number."),
    NUMBER("limits.network.messages", limits.network.messages, "0", 0, 1000000, "Messages in limits.window, of one network; 0: any number."),
    NUMBER("limits.network.recipients", limits.network.recipients, "0", 0, 1000000, "Recipients in limits.window, of one network; 0: any number."),
    NUMBER("limits.network.auth-failures", limits.network.auth_failures, "100", 0, 1000000, "Failed logins in limits.window, of one network; 0: any number."),
    NUMBER("limits.network.errors", limits.network.errors, "1000", 0, 1000000, "Commands in limits.window that were refused for good, of one network; 0: any number."),
    NUMBER("limits.network.unknown-recipients", limits.network.unknown_recipients, "500", 0, 1000000, "Recipients in limits.window that there are not, of one network; 0: any number."),

    COUNT("smtp.workers", smtp.workers, "0", 0, 64, "How many smtpd processes; 0: one for each processor."),
    SIZE("smtp.size-limit", smtp.size_limit, "50M", 64 * KILO, 4 * GIGA, "The largest message that is taken."),
    NUMBER("smtp.recipients-limit", smtp.recipients_limit, "1000", 100, 10000, "Recipients of one message."),
    NUMBER("smtp.connections-limit", smtp.connections_limit, "10000", 1, 1000000, "Clients of one smtpd process at a time."),
    NUMBER("smtp.errors-limit", smtp.errors_limit, "20", 1, 10000, "Refused commands before a client is sent away."),
    DURATION("smtp.command-timeout", smtp.command_timeout, "5m", 1, DAY, "How long a client may take for its next command."),
    DURATION("smtp.data-timeout", smtp.data_timeout, "5m", 1, DAY, "How long a client may be silent inside a message."),
    SIZE("smtp.data-rate", smtp.data_rate, "128", 0, GIGA, "Octets a second of a message below which a client is sent away; 0: it may take its time."),
    DURATION("smtp.data-rate-window", smtp.data_rate_window, "1m", 1, 3600, "The time over which that is measured."),
    NUMBER("smtp.received-limit", smtp.received_limit, "50", 5, 1000, "Received headers at which a message is taken to go in circles."),
    CHOICE("smtp.bare-line-ends", smtp.bare_line_ends, "normalize", bare_line_ends_choices,
	"What becomes of a CR or LF that stands alone: it is stored as CR LF, or the message is refused.  It never ends a message."),
    LIST_OF(network, "smtp.relay-networks", smtp.relay_networks, "127.0.0.0/8 ::1/128",
	"Clients that may send to other hosts without authentication; none: nobody."),
    LIST_OF(network, "smtp.xclient-networks", smtp.xclient_networks, NULL,
	"Content filters and proxies that may say by XCLIENT for which client they speak, its login included."),
    LIST_OF(network, "smtp.priority-networks", smtp.priority_networks, NULL,
	"Hosts that are believed about the priority of their messages (MT-PRIORITY), besides our users."),

    SIZE("submission.size-limit", submission.size_limit, "100M", 64 * KILO, 4 * GIGA, "The largest message that a user may send."),
    NUMBER("submission.recipients-limit", submission.recipients_limit, "2000", 1, 10000, "Recipients of one message of a user's."),
    CHOICE("submission.from", submission.from, "refuse", submission_from_choices,
	"What becomes of a message whose From is an address that the user may not use: it is refused, gets a Sender field, or any is good."),
    CHOICE("submission.from-missing", submission.from_missing, "add", from_missing_choices,
	"What becomes of a user's message without From: the field is added, or the message refused."),
    NUMBER("submission.messages-per-hour", submission.messages_per_hour, "500", 0, 1000000, "Messages that one user may send in an hour; 0: no limit."),
    NUMBER("submission.messages-per-day", submission.messages_per_day, "3000", 0, 10000000, "The same in a day."),
    NUMBER("submission.recipients-per-hour", submission.recipients_per_hour, "2000", 0, 10000000, "Recipients that one user may write to in an hour; 0: no limit."),
    NUMBER("submission.recipients-per-day", submission.recipients_per_day, "10000", 0, 100000000, "The same in a day."),
    DURATION("submission.future-release-limit", submission.future_release_limit, "30d", 0, 9999 * DAY,
	"How long a user may have a message wait before it leaves (FUTURERELEASE); 0: not at all."),
    NUMBER("submission.priority-limit", submission.priority_limit, "4", 0, 9,
	"The highest priority that a user may give a message (MT-PRIORITY, -9 to 9); a higher one is lowered to it."),

    LIST_OF(policy_service, "policy.services", policy.services, NULL,
	"Programs that speak Postfix's policy delegation protocol and are asked about mail, as inet:host:port or unix:/path; see petrel-policy(8)."),
    CHOICE("policy.failure", policy.failure, "defer", policy_failure_choices,
	"What becomes of a command where the process policy is gone before it has answered: temporary failure, or it goes on."),
    GROUPS("milter", milters, conf_milter_group,
	"A mail filter that speaks the milter protocol: milter NAME { address unix:/run/NAME.sock }.  They are asked in this order."),

    CHOICE("smtp.refuse-at", smtp.refuse_at, "rcpt", refuse_at_choices,
	"When a rule of access that refuses or defers is told to the client: at RCPT, or as soon as it is certain."),
    DURATION("smtp.greeting-delay", smtp.greeting_delay, "0", 0, 60,
	"How long clients on port 25 wait for the greeting, but for those that may relay."),
    CHOICE("smtp.early-talkers", smtp.early_talkers, "refuse", early_talkers_choices,
	"What becomes of a client that talks before it was greeted: its recipients are refused, it is disconnected, or the log says so."),
    NUMBER("smtp.tarpit-errors", smtp.tarpit_errors, "5", 0, 10000,
	"Refused commands of a session from which on the replies to further ones are held back."),
    DURATION("smtp.tarpit-delay", smtp.tarpit_delay, "2s", 0, 120, "For how long they are; 0: not at all."),
    NUMBER("smtp.tarpit-sessions", smtp.tarpit_sessions, "1000", 0, 1000000,
	"Sessions of one smtpd process that are made to wait at a time; others are not."),
    NUMBER("smtp.unknown-recipients-limit", smtp.unknown_recipients_limit, "20", 1, 10000,
	"Recipients of one session that there are not, since its last message; from then on it is told of none whether there is one."),

    LIST_OF(dnslist, "dnslists.lists", dnslists.lists, NULL,
	"Lists of hosts in the DNS that are asked about strangers: domain, or domain=127.0.0.[2..11]*weight as Postfix's postscreen has it."),
    NUMBER("dnslists.refuse-score", dnslists.refuse_score, "1", 0, 1000000,
	"The sum of weights from which on a client's mail is refused (except for postmaster); 0: it is not, but access rules and the greylist know the score."),
    DURATION("dnslists.timeout", dnslists.timeout, "2s", 1, 30, "How long a client waits for them before the greeting, at most."),

    CHOICE("greylist.clients", greylist.clients, "nobody", greylist_clients_choices,
	"Who is told to come again later before their first mail is taken: nobody, clients that DNS lists speak ill of, or all that may not relay."),
    NUMBER("greylist.score", greylist.score, "1", 1, 1000000, "The score in DNS lists from which on a client is a suspect."),
    DURATION("greylist.delay", greylist.delay, "5m", 1, DAY, "How much later."),
    DURATION("greylist.retry-window", greylist.retry_window, "2d", 60, 30 * DAY, "How long after that they have time to come."),
    DURATION("greylist.keep", greylist.keep, "35d", 60, 365 * DAY, "How long one who came is remembered after the last mail."),
    NUMBER("greylist.successes", greylist.successes, "5", 0, 1000000,
	"How many that came make their whole network (/24, or /64 of IPv6) known; 0: none do."),
    NUMBER("greylist.entries-limit", greylist.entries_limit, "1000000", 1000, 100000000, "How many are remembered."),
    LIST_OF(network, "greylist.exceptions", greylist.exceptions, NULL, "Networks that are never told so."),

    FIXED_CHOICE("queue.durability", queue.durability, "journal", durability_choices,
	"How a message is made durable before it is acknowledged."),
    FIXED_SIZE("queue.journal-segment", queue.journal_segment, "64M", MEGA, 4 * GIGA, "The size of a journal segment."),
    COUNT("queue.journal-segments", queue.journal_segments, "3", 2, 64, "How many journal segments there are."),
    SIZE("queue.journal-message-limit", queue.journal_message_limit, "256K", 0, 64 * MEGA,
	"Messages above this are flushed as files of their own."),
    NUMBER("queue.messages-limit", queue.messages_limit, "1000000", 1, 100000000, "Messages in the queue beyond which no more are taken."),
    SIZE("queue.free-space", queue.free_space, "64M", 0, 1024 * GIGA, "Room on the spool's disk below which no mail is taken."),
    DURATION("queue.retry-first", queue.retry_first, "5m", 1, DAY, "The wait after a first failed attempt; it grows from there."),
    DURATION("queue.retry-longest", queue.retry_longest, "4h", 1, 30 * DAY, "The longest wait between attempts."),
    DURATION("queue.expire", queue.expire, "5d", 1, 365 * DAY, "When the sender is told that it did not work."),
    DURATION("queue.warn-after", queue.warn_after, "4h", 0, 365 * DAY,
	"When the sender is told that a message is late; 0: never."),
    NUMBER("queue.site-concurrency", queue.site_concurrency, "20", 1, 10000, "Deliveries to one site at a time."),
    NUMBER("queue.aliases-depth", queue.aliases_depth, "16", 1, 100, "How deep aliases may point to aliases."),
    NUMBER("queue.aliases-fanout", queue.aliases_fanout, "1000", 1, 10000, "Deliveries that one address may expand to."),

    COUNT("delivery.smtp-processes", delivery.smtp_processes, "1", 1, 64, "How many processes send mail to other hosts."),
    NUMBER("delivery.smtp-connections", delivery.smtp_connections, "500", 1, 100000, "Connections of one of them at a time."),
    NUMBER("delivery.smtp-port", delivery.smtp_port, "25", 1, 65535, "The port of other hosts."),
    DURATION("delivery.connect-timeout", delivery.connect_timeout, "30s", 1, 3600, "How long a connection may take."),
    DURATION("delivery.reply-timeout", delivery.reply_timeout, "5m", 1, DAY, "How long the other side may take for a reply."),
    DURATION("delivery.data-timeout", delivery.data_timeout, "10m", 1, DAY, "How long it may take for the reply to the end of data."),
    DURATION("delivery.idle-connection", delivery.idle_connection, "5s", 0, 3600, "How long a connection without work is kept for reuse."),
    NUMBER("delivery.connection-messages", delivery.connection_messages, "1000", 1, 1000000, "Messages on one connection."),
    CHOICE("delivery.tls", delivery.tls, "opportunistic", outbound_tls_choices,
	"TLS to other hosts: where it is offered; always; always, with a certificate that the system's authorities vouch for; or never."),
    CHOICE("delivery.tls-waiver", delivery.tls_waiver, "yes", no_yes_choices,
	"Whether a message may waive what delivery.tls asks for, by its header: TLS-Required: No (RFC 8689)."),
    COUNT("delivery.maildir-processes", delivery.maildir_processes, "1", 1, 64, "How many processes write to mailboxes."),
    NUMBER("delivery.maildir-jobs", delivery.maildir_jobs, "64", 1, 10000, "Messages that one of them is given at a time."),

    LIST_OF(nameserver, "resolver.forward", resolver.forward, NULL, "Ask these DNS servers (address or address@port).  Default: those of resolv.conf(5)."),
    DURATION("resolver.timeout", resolver.timeout, "30s", 1, 300, "How long an answer may take."),
    PATH("resolver.trust-anchor", resolver.trust_anchor, NULL, "The DNSSEC root key; without it nothing is validated."),

    CHOICE("auth.cleartext", auth.cleartext, "never", cleartext_choices,
	"Whether passwords are taken on connections without TLS."),
    CHOICE("auth.scram", auth.scram, "yes", no_yes_choices,
	"Whether SCRAM-SHA-256 is offered: accounts with a hash of crypt(3) cannot use it."),
    CHOICE("auth.certificates", auth.certificates, "listed", certificates_choices,
	"Whose certificate it is: of whom the file certificates says, or of the account that it names as well."),
    DURATION("auth.cache", auth.cache, "10m", 0, DAY, "How long a verified password is remembered (as a keyed hash)."),
    COUNT("auth.threads", auth.threads, "2", 1, 64, "Threads that verify passwords."),
    DURATION("auth.failure-delay", auth.failure_delay, "2s", 0, 60, "The wait after a wrong password; it grows with each."),

    {"oauth.introspection", CONF_STRING, offsetof(struct settings, oauth.introspection), NULL, 0, 0, NULL,
	"The https URL where tokens are asked about (RFC 7662).  Default: no tokens are taken.", true, &conf_form_https, NULL},
    STRING_OF(word, "oauth.client-id", oauth.client_id, NULL, "What Petrel calls itself there; without it, it does not say who it is."),
    FILE_PATH("oauth.client-secret", oauth.client_secret, NULL, "A file with the secret that goes with it.  Only the process oauth sees it."),
    FILE_PATH("oauth.authorities", oauth.authorities, NULL, "Who certifies that server: PEM.  Default: whom the system trusts."),
    CHOICE("oauth.account", oauth.account, "username", oauth_account_choices, "What of the answer names the account."),
    LIST_OF(word, "oauth.scope", oauth.scope, NULL, "What a token has to be good for, all of it."),
    LIST_OF(word, "oauth.audience", oauth.audience, NULL, "Whom a token has to be meant for, one of them."),
    STRING_OF(https, "oauth.configuration", oauth.configuration, NULL, "Where clients without a token are told to look: the https URL of the OpenID configuration."),
    DURATION("oauth.timeout", oauth.timeout, "10s", 1, 60, "How long an answer may take."),
    DURATION("oauth.cache", oauth.cache, "1m", 0, 3600, "How long an answer is remembered (under a keyed hash), if the token is good for as long."),
    NUMBER("oauth.connections", oauth.connections, "8", 1, 100, "Questions that are asked at a time."),

    COUNT("imap.workers", imap.workers, "0", 0, 64, "How many imapd processes; 0: one for each processor."),
    NUMBER("imap.connections-limit", imap.connections_limit, "10000", 1, 1000000, "Clients of one imapd process at a time."),
    DURATION("imap.login-timeout", imap.login_timeout, "3m", 1, DAY, "How long a client may take to log in."),
    DURATION("imap.idle-timeout", imap.idle_timeout, "30m", 60, 7 * DAY, "How long a client that is logged in may be silent."),
    DURATION("imap.session-linger", imap.session_linger, "10s", 0, 3600, "How long a user's process waits for another connection."),
    SIZE("imap.append-limit", imap.append_limit, "50M", 64 * KILO, 4 * GIGA, "The largest message that a client may store."),

    COUNT("pop3.workers", pop3.workers, "1", 0, 64, "How many pop3d processes; 0: one for each processor."),
    NUMBER("pop3.connections-limit", pop3.connections_limit, "10000", 1, 1000000, "Clients of one pop3d process at a time."),
    DURATION("pop3.login-timeout", pop3.login_timeout, "3m", 1, DAY, "How long a client may take to log in."),
    DURATION("pop3.idle-timeout", pop3.idle_timeout, "10m", 1, DAY, "How long a client that is logged in may be silent."),
};

const size_t conf_table_size = sizeof conf_table / sizeof conf_table[0];
