# front/: what imapd and pop3d have in common before login, and while they pass octets.
noinst_LIBRARIES += libfront.a
libfront_a_SOURCES = \
	front/front.c front/front.h \
	front/login.c \
	front/pass.c \
	front/private.h
FRONT_LIBS = libfront.a libmessage.a
