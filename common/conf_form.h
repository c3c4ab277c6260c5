/*
 * conf_form.h - what the words of a setting look like where its type does not say.
 *
 * A form is looked at when a word is read, so that an error names its line.  It
 * judges the spelling alone: whether a host exists, or a port is free, is found
 * out by those who use it.
 */
#ifndef PETREL_COMMON_CONF_FORM_H
#define PETREL_COMMON_CONF_FORM_H

#include <stdbool.h>

#include "common/slice.h"

struct conf_form {
	bool (*fits)(struct slice word);
	const char *what; /* "... is not WHAT" */
};

extern const struct conf_form conf_form_host;       /* mail.example.org */
extern const struct conf_form conf_form_domain;     /* the same, or with letters of any language */
extern const struct conf_form conf_form_address;    /* alice@example.org, or alice */
extern const struct conf_form conf_form_delimiter;  /* one character, or none */
extern const struct conf_form conf_form_relay;      /* host, host:port, [address]:port */
extern const struct conf_form conf_form_listen;     /* address:port, *:port */
extern const struct conf_form conf_form_network;    /* address, address/bits */
extern const struct conf_form conf_form_port;       /* 1 to 65535 */
extern const struct conf_form conf_form_dnslist;        /* see dnslist.h */
extern const struct conf_form conf_form_policy_service; /* see policy_service.h */
extern const struct conf_form conf_form_path;       /* /absolute */
extern const struct conf_form conf_form_nameserver; /* address, address@port */
extern const struct conf_form conf_form_socket;     /* unix:/path, inet:address:port */
extern const struct conf_form conf_form_milter_service; /* mx, submission, local */

extern const struct conf_form conf_form_https;      /* https://login.example.org/introspect */
extern const struct conf_form conf_form_word;       /* printable ASCII without blanks, quotes and backslashes */

#endif
