# common/: the ground floor.
noinst_LIBRARIES += libcommon.a
libcommon_a_SOURCES = \
	common/buf.c common/buf.h \
	common/capabilities.c common/capabilities.h \
	common/channel.c common/channel.h \
	common/channel_admin.c common/channel_admin.h \
	common/channel_control.c common/channel_control.h \
	common/channel_delivery.c common/channel_delivery.h \
	common/channel_filter.c common/channel_filter.h \
	common/channel_log.h \
	common/channel_lookup.c common/channel_lookup.h \
	common/channel_mailbox.h \
	common/channel_oauth.c common/channel_oauth.h \
	common/channel_policy.c common/channel_policy.h \
	common/channel_queue.c common/channel_queue.h \
	common/channel_resolver.c common/channel_resolver.h \
	common/channel_session.c common/channel_session.h \
	common/clock.c common/clock.h \
	common/codec.c common/codec.h \
	common/conf.c common/conf.h common/conf_form.c common/conf_form.h \
	common/conf_parse.c common/conf_private.h common/conf_suggest.c common/conf_value.c common/conf_words.c \
	common/settings.c \
	common/crc32c.c common/crc32c.h \
	common/dnslist.c common/dnslist.h \
	common/drop.c common/drop.h \
	common/id.c common/id.h \
	common/io.c common/io.h \
	common/log.c common/log.h \
	common/network.c common/network.h \
	common/policy_service.c common/policy_service.h \
	common/process.c common/process.h \
	common/proxied.c common/proxied.h \
	common/proxy.c common/proxy.h \
	common/sandbox.c common/sandbox.h \
	common/session.c common/session.h \
	common/siphash.c common/siphash.h \
	common/slice.c common/slice.h \
	common/tally.c common/tally.h \
	common/threads.c common/threads.h \
	common/verdict.c common/verdict.h

if HAVE_CRITERION
check_PROGRAMS += tests/unit/test_common
TESTS += tests/unit/test_common
tests_unit_test_common_SOURCES = tests/unit/common/channel.c \
	tests/unit/common/channel_answers.c tests/unit/common/channel_delivery.c \
	tests/unit/common/channel_filter.c \
	tests/unit/common/channel_queue.c tests/unit/common/codec.c \
	tests/unit/common/conf.c tests/unit/common/io.c tests/unit/common/log.c \
	tests/unit/common/network.c tests/unit/common/proxy.c \
	tests/unit/common/sandbox.c tests/unit/common/siphash.c \
	tests/unit/common/slice.c tests/unit/common/tally.c
tests_unit_test_common_CPPFLAGS = $(UNIT_CPPFLAGS)
tests_unit_test_common_LDADD = $(COMMON_LIBS) $(UNIT_LIBS)
endif

# Streams to clients and servers, and TLS with the private keys elsewhere.
libcommon_a_SOURCES += \
	common/authorities.c common/authorities.h \
	common/channel_auth.c common/channel_auth.h \
	common/channel_keys.c common/channel_keys.h \
	common/signing.c common/signing.h \
	common/stream.c common/stream.h common/stream_private.h \
	common/stream_socket.c common/stream_tls.c \
	common/tls.c common/tls.h common/tls_private.h \
	common/tls_certificate.c common/tls_provider.c common/tls_server.c \
	common/tls_tickets.c \
	common/tls_witness.c common/tls_witness.h \
	common/witness.c common/witness.h

FUZZ_TARGETS += tests/fuzz/fuzz_tls_names
tests_fuzz_fuzz_tls_names_LDADD = $(FUZZ_LIBS)
FUZZ_TARGETS += tests/fuzz/fuzz_proxy
tests_fuzz_fuzz_proxy_LDADD = $(FUZZ_LIBS)
