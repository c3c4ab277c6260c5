/*
 * watches.c - which imapd worker wants to hear of whose new mail.
 */
#include "delivery/maildir/watches.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/tree.h>

#include "common/channel_mailbox.h"
#include "common/log.h"

/* Of one account by one worker; the watches of an account lie side by side. */
struct watch {
	RB_ENTRY(watch) by_account;
	struct channel *imapd;
	struct slice account;
	char text[];
};

static int compare(const struct watch *a, const struct watch *b)
{
	int order = slice_compare(a->account, b->account);
	uintptr_t x = (uintptr_t)a->imapd, y = (uintptr_t)b->imapd;

	return order != 0 ? order : (x > y) - (x < y);
}

static RB_HEAD(watch_tree, watch) watches = RB_INITIALIZER(&watches);
static unsigned watch_count;
RB_PROTOTYPE(watch_tree, watch, by_account, compare)
RB_GENERATE(watch_tree, watch, by_account, compare)

static void tell(struct channel *imapd, struct slice account)
{
	write_slice(channel_begin(imapd, MAILBOX_NEW, 0), account);
	channel_end(imapd);
}

static void watch_free(struct watch *watch)
{
	RB_REMOVE(watch_tree, &watches, watch);
	watch_count--;
	free(watch);
}

static void watch(struct channel *imapd, struct slice account)
{
	struct watch *new = NULL;

	if (watch_count < WATCHES_MAX)
		new = malloc(sizeof *new + account.len);
	if (new == NULL) {
		log_warning("not-watching", log_slice("account", account));
		return;
	}
	memcpy(new->text, account.data, account.len);
	new->imapd = imapd;
	new->account = slice_of(new->text, account.len);
	if (RB_INSERT(watch_tree, &watches, new) != NULL)
		free(new); /* it is watched already */
	else
		watch_count++;
	tell(imapd, account);
}

static void unwatch(struct channel *imapd, struct slice account)
{
	struct watch wanted = {.imapd = imapd, .account = account};
	struct watch *found = RB_FIND(watch_tree, &watches, &wanted);

	if (found != NULL)
		watch_free(found);
}

bool watches_message(struct channel *imapd, struct message *m, void *context)
{
	struct reader r = message_reader(m);
	struct slice account = read_slice(&r);

	(void)context;
	if (!reader_finished(&r) || account.len == 0 || account.len > MAILBOX_ACCOUNT_MAX)
		return false;
	switch (m->type) {
	case MAILBOX_WATCH:
		watch(imapd, account);
		return true;
	case MAILBOX_UNWATCH:
		unwatch(imapd, account);
		return true;
	default:
		return false;
	}
}

void watches_closed(struct channel *imapd, void *context)
{
	struct watch *at, *next;

	(void)context;
	RB_FOREACH_SAFE (at, watch_tree, &watches, next)
		if (at->imapd == imapd)
			watch_free(at);
}

void watches_tell(struct slice account)
{
	struct watch from = {.imapd = NULL, .account = account};

	for (struct watch *at = RB_NFIND(watch_tree, &watches, &from);
	     at != NULL && slice_equal(at->account, account);
	     at = RB_NEXT(watch_tree, &watches, at))
		tell(at->imapd, account);
}
