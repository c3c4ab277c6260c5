/*
 * date.c - dates: the calendar, and the forms in which mail writes it.
 */
#include "message/date.h"

#include <time.h>

enum {
	SECONDS_PER_DAY = 86400,
	YEAR_MAX = 9999,
	ZONE_MAX = 99 * 60 + 59, /* what four digits can say */
};

static const char months[12][4] = {
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
static const char weekdays[7][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};

/* ---- the calendar ------------------------------------------------------- */

struct moment {
	int64_t year;
	int month; /* 1 to 12 */
	int day;
	int hour, minute, second;
	int zone_minutes;
};

static bool is_leap(int64_t year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int64_t year, int month)
{
	static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	return days[month - 1] + (month == 2 && is_leap(year));
}

/*
 * Days since 1970-01-01.  Years are counted from March, so that the leap day is
 * the last of its year and months have a regular pattern of lengths; 400 years
 * are always 146097 days.
 */
static int64_t days_from_date(int64_t year, int month, int day)
{
	int64_t y = year - (month <= 2);
	int64_t era = y / 400; /* years are positive here */
	int64_t year_of_era = y - era * 400;
	int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 +
	       day_of_year - 719468;
}

static void date_from_days(int64_t days, struct moment *out)
{
	int64_t era, day_of_era, year_of_era, day_of_year, shifted_month;

	days += 719468;
	era = days / 146097;
	day_of_era = days - era * 146097;
	year_of_era =
	    (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	shifted_month = (5 * day_of_year + 2) / 153;
	out->day = (int)(day_of_year - (153 * shifted_month + 2) / 5 + 1);
	out->month = (int)(shifted_month < 10 ? shifted_month + 3 : shifted_month - 9);
	out->year = year_of_era + era * 400 + (out->month <= 2);
}

/* Whole division that rounds down, for times before 1970. */
static int64_t floor_divide(int64_t a, int64_t b)
{
	return a / b - (a % b < 0);
}

int64_t date_day(const struct date *date)
{
	return floor_divide(date->seconds + (int64_t)date->zone_minutes * 60, SECONDS_PER_DAY);
}

/* False where the clock on the wall would show a year that cannot be written. */
static bool moment_of(const struct date *date, struct moment *out)
{
	const int64_t first = days_from_date(1, 1, 1);
	const int64_t last = days_from_date(YEAR_MAX, 12, 31);
	int64_t day, second;

	if (date->zone_minutes < -ZONE_MAX || date->zone_minutes > ZONE_MAX ||
	    date->seconds < (first - 10) * SECONDS_PER_DAY ||
	    date->seconds > (last + 10) * SECONDS_PER_DAY)
		return false;
	day = date_day(date);
	if (day < first || day > last)
		return false;
	second = date->seconds + (int64_t)date->zone_minutes * 60 - day * SECONDS_PER_DAY;
	date_from_days(day, out);
	out->hour = (int)(second / 3600);
	out->minute = (int)(second / 60 % 60);
	out->second = (int)(second % 60);
	out->zone_minutes = date->zone_minutes;
	return true;
}

static bool date_of_moment(const struct moment *m, struct date *out)
{
	if (m->year < 1 || m->year > YEAR_MAX || m->month < 1 || m->month > 12 || m->day < 1 ||
	    m->day > days_in_month(m->year, m->month) || m->hour > 23 || m->minute > 59 ||
	    m->second > 60)
		return false;
	/* A leap second is the last ordinary one: POSIX time knows none. */
	out->seconds = days_from_date(m->year, m->month, m->day) * SECONDS_PER_DAY +
		       (int64_t)m->hour * 3600 + (int64_t)m->minute * 60 +
		       (m->second == 60 ? 59 : m->second) - (int64_t)m->zone_minutes * 60;
	out->zone_minutes = m->zone_minutes;
	return true;
}

struct date date_local(int64_t seconds)
{
	time_t time = (time_t)seconds;
	struct tm local;

	if (localtime_r(&time, &local) == NULL)
		return (struct date){seconds, 0};
	return (struct date){seconds, (int)(local.tm_gmtoff / 60)};
}

/* ---- writing ------------------------------------------------------------ */

static void write_zone(int minutes, struct buf *out)
{
	int absolute = minutes < 0 ? -minutes : minutes;

	buf_printf(out, " %c%02d%02d", minutes < 0 ? '-' : '+', absolute / 60, absolute % 60);
}

bool date_write(const struct date *date, struct buf *out)
{
	struct moment m;

	if (!moment_of(date, &m))
		return false;
	buf_printf(out, "%s, %d %s %04d %02d:%02d:%02d", weekdays[(date_day(date) % 7 + 11) % 7],
	    m.day, months[m.month - 1], (int)m.year, m.hour, m.minute, m.second);
	write_zone(m.zone_minutes, out);
	return !out->overflowed;
}

bool date_write_internal(const struct date *date, struct buf *out)
{
	struct moment m;

	if (!moment_of(date, &m))
		return false;
	buf_printf(out, "%2d-%s-%04d %02d:%02d:%02d", m.day, months[m.month - 1], (int)m.year,
	    m.hour, m.minute, m.second);
	write_zone(m.zone_minutes, out);
	return !out->overflowed;
}

/* ---- parsing IMAP's forms: strict --------------------------------------- */

/* Exactly `digits` digits, or -1. */
static int take_digits(struct cursor *c, size_t digits)
{
	uint64_t value;

	return slice_number(cursor_take(c, digits), INT32_MAX, &value) ? (int)value : -1;
}

/* 1 to 12 by the first three letters in any case, or 0. */
static int month_called(struct slice name)
{
	for (int i = 0; i < 12; i++)
		if (name.len >= 3 &&
		    slice_equal_nocase(slice_part(name, 0, 3), slice_of(months[i], 3)))
			return i + 1;
	return 0;
}

/* "-Feb-1994" */
static bool take_month_and_year(struct cursor *c, struct moment *m)
{
	if (!cursor_accept(c, '-'))
		return false;
	m->month = month_called(cursor_take(c, 3));
	if (m->month == 0 || !cursor_accept(c, '-'))
		return false;
	m->year = take_digits(c, 4);
	return m->year >= 1;
}

static bool take_zone_digits(struct cursor *c, int *minutes)
{
	bool is_west = cursor_accept(c, '-');
	int digits;

	if (!is_west && !cursor_accept(c, '+'))
		return false;
	digits = take_digits(c, 4);
	if (digits < 0 || digits % 100 > 59)
		return false;
	*minutes = digits / 100 * 60 + digits % 100;
	if (is_west)
		*minutes = -*minutes;
	return true;
}

bool date_parse_internal(struct slice text, struct date *out)
{
	struct cursor c = cursor_over(text);
	struct moment m = {0};

	m.day = take_digits(&c, cursor_accept(&c, ' ') ? 1 : 2);
	if (m.day < 1 || !take_month_and_year(&c, &m) || !cursor_accept(&c, ' '))
		return false;
	m.hour = take_digits(&c, 2);
	if (m.hour < 0 || !cursor_accept(&c, ':'))
		return false;
	m.minute = take_digits(&c, 2);
	if (m.minute < 0 || !cursor_accept(&c, ':'))
		return false;
	m.second = take_digits(&c, 2);
	if (m.second < 0 || !cursor_accept(&c, ' ') || !take_zone_digits(&c, &m.zone_minutes))
		return false;
	return cursor_done(&c) && date_of_moment(&m, out);
}

/* "Z", or "+01:30". */
static bool take_offset(struct cursor *c, int *minutes)
{
	bool is_west = cursor_peek(c) == '-';
	int hours, rest;

	if (cursor_accept(c, 'Z') || cursor_accept(c, 'z')) {
		*minutes = 0;
		return true;
	}
	if (!cursor_accept(c, '+') && !cursor_accept(c, '-'))
		return false;
	hours = take_digits(c, 2);
	if (!cursor_accept(c, ':'))
		return false;
	rest = take_digits(c, 2);
	if (hours < 0 || hours > 23 || rest < 0 || rest > 59)
		return false;
	*minutes = (hours * 60 + rest) * (is_west ? -1 : 1);
	return true;
}

/* ".52": at least one digit. */
static bool skip_fraction(struct cursor *c)
{
	if (!cursor_accept(c, '.'))
		return true;
	if (!octet_is_digit(cursor_peek(c)))
		return false;
	while (octet_is_digit(cursor_peek(c)))
		cursor_skip(c, 1);
	return true;
}

bool date_parse_timestamp(struct slice text, struct date *out)
{
	struct cursor c = cursor_over(text);
	struct moment m = {0};

	m.year = take_digits(&c, 4);
	if (!cursor_accept(&c, '-'))
		return false;
	m.month = take_digits(&c, 2);
	if (!cursor_accept(&c, '-'))
		return false;
	m.day = take_digits(&c, 2);
	if (!cursor_accept(&c, 'T') && !cursor_accept(&c, 't'))
		return false;
	m.hour = take_digits(&c, 2);
	if (!cursor_accept(&c, ':'))
		return false;
	m.minute = take_digits(&c, 2);
	if (!cursor_accept(&c, ':'))
		return false;
	m.second = take_digits(&c, 2);
	return m.hour >= 0 && m.minute >= 0 && m.second >= 0 && skip_fraction(&c) &&
	       take_offset(&c, &m.zone_minutes) && cursor_done(&c) && date_of_moment(&m, out);
}

bool date_write_timestamp(const struct date *date, struct buf *out)
{
	const struct date utc = {date->seconds, 0};
	struct moment m;

	return moment_of(&utc, &m) && buf_printf(out, "%04d-%02d-%02dT%02d:%02d:%02dZ", (int)m.year,
					  m.month, m.day, m.hour, m.minute, m.second);
}

bool date_parse_day(struct slice text, int64_t *day)
{
	struct cursor c;
	struct moment m = {0};
	struct date date;

	if (text.len >= 2 && text.data[0] == '"' && text.data[text.len - 1] == '"')
		text = slice_part(text, 1, text.len - 2);
	c = cursor_over(text);
	m.day = take_digits(&c, octet_is_digit(cursor_peek_at(&c, 1)) ? 2 : 1);
	if (m.day < 1 || !take_month_and_year(&c, &m) || !cursor_done(&c) ||
	    !date_of_moment(&m, &date))
		return false;
	*day = date_day(&date);
	return true;
}

/* ---- parsing RFC 5322's form: lenient ----------------------------------- */

/*
 * The words of a Date field are told apart by their looks rather than by their
 * order: a name of a month, a clock with colons, a zone with a sign or of
 * letters, and numbers, of which the first is the day unless it can only be a
 * year.  So the letter of RFC 5322, asctime's order, dashes, and a missing
 * weekday or zone all read alike.
 */
struct date_words {
	struct moment moment;
	bool has_day, has_month, has_year, has_clock, has_zone;
};

enum { DATE_WORDS_MAX = 16 };

static void skip_comment(struct cursor *c)
{
	int depth = 0;

	do {
		int octet = cursor_next(c);

		if (octet < 0)
			return;
		if (octet == '\\')
			cursor_skip(c, 1);
		else if (octet == '(')
			depth++;
		else if (octet == ')')
			depth--;
	} while (depth > 0);
}

static bool is_digit(int c)
{
	return octet_is_digit(c);
}

static bool is_date_separator(int c)
{
	return octet_is_space(c) || c == '\r' || c == '\n' || c == ',' || c == ';';
}

static bool is_word_octet(int c)
{
	return octet_is_alnum(c) || c == ':' || c == '.';
}

/*
 * The next word: letters, digits and colons, with a sign before a zone.  A dash
 * between ("13-Feb-1997") separates, one before four digits after the clock is
 * a sign.  Empty at the end.
 */
static struct slice next_word(struct cursor *c, bool has_clock, char *sign)
{
	*sign = 0;
	while (!cursor_done(c)) {
		int octet = cursor_peek(c);

		if (octet == '(') {
			skip_comment(c);
		} else if (is_word_octet(octet)) {
			return cursor_take_while(c, is_word_octet);
		} else {
			if (octet == '+' || (octet == '-' && has_clock))
				*sign = (char)octet;
			else if (is_date_separator(octet))
				*sign = 0;
			cursor_skip(c, 1);
		}
	}
	return slice_of(NULL, 0);
}

/* Digits, up to two; false where there are none, or more. */
static bool take_clock_digits(struct cursor *c, int *out)
{
	uint64_t value;

	if (!slice_number(cursor_take_while(c, is_digit), 99, &value))
		return false;
	*out = (int)value;
	return true;
}

/* "23:32", "23:32:54", "23:32:54.25" */
static bool read_clock(struct slice word, struct date_words *words)
{
	struct cursor c = cursor_over(word);
	struct moment *m = &words->moment;

	if (words->has_clock || !take_clock_digits(&c, &m->hour) || !cursor_accept(&c, ':') ||
	    !take_clock_digits(&c, &m->minute))
		return false;
	if (cursor_accept(&c, ':') && !take_clock_digits(&c, &m->second))
		return false;
	words->has_clock = true;
	return cursor_done(&c) || cursor_peek(&c) == '.';
}

/* What follows a sign: "0330", "03:30", "330". */
static bool read_zone_digits(struct slice word, char sign, struct date_words *words)
{
	struct cursor c = cursor_over(word);
	uint64_t hours, minutes;
	struct slice digits = cursor_take_while(&c, is_digit);

	if (cursor_accept(&c, ':')) {
		if (!slice_number(digits, 99, &hours) ||
		    !slice_number(cursor_rest(&c), 59, &minutes))
			return false;
	} else {
		if (!cursor_done(&c) || !slice_number(digits, 9959, &minutes) || minutes % 100 > 59)
			return false;
		hours = minutes / 100;
		minutes %= 100;
	}
	words->moment.zone_minutes = (int)(hours * 60 + minutes) * (sign == '-' ? -1 : 1);
	words->has_zone = true;
	return true;
}

/* Zones that RFC 5322, 4.3 gives a meaning; of all others it says to think nothing. */
static int zone_minutes_called(struct slice name)
{
	static const struct {
		struct slice name;
		int hours;
	} zones[] = {
	    {{"EST", 3}, -5},
	    {{"EDT", 3}, -4},
	    {{"CST", 3}, -6},
	    {{"CDT", 3}, -5},
	    {{"MST", 3}, -7},
	    {{"MDT", 3}, -6},
	    {{"PST", 3}, -8},
	    {{"PDT", 3}, -7},
	};

	for (size_t i = 0; i < sizeof(zones) / sizeof(zones[0]); i++)
		if (slice_equal_nocase(name, zones[i].name))
			return zones[i].hours * 60;
	return 0;
}

static void read_name(struct slice word, struct date_words *words)
{
	struct moment *m = &words->moment;
	int month = words->has_month ? 0 : month_called(word);

	if (month > 0) {
		m->month = month;
		words->has_month = true;
	} else if (words->has_clock && slice_equal_nocase(word, SLICE("PM"))) {
		m->hour += m->hour < 12 ? 12 : 0;
	} else if (words->has_clock && slice_equal_nocase(word, SLICE("AM"))) {
		m->hour = m->hour == 12 ? 0 : m->hour;
	} else if (words->has_clock && !words->has_zone) {
		m->zone_minutes = zone_minutes_called(word);
		words->has_zone = true;
	}
	/* Anything else is a weekday: redundant, and often wrong. */
}

/* A day of the month, or a year of two to four digits (RFC 5322, 4.3). */
static bool read_number(struct slice word, struct date_words *words)
{
	struct moment *m = &words->moment;
	uint64_t value;

	if (!slice_number(word, YEAR_MAX, &value))
		return false;
	if (!words->has_day && word.len <= 2) {
		m->day = (int)value;
		words->has_day = true;
	} else if (!words->has_year) {
		m->year = (int64_t)value;
		if (word.len == 2)
			m->year += value < 50 ? 2000 : 1900;
		else if (word.len == 3)
			m->year += 1900;
		words->has_year = true;
	}
	return true;
}

static bool read_word(struct slice word, char sign, struct date_words *words)
{
	if (sign != 0 && words->has_clock && octet_is_digit(word.data[0]))
		return read_zone_digits(word, sign, words);
	if (slice_find(word, 0, ':') >= 0)
		return read_clock(word, words);
	if (octet_is_digit(word.data[0]))
		return read_number(word, words);
	read_name(word, words);
	return true;
}

bool date_parse(struct slice value, struct date *out)
{
	struct cursor c = cursor_over(value);
	struct date_words words = {0};

	for (int i = 0; i < DATE_WORDS_MAX; i++) {
		char sign;
		struct slice word = next_word(&c, words.has_clock, &sign);

		if (word.len == 0)
			break;
		if (!read_word(word, sign, &words))
			return false;
	}
	return words.has_day && words.has_month && words.has_year &&
	       date_of_moment(&words.moment, out);
}
