/*
 * server.h - the server that is asked about tokens: where it is, who certifies it,
 * and how it knows us.
 */
#ifndef PETREL_OAUTH_SERVER_H
#define PETREL_OAUTH_SERVER_H

#include <openssl/x509.h>

#include "common/buf.h"

/* With the rights that the process was started with: whom the system trusts. */
bool server_prepare(void);
void server_start(void);
/* The settings have changed; files come anew. */
void server_reload(void);
void server_stop(void);

/* Files from master, which are closed. */
void server_take_secret(const char *name, int descriptor);
void server_take_authorities(const char *name, int descriptor);

enum server_state {
	SERVER_KNOWN,
	SERVER_AWAITED, /* resolver is asked; questions_resume() is called */
	SERVER_UNKNOWN
};
/* Is its address known?  Asks where it is not, or was found a while ago. */
enum server_state server_look(void);

/* For https.c: "host:443:192.0.2.1,2001:db8::1"; empty where the URL has an address itself. */
const char *server_addresses(void);
X509_STORE *server_authorities(void);
/* Without line ends; empty: none. */
struct slice server_secret(void);

#endif
