/*
 * channel_policy.c - encoding of the questions to policy and of its answers.
 */
#include "common/channel_policy.h"

#include "common/channel_filter.h"
#include "common/channel_queue.h"
#include "common/policy_service.h"

static void write_address(struct writer *w, const struct host_address *address)
{
	write_u8(w, address->family);
	write_slice(w, slice_of(address->octets, sizeof address->octets));
}

static void read_address(struct reader *r, struct host_address *address)
{
	struct slice octets;

	*address = (struct host_address){.family = read_u8(r)};
	octets = read_slice_max(r, sizeof address->octets);
	if (octets.len != sizeof address->octets ||
	    (address->family != 0 && address->family != AF_INET && address->family != AF_INET6))
		reader_fail(r);
	else
		memcpy(address->octets, octets.data, sizeof address->octets);
}

void policy_question_write(struct writer *w, const struct policy_question *q)
{
	write_u8(w, q->stage);
	write_u8(w, q->service);
	write_u64(w, q->session);
	write_u64(w, q->transaction);
	write_address(w, &q->address);
	write_bool(w, q->is_trusted);
	write_bool(w, q->is_extended);
	write_slice(w, q->client_name);
	write_slice(w, q->helo);
	write_slice(w, q->login);
	write_slice(w, q->mechanism);
	write_slice(w, q->tls_protocol);
	write_slice(w, q->tls_cipher);
	write_u32(w, q->tls_bits);
	write_slice(w, q->sender);
	write_slice(w, q->recipient);
	write_u32(w, q->recipient_count);
	write_u32(w, (uint32_t)q->score);
	write_u64(w, q->size);
	write_u64(w, q->message);
}

bool policy_question_read(struct reader *r, struct policy_question *q)
{
	q->stage = read_u8(r);
	q->service = read_u8(r);
	q->session = read_u64(r);
	q->transaction = read_u64(r);
	read_address(r, &q->address);
	q->is_trusted = read_bool(r);
	q->is_extended = read_bool(r);
	q->client_name = read_slice_max(r, POLICY_TEXT_MAX);
	q->helo = read_slice_max(r, POLICY_TEXT_MAX);
	q->login = read_slice_max(r, POLICY_TEXT_MAX);
	q->mechanism = read_slice_max(r, POLICY_TEXT_MAX);
	q->tls_protocol = read_slice_max(r, POLICY_TEXT_MAX);
	q->tls_cipher = read_slice_max(r, POLICY_TEXT_MAX);
	q->tls_bits = read_u32(r);
	q->sender = read_slice_max(r, POLICY_TEXT_MAX);
	q->recipient = read_slice_max(r, POLICY_TEXT_MAX);
	q->recipient_count = read_u32(r);
	q->score = (int32_t)read_u32(r);
	q->size = read_u64(r);
	q->message = read_u64(r);
	if (q->stage >= GATE_STAGE_COUNT || q->service >= SERVICE_COUNT)
		reader_fail(r);
	return reader_finished(r);
}

void policy_answer_write(struct writer *w, const struct policy_answer *answer)
{
	verdict_write(w, &answer->verdict);
	write_u32(w, (uint32_t)answer->score);
	write_slice(w, answer->listed);
	write_slice(w, answer->fields);
}

bool policy_answer_read(struct reader *r, struct policy_answer *answer)
{
	verdict_read(r, &answer->verdict);
	answer->score = (int32_t)read_u32(r);
	answer->listed = read_slice_max(r, POLICY_TEXT_MAX);
	answer->fields = read_slice_max(r, POLICY_FIELDS_MAX);
	if (!envelope_prepend_is_clean(answer->fields))
		reader_fail(r);
	return reader_finished(r);
}

unsigned policy_stages(
    const struct settings *s, enum service of, bool is_local, bool is_trusted)
{
	unsigned stages = 0;

	for (size_t i = 0; i < s->policy.services.count; i++) {
		struct policy_service service;

		if (policy_service_parse(slice_string(s->policy.services.words[i]), &service) &&
		    (!is_trusted || service.for_all))
			stages |= 1u << service.stage;
	}
	if (!is_trusted && s->dnslists.lists.count > 0)
		stages |= 1u << GATE_CONNECT;
	/* The null sender is looked at where its message begins. */
	if (!is_trusted && s->greylist.clients != GREYLIST_NOBODY)
		stages |= 1u << GATE_RCPT | 1u << GATE_DATA;
	/* A message's content goes to milters in another way (channel_filter.h). */
	if (filter_is_wanted(s, of, is_local))
		stages |= 1u << GATE_MAIL | 1u << GATE_RCPT | 1u << GATE_DATA;
	return stages;
}
