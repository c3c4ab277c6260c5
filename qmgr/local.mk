# What qmgr/ builds: the queue's storage as a library of its own, so that tests
# can put it through everything a disk does.
noinst_LIBRARIES += libqmgr.a
libqmgr_a_SOURCES = \
	qmgr/commit.c qmgr/commit.h \
	qmgr/entry.c qmgr/entry.h \
	qmgr/journal.c qmgr/journal.h \
	qmgr/outcome.c qmgr/outcome.h \
	qmgr/record.c qmgr/record.h \
	qmgr/recovery.c qmgr/recovery.h \
	qmgr/spool.c qmgr/spool.h

noinst_PROGRAMS += tests/bench/journal_bench
tests_bench_journal_bench_SOURCES = tests/bench/journal_bench.c
tests_bench_journal_bench_LDADD = libqmgr.a $(COMMON_LIBS)

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_qmgr
TESTS += tests/unit/test_qmgr
tests_unit_test_qmgr_SOURCES = \
	tests/unit/qmgr/commit.c \
	tests/unit/qmgr/journal.c \
	tests/unit/qmgr/record.c \
	tests/unit/qmgr/recovery.c \
	tests/unit/qmgr/scratch.c tests/unit/qmgr/scratch.h \
	tests/unit/qmgr/spool.c
tests_unit_test_qmgr_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_qmgr_LDADD = libqmgr.a $(COMMON_LIBS) $(UNIT_LIBS)
endif
