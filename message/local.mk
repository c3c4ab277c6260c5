# message/: what RFC 5321, 5322 and 2045 write, as pure functions.
noinst_LIBRARIES += libmessage.a
libmessage_a_SOURCES = \
	message/address.c message/address.h \
	message/arena.c message/arena.h \
	message/charset.h \
	message/date.h \
	message/dsn.h \
	message/encoding.h \
	message/esmtp.c \
	message/header.h \
	message/imap_text.h \
	message/lines.h \
	message/mime.h \
	message/received.h \
	message/utf8.c
