/*
 * domains.c - which domains end here, as lookup will see it, and how they and addresses are spelled.
 */
#include <fcntl.h>
#include <unistd.h>

#include "ctl/ctl.h"
#include "message/address.h"
#include "message/spelling.h"
#include "table/entry.h"
#include "table/table.h"

static bool is_same(const char *setting, const char *ascii)
{
	char other[DOMAIN_TEXT_MAX];

	return setting != NULL && domain_to_ascii(slice_string(setting), other) && strcmp(other, ascii) == 0;
}

static bool is_in_table(const char *ascii)
{
	int directory = open(settings->directory.tables, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct buf value = buf_with_limit(64);
	struct table_error error;
	struct table *table = directory == -1 ? NULL : table_open(directory, "domains", &table_schema_domains, &error);
	bool found = false;

	if (table != NULL) {
		table_refresh(table, &error);
		found = table_lookup(table, slice_string(ascii), &value) == TABLE_FOUND;
		table_close(table);
	}
	if (directory != -1)
		close(directory);
	buf_free(&value);
	return found;
}

bool ctl_is_local_domain(struct slice domain)
{
	char ascii[DOMAIN_TEXT_MAX];

	if (!domain_to_ascii(domain, ascii))
		return false;
	for (size_t i = 0; i < settings->domains.count; i++)
		if (is_same(settings->domains.words[i], ascii))
			return true;
	return is_same(settings->hostname, ascii) || is_in_table(ascii);
}

void ctl_spell(struct slice text, struct buf *out)
{
	bool has_at = slice_starts_with(text, SLICE("@"));
	struct address address;
	char ascii[DOMAIN_TEXT_MAX];
	size_t before = out->len;

	if (domain_to_ascii(has_at ? slice_from(text, 1) : text, ascii)) {
		buf_printf(out, "%s%s", has_at ? "@" : "", ascii);
		return;
	}
	if (address_parse(text, ADDRESS_LENIENT | ADDRESS_NOT_NULL, &address) && address_write_house(&address, out))
		return;
	out->len = before;
	buf_append_slice(out, text);
}
