"""SMTP's extensions, from a client's first word to the mailbox or the next host."""

import email
import smtplib
import socket
import ssl

import pytest

from hosts import Host, Odd
from suite import PASSWORDS, wait_until


class Client:
    """A raw connection: says what it is told, octet by octet as it stands, and reads replies."""

    def __init__(self, suite, port="mx"):
        self.socket = socket.create_connection((suite.address, suite.ports[port]), 30)
        self.lines = self.socket.makefile("rb")
        self.reply()

    def reply(self):
        while True:
            line = self.lines.readline()
            if line[3:4] != b"-":
                return line.decode().rstrip("\r\n")

    def say(self, octets, replies=1):
        self.socket.sendall(octets)
        return [self.reply() for _ in range(replies)]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.lines.close()
        self.socket.close()


def codes(replies):
    return [r.split(" ")[0] for r in replies]


# --- CHUNKING ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 1000, 70000])
def test_a_message_in_chunks_arrives_as_it_was_sent(suite, size):
    body = b"Subject: chunks\r\n\r\n.\r\n..\r\n" + b"".join(b"line %d\r\n" % i for i in range(size // 10)) + b"the end\r\n"
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
        c.ehlo()
        assert c.has_extn("chunking") and not c.has_extn("binarymime")
        c.mail("alice@elsewhere.test")
        c.rcpt("bob@example.test")
        for at in range(0, len(body), size):
            part = body[at:at + size]
            c.send(b"BDAT %d\r\n" % len(part) + part)
            assert c.getreply()[0] == 250
        c.send(b"BDAT 0 LAST\r\n")
        assert b"queued as" in c.getreply()[1]
    wait_until(lambda: suite.messages("bob"))
    assert suite.messages("bob")[0].endswith(body.replace(b"\r\n", b"\n"))


def test_a_pipelined_session_of_chunks_is_answered_in_order_and_hides_no_commands(suite):
    with Client(suite) as c:
        envelope = b"MAIL FROM:<alice@elsewhere.test>\r\nRCPT TO:<%s@example.test>\r\n"
        replies = c.say(b"EHLO x\r\n" + envelope % b"bob" + b"BDAT 14\r\nSubject: 1\r\n\r\nBDAT 4 LAST\r\none\n"
                        + envelope % b"nobody" + b"BDAT 6 LAST\r\nQUIT\r\nRSET\r\n"
                        + envelope % b"bob" + b"BDAT 17 LAST\r\nSubject: 2\r\n\r\ntwoQUIT\r\n", 13)
    assert codes(replies) == "250 250 250 250 250 250 550 554 250 250 250 250 221".split()
    wait_until(lambda: len(suite.messages("bob")) == 2)
    assert sorted(m.rsplit(b"\n\n", 1)[1] for m in suite.messages("bob")) == [b"one\n", b"two\n"]


# --- DSN --------------------------------------------------------------------------------


@pytest.fixture
def outbound(make_suite):
    """Start a suite that sends all its mail to this host; the host is closed at the end."""
    closing = []

    def make(host, extra=""):
        closing.append(host)
        return make_suite(extra="relay 127.0.0.1:%d\nqueue { retry-first 1s\n retry-longest 1s\n %s }\n" % (host.port, extra))

    yield make
    for host in closing:
        host.close()


def submit(suite, recipient, mail_options=(), rcpt_options=()):
    with smtplib.SMTP("127.0.0.1", suite.ports["submission"]) as c:
        c.starttls(context=ssl._create_unverified_context())
        c.login("alice@example.test", PASSWORDS["alice"])
        c.ehlo()
        assert c.has_extn("dsn")
        c.sendmail("alice@example.test", [recipient], b"Subject: reported\r\n\r\nthe text\r\n", mail_options, rcpt_options)


def reports(suite):
    """Of each report in alice's mailbox: the fields of the message, of the first recipient, and all of it."""
    found = []
    for octets in suite.messages("alice"):
        message = email.message_from_bytes(octets)
        assert message.get_content_type() == "multipart/report"
        status = message.get_payload()[1]
        assert status.get_content_type() == "message/delivery-status"
        found.append((*status.get_payload()[:2], octets))
    return found


def test_who_asks_is_told_that_a_mailbox_has_the_message(suite):
    submit(suite, "bob@example.test", ["RET=FULL", "ENVID=letter+3D9"], ["NOTIFY=SUCCESS", "ORCPT=rfc822;Bob+2B@example.test"])
    wait_until(lambda: suite.messages("alice"))
    [(message, recipient, octets)] = reports(suite)
    assert message["Original-Envelope-Id"] == "letter=9"
    assert recipient["Action"] == "delivered"
    assert recipient["Original-Recipient"] == "rfc822;Bob+@example.test"
    assert recipient["Final-Recipient"] == "rfc822; bob@example.test"
    assert b"\nSubject: reported\n" in octets and b"the text" not in octets
    assert len(suite.messages("bob")) == 1


def test_a_host_that_offers_dsn_is_told_all_and_reports_itself(outbound):
    host = Odd(EHLO="250-odd.example\r\n250 DSN")
    suite = outbound(host)
    submit(suite, "carol@example.net", ["RET=HDRS", "ENVID=letter+3D9"], ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;c+2B@example.net"])
    wait_until(lambda: host.messages)
    assert "MAIL FROM:<alice@example.test> RET=HDRS ENVID=letter+3D9" in host.heard
    assert "RCPT TO:<carol@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;c+2B@example.net" in host.heard
    wait_until(lambda: suite.queue() == [])
    assert reports(suite) == []


def test_where_the_next_host_does_not_offer_dsn_the_message_was_relayed(outbound):
    host = Host()
    suite = outbound(host)
    submit(suite, "carol@example.net", [], ["NOTIFY=SUCCESS"])
    wait_until(lambda: suite.messages("alice"))
    [(_, recipient, _)] = reports(suite)
    assert recipient["Action"] == "relayed"
    assert host.messages[0][1] == ["carol@example.net"]


def test_notify_never_keeps_a_failure_silent(outbound):
    host = Host(refuse={"carol@example.net": "550 5.1.1 no carol here"})
    suite = outbound(host)
    submit(suite, "carol@example.net", [], ["NOTIFY=NEVER"])
    wait_until(lambda: suite.log_lines("failed", "to=carol@example.net"))
    wait_until(lambda: suite.queue() == [])
    assert reports(suite) == []
    submit(suite, "carol@example.net", ["RET=FULL"], ["NOTIFY=FAILURE"])
    wait_until(lambda: suite.messages("alice"))
    [(_, recipient, octets)] = reports(suite)
    assert recipient["Action"] == "failed" and b"the text" in octets


def test_a_message_that_is_late_is_told_of_once(outbound):
    host = Odd(RCPT="450 4.7.1 greylisted")
    suite = outbound(host, "warn-after 2s")
    submit(suite, "carol@example.net")
    wait_until(lambda: suite.messages("alice"), 20)
    [(_, recipient, _)] = reports(suite)
    assert recipient["Action"] == "delayed" and recipient["Will-Retry-Until"]
    attempts = len(suite.log_lines("deferred", "to=carol@example.net"))
    wait_until(lambda: len(suite.log_lines("deferred", "to=carol@example.net")) >= attempts + 2, 20)
    assert len(reports(suite)) == 1
    host.script = Odd.USUAL
    wait_until(lambda: suite.queue() == [], 20)
    assert len(reports(suite)) == 1
