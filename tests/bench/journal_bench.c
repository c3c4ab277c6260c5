/*
 * journal_bench.c - what a durable message costs.
 *
 * Commits messages through the committer with a number of them always waiting,
 * once into the journal and once as flushed files, and prints for each the
 * messages and flushes a second and the CPU time of a message.
 *
 *     journal_bench DIRECTORY [MESSAGES [OCTETS]]
 */
#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "qmgr/commit.h"
#include "qmgr/record.h"

enum { WAITING_MAX = 1024, ENVELOPE_OCTETS = 400 };

struct bench {
	struct spool spool;
	struct journal *journal;
	struct committer *committer;
	message_id last;
	unsigned wanted, begun, accepted, removed;
	size_t octets;
	char *content;
	bool settling;
	struct commit checkpoint;
};

struct writer_slot {
	struct bench *bench;
	struct commit commit;
};

static void begin(struct writer_slot *slot);

static void settled(struct commit *commit)
{
	struct bench *bench = commit->context;

	if (bench->journal != NULL)
		journal_retire(bench->journal, commit->generation);
	bench->settling = false;
}

/* A checkpoint when a segment is full, as the daemon makes it. */
static void checkpoint(struct bench *bench)
{
	uint64_t full = bench->journal == NULL ? 0 : journal_full_generation(bench->journal);

	if (full == 0 || bench->settling)
		return;
	bench->settling = true;
	bench->checkpoint =
	    (struct commit){.kind = COMMIT_SETTLE, .finished = settled, .context = bench};
	committer_submit(bench->committer, &bench->checkpoint);
	bench->checkpoint.generation = full;
}

static void gone(struct commit *commit)
{
	struct bench *bench = commit->context;

	bench->removed++;
	buf_free(&commit->records);
	free(commit);
}

static void accepted(struct commit *commit)
{
	struct writer_slot *slot = commit->context;
	struct commit *removal = calloc(1, sizeof *removal);

	if (commit->error != 0 || removal == NULL)
		errc(1, commit->error, "commit");
	slot->bench->accepted++;
	removal->kind = COMMIT_UPDATE;
	removal->file = commit->file;
	removal->to = SPOOL_NOWHERE;
	removal->finished = gone;
	removal->context = slot->bench;
	removal->records = buf_with_limit(1024);
	committer_submit(slot->bench->committer, removal);
	buf_free(&commit->records);
	begin(slot);
}

static void begin(struct writer_slot *slot)
{
	struct bench *bench = slot->bench;
	char envelope[ENVELOPE_OCTETS] = {0};
	int fd;

	if (bench->begun == bench->wanted)
		return;
	bench->begun++;
	bench->last = message_id_next(bench->last);
	fd = spool_create(&bench->spool, bench->last);
	if (fd < 0 || spool_write_at(fd, bench->content, bench->octets, 0) != 0)
		err(1, "spool file");
	close(fd);
	slot->commit = (struct commit){
	    .kind = COMMIT_ACCEPT,
	    .file = {.id = bench->last, .place = SPOOL_TMP, .size = bench->octets},
	    .records = buf_with_limit(4096),
	    .finished = accepted,
	    .context = slot,
	};
	record_append(&slot->commit.records, RECORD_ENVELOPE, slice_of(envelope, sizeof envelope));
	committer_submit(bench->committer, &slot->commit);
}

static double cpu_seconds(void)
{
	struct rusage usage;

	getrusage(RUSAGE_SELF, &usage);
	return (double)usage.ru_utime.tv_sec + (double)usage.ru_utime.tv_usec / 1e6 +
	       (double)usage.ru_stime.tv_sec + (double)usage.ru_stime.tv_usec / 1e6;
}

static void run(struct bench *bench, const char *how, unsigned waiting, unsigned messages)
{
	struct committer_options options = {
	    .message_limit = 256 * 1024,
	    .workers = bench->journal == NULL ? 16 : 2,
	    .linger_ms = 1000,
	    .waiting_max = WAITING_MAX,
	};
	struct writer_slot slots[WAITING_MAX];
	struct pollfd ready;
	uint64_t started, took, flushes;
	double cpu;

	bench->committer = committer_new(&bench->spool, bench->journal, &options);
	if (bench->committer == NULL)
		err(1, "committer");
	bench->wanted = messages;
	bench->begun = bench->accepted = bench->removed = 0;
	started = clock_monotonic_us();
	cpu = cpu_seconds();
	for (unsigned i = 0; i < waiting; i++) {
		slots[i].bench = bench;
		begin(&slots[i]);
	}
	ready = (struct pollfd){.fd = committer_descriptor(bench->committer), .events = POLLIN};
	while (bench->accepted < messages) {
		if (poll(&ready, 1, -1) < 0 && errno != EINTR)
			err(1, "poll");
		committer_collect(bench->committer);
		checkpoint(bench);
	}
	took = clock_monotonic_us() - started;
	cpu = cpu_seconds() - cpu;
	flushes = bench->journal == NULL ? messages : committer_flushes(bench->committer);
	committer_free(bench->committer);
	printf("%-8s %4u waiting %8.0f/s %7.1f us CPU %6.3f flushes/message\n", how, waiting,
	    messages / ((double)took / 1e6), cpu / messages * 1e6, (double)flushes / messages);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	static const unsigned waiting[] = {1, 8, 32, 128};
	struct journal_options options = {.segment_size = 64 * 1024 * 1024, .segments = 3};
	struct bench bench = {.octets = 4096};
	unsigned messages = 10000;
	struct journal *journal;
	int root;

	if (argc < 2)
		errx(64, "usage: journal_bench directory [messages [octets]]");
	if (argc > 2)
		messages = (unsigned)strtoul(argv[2], NULL, 10);
	if (argc > 3)
		bench.octets = strtoul(argv[3], NULL, 10);
	if (mkdir(argv[1], 0700) != 0 && errno != EEXIST)
		err(1, "%s", argv[1]);
	root = open(argv[1], O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	bench.content = calloc(1, bench.octets + 1);
	if (root < 0 || bench.content == NULL || spool_open(&bench.spool, root) != 0)
		err(1, "%s", argv[1]);
	memset(bench.content, 'x', bench.octets);
	journal = journal_open(bench.spool.directory[SPOOL_JOURNAL], &options);
	if (journal == NULL || journal_start(journal, 0) != 0)
		err(1, "journal");
	while (journal_grow(journal) > 0)
		continue;
	for (size_t i = 0; i < sizeof waiting / sizeof waiting[0]; i++) {
		bench.journal = journal;
		run(&bench, "journal", waiting[i], messages);
		bench.journal = NULL;
		run(&bench, "file", waiting[i], messages);
	}
	journal_close(journal);
	spool_close(&bench.spool);
	close(root);
	free(bench.content);
	return 0;
}
