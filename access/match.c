/*
 * match.c - does a rule hold?
 */
#include <string.h>

#include "access/private.h"
#include "message/address.h"
#include "message/encoding.h"
#include "message/spelling.h"

enum { ADDRESS_OCTETS_MAX = 1024 }; /* folded: longer than as it came */

/* --- text with stars ----------------------------------------------------------------- */

static bool is_same(char a, char b)
{
	return octet_lower((unsigned char)a) == octet_lower((unsigned char)b);
}

/*
 * `*` stands for any octets, or none.  Only the last star is ever gone back to: an
 * earlier one has found the first place that will do, and no other is better.
 */
static bool glob(struct slice pattern, struct slice text)
{
	size_t p = 0, t = 0, star = SIZE_MAX, resume = 0;

	while (t < text.len) {
		if (p < pattern.len && pattern.data[p] == '*') {
			star = p++;
			resume = t;
		} else if (p < pattern.len && is_same(pattern.data[p], text.data[t])) {
			p++;
			t++;
		} else if (star != SIZE_MAX) {
			p = star + 1;
			t = ++resume;
		} else {
			return false;
		}
	}
	while (p < pattern.len && pattern.data[p] == '*')
		p++;
	return p == pattern.len;
}

/* --- patterns ------------------------------------------------------------------------- */

static enum access_truth truth(bool is_true)
{
	return is_true ? ACCESS_TRUE : ACCESS_FALSE;
}

static enum access_truth open_for(unsigned what, unsigned *wants)
{
	*wants |= what;
	return ACCESS_OPEN;
}

static enum access_truth in_table(
    unsigned number, const struct access_facts *facts, unsigned *wants)
{
	uint32_t bit = UINT32_C(1) << number;

	if (!facts->tables_are_known)
		return open_for(ACCESS_WANTS_TABLES, wants);
	if ((facts->listed & bit) == 0 && (facts->unlisted & bit) == 0)
		return open_for(ACCESS_WANTS_FAILED, wants);
	return truth((facts->listed & bit) != 0);
}

/* The client's name is needed to say; `when_none` is the answer where it has none. */
static enum access_truth by_name(const struct access_pattern *pattern,
    const struct access_facts *facts, bool when_none, unsigned *wants)
{
	switch (facts->name_state) {
	case ACCESS_NAME_PENDING:
		return open_for(ACCESS_WANTS_NAME, wants);
	case ACCESS_NAME_FAILED:
		return open_for(ACCESS_WANTS_FAILED, wants);
	case ACCESS_NAME_NONE:
		return truth(when_none);
	case ACCESS_NAME_KNOWN:
		break;
	}
	return truth(pattern != NULL && glob(slice_string(pattern->text), facts->name));
}

static enum access_truth client_is(
    const struct access_pattern *pattern, const struct access_facts *facts, unsigned *wants)
{
	switch (pattern->kind) {
	case PATTERN_NETWORK:
		return truth(network_has(&pattern->network, &facts->client));
	case PATTERN_UNKNOWN:
		return by_name(NULL, facts, true, wants);
	case PATTERN_TABLE:
		if (facts->name_state == ACCESS_NAME_PENDING)
			return open_for(ACCESS_WANTS_NAME, wants);
		return in_table(pattern->number, facts, wants);
	default:
		return by_name(pattern, facts, false, wants);
	}
}

static bool is_literal(struct slice helo)
{
	struct host_address address;

	return domain_is_literal(helo) || host_address_parse(helo, &address);
}

static enum access_truth helo_is(
    const struct access_pattern *pattern, const struct access_facts *facts, unsigned *wants)
{
	switch (pattern->kind) {
	case PATTERN_LITERAL:
		return truth(is_literal(facts->helo));
	case PATTERN_BARE:
		return truth(!is_literal(facts->helo) && slice_find(facts->helo, 0, '.') < 0);
	case PATTERN_MINE:
		return truth(slice_equal_nocase(facts->helo, facts->hostname));
	case PATTERN_TABLE:
		return in_table(pattern->number, facts, wants);
	default:
		return truth(glob(slice_string(pattern->text), facts->helo));
	}
}

/* In any script letter case does not count. */
static bool matches_address(struct slice pattern, struct slice address)
{
	struct buf folded = buf_with_limit(ADDRESS_OCTETS_MAX);
	bool matches;

	if (is_ascii(address))
		return glob(pattern, address);
	matches = address_fold(address, &folded) && glob(pattern, buf_slice(&folded));
	buf_free(&folded);
	return matches;
}

