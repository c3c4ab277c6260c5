/* What delegation.h promises of the protocol's text. */
#include <criterion/criterion.h>

#include "common/policy_service.h"
#include "policy/delegation.h"

static struct delegation_reply reply;

static enum delegation_state read_text(const char *text)
{
	size_t octets = 0;
	enum delegation_state state = delegation_read(slice_string(text), &reply, &octets);

	if (state == DELEGATION_READY)
		cr_assert_eq(octets, strlen(text));
	return state;
}

static void expect_action(
    const char *action, enum delegation_action expected, unsigned code, const char *status, const char *text)
{
	char line[512];

	snprintf(line, sizeof line, "action=%s\n\n", action);
	cr_assert_eq(read_text(line), DELEGATION_READY, "%s", action);
	cr_assert_eq(reply.action, expected, "%s", action);
	cr_assert_eq(reply.code, code, "%s", action);
	cr_assert_str_eq(reply.status, status, "%s", action);
	cr_assert(slice_equal(reply.text, slice_string(text)), "%s: \"%.*s\"", action,
	    SLICE_PRINTF(reply.text));
}

Test(delegation, actions_are_those_of_access_5)
{
	expect_action("DUNNO", ACTION_DUNNO, 0, "", "");
	expect_action("dunno", ACTION_DUNNO, 0, "", "");
	expect_action("OK", ACTION_OK, 0, "", "");
	expect_action("12345", ACTION_OK, 0, "", "");
	expect_action("250 fine", ACTION_OK, 0, "", "fine");
	expect_action("REJECT", ACTION_REFUSE, 0, "", "");
	expect_action("REJECT  go away ", ACTION_REFUSE, 0, "", "go away");
	expect_action("REJECT 5.1.8 no sender", ACTION_REFUSE, 0, "5.1.8", "no sender");
	expect_action("550 5.7.1 no", ACTION_REFUSE, 550, "5.7.1", "no");
	expect_action("450 later", ACTION_DEFER, 450, "", "later");
	expect_action("DEFER_IF_PERMIT Greylisted, see http://x/", ACTION_DEFER_IF_PERMIT, 0, "",
	    "Greylisted, see http://x/");
	expect_action("DEFER_IF_REJECT 4.7.0 x", ACTION_DEFER_IF_REJECT, 0, "4.7.0", "x");
	expect_action("PREPEND X-A: 5.1.1 b", ACTION_PREPEND, 0, "", "X-A: 5.1.1 b");
	expect_action("HOLD suspicious", ACTION_HOLD, 0, "", "suspicious");
	expect_action("DISCARD", ACTION_DISCARD, 0, "", "");
	expect_action("FILTER smtp:x", ACTION_UNKNOWN, 0, "", "smtp:x");
	expect_action("", ACTION_UNKNOWN, 0, "", "");
}

Test(delegation, what_looks_like_a_status_and_is_none_is_text)
{
	expect_action("REJECT 2.0.0 x", ACTION_REFUSE, 0, "", "2.0.0 x");
	expect_action("REJECT 5.1 x", ACTION_REFUSE, 0, "", "5.1 x");
	expect_action("REJECT 5.1.1.1 x", ACTION_REFUSE, 0, "", "5.1.1.1 x");
	expect_action("REJECT 5.1111.1 x", ACTION_REFUSE, 0, "", "5.1111.1 x");
	expect_action("REJECT 5.1.1", ACTION_REFUSE, 0, "5.1.1", "");
	expect_action("600 x", ACTION_OK, 0, "", "x");
}

Test(delegation, a_reply_is_read_when_it_is_whole_and_not_before)
{
	static const char whole[] = "hint=1\r\naction=DUNNO\r\n\r\n";
	size_t octets;

	for (size_t len = 0; len + 1 < sizeof whole; len++)
		cr_assert_eq(delegation_read(slice_of(whole, len), &reply, &octets),
		    DELEGATION_MORE, "after %zu octets", len);
	cr_assert_eq(read_text(whole), DELEGATION_READY);
	cr_assert_eq(delegation_read(SLICE("action=OK\n\nrest"), &reply, &octets), DELEGATION_READY);
	cr_assert_eq(octets, 11);
}

Test(delegation, what_is_no_reply_is_told_from_one_that_is_not_whole)
{
	static char endless[DELEGATION_REPLY_MAX];
	size_t octets;

	cr_assert_eq(read_text("\n"), DELEGATION_MALFORMED);
	cr_assert_eq(read_text("result=1\n\n"), DELEGATION_MALFORMED);
	cr_assert_eq(read_text("HTTP/1.1 200 OK\n"), DELEGATION_MALFORMED);
	cr_assert_eq(delegation_read(SLICE("action=OK\0\n\n"), &reply, &octets), DELEGATION_MALFORMED);
	memset(endless, 'x', sizeof endless);
	memcpy(endless, "action=", 7);
	cr_assert_eq(delegation_read(slice_of(endless, sizeof endless - 1), &reply, &octets), DELEGATION_MORE);
	cr_assert_eq(delegation_read(slice_of(endless, sizeof endless), &reply, &octets), DELEGATION_MALFORMED);
}

