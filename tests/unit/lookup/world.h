/* Tables and settings for lookup to look things up in. */
#ifndef PETREL_TESTS_LOOKUP_WORLD_H
#define PETREL_TESTS_LOOKUP_WORLD_H

#include "tests/unit/table/directory.h"

#include "lookup/directory.h"

struct world {
	struct test_directory files;
	struct directory directory;
	struct settings settings;
};

static inline struct world world_new(void)
{
	static char first[] = "Example.ORG", second[] = "example.com",
		    hostname[] = "mail.example.org", plus[] = "+";
	static char *domains[] = {first, second};
	struct world w = {.files = test_directory_new()};

	w.settings.hostname = hostname;
	w.settings.domains = (struct conf_list){2, domains};
	w.settings.recipient_delimiter = plus;
	w.settings.delivery.smtp_port = 25;
	w.settings.queue.aliases_depth = 16;
	w.settings.queue.aliases_fanout = 1000;
	return w;
}

/* Read the settings and the tables as they are now. */
static inline void world_begin(struct world *w)
{
	cr_assert(directory_open(&w->directory, w->files.fd));
	cr_assert(directory_configure(&w->directory, &w->settings));
	directory_refresh(&w->directory, false);
}

static inline void world_end(struct world *w)
{
	directory_close(&w->directory);
	test_directory_remove(&w->files);
}

#endif
