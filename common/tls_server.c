/*
 * tls_server.c - what a server shows to whom.
 *
 * The certificates live as long as the last stream that uses them: they belong to
 * the SSL_CTX, of which every stream has a share.  The private keys that they seem
 * to have are those of tls_provider.c.
 */
#include <openssl/err.h>
#include <openssl/ssl.h>

#include <stdlib.h>
#include <string.h>

#include "common/tls_private.h"

/* What keys signs: no SHA-1 (RFC 9155), and no SHA-224, which nobody uses. */
static const char server_signatures[] = "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:ed25519:"
					"RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"
					"RSA+SHA256:RSA+SHA384:RSA+SHA512";

enum kind { KIND_RSA, KIND_EC, KIND_ED25519, KIND_COUNT };

struct identity {
	X509 *certificate;
	STACK_OF(X509) * rest;
	EVP_PKEY *key;
	enum kind kind;
	struct buf names;
};

/* A name of one of them. */
struct entry {
	struct slice name;
	size_t which;
};

struct identities {
	size_t count;
	struct identity *all;
	size_t entry_count;
	struct entry *entries; /* sorted once all are there */
	bool is_sorted;
	/* Shown to who asks for none of the names; -1: none of that kind. */
	ssize_t standard[KIND_COUNT];
};

/* --- their life ----------------------------------------------------------------------- */

static void identity_clear(struct identity *i)
{
	X509_free(i->certificate);
	sk_X509_pop_free(i->rest, X509_free);
	EVP_PKEY_free(i->key);
	buf_free(&i->names);
}

static void on_context_freed(
    void *parent, void *pointer, CRYPTO_EX_DATA *data, int index, long number, void *context)
{
	struct identities *mine = pointer;

	(void)parent, (void)data, (void)index, (void)number, (void)context;
	if (mine == NULL)
		return;
	for (size_t i = 0; i < mine->count; i++)
		identity_clear(&mine->all[i]);
	free(mine->all);
	free(mine->entries);
	free(mine);
}

static int place(void)
{
	static int index = -1;

	if (index == -1)
		index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, on_context_freed);
	return index;
}

static struct identities *identities_of(const SSL_CTX *context)
{
	return SSL_CTX_get_ex_data(context, place());
}

/* --- which of them --------------------------------------------------------------------- */

static int by_name(const void *one, const void *other)
{
	const struct entry *a = one, *b = other;
	int order = slice_compare(a->name, b->name);

	return order != 0 ? order : a->which < b->which ? -1 : a->which > b->which;
}

static void sort(struct identities *mine)
{
	if (!mine->is_sorted && mine->entry_count > 0)
		qsort(mine->entries, mine->entry_count, sizeof *mine->entries, by_name);
	mine->is_sorted = true;
}