Test(delegation, no_value_ends_its_line)
{
	struct policy_question question = {.stage = GATE_RCPT,
	    .helo = SLICE("x\ny\r\0z"),
	    .sender = SLICE("a@b"),
	    .recipient = SLICE("c@d")};
	struct buf out = buf_with_limit(DELEGATION_REQUEST_MAX);

	cr_assert(delegation_write(&out, &question, SLICE("1.2.3"), SLICE("")));
	cr_assert(slice_search(buf_slice(&out), SLICE("\nhelo_name=x?y??z\n")) > 0);
	cr_assert(slice_search(buf_slice(&out), SLICE("\ninstance=1.2.3\n")) > 0);
	cr_assert(slice_search(buf_slice(&out), SLICE("\nclient_name=unknown\n")) > 0);
	cr_assert(slice_starts_with(buf_slice(&out), SLICE("request=smtpd_access_policy\n")));
	cr_assert(slice_ends_with(buf_slice(&out), SLICE("=\n\n")));
	cr_assert_eq(slice_search(slice_part(buf_slice(&out), 0, out.len - 1), SLICE("\n\n")), -1);
	buf_free(&out);
}

/* --- how services are named ------------------------------------------------------------- */

static struct policy_service service;

static bool is_service(const char *word)
{
	return policy_service_parse(slice_string(word), &service);
}

Test(policy_service, a_word_names_a_service_and_says_how_it_is_asked)
{
	cr_assert(is_service("inet:127.0.0.1:10023"));
	cr_assert_eq(service.address.port, 10023);
	cr_assert_eq(service.stage, GATE_RCPT);
	cr_assert_not(service.for_all || service.accepts_on_failure);
	cr_assert_eq(service.timeout_seconds, 30);
	cr_assert(is_service("unix:/run/x,stage=message,for=all,failure=accept,timeout=1m,context=mx"));
	cr_assert_str_eq(service.address.path, "/run/x");
	cr_assert(slice_equal(service.name, SLICE("unix:/run/x")));
	cr_assert_eq(service.stage, GATE_MESSAGE);
	cr_assert(service.for_all && service.accepts_on_failure);
	cr_assert_eq(service.timeout_seconds, 60);
	cr_assert(slice_equal(service.context, SLICE("mx")));
	cr_assert(is_service("inet:[::1]:1") && service.address.host.family == AF_INET6);
	cr_assert(is_service("inet:localhost:1") && service.address.host.family == AF_INET);
}

Test(policy_service, what_names_none_is_refused)
{
	static const char *const words[] = {"", "127.0.0.1:10023", "inet:127.0.0.1", "inet:127.0.0.1:0",
	    "inet:127.0.0.1:70000", "inet:example.org:25", "unix:", "unix:run/x", "unix:/x\ny", "unix:/",
	    "inet:127.0.0.1:1,", "inet:127.0.0.1:1,stage", "inet:127.0.0.1:1,stage=ehlo",
	    "inet:127.0.0.1:1,stage=mail", "inet:127.0.0.1:1,for=me", "inet:127.0.0.1:1,timeout=0",
	    "inet:127.0.0.1:1,timeout=1h", "inet:127.0.0.1:1,x=y", "inet:127.0.0.1:1,failure="};
	char path[128] = "unix:/";

	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
		cr_assert_not(is_service(words[i]), "%s", words[i]);
	memset(path + 6, 'x', 106);
	cr_assert(is_service(path));
	memset(path + 6, 'x', 107);
	cr_assert_not(is_service(path));
}

Test(policy_service, master_knows_the_paths_that_the_settings_name_and_no_others)
{
	struct conf *conf = conf_new();
	char error[CONF_ERROR_MAX];

	cr_assert(conf_read_text(conf, SLICE("policy.services { unix:/run/a,stage=data inet:127.0.0.1:1 }\n"), "t", error), "%s", error);
	cr_assert(service_path_is_named(&conf->values, SLICE("/run/a")));
	cr_assert_not(service_path_is_named(&conf->values, SLICE("/run/a,stage=data")));
	cr_assert_not(service_path_is_named(&conf->values, SLICE("/run/b")));
	cr_assert_not(service_path_is_named(&conf->values, SLICE("")));
	cr_assert_eq(policy_stages(&conf->values, SERVICE_MX, false, false), 1u << GATE_RCPT | 1u << GATE_DATA);
	cr_assert_eq(policy_stages(&conf->values, SERVICE_MX, false, true), 0);
	conf_free(conf);
}
