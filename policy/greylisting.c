/*
 * greylisting.c - the judge that tells strangers to come again (RFC 6647).
 *
 * It is asked for each recipient.  The null sender is looked at when the message begins:
 * whoever only wants to know whether an address exists says MAIL FROM:<> and
 * RCPT, and is not to be kept waiting (RFC 6647, 5).
 */
#include "policy/greylisting.h"

#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/conf.h"
#include "common/log.h"
#include "common/network.h"
#include "common/process.h"
#include "policy/greybook.h"

enum {
	SWEEP_SECONDS = 10,   /* between two looks at a part of the book */
	SWEEP_ENTRIES = 1000, /* a part */
	SWEEPS_PER_CHECKPOINT = 12,
	TRIPLET_MAX = 4096
};

static int directory = -1;
static struct event *sweeper;
static unsigned sweeps;

static uint64_t now_s(void)
{
	return clock_wall_us() / 1000000;
}

/* --- the book ------------------------------------------------------------------------- */

bool greylisting_prepare(void)
{
	directory = open(settings->directory.policy, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (directory == -1)
		log_error("cannot-open", log_string("directory", settings->directory.policy),
		    log_errno(errno));
	return directory != -1;
}

static void on_sweep(int socket, short what, void *context)
{
	struct grey_terms terms = greylist_terms(settings);

	(void)socket, (void)what, (void)context;
	/* It may have been unusable for a while: a full disk. */
	if (!greybook_open(directory))
		return;
	greybook_sweep(SWEEP_ENTRIES, now_s(), &terms);
	if (++sweeps % SWEEPS_PER_CHECKPOINT == 0)
		greybook_checkpoint();
}

void greylisting_configure(void)
{
	if (sweeper == NULL)
		sweeper = event_new(process_base(), -1, EV_PERSIST, on_sweep, NULL);
	if (settings->greylist.clients == GREYLIST_NOBODY) {
		greybook_close();
		if (sweeper != NULL)
			event_del(sweeper);
		return;
	}
	if (greybook_open(directory))
		log_info("greylist", log_number("entries", greybook_count()));
	if (sweeper != NULL)
		event_add(sweeper, &(struct timeval){.tv_sec = SWEEP_SECONDS});
}

void greylisting_stop(void)
{
	greybook_close();
}

/* --- the judge -------------------------------------------------------------------------- */

bool greylisting_is_concerned(const struct policy_question *q)
{
	if (settings->greylist.clients == GREYLIST_NOBODY || q->is_trusted ||
	    q->service != SERVICE_MX || q->address.family == 0 || q->score < 0)
		return false;
	if (settings->greylist.clients == GREYLIST_SUSPECTS && q->score < settings->greylist.score)
		return false;
	if (q->stage != (q->sender.len > 0 ? GATE_RCPT : GATE_DATA))
		return false;
	/* At DATA several recipients go unnamed: together they are one that has no name. */
	if (q->recipient.len == 0 && (q->stage != GATE_DATA || q->recipient_count == 0))
		return false;
	return !networks_have(&settings->greylist.exceptions, &q->address);
}

/* So that a reader can tell why it was late, as other greylists have it. */
static void add_field(struct inquiry *inquiry, uint64_t delay_s)
{
	struct buf field = buf_with_limit(512);

	if (buf_printf(&field, "X-Greylist: delayed %llu seconds by Petrel at %s",
		(unsigned long long)delay_s, settings->hostname))
		inquiry_add_field(inquiry, buf_slice(&field));
	buf_free(&field);
}

static void pass_first(struct inquiry *inquiry, const char *network, const struct grey_entry *entry,
    const struct grey_terms *terms)
{
	struct grey_entry known;

	add_field(inquiry, entry->last_s - entry->first_s);
	if (greybook_network(network, &known)) {
		bool was_allowed = greylist_allows(&known, now_s(), terms);

		greylist_count(&known, now_s(), terms);
		greybook_set_network(network, &known);
		if (!was_allowed && greylist_allows(&known, now_s(), terms))
			log_info("greylist-allows", log_string("network", network),
			    log_number("successes", known.count));
	}
	inquiry_pass(inquiry);
}

static void defer(
    struct inquiry *inquiry, const struct grey_entry *entry, const struct grey_terms *terms)
{
	struct verdict verdict = verdict_of(VERDICT_DEFER, 451, "4.7.1", NULL, "greylist");

	snprintf(verdict.text, sizeof verdict.text, "Greylisted, please try again in %llu seconds",
	    (unsigned long long)greylist_wait(entry, now_s(), terms));
	inquiry_judged(inquiry, &verdict);
}

static void judge_triplet(struct inquiry *inquiry, struct slice triplet, const char *network)
{
	const struct grey_terms terms = greylist_terms(settings);
	struct grey_entry entry;
	enum grey_step step;

	/* Without a book nobody could be let in, ever. */
	if (!greybook_triplet(triplet, &entry)) {
		inquiry_pass(inquiry);
		return;
	}
	step = greylist_step(&entry, now_s(), &terms);
	if (step != GREY_EARLY &&
	    !greybook_set_triplet(triplet, &entry, (uint64_t)settings->greylist.entries_limit))
		inquiry_pass(inquiry);
	else if (step == GREY_FIRST_PASS)
		pass_first(inquiry, network, &entry, &terms);
	else if (step == GREY_KNOWN)
		inquiry_pass(inquiry);
	else
		defer(inquiry, &entry, &terms);
}

void greylisting_ask(struct inquiry *inquiry)
{
	const struct policy_question *q = &inquiry->question;
	const struct grey_terms terms = greylist_terms(settings);
	struct buf triplet = buf_with_limit(TRIPLET_MAX);
	char network[GREYLIST_NETWORK_TEXT];
	struct grey_entry known;

	greylist_network(&q->address, network);
	if (greybook_network(network, &known) && greylist_allows(&known, now_s(), &terms)) {
		/* It stays allowed while it is used; once a day is often enough to write that down. */
		if (known.count != GREYLIST_ALLOWED && known.last_s + 86400 < now_s()) {
			known.last_s = now_s();
			greybook_set_network(network, &known);
		}
		inquiry_pass(inquiry);
	} else if (!greylist_triplet(&triplet, network, q->sender, q->recipient)) {
		inquiry_pass(inquiry);
	} else {
		judge_triplet(inquiry, buf_slice(&triplet), network);
	}
	buf_free(&triplet);
}

enum admin_grey greylisting_look(const struct policy_question *question, uint64_t *wait_s)
{
	const struct grey_terms terms = greylist_terms(settings);
	struct policy_question q = *question;
	struct buf triplet = buf_with_limit(TRIPLET_MAX);
	char network[GREYLIST_NETWORK_TEXT];
	struct grey_entry known, entry;
	enum admin_grey grey = ADMIN_GREY_OFF;

	*wait_s = 0;
	q.stage = q.sender.len > 0 ? GATE_RCPT : GATE_DATA;
	if (!greylisting_is_concerned(&q))
		return ADMIN_GREY_OFF;
	greylist_network(&q.address, network);
	if (greybook_network(network, &known) && greylist_allows(&known, now_s(), &terms)) {
		grey = ADMIN_GREY_ALLOWED;
	} else if (greylist_triplet(&triplet, network, q.sender, q.recipient) &&
		   greybook_triplet(buf_slice(&triplet), &entry)) {
		enum grey_step step = greylist_step(&entry, now_s(), &terms);

		grey = step == GREY_NEW     ? ADMIN_GREY_NEW
		       : step == GREY_EARLY ? ADMIN_GREY_EARLY
					    : ADMIN_GREY_PASSES;
		if (grey != ADMIN_GREY_PASSES)
			*wait_s = greylist_wait(&entry, now_s(), &terms);
	}
	buf_free(&triplet);
	return grey;
}
