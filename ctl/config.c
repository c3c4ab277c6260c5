/*
 * config.c - petrel config: what is in force, and where it comes from.
 */
#include <stdio.h>
#include <string.h>
#include <sysexits.h>

#include "ctl/ctl.h"

static const char *const type_names[] = {"text", "path", "number", "size", "duration", "choice", "list", "statements", "groups"};

static void print_json(struct buf *out, const struct conf *conf, size_t row, bool first)
{
	const struct conf_setting *s = &conf_table[row];
	struct buf value = buf_with_limit(1024 * 1024);

	conf_value_print(&value, conf, row);
	buf_append_string(out, first ? "[\n  {\"name\": " : ",\n  {\"name\": ");
	json_string(out, slice_string(s->name));
	buf_append_string(out, ", \"value\": ");
	json_string(out, buf_slice(&value));
	buf_append_string(out, ", \"type\": ");
	json_string(out, slice_string(type_names[s->type]));
	buf_append_string(out, ", \"about\": ");
	json_string(out, slice_string(s->about));
	buf_printf(out, ", \"needs_restart\": %s, \"file\": ", s->at_start ? "true" : "false");
	if (conf->origins[row].file == NULL) {
		buf_append_string(out, "null, \"line\": null}");
	} else {
		json_string(out, slice_string(conf->origins[row].file));
		buf_printf(out, ", \"line\": %u}", conf->origins[row].line);
	}
	buf_free(&value);
}

/* The form in which it could stand in petrel.conf. */
static void print_line(struct buf *out, const struct conf *conf, size_t row, bool describe)
{
	const struct conf_setting *s = &conf_table[row];
	struct buf value = buf_with_limit(1024 * 1024);

	conf_value_print(&value, conf, row);
	if (describe)
		buf_printf(out, "# %s\n", s->about);
	buf_printf(out, "%s%-32s %.*s", value.len == 0 ? "#" : "", s->name, (int)value.len, value.data);
	if (!describe && conf->origins[row].file != NULL)
		buf_printf(out, "   # %s:%u", conf->origins[row].file, conf->origins[row].line);
	buf_append_string(out, describe ? "\n\n" : "\n");
	buf_free(&value);
}

/* Name, type and sentence of one setting. */
static void print_mdoc_entry(struct buf *out, const char *prefix, const struct conf_setting *s)
{
	buf_printf(out, ".It Ic %s%s Pq %s", prefix, s->name, type_names[s->type]);
	if (s->choices != NULL) {
		buf_append_string(out, " :");
		for (size_t i = 0; s->choices[i] != NULL; i++)
			buf_printf(out, "%s Cm %s", i == 0 ? "" : " |", s->choices[i]);
	}
	buf_append_octet(out, '\n');
	for (const char *c = s->about; *c != '\0'; c++) {
		buf_append_octet(out, *c);
		/* A new sentence begins a new line. */
		if (c[0] == '.' && c[1] == ' ' && c[2] == ' ') {
			buf_append_octet(out, '\n');
			c += 2;
		}
	}
}

/* What may stand in a group with a name. */
static void print_mdoc_group(struct buf *out, const struct conf_setting *s)
{
	char prefix[64];

	snprintf(prefix, sizeof prefix, "%s No NAME Ic ", s->name);
	for (size_t i = 0; i < s->group->count; i++) {
		const struct conf_setting *member = &s->group->members[i];

		print_mdoc_entry(out, prefix, member);
		if (member->default_value != NULL)
			buf_printf(out, "\nDefault:\n.Ql %s .", member->default_value);
		buf_append_octet(out, '\n');
	}
}

/* The entries of petrel.conf(5): that page is made from the table, too. */
static void print_mdoc(struct buf *out, const struct conf *conf, size_t row)
{
	const struct conf_setting *s = &conf_table[row];
	struct buf value = buf_with_limit(65536);

	conf_value_print(&value, conf, row);
	print_mdoc_entry(out, "", s);
	if (value.len > 0 && s->default_value != NULL)
		buf_printf(out, "\nDefault:\n.Ql %.*s .", (int)value.len, value.data);
	if (s->at_start)
		buf_append_string(out, "\nA change needs a restart.");
	buf_append_octet(out, '\n');
	buf_free(&value);
	if (s->type == CONF_GROUPS)
		print_mdoc_group(out, s);
}

static bool is_asked_for(const char *name, int argc, char **argv)
{
	struct slice s = slice_string(name);

	for (int i = 0; i < argc; i++) {
		struct slice asked = slice_string(argv[i]);

		if (slice_equal(s, asked) || (slice_starts_with(s, asked) && s.len > asked.len && s.data[asked.len] == '.'))
			return true;
	}
	return argc == 0;
}

int ctl_config(const struct ctl *ctl, int argc, char **argv)
{
	bool mdoc = argc > 0 && strcmp(argv[0], "--mdoc") == 0;
	bool defaults = mdoc || (argc > 0 && strcmp(argv[0], "--defaults") == 0);
	struct conf *conf = defaults ? conf_new() : ctl_read_configuration(ctl);
	struct buf out = buf_with_limit(2 * 1024 * 1024);
	unsigned printed = 0;

	if (conf == NULL)
		return EX_CONFIG;
	argc -= defaults;
	argv += defaults;
	for (size_t row = 0; row < conf_table_size; row++) {
		if (!is_asked_for(conf_table[row].name, argc, argv))
			continue;
		if (mdoc)
			print_mdoc(&out, conf, row);
		else if (ctl->json)
			print_json(&out, conf, row, printed == 0);
		else
			print_line(&out, conf, row, defaults);
		printed++;
		ctl_print(&out);
	}
	if (ctl->json && printed > 0)
		puts("\n]");
	buf_free(&out);
	conf_free(conf);
	return printed > 0 ? EX_OK : ctl_fail(EX_USAGE, "config: there is no such setting; petrel config --defaults lists them all");
}
