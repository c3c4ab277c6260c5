/*
 * names.h - names on disk: of folders (Maildir++, modified UTF-7) and of message files.
 *
 * What is read from a directory is input like any other: these functions take
 * it apart with bounds and say no where it makes no sense.
 */
#ifndef PETREL_STORE_NAMES_H
#define PETREL_STORE_NAMES_H

#include "common/buf.h"
#include "common/slice.h"

enum {
	FILE_NAME_SIZE = 256, /* a name in a directory, with its NUL */
	FILE_HOSTNAME_MAX = 64,
};

/* ---- folders ---- */

/*
 * Check a folder's name and bring it into the form in which it is kept ("inbox" becomes
 * "INBOX").  False where it is not UTF-8, holds control characters, has an empty level,
 * a level that is "." or "..", is too deep, or does not fit on disk.
 */
bool folder_name_check(struct slice name, char out[FILE_NAME_SIZE]);
/* INBOX in its kept form. */
bool folder_name_is_inbox(const char *name);
/* The directory below Maildir/ for a checked name: ".Sent.2026", or "." for INBOX. */
bool folder_name_to_directory(const char *name, char out[FILE_NAME_SIZE]);
/*
 * The name for a directory found below Maildir/ (starting with a dot).  What is not
 * modified UTF-7 is taken as UTF-8, with dots for levels.  False for what cannot be
 * a folder.
 */
bool folder_name_from_directory(const char *directory, char out[FILE_NAME_SIZE]);

/* ---- message files ---- */

#define FILE_SIZE_UNKNOWN UINT64_MAX

struct file_name {
	struct slice full;   /* the whole name */
	struct slice base;   /* before ":2,FLAGS" */
	struct slice unique; /* the base before ",S=": what names the message */
	struct slice info;   /* after ":2,", empty where there is none */
	uint64_t disk_size;  /* S=, or FILE_SIZE_UNKNOWN */
	uint64_t crlf_size;  /* W=, or FILE_SIZE_UNKNOWN */
	uint64_t time_us;    /* from the name; 0 where it tells none */
	bool is_delivered;   /* begins with a message identifier: Petrel delivered it */
};

/* Take a name from cur/ or new/ apart; the slices point into it.  False for what is no message (".", too long). */
bool file_name_parse(struct slice name, struct file_name *out);
/* The order in which new files get their UIDs: time in the name, then the name. */
int file_name_compare(const struct file_name *a, const struct file_name *b);
/* Flags as store.h has them, from the letters after ":2,". */
uint32_t file_name_flags(struct slice info);
/* Keyword bits from the lower-case letters, for a folder with `keyword_count` keywords. */
uint64_t file_name_keywords(struct slice info, unsigned keyword_count);
/*
 * Write `base` with the letters for flags and keywords; letters of `old_info` that mean
 * something to other programs only are kept.  False where it grows too long.
 */
bool file_name_format(struct slice base, struct slice old_info, uint32_t flags, uint64_t keywords,
    unsigned keyword_count, char out[FILE_NAME_SIZE]);
/* A name that no file on this host had before (not a delivered one): "SECONDS.MxPxQx.HOST". */
void file_name_make_unique(const char *hostname, char out[FILE_NAME_SIZE]);
/* A host name as it may stand in a file name: '/' and ':' replaced, cut at FILE_HOSTNAME_MAX. */
void file_name_hostname(const char *hostname, char out[FILE_HOSTNAME_MAX + 1]);

#endif
