/*
 * capabilities.h - the parts that root's power comes in (capabilities(7)).
 */
#ifndef PETREL_COMMON_CAPABILITIES_H
#define PETREL_COMMON_CAPABILITIES_H

#include <linux/capability.h>
#include <stdbool.h>
#include <stdint.h>

#define CAPABILITY(number) ((uint64_t)1 << (number))

/*
 * Keep these capabilities and give up all others for good, in this process and
 * in all that come from it; being or becoming uid 0 brings none of them back.
 * They go away by themselves, too, with the last uid of 0.  Wants CAP_SETPCAP.
 * False with errno.
 */
bool capabilities_keep(uint64_t wanted);

#endif
