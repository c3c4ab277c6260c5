/*
 * answer.c - what a server says of a token.
 */
#include "oauth/answer.h"

#include <jansson.h>

/* A member that is a string; an empty slice where it is none. */
static struct slice string_of(const json_t *object, const char *name)
{
	const json_t *value = json_object_get(object, name);

	return slice_of(json_string_value(value), json_string_length(value));
}

/* A time (RFC 7519, 2: NumericDate); false where it is there and is none. */
static bool read_time(const json_t *object, const char *name, int64_t *out)
{
	const json_t *value = json_object_get(object, name);
	double number = json_number_value(value);

	*out = 0;
	if (value == NULL || json_is_null(value))
		return true;
	if (!json_is_number(value) || !(number >= 0 && number < 1e15))
		return false;
	*out = (int64_t)number;
	return true;
}

/* --- what it has to be good for ----------------------------------------------------- */

static bool has_word(struct slice words, struct slice wanted)
{
	struct cursor in = cursor_over(words);

	while (!cursor_done(&in)) {
		if (slice_equal(cursor_take_until(&in, ' '), wanted))
			return true;
		cursor_accept(&in, ' ');
	}
	return false;
}

/* A list of words with blanks between them (RFC 6749, 3.3). */
static bool has_scopes(const json_t *object, const struct conf_list *wanted)
{
	struct slice scope = string_of(object, "scope");

	for (size_t i = 0; i < wanted->count; i++)
		if (!has_word(scope, slice_string(wanted->words[i])))
			return false;
	return true;
}

static bool is_wanted(const json_t *audience, const struct conf_list *wanted)
{
	struct slice text = slice_of(json_string_value(audience), json_string_length(audience));

	for (size_t i = 0; json_is_string(audience) && i < wanted->count; i++)
		if (slice_equal(text, slice_string(wanted->words[i])))
			return true;
	return false;
}

/* One word, or an array of them (RFC 7519, 4.1.3). */
static bool has_audience(const json_t *object, const struct conf_list *wanted)
{
	const json_t *audience = json_object_get(object, "aud");

	if (wanted->count == 0 || is_wanted(audience, wanted))
		return true;
	for (size_t i = 0; i < json_array_size(audience); i++)
		if (is_wanted(json_array_get(audience, i), wanted))
			return true;
	return false;
}

/* --- whose it is ---------------------------------------------------------------------- */

static bool read_account(const json_t *object, int claim, char account[321])
{
	static const char *const names[] = {
	    [OAUTH_ACCOUNT_USERNAME] = "username",
	    [OAUTH_ACCOUNT_EMAIL] = "email",
	    [OAUTH_ACCOUNT_SUB] = "sub",
	};
	struct slice name = string_of(object, names[claim]);

	/* An address that anybody may write into his profile is nobody's. */
	if (claim == OAUTH_ACCOUNT_EMAIL &&
	    json_is_false(json_object_get(object, "email_verified")))
		return false;
	return name.len > 0 && slice_copy(name, account, 321);
}

static enum oauth_verdict judge(const json_t *object, const struct settings *wanted, int64_t now,
    int64_t not_before, struct answer *out)
{
	if (!json_is_true(json_object_get(object, "active")) ||
	    (out->expires != 0 && out->expires <= now) || not_before > now + ANSWER_SKEW_SECONDS)
		return OAUTH_INACTIVE;
	if (!has_audience(object, &wanted->oauth.audience))
		return OAUTH_ELSEWHERE;
	if (!has_scopes(object, &wanted->oauth.scope))
		return OAUTH_NO_SCOPE;
	return read_account(object, wanted->oauth.account, out->said.account) ? OAUTH_GOOD
									      : OAUTH_NO_ACCOUNT;
}

bool answer_read(struct slice text, const struct settings *wanted, int64_t now, struct answer *out,
    const char **fault)
{
	json_t *object = text.len > ANSWER_MAX ? NULL
					       : json_loadb(text.data == NULL ? "" : text.data,
						     text.len, JSON_REJECT_DUPLICATES, NULL);
	int64_t not_before = 0;
	bool good = false;

	*out = (struct answer){0};
	if (!json_is_object(object))
		*fault = "not a JSON object";
	else if (!json_is_boolean(json_object_get(object, "active")))
		*fault = "it does not say whether the token is active";
	else if (!read_time(object, "exp", &out->expires) || !read_time(object, "nbf", &not_before))
		*fault = "a time that is none";
	else
		good = true;
	if (good)
		out->said.verdict = (uint8_t)judge(object, wanted, now, not_before, out);
	json_decref(object);
	return good;
}
