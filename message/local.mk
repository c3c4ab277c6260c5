# message/: what RFC 5321, 5322 and 2045 write, as pure functions.
noinst_LIBRARIES += libmessage.a
libmessage_a_SOURCES = \
	message/address.c message/address.h \
	message/address_list.c \
	message/arena.c message/arena.h \
	message/base64.c \
	message/charset.c message/charset.h \
	message/date.c message/date.h \
	message/dsn.c message/dsn.h \
	message/dsn_text.c message/dsn_text.h \
	message/encoding.h \
	message/encoded_word.c \
	message/esmtp.c \
	message/fold.c \
	message/header.c message/header.h \
	message/header_write.c \
	message/imap_section.c \
	message/imap_structure.c \
	message/imap_text.c message/imap_text.h \
	message/lines.c message/lines.h \
	message/mime.c message/mime.h \
	message/mime_field.c \
	message/mime_parameter.c \
	message/mime_part.c message/mime_part.h \
	message/mutf7.c \
	message/quoted_printable.c \
	message/received.c message/received.h \
	message/sasl.c message/sasl.h \
	message/spelling.c message/spelling.h \
	message/utf8.c
libmessage_a_CPPFLAGS = $(AM_CPPFLAGS) $(IDN2_CFLAGS)
# For programs that spell domains and names (spelling.h).
SPELLING_LIBS = $(IDN2_LIBS) $(UNISTRING_LIBS)

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_message
TESTS += tests/unit/test_message
tests_unit_test_message_SOURCES = \
	tests/unit/message/address.c \
	tests/unit/message/address_list.c \
	tests/unit/message/charset.c \
	tests/unit/message/date.c \
	tests/unit/message/dsn.c \
	tests/unit/message/encoding.c \
	tests/unit/message/header.c \
	tests/unit/message/imap_text.c \
	tests/unit/message/lines.c \
	tests/unit/message/mime.c \
	tests/unit/message/received.c \
	tests/unit/message/sasl.c \
	tests/unit/message/spelling.c
tests_unit_test_message_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_message_LDADD = libmessage.a $(SPELLING_LIBS) $(COMMON_LIBS) $(UNIT_LIBS)
endif

FUZZ_TARGETS += tests/fuzz/fuzz_message_address
tests_fuzz_fuzz_message_address_LDADD = libmessage.a $(SPELLING_LIBS) $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_message_encoding
tests_fuzz_fuzz_message_encoding_LDADD = libmessage.a $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_message_header
tests_fuzz_fuzz_message_header_LDADD = libmessage.a $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_message_mime
tests_fuzz_fuzz_message_mime_LDADD = libmessage.a $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_message_report
tests_fuzz_fuzz_message_report_LDADD = libmessage.a $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_sasl
tests_fuzz_fuzz_sasl_LDADD = libmessage.a $(FUZZ_LIBS)
