/*
 * commands.c - the verbs of POP3 after login (RFC 1939; CAPA: RFC 2449).
 */
#include <stdlib.h>

#include "common/log.h"
#include "pop3d/session/maildrop.h"

/* What follows the verb: up to two numbers, or anything else. */
struct arguments {
	unsigned count;
	struct slice words[2];
	bool too_many;
};

typedef void maildrop_verb(struct maildrop *drop, const struct arguments *arguments);

static maildrop_verb cmd_capa, cmd_dele, cmd_list, cmd_noop, cmd_quit, cmd_retr, cmd_rset, cmd_stat,
    cmd_top, cmd_uidl;

static const struct {
	struct slice name;
	maildrop_verb *run;
	unsigned at_least;
	unsigned at_most;
} commands[] = {
    {SLICE("CAPA"), cmd_capa, 0, 0},
    {SLICE("DELE"), cmd_dele, 1, 1},
    {SLICE("LIST"), cmd_list, 0, 1},
    {SLICE("NOOP"), cmd_noop, 0, 0},
    {SLICE("QUIT"), cmd_quit, 0, 0},
    {SLICE("RETR"), cmd_retr, 1, 1},
    {SLICE("RSET"), cmd_rset, 0, 0},
    {SLICE("STAT"), cmd_stat, 0, 0},
    {SLICE("TOP"),  cmd_top,  2, 2},
    {SLICE("UIDL"), cmd_uidl, 0, 1},
};

static void reply_bad(struct maildrop *drop, const char *fault)
{
	drop->bad_commands++;
	maildrop_reply(drop, "-ERR %s", fault);
}

static struct slice take_word(struct cursor *c)
{
	while (cursor_accept(c, ' '))
		;
	return cursor_take_until(c, ' ');
}

void maildrop_command(struct maildrop *drop, struct slice line)
{
	struct cursor c = cursor_over(line);
	struct slice name = take_word(&c), word;
	struct arguments arguments = {0};

	while ((word = take_word(&c)).len > 0) {
		if (arguments.count == 2)
			arguments.too_many = true;
		else
			arguments.words[arguments.count++] = word;
	}
	drop->commands++;
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++) {
		if (!slice_equal_nocase(name, commands[i].name))
			continue;
		if (arguments.too_many || arguments.count < commands[i].at_least ||
		    arguments.count > commands[i].at_most)
			reply_bad(drop, "Wrong number of arguments");
		else
			commands[i].run(drop, &arguments);
		return;
	}
	reply_bad(drop, "Unknown command");
}

/* A message number that may be used; answers and gives 0 where it may not. */
static uint32_t message_number(struct maildrop *drop, struct slice word)
{
	uint64_t number;

	if (!slice_number(word, UINT32_MAX, &number) || number == 0 ||
	    number > store_view_count(drop->view)) {
		reply_bad(drop, "No such message");
		return 0;
	}
	if (drop->is_deleted[number - 1]) {
		reply_bad(drop, "That message is deleted");
		return 0;
	}
	return (uint32_t)number;
}

/* Messages and octets of all that is not deleted.  False where a size cannot be had; that was answered. */
static bool count(struct maildrop *drop, uint32_t *messages, uint64_t *octets)
{
	*messages = 0;
	*octets = 0;
	for (uint32_t seq = 1; seq <= store_view_count(drop->view); seq++) {
		uint64_t size;
		enum store_error error;

		if (drop->is_deleted[seq - 1])
			continue;
		error = store_view_size(drop->view, seq, &size);
		if (error != STORE_OK && error != STORE_GONE) {
			maildrop_failed(drop, error);
			return false;
		}
		if (error == STORE_GONE)
			continue;
		(*messages)++;
		*octets += size;
	}
	return true;
}

/* ---- verbs --------------------------------------------------------------- */

static void cmd_capa(struct maildrop *drop, const struct arguments *arguments)
{
	(void)arguments;
	maildrop_reply(drop,
	    "+OK\r\nTOP\r\nUIDL\r\nRESP-CODES\r\nAUTH-RESP-CODE\r\nPIPELINING\r\nEXPIRE NEVER\r\n"
	    "IMPLEMENTATION Petrel\r\n.");
}

static void cmd_noop(struct maildrop *drop, const struct arguments *arguments)
{
	(void)arguments;
	maildrop_reply(drop, "+OK");
}

static void cmd_stat(struct maildrop *drop, const struct arguments *arguments)
{
	uint32_t messages;
	uint64_t octets;

	(void)arguments;
	if (count(drop, &messages, &octets))
		maildrop_reply(drop, "+OK %u %llu", messages, (unsigned long long)octets);
}

