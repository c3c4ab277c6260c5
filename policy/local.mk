# policy/: the daemon that is asked whether a session may go on.
noinst_LIBRARIES += libpolicy.a
libpolicy_a_SOURCES = \
	policy/inquiry.c policy/inquiry.h

pkglibexec_PROGRAMS += policy/policy
policy_policy_SOURCES = \
	policy/judges.c \
	policy/main.c
policy_policy_LDADD = libpolicy.a $(COMMON_LIBS)

dist_man_MANS += man/petrel-policy.8
