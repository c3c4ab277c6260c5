# store/: a user's mailboxes.
noinst_LIBRARIES += libstore.a
libstore_a_SOURCES = \
	store/home.c store/home.h \
	store/index.c store/index.h \
	store/line_ends.c store/line_ends.h \
	store/maildir.c store/maildir.h \
	store/names.c store/names.h \
	store/records.c \
	store/store.h \
	store/verify.c
libstore_a_CPPFLAGS = $(AM_CPPFLAGS) $(LMDB_CFLAGS)

# What a program that uses the store links, in front of COMMON_LIBS.
STORE_LIBS = libstore.a libmessage.a $(LMDB_LIBS)

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_store
TESTS += tests/unit/test_store
tests_unit_test_store_SOURCES = \
	tests/unit/store/maildir.c \
	tests/unit/store/names.c \
	tests/unit/store/scratch.h
tests_unit_test_store_CPPFLAGS = $(UNIT_CPPFLAGS) $(LMDB_CFLAGS)
tests_unit_test_store_LDADD = $(STORE_LIBS) $(COMMON_LIBS) $(UNIT_LIBS)
endif
