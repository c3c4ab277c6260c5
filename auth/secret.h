/*
 * secret.h - the host's secret that decoys are made of (credentials.h).
 *
 * It is a file in auth's directory, made at the first start, so that the salt of an
 * account that does not exist outlives a restart as a real one does.
 */
#ifndef PETREL_AUTH_SECRET_H
#define PETREL_AUTH_SECRET_H

#include "auth/credentials.h"

/*
 * Read it, or make it where there is none; before the rights to do so are given up.
 * Where the file cannot be had that is logged, and the secret lasts as long as the
 * process.  False where there is no randomness either.
 *
 * directory  its path
 */
bool secret_open(const char *directory);
extern uint8_t decoy_secret[SCRAM_KEY];

#endif
