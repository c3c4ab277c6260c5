/*
 * policy_service.c - programs of others that are asked about sessions, as the settings name them.
 */
#include "common/policy_service.h"

enum { TIMEOUT_DEFAULT_SECONDS = 30, TIMEOUT_MAX_SECONDS = 100 }; /* smtpd waits for policy a little longer */

static bool parse_path(struct slice text, struct service_address *address)
{
	for (size_t i = 0; i < text.len; i++) {
		if (octet_is_control((unsigned char)text.data[i]))
			return false;
	}
	return text.len > 1 && text.data[0] == '/' &&
	       slice_copy(text, address->path, sizeof address->path);
}

static bool parse_host(struct slice text, struct host_address *host)
{
	if (text.len > 2 && text.data[0] == '[' && text.data[text.len - 1] == ']')
		text = slice_part(text, 1, text.len - 2);
	/* The one name that has an address without the DNS (RFC 6761, 6.3). */
	if (slice_equal_nocase(text, SLICE("localhost")))
		text = SLICE("127.0.0.1");
	return host_address_parse(text, host);
}

bool service_address_parse(struct slice text, struct service_address *address)
{
	struct cursor in = cursor_over(text);
	struct slice rest;
	ssize_t colon;
	uint64_t port;

	*address = (struct service_address){0};
	if (cursor_accept_nocase(&in, SLICE("unix:")))
		return parse_path(cursor_rest(&in), address);
	if (!cursor_accept_nocase(&in, SLICE("inet:")))
		return false;
	rest = cursor_rest(&in);
	colon = slice_find_last(rest, ':');
	if (colon < 0 || !slice_number(slice_from(rest, (size_t)colon + 1), UINT16_MAX, &port) ||
	    port == 0)
		return false;
	address->port = (uint16_t)port;
	return parse_host(slice_part(rest, 0, (size_t)colon), &address->host);
}

static bool parse_option(struct slice option, struct policy_service *service)
{
	struct cursor in = cursor_over(option);
	struct slice name = cursor_take_until(&in, '=');
	struct slice value;

	if (!cursor_accept(&in, '='))
		return false;
	value = cursor_rest(&in);
	if (slice_equal(name, SLICE("stage")))
		return gate_stage_named(value, &service->stage) &&
		       (service->stage == GATE_RCPT || service->stage == GATE_DATA ||
			   service->stage == GATE_MESSAGE);
	if (slice_equal(name, SLICE("for"))) {
		service->for_all = slice_equal(value, SLICE("all"));
		return service->for_all || slice_equal(value, SLICE("strangers"));
	}
	if (slice_equal(name, SLICE("failure"))) {
		service->accepts_on_failure = slice_equal(value, SLICE("accept"));
		return service->accepts_on_failure || slice_equal(value, SLICE("defer"));
	}
	if (slice_equal(name, SLICE("context"))) {
		service->context = value;
		return true;
	}
	return slice_equal(name, SLICE("timeout")) &&
	       conf_parse_duration(value, &service->timeout_seconds) &&
	       service->timeout_seconds >= 1 && service->timeout_seconds <= TIMEOUT_MAX_SECONDS;
}

bool policy_service_parse(struct slice word, struct policy_service *service)
{
	struct cursor in = cursor_over(word);

	*service = (struct policy_service){
	    .name = cursor_take_until(&in, ','),
	    .stage = GATE_RCPT,
	    .timeout_seconds = TIMEOUT_DEFAULT_SECONDS,
	};
	if (!service_address_parse(service->name, &service->address))
		return false;
	while (cursor_accept(&in, ',')) {
		if (!parse_option(cursor_take_until(&in, ','), service))
			return false;
	}
	return true;
}

static bool is_milters_path(const struct settings *s, struct slice path)
{
	bool is_named = false;

	for (size_t i = 0; i < s->milters.count && !is_named; i++) {
		struct conf_milter milter;
		struct service_address address;

		if (!conf_group_read(&conf_milter_group, s->milters.words[i], &milter))
			continue;
		is_named = service_address_parse(slice_string(milter.address), &address) &&
			   address.path[0] != '\0' &&
			   slice_equal(slice_string(address.path), path);
		conf_group_free(&conf_milter_group, &milter);
	}
	return is_named;
}

bool service_path_is_named(const struct settings *s, struct slice path)
{
	for (size_t i = 0; i < s->policy.services.count; i++) {
		struct policy_service service;

		if (policy_service_parse(slice_string(s->policy.services.words[i]), &service) &&
		    service.address.path[0] != '\0' &&
		    slice_equal(slice_string(service.address.path), path))
			return true;
	}
	return is_milters_path(s, path);
}
