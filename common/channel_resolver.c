/*
 * channel_resolver.c - encoding of the resolver's questions and answers.
 */
#include "common/channel_resolver.h"

#include <sys/socket.h>

static size_t octets_of(uint8_t family)
{
	return family == AF_INET ? 4 : 16;
}

void resolver_address_write(struct writer *w, const struct resolver_address *address)
{
	write_u8(w, address->family);
	write_slice(w, slice_of(address->octets, octets_of(address->family)));
}

bool resolver_address_read(struct reader *r, struct resolver_address *address)
{
	struct slice octets;

	*address = (struct resolver_address){.family = read_u8(r)};
	octets = read_slice_max(r, sizeof address->octets);
	if ((address->family != AF_INET && address->family != AF_INET6) ||
	    octets.len != octets_of(address->family)) {
		reader_fail(r);
		return false;
	}
	memcpy(address->octets, octets.data, octets.len);
	return reader_ok(r);
}

static void write_host(struct writer *w, const struct resolver_host *host)
{
	write_string(w, host->name);
	write_u16(w, host->preference);
	write_u8(w, host->status);
	write_u8(w, host->address_count);
	for (unsigned i = 0; i < host->address_count; i++)
		resolver_address_write(w, &host->addresses[i]);
}

static void read_host(struct reader *r, struct resolver_host *host)
{
	unsigned count;

	read_string(r, host->name, sizeof host->name);
	host->preference = read_u16(r);
	host->status = read_u8(r);
	count = read_u8(r);
	host->address_count = 0;
	if (host->status >= RESOLVER_STATUS_COUNT || count > RESOLVER_ADDRESSES_MAX) {
		reader_fail(r);
		return;
	}
	while (host->address_count < count && reader_ok(r))
		resolver_address_read(r, &host->addresses[host->address_count++]);
}

void resolver_hosts_write(struct writer *w, const struct resolver_hosts *hosts)
{
	write_u8(w, hosts->status);
	write_bool(w, hosts->secure);
	write_bool(w, hosts->implicit);
	write_u8(w, hosts->count);
	for (unsigned i = 0; i < hosts->count; i++)
		write_host(w, &hosts->hosts[i]);
}

bool resolver_hosts_read(struct reader *r, struct resolver_hosts *hosts)
{
	unsigned count;

	hosts->status = read_u8(r);
	hosts->secure = read_bool(r);
	hosts->implicit = read_bool(r);
	count = read_u8(r);
	hosts->count = 0;
	if (hosts->status >= RESOLVER_STATUS_COUNT || count > RESOLVER_HOSTS_MAX)
		reader_fail(r);
	while (reader_ok(r) && hosts->count < count)
		read_host(r, &hosts->hosts[hosts->count++]);
	return reader_finished(r);
}

void resolver_records_write(struct writer *w, const struct resolver_records *records)
{
	write_u8(w, records->status);
	write_u32(w, records->ttl);
	write_u8(w, records->count);
	for (unsigned i = 0; i < records->count; i++)
		write_slice(w, records->records[i]);
}

bool resolver_records_read(struct reader *r, struct resolver_records *records)
{
	unsigned count;

	records->status = read_u8(r);
	records->ttl = read_u32(r);
	count = read_u8(r);
	records->count = 0;
	if (records->status >= RESOLVER_STATUS_COUNT || count > RESOLVER_RECORDS_MAX)
		reader_fail(r);
	while (reader_ok(r) && records->count < count)
		records->records[records->count++] = read_slice_max(r, RESOLVER_RECORD_MAX);
	return reader_finished(r);
}