static enum access_truth address_is(const struct access_pattern *pattern, struct slice address,
    const struct access_facts *facts, unsigned *wants)
{
	switch (pattern->kind) {
	case PATTERN_NULL:
		return truth(address.len == 0);
	case PATTERN_TABLE:
		return in_table(pattern->number, facts, wants);
	default:
		return truth(
		    address.len > 0 && matches_address(slice_string(pattern->text), address));
	}
}

static enum access_truth pattern_holds(enum access_condition_kind kind,
    const struct access_pattern *pattern, const struct access_facts *facts, unsigned *wants)
{
	switch (kind) {
	case CONDITION_CLIENT:
		return client_is(pattern, facts, wants);
	case CONDITION_HELO:
		return helo_is(pattern, facts, wants);
	case CONDITION_FROM:
		return address_is(pattern, facts->from, facts, wants);
	case CONDITION_TO:
		return address_is(pattern, facts->to, facts, wants);
	case CONDITION_LOGIN:
		return truth(facts->login.len > 0) == ACCESS_TRUE
			   ? address_is(pattern, facts->login, facts, wants)
			   : ACCESS_FALSE;
	case CONDITION_SCORE:
		return truth(facts->score >= pattern->score);
	default:
		return truth(pattern->number == (unsigned)facts->service);
	}
}

/* --- conditions ----------------------------------------------------------------------- */

/* The stage from which on the answer is final. */
static enum access_stage known_from(
    const struct access_condition *condition, const struct access_facts *facts)
{
	switch (condition->kind) {
	case CONDITION_HELO:
	case CONDITION_SCORE: /* they are asked before the greeting, and answer later */
		return ACCESS_HELO;
	case CONDITION_FROM:
		return ACCESS_MAIL;
	case CONDITION_TO:
		return ACCESS_RCPT;
	/* These come by commands; who has them does not lose them. */
	case CONDITION_TLS:
		return facts->is_secured ? ACCESS_CONNECT : ACCESS_MAIL;
	case CONDITION_LOGIN:
		return facts->login.len > 0 ? ACCESS_CONNECT : ACCESS_MAIL;
	case CONDITION_EARLY:
		return facts->is_early ? ACCESS_CONNECT : ACCESS_HELO;
	case CONDITION_PIPELINING:
		return facts->is_pipelining ? ACCESS_CONNECT : ACCESS_MAIL;
	default:
		return ACCESS_CONNECT;
	}
}

static enum access_truth any_pattern(
    const struct access_condition *condition, const struct access_facts *facts, unsigned *wants)
{
	enum access_truth sum = ACCESS_FALSE;

	for (size_t i = 0; i < condition->pattern_count; i++) {
		enum access_truth one = pattern_holds((enum access_condition_kind)condition->kind,
		    &condition->patterns[i], facts, wants);

		if (one == ACCESS_TRUE)
			return ACCESS_TRUE;
		if (one == ACCESS_OPEN)
			sum = ACCESS_OPEN;
	}
	return sum;
}

static enum access_truth condition_holds(
    const struct access_condition *condition, const struct access_facts *facts, unsigned *wants)
{
	enum access_truth holds;

	if (facts->stage < known_from(condition, facts))
		return open_for(ACCESS_WANTS_STAGE, wants);
	if (condition->pattern_count > 0)
		holds = any_pattern(condition, facts, wants);
	else if (condition->kind == CONDITION_TLS)
		holds = truth(facts->is_secured);
	else if (condition->kind == CONDITION_LOGIN)
		holds = truth(facts->login.len > 0);
	else if (condition->kind == CONDITION_EARLY)
		holds = truth(facts->is_early);
	else
		holds = truth(facts->is_pipelining);
	if (!condition->is_negated || holds == ACCESS_OPEN)
		return holds;
	return truth(holds == ACCESS_FALSE);
}

/* One that is false settles the matter, wherever it stands. */
enum access_truth access_rule_holds(const struct access_rule *rule,
    const struct access_facts *facts, unsigned *wants, const struct access_condition **failing)
{
	enum access_truth sum = ACCESS_TRUE;

	*wants = 0;
	*failing = NULL;
	for (size_t i = 0; i < rule->condition_count; i++) {
		unsigned wanted = 0;
		enum access_truth one = condition_holds(&rule->conditions[i], facts, &wanted);

		if (one == ACCESS_FALSE) {
			*failing = &rule->conditions[i];
			*wants = 0;
			return ACCESS_FALSE;
		}
		if (one == ACCESS_TRUE)
			continue;
		if (sum == ACCESS_TRUE)
			*failing = &rule->conditions[i];
		sum = ACCESS_OPEN;
		*wants |= wanted;
	}
	return sum;
}
