"""Where a message ends, and what cannot be made to look like its end (CVE-2023-51764 to 51766): every neighbour of the
end mark, in one write and octet by octet, by DATA and by BDAT; and lines that nobody may add to a header."""

import itertools
import pathlib
import shutil
import socket
import tempfile

import pytest

from suite import SLOW, Suite, wait_until

ENDS = [b"\r\n", b"\n", b"\r", b"\n\r", b"\r\r\n", b"\r\n\r", b"\0\r\n", b"\r\0\n", b"\r\n\0", b"\x0b\r\n", b" \r\n", b"\xc2\x85", b""]
END_MARK = b"\r\n.\r\n"
SMUGGLED = b"MAIL FROM:<smuggled@elsewhere.test>\r\nRCPT TO:<alice@example.test>\r\nDATA\r\nSubject: smuggled\r\n\r\nx"
LOOKALIKES = [a + dots + b for a, dots, b in itertools.product(ENDS, [b".", b"..", b".\0"], ENDS)
              if END_MARK not in b"x" + a + dots + b + b"MAIL"]


@pytest.fixture(scope="module", params=["normalize", "refuse"])
def suite(certificate, request):
    directory = pathlib.Path(tempfile.mkdtemp(prefix="petrel-"))
    directory.chmod(0o755)
    s = Suite(directory, certificate=certificate, extra="smtp { bare-line-ends %s\n errors-limit 10000 }\n" % request.param)
    s.refuses = request.param == "refuse"
    s.start()
    yield s
    s.stop()
    crashed = [line for line in s.log().splitlines() if "signal=" in line]
    shutil.rmtree(directory, ignore_errors=True)
    assert not crashed, crashed


class Client:
    def __init__(self, suite):
        self.socket = socket.create_connection((suite.address, suite.ports["mx"]), 10 * SLOW)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.lines = self.socket.makefile("rb")
        self.reply()

    def reply(self):
        while True:
            line = self.lines.readline()
            if line[3:4] != b"-":
                return line

    def say(self, octets, one_by_one=False):
        for piece in ([octets[i:i + 1] for i in range(len(octets))] if one_by_one else [octets]):
            self.socket.sendall(piece)

    def begin(self):
        self.say(b"MAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<bob@example.test>\r\n")
        assert self.reply()[:3] + self.reply()[:3] == b"250250"


def is_bare(octets):
    rest = octets.replace(b"\r\n", b"")
    return b"\r" in rest or b"\n" in rest


@pytest.mark.parametrize("one_by_one", [False, True], ids=["in_one_write", "octet_by_octet"])
def test_nothing_but_crlf_dot_crlf_ends_a_message(suite, one_by_one):
    client, accepted, before = Client(suite), 0, len(suite.messages("bob"))
    client.say(b"EHLO x\r\n")
    client.reply()
    for lookalike in LOOKALIKES:
        content = b"Subject: honest\r\n\r\nx" + lookalike + SMUGGLED
        client.begin()
        client.say(b"DATA\r\n")
        assert client.reply().startswith(b"354")
        client.say(content + END_MARK + b"VRFY end\r\n", one_by_one)
        told = client.reply()
        if b"\0" in content or (suite.refuses and is_bare(content)):
            assert told.startswith(b"550 5.6.0 "), lookalike
        else:
            assert told.startswith(b"250 2.0.0 Ok: queued"), lookalike
            accepted += 1
        assert client.reply().startswith(b"252 "), "%r ended the message" % lookalike
    wait_until(lambda: len(suite.messages("bob")) == before + accepted)
    assert not suite.messages("alice")
    for message in suite.messages("bob"):
        assert b"\r" not in message and b"\0" not in message
        assert b"\nSubject: honest\n" in message.partition(b"\n\n")[0] + b"\n"
    assert accepted > 0


def test_in_a_chunk_only_its_size_ends_it(suite):
    client, accepted, before = Client(suite), 0, len(suite.messages("bob"))
    client.say(b"EHLO x\r\n")
    client.reply()
    for lookalike in LOOKALIKES + [END_MARK]:
        content = b"Subject: honest\r\n\r\nx" + lookalike + SMUGGLED
        bad = b"\0" in content or (suite.refuses and is_bare(content))
        client.begin()
        client.say(b"BDAT %d LAST\r\n" % len(content) + content + b"VRFY end\r\n")
        assert client.reply().startswith(b"550 5.6.0 " if bad else b"250 2.0.0 Ok: queued"), lookalike
        assert client.reply().startswith(b"252 ")
        accepted += not bad
    wait_until(lambda: len(suite.messages("bob")) == before + accepted)
    assert not suite.messages("alice")


# What clients say of themselves and of addresses, and what would be a line of its own if it were believed.
ODD = [
    b"EHLO x\tX-Injected:y",
    b"EHLO x;X-Injected:y",
    b"EHLO x)X-Injected:y",
    b"EHLO \xff\xfe\xc2\x85X-Injected:y",
    b"EHLO " + b"x" * 255,
    b"EHLO x\r X-Injected:y",
    b"EHLO x\nX-Injected:y",
    b"EHLO x\0X-Injected:y",
]
PARAMETERS = [
    (b"ENVID=a+0D+0AX-Injected:+20y", b""),
    (b"ENVID=a+0AX-Injected:+20y", b""),
    (b"AUTH=a+0D+0AX-Injected:+20y", b""),
    (b"AUTH=a+0D+0AX-Injected:+20y@x.test", b""),
    (b"", b"ORCPT=rfc822;a+0D+0AX-Injected:+20y"),
    (b"", b"ORCPT=rfc822+0AX-Injected:;a"),
    (b"", b"ORCPT=rfc822;+C2+85X-Injected:y"),
    (b"SIZE=1+0D+0AX-Injected:y", b""),
]


@pytest.mark.parametrize("odd", ODD)
def test_no_greeting_adds_a_line_to_a_header(suite, odd):
    before = len(suite.messages("bob"))
    client = Client(suite)
    client.say(b"EHLO good\r\n")
    client.reply()
    client.say(odd + b"\r\nNOOP\r\n")
    client.reply()
    client.say(b"RSET\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<bob@example.test>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\nQUIT\r\n")
    told = client.lines.read()
    assert b"queued" in told, told
    wait_until(lambda: len(suite.messages("bob")) == before + 1)
    for message in suite.messages("bob"):
        assert not [line for line in message.split(b"\n") if line.startswith(b"X-Injected")]
        assert b"\xc2\x85" not in message.partition(b"\n\n")[0]
    assert "\nX-Injected" not in suite.log() and "\x85" not in suite.log()


@pytest.mark.parametrize("mail, rcpt", PARAMETERS)
def test_no_parameter_with_a_line_in_it_is_taken(suite, mail, rcpt):
    client = Client(suite)
    client.say(b"EHLO x\r\nMAIL FROM:<a@elsewhere.test> %s\r\nRCPT TO:<bob@example.test> %s\r\nQUIT\r\n" % (mail, rcpt))
    client.reply()
    told = client.lines.read().splitlines()
    assert told[0 if mail else 1].startswith(b"501 5.5.4 "), told
