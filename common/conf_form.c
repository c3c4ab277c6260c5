/*
 * conf_form.c - what the words of a setting look like.
 */
#include "common/conf_form.h"

#include <arpa/inet.h>

#include "common/dnslist.h"
#include "common/policy_service.h"

enum { HOST_MAX = 253, LABEL_MAX = 63 }; /* RFC 1035, 2.3.4 */
enum { PATH_LENGTH_MAX = 1000, WORD_MAX = 255 };

static bool is_port(struct slice text)
{
	uint64_t port;

	return slice_number(text, UINT16_MAX, &port) && port > 0;
}

static bool is_address_of(int family, struct slice text)
{
	char address[INET6_ADDRSTRLEN];
	uint8_t octets[16];

	return slice_copy(text, address, sizeof address) &&
	       inet_pton(family, address, octets) == 1;
}

static bool is_address(struct slice text)
{
	return is_address_of(AF_INET, text) || is_address_of(AF_INET6, text);
}

/* "[2001:db8::1]" or "[192.0.2.1]" with nothing behind it. */
static bool is_in_brackets(struct slice text)
{
	return text.len >= 2 && text.data[0] == '[' && text.data[text.len - 1] == ']' &&
	       is_address(slice_part(text, 1, text.len - 2));
}

static bool is_name(struct slice name, bool any_language)
{
	struct cursor c = cursor_over(name);

	if (name.len == 0 || name.len > HOST_MAX)
		return false;
	do {
		struct slice label = cursor_take_until(&c, '.');

		if (label.len == 0 || label.len > LABEL_MAX || label.data[0] == '-' ||
		    label.data[label.len - 1] == '-')
			return false;
		for (size_t i = 0; i < label.len; i++) {
			unsigned char octet = (unsigned char)label.data[i];

			if (!octet_is_alnum(octet) && octet != '-' && octet != '_' &&
			    !(any_language && octet > 0x7f))
				return false;
		}
	} while (cursor_accept(&c, '.'));
	return true;
}

static bool is_host(struct slice word)
{
	return is_name(word, false);
}

static bool is_domain(struct slice word)
{
	return is_name(word, true);
}

static bool is_mail_address(struct slice word)
{
	ssize_t at = slice_find_last(word, '@');
	struct slice local = at < 0 ? word : slice_part(word, 0, (size_t)at);

	for (size_t i = 0; i < local.len; i++)
		if (octet_is_control((unsigned char)local.data[i]) || local.data[i] == ' ')
			return false;
	return local.len > 0 && (at < 0 || is_domain(slice_from(word, (size_t)at + 1)));
}

static bool is_delimiter(struct slice word)
{
	return word.len == 0 || (word.len == 1 && word.data[0] > ' ' && word.data[0] != '@' &&
				    word.data[0] != '.' && !octet_is_alnum(word.data[0]));
}

static bool is_relay(struct slice word)
{
	ssize_t colon = slice_find_last(word, ':');

	if (is_host(word) || is_in_brackets(word))
		return true;
	return colon > 0 && is_port(slice_from(word, (size_t)colon + 1)) &&
	       (is_host(slice_part(word, 0, (size_t)colon)) ||
		   is_in_brackets(slice_part(word, 0, (size_t)colon)));
}

static bool is_listen(struct slice word)
{
	ssize_t colon = slice_find_last(word, ':');
	struct slice address;

	if (colon < 0 || !is_port(slice_from(word, (size_t)colon + 1)))
		return false;
	address = slice_part(word, 0, (size_t)colon);
	return slice_equal(address, SLICE("*")) || is_address_of(AF_INET, address) ||
	       is_in_brackets(address);
}

static bool is_network(struct slice word)
{
	ssize_t slash = slice_find(word, 0, '/');
	struct slice address = slash < 0 ? word : slice_part(word, 0, (size_t)slash);
	uint64_t bits;

	if (!is_address(address))
		return false;
	return slash < 0 || slice_number(slice_from(word, (size_t)slash + 1),
				is_address_of(AF_INET, address) ? 32 : 128, &bits);
}

