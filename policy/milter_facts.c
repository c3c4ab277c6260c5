/*
 * milter_facts.c - macros.
 *
 * A macro is a letter, or a longer name in braces.  Each is one row here; which
 * are sent at which stage is a milter's wish, or else what the milters of this
 * world expect where they are not asked.
 */
#include "policy/milter_facts.h"

#include <stdio.h>

static struct slice domain_of(struct slice address)
{
	return slice_from(address, (size_t)(slice_find_last(address, '@') + 1));
}

/* --- values ---------------------------------------------------------------------- */

static bool put_slice(struct buf *out, struct slice value)
{
	return value.len > 0 && buf_append_slice(out, value);
}

static bool hostname(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)rcpt;
	return put_slice(out, f->hostname);
}

static bool service(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)rcpt;
	return put_slice(out, f->service);
}

static bool version(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)f, (void)rcpt;
	return buf_append_string(out, "Petrel " PACKAGE_VERSION);
}

static bool client_name(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)rcpt;
	return put_slice(out, f->client_name.len > 0 ? f->client_name : SLICE("unknown"));
}

static bool client_address(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)rcpt;
	return put_slice(out, f->address);
}

static bool client_port(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)rcpt;
	return f->port != 0 && buf_printf(out, "%u", f->port);
}

static bool client(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)rcpt;
	if (f->address.len == 0)
		return false;
	if (f->client_name.len > 0)
		buf_printf(out, "%.*s ", SLICE_PRINTF(f->client_name));
	return buf_printf(
	    out, "[%s%.*s]", f->family == AF_INET6 ? "IPv6:" : "", SLICE_PRINTF(f->address));
}

static bool tls_version(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)rcpt;
	return put_slice(out, f->tls_version);
}

static bool cipher(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)rcpt;
	return put_slice(out, f->cipher);
}

static bool cipher_bits(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)rcpt;
	return f->cipher_bits > 0 && buf_printf(out, "%u", f->cipher_bits);
}

static bool subject(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)rcpt;
	return put_slice(out, f->certificate_subject);
}

static bool auth_type(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)rcpt;
	return put_slice(out, f->auth_type);
}

static bool login(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)rcpt;
	return put_slice(out, f->login);
}

static bool mailer(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)f, (void)rcpt;
	return buf_append_string(out, "smtp");
}

static bool sender(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)rcpt;
	return put_slice(out, f->sender);
}

static bool sender_host(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)rcpt;
	return put_slice(out, domain_of(f->sender));
}

static bool recipient(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)f;
	return put_slice(out, rcpt);
}

static bool recipient_host(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)f;
	return put_slice(out, domain_of(rcpt));
}

static bool identifier(const struct milter_facts *f, struct slice rcpt, struct buf *out)
{
	(void)rcpt;
	return put_slice(out, f->id);
}

/* --- the table --------------------------------------------------------------------- */

#define AT(stage) (1u << MILTER_AT_##stage)

static const struct {
	const char *name;
	unsigned stages; /* where it is sent unasked */
	bool (*put)(const struct milter_facts *facts, struct slice recipient, struct buf *out);
} macros[] = {
    {"j",	      AT(CONNECT),					       hostname      },
    {"_",	      AT(CONNECT),					       client        },
    {"v",	      AT(CONNECT),					       version       },
    {"{daemon_name}",  AT(CONNECT),					       service       },
    {"{client_addr}",  AT(CONNECT),					       client_address},
    {"{client_name}",  AT(CONNECT),					       client_name   },
    {"{client_ptr}",   AT(CONNECT),					       client_name   },
    {"{client_port}",  AT(CONNECT),					       client_port   },
    {"{tls_version}",  AT(HELO),						  tls_version   },
    {"{cipher}",       AT(HELO),						  cipher        },
    {"{cipher_bits}",  AT(HELO),						  cipher_bits   },
    {"{cert_subject}", AT(HELO),						  subject       },
    {"{auth_type}",    AT(MAIL),						  auth_type     },
    {"{auth_authen}",  AT(MAIL),						  login         },
    {"{mail_mailer}",  AT(MAIL),						  mailer        },
    {"{mail_host}",    AT(MAIL),						  sender_host   },
    {"{mail_addr}",    AT(MAIL),						  sender        },
    {"{rcpt_mailer}",  AT(RCPT),						  mailer        },
    {"{rcpt_host}",    AT(RCPT),						  recipient_host},
    {"{rcpt_addr}",    AT(RCPT),						  recipient     },
    {"i",	      AT(MAIL) | AT(DATA) | AT(END_OF_HEADER) | AT(END_OF_BODY), identifier    },
};

static bool is_asked(struct slice asked, struct slice name)
{
	struct cursor in = cursor_over(asked);

	while (!cursor_done(&in)) {
		struct slice word = cursor_take_until(&in, ' ');

		cursor_accept(&in, ' ');
		/* "{j}" is "j". */
		if (word.len == 3 && word.data[0] == '{')
			word = slice_part(word, 1, 1);
		if (slice_equal(word, name))
			return true;
	}
	return false;
}

bool milter_put_macros(struct evbuffer *out, enum milter_stage stage, char command,
    struct slice asked, const struct milter_facts *facts, struct slice rcpt)
{
	enum { VALUE_MAX = 4096 };
	struct milter_packet packet = milter_packet_begin(out, MILTER_MACROS);
	struct buf value = buf_with_limit(VALUE_MAX);
	bool any = false, good = true;

	milter_put_octet(&packet, command);
	for (size_t i = 0; i < sizeof macros / sizeof macros[0]; i++) {
		struct slice name = slice_string(macros[i].name);

		if (asked.data == NULL ? (macros[i].stages & 1u << stage) == 0
				       : !is_asked(asked, name))
			continue;
		buf_clear(&value);
		if (!macros[i].put(facts, rcpt, &value))
			continue;
		milter_put_text(&packet, name);
		milter_put_text(&packet, buf_slice(&value));
		any = true;
	}
	if (any)
		good = milter_packet_end(&packet);
	else
		buf_free(&packet.body);
	buf_free(&value);
	return good;
}