static void cmd_rset(struct maildrop *drop, const struct arguments *arguments)
{
	uint32_t messages;
	uint64_t octets;

	(void)arguments;
	for (uint32_t i = 0; i < store_view_count(drop->view); i++)
		drop->is_deleted[i] = false;
	drop->deleted = 0;
	if (count(drop, &messages, &octets))
		maildrop_reply(
		    drop, "+OK %u messages (%llu octets)", messages, (unsigned long long)octets);
}

static void cmd_dele(struct maildrop *drop, const struct arguments *arguments)
{
	uint32_t seq = message_number(drop, arguments->words[0]);

	if (seq == 0)
		return;
	drop->is_deleted[seq - 1] = true;
	drop->deleted++;
	maildrop_reply(drop, "+OK Message %u is deleted", seq);
}

static void cmd_list(struct maildrop *drop, const struct arguments *arguments)
{
	uint32_t seq, messages;
	uint64_t octets;
	enum store_error error;

	if (arguments->count == 0) {
		if (!count(drop, &messages, &octets))
			return;
		maildrop_reply(
		    drop, "+OK %u messages (%llu octets)", messages, (unsigned long long)octets);
		drop->answer = ANSWER_LIST;
		drop->next = 1;
		return;
	}
	seq = message_number(drop, arguments->words[0]);
	if (seq == 0)
		return;
	error = store_view_size(drop->view, seq, &octets);
	if (error == STORE_OK)
		maildrop_reply(drop, "+OK %u %llu", seq, (unsigned long long)octets);
	else
		maildrop_failed(drop, error);
}

static void cmd_uidl(struct maildrop *drop, const struct arguments *arguments)
{
	char unique[STORE_UNIQUE_TEXT + 1];
	enum store_error error;
	uint32_t seq;

	if (arguments->count == 0) {
		maildrop_reply(drop, "+OK");
		drop->answer = ANSWER_UIDL;
		drop->next = 1;
		return;
	}
	seq = message_number(drop, arguments->words[0]);
	if (seq == 0)
		return;
	error = store_view_unique(drop->view, seq, unique);
	if (error == STORE_OK)
		maildrop_reply(drop, "+OK %u %s", seq, unique);
	else
		maildrop_failed(drop, error);
}

static void begin_message(struct maildrop *drop, uint32_t seq, uint64_t body_lines)
{
	enum store_error error = store_content_open(drop->view, seq, &drop->content);

	if (error != STORE_OK) {
		maildrop_failed(drop, error);
		return;
	}
	if (body_lines == UINT64_MAX)
		maildrop_reply(
		    drop, "+OK %llu octets", (unsigned long long)store_content_size(drop->content));
	else
		maildrop_reply(drop, "+OK");
	drop->answer = ANSWER_MESSAGE;
	drop->offset = 0;
	drop->multiline = (struct multiline){.body_lines = body_lines};
}

static void cmd_retr(struct maildrop *drop, const struct arguments *arguments)
{
	uint32_t seq = message_number(drop, arguments->words[0]);

	if (seq != 0)
		begin_message(drop, seq, UINT64_MAX);
}

static void cmd_top(struct maildrop *drop, const struct arguments *arguments)
{
	uint32_t seq = message_number(drop, arguments->words[0]);
	uint64_t lines;

	if (seq == 0)
		return;
	if (!slice_number(arguments->words[1], UINT32_MAX, &lines))
		reply_bad(drop, "How many lines?");
	else
		begin_message(drop, seq, lines);
}

/* RFC 1939, 6: the UPDATE state.  What was deleted goes now, all together, before the answer. */
static enum store_error update(struct maildrop *drop)
{
	uint32_t *seqs, marked = 0;
	enum store_error error;

	if (drop->deleted == 0)
		return STORE_OK;
	seqs = calloc(drop->deleted, sizeof *seqs);
	if (seqs == NULL)
		return STORE_MEMORY;
	for (uint32_t seq = 1; seq <= store_view_count(drop->view); seq++)
		if (drop->is_deleted[seq - 1])
			seqs[marked++] = seq;
	error = store_expunge(drop->view, seqs, marked, true);
	free(seqs);
	return error;
}

static void cmd_quit(struct maildrop *drop, const struct arguments *arguments)
{
	enum store_error error = update(drop);

	(void)arguments;
	if (error == STORE_OK) {
		maildrop_reply(drop, "+OK Goodbye");
	} else {
		log_error("cannot-delete-messages", log_string("reason", store_error_text(error)),
		    log_string("detail", store_failure(store_view_store(drop->view))));
		maildrop_reply(drop, "-ERR [SYS/TEMP] The messages could not be deleted");
	}
	maildrop_end(drop);
}
