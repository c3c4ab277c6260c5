/*
 * channel_session.c - encoding of what a front daemon and a session process say to each other.
 */
#include "common/channel_session.h"

void session_begin_write(struct writer *w, const struct session_begin *begin)
{
	write_string(w, begin->client);
	write_string(w, begin->tls);
	write_slice(w, begin->input);
}

bool session_begin_read(struct reader *r, struct session_begin *begin)
{
	read_string(r, begin->client, sizeof begin->client);
	read_string(r, begin->tls, sizeof begin->tls);
	begin->input = read_slice(r);
	return reader_finished(r);
}
