/* A handshake's messages, and lines of the file certificates, as auth is given them. */
#include "tests/fuzz/fuzz.h"

#include <openssl/err.h>
#include <stdlib.h>

#include "auth/certificates.h"
#include "auth/proof.h"

static void ignore(const char *account, void *context)
{
	(void)account, (void)context;
}

static void fuzz_certificates(struct slice in)
{
	struct buf error = buf_with_limit(256);
	struct certificates *c = certificates_parse(in, "certificates", &error);
	static const uint8_t digest[CERTIFICATE_DIGEST];

	if (c != NULL)
		certificates_find(c, CERTIFICATE_KEY, digest, ignore, NULL);
	certificates_free(c);
	buf_free(&error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of(data, size);
	struct proof proof;
	const char *fault;

	fuzz_certificates(in);
	if (!proof_read(in, &proof, &fault))
		return 0;
	for (size_t i = 0; i < proof.chain_len; i++) {
		const unsigned char *at = (const unsigned char *)proof.chain[i].data;
		X509 *certificate = d2i_X509(NULL, &at, (long)proof.chain[i].len);

		if (certificate != NULL)
			proof_is_signed(&proof, certificate, slice_part(in, 0, 80));
		X509_free(certificate);
	}
	ERR_clear_error();
	return 0;
}
