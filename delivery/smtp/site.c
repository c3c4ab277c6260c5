/*
 * site.c - where a job is to go.
 */
#include "delivery/smtp/site.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "message/address.h"

/* Take ":port" off the end. */
static bool split_port(struct slice *text, uint16_t *port)
{
	ssize_t colon = slice_find_last(*text, ':');
	uint64_t number;

	if (colon < 0 || !slice_number(slice_from(*text, (size_t)colon + 1), UINT16_MAX, &number) ||
	    number == 0)
		return false;
	*port = (uint16_t)number;
	text->len = (size_t)colon;
	return true;
}

static bool parse_address(struct slice text, struct site *site)
{
	struct domain_literal literal;

	if (!domain_parse_literal(text, &literal))
		return false;
	site->kind = SITE_ADDRESS;
	site->address.family = (uint8_t)literal.family;
	memcpy(site->address.octets, literal.octets, sizeof site->address.octets);
	return slice_copy(text, site->name, sizeof site->name);
}

bool site_parse(struct slice text, uint16_t mx_port, struct site *site)
{
	*site = (struct site){.port = mx_port};
	if (slice_starts_with(text, SLICE("mx:"))) {
		site->kind = SITE_MX;
		text = slice_from(text, 3);
	} else if (slice_starts_with(text, SLICE("host:"))) {
		site->kind = SITE_HOST;
		text = slice_from(text, 5);
		if (!split_port(&text, &site->port))
			return false;
		if (domain_is_literal(text))
			return parse_address(text, site);
	} else {
		return false;
	}
	return domain_is_valid(text) && slice_copy(text, site->name, sizeof site->name);
}

void target_name(const struct target *target, char name[TARGET_NAME_MAX])
{
	char address[INET6_ADDRSTRLEN] = "?";

	inet_ntop(target->address.family, target->address.octets, address, sizeof address);
	snprintf(name, TARGET_NAME_MAX, "%s[%s]:%u", target->host[0] == '[' ? "" : target->host,
	    address, target->port);
}

void route_to_address(const struct site *site, struct route *route)
{
	struct target *target = &route->targets[0];

	*target = (struct target){.address = site->address, .port = site->port};
	memcpy(target->host, site->name, sizeof target->host);
	route->count = 1;
}

static bool fail(struct route_failure *failure, enum delivery_outcome outcome, const char *status,
    const char *what, const char *name)
{
	failure->outcome = outcome;
	snprintf(failure->status, sizeof failure->status, "%s", status);
	snprintf(failure->text, sizeof failure->text, "%s: %s", name, what);
	return false;
}

/* What an answer without hosts means. */
static bool fail_by_status(struct route_failure *failure, unsigned status, const char *name)
{
	switch (status) {
	case RESOLVER_NO_NAME:
		return fail(failure, DELIVERY_FAILED, "5.1.2", "no such domain", name);
	case RESOLVER_BAD_NAME:
		return fail(failure, DELIVERY_FAILED, "5.1.2", "not a domain name", name);
	case RESOLVER_NULL_MX:
		return fail(failure, DELIVERY_FAILED, "5.1.10",
		    "this domain accepts no mail (null MX)", name);
	case RESOLVER_NO_DATA:
	case RESOLVER_OK:
		return fail(failure, DELIVERY_FAILED, "5.4.4",
		    "this domain has no mail host with an address", name);
	default:
		return fail(
		    failure, DELIVERY_DEFERRED, "4.4.3", "no answer from the DNS just now", name);
	}
}

/*
 * The preference from which on hosts are no nearer than we are; one above all
 * where we are not among them.
 */
static unsigned own_preference(const struct resolver_hosts *hosts, struct slice own_name)
{
	unsigned own = UINT16_MAX + 1;

	for (unsigned i = 0; i < hosts->count; i++)
		if (slice_equal_nocase(slice_string(hosts->hosts[i].name), own_name) &&
		    hosts->hosts[i].preference < own)
			own = hosts->hosts[i].preference;
	return own;
}

/* A name from the DNS may hold anything; in logs and reports it does not. */
static void copy_host_name(const char *name, char out[RESOLVER_NAME_MAX + 1])
{
	size_t len = strnlen(name, RESOLVER_NAME_MAX);

	for (size_t i = 0; i < len; i++)
		out[i] = name[i] > 0x20 && name[i] < 0x7f ? name[i] : '?';
	out[len] = '\0';
}

static void add_host(const struct site *site, const struct resolver_host *host, struct route *route)
{
	for (unsigned i = 0; i < host->address_count && route->count < ROUTE_MAX; i++) {
		struct target *target = &route->targets[route->count++];

		*target = (struct target){.address = host->addresses[i], .port = site->port};
		copy_host_name(host->name, target->host);
	}
}

bool route_by_hosts(const struct site *site, const struct resolver_hosts *hosts,
    struct slice own_name, struct route *route, struct route_failure *failure)
{
	unsigned limit = site->kind == SITE_MX ? own_preference(hosts, own_name) : UINT16_MAX + 1;
	unsigned usable = 0;
	bool is_temporary = false;

	route->count = 0;
	if (hosts->status != RESOLVER_OK)
		return fail_by_status(failure, hosts->status, site->name);
	for (unsigned i = 0; i < hosts->count; i++) {
		const struct resolver_host *host = &hosts->hosts[i];

		if (host->preference >= limit)
			continue;
		usable++;
		is_temporary |= host->status == RESOLVER_TEMPORARY;
		add_host(site, host, route);
	}
	if (route->count > 0)
		return true;
	if (usable == 0 && hosts->count > 0)
		return fail(failure, DELIVERY_FAILED, "5.4.6",
		    "mail for this domain loops back to this host: its MX records name this host, "
		    "which does not hold the domain",
		    site->name);
	return fail_by_status(
	    failure, is_temporary ? RESOLVER_TEMPORARY : RESOLVER_NO_DATA, site->name);
}
