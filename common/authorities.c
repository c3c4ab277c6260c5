/*
 * authorities.c - who may certify clients.
 */
#include "common/authorities.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/io.h"
#include "common/log.h"

struct authorities {
	unsigned owners;
	X509_STORE *store;
	STACK_OF(X509_NAME) * names;
};

/* --- reading ------------------------------------------------------------------------ */

/* What of an entry is for us; *lists counts the revocation lists. */
static bool add_entry(struct authorities *a, const X509_INFO *entry, size_t *lists)
{
	X509_NAME *name;

	if (entry->crl != NULL) {
		++*lists;
		if (X509_STORE_add_crl(a->store, entry->crl) != 1)
			return false;
	}
	if (entry->x509 == NULL)
		return true;
	name = X509_NAME_dup(X509_get_subject_name(entry->x509));
	if (name == NULL || sk_X509_NAME_push(a->names, name) <= 0) {
		X509_NAME_free(name);
		return false;
	}
	return X509_STORE_add_cert(a->store, entry->x509) == 1;
}

static bool add_all(struct authorities *a, const STACK_OF(X509_INFO) * entries)
{
	size_t lists = 0;

	for (int i = 0; i < sk_X509_INFO_num(entries); i++)
		if (!add_entry(a, sk_X509_INFO_value(entries, i), &lists))
			return false;
	return lists == 0 || X509_STORE_set_flags(a->store, X509_V_FLAG_CRL_CHECK) == 1;
}

static struct authorities *authorities_new(void)
{
	struct authorities *a = calloc(1, sizeof *a);

	if (a == NULL)
		return NULL;
	a->owners = 1;
	a->store = X509_STORE_new();
	a->names = sk_X509_NAME_new_null();
	/* One of ours is enough: a site's own authority may stand below another's. */
	if (a->store == NULL || a->names == NULL ||
	    X509_STORE_set_flags(a->store, X509_V_FLAG_PARTIAL_CHAIN) != 1) {
		authorities_free(a);
		return NULL;
	}
	return a;
}

struct authorities *authorities_parse(struct slice pem, struct buf *error)
{
	BIO *in = pem.len > 0 && pem.len <= AUTHORITIES_FILE_MAX
		      ? BIO_new_mem_buf(pem.data, (int)pem.len)
		      : NULL;
	STACK_OF(X509_INFO) *entries =
	    in == NULL ? NULL : PEM_X509_INFO_read_bio(in, NULL, NULL, NULL);
	struct authorities *a = entries == NULL ? NULL : authorities_new();

	if (a != NULL && !add_all(a, entries)) {
		authorities_free(a);
		a = NULL;
	}
	if (a != NULL && sk_X509_NAME_num(a->names) == 0) {
		authorities_free(a);
		a = NULL;
		buf_append_string(error, "no certificate in PEM format");
	} else if (a == NULL) {
		buf_append_string(error, "malformed, empty or too large");
	}
	sk_X509_INFO_pop_free(entries, X509_INFO_free);
	BIO_free(in);
	ERR_clear_error();
	return a;
}

struct authorities *authorities_read(const char *name, int descriptor)
{
	struct buf pem = buf_with_limit(AUTHORITIES_FILE_MAX), error = buf_with_limit(256);
	struct authorities *a = NULL;

	if (!io_read(descriptor, &pem))
		log_error("cannot-read", log_string("file", name), log_errno(errno));
	else if ((a = authorities_parse(buf_slice(&pem), &error)) == NULL)
		log_error("cannot-use-authorities", log_string("file", name),
		    log_slice("reason", buf_slice(&error)));
	buf_free(&pem);
	buf_free(&error);
	close(descriptor);
	return a;
}

struct authorities *authorities_keep(struct authorities *a)
{
	a->owners++;
	return a;
}

void authorities_free(struct authorities *a)
{
	if (a == NULL || --a->owners > 0)
		return;
	X509_STORE_free(a->store);
	sk_X509_NAME_pop_free(a->names, X509_NAME_free);
	free(a);
}

/* --- asking ------------------------------------------------------------------------- */

bool authorities_certify(
    const struct authorities *a, X509 *leaf, STACK_OF(X509) * chain, const char **fault)
{
	X509_STORE_CTX *context = X509_STORE_CTX_new();
	bool good = context != NULL && X509_STORE_CTX_init(context, a->store, leaf, chain) == 1 &&
		    X509_STORE_CTX_set_default(context, "ssl_client") == 1;

	*fault = "out of memory";
	if (good) {
		X509_VERIFY_PARAM_set_depth(
		    X509_STORE_CTX_get0_param(context), AUTHORITIES_CHAIN_MAX);
		good = X509_verify_cert(context) == 1;
		*fault = X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));
	}
	X509_STORE_CTX_free(context);
	ERR_clear_error();
	return good;
}

X509_STORE *authorities_store(const struct authorities *a)
{
	return a->store;
}

STACK_OF(X509_NAME) * authorities_names(const struct authorities *a)
{
	return SSL_dup_CA_list(a->names);
}
