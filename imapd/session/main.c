/*
 * main.c - imap-session: a user's mailboxes over IMAP, after login.
 */
#include <time.h>

#include "imapd/session/connection.h"
#include "message/charset.h"

int main(int argc, char **argv)
{
	/* What the root directory of a user's process hides. */
	tzset();
	charset_preload();
	return session_main(&imap_protocol, argc, argv);
}
