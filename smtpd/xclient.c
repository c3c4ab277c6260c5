/*
 * xclient.c - XCLIENT: for which client a filter or proxy speaks
 * (https://www.postfix.org/XCLIENT_README.html).
 *
 * Attributes are collected and judged first; only when all are good do they
 * become the session's client, and the session begins anew.
 */
#include "smtpd/xclient.h"

#include <stdlib.h>
#include <string.h>

#include "common/log.h"
#include "message/address.h"
#include "smtpd/limits.h"
#include "smtpd/reply.h"
#include "smtpd/session.h"

enum {
	ATTRIBUTES_MAX = 16,
	VALUE_MAX = 512, /* octets, decoded */
	HELO_MAX = 255,
	LOGIN_MAX = 320
};

/* What was said; a slice without data: nothing. */
struct attributes {
	struct host_address address;
	bool has_address;
	bool has_name, name_failed;
	bool has_protocol, is_extended;
	struct buf name, helo, login; /* empty: there is none */
	bool has_helo, has_login;
};

static bool is_unavailable(struct slice value)
{
	return slice_equal_nocase(value, SLICE("[UNAVAILABLE]")) ||
	       slice_equal_nocase(value, SLICE("[TEMPUNAVAIL]"));
}

static bool is_printable(struct slice value)
{
	for (size_t i = 0; i < value.len; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if (c <= ' ' || c >= 0x7f)
			return false;
	}
	return value.len > 0;
}

/* "192.0.2.1", "IPV6:2001:db8::1"; unavailable: an address of no family. */
static bool read_address(struct slice value, struct host_address *address)
{
	struct cursor in = cursor_over(value);

	*address = (struct host_address){0};
	cursor_accept_nocase(&in, SLICE("IPV6:"));
	return is_unavailable(value) || host_address_parse(cursor_rest(&in), address);
}

static bool read_port(struct slice value)
{
	uint64_t port;

	return is_unavailable(value) || slice_number(value, UINT16_MAX, &port);
}

static bool read_text(struct slice value, size_t max, struct buf *out)
{
	return is_unavailable(value) ||
	       (value.len <= max && is_printable(value) && buf_append_slice(out, value));
}

static bool take_attribute(struct attributes *a, struct slice name, struct slice value)
{
	struct host_address destination;

	if (slice_equal_nocase(name, SLICE("ADDR"))) {
		a->has_address = true;
		return read_address(value, &a->address);
	}
	if (slice_equal_nocase(name, SLICE("NAME"))) {
		a->has_name = true;
		a->name_failed = slice_equal_nocase(value, SLICE("[TEMPUNAVAIL]"));
		return read_text(value, HELO_MAX, &a->name) &&
		       (a->name.len == 0 || domain_is_valid(buf_slice(&a->name)));
	}
	if (slice_equal_nocase(name, SLICE("HELO"))) {
		a->has_helo = true;
		return read_text(value, HELO_MAX, &a->helo);
	}
	if (slice_equal_nocase(name, SLICE("LOGIN"))) {
		a->has_login = true;
		return read_text(value, LOGIN_MAX, &a->login);
	}
	if (slice_equal_nocase(name, SLICE("PROTO"))) {
		a->has_protocol = true;
		a->is_extended = slice_equal_nocase(value, SLICE("ESMTP"));
		return a->is_extended || slice_equal_nocase(value, SLICE("SMTP"));
	}
	if (slice_equal_nocase(name, SLICE("PORT")) || slice_equal_nocase(name, SLICE("DESTPORT")))
		return read_port(value);
	return slice_equal_nocase(name, SLICE("DESTADDR")) && read_address(value, &destination);
}

static bool read_attributes(struct slice arguments, struct attributes *a)
{
	struct esmtp_parameter parameters[ATTRIBUTES_MAX];
	ssize_t count = esmtp_parameters_parse(arguments, parameters, ATTRIBUTES_MAX);
	struct buf value = buf_with_limit(VALUE_MAX);
	bool good = count > 0;

	for (ssize_t i = 0; good && i < count; i++) {
		buf_clear(&value);
		good = parameters[i].has_value && xtext_decode(parameters[i].value, &value) &&
		       take_attribute(a, parameters[i].keyword, buf_slice(&value));
	}
	buf_free(&value);
	return good;
}

/* --- the session's new client ------------------------------------------------------ */

static bool replace(char **text, const struct buf *with)
{
	free(*text);
	*text = with->len == 0 ? NULL : slice_dup(buf_slice(with));
	return with->len == 0 || *text != NULL;
}

/* What the rights of an address are is for us to say. */
static void change_address(struct session *s, const struct host_address *address)
{
	struct client *client = &s->client;

	*client = (struct client){.family = address->family, .is_trial = s->peer.is_trial};
	memcpy(client->octets, address->octets, sizeof client->octets);
	if (address->family == 0) {
		slice_copy(SLICE("unknown"), client->text, sizeof client->text);
		return;
	}
	host_address_print(address, client->text);
	client->is_loopback = host_address_is_loopback(address);
	client->may_relay = client_is_in(client, &settings->smtp.relay_networks);
	limits_follow(client);
}

static bool apply(struct session *s, const struct attributes *a)
{
	bool good = true;

	session_forget(s);
	gate_forget(s);
	/* The certificate is that of whoever speaks for the client. */
	stream_forget_proof(s->stream);
	if (a->has_address) {
		change_address(s, &a->address);
		free(s->client_name);
		s->client_name = NULL;
		s->name_state = s->client.family == 0 ? ACCESS_NAME_NONE : ACCESS_NAME_PENDING;
	}
	if (a->has_name) {
		good = replace(&s->client_name, &a->name);
		s->name_state = a->name_failed ? ACCESS_NAME_FAILED : ACCESS_NAME_NONE;
	}
	if (a->has_login)
		good = good && replace(&s->login, &a->login);
	if (a->has_login)
		s->mechanism = NULL;
	if (a->has_helo) {
		good = good && replace(&s->helo, &a->helo);
		s->has_greeted = s->helo != NULL;
	}
	if (a->has_protocol)
		s->is_extended = a->is_extended;
	return good;
}

bool xclient_is_offered(const struct session *s)
{
	return !s->is_local &&
	       (s->peer.is_trial || client_is_in(&s->peer, &settings->smtp.xclient_networks));
}

void xclient_take(struct session *s, struct slice arguments)
{
	struct attributes a = {.name = buf_with_limit(VALUE_MAX),
	    .helo = buf_with_limit(VALUE_MAX),
	    .login = buf_with_limit(VALUE_MAX)};

	if (!xclient_is_offered(s)) {
		reply(s, 554, "5.7.0", "You are not to speak for others");
	} else if (s->transaction != NULL) {
		reply(s, 503, "5.5.1", "A message was begun already");
	} else if (!read_attributes(arguments, &a)) {
		reply(s, 501, "5.5.4", "Syntax: XCLIENT attribute=value ...");
	} else if (!apply(s, &a)) {
		reply(s, 421, "4.3.0", "%s out of memory", settings->hostname);
		session_close(s);
	} else {
		log_info("xclient", log_string("proxy", s->peer.text),
		    log_string("client", s->client.text),
		    log_string("name", s->client_name != NULL ? s->client_name : ""),
		    log_string("login", s->login != NULL ? s->login : ""));
		session_greet(s);
	}
	buf_free(&a.name);
	buf_free(&a.helo);
	buf_free(&a.login);
}
