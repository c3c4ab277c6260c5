/* What date.h promises. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <time.h>

#include "message/date.h"

static const char *written(bool (*write)(const struct date *, struct buf *), struct date date)
{
	static char text[DATE_TEXT_MAX];
	struct buf out = buf_with_limit(sizeof(text));

	if (!write(&date, &out))
		return "refused";
	cr_assert(slice_copy(buf_slice(&out), text, sizeof(text)));
	buf_free(&out);
	return text;
}

static const char *reread(const char *text)
{
	struct date date;

	return date_parse(slice_string(text), &date) ? written(date_write, date) : "refused";
}

Test(date, the_letter_of_rfc_5322_is_read)
{
	struct date date;

	cr_assert(date_parse(SLICE("Thu, 13 Feb 1997 23:32:54 -0330"), &date));
	cr_assert_eq(date.seconds, 855889374);
	cr_assert_eq(date.zone_minutes, -210);
	cr_assert_str_eq(written(date_write, date), "Thu, 13 Feb 1997 23:32:54 -0330");
	cr_assert_eq(date_day(&date), 9905);
}

Test(date, obsolete_and_broken_forms_are_read_too)
{
	static const char *const pairs[][2] = {
	    {" Thu,\r\n 13\r\n  Feb (heart (of) \\) winter)\r\n 1997 23:32 -0330 (Newfoundland)",
             "Thu, 13 Feb 1997 23:32:00 -0330"										     },
	    {"21 Nov 97 09:55:06 GMT",							    "Fri, 21 Nov 1997 09:55:06 +0000"},
	    {"21 Nov 07 09:55:06 Z",							      "Wed, 21 Nov 2007 09:55:06 +0000"},
	    {"Fri, 1 Jan 100 09:55:06 EST",						       "Sat, 1 Jan 2000 09:55:06 -0500" },
	    {"Thu Feb 13 23:32:54 1997",							  "Thu, 13 Feb 1997 23:32:54 +0000"},
	    {"Thu Feb  3 23:32:54 PST 1997",						      "Mon, 3 Feb 1997 23:32:54 -0800" },
	    {"13-Feb-1997 23:32:54 +0100",							"Thu, 13 Feb 1997 23:32:54 +0100"},
	    {"Thursday, 13-February-97 23:32:54 MEST",                                            "Thu, 13 Feb 1997 23:32:54 +0000"},
	    {"Thu, 13 Feb 1997 23:32:54 GMT+0200",                                                "Thu, 13 Feb 1997 23:32:54 +0200"},
	    {"Thu, 13 Feb 1997 23:32:54 +02:00",						  "Thu, 13 Feb 1997 23:32:54 +0200"},
	    {"Thu, 13 Feb 1997 11:32:54 PM",						      "Thu, 13 Feb 1997 23:32:54 +0000"},
	    {"Thu, 13 Feb 1997 23:32:54.123 +0000",                                               "Thu, 13 Feb 1997 23:32:54 +0000"},
	    {"Thu, 13 Feb 1997",								  "Thu, 13 Feb 1997 00:00:00 +0000"},
	    {"Sat, 31 Dec 2016 23:59:60 +0000",						   "Sat, 31 Dec 2016 23:59:59 +0000"},
	    {"29 Feb 2000 00:00:00 +0000",							"Tue, 29 Feb 2000 00:00:00 +0000"},
	};

	for (size_t i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++)
		cr_expect_str_eq(reread(pairs[i][0]), pairs[i][1], "%s gave %s", pairs[i][0],
		    reread(pairs[i][0]));
}

Test(date, what_is_no_date_is_refused)
{
	static const char *const malformed[] = {"", "yesterday", "13 Feb", "32 Jan 2000 00:00:00",
	    "29 Feb 1900 00:00:00 +0000", "1 Jan 2000 24:00:00", "1 Jan 2000 12:61:00",
	    "1 Jan 2000 12:00:00 +0199x", "0 Jan 2000 00:00:00", "99999999999999999999 Jan 2000",
	    "(((((", "1 Jan 0 00:00:00", "1 Jan 2000 1:2:3 +99999"};

	for (size_t i = 0; i < sizeof(malformed) / sizeof(malformed[0]); i++)
		cr_expect_str_eq(reread(malformed[i]), "refused", "%s", malformed[i]);
}

Test(date, the_calendar_agrees_with_the_c_library)
{
	for (int64_t seconds = -62135596800; seconds <= 253402300799;
	     seconds += 86400 * 37 + 12345) {
		char text[64], expected[64];
		time_t time = (time_t)seconds;
		struct tm tm;
		struct date date;

		snprintf(text, sizeof(text), "%s", written(date_write, (struct date){seconds, 0}));
		cr_assert_not_null(gmtime_r(&time, &tm));
		tm.tm_year += 1900;
		snprintf(expected, sizeof(expected), "%d %04d %02d:%02d:%02d +0000", tm.tm_mday,
		    tm.tm_year, tm.tm_hour, tm.tm_min, tm.tm_sec);
		cr_assert_eq(atoi(text + 5), tm.tm_mday);
		cr_assert_not_null(
		    strstr(text, strchr(expected, ' ')), "%s, not %s", text, expected);
		cr_assert_eq(memcmp(text, &"SunMonTueWedThuFriSat"[3 * tm.tm_wday], 3), 0);
		cr_assert(date_parse(slice_string(text), &date));
		cr_assert_eq(date.seconds, seconds);
	}
}

Test(date, years_that_cannot_be_written_are_refused)
{
	cr_assert_str_eq(written(date_write, (struct date){INT64_MAX, 0}), "refused");
	cr_assert_str_eq(written(date_write, (struct date){INT64_MIN, 0}), "refused");
	cr_assert_str_eq(written(date_write, (struct date){253402300799, 1}), "refused");
	cr_assert_str_eq(written(date_write, (struct date){0, 6000}), "refused");
}

Test(date, imap_dates_are_fixed_forms)
{
	struct date date;

	cr_assert(date_parse_internal(SLICE("17-Jul-1996 02:44:25 -0700"), &date));
	cr_assert_eq(date.seconds, 837596665);
	cr_assert_str_eq(written(date_write_internal, date), "17-Jul-1996 02:44:25 -0700");
	cr_assert(date_parse_internal(SLICE(" 7-jul-1996 02:44:25 +0000"), &date));
	cr_assert_str_eq(written(date_write_internal, date), " 7-Jul-1996 02:44:25 +0000");
	cr_assert_not(date_parse_internal(SLICE("7-Jul-1996 02:44:25 +0000"), &date));
	cr_assert_not(date_parse_internal(SLICE("17-Jul-1996 02:44:25"), &date));
	cr_assert_not(date_parse_internal(SLICE("17-Jul-1996 02:44:25 +0000 "), &date));
	cr_assert_not(date_parse_internal(SLICE("31-Jun-1996 02:44:25 +0000"), &date));
	cr_assert_not(date_parse_internal(SLICE("17-Jul-1996 02:44:25 GMT"), &date));
}

Test(date, timestamps_of_the_internet_are_a_fixed_form)
{
	static const char *const bad[] = {"", "1996-07-17T02:44:25", "1996-07-17 02:44:25Z",
	    "1996-7-17T02:44:25Z", "96-07-17T02:44:25Z", "1996-02-30T02:44:25Z",
	    "1996-07-17T24:44:25Z", "1996-07-17T02:60:25Z", "1996-07-17T02:44:25.Z",
	    "1996-07-17T02:44:25ZZ", "1996-07-17T02:44:25+0000", "1996-07-17T02:44:25+24:00",
	    "1996-07-17T02:44:25-1:00", "1996-07-17T02:44:25 Z", "-996-07-17T02:44:25Z", "0000-01-01T00:00:00Z"};
	struct date date;

	cr_assert(date_parse_timestamp(SLICE("1996-07-17T02:44:25-07:00"), &date));
	cr_assert_eq(date.seconds, 837596665);
	cr_assert_eq(date.zone_minutes, -420);
	cr_assert_str_eq(written(date_write_timestamp, date), "1996-07-17T09:44:25Z");
	cr_assert(date_parse_timestamp(SLICE("1985-04-12t23:20:50.52z"), &date));
	cr_assert_str_eq(written(date_write_timestamp, date), "1985-04-12T23:20:50Z");
	cr_assert(date_parse_timestamp(SLICE("1990-12-31T23:59:60Z"), &date));
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
		cr_assert_not(date_parse_timestamp(slice_string(bad[i]), &date), "%s", bad[i]);
}

Test(date, imap_search_days_are_quoted_or_not)
{
	int64_t day;

	cr_assert(date_parse_day(SLICE("1-Feb-1994"), &day));
	cr_assert_eq(day, 8797);
	cr_assert(date_parse_day(SLICE("\"01-Feb-1994\""), &day));
	cr_assert_eq(day, 8797);
	cr_assert_not(date_parse_day(SLICE("30-Feb-1994"), &day));
	cr_assert_not(date_parse_day(SLICE("1-Feb-94"), &day));
	cr_assert_not(date_parse_day(SLICE(""), &day));
	cr_assert_not(date_parse_day(SLICE("\""), &day));
}

Test(date, the_day_is_the_writers)
{
	struct date date;

	cr_assert(date_parse(SLICE("1 Jan 1970 23:00:00 -0500"), &date));
	cr_assert_eq(date_day(&date), 0);
	cr_assert(date_parse(SLICE("1 Jan 1970 03:00:00 +0500"), &date));
	cr_assert_eq(date_day(&date), 0);
	cr_assert_eq(date.seconds, -7200);
}
