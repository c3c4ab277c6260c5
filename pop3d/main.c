/*
 * main.c - pop3d: POP3 before login, and TLS for the connection's whole life.
 */
#include "pop3d/login.h"

int main(int argc, char **argv)
{
	return front_main(&pop3_front, argc, argv);
}
