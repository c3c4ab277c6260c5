/*
 * channel_admin.c - encoding of what goes over the control socket.
 */
#include "common/channel_admin.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

enum { ENTRY_RECIPIENT_OCTETS_MIN = 8 }; /* two empty slices */

bool admin_address(const char *directory, struct sockaddr_un *address, int *opened)
{
	const size_t size = sizeof address->sun_path;

	*address = (struct sockaddr_un){.sun_family = AF_UNIX};
	*opened = -1;
	if (snprintf(address->sun_path, size, "%s/control", directory) < (int)size)
		return true;
	*opened = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
	snprintf(address->sun_path, size, "/proc/self/fd/%d/control", *opened);
	return *opened != -1;
}

void admin_filter_write(struct writer *w, const struct admin_filter *filter)
{
	write_u64(w, filter->id);
	write_slice(w, filter->sender);
	write_slice(w, filter->recipient);
	write_slice(w, filter->site);
}

bool admin_filter_read(struct reader *r, struct admin_filter *filter)
{
	filter->id = read_u64(r);
	filter->sender = read_slice(r);
	filter->recipient = read_slice(r);
	filter->site = read_slice(r);
	return reader_finished(r);
}

void admin_process_write(struct writer *w, const struct admin_process *process)
{
	write_string(w, process->name);
	write_u32(w, process->instance);
	write_u32(w, process->pid);
	write_u64(w, process->started_us);
	write_u32(w, process->restarts);
	write_string(w, process->user);
	write_string(w, process->root);
}

bool admin_process_read(struct reader *r, struct admin_process *process)
{
	read_string(r, process->name, sizeof process->name);
	process->instance = read_u32(r);
	process->pid = read_u32(r);
	process->started_us = read_u64(r);
	process->restarts = read_u32(r);
	read_string(r, process->user, sizeof process->user);
	read_string(r, process->root, sizeof process->root);
	return reader_finished(r);
}

void admin_certificate_write(struct writer *w, const struct admin_certificate *certificate)
{
	write_slice(w, certificate->file);
	write_slice(w, certificate->names);
	write_slice(w, certificate->problem);
	write_u64(w, certificate->not_after);
	write_bool(w, certificate->is_shown);
}

bool admin_certificate_read(struct reader *r, struct admin_certificate *certificate)
{
	certificate->file = read_slice(r);
	certificate->names = read_slice(r);
	certificate->problem = read_slice(r);
	certificate->not_after = read_u64(r);
	certificate->is_shown = read_bool(r);
	return reader_finished(r);
}

void admin_entry_write(struct writer *w, const struct admin_entry *entry)
{
	write_u64(w, entry->id);
	write_u64(w, entry->size);
	write_u64(w, entry->arrived_us);
	write_u64(w, entry->next_attempt_us);
	write_u32(w, entry->attempts);
	write_u8(w, entry->state);
	write_u8(w, entry->tls);
	write_u8(w, (uint8_t)entry->priority);
	write_u64(w, entry->release_us);
	write_slice(w, entry->hold);
	write_slice(w, entry->sender);
	write_u32(w, entry->recipient_count);
	for (uint32_t i = 0; i < entry->recipient_count; i++) {
		write_slice(w, entry->recipients[i].address);
		write_slice(w, entry->recipients[i].reason);
	}
}

bool admin_entry_read(struct reader *r, struct admin_entry *entry)
{
	entry->recipients = NULL;
	entry->id = read_u64(r);
	entry->size = read_u64(r);
	entry->arrived_us = read_u64(r);
	entry->next_attempt_us = read_u64(r);
	entry->attempts = read_u32(r);
	entry->state = read_u8(r);
	entry->tls = read_u8(r);
	entry->priority = (int8_t)read_u8(r);
	entry->release_us = read_u64(r);
	entry->hold = read_slice(r);
	entry->sender = read_slice(r);
	entry->recipient_count = read_u32(r);
	if (!reader_ok(r) || entry->state >= ADMIN_STATE_COUNT ||
	    entry->recipient_count > cursor_left(&r->in) / ENTRY_RECIPIENT_OCTETS_MIN)
		return false;
	entry->recipients = calloc((size_t)entry->recipient_count + 1, sizeof *entry->recipients);
	for (uint32_t i = 0; entry->recipients != NULL && i < entry->recipient_count; i++) {
		entry->recipients[i].address = read_slice(r);
		entry->recipients[i].reason = read_slice(r);
	}
	if (entry->recipients != NULL && reader_finished(r))
		return true;
	admin_entry_free(entry);
	return false;
}

void admin_entry_free(struct admin_entry *entry)
{
	free(entry->recipients);
	entry->recipients = NULL;
}

void admin_network_write(struct writer *w, const struct admin_network *network)
{
	write_string(w, network->network);
	write_u32(w, network->successes);
	write_u64(w, network->last_s);
	write_bool(w, network->is_allowed);
	write_bool(w, network->is_by_hand);
}

bool admin_network_read(struct reader *r, struct admin_network *network)
{
	read_string(r, network->network, sizeof network->network);
	network->successes = read_u32(r);
	network->last_s = read_u64(r);
	network->is_allowed = read_bool(r);
	network->is_by_hand = read_bool(r);
	return reader_finished(r);
}

void admin_look_write(struct writer *w, const struct admin_look *look)
{
	write_string(w, look->address);
	write_slice(w, look->sender);
	write_slice(w, look->recipient);
}

bool admin_look_read(struct reader *r, struct admin_look *look)
{
	read_string(r, look->address, sizeof look->address);
	look->sender = read_slice_max(r, ENVELOPE_TEXT_MAX);
	look->recipient = read_slice_max(r, ENVELOPE_TEXT_MAX);
	return reader_finished(r);
}

void admin_facts_write(struct writer *w, const struct admin_facts *facts)
{
	write_u32(w, (uint32_t)facts->score);
	write_slice(w, facts->listed);
	write_u8(w, facts->grey);
	write_u64(w, facts->wait_s);
}

bool admin_facts_read(struct reader *r, struct admin_facts *facts)
{
	facts->score = (int32_t)read_u32(r);
	facts->listed = read_slice_max(r, ENVELOPE_TEXT_MAX);
	facts->grey = read_u8(r);
	facts->wait_s = read_u64(r);
	if (facts->grey >= ADMIN_GREY_COUNT)
		reader_fail(r);
	return reader_finished(r);
}
