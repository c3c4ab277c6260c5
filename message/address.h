/*
 * address.h - the addresses and parameters of the SMTP envelope.
 *
 * RFC 5321 paths ("<user@example.org>"), the parameters that follow them in
 * MAIL and RCPT, and the one canonical form under which Petrel compares, stores
 * and looks up an address.  Address lists in a message's header have another
 * grammar: see header.h.
 *
 * Nothing here allocates except into the bufs it is given, and every slice that
 * comes out points into what went in.
 */
#ifndef PETREL_MESSAGE_ADDRESS_H
#define PETREL_MESSAGE_ADDRESS_H

#include "common/buf.h"
#include "common/slice.h"

/* Octets; RFC 5321, 4.5.3.1.  A path is counted with its brackets and its source route. */
enum {
	ADDRESS_LOCAL_MAX = 64,
	ADDRESS_DOMAIN_MAX = 255,
	ADDRESS_LABEL_MAX = 63,
	ADDRESS_PATH_MAX = 256,
	ESMTP_PARAMETERS_MAX = 16, /* of one command */
};

/* What a caller is willing to take besides the letter of RFC 5321; may be combined. */
enum address_flags {
	ADDRESS_STRICT = 0,
	/* The brackets may be missing ("MAIL FROM:a@b"), and dots in the local part may stand
	 * first, last or side by side (they do exist; the canonical form quotes them). */
	ADDRESS_LENIENT = 1,
	/* "<postmaster>" without a domain, which RCPT must take (RFC 5321, 4.5.1). */
	ADDRESS_POSTMASTER = 2,
	/* Any local part may come without a domain: what a local user types or a table holds. */
	ADDRESS_NO_DOMAIN = 4,
	/* "<>" is refused: a recipient is never null. */
	ADDRESS_NOT_NULL = 8,
};

struct address {
	struct slice local;  /* as written, with its quotes where is_quoted; empty for "<>" */
	struct slice domain; /* as written; with its brackets where it is a literal; may be empty */
	bool is_null;        /* "<>" */
	bool is_quoted;      /* local is a quoted string */
	bool is_utf8;        /* holds octets above 127: legal only with SMTPUTF8 (RFC 6531) */
};

/*
 * Parse one RFC 5321 path ("<user@domain>" or "<>").
 *
 * in     the text after "FROM:" or "TO:"; blanks before the path are the caller's to skip
 * flags  of enum address_flags
 * out    filled on success; its slices point into `in`
 *
 * A source route ("<@a,@b:user@domain>") is accepted and ignored, as RFC 5321,
 * 4.1.1.3 asks.  What follows the path must be a blank or nothing.
 * Returns the number of octets consumed (the blank is not), or -1 where the
 * path is malformed or longer than ADDRESS_PATH_MAX.
 */
ssize_t address_parse_path(struct slice in, unsigned flags, struct address *out);

/*
 * Parse a bare address ("user@domain"), and nothing else, from all of `in`.
 * An empty `in` is the null address unless ADDRESS_NOT_NULL forbids it.
 */
bool address_parse(struct slice in, unsigned flags, struct address *out);

/*
 * Append the canonical form, without brackets: the local part quoted only where
 * it has to be, its case kept; the domain in lower case (ASCII letters only).
 * Two addresses are the same mailbox to Petrel exactly if their canonical forms
 * are the same octets.  The null address gives nothing.
 */
bool address_write_canonical(const struct address *address, struct buf *out);

/* Same local part after unquoting (case matters), same domain (case does not). */
bool address_equal(const struct address *a, const struct address *b);

/* Append the local part's meaning: a quoted string without its quotes and backslashes. */
bool address_write_local(const struct address *address, struct buf *out);

/*
 * Append a local part's meaning (any octets) as it stands in an address: as it
 * is where it is a dot-string, else as a quoted string.
 */
bool address_quote_local(struct slice meaning, struct buf *out);

/*
 * Split "user+tag" at the first `separator`.  `local` is the meaning of a local
 * part (see address_write_local).  False, with *user all of it and *extension
 * empty, where there is no separator or it comes first.
 */
bool address_split_extension(
    struct slice local, char separator, struct slice *user, struct slice *extension);

/*
 * A domain name as RFC 5321, 4.1.2 spells it, or with UTF-8 labels (RFC 6531).
 * Underscores are taken too, since names that have them receive mail.  Neither
 * a literal nor a name with a dot at the end.
 */
bool domain_is_valid(struct slice domain);

/* Looks like an address literal: "[...]". */
bool domain_is_literal(struct slice domain);

struct domain_literal {
	int family;         /* AF_INET or AF_INET6 */
	uint8_t octets[16]; /* in network order; the first 4 for AF_INET */
};

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]" (RFC 5321, 4.1.3).  Other tags are refused: nobody can send there. */
bool domain_parse_literal(struct slice domain, struct domain_literal *out);

/* One "KEY" or "KEY=value" after a path (RFC 5321, 4.1.2, esmtp-param). */
struct esmtp_parameter {
	struct slice keyword; /* as written; compare without regard to case */
	struct slice value;   /* empty without a value; RFC 6531 lets it hold UTF-8 */
	bool has_value;
};

/*
 * Parse the parameters of a MAIL or RCPT command.
 *
 * in   what follows the path, with its leading blanks; may be empty
 * out  room for `max` parameters
 * Returns how many there are, or -1 where one is malformed, comes twice, or
 * there are more than `max`.
 */
ssize_t esmtp_parameters_parse(struct slice in, struct esmtp_parameter *out, size_t max);

/* The parameter called `keyword`, or NULL. */
const struct esmtp_parameter *esmtp_parameter_find(
    const struct esmtp_parameter *parameters, size_t count, struct slice keyword);

/* xtext (RFC 3461, 4): "+3D" for "=".  Decoding fails where `in` is not xtext or hides a control octet. */
bool xtext_decode(struct slice in, struct buf *out);
bool xtext_encode(struct slice in, struct buf *out);

/*
 * An address of type utf-8 as it stands in ORCPT and in reports (RFC 6533, 3):
 * "\x{E9}" for what would not do.  It is not in xtext besides.
 *
 * may_be_8bit  letters that are not ASCII may stand (utf-8-addr-unitext);
 *              otherwise they are escaped too (utf-8-addr-xtext)
 *
 * Decoding appends UTF-8, and fails where `in` is malformed or hides a control
 * character; encoding fails where `in` is not UTF-8.
 */
bool utf8_address_decode(struct slice in, bool may_be_8bit, struct buf *out);
bool utf8_address_encode(struct slice in, bool may_be_8bit, struct buf *out);

#endif
