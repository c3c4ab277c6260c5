/*
 * chains.c - the certificates, held against the private keys.
 */
#include "keys/chains.h"

#include <stdlib.h>
#include <string.h>

#include "common/channel.h"
#include "common/channel_control.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/tls.h"

enum {
	DAY = 86400,
	PROBLEM_MAX = 400,
	NAMES_LOGGED = 200,
	NAMES_TOLD = 400,
	REST_TOLD = 1000,    /* octets of a chain's judgement besides its file and itself */
	ALL_MAX = CHANNEL_BODY_MAX - 65536 /* octets of all together, on their way to the others */
};

struct chain {
	char *file;
	struct buf pem;      /* empty: there is nothing to show */
	struct buf problem;  /* with what the file holds now; empty: that is what is in force */
	struct tls_certificate facts; /* of pem */
};

struct chains {
	size_t count;
	struct chain *all;
	size_t octets;
};

/* --- their life ---------------------------------------------------------------------- */

struct chains *chains_new(void)
{
	return calloc(1, sizeof(struct chains));
}

static void clear(struct chain *c)
{
	free(c->file);
	buf_free(&c->pem);
	buf_free(&c->problem);
	buf_free(&c->facts.names);
}

void chains_free(struct chains *set)
{
	if (set == NULL)
		return;
	for (size_t i = 0; i < set->count; i++)
		clear(&set->all[i]);
	free(set->all);
	free(set);
}

bool chains_add(
    struct chains *set, const char *file, struct slice pem, const char *problem)
{
	size_t octets = pem.len + strlen(file) + REST_TOLD;
	struct chain *more, c = {
	    .file = slice_dup(slice_string(file)),
	    .pem = buf_with_limit(TLS_CHAIN_MAX),
	    .problem = buf_with_limit(PROBLEM_MAX),
	};

	more = set->count < TLS_CERTIFICATES_MAX && set->octets + octets <= ALL_MAX
		   ? reallocarray(set->all, set->count + 1, sizeof *more)
		   : NULL;
	if (more != NULL)
		set->all = more;
	if (more == NULL || c.file == NULL || !buf_append_slice(&c.pem, pem) ||
	    !buf_append_string(&c.problem, problem)) {
		clear(&c);
		return false;
	}
	more[set->count++] = c;
	set->octets += octets;
	return true;
}

/* --- judging --------------------------------------------------------------------------- */

static const struct chain *find(const struct chains *set, const char *file)
{
	for (size_t i = 0; set != NULL && i < set->count; i++)
		if (slice_equal(slice_string(set->all[i].file), slice_string(file)))
			return &set->all[i];
	return NULL;
}

/* As many as fit; never half of one. */
static struct slice first_names(const struct chain *c, size_t max)
{
	struct slice names = buf_slice(&c->facts.names);
	ssize_t blank;

	if (names.len <= max)
		return names;
	names = slice_part(names, 0, max);
	blank = slice_find_last(names, ' ');
	return slice_part(names, 0, blank < 0 ? 0 : (size_t)blank);
}

static struct slice names_for_log(const struct chain *c)
{
	return first_names(c, NAMES_LOGGED);
}

static uint64_t days_until(uint64_t when)
{
	uint64_t now = clock_wall_us() / 1000000;

	return when > now ? (when - now) / DAY : 0;
}

static bool is_usable(struct chain *c, const struct keyring *ring)
{
	if (c->problem.len > 0 ||
	    !tls_certificate_read(buf_slice(&c->pem), &c->facts, &c->problem))
		return false;
	if (keyring_has(ring, c->facts.key))
		return true;
	buf_append_string(&c->problem, "the private key that belongs to it is not there");
	return false;
}

/* What this file held before goes on; false where that was nothing. */
static bool keep(struct chain *c, struct keyring *ring, const struct chain *old,
    const struct keyring *ring_before)
{
	if (old == NULL || old->pem.len == 0 ||
	    !keyring_share(ring, ring_before, old->facts.key))
		return false;
	buf_free(&c->facts.names);
	c->facts = old->facts;
	c->facts.names = buf_with_limit(TLS_NAMES_MAX);
	return buf_append_slice(&c->pem, buf_slice(&old->pem)) &&
	       buf_append_slice(&c->facts.names, buf_slice(&old->facts.names));
}

static void judge(struct chain *c, struct keyring *ring, const struct chain *old,
    const struct keyring *ring_before)
{
	bool is_kept;

	if (is_usable(c, ring)) {
		if (old == NULL || !slice_equal(buf_slice(&old->pem), buf_slice(&c->pem)))
			log_info("certificate-loaded", log_string("file", c->file),
			    log_slice("names", names_for_log(c)),
			    log_number("days", days_until(c->facts.not_after)));
		return;
	}
	buf_clear(&c->pem);
	is_kept = keep(c, ring, old, ring_before);
	if (!is_kept)
		buf_clear(&c->pem);
	log_error("cannot-use-certificate", log_string("file", c->file),
	    log_slice("reason", buf_slice(&c->problem)),
	    log_string("in-force", is_kept ? "the one from before" : "none"));
}

static void put_first(struct chains *set, struct slice host)
{
	for (size_t i = 0; i < set->count; i++) {
		struct chain found = set->all[i];

		if (!tls_names_cover(buf_slice(&found.facts.names), host))
			continue;
		memmove(set->all + 1, set->all, i * sizeof *set->all);
		set->all[0] = found;
		return;
	}
}

void chains_judge(struct chains *set, struct keyring *ring,
    const struct chains *before, const struct keyring *ring_before, struct slice host)
{
	for (size_t i = 0; i < set->count; i++)
		judge(&set->all[i], ring, find(before, set->all[i].file), ring_before);
	if (host.len > 0)
		put_first(set, host);
}

bool chains_recall(struct chains *set, struct slice told)
{
	struct reader r = reader_over(told);
	char file[1024];

	for (uint32_t left = read_u32(&r); left > 0; left--) {
		struct control_certificate c;
		struct buf problem = buf_with_limit(PROBLEM_MAX);

		if (!control_certificate_read(&r, &c))
			return false;
		if (c.chain.len > 0 && slice_copy(c.file, file, sizeof file) &&
		    chains_add(set, file, c.chain, ""))
			tls_certificate_read(c.chain, &set->all[set->count - 1].facts, &problem);
		buf_free(&problem);
	}
	return reader_finished(&r);
}

/* --- telling ------------------------------------------------------------------------------ */

void chains_write(const struct chains *set, struct writer *w)
{
	write_u32(w, (uint32_t)set->count);
	for (size_t i = 0; i < set->count; i++) {
		const struct chain *c = &set->all[i];
		const struct control_certificate told = {
		    .file = slice_string(c->file),
		    .names = first_names(c, NAMES_TOLD),
		    .not_after = c->facts.not_after,
		    .problem = buf_slice(&c->problem),
		    .chain = buf_slice(&c->pem),
		};

		control_certificate_write(w, &told);
	}
}

void chains_warn(const struct chains *set, uint64_t seconds)
{
	uint64_t now = clock_wall_us() / 1000000;

	for (size_t i = 0; i < set->count; i++) {
		const struct chain *c = &set->all[i];

		if (c->pem.len == 0 || c->facts.not_after > now + seconds)
			continue;
		if (c->facts.not_after <= now)
			log_error("certificate-expired", log_string("file", c->file),
			    log_slice("names", names_for_log(c)));
		else
			log_warning("certificate-expires", log_string("file", c->file),
			    log_slice("names", names_for_log(c)),
			    log_number("days", days_until(c->facts.not_after)));
	}
}
