/*
 * log.h - one line per event.
 *
 * A line is an event's name and fields:
 *     log_info("delivered", log_id(id), log_slice("to", address), log_number("size", size));
 * becomes, by way of the logger,
 *     2026-11-21T10:00:00.123456Z mail delivery/maildir[712]: delivered id=3qk7... to=bob@example.org size=1234
 * Values with blanks, quotes, control characters or octets above 126 are quoted
 * and escaped, so that nothing from outside can forge a line or a field.
 *
 * Without a channel to the logger, lines go to standard error.
 */
#ifndef PETREL_COMMON_LOG_H
#define PETREL_COMMON_LOG_H

#include "common/id.h"
#include "common/slice.h"

struct channel;

enum log_level { LEVEL_ERROR, LEVEL_WARNING, LEVEL_INFO, LEVEL_DEBUG };

enum { LOG_LINE_MAX = 4096 }; /* octets; a longer line is cut and says so */

enum log_kind { LOG_KIND_END, LOG_KIND_SLICE, LOG_KIND_NUMBER, LOG_KIND_SIGNED, LOG_KIND_ID, LOG_KIND_ERRNO };

struct log_field {
	enum log_kind kind;
	const char *name;
	struct slice text;
	uint64_t number;
};

static inline struct log_field log_slice(const char *name, struct slice text)
{
	return (struct log_field){LOG_KIND_SLICE, name, text, 0};
}
static inline struct log_field log_string(const char *name, const char *text)
{
	return log_slice(name, slice_string(text));
}
static inline struct log_field log_number(const char *name, uint64_t number)
{
	return (struct log_field){LOG_KIND_NUMBER, name, {NULL, 0}, number};
}
static inline struct log_field log_signed(const char *name, int64_t number)
{
	return (struct log_field){LOG_KIND_SIGNED, name, {NULL, 0}, (uint64_t)number};
}
/* The message that an event is about: id=... */
static inline struct log_field log_id(message_id id)
{
	return (struct log_field){LOG_KIND_ID, "id", {NULL, 0}, id};
}
/* error="No space left on device" */
static inline struct log_field log_errno(int error)
{
	return (struct log_field){LOG_KIND_ERRNO, "error", {NULL, 0}, (uint64_t)error};
}

/* `fields` ends with LOG_KIND_END.  Use the macros below. */
void log_write(enum log_level level, const char *event, const struct log_field *fields);

#define LOG_FIELDS(...)         ((const struct log_field[]){__VA_ARGS__ __VA_OPT__(, ){LOG_KIND_END, NULL, {NULL, 0}, 0}})
#define log_error(event, ...)   log_write(LEVEL_ERROR, event, LOG_FIELDS(__VA_ARGS__))
#define log_warning(event, ...) log_write(LEVEL_WARNING, event, LOG_FIELDS(__VA_ARGS__))
#define log_info(event, ...)    log_write(LEVEL_INFO, event, LOG_FIELDS(__VA_ARGS__))
#define log_debug(event, ...)   log_write(LEVEL_DEBUG, event, LOG_FIELDS(__VA_ARGS__))

/* The name in front of lines that go to standard error: the process's own. */
void log_set_name(const char *name);
/* Lines above this level are not written. */
void log_set_level(enum log_level level);
/*
 * A channel is to come: keep lines until log_set_channel() (a thousand at most),
 * or until log_release() gives them to standard error.
 */
void log_hold(void);
void log_release(void);
/* Where lines go from now on; NULL: standard error. */
void log_set_channel(struct channel *channel);

/* Render fields as " name=value ..." into out; the part of log_write that can be tested. */
struct buf;
void log_render(struct buf *out, const char *event, const struct log_field *fields);

#endif
