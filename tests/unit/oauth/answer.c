/* What answer.h promises. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "oauth/answer.h"

enum { NOW = 1700000000 };

static struct settings wanted;
static struct answer answer;
static const char *fault;
static char *scopes[] = {(char *)"mail", (char *)"openid"};
static char *audience[] = {(char *)"petrel", (char *)"https://mail.example.org"};

static bool reads(const char *text)
{
	return answer_read(slice_string(text), &wanted, NOW, &answer, &fault);
}

static enum oauth_verdict verdict(const char *text)
{
	cr_assert(reads(text), "%s: %s", text, fault);
	return (enum oauth_verdict)answer.said.verdict;
}

Test(answer, an_active_token_is_whose_the_claim_says_that_the_settings_name)
{
	static const char text[] = "{\"active\": true, \"username\": \"alice\", \"sub\": \"4711\","
				   "\"email\": \"a@example.org\"}";

	cr_assert_eq(verdict(text), OAUTH_GOOD);
	cr_assert_str_eq(answer.said.account, "alice");
	cr_assert_eq(answer.expires, 0);
	wanted.oauth.account = OAUTH_ACCOUNT_EMAIL;
	cr_assert_eq(verdict(text), OAUTH_GOOD);
	cr_assert_str_eq(answer.said.account, "a@example.org");
	wanted.oauth.account = OAUTH_ACCOUNT_SUB;
	cr_assert_eq(verdict(text), OAUTH_GOOD);
	cr_assert_str_eq(answer.said.account, "4711");
}

Test(answer, without_a_name_it_is_nobodys)
{
	cr_assert_eq(verdict("{\"active\": true, \"sub\": \"x\"}"), OAUTH_NO_ACCOUNT);
	cr_assert_eq(verdict("{\"active\": true, \"username\": \"\"}"), OAUTH_NO_ACCOUNT);
	cr_assert_eq(verdict("{\"active\": true, \"username\": 7}"), OAUTH_NO_ACCOUNT);
	wanted.oauth.account = OAUTH_ACCOUNT_EMAIL;
	cr_assert_eq(verdict("{\"active\": true, \"email\": \"a@b\", \"email_verified\": false}"),
	    OAUTH_NO_ACCOUNT);
	cr_assert_eq(verdict("{\"active\": true, \"email\": \"a@b\", \"email_verified\": true}"),
	    OAUTH_GOOD);
}

Test(answer, what_is_not_active_now_is_inactive)
{
	char text[256];

	cr_assert_eq(verdict("{\"active\": false, \"username\": \"alice\"}"), OAUTH_INACTIVE);
	snprintf(text, sizeof text, "{\"active\":true,\"username\":\"a\",\"exp\":%d}", NOW);
	cr_assert_eq(verdict(text), OAUTH_INACTIVE);
	snprintf(text, sizeof text, "{\"active\":true,\"username\":\"a\",\"exp\":%d}", NOW + 1);
	cr_assert_eq(verdict(text), OAUTH_GOOD);
	cr_assert_eq(answer.expires, NOW + 1);
	snprintf(text, sizeof text, "{\"active\":true,\"username\":\"a\",\"nbf\":%d}",
	    NOW + ANSWER_SKEW_SECONDS + 1);
	cr_assert_eq(verdict(text), OAUTH_INACTIVE);
}

Test(answer, it_has_to_be_good_for_every_scope)
{
	wanted.oauth.scope = (struct conf_list){2, scopes};
	cr_assert_eq(verdict("{\"active\":true,\"username\":\"a\",\"scope\":\"x openid mail\"}"),
	    OAUTH_GOOD);
	cr_assert_eq(
	    verdict("{\"active\":true,\"username\":\"a\",\"scope\":\"mail\"}"), OAUTH_NO_SCOPE);
	cr_assert_eq(verdict("{\"active\":true,\"username\":\"a\",\"scope\":\"openid mailbox\"}"),
	    OAUTH_NO_SCOPE);
	cr_assert_eq(verdict("{\"active\":true,\"username\":\"a\"}"), OAUTH_NO_SCOPE);
}

Test(answer, it_has_to_be_meant_for_one_of_the_audience)
{
	wanted.oauth.audience = (struct conf_list){2, audience};
	cr_assert_eq(
	    verdict("{\"active\":true,\"username\":\"a\",\"aud\":\"petrel\"}"), OAUTH_GOOD);
	cr_assert_eq(verdict("{\"active\":true,\"username\":\"a\","
			     "\"aud\":[\"x\",\"https://mail.example.org\"]}"),
	    OAUTH_GOOD);
	cr_assert_eq(
	    verdict("{\"active\":true,\"username\":\"a\",\"aud\":[\"x\",7]}"), OAUTH_ELSEWHERE);
	cr_assert_eq(verdict("{\"active\":true,\"username\":\"a\",\"aud\":{}}"), OAUTH_ELSEWHERE);
	cr_assert_eq(verdict("{\"active\":true,\"username\":\"a\"}"), OAUTH_ELSEWHERE);
}

Test(answer, what_is_no_answer_says_nothing)
{
	static const char *const texts[] = {
	    "",
	    "true",
	    "[]",
	    "{",
	    "{}",
	    "{\"active\": \"true\"}",
	    "{\"active\": 1}",
	    "{\"active\": true, \"active\": true, \"username\": \"a\"}",
	    "{\"active\": true, \"username\": \"a\", \"exp\": \"tomorrow\"}",
	    "{\"active\": true, \"username\": \"a\", \"exp\": -1}",
	    "{\"active\": true, \"username\": \"a\", \"exp\": 1e300}",
	    "{\"active\": true, \"username\": \"a\\u0000b\"}",
	    "{\"active\": true, \"username\": \"a\"} {}",
	};

	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		cr_assert_not(reads(texts[i]), "%s", texts[i]);
}
