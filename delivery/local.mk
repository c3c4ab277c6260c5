# What delivery/ builds.

# delivery/maildir
pkglibexec_PROGRAMS += delivery/delivery-maildir
delivery_delivery_maildir_SOURCES = \
	delivery/maildir/checkpoint.c delivery/maildir/checkpoint.h \
	delivery/maildir/deliver.c delivery/maildir/deliver.h \
	delivery/maildir/homes.c delivery/maildir/homes.h \
	delivery/maildir/jobs.c delivery/maildir/jobs.h \
	delivery/maildir/main.c \
	delivery/maildir/watches.c delivery/maildir/watches.h
delivery_delivery_maildir_LDADD = $(STORE_LIBS) $(COMMON_LIBS)

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_delivery_maildir
TESTS += tests/unit/test_delivery_maildir
tests_unit_test_delivery_maildir_SOURCES = \
	delivery/maildir/deliver.c \
	delivery/maildir/homes.c \
	tests/unit/delivery/maildir.c
tests_unit_test_delivery_maildir_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_delivery_maildir_LDADD = $(STORE_LIBS) $(COMMON_LIBS) $(UNIT_LIBS)
endif
dist_man_MANS += man/petrel-delivery-maildir.8 man/petrel-delivery-smtp.8

# delivery/smtp
pkglibexec_PROGRAMS += delivery/delivery-smtp
delivery_smtp_engine = \
	delivery/smtp/broken_tls.c delivery/smtp/broken_tls.h \
	delivery/smtp/command.c delivery/smtp/command.h \
	delivery/smtp/content.c delivery/smtp/content.h \
	delivery/smtp/dialogue.c delivery/smtp/dialogue.h \
	delivery/smtp/limits.c delivery/smtp/limits.h \
	delivery/smtp/policy.c delivery/smtp/policy.h \
	delivery/smtp/reply.c delivery/smtp/reply.h \
	delivery/smtp/site.c delivery/smtp/site.h \
	delivery/smtp/transaction.c delivery/smtp/transaction.h
delivery_delivery_smtp_SOURCES = \
	$(delivery_smtp_engine) \
	delivery/smtp/connection.c delivery/smtp/connection.h \
	delivery/smtp/delivery.c delivery/smtp/delivery.h \
	delivery/smtp/main.c \
	delivery/smtp/pool.c delivery/smtp/pool.h
delivery_delivery_smtp_LDADD = libmessage.a $(COMMON_LIBS)

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_delivery_smtp
TESTS += tests/unit/test_delivery_smtp
tests_unit_test_delivery_smtp_SOURCES = \
	$(delivery_smtp_engine) \
	tests/unit/delivery/content.c \
	tests/unit/delivery/dialogue.c \
	tests/unit/delivery/reply.c \
	tests/unit/delivery/site.c
tests_unit_test_delivery_smtp_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_delivery_smtp_LDADD = libmessage.a $(COMMON_LIBS) $(UNIT_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_smtp_reply
tests_fuzz_fuzz_smtp_reply_SOURCES = $(delivery_smtp_engine) tests/fuzz/fuzz_smtp_reply.c
tests_fuzz_fuzz_smtp_reply_LDADD = libmessage.a $(FUZZ_LIBS)

# The real processes, with the test in the place of everybody else.
if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_delivery_daemon
TESTS += tests/unit/test_delivery_daemon
tests_unit_test_delivery_daemon_SOURCES = \
	tests/unit/daemon/daemon.c tests/unit/daemon/daemon.h \
	tests/unit/daemon/delivery.c tests/unit/daemon/delivery.h \
	tests/unit/daemon/delivery_maildir.c \
	tests/unit/daemon/delivery_smtp.c
tests_unit_test_delivery_daemon_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_delivery_daemon_LDADD = $(COMMON_LIBS) $(UNIT_LIBS)
EXTRA_tests_unit_test_delivery_daemon_DEPENDENCIES = \
	delivery/delivery-smtp$(EXEEXT) delivery/delivery-maildir$(EXEEXT)
endif
