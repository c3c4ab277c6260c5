/*
 * main.c - imapd: IMAP before login, and TLS for the connection's whole life.
 */
#include "imapd/login.h"

int main(int argc, char **argv)
{
	return front_main(&imap_front, argc, argv);
}
