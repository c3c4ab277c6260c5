/*
 * credentials.c - the file credentials: parsing it, finding accounts in it,
 * changing a line of it.
 *
 * A parsed file is a copy of its text, an array of where the accounts stand in
 * it, and a hash table of indexes into the array; the hash is keyed, so that
 * nobody can choose names that collide.  A verifier is parsed again when it is
 * asked for: that costs a microsecond, and a large file costs little memory.
 */
#include "auth/credentials.h"

#include <stdlib.h>
#include <string.h>

#include "message/spelling.h"

enum { FIRST_ENTRIES = 64 };

struct entry {
	struct slice account;    /* canonical */
	struct slice credential; /* known to parse */
	char *spelled; /* where `account` lies if it is longer than what was written; or NULL */
	unsigned line;
};

struct credentials {
	char *text; /* a copy of the file, in which the entries point */
	size_t len;
	size_t count, size;
	struct entry *entries;
	size_t scram_model;  /* the first SCRAM entry + 1; 0: none */
	size_t bucket_count; /* a power of two, at least twice `count` */
	uint32_t *buckets;   /* index + 1; 0: empty */
	struct siphash_key key;
};

/* --- names ---------------------------------------------------------------------------- */

static bool is_name_octet(int octet)
{
	return octet > ' ' && octet != 0x7f && octet != '"' && octet != '\\';
}

bool credentials_canonical(struct slice account, char out[CREDENTIALS_ACCOUNT_MAX + 1])
{
	ssize_t at = slice_find_last(account, '@');
	struct cursor c = cursor_over(account);
	struct buf folded = buf_with_limit(CREDENTIALS_ACCOUNT_MAX);
	bool good;

	cursor_take_while(&c, is_name_octet);
	if (at <= 0 || (size_t)at + 1 == account.len || !cursor_done(&c) ||
	    account.data[0] == '#' || account.len > CREDENTIALS_ACCOUNT_MAX)
		return false;
	good = address_fold(account, &folded) &&
	       slice_copy(buf_slice(&folded), out, CREDENTIALS_ACCOUNT_MAX + 1);
	buf_free(&folded);
	return good;
}

/* --- lines ---------------------------------------------------------------------------- */

struct line {
	struct slice account;    /* empty: a comment or a blank line */
	struct slice credential; /* what stands behind it */
};

static bool is_blank(int octet)
{
	return octet_is_space(octet) || octet == '\r';
}

static bool is_not_blank(int octet)
{
	return !is_blank(octet);
}

static struct line split_line(struct slice text)
{
	struct cursor c = cursor_over(slice_trim(text));
	struct line line = {
	    {NULL, 0},
            {NULL, 0}
        };

	if (cursor_done(&c) || cursor_peek(&c) == '#')
		return line;
	line.account = cursor_take_while(&c, is_not_blank);
	cursor_take_while(&c, is_blank);
	line.credential = cursor_rest(&c);
	return line;
}

static struct slice take_line(struct cursor *c)
{
	struct slice line = cursor_take_until(c, '\n');

	cursor_accept(c, '\n');
	return line;
}

/* --- the table ------------------------------------------------------------------------- */

/* Where the account is, or where it would be. */
static uint32_t *slot(const struct credentials *c, struct slice account)
{
	size_t at = (size_t)siphash(c->key, account) & (c->bucket_count - 1);

	while (c->buckets[at] != 0 && !slice_equal(c->entries[c->buckets[at] - 1].account, account))
		at = (at + 1) & (c->bucket_count - 1);
	return &c->buckets[at];
}

static bool grow(struct credentials *c)
{
	size_t size = c->size == 0 ? FIRST_ENTRIES : c->size * 2;
	struct entry *entries = reallocarray(c->entries, size, sizeof *entries);
	uint32_t *buckets;

	if (entries == NULL)
		return false;
	c->entries = entries;
	buckets = calloc(size, 2 * sizeof *buckets);
	if (buckets == NULL)
		return false;
	free(c->buckets);
	c->buckets = buckets;
	c->bucket_count = size * 2;
	c->size = size;
	for (size_t i = 0; i < c->count; i++)
		*slot(c, entries[i].account) = (uint32_t)i + 1;
	return true;
}

