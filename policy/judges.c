/*
 * judges.c - who is asked about a session, and in which order.
 */
#include "policy/inquiry.h"

const struct judge judges[] = {
    {.name = NULL},
};
