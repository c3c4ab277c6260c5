/*
 * directory.c - all that lookup knows.
 */
#include "lookup/directory.h"

#include <stdlib.h>

#include "common/log.h"

static const char *const table_names[DIRECTORY_TABLES] = {
    [DIRECTORY_ACCOUNTS] = "accounts",
    [DIRECTORY_ALIASES] = "aliases",
    [DIRECTORY_ROUTES] = "routes",
    [DIRECTORY_SENDERS] = "senders",
    [DIRECTORY_DOMAINS] = "domains",
};

bool directory_open(struct directory *d, int directory_fd)
{
	struct table_error error;

	*d = (struct directory){0};
	table_hash_init(&d->domains);
	for (int i = 0; i < DIRECTORY_TABLES; i++) {
		d->tables[i] = table_open(directory_fd, table_names[i],
		    table_schema_named(slice_string(table_names[i])), &error);
		if (d->tables[i] == NULL) {
			log_error("table-unusable", log_string("reason", error.text));
			return false;
		}
	}
	return true;
}

void directory_close(struct directory *d)
{
	for (int i = 0; i < DIRECTORY_TABLES; i++)
		table_close(d->tables[i]);
	table_hash_free(&d->domains);
	free(d->postmaster);
	free(d->relay);
	*d = (struct directory){0};
}

/* --- settings -------------------------------------------------------------- */

static bool add_domain(struct directory *d, const char *domain)
{
	char ascii[DOMAIN_TEXT_MAX];
	uint32_t unused;

	if (!domain_to_ascii(slice_string(domain), ascii)) {
		log_error("domain-unusable", log_string("domain", domain));
		return true;
	}
	if (d->default_domain[0] == '\0')
		memcpy(d->default_domain, ascii, sizeof ascii);
	return table_hash_add(&d->domains, slice_string(ascii), SLICE(""), 0, &unused) !=
	       HASH_NO_MEMORY;
}

static bool replace_string(char **old, const char *new)
{
	char *copy = NULL;

	if (new != NULL &&new[0] != '\0' && (copy = strdup(new)) == NULL)
		return false;
	free(*old);
	*old = copy;
	return true;
}

bool directory_configure(struct directory *d, const struct settings *s)
{
	table_hash_free(&d->domains);
	d->default_domain[0] = '\0';
	for (size_t i = 0; i < s->domains.count; i++)
		if (!add_domain(d, s->domains.words[i]))
			return false;
	/* Reports, cron jobs and postmaster@ use the host's own name. */
	if (s->hostname != NULL && !add_domain(d, s->hostname))
		return false;
	own_addresses_collect(&d->own, s);
	d->delimiter = s->recipient_delimiter == NULL ? '\0' : s->recipient_delimiter[0];
	d->smtp_port = (uint16_t)s->delivery.smtp_port;
	d->depth_limit = (unsigned)s->queue.aliases_depth;
	d->fanout_limit = (unsigned)s->queue.aliases_fanout;
	return replace_string(&d->postmaster, s->postmaster) && replace_string(&d->relay, s->relay);
}

/* --- tables ---------------------------------------------------------------- */

static bool refresh_table(struct directory *d, enum directory_table which, bool reload)
{
	struct table *t = d->tables[which];
	struct table_error error;
	enum table_change change = table_refresh(t, &error);

	if (reload)
		table_drop_if_missing(t);
	switch (change) {
	case TABLE_LOADED:
		log_info("table-read", log_string("table", table_spec(t)),
		    log_string("file", table_source(t)));
		return true;
	case TABLE_REFUSED:
		log_error("table-refused", log_string("table", table_spec(t)),
		    log_string("reason", error.text),
		    log_string("using",
			table_is_loaded(t) ? "what was read before" : "nothing: mail waits"));
		break;
	case TABLE_MISSING:
		if (table_is_loaded(t))
			log_warning("table-missing", log_string("table", table_spec(t)),
			    log_string("using", "what was read before"));
		else if (which == DIRECTORY_ACCOUNTS)
			log_warning("table-missing", log_string("table", table_spec(t)),
			    log_string("using", "nothing: mail waits"));
		break;
	case TABLE_UNCHANGED:
		break;
	}
	return false;
}

bool directory_refresh(struct directory *d, bool reload)
{
	bool any = false;

	for (int i = 0; i < DIRECTORY_TABLES; i++)
		any |= refresh_table(d, (enum directory_table)i, reload);
	return any;
}

enum table_answer directory_find(
    struct directory *d, enum directory_table which, struct slice key, struct buf *value)
{
	struct table *t = d->tables[which];
	enum table_answer answer = table_lookup(t, key, value);

	if (answer != TABLE_FAILED)
		return answer;
	if (which != DIRECTORY_ACCOUNTS && table_is_missing(t))
		return TABLE_ABSENT;
	if (table_is_loaded(t))
		log_error("table-entry-unusable", log_string("file", table_source(t)),
		    log_slice("key", key));
	return TABLE_FAILED;
}

enum table_answer directory_has_domain(struct directory *d, struct slice domain)
{
	struct buf value = buf_with_limit(TABLE_VALUE_MAX);
	enum table_answer answer = TABLE_FOUND;

	if (table_hash_find(&d->domains, domain) == NULL)
		answer = directory_find(d, DIRECTORY_DOMAINS, domain, &value);
	buf_free(&value);
	return answer;
}

static bool take_first(void *context, struct slice key, struct slice value)
{
	(void)value;
	buf_append_slice(context, key);
	return false;
}

enum table_answer directory_postmaster(struct directory *d, struct buf *address)
{
	buf_clear(address);
	if (d->postmaster != NULL) {
		buf_append_string(address, d->postmaster);
		return TABLE_FOUND;
	}
	if (table_each(d->tables[DIRECTORY_ACCOUNTS], take_first, address))
		return TABLE_ABSENT;
	return address->len > 0 ? TABLE_FOUND : TABLE_FAILED;
}