static bool complain(
    struct buf *error, const char *name, unsigned number, struct slice word, const char *fault)
{
	buf_printf(error, "%s:%u: ", name, number);
	/* The word comes from a file that others may have written: nothing unprintable of it. */
	for (size_t i = 0; i < word.len && i < CREDENTIALS_ACCOUNT_MAX; i++)
		buf_append_octet(
		    error, is_name_octet((unsigned char)word.data[i]) ? word.data[i] : '?');
	buf_printf(error, "%s%s", word.len > 0 ? ": " : "", fault);
	return false;
}

/* The canonical form takes the place of what was written in our copy, where it is not longer (an A-label is). */
static bool make_canonical(struct credentials *c, struct slice *account, char **spelled)
{
	char name[CREDENTIALS_ACCOUNT_MAX + 1];
	size_t len;

	*spelled = NULL;
	if (!credentials_canonical(*account, name))
		return false;
	len = strlen(name);
	if (len <= account->len)
		memcpy(c->text + (account->data - c->text), name, len);
	else if ((*spelled = strdup(name)) == NULL)
		return false;
	*account = slice_of(*spelled == NULL ? account->data : *spelled, len);
	return true;
}

/* `spelled` is taken over where this is true. */
static bool add_entry(struct credentials *c, struct line line, char *spelled, unsigned number,
    const char *name, struct buf *error)
{
	struct credential parsed;
	const char *fault;
	uint32_t *place;

	if (slice_is_empty(line.credential))
		return complain(error, name, number, line.account,
		    "a password is missing behind the account's name");
	if (!credential_parse(line.credential, &parsed, &fault))
		return complain(error, name, number, line.account, fault);
	if (c->scram_model == 0 && parsed.kind == CREDENTIAL_SCRAM_SHA_256)
		c->scram_model = c->count + 1;
	explicit_bzero(&parsed, sizeof parsed);
	place = slot(c, line.account);
	if (*place != 0) {
		complain(error, name, number, line.account, "stands in line ");
		buf_printf(error, "%u already", c->entries[*place - 1].line);
		return false;
	}
	c->entries[c->count++] = (struct entry){line.account, line.credential, spelled, number};
	*place = (uint32_t)c->count;
	return true;
}

static bool add_line(
    struct credentials *c, struct line line, unsigned number, const char *name, struct buf *error)
{
	char *spelled;

	if (c->count == c->size && !grow(c))
		return complain(error, name, number, line.account, "out of memory");
	if (!make_canonical(c, &line.account, &spelled))
		return complain(
		    error, name, number, line.account, "not an account's name (local@domain)");
	if (add_entry(c, line, spelled, number, name, error))
		return true;
	free(spelled);
	return false;
}

static bool add_lines(struct credentials *c, const char *name, struct buf *error)
{
	struct cursor at = cursor_over(slice_of(c->text, c->len));
	bool good = true;

	for (unsigned number = 1; good && !cursor_done(&at); number++) {
		struct slice octets = take_line(&at);
		struct line line = split_line(octets);

		if (octets.len > CREDENTIALS_LINE_MAX)
			good = complain(
			    error, name, number, (struct slice){0}, "the line is too long");
		else if (!slice_is_empty(line.account))
			good = add_line(c, line, number, name, error);
	}
	return good;
}

struct credentials *credentials_parse(struct slice text, const char *name, struct buf *error)
{
	struct credentials *c = calloc(1, sizeof *c);

	if (c != NULL && text.len <= CREDENTIALS_FILE_MAX)
		c->text = malloc(text.len + 1);
	if (c == NULL || c->text == NULL || !grow(c)) {
		buf_printf(error, "%s: %s", name,
		    text.len > CREDENTIALS_FILE_MAX ? "too large" : "out of memory");
		credentials_free(c);
		return NULL;
	}
	if (text.len > 0)
		memcpy(c->text, text.data, text.len);
	c->len = text.len;
	c->key = siphash_key_random();
	if (add_lines(c, name, error))
		return c;
	credentials_free(c);
	return NULL;
}

