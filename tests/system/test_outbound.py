"""Mail for other hosts, and what other hosts do to it."""

import smtplib
import socket
import ssl
import threading
import time

import pytest

from hosts import Host, Odd
from suite import PASSWORDS, wait_until


@pytest.fixture
def outbound(make_suite):
    """Start a suite that sends all its mail to this host; the host is closed at the end."""
    closing = []

    def make(host, extra="", **how):
        closing.append(host)
        return make_suite(extra="relay 127.0.0.1:%d\nqueue { retry-first 1s\n retry-longest 2s }\n%s" % (host.port, extra), **how)

    yield make
    for host in closing:
        host.close()


def send(suite, recipients, content=b"Subject: hello\r\n\r\none\r\n", options=()):
    with smtplib.SMTP(suite.address, suite.ports["submission"]) as client:
        context = ssl._create_unverified_context()
        client.starttls(context=context)
        client.login("alice@example.test", PASSWORDS["alice"])
        client.sendmail("alice@example.test", recipients, content, mail_options=options)


def is_deferred(suite):
    return [e for e in suite.queue() if e["state"] == "deferred"]


def test_a_message_goes_out_under_tls_byte_for_byte(outbound, certificate):
    host = Host(certificate=certificate)
    suite = outbound(host)
    body = b"Subject: dots\r\n\r\n.\r\n..\r\n.three\r\n\r\nend.\r\n"
    send(suite, ["carol@example.net", "dave@example.net"], body)
    wait_until(lambda: host.messages)
    sender, recipients, content, is_secured = host.messages[0]
    assert sender == "alice@example.test"
    assert recipients == ["carol@example.net", "dave@example.net"]
    assert is_secured
    assert content.endswith(body), content
    assert content.startswith(b"Received: ")
    wait_until(lambda: suite.queue() == [])
    wait_until(lambda: suite.log_lines("delivered", "to=carol@example.net", "tls=\"TLSv1.3 "))


