/* What keys promises to its askers: the real process, sandbox included. */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/channel_keys.h"
#include "common/tls.h"
#include "tests/unit/daemon/daemon.h"
#include "tests/unit/tls/pair.h"

static struct daemon d;
static struct channel *smtpd;
static struct peer_end smtpd_end;

/* What the last KEYS_TICKETS said. */
static struct keys_ticket tickets[KEYS_TICKETS_MAX];
static size_t ticket_count;
static unsigned tickets_told;

static bool on_tickets(struct channel *channel, struct message *m, void *context)
{
	struct reader r = message_reader(m);

	(void)channel;
	(void)context;
	cr_assert_eq(m->type, KEYS_TICKETS);
	ticket_count = keys_tickets_read(&r, tickets);
	tickets_told++;
	return ticket_count > 0;
}

static void on_smtpd_closed(struct channel *channel, void *context)
{
	(void)channel;
	((struct peer_end *)context)->closed = true;
}

static const struct channel_handlers smtpd_handlers = {on_tickets, on_smtpd_closed, NULL};

static void begin(const char *conf)
{
	daemon_start(&d, "keys/keys", ROLE_KEYS, conf);
	smtpd = daemon_peer_with(&d, ROLE_SMTPD, 0, &smtpd_handlers, &smtpd_end);
}

static void setup(void)
{
	begin("");
}

static void teardown(void)
{
	if (!smtpd_end.closed)
		channel_free(smtpd);
	cr_assert_eq(daemon_stop(&d), 0);
}

TestSuite(keys_daemon, .init = setup, .fini = teardown, .timeout = 30);

/* Hand over a key as master would. */
static void give(EVP_PKEY *key)
{
	FILE *file = tmpfile();

	PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL);
	rewind(file);
	daemon_send_file(&d, CONTROL_FILE_KEY, "test", dup(fileno(file)));
	daemon_end_files(&d);
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

	give(one);
	cr_assert(is_signed(one));
	cr_assert_not(is_signed(other));
	EVP_PKEY_free(one);
	EVP_PKEY_free(other);
}

Test(keys_daemon, after_a_change_the_new_key_signs_and_the_old_one_for_a_while)
{
	EVP_PKEY *old = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	EVP_PKEY *new = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");

	give(old);
	give(new);
	cr_assert(is_signed(old));
	cr_assert(is_signed(new));
	EVP_PKEY_free(old);
	EVP_PKEY_free(new);
}

Test(keys_daemon, a_malformed_question_ends_the_channel_and_not_the_process)
{
	EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
	struct reply reply = {0};

	give(key);
	write_u32(channel_call(smtpd, KEYS_SIGN, daemon_reply, &reply, NULL), 12);
	channel_end(smtpd);
	daemon_run_until(&d, &smtpd_end.closed);
	cr_assert(reply.lost);
	smtpd_end.closed = false;
	smtpd = daemon_peer_with(&d, ROLE_SMTPD, 0, &smtpd_handlers, &smtpd_end);
	cr_assert(is_signed(key));
	EVP_PKEY_free(key);
}

/* --- certificates ---------------------------------------------------------------------- */

struct pair_files {
	struct buf key, chain;
	EVP_PKEY *public_key;
};

static struct pair_files make_pair(const char *name)
{
	struct pair_files p = {.key = buf_with_limit(65536), .chain = buf_with_limit(65536)};
	BIO *bio;
	X509 *certificate;

	make_certificate("EC", name, &p.key, &p.chain);
	bio = BIO_new_mem_buf(p.chain.data, (int)p.chain.len);
	certificate = PEM_read_bio_X509(bio, NULL, NULL, NULL);
	p.public_key = X509_get_pubkey(certificate);
	X509_free(certificate);
	BIO_free(bio);
	return p;
}

static void send_text(enum control_file kind, const char *name, struct slice text)
{
	FILE *file = tmpfile();

	fwrite(text.data, 1, text.len, file);
	rewind(file);
	daemon_send_file(&d, kind, name, dup(fileno(file)));
	fclose(file);
}

static void end_set(void)
{
	unsigned before = d.judgements;

	daemon_end_files(&d);
	for (int i = 0; i < 200 && d.judgements == before; i++)
		daemon_run_for(&d, 10);
	cr_assert_eq(d.judgements, before + 1);
}

/* One certificate of the last judgement. */
static struct control_certificate judged(uint32_t which, uint32_t of)
{
	struct reader r = reader_over(slice_of(d.judgement, d.judgement_len));
	struct control_certificate c;

	cr_assert_eq(read_u32(&r), of);
	for (uint32_t i = 0; i <= which; i++)
		cr_assert(control_certificate_read(&r, &c));
	return c;
}

Test(keys_daemon, certificates_are_shown_whose_key_is_there)
{
	struct pair_files one = make_pair("one.example.test"), two = make_pair("two.example.test");

	send_text(CONTROL_FILE_CERTIFICATE, "/one.pem", buf_slice(&one.chain));
	send_text(CONTROL_FILE_CERTIFICATE, "/two.pem", buf_slice(&two.chain));
	send_text(CONTROL_FILE_KEY, "/two.key", buf_slice(&two.key));
	end_set();
	cr_assert_eq(judged(0, 2).chain.len, 0);
	cr_assert(judged(0, 2).problem.len > 0);
	cr_assert(slice_equal(judged(1, 2).chain, buf_slice(&two.chain)));
	cr_assert(slice_equal(judged(1, 2).names, SLICE("two.example.test")));
	cr_assert_eq(judged(1, 2).problem.len, 0);
}

