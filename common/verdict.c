/*
 * verdict.c - whether an SMTP session may go on: names, replies, encoding.
 */
#include "common/verdict.h"

static const char *const stage_names[GATE_STAGE_COUNT] = {
    [GATE_CONNECT] = "connect",
    [GATE_HELO] = "helo",
    [GATE_MAIL] = "mail",
    [GATE_RCPT] = "rcpt",
    [GATE_DATA] = "data",
    [GATE_MESSAGE] = "message",
};

const char *gate_stage_name(enum gate_stage stage)
{
	return stage < GATE_STAGE_COUNT ? stage_names[stage] : "unknown";
}

bool gate_stage_named(struct slice name, enum gate_stage *stage)
{
	for (unsigned i = 0; i < GATE_STAGE_COUNT; i++) {
		if (slice_equal_nocase(name, slice_string(stage_names[i]))) {
			*stage = (enum gate_stage)i;
			return true;
		}
	}
	return false;
}

static void set_text(const char *from, char *to, size_t size)
{
	struct slice text = slice_string(from);

	slice_copy(slice_part(text, 0, size - 1), to, size);
}

struct verdict verdict_of(
    enum verdict_answer answer, unsigned code, const char *status, const char *text, const char *by)
{
	struct verdict verdict = {.answer = (uint8_t)answer, .code = (uint16_t)code};

	set_text(status, verdict.status, sizeof verdict.status);
	set_text(text, verdict.text, sizeof verdict.text);
	set_text(by, verdict.by, sizeof verdict.by);
	return verdict;
}

/* The first digit of the reply. */
static unsigned class_of(const struct verdict *verdict)
{
	if (verdict->answer == VERDICT_DISCONNECT)
		return verdict->code / 100 == 5 ? 5 : 4;
	return verdict->answer == VERDICT_REFUSE ? 5 : 4;
}

unsigned verdict_code(const struct verdict *verdict)
{
	unsigned class = class_of(verdict);

	if (verdict->code / 100 == class)
		return verdict->code;
	if (verdict->answer == VERDICT_DISCONNECT)
		return 421;
	return class == 5 ? 554 : 451;
}

const char *verdict_status(const struct verdict *verdict)
{
	unsigned class = class_of(verdict);

	if (verdict->status[0] == (char)('0' + class))
		return verdict->status;
	return class == 5 ? "5.7.1" : "4.7.1";
}

const char *verdict_text(const struct verdict *verdict)
{
	if (verdict->text[0] != '\0')
		return verdict->text;
	return class_of(verdict) == 5 ? "Access denied" : "Temporary failure, try again later";
}

void verdict_write(struct writer *w, const struct verdict *verdict)
{
	write_u8(w, verdict->answer);
	write_u16(w, verdict->code);
	write_string(w, verdict->status);
	write_string(w, verdict->text);
	write_string(w, verdict->by);
}

void verdict_read(struct reader *r, struct verdict *verdict)
{
	verdict->answer = read_u8(r);
	verdict->code = read_u16(r);
	read_string(r, verdict->status, sizeof verdict->status);
	read_string(r, verdict->text, sizeof verdict->text);
	read_string(r, verdict->by, sizeof verdict->by);
	/* The code becomes a reply's first three digits. */
	if (verdict->answer >= VERDICT_ANSWER_COUNT ||
	    (verdict->code != 0 && (verdict->code < 200 || verdict->code > 599)))
		reader_fail(r);
}
