# What tests/ builds.

# Fuzz targets.  A target is tests/fuzz/fuzz_NAME.c, which defines
# LLVMFuzzerTestOneInput(), and two lines here or in its folder's local.mk:
#
#	FUZZ_TARGETS += tests/fuzz/fuzz_NAME
#	tests_fuzz_fuzz_NAME_LDADD = libmessage.a $(FUZZ_LIBS)
#
# Its corpus is tests/fuzz/corpus/NAME/, its dictionary (if it has one)
# tests/fuzz/dict/NAME.dict.  tests/fuzz/run lets the fuzzer look for more;
# `make check` runs each target over its corpus, in every build.
EXTRA_DIST += tests/fuzz/corpus tests/fuzz/dict tests/fuzz/run tests/manuals
noinst_HEADERS += tests/fuzz/fuzz.h

if FUZZING
FUZZ_LIBS = $(COMMON_LIBS) $(FUZZ_ENGINE)
noinst_PROGRAMS += $(FUZZ_TARGETS)
else
FUZZ_LIBS = tests/fuzz/libreplay.a $(COMMON_LIBS)
check_LIBRARIES = tests/fuzz/libreplay.a
tests_fuzz_libreplay_a_SOURCES = tests/fuzz/replay.c
check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += $(FUZZ_TARGETS)
endif

# Measuring, which is no test: see tests/bench/README.md.
EXTRA_DIST += tests/bench/README.md tests/bench/compare tests/bench/crowd tests/bench/handshakes tests/bench/suites.py
noinst_PROGRAMS += tests/bench/smtp_crowd tests/bench/smtp_load tests/bench/smtp_sink
tests_bench_smtp_crowd_SOURCES = tests/bench/smtp_crowd.c
tests_bench_smtp_crowd_LDADD = $(COMMON_LIBS)
tests_bench_smtp_load_SOURCES = tests/bench/smtp_load.c
tests_bench_smtp_load_LDADD = $(COMMON_LIBS)
tests_bench_smtp_sink_SOURCES = tests/bench/smtp_sink.c
