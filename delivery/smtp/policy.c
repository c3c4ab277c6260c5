/*
 * policy.c - how much protection a message asks of its connection.
 */
#include "delivery/smtp/policy.h"

static const enum protection least[] = {
    [OUTBOUND_TLS_OPPORTUNISTIC] = PROTECTION_NONE,
    [OUTBOUND_TLS_REQUIRED] = PROTECTION_ENCRYPTED,
    [OUTBOUND_TLS_VERIFIED] = PROTECTION_VERIFIED,
    [OUTBOUND_TLS_OFF] = PROTECTION_NONE,
};

struct tls_policy tls_policy_for(const struct settings *the_settings, uint8_t tls)
{
	struct tls_policy policy = {
	    .least = least[the_settings->delivery.tls],
	    .uses_tls = the_settings->delivery.tls != OUTBOUND_TLS_OFF,
	};

	if (tls == TLS_REQUIRED)
		policy = (struct tls_policy){PROTECTION_PROMISED, true};
	else if (tls == TLS_NOT_REQUIRED && the_settings->delivery.tls_waiver)
		policy.least = PROTECTION_NONE;
	return policy;
}