/* A link-local address may name its interface: fe80::1%eth0. */
static bool is_nameserver(struct slice word)
{
	ssize_t at = slice_find(word, 0, '@'), scope;
	struct slice address = at < 0 ? word : slice_part(word, 0, (size_t)at);

	if (at >= 0 && !is_port(slice_from(word, (size_t)at + 1)))
		return false;
	scope = slice_find(address, 0, '%');
	if (scope > 0)
		return is_address_of(AF_INET6, slice_part(address, 0, (size_t)scope));
	return is_address(address);
}

static bool is_dnslist(struct slice word)
{
	struct dnslist list;

	return dnslist_parse(word, &list);
}

static bool is_policy_service(struct slice word)
{
	struct policy_service service;

	return policy_service_parse(word, &service);
}

/* As long as what a message to another process names a file by. */
static bool is_path(struct slice word)
{
	return word.len > 0 && word.len <= PATH_LENGTH_MAX && word.data[0] == '/';
}

/* RFC 6749, appendix A.4: what may stand in a scope, and in JSON as it is. */
static bool is_word(struct slice word)
{
	for (size_t i = 0; i < word.len; i++)
		if (word.data[i] <= ' ' || word.data[i] > '~' || word.data[i] == '"' ||
		    word.data[i] == '\\')
			return false;
	return word.len > 0 && word.len <= WORD_MAX;
}

static bool is_https(struct slice word)
{
	struct cursor in = cursor_over(word);

	return is_word(word) && slice_find(word, 0, '#') < 0 &&
	       cursor_accept_nocase(&in, SLICE("https://")) &&
	       is_relay(cursor_take_until(&in, '/'));
}

static bool is_socket(struct slice word)
{
	struct service_address address;

	return service_address_parse(word, &address);
}

static bool is_milter_service(struct slice word)
{
	return slice_equal(word, SLICE("mx")) || slice_equal(word, SLICE("submission")) ||
	       slice_equal(word, SLICE("local"));
}

const struct conf_form conf_form_host = {is_host, "a host name"};
const struct conf_form conf_form_domain = {is_domain, "a domain; write example.org"};
const struct conf_form conf_form_address = {
    is_mail_address, "an address; write alice@example.org, or alice"};
const struct conf_form conf_form_delimiter = {
    is_delimiter, "one character that stands in no name, such as + or -"};
const struct conf_form conf_form_relay = {
    is_relay, "a host; write relay.example.net, relay.example.net:587 or [2001:db8::1]:587"};
const struct conf_form conf_form_listen = {
    is_listen, "address:port; write 192.0.2.1:25, [2001:db8::1]:25 or *:25"};
const struct conf_form conf_form_network = {
    is_network, "a network; write 192.0.2.0/24, 2001:db8::/32 or one address"};
const struct conf_form conf_form_port = {is_port, "a port; write 25"};
const struct conf_form conf_form_dnslist = {is_dnslist,
    "a DNS list; write zen.spamhaus.org, zen.spamhaus.org*3 or list.dnswl.org=127.0.[0..255].[1..3]*-2"};
const struct conf_form conf_form_policy_service = {is_policy_service,
    "a service; write inet:127.0.0.1:10023 or unix:/path, with options such as ,stage=data behind it"};
const struct conf_form conf_form_nameserver = {
    is_nameserver, "the address of a DNS server; write 192.0.2.53 or 192.0.2.53@5353"};
const struct conf_form conf_form_path = {is_path, "an absolute path"};
const struct conf_form conf_form_https = {
    is_https, "a URL; write https://login.example.org/introspect"};
const struct conf_form conf_form_word = {
    is_word, "a word; write it in printable ASCII, without quotes and backslashes"};
const struct conf_form conf_form_socket = {is_socket,
    "a socket; write unix:/run/name/name.sock, inet:127.0.0.1:8891 or inet:[::1]:8891"};
const struct conf_form conf_form_milter_service = {
    is_milter_service, "one of mx, submission, local"};
