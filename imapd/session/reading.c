/*
 * reading.c - the message that a connection reads just now.
 */
#include "imapd/session/reading.h"

#include <stdlib.h>

struct message_reading {
	uint32_t uid;
	struct store_content *content;
	bool has_mime;
	struct mime mime;
};

void reading_close(struct connection *c)
{
	struct message_reading *r = c->reading;

	if (r == NULL)
		return;
	if (r->has_mime)
		mime_free(&r->mime);
	store_content_close(r->content);
	free(r);
	c->reading = NULL;
}

static enum store_error open_reading(struct connection *c, uint32_t seq)
{
	uint32_t uid = store_view_message(c->view, seq)->uid;
	enum store_error error;

	if (c->reading != NULL && c->reading->uid == uid)
		return STORE_OK;
	reading_close(c);
	c->reading = calloc(1, sizeof *c->reading);
	if (c->reading == NULL)
		return STORE_MEMORY;
	c->reading->uid = uid;
	error = store_content_open(c->view, seq, &c->reading->content);
	if (error != STORE_OK) {
		c->reading->content = NULL;
		reading_close(c);
	}
	return error;
}

enum store_error reading_content(struct connection *c, uint32_t seq, struct store_content **out)
{
	enum store_error error = open_reading(c, seq);

	if (error == STORE_OK)
		*out = c->reading->content;
	return error;
}

enum store_error reading_stored(struct connection *c, uint32_t seq, struct slice *out)
{
	enum store_error error = open_reading(c, seq);

	return error == STORE_OK ? store_content_map(c->reading->content, out) : error;
}

enum store_error reading_mime(struct connection *c, uint32_t seq, const struct mime **out)
{
	struct slice stored;
	enum store_error error = reading_stored(c, seq, &stored);

	if (error != STORE_OK)
		return error;
	if (!c->reading->has_mime) {
		c->reading->has_mime = true;
		if (!mime_parse(stored, &c->reading->mime)) {
			reading_close(c);
			return STORE_MEMORY;
		}
	}
	*out = &c->reading->mime;
	return STORE_OK;
}
