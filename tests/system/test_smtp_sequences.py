"""Several hundred SMTP dialogues, good and bad, told as data in smtp/*.txt."""

import base64
import pathlib
import re
import shutil
import socket
import ssl
import tempfile

import pytest

import sequences
from suite import PASSWORDS, SLOW, Suite

SETTINGS = """
smtp { size-limit 64K
 recipients-limit 100
 errors-limit 10
 tarpit-delay 0
 xclient-networks { 127.0.0.1/32 } }
access { disconnect helo goodbye.test
 disconnect from <> helo literal say "421 4.7.9 Not here"
 refuse from *@böse.test böse@elsewhere.test <verrufen>
 accept to alice@example.test helo *.refused.test
 refuse helo *.refused.test say "554 5.7.9 Not you"
 defer from *@slow.test
 defer helo named.test client *.dyn.test unknown not client 127.0.0.0/8 not login
 refuse from *@secure.test not tls
 refuse from *@nobob.test to bob@*
 refuse from *@refused.test service mx
 discard from *@nowhere.test }
"""
# Nothing of what is accepted for other hosts leaves this one.
ROUTES = "* smtp:[127.0.0.1]:1\n"


@pytest.fixture(scope="module")
def suite(certificate):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="petrel-"))
    directory.chmod(0o755)
    s = Suite(directory, certificate=certificate, extra=SETTINGS, domain="example.test bücher.test",
              users=("alice@example.test", "bob@example.test", "jörg@example.test", "info@bücher.test"))
    s.path("tables").mkdir(mode=0o755)
    s.path("tables/verrufen").write_text("übel@elsewhere.test\n*@*.schlimm.рф\n")
    s.start()
    s.path("tables/routes").write_text(ROUTES)
    yield s
    s.stop()
    crashed = [line for line in s.log().splitlines() if "signal=" in line]
    shutil.rmtree(directory, ignore_errors=True)
    assert not crashed, crashed


def password(name):
    return PASSWORDS.get(name, name + "'s secret")


class Client:
    def __init__(self, suite, sequence):
        self.suite = suite
        self.socket = socket.create_connection((suite.address, suite.ports[sequence.service]), 10 * SLOW)
        self.lines = None
        self.is_utf8 = False
        if sequence.service == "submissions":
            self.secure()
        else:
            self.lines = self.socket.makefile("rb")
        assert self.reply().code == "220"

    def secure(self):
        if self.lines:
            self.lines.close()
        context = ssl._create_unverified_context()
        self.socket = context.wrap_socket(self.socket, server_hostname="localhost")
        self.lines = self.socket.makefile("rb")

    def reply(self):
        """The next reply, or None at the end of the connection."""
        lines = []
        while not lines or lines[-1][3:4] == b"-":
            try:
                line = self.lines.readline()
            except (ConnectionError, ssl.SSLError):
                line = b""
            if not line:
                assert not lines, "the connection ends within a reply: %r" % lines
                return None
            lines.append(line)
        return Reply(lines)

    def say(self, octets):
        self.socket.sendall(octets)

    def ask(self, text):
        self.say(text.encode() + b"\r\n")
        return self.reply()

    def prepare(self, sequence):
        """STARTTLS and the login that stand behind the title."""
        if sequence.tls:
            assert self.ask("EHLO client.test").code == "250"
            assert self.ask("STARTTLS").code == "220"
            self.secure()
        if sequence.tls or sequence.login:
            assert self.ask("EHLO client.test").code == "250"
        if sequence.login:
            secret = "\0%s\0%s" % (sequence.login + "@example.test", password(sequence.login))
            assert self.ask("AUTH PLAIN " + base64.b64encode(secret.encode()).decode()).code == "235"

    def close(self):
        self.lines.close()
        self.socket.close()


class Reply:
    def __init__(self, lines):
        self.lines = lines
        self.code = lines[0][:3].decode("ascii", "replace")
        self.texts = [line[4:].rstrip(b"\r\n").decode(errors="replace") for line in lines]
        self.text = "\n".join(self.texts)

    def __str__(self):
        return "%s %s" % (self.code, self.text)

    def statuses(self):
        return {m[0] if m else "-" for m in (re.match(r"[245]\.\d{1,3}\.\d{1,3}(?= )", text) for text in self.texts)}

    def check_form(self, is_greeting, is_utf8):
        """What holds for every reply."""
        for line in self.lines:
            assert re.match(rb"[2-5]\d\d[ -]", line) and line.endswith(b"\r\n"), line
            assert line[:3].decode() == self.code
            assert len(line) <= 512, "RFC 5321, 4.5.3.1.5: %r" % line
            assert is_utf8 or line.isascii(), line
        if not is_greeting and self.code[0] != "3":
            classes = {status[0] for status in self.statuses()}
            assert classes == {self.code[0]}, "RFC 2034, 4: %s" % self


def check(reply, expected, where):
    if expected.code == "closed":
        assert reply is None, "%s: the connection was to end, and there came: %s" % (where, reply)
        return
    assert reply is not None, "%s: the connection ended where %s was to come" % (where, expected.code)
    if expected.code != "*":
        assert reply.code == expected.code, "%s: not %s, but: %s" % (where, expected.code, reply)
    if expected.status:
        assert reply.statuses() == {expected.status}, "%s: not %s %s, but: %s" % (where, expected.code, expected.status, reply)
    for pattern, is_wanted in expected.patterns:
        assert bool(pattern.search(reply.text)) == is_wanted, "%s: %s /%s/ in: %s" % (
            where, "no" if is_wanted else "unwanted", pattern.pattern, reply)


def take(client, step, where):
    """One step; its last reply."""
    reply, octets = None, b""
    if step.octets == "<tls>":
        client.secure()
    elif step.octets == "<end>":
        client.socket.shutdown(socket.SHUT_WR)
    else:
        octets = step.octets
        client.is_utf8 |= b"SMTPUTF8" in octets.upper()
        client.say(octets)
    for expected in step.expected:
        reply = client.reply()
        check(reply, expected, where)
        if reply:
            greets = re.search(rb"(?im)^\s*(EH|HE)LO\b", octets) or expected.status == "-"
            reply.check_form(greets, client.is_utf8)
    return reply


def end(client, last, where):
    """No reply came that was not expected; what says goodbye goes."""
    if last is None or last.code[0] == "3":
        return
    if last.code not in ("221", "421"):
        check(client.ask("QUIT"), sequences.Expected("221", "2.0.0"), where + ", and then QUIT")
    check(client.reply(), sequences.Expected("closed"), where + ", and then")


@pytest.mark.parametrize("sequence", [pytest.param(s, id=s.name) for s in sequences.read_all()])
def test_sequence(suite, sequence):
    client = Client(suite, sequence)
    last = None
    try:
        client.prepare(sequence)
        for step in sequence.steps:
            where = "%s.txt:%d" % (sequence.topic, step.line)
            last = take(client, step, where)
        end(client, last, where)
    finally:
        client.close()
