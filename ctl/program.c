/*
 * program.c - what petrel(8) and sendmail(1) have in common: complaints and the configuration.
 */
#include <stdarg.h>
#include <stdio.h>
#include <sysexits.h>

#include "access/rules.h"
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

struct conf *ctl_try_configuration(const struct ctl *ctl, conf_report report, void *context)
{
	char error[CONF_ERROR_MAX] = "out of memory";
	struct conf *conf = conf_new();

	if (conf == NULL) {
		report(context, error);
		return NULL;
	}
	/* What holds between settings is asked once each of them holds by itself. */
	if (conf_read_file_reporting(conf, ctl->conf_path, report, context)) {
		if (conf_check(conf, error) &&
		    access_rules_check(&conf->values.access, error)) {
			settings = &conf->values;
			return conf;
		}
		report(context, error);
	}
	conf_free(conf);
	return NULL;
}

static void say(void *context, const char *error)
{
	(void)context;
	ctl_fail(EX_CONFIG, "%s", error);
}

struct conf *ctl_read_configuration(const struct ctl *ctl)
{
	return ctl_try_configuration(ctl, say, NULL);
}
