# What qmgr/ builds: the queue's storage as a library of its own, so that tests
# can put it through everything a disk does.
noinst_LIBRARIES += libqmgr.a
libqmgr_a_SOURCES = \
	qmgr/commit.c qmgr/commit.h \
	qmgr/entry.c qmgr/entry.h \
	qmgr/journal.c qmgr/journal.h \
	qmgr/message.c qmgr/message.h \
	qmgr/outcome.c qmgr/outcome.h \
	qmgr/record.c qmgr/record.h \
	qmgr/recovery.c qmgr/recovery.h \
	qmgr/schedule.c qmgr/schedule.h \
	qmgr/site.c qmgr/site.h \
	qmgr/spool.c qmgr/spool.h

pkglibexec_PROGRAMS += qmgr/qmgr
qmgr_qmgr_SOURCES = \
	qmgr/attempt.c \
	qmgr/bounce.c \
	qmgr/checkpoint.c \
	qmgr/control.c \
	qmgr/delivery.c \
	qmgr/drop.c \
	qmgr/expand.c \
	qmgr/incoming.c \
	qmgr/main.c \
	qmgr/queue.c qmgr/queue.h
qmgr_qmgr_LDADD = libqmgr.a libmessage.a $(COMMON_LIBS)

noinst_PROGRAMS += tests/bench/journal_bench
tests_bench_journal_bench_SOURCES = tests/bench/journal_bench.c
tests_bench_journal_bench_LDADD = libqmgr.a $(COMMON_LIBS)

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_qmgr
TESTS += tests/unit/test_qmgr
tests_unit_test_qmgr_SOURCES = \
	tests/unit/qmgr/commit.c \
	tests/unit/qmgr/journal.c \
	tests/unit/qmgr/message.c \
	tests/unit/qmgr/record.c \
	tests/unit/qmgr/recovery.c \
	tests/unit/qmgr/schedule.c \
	tests/unit/qmgr/scratch.c tests/unit/qmgr/scratch.h \
	tests/unit/qmgr/spool.c
tests_unit_test_qmgr_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_qmgr_LDADD = libqmgr.a $(COMMON_LIBS) $(UNIT_LIBS)
endif

# The real process, with a test in the place of all its peers.
if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_qmgr_daemon
TESTS += tests/unit/test_qmgr_daemon
tests_unit_test_qmgr_daemon_SOURCES = tests/unit/daemon/qmgr.c \
	tests/unit/daemon/daemon.c tests/unit/daemon/daemon.h
tests_unit_test_qmgr_daemon_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_qmgr_daemon_LDADD = $(COMMON_LIBS) $(UNIT_LIBS)
EXTRA_tests_unit_test_qmgr_daemon_DEPENDENCIES = qmgr/qmgr$(EXEEXT)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_spool
tests_fuzz_fuzz_spool_LDADD = libqmgr.a $(FUZZ_LIBS)

dist_man_MANS += man/petrel-qmgr.8
