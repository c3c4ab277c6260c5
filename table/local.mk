# table/: lookup tables, and what stands in Petrel's own.
noinst_LIBRARIES += libtable.a
libtable_a_SOURCES = \
	table/backend.h \
	table/backend_db.c \
	table/backend_text.c table/backend_text.h \
	table/entry.c table/entry.h \
	table/hash.c table/hash.h \
	table/table.c table/table.h \
	table/text.c table/text.h
TABLE_LIBS = libtable.a libmessage.a $(SPELLING_LIBS) $(DB_LIBS)

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_table
TESTS += tests/unit/test_table
tests_unit_test_table_SOURCES = tests/unit/table/directory.h tests/unit/table/db.c tests/unit/table/entry.c \
	tests/unit/table/hash.c tests/unit/table/table.c tests/unit/table/text.c
tests_unit_test_table_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_table_LDADD = $(TABLE_LIBS) $(COMMON_LIBS) $(UNIT_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_table_text
tests_fuzz_fuzz_table_text_LDADD = $(TABLE_LIBS) $(FUZZ_LIBS)

dist_man_MANS += man/petrel-tables.5