void credentials_free(struct credentials *c)
{
	if (c == NULL)
		return;
	if (c->text != NULL)
		explicit_bzero(c->text, c->len);
	for (size_t i = 0; i < c->count; i++)
		free(c->entries[i].spelled);
	free(c->text);
	free(c->entries);
	free(c->buckets);
	free(c);
}

size_t credentials_count(const struct credentials *c)
{
	return c->count;
}

struct slice credentials_account(const struct credentials *c, size_t n)
{
	return n < c->count ? c->entries[n].account : (struct slice){NULL, 0};
}

bool credentials_find(const struct credentials *c, struct slice account, struct credential *out)
{
	char name[CREDENTIALS_ACCOUNT_MAX + 1];
	const char *fault;
	uint32_t index;

	if (!credentials_canonical(account, name))
		return false;
	index = *slot(c, slice_string(name));
	return index != 0 && credential_parse(c->entries[index - 1].credential, out, &fault);
}

void credentials_decoy(const struct credentials *c, struct slice account, struct siphash_key key,
    struct credential *out)
{
	const char *fault;

	if (c->count > 0 &&
	    credential_parse(c->entries[siphash(key, account) % c->count].credential, out, &fault))
		return;
	*out = (struct credential){.kind = CREDENTIAL_SCRAM_SHA_256};
	out->scram.iterations = SCRAM_ITERATIONS_DEFAULT;
	out->scram.salt_len = SCRAM_SALT_MAX;
}

bool credentials_scram(const struct credentials *c, struct slice account,
    const uint8_t secret[SCRAM_KEY], struct credential *out)
{
	struct credential model, own;
	const char *fault;
	bool has_model =
	    c->scram_model != 0 &&
	    credential_parse(c->entries[c->scram_model - 1].credential, &model, &fault);
	bool found;

	/* Both are made in any case. */
	credential_decoy_scram(account, secret, has_model ? &model : NULL, out);
	found = credentials_find(c, account, &own) && own.kind == CREDENTIAL_SCRAM_SHA_256;
	if (found)
		*out = own;
	explicit_bzero(&model, sizeof model);
	explicit_bzero(&own, sizeof own);
	return found;
}

/* --- changing a line --------------------------------------------------------------------- */

static bool is_line_of(struct slice line, const char *account)
{
	char name[CREDENTIALS_ACCOUNT_MAX + 1];

	return credentials_canonical(split_line(line).account, name) && strcmp(name, account) == 0;
}

enum credentials_change credentials_edit(
    struct slice text, struct slice account, struct slice credential, struct buf *out)
{
	char name[CREDENTIALS_ACCOUNT_MAX + 1];
	struct cursor at = cursor_over(text);
	struct credential parsed;
	const char *fault;
	bool found = false;

	if (!credentials_canonical(account, name) ||
	    (credential.len > 0 && !credential_parse(credential, &parsed, &fault)))
		return CREDENTIALS_REFUSED;
	while (!cursor_done(&at)) {
		const char *start = at.at;
		struct slice line = take_line(&at);

		if (!is_line_of(line, name)) {
			buf_append_slice(out, cursor_since(&at, start));
			continue;
		}
		/* Where it stands twice, one line is left. */
		if (credential.len > 0 && !found)
			buf_printf(out, "%s %.*s\n", name, SLICE_PRINTF(credential));
		found = true;
	}
	if (credential.len == 0 && !found)
		return CREDENTIALS_ABSENT;
	if (!found) {
		if (text.len > 0 && text.data[text.len - 1] != '\n')
			buf_append_octet(out, '\n');
		buf_printf(out, "%s %.*s\n", name, SLICE_PRINTF(credential));
	}
	return out->overflowed ? CREDENTIALS_REFUSED : CREDENTIALS_CHANGED;
}
