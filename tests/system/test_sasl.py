"""What every SASL mechanism has in common, in SMTP (RFC 4954), IMAP (RFC 3501, RFC 4959) and POP3 (RFC 5034)."""

import base64

import pytest

from suite import PASSWORDS
from test_external import Client, authority, beacon_is_out, listed
from test_oauth import Introspection, message
from test_scram import PROTOCOLS

assert authority  # a fixture

MECHANISMS = ["EXTERNAL", "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"]
MALFORMED = {"smtp": "501 5.5.2 ", "imap": "a BAD ", "pop3": "-ERR "}
CANCELLED = {"smtp": "501 5.7.0 ", "imap": "a BAD ", "pop3": "-ERR "}
NOT_OFFERED = {"smtp": "504 5.5.4 ", "imap": "a NO [CANNOT] ", "pop3": "-ERR "}


@pytest.fixture(scope="module")
def server(certificate):
    s = Introspection(certificate)
    yield s
    s.stop()


@pytest.fixture
def suite(make_suite, authority, server, certificate):
    """One that offers everything."""
    return make_suite(extra="auth.failure-delay 0\ntls.client-authorities %s\noauth { introspection %s\n authorities %s }\nsmtp.errors-limit 1000\n"
                            % (authority.certificate, server.url, certificate[0]))


@pytest.fixture
def connect(suite, authority):
    alice = authority.user("alice")
    listed(suite, "alice@example.test certificate " + alice.sha256())
    beacon_is_out(suite)

    def connect(protocol):
        c = Client(suite, protocol, alice)
        return c, c.mechanisms()

    return connect


def offered(protocol):
    return [m for m in MECHANISMS if m != "LOGIN" or protocol == "smtp"]


def asks(c, line):
    """A challenge, and whether it is empty."""
    head = {"smtp": "334 ", "imap": "+ ", "pop3": "+ "}[c.protocol]
    assert line.startswith(head), line
    return line[len(head):]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_all_mechanisms_are_offered_the_strongest_first(connect, protocol):
    assert connect(protocol)[1] == offered(protocol)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_each_begins_with_an_empty_challenge_and_can_be_cancelled(connect, protocol):
    c, _ = connect(protocol)
    for mechanism in offered(protocol):
        assert asks(c, c.begin(mechanism.lower())) == ("VXNlcm5hbWU6" if mechanism == "LOGIN" else ""), mechanism
        c.send("*")
        assert c.line().startswith(CANCELLED[protocol]), mechanism


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_not_base64_ends_each_and_an_equals_sign_is_an_empty_response(connect, protocol):
    for mechanism in offered(protocol):
        c, _ = connect(protocol)
        for response in ("!", "AAA", "AA=A", "QR==", "AAAA=", "===="):
            assert c.begin(mechanism, response).startswith(MALFORMED[protocol]), (mechanism, response)
            asks(c, c.begin(mechanism))
            c.send(response)
            assert c.line().startswith(MALFORMED[protocol]), (mechanism, response)
        answer = c.begin(mechanism, "=")
        if mechanism == "EXTERNAL":
            assert c.is_in(answer)
        elif mechanism == "LOGIN":
            assert asks(c, answer) == "UGFzc3dvcmQ6"
        else:
            assert answer.startswith(MALFORMED[protocol]), (mechanism, answer)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_too_long_ends_each(connect, protocol):
    for mechanism in offered(protocol):
        for octets in (9000, 12000, 30000, 100000):
            c, _ = connect(protocol)
            asks(c, c.begin(mechanism))
            c.send(base64.b64encode(b"a" * (octets // 4 * 3)).decode())
            line = c.line()
            if octets == 9000:
                assert line.startswith(MALFORMED[protocol]), (mechanism, octets, line)
            elif protocol == "smtp":
                assert line.startswith(("501 5.5.2 ", "500 5.5.6 ")), (mechanism, octets, line)
                c.send("NOOP")
                assert c.line().startswith("250 ")
            else:
                assert line.startswith({"imap": ("a BAD ", "* BYE "), "pop3": "-ERR "}[protocol]), (mechanism, octets, line)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_one_exchange_leaves_nothing_for_the_next(connect, protocol):
    c, _ = connect(protocol)
    plain = base64.b64encode(b"\0alice@example.test\0" + PASSWORDS["alice"].encode()).decode()
    for mechanism in ("SCRAM-SHA-256", "OAUTHBEARER", "EXTERNAL"):
        asks(c, c.begin(mechanism))
        c.send(plain)
        assert not c.is_in(c.line())
        c.send("*")
        c.line()
    assert c.is_in(c.begin("PLAIN", plain))
    c.works()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_mechanism_that_is_not_there_is_not_begun(connect, protocol):
    c, _ = connect(protocol)
    for mechanism in ("CRAM-MD5", "SCRAM-SHA-1", "PLAI", "PLAINX", "ANONYMOUS", "GSSAPI"):
        assert c.begin(mechanism, "AAAA").startswith(NOT_OFFERED[protocol]), mechanism
    if protocol != "smtp":
        assert c.begin("LOGIN").startswith(NOT_OFFERED[protocol])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_pipelined_responses_are_taken_in_their_order(connect, server, protocol):
    server.tokens["good"] = dict(active=True, username="alice@example.test")
    c, _ = connect(protocol)
    verb = {"smtp": "AUTH %s", "imap": "a AUTHENTICATE %s", "pop3": "AUTH %s"}[protocol]
    c.file.write((verb % "OAUTHBEARER" + "\r\n" + message("OAUTHBEARER", "bad") + "\r\nAQ==\r\n" +
                  verb % ("OAUTHBEARER " + message("OAUTHBEARER", "good")) + "\r\n").encode())
    c.file.flush()
    asks(c, c.line())
    assert "invalid_token" in base64.b64decode(asks(c, c.line())).decode()
    assert c.is_refused(c.line())
    assert c.is_in(c.line())
