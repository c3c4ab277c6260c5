/*
 * verdict.c - what an SMTP client is to be told of an address.
 */
#include "lookup/verdict.h"

#include "lookup/expand.h"
#include "lookup/resolve.h"

static const struct lookup_verdict accepted = {LOOKUP_ACCEPTED, 250, "2.1.5", "Ok"};
static const struct lookup_verdict no_such_user = {
    LOOKUP_REFUSED, 550, "5.1.1", "No such user here"};
static const struct lookup_verdict relay_denied = {
    LOOKUP_REFUSED, 554, "5.7.1", "Relay access denied"};
static const struct lookup_verdict bad_address = {
    LOOKUP_REFUSED, 553, "5.1.3", "Not an address that mail can be sent to"};
static const struct lookup_verdict bad_sender = {
    LOOKUP_REFUSED, 553, "5.7.1", "This sender address does not belong to your account"};
static const struct lookup_verdict cannot_tell = {
    LOOKUP_TEMPORARY, 451, "4.3.0", "Addresses cannot be looked up now; please try again later"};

/* The verdict that an error of an expansion amounts to. */
static struct lookup_verdict verdict_of(const struct lookup_delivery *error)
{
	struct lookup_verdict verdict = {
	    .answer = error->temporary ? LOOKUP_TEMPORARY : LOOKUP_REFUSED,
	    .code = error->temporary ? 451 : 550,
	};

	slice_copy(error->status, verdict.status, sizeof verdict.status);
	slice_copy(error->text, verdict.text, sizeof verdict.text);
	return verdict;
}

static struct lookup_verdict verdict_on_alias(struct directory *d, struct slice address)
{
	struct expansion e;
	struct lookup_verdict verdict;

	expand(d, address, &e);
	verdict = verdict_of(&e.result.deliveries[0]);
	for (uint32_t i = 0; i < e.result.count; i++)
		if (e.result.deliveries[i].kind != LOOKUP_ERROR)
			verdict = accepted;
	expansion_free(&e);
	return verdict;
}

void verdict_on_recipient(
    struct directory *d, struct slice address, bool may_relay, struct lookup_verdict *verdict)
{
	struct buf text = buf_with_limit(TABLE_VALUE_MAX);
	struct resolve_key key;
	enum resolution_kind kind = RESOLVED_BAD;

	if (resolve_key_of(d, address, slice_string(d->default_domain), &key))
		kind = resolve_step(d, &key, &text);
	switch (kind) {
	case RESOLVED_ACCOUNT:
		*verdict = accepted;
		break;
	case RESOLVED_ALIAS:
		*verdict = verdict_on_alias(d, address);
		break;
	case RESOLVED_REMOTE:
		*verdict = may_relay ? accepted : relay_denied;
		break;
	case RESOLVED_NOBODY:
		*verdict = no_such_user;
		break;
	case RESOLVED_BAD:
		*verdict = bad_address;
		break;
	case RESOLVED_FAILED:
		*verdict = cannot_tell;
		break;
	}
	buf_free(&text);
}

/* --- senders --------------------------------------------------------------- */

/* "alice@example.org", or "@example.org" for all of it; in any spelling. */
static bool is_same_address(struct slice member, const struct resolve_key *sender)
{
	struct buf folded = buf_with_limit(RESOLVE_KEY_MAX);
	struct slice text;
	bool is_same = false;

	if (address_fold(member, &folded)) {
		text = buf_slice(&folded);
		is_same = slice_equal(text, sender->whole) ||
			  (slice_starts_with(text, SLICE("@")) &&
			      slice_equal(slice_from(text, 1), sender->domain));
	}
	buf_free(&folded);
	return is_same;
}

static bool list_grants(struct slice list_text, const struct resolve_key *sender)
{
	struct cursor list = cursor_over(list_text);
	struct slice member;

	while (list_next(&list, &member)) {
		if (slice_equal(member, SLICE("*")) || is_same_address(member, sender))
			return true;
	}
	return false;
}

static bool is_own_address(const struct resolve_key *sender, const struct resolve_key *login)
{
	return slice_equal(sender->domain, login->domain) &&
	       (slice_equal(sender->local, login->local) ||
		   (sender->has_extension && slice_equal(sender->user, login->local)));
}

/* Mail to `sender` reaches the login's mailbox; TABLE_FAILED where nobody can say. */
static enum table_answer reaches(
    struct directory *d, struct slice sender, const struct resolve_key *login)
{
	enum table_answer answer = TABLE_ABSENT;
	struct expansion e;

	expand(d, sender, &e);
	for (uint32_t i = 0; i < e.result.count && answer != TABLE_FOUND; i++) {
		const struct lookup_delivery *delivery = &e.result.deliveries[i];

		if (delivery->kind == LOOKUP_MAILBOX &&
		    slice_equal(delivery->address, login->whole))
			answer = TABLE_FOUND;
		else if (delivery->kind == LOOKUP_ERROR && delivery->temporary)
			answer = TABLE_FAILED;
	}
	expansion_free(&e);
	return answer;
}

static enum table_answer may_use(struct directory *d, const struct resolve_key *login,
    const struct resolve_key *sender, struct slice sender_text)
{
	struct buf granted = buf_with_limit(TABLE_VALUE_MAX);
	enum table_answer answer;

	if (is_own_address(sender, login))
		return TABLE_FOUND;
	answer = directory_find(d, DIRECTORY_SENDERS, login->whole, &granted);
	if (answer == TABLE_FOUND && !list_grants(buf_slice(&granted), sender))
		answer = TABLE_ABSENT;
	buf_free(&granted);
	return answer == TABLE_ABSENT ? reaches(d, sender_text, login) : answer;
}

void verdict_on_sender(
    struct directory *d, struct slice login, struct slice sender, struct lookup_verdict *verdict)
{
	struct slice domain = slice_string(d->default_domain);
	struct resolve_key login_key, sender_key;

	*verdict = accepted;
	if (sender.len == 0)
		return;
	*verdict = bad_sender;
	if (!resolve_key_of(d, login, domain, &login_key) ||
	    !resolve_key_of(d, sender, domain, &sender_key))
		return;
	switch (may_use(d, &login_key, &sender_key, sender)) {
	case TABLE_FOUND:
		*verdict = accepted;
		break;
	case TABLE_ABSENT:
		break;
	case TABLE_FAILED:
		*verdict = cannot_tell;
		break;
	}
}
