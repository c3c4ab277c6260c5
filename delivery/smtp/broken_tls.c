/*
 * broken_tls.c - the hosts with which TLS did not come about, for a while.
 */
#include "delivery/smtp/broken_tls.h"

static struct noted {
	struct resolver_address address; /* family 0: none */
	uint16_t port;
	uint64_t until_us; /* by the monotonic clock */
} noted[BROKEN_TLS_MAX];
static unsigned next; /* to be overwritten */

static struct noted *find(const struct target *target, uint64_t now_us)
{
	for (unsigned i = 0; i < BROKEN_TLS_MAX; i++)
		if (noted[i].until_us > now_us && noted[i].port == target->port &&
		    noted[i].address.family == target->address.family &&
		    memcmp(noted[i].address.octets, target->address.octets,
			sizeof noted[i].address.octets) == 0)
			return &noted[i];
	return NULL;
}

void broken_tls_note(const struct target *target, uint64_t now_us)
{
	struct noted *one = find(target, now_us);

	if (one == NULL) {
		one = &noted[next];
		next = (next + 1) % BROKEN_TLS_MAX;
	}
	*one = (struct noted){
	    target->address, target->port, now_us + (uint64_t)BROKEN_TLS_SECONDS * 1000000};
}

bool broken_tls_is_noted(const struct target *target, uint64_t now_us)
{
	return find(target, now_us) != NULL;
}
