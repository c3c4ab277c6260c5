"""What a sender may want of a message's way: that it leave later, before others, or over TLS and no other way."""

import datetime
import os
import re
import signal
import smtplib
import time

import pytest

from hosts import Host, Odd
from suite import PASSWORDS, SLOW, wait_until


def send(suite, recipients, options=(), text=b"Subject: x\r\n\r\nx\r\n"):
    with smtplib.SMTP_SSL("localhost", suite.ports["submissions"], context=suite.tls_context()) as client:
        client.login("alice@example.test", PASSWORDS["alice"])
        client.sendmail("alice@example.test", recipients, text, mail_options=options)


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


# --- FUTURERELEASE ------------------------------------------------------------------------


def test_a_message_leaves_when_its_sender_wants_also_over_the_death_of_the_queue(suite):
    until = time.time() + 6 * SLOW
    text = datetime.datetime.fromtimestamp(until, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    send(suite, ["bob@example.test"], ["HOLDUNTIL=" + text])
    [entry] = suite.queue()
    assert abs(entry["not_before"] - until) < 2
    wait_until(lambda: suite.queue()[0]["state"] == "scheduled")
    assert "not before" in suite.petrel("queue", "list").stdout
    assert "Not-Before: " in suite.petrel("queue", "show", entry["id"]).stdout
    suite.petrel("queue", "flush", "--all")
    os.kill(suite.pid_of("qmgr"), signal.SIGKILL)
    wait_until(lambda: suite.log_lines("recovered"))
    time.sleep(1)
    assert not suite.messages("bob")
    wait_until(lambda: suite.messages("bob"), 30)
    assert time.time() >= int(until)
    wait_until(lambda: suite.queue() == [])


def test_the_report_of_a_failure_says_what_was_asked_for(outbound):
    host = Host(refuse={"carol@example.net": "550 5.1.1 no carol here"})
    suite = outbound(host)
    send(suite, ["carol@example.net"], ["HOLDFOR=2"])
    time.sleep(1)
    assert not suite.messages("alice")
    report = wait_until(lambda: suite.messages("alice"))[0]
    assert re.search(rb"\nFuture-Release-Request: until;\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ\n", report), report


def test_what_waits_can_be_deleted(suite):
    send(suite, ["bob@example.test"], ["HOLDFOR=3600"])
    [entry] = suite.queue()
    suite.petrel("queue", "delete", entry["id"])
    wait_until(lambda: suite.queue() == [])
    assert not suite.messages("bob")


# --- MT-PRIORITY ---------------------------------------------------------------------------


def test_what_is_urgent_overtakes_what_waits(outbound):
    """One connection at a time, and a host that takes its time: what comes later and is more urgent goes first."""
    host = Odd(EHLO="250-odd.example\r\n250-PIPELINING\r\n250 MT-PRIORITY MIXER")
    usual = host.script["."]
    host.script["."] = lambda: (time.sleep(0.3), usual)[1]
    suite = outbound(host, "queue.site-concurrency 1\n")
    for i in range(8):
        send(suite, ["carol@example.net"], ["MT-PRIORITY=-4"], b"Subject: low %d\r\n\r\nx\r\n" % i)
    for i in range(3):
        send(suite, ["carol@example.net"], ["MT-PRIORITY=4"], b"Subject: high %d\r\n\r\nx\r\n" % i)
    wait_until(lambda: len(host.messages) == 11, 60)
    order = [re.search(rb"Subject: (\w+)", m).group(1) for m in host.messages]
    last_high = max(i for i, word in enumerate(order) if word == b"high")
    assert order[last_high:].count(b"low") >= 2, order
    mails = [line for line in host.heard if line.startswith("MAIL")]
    assert mails.count("MAIL FROM:<alice@example.test> MT-PRIORITY=-4") == 8, mails
    assert mails.count("MAIL FROM:<alice@example.test> MT-PRIORITY=4") == 3, mails
    assert all(b" PRIORITY " in m.partition(b"\r\n\r\n")[0] for m in host.messages)


def test_a_host_that_knows_no_priorities_is_told_none(outbound):
    host = Odd()
    suite = outbound(host)
    send(suite, ["carol@example.net"], ["MT-PRIORITY=4"])
    wait_until(lambda: host.messages)
    assert "MAIL FROM:<alice@example.test>" in host.heard


def test_the_queue_shows_the_priority(outbound):
    host = Odd(MAIL="451 4.3.0 later")
    suite = outbound(host)
    send(suite, ["carol@example.net"], ["MT-PRIORITY=9"])
    [entry] = suite.queue()
    assert entry["priority"] == 4, "lowered to submission.priority-limit"
    assert "priority 4" in suite.petrel("queue", "list").stdout
    assert "\nPriority: 4\n" in suite.petrel("queue", "show", entry["id"]).stdout
