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

    def make(host, extra="", name="127.0.0.1", **how):
        closing.append(host)
        return make_suite(extra="relay %s:%d\nqueue { retry-first 1s\n retry-longest 2s }\n%s" % (name, host.port, extra), **how)

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


# --- REQUIRETLS ------------------------------------------------------------------------------


@pytest.fixture
def trusted(certificate, monkeypatch):
    """The host's certificate, which the suite is to trust as the system would."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate[0]))
    return certificate


def bounce(suite):
    return wait_until(lambda: suite.messages("alice"), 30)[0]


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_message_that_requires_tls_goes_to_a_verified_host_that_promises_the_same(outbound, trusted, name):
    host = Host(certificate=trusted, promises=True)
    suite = outbound(host, "delivery.tls off\n", name=name)
    send(suite, ["carol@example.net"], ["REQUIRETLS"])
    wait_until(lambda: host.messages)
    assert host.messages[0][3], "under TLS, although the setting is off"
    assert host.keeper.mails[0].split(" ")[-1] == "REQUIRETLS"
    wait_until(lambda: suite.queue() == [])


def test_it_comes_back_where_no_host_promises(outbound, trusted):
    host = Host(certificate=trusted)
    suite = outbound(host)
    send(suite, ["carol@example.net"], ["REQUIRETLS", "RET=FULL"], b"Subject: x\r\n\r\nsecret text\r\n")
    report = bounce(suite)
    assert b"\nStatus: 5.7.30\n" in report and b"REQUIRETLS" in report
    assert b"secret text" not in report, "the header alone is returned"
    assert host.messages == []
    wait_until(lambda: suite.log_lines("bounced"))


def test_it_comes_back_where_there_is_no_tls(outbound, trusted):
    host = Host(promises=True)
    suite = outbound(host)
    send(suite, ["carol@example.net"], ["REQUIRETLS"])
    assert b"\nStatus: 5.7.10\n" in bounce(suite)
    assert host.messages == []


def test_it_waits_where_the_certificate_is_not_good(outbound, certificate):
    host = Host(certificate=certificate, promises=True)
    suite = outbound(host)
    send(suite, ["carol@example.net"], ["REQUIRETLS"])
    [entry] = wait_until(lambda: [e for e in suite.queue() if e["state"] == "deferred"])
    assert "TLS handshake failed" in entry["recipients"][0]["reason"]
    assert entry["require_tls"] is True
    assert "\nTLS: required\n" in suite.petrel("queue", "show", entry["id"]).stdout
    assert host.messages == []
    # Other mail to that host does not suffer.
    send(suite, ["dave@example.net"])
    wait_until(lambda: host.messages)
    assert host.messages[0][1] == ["dave@example.net"]


def test_it_does_not_go_over_a_connection_that_was_made_for_another_message(outbound, trusted):
    host = Host(certificate=trusted, promises=True)
    suite = outbound(host, "delivery.idle-connection 30s\n", name="localhost")
    send(suite, ["dave@example.net"])
    wait_until(lambda: len(host.messages) == 1)
    send(suite, ["carol@example.net"], ["REQUIRETLS"])
    wait_until(lambda: len(host.messages) == 2)
    # The first session's host was not verified: it is in a second one.
    assert host.messages[1][3]
    assert [m.split(" ")[-1] == "REQUIRETLS" for m in host.keeper.mails] == [False, True]
    assert host.keeper.sessions == 2


def test_where_the_setting_asks_for_certificates_only_good_ones_will_do(outbound, certificate):
    host = Host(certificate=certificate)
    suite = outbound(host, "delivery.tls verified\n")
    send(suite, ["carol@example.net"])
    wait_until(lambda: [e for e in suite.queue() if e["state"] == "deferred"])
    assert host.messages == []
    # A message may waive it.
    send(suite, ["dave@example.net"], text=b"TLS-Required: No\r\nSubject: x\r\n\r\nx\r\n")
    wait_until(lambda: host.messages)
    assert host.messages[0][1] == ["dave@example.net"]


def test_where_the_setting_asks_for_certificates_good_ones_do(outbound, trusted):
    host = Host(certificate=trusted)
    suite = outbound(host, "delivery.tls verified\n", name="localhost")
    send(suite, ["carol@example.net"])
    wait_until(lambda: host.messages)


def test_where_the_setting_allows_no_waiver_there_is_none(outbound):
    host = Host()
    suite = outbound(host, "delivery.tls required\ndelivery.tls-waiver no\n")
    send(suite, ["carol@example.net"], text=b"TLS-Required: No\r\nSubject: x\r\n\r\nx\r\n")
    [entry] = wait_until(lambda: [e for e in suite.queue() if e["state"] == "deferred"])
    assert entry["require_tls"] is False
    assert host.messages == []


# --- LIMITS ----------------------------------------------------------------------------------


def test_a_hosts_limits_are_kept(outbound):
    host = Odd(EHLO="250-odd.example\r\n250-PIPELINING\r\n250 LIMITS RCPTMAX=2 MAILMAX=2 RCPTDOMAINMAX=1")
    suite = outbound(host, "queue.site-concurrency 1\n")
    send(suite, ["u%d@example.net" % i for i in range(5)] + ["v%d@example.org" % i for i in range(3)])
    wait_until(lambda: suite.queue() == [], 30)
    sessions = []
    for line in host.heard:
        verb = line.split(" ")[0].split(":")[0]
        if verb == "EHLO":
            sessions.append([])
        elif verb == "MAIL":
            sessions[-1].append([])
        elif verb == "RCPT":
            sessions[-1][-1].append(line.partition("<")[2].partition(">")[0])
    assert all(len(s) <= 2 for s in sessions), sessions
    assert all(len(m) <= 2 and len({a.partition("@")[2] for a in m}) == 1 for s in sessions for m in s), sessions
    told = sorted(a for s in sessions for m in s for a in m)
    assert told == sorted(["u%d@example.net" % i for i in range(5)] + ["v%d@example.org" % i for i in range(3)])
    assert len(host.messages) == 5
