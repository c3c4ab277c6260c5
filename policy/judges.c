/*
 * judges.c - who is asked about a session, and in which order.
 */
#include "policy/dnslists.h"
#include "policy/greylisting.h"
#include "policy/inquiry.h"
#include "policy/milter.h"
#include "policy/services.h"

const struct judge judges[] = {
    {"dnslists", dnslists_are_concerned, dnslists_ask, dnslists_forget},
    {"services", services_are_concerned, services_ask, services_forget},
    {"greylist", greylisting_is_concerned, greylisting_ask, NULL},
    /* Last, because what costs them most is to look at mail that nobody wants. */
    {"milters", milters_are_concerned, milters_ask, milters_forget},
    {.name = NULL},
};
