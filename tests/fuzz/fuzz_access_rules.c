/*
 * Access rules: no text does harm; what is decided early is what is decided in
 * the end; and what is explained is what is decided.
 */
#include "access/rules.h"

#include "tests/fuzz/fuzz.h"

struct last {
	const struct access_rule *rule;
	bool matches;
};

static void remember(const struct access_rule *rule, bool matches, struct slice why, void *context)
{
	struct last *last = context;

	(void)why;
	*last = (struct last){rule, matches};
}

static void ignore(struct slice key, void *context)
{
	REQUIRE(key.len > 0 && key.data != NULL);
	++*(unsigned *)context;
}

static void judge(const struct access_rules *rules, struct access_facts facts)
{
	struct access_verdict early, late;
	struct last last = {NULL, false};

	facts.stage = ACCESS_RCPT;
	access_evaluate(rules, &facts, &late);
	access_explain(rules, &facts, remember, &last);
	if (late.wants == 0 && late.action != ACCESS_NO_RULE)
		REQUIRE(last.rule == late.rule && last.matches);
	for (int stage = ACCESS_CONNECT; stage < ACCESS_RCPT; stage++) {
		facts.stage = (enum access_stage)stage;
		access_evaluate(rules, &facts, &early);
		if (early.wants == 0 && early.action != ACCESS_NO_RULE)
			REQUIRE(late.rule == early.rule && late.action == early.action);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct conf *conf = conf_new();
	struct access_rules *rules = NULL;
	char error[CONF_ERROR_MAX];
	struct access_facts facts = {.service = SERVICE_MX,
	    .name_state = ACCESS_NAME_KNOWN,
	    .name = SLICE("a.example"),
	    .helo = SLICE("a.example"),
	    .hostname = SLICE("b.example"),
	    .from = SLICE("a@a.example"),
	    .to = SLICE("b@b.example"),
	    .tables_are_known = true,
	    .listed = 0x55555555,
	    .unlisted = 0xaaaaaaaa};
	unsigned keys = 0;

	REQUIRE(conf != NULL);
	host_address_parse(SLICE("192.0.2.1"), &facts.client);
	if (conf_read_text(conf, in, "fuzz", error))
		rules = access_rules_new(&conf->values.access, error);
	if (rules != NULL) {
		judge(rules, facts);
		facts.is_secured = facts.is_early = facts.is_pipelining = true;
		facts.login = SLICE("a@a.example");
		judge(rules, facts);
		facts.name_state = ACCESS_NAME_PENDING;
		judge(rules, facts);
	}
	facts.from = facts.helo = slice_part(in, 0, 512);
	for (int subject = 0; subject < ACCESS_SUBJECT_COUNT; subject++)
		if (facts.helo.len > 0)
			access_keys(&facts, (enum access_subject)subject, ignore, &keys);
	REQUIRE(keys <= ACCESS_SUBJECT_COUNT * ACCESS_KEYS_MAX);
	access_rules_free(rules);
	conf_free(conf);
	return 0;
}
