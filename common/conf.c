/*
 * conf.c - a whole configuration: its defaults, what holds between settings, and its
 * way to another process.
 */
#include "common/conf_private.h"

#include <stdlib.h>
#include <unistd.h>

#include "common/channel_control.h"

static const struct settings no_settings;
const struct settings *settings = &no_settings;

static bool set_default(struct conf *conf, size_t row)
{
	return conf_field_default(&conf_table[row], conf_field(conf, row));
}

struct conf *conf_new(void)
{
	struct conf *conf = calloc(1, sizeof *conf);

	if (conf == NULL)
		return NULL;
	conf->origins = calloc(conf_table_size, sizeof *conf->origins);
	if (conf->origins == NULL) {
		free(conf);
		return NULL;
	}
	for (size_t row = 0; row < conf_table_size; row++)
		if (!set_default(conf, row)) {
			conf_free(conf);
			return NULL;
		}
	return conf;
}

void conf_free(struct conf *conf)
{
	if (conf == NULL)
		return;
	for (size_t row = 0; row < conf_table_size; row++) {
		conf_value_clear(conf, row);
		free(conf->origins[row].file);
	}
	free(conf->origins);
	free(conf);
}

static bool fits_a_message(const struct conf *conf)
{
	struct buf encoded = buf_with_limit(CONF_ENCODED_MAX);
	struct writer w = {&encoded};
	bool fits;

	conf_encode(&w, conf);
	fits = !encoded.overflowed;
	buf_free(&encoded);
	return fits;
}

bool conf_check(struct conf *conf, char error[CONF_ERROR_MAX])
{
	struct settings *s = &conf->values;
	char name[256];

	error[0] = '\0';
	if (s->hostname == NULL) {
		if (gethostname(name, sizeof name) == -1 || (s->hostname = slice_dup(slice_string(name))) == NULL) {
			snprintf(error, CONF_ERROR_MAX, "hostname: not set, and the system's name is not to be had");
			return false;
		}
	}
	if (!conf_form_host.fits(slice_string(s->hostname))) {
		snprintf(error, CONF_ERROR_MAX, "hostname: the system's own, \"%s\", is not a host name", s->hostname);
		return false;
	}
	if ((s->tls.certificate.count == 0) != (s->tls.key.count == 0)) {
		snprintf(error, CONF_ERROR_MAX, "tls: %s is set without %s",
		    s->tls.key.count == 0 ? "certificate" : "key", s->tls.key.count == 0 ? "key" : "certificate");
		return false;
	}
	if (s->queue.retry_longest < s->queue.retry_first) {
		snprintf(error, CONF_ERROR_MAX, "queue.retry-longest is shorter than queue.retry-first");
		return false;
	}
	if (!fits_a_message(conf)) {
		snprintf(error, CONF_ERROR_MAX, "the settings are more than %d octets in all", CONF_ENCODED_MAX);
		return false;
	}
	return true;
}

static void encode_line(struct writer *w, const struct conf_line *line)
{
	write_string(w, line->text);
	write_string(w, line->file);
	write_u32(w, line->line);
}

static bool decode_line(struct reader *r, struct conf_lines *lines)
{
	struct slice text = read_slice_max(r, CONF_LINE_MAX);
	struct slice file = read_slice_max(r, CONF_WORD_MAX);
	unsigned line = read_u32(r);

	return reader_ok(r) && conf_lines_add(lines, text, file, line);
}

/*
 * Between processes settings travel as text, row by row: what the one prints the
 * other parses, and a value that came through petrel.conf comes through here.
 */
void conf_encode(struct writer *w, const struct conf *conf)
{
	write_u32(w, (uint32_t)conf_table_size);
	for (size_t row = 0; row < conf_table_size; row++) {
		const void *field = conf_field(conf, row);
		const struct conf_list *list = field;
		const struct conf_lines *lines = field;
		struct buf value = buf_with_limit(CONF_WORD_MAX);

		if (conf_table[row].type == CONF_LINES) {
			write_u32(w, (uint32_t)lines->count);
			for (size_t i = 0; i < lines->count; i++)
				encode_line(w, &lines->lines[i]);
		} else if (conf_is_list(&conf_table[row])) {
			write_u32(w, (uint32_t)list->count);
			for (size_t i = 0; i < list->count; i++)
				write_string(w, list->words[i]);
		} else if (conf_table[row].type == CONF_STRING || conf_table[row].type == CONF_PATH) {
			const char *string = *(char *const *)field;

			write_u32(w, string != NULL);
			if (string != NULL)
				write_string(w, string);
		} else {
			conf_value_print(&value, conf, row);
			write_u32(w, 1);
			write_slice(w, buf_slice(&value));
		}
		buf_free(&value);
	}
}

struct conf *conf_decode(struct slice encoded)
{
	struct reader r = reader_over(encoded);
	struct conf *conf = conf_new();
	struct buf problem = buf_with_limit(CONF_ERROR_MAX);
	bool ok = conf != NULL && read_u32(&r) == conf_table_size;

	for (size_t row = 0; ok && row < conf_table_size; row++) {
		uint32_t count = read_u32(&r);

		conf_value_clear(conf, row);
		for (uint32_t i = 0; i < count && ok; i++) {
			struct slice word;

			if (conf_table[row].type == CONF_LINES) {
				ok = decode_line(&r, conf_field(conf, row));
				continue;
			}
			word = read_slice_max(&r, CONF_WORD_MAX);
			ok = reader_ok(&r) && conf_value_set(conf, row, word, &problem);
		}
	}
	buf_free(&problem);
	if (ok && reader_finished(&r))
		return conf;
	conf_free(conf);
	return NULL;
}
