# store/: a user's mailboxes.
noinst_LIBRARIES += libstore.a
libstore_a_SOURCES = \
	store/append.c \
	store/content.c \
	store/copy.c \
	store/flags.c \
	store/folders.c \
	store/found.c store/found.h \
	store/home.c store/home.h \
	store/index.c store/index.h \
	store/keywords.c \
	store/line_ends.c store/line_ends.h \
	store/list.c \
	store/maildir.c store/maildir.h \
	store/messages.c \
	store/names.c store/names.h \
	store/private.h \
	store/records.c \
	store/special_use.c \
	store/stamp.c \
	store/store.c store/store.h \
	store/subscriptions.c \
	store/sync.c \
	store/texts.c \
	store/verify.c \
	store/view.c
libstore_a_CPPFLAGS = $(AM_CPPFLAGS) $(LMDB_CFLAGS)

# What a program that uses the store links, in front of COMMON_LIBS.
STORE_LIBS = libstore.a libmessage.a $(LMDB_LIBS)

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_store
TESTS += tests/unit/test_store
tests_unit_test_store_SOURCES = \
	tests/unit/store/folders.c \
	tests/unit/store/index.c \
	tests/unit/store/maildir.c \
	tests/unit/store/names.c \
	tests/unit/store/scratch.h \
	tests/unit/store/sync.c \
	tests/unit/store/view.c
tests_unit_test_store_CPPFLAGS = $(UNIT_CPPFLAGS) $(LMDB_CFLAGS)
tests_unit_test_store_LDADD = $(STORE_LIBS) $(COMMON_LIBS) $(UNIT_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_store_names
tests_fuzz_fuzz_store_names_LDADD = $(STORE_LIBS) $(FUZZ_LIBS)
