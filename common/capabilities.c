/*
 * capabilities.c - the parts that root's power comes in.
 */
#include "common/capabilities.h"

#include <errno.h>
#include <linux/securebits.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	HIGHEST = 63,
	/* A program that root runs gets no capabilities for it; setuid(2) goes on taking them away; nobody changes that. */
	SECURE = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED | SECBIT_NO_SETUID_FIXUP_LOCKED | SECBIT_KEEP_CAPS_LOCKED
};

/* Nothing that is executed from now on can get more than these. */
static bool bound(uint64_t wanted)
{
	for (unsigned number = 0; number <= HIGHEST; number++)
		/* EINVAL: the kernel knows no capability of that number, and so none above it. */
		if ((wanted & CAPABILITY(number)) == 0 && prctl(PR_CAPBSET_DROP, number, 0, 0, 0) == -1)
			return errno == EINVAL;
	return true;
}

bool capabilities_keep(uint64_t wanted)
{
	struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {
	    {.effective = (uint32_t)wanted, .permitted = (uint32_t)wanted},
	    {.effective = (uint32_t)(wanted >> 32), .permitted = (uint32_t)(wanted >> 32)},
	};

	return bound(wanted) && prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0 &&
	    prctl(PR_SET_SECUREBITS, SECURE, 0, 0, 0) == 0 && syscall(SYS_capset, &header, data) == 0;
}
