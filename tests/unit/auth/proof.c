/* What proof.h promises, of real handshakes. */
#include <criterion/criterion.h>

#include "auth/proof.h"
#include "tests/unit/tls/witnessed.h"

static const uint8_t beacon[TLS_BEACON] = "0123456789abcdefghijklmnopqrstu";
static struct pair_of_key server, client;
static struct witnessed w;
static struct proof proof;
static const char *fault;

static void shake(const char *kind, const char *suite, bool with_retry)
{
	pair_of_key_make(&server, "EC");
	pair_of_key_make(&client, kind);
	witnessed_shake(&w, &(struct witnessed_how){.server = &server,
				.client = &client,
				.suite = suite,
				.with_retry = with_retry,
				.beacon = beacon});
}

static void teardown(void)
{
	witnessed_free(&w);
	pair_of_key_free(&server);
	pair_of_key_free(&client);
}

TestSuite(proof, .fini = teardown);

static bool reads(void)
{
	return proof_read(buf_slice(&w.transcript), &proof, &fault);
}

static bool is_signed_by(X509 *certificate)
{
	return proof_is_signed(&proof, certificate, buf_slice(&w.verify));
}

static void is_proved(void)
{
	unsigned char *der = NULL;
	int len = i2d_X509(client.certificate, &der);

	cr_assert(reads(), "%s", fault);
	cr_assert(slice_equal(proof.beacon, slice_of(beacon, sizeof beacon)));
	cr_assert_eq(proof.chain_len, 1u);
	cr_assert(slice_equal(proof.chain[0], slice_of(der, (size_t)len)));
	cr_assert(is_signed_by(client.certificate));
	OPENSSL_free(der);
}

Test(proof, what_a_client_has_signed_is_proved_for_every_kind_of_key_and_digest)
{
	static const char *const kinds[] = {"EC", "RSA", "ED25519"};
	static const char *const suites[] = {
	    "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"};

	for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
		for (size_t k = 0; k < sizeof suites / sizeof suites[0]; k++) {
			shake(kinds[i], suites[k], false);
			is_proved();
			teardown();
		}
}

Test(proof, so_it_is_where_the_server_asks_for_another_hello)
{
	shake("EC", "TLS_AES_256_GCM_SHA384", true);
	is_proved();
}

/* Not one octet of what was said can be another: neither the beacon nor the certificates. */
Test(proof, whatever_is_changed_in_it_it_proves_nothing)
{
	shake("ED25519", NULL, false);
	for (size_t i = 0; i < w.transcript.len; i++) {
		w.transcript.data[i] ^= 1;
		cr_assert_not(reads() && is_signed_by(client.certificate), "octet %zu", i);
		w.transcript.data[i] ^= 1;
	}
	for (size_t i = 0; i < w.verify.len; i++) {
		w.verify.data[i] ^= 1;
		cr_assert(reads());
		cr_assert_not(is_signed_by(client.certificate));
		w.verify.data[i] ^= 1;
	}
	is_proved();
}

Test(proof, a_part_of_it_or_more_than_it_is_no_transcript)
{
	shake("EC", NULL, false);
	for (size_t len = 0; len < w.transcript.len; len++)
		cr_assert_not(proof_read(slice_of(w.transcript.data, len), &proof, &fault));
	buf_append(&w.transcript, "\x0b\0\0\0", 4);
	cr_assert_not(reads());
}

Test(proof, a_client_without_a_certificate_proves_nothing)
{
	pair_of_key_make(&server, "EC");
	witnessed_shake(&w, &(struct witnessed_how){.server = &server, .beacon = beacon});
	cr_assert_not(w.has_verify);
	cr_assert_not(reads());
	cr_assert_str_eq(fault, "the client has shown no certificate");
}

Test(proof, another_clients_key_is_not_the_one_that_signed)
{
	struct pair_of_key other;

	shake("EC", NULL, false);
	pair_of_key_make(&other, "EC");
	cr_assert(reads());
	cr_assert_not(is_signed_by(other.certificate));
	cr_assert(is_signed_by(client.certificate));
	pair_of_key_free(&other);
}
