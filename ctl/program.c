/*
 * program.c - what petrel(8) and sendmail(1) have in common: complaints and the configuration.
 */
#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>

#include "ctl/ctl.h"

int ctl_fail(int status, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	fprintf(stderr, "%s: ", ctl_program);
	vfprintf(stderr, format, arguments);
	fputc('\n', stderr);
	va_end(arguments);
	return status;
}

struct conf *ctl_try_configuration(const struct ctl *ctl, char error[CONF_ERROR_MAX])
{
	struct conf *conf = conf_new();

	if (conf != NULL && conf_read_file(conf, ctl->conf_path, error) && conf_check(conf, error)) {
		settings = &conf->values;
		return conf;
	}
	conf_free(conf);
	return NULL;
}

struct conf *ctl_read_configuration(const struct ctl *ctl)
{
	char error[CONF_ERROR_MAX] = "out of memory";
	struct conf *conf = ctl_try_configuration(ctl, error);

	if (conf == NULL)
		ctl_fail(EX_CONFIG, "%s", error);
	return conf;
}
