/*
 * main.c - pop3-session: POP3 after login, one process for each user who is logged in.
 */
#include "pop3d/session/maildrop.h"

int main(int argc, char **argv)
{
	return session_main(&pop3_session, argc, argv);
}
