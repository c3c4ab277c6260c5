/*
 * main.c - petrel(8), the control command.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "common/log.h"
#include "ctl/ctl.h"
#include "paths.h"

const char ctl_program[] = "petrel";

static const struct {
	const char *name;
	int (*run)(const struct ctl *ctl, int argc, char **argv);
	const char *arguments;
	const char *about;
} commands[] = {
    {"start",  ctl_start,  "[-f]",                                             "start the suite and wait until it takes mail"},
    {"stop",   ctl_stop,   "",                                                 "stop it in order and wait for its end"},
    {"reload", ctl_reload, "",                                                 "read the configuration, certificates and tables anew"},
    {"status", ctl_status, "[--tables]",                                       "which processes run, as whom and since when"},
    {"check",  ctl_check,  "",                                                 "find what a start or a reload would fail on"},
    {"config", ctl_config, "[--defaults] [setting ...]",                       "the settings in force, and where each comes from"},
    {"queue",  ctl_queue,  "list|show|flush|hold|release|delete [arguments]",  "look at and change the queue"},
    {"greylist", ctl_greylist, "list|allow|forget [network]",                  "networks that the greylist knows"},
    {"user",   ctl_user,   "add|passwd|certificate|list|delete [arguments]",   "accounts and what they log in by"},
    {"table",  ctl_table,  "build|query [arguments]",                          "lookup tables"},
    {"test",   ctl_test,   "session --client address --to address [options]",  "what would become of a client's mail, and which rule says so"},
    {"trace",  ctl_trace,  "id|address",                                       "every line of a message's life, in order"},
};

static void print_usage(FILE *out)
{
	fprintf(out, "usage: petrel [-c file] [--json] command [arguments]\n\n");
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		fprintf(out, "  %-8s %-47s %s\n", commands[i].name, commands[i].arguments, commands[i].about);
	fprintf(out, "\nSee petrel(8).\n");
}

/* Take the options that stand in front of the command or, for --json, anywhere before "--". */
static int take_options(struct ctl *ctl, int argc, char **argv)
{
	int kept = 1, i;
	bool in_front = true;

	for (i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--") == 0)
			break;
		if (in_front && strcmp(argv[i], "-c") == 0 && i + 1 < argc) {
			ctl->conf_path = argv[++i];
			continue;
		}
		if (strcmp(argv[i], "--json") == 0) {
			ctl->json = true;
			continue;
		}
		if (in_front && (strcmp(argv[i], "-h") == 0 || strcmp(argv[i], "--help") == 0)) {
			print_usage(stdout);
			exit(EX_OK);
		}
		if (in_front && (strcmp(argv[i], "-V") == 0 || strcmp(argv[i], "--version") == 0)) {
			printf("petrel %s\n", PACKAGE_VERSION);
			exit(EX_OK);
		}
		in_front = in_front && argv[i][0] == '-';
		argv[kept++] = argv[i];
	}
	for (; i < argc; i++)
		argv[kept++] = argv[i];
	argv[kept] = NULL;
	return kept;
}

int main(int argc, char **argv)
{
	struct ctl ctl = {.conf_path = PETREL_CONFDIR "/petrel.conf"};
	const char *configured = getenv("PETREL_CONF");

	if (configured != NULL && configured[0] != '\0')
		ctl.conf_path = configured;
	log_set_name("petrel");
	argc = take_options(&ctl, argc, argv);
	for (size_t i = 0; argc > 1 && i < sizeof commands / sizeof commands[0]; i++)
		if (strcmp(argv[1], commands[i].name) == 0)
			return commands[i].run(&ctl, argc - 2, argv + 2);
	if (argc > 1)
		fprintf(stderr, "petrel: there is no command \"%s\"\n", argv[1]);
	print_usage(stderr);
	return EX_USAGE;
}
