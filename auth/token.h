/*
 * token.h - OAUTHBEARER (RFC 7628) and XOAUTH2: a login by an access token.
 *
 * Whether it is good is asked of the process oauth, which asks the server that has
 * issued it; whose account it is for is decided here.
 */
#ifndef PETREL_AUTH_TOKEN_H
#define PETREL_AUTH_TOKEN_H

#include "common/channel.h"
#include "common/channel_auth.h"

/* AUTH_TOKEN came in; it will be answered on the same channel. */
void token_begin(struct channel *, uint32_t request, const struct auth_question *question);

#endif
