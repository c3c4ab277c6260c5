/* What keys promises to its askers: the real process, sandbox included. */
#include <criterion/criterion.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/channel_keys.h"
#include "common/tls.h"
#include "tests/unit/daemon/daemon.h"

static struct daemon d;
static struct channel *smtpd;
static struct peer_end smtpd_end;

static void setup(void)
{
	daemon_start(&d, "keys/keys", ROLE_KEYS, "");
	smtpd = daemon_peer(&d, ROLE_SMTPD, 0, &smtpd_end);
}

static void teardown(void)
{
	if (!smtpd_end.closed)
		channel_free(smtpd);
	cr_assert_eq(daemon_stop(&d), 0);
}

TestSuite(keys_daemon, .init = setup, .fini = teardown, .timeout = 30);

/* Hand over a key, or another text, as master would. */
static void give(EVP_PKEY *key, const char *text)
{
	FILE *file = tmpfile();

	if (key != NULL)
		PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	else
		fputs(text, file);
	rewind(file);
	daemon_send_file(&d, CONTROL_FILE_KEY, "test", dup(fileno(file)));
	fclose(file);
	/* Files and questions come by different channels. */
	channel_flush(d.control);
	daemon_run_for(&d, 100);
}

/* Has the text been signed by this key? */
static bool is_signed(EVP_PKEY *key)
{
	struct keys_sign q = {.algorithm = KEYS_ECDSA, .digest = "SHA256"};
	unsigned char digest[32];
	struct reply reply = {0};
	struct slice signature;
	struct reader r;
	EVP_MD_CTX *c = EVP_MD_CTX_new();
	bool good;

	cr_assert(tls_key_id(key, q.key));
	SHA256((const unsigned char *)"text", 4, digest);
	q.input = slice_of(digest, sizeof digest);
	keys_sign_write(channel_call(smtpd, KEYS_SIGN, daemon_reply, &reply, NULL), &q);
	channel_end(smtpd);
	daemon_run_until(&d, &reply.came);
	cr_assert_not(reply.lost);
	cr_assert_eq(reply.type, KEYS_SIGNATURE);
	r = reader_over(slice_of(reply.body, reply.len));
	signature = read_slice(&r);
	cr_assert(reader_finished(&r));
	EVP_DigestVerifyInit(c, NULL, EVP_sha256(), NULL, key);
	good = signature.len > 0 && EVP_DigestVerify(c, (const unsigned char *)signature.data,
					signature.len, (const unsigned char *)"text", 4) == 1;
	EVP_MD_CTX_free(c);
	return good;
}

Test(keys_daemon, what_a_key_was_given_for_is_signed_by_it)
{
	EVP_PKEY *one = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");

	give(one, NULL);
	cr_assert(is_signed(one));
	cr_assert_not(is_signed(other));
	EVP_PKEY_free(one);
	EVP_PKEY_free(other);
}

Test(keys_daemon, after_a_reload_the_new_key_signs_and_the_old_one_for_a_while)
{
	EVP_PKEY *old = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	EVP_PKEY *new = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");

	give(old, NULL);
	daemon_reload(&d, "");
	give(new, NULL);
	cr_assert(is_signed(old));
	cr_assert(is_signed(new));
	/* A reload that brings nothing good takes nothing away. */
	daemon_reload(&d, "");
	give(NULL, "no key at all\n");
	daemon_reload(&d, "");
	give(NULL, "");
	cr_assert(is_signed(new));
	EVP_PKEY_free(old);
	EVP_PKEY_free(new);
}

Test(keys_daemon, a_malformed_question_ends_the_channel_and_not_the_process)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	struct reply reply = {0};

	give(key, NULL);
	write_u32(channel_call(smtpd, KEYS_SIGN, daemon_reply, &reply, NULL), 12);
	channel_end(smtpd);
	daemon_run_until(&d, &smtpd_end.closed);
	cr_assert(reply.lost);
	smtpd_end.closed = false;
	smtpd = daemon_peer(&d, ROLE_SMTPD, 0, &smtpd_end);
	cr_assert(is_signed(key));
	EVP_PKEY_free(key);
}