class Wire:
    """A host that takes one message and keeps every octet of it as it came."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.content = None
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            s = self.listener.accept()[0]
        except OSError:
            return
        s.sendall(b"220 wire\r\n")
        lines = s.makefile("rb")
        for line in lines:
            if line.startswith(b"DATA"):
                s.sendall(b"354 go on\r\n")
                content = b""
                while not content.endswith(b"\r\n.\r\n"):
                    content += lines.readline()
                self.content = content
            s.sendall(b"250 ok\r\n")

    def close(self):
        self.listener.close()


def test_no_line_end_but_crlf_leaves_and_no_dot_alone_but_the_last(outbound):
    host = Wire()
    suite = outbound(host)
    odd = b"".join(a + dots + b + b"x" for a in (b"\n", b"\r", b"\r\n", b"\n\r") for dots in (b".", b"..") for b in (b"\n", b"\r", b"\r\r\n", b"\n\r"))
    long = b"y" * 20000
    with socket.create_connection(("127.0.0.1", suite.ports["mx"]), 10) as s:
        s.sendall(b"EHLO x\r\nMAIL FROM:<a@elsewhere.test>\r\nRCPT TO:<carol@example.net>\r\nDATA\r\n")
        time.sleep(0.2)
        s.sendall(b"Subject: odd\r\n\r\n" + odd + b"\r\n" + long + b"\r\n.\r\nQUIT\r\n")
        assert b"queued" in s.makefile("rb").read()
    wait_until(lambda: host.content)
    rest = host.content.replace(b"\r\n", b"")
    assert b"\r" not in rest and b"\n" not in rest
    lines = host.content.split(b"\r\n")
    assert [line for line in lines if line == b"."] == [b"."] and lines[-2:] == [b".", b""]
    assert all(line.startswith(b"..") for line in lines[:-2] if line.startswith(b"."))
    assert long in lines, "a long line is sent as it is"


def test_a_recipient_that_is_refused_bounces_and_the_others_get_the_message(outbound):
    host = Host(refuse={"carol@example.net": "550 5.1.1 no carol here"})
    suite = outbound(host)
    send(suite, ["carol@example.net", "dave@example.net"])
    wait_until(lambda: host.messages)
    assert host.messages[0][1] == ["dave@example.net"]
    wait_until(lambda: suite.messages("alice"))
    assert b"550 5.1.1 no carol here" in suite.messages("alice")[0]


def test_a_large_message_arrives_whole(outbound):
    host = Host()
    suite = outbound(host)
    body = b"Subject: large\r\n\r\n" + b"".join(b"%060d\r\n" % i for i in range(300000))
    send(suite, ["carol@example.net"], body)
    wait_until(lambda: host.messages, 60)
    assert host.messages[0][2].endswith(body)


def test_many_messages_share_connections(outbound):
    host = Odd()
    suite = outbound(host, "queue.site-concurrency 3\n")
    for _ in range(40):
        send(suite, ["carol@example.net"])
    wait_until(lambda: len(host.messages) == 40, 30)
    assert host.connections <= 3


def test_eight_bit_content_is_returned_by_a_host_that_does_not_take_it(outbound):
    host = Odd()
    suite = outbound(host)
    send(suite, ["carol@example.net"], "Subject: x\r\n\r\n\u00e9\r\n".encode(), ["BODY=8BITMIME"])
    wait_until(lambda: suite.messages("alice"))
    assert b"5.6.3" in suite.messages("alice")[0]
    send(suite, ["carol@example.net"], b"Subject: x\r\n\r\nseven\r\n", ["BODY=8BITMIME"])
    wait_until(lambda: len(host.messages) == 1)
    assert b"seven" in host.messages[0], "declared and not so: it goes"


@pytest.mark.parametrize("script", [
    dict(greeting="554 5.7.1 go away!"),
    dict(greeting="421 4.3.2 busy!"),
    dict(greeting="hello there"),
    dict(greeting="\x00\x01\x02\xff"),
    dict(greeting="220-" + "x" * 100000),
    dict(greeting="\r\n".join(["220-and"] * 1000)),
    dict(EHLO="421 4.3.2 busy!"),
    dict(EHLO="502 no", HELO="502 no"),
    dict(MAIL="451 4.7.1 later"),
    dict(MAIL="250 ok!"),
    dict(RCPT="450 4.7.1 greylisted"),
    dict(RCPT="421 4.3.2 busy!"),
    dict(RCPT="250 ok\r\n250 ok"),
    dict(DATA="451 4.3.0 later"),
    dict(DATA="250 ok"),
    dict(DATA="354 go!"),
    dict(DATA="354 go\r\n250 2.0.0 queued!"),
    dict(end="451 4.3.0 later"),
    dict(end="354 more"),
    dict(end="queued"),
    dict(end="2"),
    dict(end="250-ok\r\n550 no"),
    dict(end="250-ok!"),
], ids=lambda s: "-".join("%s_%s" % i for i in s.items())[:40])
def test_whatever_a_host_says_the_message_is_kept_until_it_is_taken(outbound, script):
    host = Odd(**script)
    suite = outbound(host)
    send(suite, ["carol@example.net"])
    wait_until(lambda: is_deferred(suite), 20)
    assert not suite.log_lines("delivered", "carol@example.net")
    host.script = Odd.USUAL
    kept = len(host.messages)
    wait_until(lambda: suite.log_lines("delivered", "carol@example.net"), 30)
    assert len(host.messages) > kept
    wait_until(lambda: suite.queue() == [])


def test_a_host_that_falls_silent_is_given_up_after_the_time_set(outbound):
    host = Odd(end=None)
    suite = outbound(host, "delivery.data-timeout 1s\n")
    send(suite, ["carol@example.net"])
    wait_until(lambda: is_deferred(suite))
    [entry] = suite.queue()
    assert "time-out" in entry["recipients"][0]["reason"]


def test_control_characters_of_a_host_reach_no_log_and_no_report(outbound):
    host = Odd(RCPT="550 5.1.1 \x1b[31mred\x07\x00 \xe9")
    suite = outbound(host)
    send(suite, ["carol@example.net"])
    wait_until(lambda: suite.messages("alice"))
    report = suite.messages("alice")[0]
    assert b"\x1b" not in report and b"\x07" not in report and b"\x00" not in report
    assert "\x1b" not in suite.log() and "\x07" not in suite.log()


def test_an_orderly_stop_does_not_lose_what_is_on_its_way(outbound):
    host = Odd(end=None)
    suite = outbound(host)
    send(suite, ["carol@example.net"])
    wait_until(lambda: host.messages)
    suite.stop()
    host.script = Odd.USUAL
    suite.start()
    wait_until(lambda: suite.log_lines("delivered", "carol@example.net"), 30)
