/*
 * search_bind.c - a SEARCH's keys meet the mailbox: numbers for "*", bits for keywords,
 * UIDs for "$".
 */
#include "imapd/session/search.h"

static enum store_error bind_key(
    struct search_key *key, struct store_view *view, const struct sequence *saved)
{
	uint32_t count = store_view_count(view);
	enum store_error error = STORE_OK;

	if ((key->kind == SEARCH_SEQUENCE || key->kind == SEARCH_UID) && key->sequence.is_saved) {
		key->kind = SEARCH_UID;
		key->sequence = *saved;
		return STORE_OK;
	}
	switch (key->kind) {
	case SEARCH_KEYWORD:
		return store_view_keyword_bit(view, key->name, false, &key->bits);
	case SEARCH_SEQUENCE:
		sequence_resolve(&key->sequence, count);
		return STORE_OK;
	case SEARCH_UID:
		sequence_resolve(
		    &key->sequence, count == 0 ? 0 : store_view_message(view, count)->uid);
		return STORE_OK;
	case SEARCH_NOT:
	case SEARCH_OR:
	case SEARCH_AND:
		for (struct search_key *inner = key->inner; inner != NULL && error == STORE_OK;
		     inner = inner->next)
			error = bind_key(inner, view, saved);
		return error;
	default:
		return STORE_OK;
	}
}

enum store_error search_bind(
    struct search *search, struct store_view *view, const struct sequence *saved)
{
	return bind_key(search->key, view, saved);
}
