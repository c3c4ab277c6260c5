/*
 * witness.c - in a daemon: asking clients for certificates.
 */
#include "common/witness.h"

#include "common/channel_auth.h"
#include "common/conf.h"
#include "common/log.h"

static struct authorities *authorities;
static uint8_t beacon[TLS_BEACON];
static bool has_beacon;

void witness_take_authorities(const char *name, int descriptor)
{
	struct authorities *fresh = authorities_read(name, descriptor);

	if (fresh == NULL)
		return;
	authorities_free(authorities);
	authorities = fresh;
	log_info("authorities-loaded", log_string("file", name));
}

bool witness_take_beacon(struct message *m)
{
	struct reader r = message_reader(m);
	struct slice octets = read_slice_max(&r, TLS_BEACON);

	if (m->type != AUTH_BEACON || !reader_finished(&r) || octets.len != TLS_BEACON)
		return false;
	memcpy(beacon, octets.data, TLS_BEACON);
	has_beacon = true;
	return true;
}

void witness_ask(struct stream *stream)
{
	if (settings->tls.client_authorities != NULL && authorities != NULL && has_beacon)
		stream_ask_certificate(stream, authorities, beacon);
}

void witness_log(const struct stream *stream, const char *client)
{
	struct buf digest = buf_with_limit(128);
	struct tls_shown shown;

	stream_client_shown(stream, &shown);
	if (!shown.certificate)
		return;
	for (size_t i = 0; i < sizeof shown.digest; i++)
		buf_printf(&digest, "%02x", shown.digest[i]);
	if (shown.fault == NULL)
		log_info("client-certificate", log_string("client", client),
		    log_slice("sha256", buf_slice(&digest)), log_string("verified", "yes"));
	else
		log_info("client-certificate", log_string("client", client),
		    log_slice("sha256", buf_slice(&digest)), log_string("verified", "no"),
		    log_string("reason", shown.fault));
	buf_free(&digest);
}
