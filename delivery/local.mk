# What delivery/ builds.

# delivery/maildir
pkglibexec_PROGRAMS += delivery/delivery-maildir
delivery_delivery_maildir_SOURCES = \
	delivery/maildir/checkpoint.c delivery/maildir/checkpoint.h \
	delivery/maildir/deliver.c delivery/maildir/deliver.h \
	delivery/maildir/homes.c delivery/maildir/homes.h \
	delivery/maildir/jobs.c delivery/maildir/jobs.h \
	delivery/maildir/main.c
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
dist_man_MANS += man/petrel-delivery-maildir.8
