/*
 * date.h - dates as mail writes them.
 *
 * RFC 5322 dates (with the obsolete forms, and leniently what mailers really
 * write), IMAP's INTERNALDATE and search dates.  The calendar is proleptic
 * Gregorian and computed here: no locale, no time zone database, years 1 to 9999.
 */
#ifndef PETREL_MESSAGE_DATE_H
#define PETREL_MESSAGE_DATE_H

#include "common/buf.h"
#include "common/slice.h"

enum {
	DATE_TEXT_MAX = 40, /* octets; more than any form written here takes */
};

struct date {
	int64_t seconds;  /* since 1970-01-01 00:00:00 UTC */
	int zone_minutes; /* east of UTC, -5999 to 5999: the clock that the writer saw */
};

/* The moment `seconds` on the local clock (TZ; read before chroot with tzset()). */
struct date date_local(int64_t seconds);

/*
 * Parse the value of a Date field (RFC 5322, 3.3 and 4.3), comments and folding
 * included.  Missing weekday, seconds or zone, two-digit years, dashes for
 * blanks, asctime order ("Thu Feb 13 23:32:54 1997") and unknown zone names
 * (taken as -0000) are all accepted.  False where no date is to be found.
 */
bool date_parse(struct slice value, struct date *out);

/* "Thu, 13 Feb 1997 23:32:54 -0330". */
bool date_write(const struct date *date, struct buf *out);

/*
 * A timestamp of the Internet (RFC 3339, 5.6): "1985-04-12T23:20:50.52Z",
 * "1990-12-31T15:59:60-08:00".  Fractions of a second are read and dropped; written
 * is UTC, "1985-04-12T23:20:50Z".
 */
bool date_parse_timestamp(struct slice text, struct date *out);
bool date_write_timestamp(const struct date *date, struct buf *out);

/* IMAP date-time without its quotes: "17-Jul-1996 02:44:25 -0700", day padded with a blank (RFC 3501, 9). */
bool date_write_internal(const struct date *date, struct buf *out);
bool date_parse_internal(struct slice text, struct date *out);

/*
 * IMAP search date, quoted or not: "1-Feb-1994".  *day is days since
 * 1970-01-01, to be compared with date_day().
 */
bool date_parse_day(struct slice text, int64_t *day);

/* The calendar day in the date's own zone: what SENTBEFORE and its kin compare. */
int64_t date_day(const struct date *date);

#endif
