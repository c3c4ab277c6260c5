/*
 * What stands in a spool file or in the journal: no octets do harm, and what is
 * taken for a message can be written down again.
 */
#include "qmgr/entry.h"
#include "qmgr/message.h"
#include "qmgr/record.h"
#include "tests/fuzz/fuzz.h"

static void load_message(struct slice in)
{
	struct spool_file file = {.id = 1, .place = SPOOL_NEW, .size = 1};
	struct buf records = buf_with_limit(1 << 20);
	struct mail *mail = mail_new(&file);

	REQUIRE(mail != NULL);
	REQUIRE(buf_append_slice(&records, in));
	if (mail_load(mail, &records)) {
		struct loaded *l = mail->loaded;

		REQUIRE(l->questions_open == l->question_count);
		for (size_t i = 0; i < l->question_count; i++) {
			struct lookup_delivery d = {.kind = LOOKUP_MAILBOX,
			    .address = l->questions[i].address,
			    .place = SLICE("place")};
			struct lookup_expansion expansion = {1, &d};

			REQUIRE(mail_take_answer(mail, &l->questions[i], &expansion));
		}
		for (size_t i = 0; i < l->target_count; i++) {
			target_conclude(
			    l->targets[i], TARGET_DELIVERED, SLICE(""), SLICE(""), SLICE(""));
			REQUIRE(mail_record_outcome(mail, l->targets[i], 1));
		}
		REQUIRE(mail_record_expansion(mail));
		REQUIRE(record_whole_part(buf_slice(&l->pending)).len == l->pending.len);
	}
	mail_free(mail);
	buf_free(&records);
}

static void wrap_and_load(struct slice in)
{
	struct buf records = buf_with_limit(1 << 20);

	/* The checksum is no obstacle to whoever writes the file; here it is one to the fuzzer. */
	for (size_t at = 0; at + 2 <= in.len;) {
		unsigned char type = (unsigned char)in.data[at],
			      length = (unsigned char)in.data[at + 1];
		struct slice payload = slice_part(in, at + 2, length);

		if (!record_append(&records, (enum record_type)(type % 4), payload))
			break;
		at += 2 + payload.len;
	}
	load_message(buf_slice(&records));
	buf_free(&records);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct accepted_entry accepted;
	struct updated_entry updated;
	message_id id;
	uint64_t octets;

	if (size > 1 << 16)
		return 0;
	REQUIRE(record_whole_part(in).len <= in.len);
	load_message(in);
	wrap_and_load(in);
	if (accepted_entry_read(in, &accepted))
		REQUIRE(accepted.records.len + accepted.content.len <= in.len);
	if (updated_entry_read(in, &updated))
		REQUIRE(updated.records.len < in.len);
	if (spool_parse_name(in, &id, &octets)) {
		char name[SPOOL_NAME_MAX];

		spool_format_name(id, octets, name);
		REQUIRE(slice_equal(in, slice_string(name)));
	}
	return 0;
}
