"""SMTP's extensions, from a client's first word to the mailbox or the next host."""

import smtplib
import socket

import pytest

from suite import wait_until


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
