/*
 * hangup.h - SIGHUP does what `petrel reload` does: by running it.
 *
 * A reload begins with a look at what the settings name, certificates and tables,
 * and is not done where one of them is bad.  master parses nothing of that kind;
 * petrel(8) does, in a process of its own, and then asks master like any
 * administrator.
 */
#ifndef PETREL_MASTER_HANGUP_H
#define PETREL_MASTER_HANGUP_H

#include <stdbool.h>

struct event_base;

/*
 * Run `petrel -c conf_path reload`.  What it complains of is logged as
 * reload-failed.  One that comes while another runs is done behind it.  False
 * where it cannot be run.
 */
bool hangup(struct event_base *base, const char *conf_path);

#endif
