/*
 * submit.c - what is different where a client submits its own user's mail (RFC 6409).
 *
 * Fields that a message lacks travel in the envelope, in front of the content;
 * the content itself is never changed.
 */
#include "smtpd/submit.h"

#include "common/conf.h"
#include "message/date.h"
#include "smtpd/content.h"
#include "smtpd/reply.h"
#include "smtpd/session.h"

bool submit_is_user(const struct session *s)
{
	return s->login != NULL || s->is_local;
}

bool submit_may_send(struct session *s)
{
	if (!s->is_submission || s->login != NULL)
		return true;
	if (session_may_authenticate(s))
		reply(s, 530, "5.7.0", "Authentication required");
	else
		reply(s, 530, "5.7.0", "Must issue a STARTTLS command first");
	return false;
}

bool submit_missing_fields(
    const struct content *content, message_id id, uint64_t now_us, struct buf *out)
{
	bool good = true;

	if ((content->fields & CONTENT_DATE) == 0) {
		struct date date = date_local((int64_t)(now_us / 1000000));

		good = buf_append_string(out, "Date: ") && date_write(&date, out) &&
		       buf_append_string(out, "\r\n");
	}
	if ((content->fields & CONTENT_MESSAGE_ID) == 0) {
		char text[MESSAGE_ID_TEXT + 1];

		message_id_format(id, text);
		good = buf_printf(out, "Message-ID: <%s@%s>\r\n", text, settings->hostname) && good;
	}
	return good;
}