/* Fill in the kinds that are still free with what has exactly that name, the first of each. */
static void choose(const struct identities *mine, struct slice name, ssize_t chosen[KIND_COUNT])
{
	size_t low = 0, high = mine->entry_count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (slice_compare(mine->entries[middle].name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	for (; low < mine->entry_count && slice_equal(mine->entries[low].name, name); low++) {
		size_t which = mine->entries[low].which;

		if (chosen[mine->all[which].kind] == -1)
			chosen[mine->all[which].kind] = (ssize_t)which;
	}
}

/* What covers that host, by its own name or by a wildcard.  False: nothing does. */
static bool choose_for(struct identities *mine, const char *host, ssize_t chosen[KIND_COUNT])
{
	char name[256] = "*";
	size_t len = strlen(host), dot;

	/* RFC 6066, 3: without the dot at the end; some write it all the same. */
	if (len > 0 && host[len - 1] == '.')
		len--;
	if (len == 0 || len >= sizeof name - 1)
		return false;
	for (size_t i = 0; i < len; i++)
		name[i + 1] = (char)octet_lower((unsigned char)host[i]);
	sort(mine);
	for (size_t kind = 0; kind < KIND_COUNT; kind++)
		chosen[kind] = -1;
	choose(mine, slice_of(name + 1, len), chosen);
	for (dot = 1; dot <= len && name[dot] != '.'; dot++)
		;
	if (dot > 1 && dot < len) {
		name[dot - 1] = '*';
		choose(mine, slice_of(name + dot - 1, len - dot + 2), chosen);
	}
	for (size_t kind = 0; kind < KIND_COUNT; kind++)
		if (chosen[kind] != -1)
			return true;
	return false;
}

static bool show(SSL *ssl, const struct identities *mine, const ssize_t chosen[KIND_COUNT])
{
	if (memcmp(chosen, mine->standard, sizeof mine->standard) == 0)
		return true;
	SSL_certs_clear(ssl);
	for (size_t kind = 0; kind < KIND_COUNT; kind++) {
		const struct identity *i = chosen[kind] == -1 ? NULL : &mine->all[chosen[kind]];

		if (i != NULL &&
		    SSL_use_cert_and_key(ssl, i->certificate, i->key, i->rest, 1) != 1)
			return false;
	}
	return true;
}

/* Who asks for a host that we do not know is not sent away: mail servers ask for many names. */
static int on_server_name(SSL *ssl, int *alert, void *context)
{
	struct identities *mine = identities_of(SSL_get_SSL_CTX(ssl));
	const char *host = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	ssize_t chosen[KIND_COUNT];

	(void)context;
	if (mine == NULL || host == NULL || !choose_for(mine, host, chosen))
		return SSL_TLSEXT_ERR_NOACK;
	if (show(ssl, mine, chosen))
		return SSL_TLSEXT_ERR_OK;
	*alert = SSL_AD_INTERNAL_ERROR;
	return SSL_TLSEXT_ERR_ALERT_FATAL;
}

/* --- making one ------------------------------------------------------------------------- */

static struct identities *identities_new(void)
{
	struct identities *mine = calloc(1, sizeof *mine);

	for (size_t kind = 0; mine != NULL && kind < KIND_COUNT; kind++)
		mine->standard[kind] = -1;
	return mine;
}

struct tls_server *tls_server_new(const struct tls_settings *settings)
{
	static const unsigned char name[] = "petrel";
	struct tls_server *server = calloc(1, sizeof *server);
	struct identities *mine = identities_new();

	if (server == NULL || mine == NULL)
		goto failed;
	server->context = tls_context_new(TLS_server_method(), settings);
	if (server->context == NULL ||
	    !tls_witness_prepare(server->context) ||
	    SSL_CTX_set1_sigalgs_list(server->context, server_signatures) != 1 ||
	    SSL_CTX_set_ex_data(server->context, place(), mine) != 1)
		goto failed;
	SSL_CTX_set_options(
	    server->context, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
	SSL_CTX_set_tlsext_servername_callback(server->context, on_server_name);
	SSL_CTX_set_session_id_context(server->context, name, sizeof name - 1);
	if (settings->ticket_seconds == 0) {
		SSL_CTX_set_options(server->context, SSL_OP_NO_TICKET);
		SSL_CTX_set_num_tickets(server->context, 0);
		return server;
	}
	/* A mail client opens one connection after the other: one ticket does. */
	SSL_CTX_set_num_tickets(server->context, 1);
	SSL_CTX_set_timeout(server->context, (long)settings->ticket_seconds);
	tls_tickets_use(server->context);
	return server;
failed:
	free(mine);
	tls_server_free(server);
	ERR_clear_error();
	return NULL;
}

void tls_server_free(struct tls_server *server)
{
	if (server == NULL)
		return;
	SSL_CTX_free(server->context); /* what streams hold of it stays */
	free(server);
}

static bool shares_a_name(const struct identity *one, const struct identity *other)
{
	struct cursor c = cursor_over(buf_slice(&one->names));

	if (one->names.len == 0 && other->names.len == 0)
		return true;
	while (!cursor_done(&c)) {
		if (tls_names_cover(buf_slice(&other->names), cursor_take_until(&c, ' ')))
			return true;
		cursor_skip(&c, 1);
	}
	return false;
}

/* The first one, and those beside it, are for everybody. */
static bool add_to_standard(SSL_CTX *context, struct identities *mine, size_t which)
{
	const struct identity *i = &mine->all[which];

	if (mine->standard[i->kind] != -1 || (which > 0 && !shares_a_name(i, &mine->all[0])))
		return true;
	if (SSL_CTX_use_cert_and_key(context, i->certificate, i->key, i->rest, 1) != 1)
		return false;
	mine->standard[i->kind] = (ssize_t)which;
	return true;
}

static bool add_names(struct identities *mine, size_t which)
{
	struct slice names = buf_slice(&mine->all[which].names);
	struct cursor c = cursor_over(names);
	size_t count = names.len > 0;
	struct entry *more;

	for (size_t i = 0; i < names.len; i++)
		count += names.data[i] == ' ';
	more = reallocarray(mine->entries, mine->entry_count + count + 1, sizeof *more);
	if (more == NULL)
		return false;
	mine->entries = more;
	for (; !cursor_done(&c); cursor_skip(&c, 1))
		more[mine->entry_count++] = (struct entry){cursor_take_until(&c, ' '), which};
	mine->is_sorted = false;
	return true;
}

static bool identity_read(struct identity *i, struct slice pem, struct buf *error)
{
	*i = (struct identity){.names = buf_with_limit(TLS_NAMES_MAX)};
	i->rest = sk_X509_new_null();
	i->certificate = i->rest == NULL ? NULL : tls_parse_chain(pem, i->rest, error);
	if (i->certificate == NULL)
		return false;
	i->key = tls_provider_key(X509_get0_pubkey(i->certificate));
	if (i->key == NULL)
		return tls_complain(
		    error, "a kind of key that is not supported (RSA, EC and Ed25519 are)");
	i->kind = EVP_PKEY_is_a(i->key, "RSA")	? KIND_RSA
		  : EVP_PKEY_is_a(i->key, "EC") ? KIND_EC
						: KIND_ED25519;
	tls_names_of(i->certificate, &i->names);
	return true;
}

bool tls_server_add_certificate(struct tls_server *server, struct slice pem, struct buf *error)
{
	struct identities *mine = identities_of(server->context);
	struct identity fresh, *more;

	if (!identity_read(&fresh, pem, error))
		goto failed;
	more = mine->count < TLS_CERTIFICATES_MAX
		   ? reallocarray(mine->all, mine->count + 1, sizeof *more)
		   : NULL;
	if (more == NULL) {
		buf_append_string(error, "too many certificates");
		goto failed;
	}
	mine->all = more;
	more[mine->count] = fresh;
	if (!add_to_standard(server->context, mine, mine->count)) {
		tls_complain(error, "not usable for TLS");
		goto failed;
	}
	if (!add_names(mine, mine->count)) {
		buf_append_string(error, "no memory");
		goto failed;
	}
	mine->count++;
	return true;
failed:
	identity_clear(&fresh);
	return false;
}
