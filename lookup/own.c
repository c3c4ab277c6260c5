/*
 * own.c - this host's own addresses.
 */
#include "lookup/own.h"

#include <errno.h>
#include <ifaddrs.h>

#include "common/channel_control.h"
#include "common/log.h"

static struct own_addresses learnt;

static void add(struct own_addresses *own, const struct host_address *address)
{
	if (own->count < OWN_ADDRESSES_MAX && !own_addresses_have(own, address))
		own->list[own->count++] = *address;
}

void own_addresses_learn(void)
{
	struct ifaddrs *interfaces;
	struct host_address address;

	if (getifaddrs(&interfaces) == -1) {
		log_warning("interfaces-unknown", log_errno(errno));
		return;
	}
	for (const struct ifaddrs *i = interfaces; i != NULL; i = i->ifa_next)
		if (i->ifa_addr != NULL && host_address_from_socket(&address, i->ifa_addr))
			add(&learnt, &address);
	freeifaddrs(interfaces);
}

/* "192.0.2.1:25" or "[2001:db8::1]:25"; of "*:25" the interfaces know more. */
static void add_listening(struct own_addresses *own, struct slice word)
{
	ssize_t colon = slice_find_last(word, ':');
	struct slice text = slice_part(word, 0, colon < 0 ? 0 : (size_t)colon);
	struct host_address address;

	if (slice_starts_with(text, SLICE("[")) && slice_ends_with(text, SLICE("]")))
		text = slice_part(text, 1, text.len - 2);
	if (host_address_parse(text, &address))
		add(own, &address);
}

void own_addresses_collect(struct own_addresses *own, const struct settings *s)
{
	static const enum service services[] = {
	    SERVICE_MX, SERVICE_SUBMISSION, SERVICE_SUBMISSIONS};

	*own = learnt;
	for (size_t i = 0; i < sizeof services / sizeof services[0]; i++)
		for (size_t n = 0; n < s->listen[services[i]].count; n++)
			add_listening(own, slice_string(s->listen[services[i]].words[n]));
}

/* "0.0.0.0" and "::": who connects there reaches itself. */
static bool is_unspecified(const struct host_address *address)
{
	static const uint8_t zeros[sizeof address->octets];

	return memcmp(address->octets, zeros, sizeof zeros) == 0;
}

bool own_addresses_have(const struct own_addresses *own, const struct host_address *address)
{
	if (host_address_is_loopback(address) || is_unspecified(address))
		return true;
	for (size_t i = 0; i < own->count; i++)
		if (own->list[i].family == address->family &&
		    memcmp(own->list[i].octets, address->octets, sizeof address->octets) == 0)
			return true;
	return false;
}
