/* What keyring.h promises. */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "common/tls.h"
#include "tests/unit/tls/pair.h"

static struct buf key_pem, chain_pem, error, signature;
static struct keyring *ring;
static uint8_t id[KEYS_ID_OCTETS];

static void setup(void)
{
	key_pem = buf_with_limit(65536);
	chain_pem = buf_with_limit(65536);
	error = buf_with_limit(1024);
	signature = buf_with_limit(KEYS_SIGNATURE_MAX);
	ring = keyring_new();
	cr_assert(tls_init());
}

static void teardown(void)
{
	keyring_free(ring);
	buf_free(&key_pem);
	buf_free(&chain_pem);
	buf_free(&error);
	buf_free(&signature);
}

TestSuite(keyring, .init = setup, .fini = teardown);

Test(keyring, a_key_is_named_by_its_certificate_and_by_itself_alike)
{
	static const char *const kinds[] = {"RSA", "EC", "ED25519"};
	struct tls_certificate certificate;

	for (size_t i = 0; i < 3; i++) {
		buf_clear(&key_pem);
		buf_clear(&chain_pem);
		make_certificate(kinds[i], "mail.example.test", &key_pem, &chain_pem);
		cr_assert(keyring_add(ring, buf_slice(&key_pem), id, &error));
		cr_assert(tls_certificate_read(buf_slice(&chain_pem), &certificate, &error));
		cr_assert_arr_eq(id, certificate.key, sizeof id);
		cr_assert(slice_equal(buf_slice(&certificate.names), SLICE("mail.example.test")));
		cr_assert(certificate.not_after > certificate.not_before);
		buf_free(&certificate.names);
	}
	cr_assert_eq(keyring_count(ring), 3);
}

Test(keyring, the_same_key_twice_is_one_key)
{
	make_certificate("EC", "mail.example.test", &key_pem, &chain_pem);
	cr_assert(keyring_add(ring, buf_slice(&key_pem), id, &error));
	cr_assert(keyring_add(ring, buf_slice(&key_pem), id, &error));
	cr_assert_eq(keyring_count(ring), 1);
}

Test(keyring, an_encrypted_key_is_refused_and_called_so)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	char *text;
	long len;

	PEM_write_bio_PKCS8PrivateKey(bio, key, EVP_aes_128_cbc(), "secret", 6, NULL, NULL);
	len = BIO_get_mem_data(bio, &text);
	cr_assert_not(keyring_add(ring, slice_of(text, (size_t)len), id, &error));
	cr_assert(slice_search(buf_slice(&error), SLICE("encrypted")) >= 0);
	BIO_free(bio);
	EVP_PKEY_free(key);
}

Test(keyring, weak_and_unknown_keys_and_other_texts_are_refused)
{
	EVP_PKEY *weak = EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)1024);
	EVP_PKEY *unknown = EVP_PKEY_Q_keygen(NULL, NULL, "X25519");
	EVP_PKEY *keys[] = {weak, unknown};

	for (size_t i = 0; i < 2; i++) {
		BIO *bio = BIO_new(BIO_s_mem());
		char *text;
		long len;

		PEM_write_bio_PrivateKey(bio, keys[i], NULL, NULL, 0, NULL, NULL);
		len = BIO_get_mem_data(bio, &text);
		buf_clear(&error);
		cr_assert_not(keyring_add(ring, slice_of(text, (size_t)len), id, &error));
		cr_assert(error.len > 0);
		BIO_free(bio);
		EVP_PKEY_free(keys[i]);
	}
	cr_assert_not(keyring_add(ring, SLICE("-----BEGIN PRIVATE KEY-----\nAAAA\n"), id, &error));
	cr_assert_not(keyring_add(ring, SLICE(""), id, &error));
	make_certificate("EC", "mail.example.test", &key_pem, &chain_pem);
	cr_assert_not(keyring_add(ring, buf_slice(&chain_pem), id, &error));
	cr_assert_eq(keyring_count(ring), 0);
}

Test(keyring, only_what_fits_the_key_and_the_digest_is_signed)
{
	struct keys_sign q = {.algorithm = KEYS_ECDSA, .digest = "SHA256"};
	char digest[64] = "";

	make_certificate("EC", "mail.example.test", &key_pem, &chain_pem);
	cr_assert(keyring_add(ring, buf_slice(&key_pem), q.key, &error));
	q.input = slice_of(digest, 32);
	cr_assert(keyring_sign(ring, &q, &signature));
	buf_clear(&signature);

	q.input = slice_of(digest, 31);
	cr_assert_not(keyring_sign(ring, &q, &signature));
	q.input = slice_of(digest, 64);
	cr_assert_not(keyring_sign(ring, &q, &signature));
	q.input = slice_of(digest, 32);
	q.algorithm = KEYS_RSA_PSS;
	cr_assert_not(keyring_sign(ring, &q, &signature));
	q.algorithm = KEYS_ALGORITHM_COUNT;
	cr_assert_not(keyring_sign(ring, &q, &signature));
	q.algorithm = KEYS_ECDSA;
	strcpy(q.digest, "MD5");
	cr_assert_not(keyring_sign(ring, &q, &signature));
	strcpy(q.digest, "SHA256");
	q.key[0] ^= 1;
	cr_assert_not(keyring_sign(ring, &q, &signature));
	cr_assert_eq(signature.len, 0);
}