Test(keys_daemon, a_renewal_that_is_half_done_changes_nothing)
{
	struct pair_files old = make_pair("mail.example.test"), new = make_pair("mail.example.test");
	struct slice half = slice_part(buf_slice(&new.chain), 0, new.chain.len / 2);
	const struct slice states[] = {buf_slice(&new.chain), half, SLICE("")};

	send_text(CONTROL_FILE_CERTIFICATE, "/mail.pem", buf_slice(&old.chain));
	send_text(CONTROL_FILE_KEY, "/mail.key", buf_slice(&old.key));
	end_set();
	for (size_t i = 0; i < 3; i++) {
		send_text(CONTROL_FILE_CERTIFICATE, "/mail.pem", states[i]);
		send_text(CONTROL_FILE_KEY, "/mail.key", buf_slice(&old.key));
		end_set();
		cr_assert(slice_equal(judged(0, 1).chain, buf_slice(&old.chain)), "state %zu", i);
		cr_assert(judged(0, 1).problem.len > 0, "state %zu", i);
		cr_assert(is_signed(old.public_key));
	}
	/* The key went first, and half of the certificate: the old key goes on with the old certificate. */
	send_text(CONTROL_FILE_CERTIFICATE, "/mail.pem", half);
	send_text(CONTROL_FILE_KEY, "/mail.key", buf_slice(&new.key));
	end_set();
	end_set(); /* and nothing at all takes all away */
	cr_assert_eq(d.judgement_len, 4);
	send_text(CONTROL_FILE_CERTIFICATE, "/mail.pem", buf_slice(&new.chain));
	send_text(CONTROL_FILE_KEY, "/mail.key", buf_slice(&new.key));
	end_set();
	cr_assert(slice_equal(judged(0, 1).chain, buf_slice(&new.chain)));
	cr_assert_eq(judged(0, 1).problem.len, 0);
	cr_assert(is_signed(new.public_key));
}

Test(keys_daemon, the_key_of_a_certificate_that_is_kept_is_kept_however_often_it_fails)
{
	struct pair_files old = make_pair("mail.example.test");

	send_text(CONTROL_FILE_CERTIFICATE, "/mail.pem", buf_slice(&old.chain));
	send_text(CONTROL_FILE_KEY, "/mail.key", buf_slice(&old.key));
	end_set();
	for (int i = 0; i < 3; i++) {
		send_text(CONTROL_FILE_CERTIFICATE, "/mail.pem", buf_slice(&old.chain));
		send_text(CONTROL_FILE_KEY, "/mail.key", SLICE("no key\n"));
		end_set();
		cr_assert(slice_equal(judged(0, 1).chain, buf_slice(&old.chain)));
		cr_assert(is_signed(old.public_key));
	}
}

Test(keys_daemon, what_is_no_file_at_all_is_said)
{
	send_text(CONTROL_FILE_CERTIFICATE, "/empty.pem", SLICE(""));
	daemon_send_file(&d, CONTROL_FILE_CERTIFICATE, "/null.pem", open("/dev/null", O_RDONLY));
	end_set();
	cr_assert_eq(judged(0, 2).chain.len, 0);
	cr_assert(slice_equal(judged(1, 2).problem, SLICE("not a regular file")));
}

/* --- tickets ------------------------------------------------------------------------------ */

Test(keys_daemon, ticket_keys_are_told_to_all_and_change_and_the_one_before_goes_on)
{
	struct keys_ticket first, second;
	struct channel *imapd;
	struct peer_end end = {false};

	channel_free(smtpd);
	cr_assert_eq(daemon_stop(&d), 0);
	begin("tls.ticket-rotation 1s\n");
	for (int i = 0; i < 100 && tickets_told == 0; i++)
		daemon_run_for(&d, 10);
	cr_assert_eq(ticket_count, 1);
	first = tickets[0];
	imapd = daemon_peer_with(&d, ROLE_IMAPD, 0, &smtpd_handlers, &end);
	for (int i = 0; i < 100 && tickets_told == 1; i++)
		daemon_run_for(&d, 10);
	cr_assert_arr_eq(&tickets[0], &first, sizeof first, "imapd's are smtpd's");
	for (int i = 0; i < 200 && tickets_told < 4; i++)
		daemon_run_for(&d, 10);
	cr_assert_eq(ticket_count, 2);
	cr_assert_arr_eq(&tickets[1], &first, sizeof first);
	second = tickets[0];
	cr_assert_arr_neq(second.cipher, first.cipher, sizeof first.cipher);
	for (int i = 0; i < 200 && tickets_told < 6; i++)
		daemon_run_for(&d, 10);
	cr_assert_eq(ticket_count, 2);
	cr_assert_arr_eq(&tickets[1], &second, sizeof second, "the first one is gone");
	channel_free(imapd);
}
