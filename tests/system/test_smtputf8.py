"""Addresses in every script, from a client's first word to the mailbox or the next host (RFC 6531, RFC 6533)."""

import email
import email.policy
import imaplib
import os
import poplib
import signal
import smtplib
import socket

import pytest

from hosts import Host, Odd
from postfix import Postfix
from suite import wait_until

IVAN = "иван@почта.рф"
JOERG = "jörg@example.test"
CONTENT = "From: Jörg <jörg@example.test>\r\nTo: Иван <иван@почта.рф>\r\nSubject: Größe\r\n\r\nПривет\r\n".encode()
DOMAINS = "example.test bücher.test"
USERS = ("alice", JOERG, "info@bücher.test")


@pytest.fixture
def utf8(make_suite):
    return make_suite(domain=DOMAINS, users=("alice@example.test", *USERS[1:]))


@pytest.fixture
def outbound(make_suite):
    closing = []

    def make(host):
        closing.append(host)
        return make_suite(domain=DOMAINS, users=("alice@example.test", *USERS[1:]),
                          extra="relay 127.0.0.1:%d\nqueue { retry-first 1s\n retry-longest 1s }\n" % host.port)

    yield make
    for host in closing:
        host.close()


def mailbox(suite, path):
    new = suite.path("mail") / path / "Maildir/new"
    return [f.read_bytes() for f in new.iterdir()] if new.is_dir() else []


JOERGS = "example.test/j%c3%b6rg"


def send(suite, sender, recipients, content=CONTENT, options=("SMTPUTF8", "BODY=8BITMIME"), port="mx"):
    with smtplib.SMTP("127.0.0.1", suite.ports[port]) as c:
        c.command_encoding = "utf-8"
        c.ehlo()
        assert c.has_extn("smtputf8")
        assert c.sendmail(sender, recipients, content, options) == {}


def able(**script):
    return Odd(EHLO="250-odd.example\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-DSN\r\n250 SMTPUTF8", **script)


def heard(host, verb):
    """The commands as the UTF-8 that they were."""
    return [line.encode("latin-1").decode() for line in host.heard if line.startswith(verb)]


def report(octets):
    message = email.message_from_bytes(octets, policy=email.policy.SMTPUTF8)
    assert message.get_content_type() == "multipart/report"
    return message.get_payload()


# --- to mailboxes -------------------------------------------------------------------------


def test_a_message_reaches_a_mailbox_whose_name_is_not_ascii(utf8):
    send(utf8, IVAN, ["JÖRG+liste@example.test", "info@BÜCHER.test"])
    wait_until(lambda: mailbox(utf8, JOERGS) and mailbox(utf8, "xn--bcher-kva.test/info"))
    [message] = mailbox(utf8, JOERGS)
    assert message.startswith("Return-Path: <иван@xn--80a1acny.xn--p1ai>\n".encode())
    assert b"with UTF8SMTP " in message
    assert message.endswith(CONTENT.replace(b"\r\n", b"\n"))


def test_a_message_that_was_not_said_to_be_so_is_not_called_so(utf8):
    send(utf8, "a@elsewhere.test", ["info@xn--bcher-kva.test"], options=())
    wait_until(lambda: mailbox(utf8, "xn--bcher-kva.test/info"))
    assert b"with ESMTP " in mailbox(utf8, "xn--bcher-kva.test/info")[0]


def test_its_owner_reads_it_by_imap_and_pop3(utf8):
    send(utf8, IVAN, [JOERG])
    wait_until(lambda: mailbox(utf8, JOERGS))
    imap = imaplib.IMAP4_SSL("localhost", utf8.ports["imaps"], ssl_context=utf8.tls_context())
    imap._encoding = "utf-8"
    answer = imap.authenticate("PLAIN", lambda _: ("\0%s\0%s" % (JOERG, "jörg's secret")).encode())
    assert answer[0] == "OK"
    assert imap.select()[1] == [b"1"]
    assert imap.fetch("1", "(RFC822)")[1][0][1].endswith(CONTENT)
    imap.logout()
    pop3 = poplib.POP3_SSL("localhost", utf8.ports["pop3s"], context=utf8.tls_context())
    pop3.encoding = "UTF-8"
    pop3.user("JÖRG@example.test")
    pop3.pass_("jörg's secret")
    assert pop3.stat()[0] == 1
    pop3.quit()


def test_an_account_is_one_however_it_is_spelled(utf8):
    decomposed = "jo\u0308rg@example.test"
    assert "exists already" in utf8.petrel("user", "add", decomposed, input="x\n", check=False).stderr
    assert "exists already" in utf8.petrel("user", "add", "INFO@xn--bcher-kva.test", input="x\n", check=False).stderr
    assert {"jörg@example.test", "info@xn--bcher-kva.test"} <= {u["account"] for u in utf8.petrel_json("user", "list")}
    utf8.petrel("user", "passwd", decomposed, input="another\n")
    with smtplib.SMTP_SSL("localhost", utf8.ports["submissions"], context=utf8.tls_context()) as c:
        c.ehlo()
        c.user, c.password = JOERG, "another"
        assert c.docmd("AUTH", "PLAIN " + smtplib.encode_base64(("\0%s\0another" % JOERG).encode(), eol=""))[0] == 235
    utf8.petrel("user", "delete", "JÖRG@example.test")
    assert "jörg@example.test" not in [u["account"] for u in utf8.petrel_json("user", "list")]


def test_aliases_are_written_in_any_script(utf8):
    utf8.path("tables/aliases").write_text("büro: jörg\nпочта@bücher.test: info@bücher.test, JÖRG@example.test\n")
    wait_until(lambda: utf8.petrel("reload", check=False).returncode == 0)
    send(utf8, IVAN, ["BÜRO@example.test", "почта@xn--bcher-kva.test"])
    wait_until(lambda: mailbox(utf8, JOERGS) and mailbox(utf8, "xn--bcher-kva.test/info"))
    wait_until(lambda: utf8.queue() == [])
    assert utf8.petrel("table", "query", "aliases", "BÜRO").stdout.strip().endswith("jörg")


def test_sendmail_says_smtputf8_where_an_address_needs_it(utf8):
    utf8.command("sendmail", "-f", JOERG, "jörg", "info@bücher.test", input="Subject: Größe\n\nhello\n")
    wait_until(lambda: mailbox(utf8, JOERGS) and mailbox(utf8, "xn--bcher-kva.test/info"))
    [message] = mailbox(utf8, JOERGS)
    assert "Return-Path: <jörg@example.test>".encode() in message
    utf8.command("sendmail", "-f", "alice@example.test", "info@bücher.test", input="Subject: Größe\n\nhello\n")
    wait_until(lambda: len(mailbox(utf8, "xn--bcher-kva.test/info")) == 2)


def test_sendmail_leaves_such_a_message_for_later_too(utf8):
    utf8.stop()
    utf8.command("sendmail", "-f", JOERG, "jörg@example.test", input="Subject: later\n\nhello\n")
    utf8.start()
    wait_until(lambda: mailbox(utf8, JOERGS))


def test_a_domain_that_idna_does_not_know_is_found_by_the_check(make_suite):
    suite = make_suite(domain="example.test bücher.test ℀.test", start=False)
    done = suite.petrel("check", check=False)
    assert done.returncode != 0
    assert 'domains: "℀.test" is no domain name' in done.stdout + done.stderr
    assert "bücher" not in done.stdout + done.stderr


# --- to other hosts --------------------------------------------------------------------------


def test_a_host_that_offers_smtputf8_gets_everything(outbound):
    host = able()
    suite = outbound(host)
    send(suite, JOERG, [IVAN])
    wait_until(lambda: host.messages)
    assert [line for line in heard(host, "MAIL") if line.startswith("MAIL FROM:<jörg@example.test>") and line.endswith(" SMTPUTF8")]
    assert heard(host, "RCPT") == ["RCPT TO:<иван@xn--80a1acny.xn--p1ai>"]
    assert host.messages[0].endswith(CONTENT)
    wait_until(lambda: suite.queue() == [])


def test_a_host_without_it_gets_what_is_ascii_but_for_the_domain(outbound):
    host = Odd(EHLO="250-odd.example\r\n250 8BITMIME")
    suite = outbound(host)
    send(suite, "alice@example.test", ["carol@почта.рф"], b"Subject: plain\r\n\r\nhello\r\n")
    wait_until(lambda: host.messages)
    assert heard(host, "RCPT") == ["RCPT TO:<carol@xn--80a1acny.xn--p1ai>"]
    assert not [line for line in heard(host, "MAIL") if "SMTPUTF8" in line]


@pytest.mark.parametrize("sender, recipient, content", [
    ("alice@example.test", IVAN, b"Subject: plain\r\n\r\nhello\r\n"),
    (JOERG, "carol@elsewhere.test", b"Subject: plain\r\n\r\nhello\r\n"),
    ("alice@example.test", "carol@elsewhere.test", CONTENT),
])
def test_a_host_without_it_gets_nothing_else_and_the_sender_is_told(outbound, sender, recipient, content):
    host = Odd(EHLO="250-odd.example\r\n250 8BITMIME")
    suite = outbound(host)
    send(suite, sender, [recipient], content)
    path = JOERGS if sender == JOERG else "example.test/alice"
    wait_until(lambda: mailbox(suite, path))
    assert host.messages == []
    [octets] = mailbox(suite, path)
    text, status, original = report(octets)
    assert b"5.6.7" in octets
    if (sender, recipient, content) != ("alice@example.test", "carol@elsewhere.test", CONTENT):
        assert "To: " in octets.decode()
    assert status.get_content_type() == "message/global-delivery-status"
    assert original.get_content_type() == "message/global-headers"
    recipient = recipient.replace("почта.рф", "xn--80a1acny.xn--p1ai")
    kind = "rfc822" if recipient.isascii() else "utf-8"
    assert "Final-Recipient: %s; %s\n" % (kind, recipient) in octets.decode()


def test_the_same_message_goes_to_those_who_can_have_it(outbound):
    """One recipient's address needs SMTPUTF8, another's does not; the host takes no such thing."""
    host = Odd(EHLO="250-odd.example\r\n250 8BITMIME")
    suite = outbound(host)
    send(suite, "alice@example.test", [IVAN, "carol@elsewhere.test"], b"Subject: plain\r\n\r\nhello\r\n")
    wait_until(lambda: host.messages)
    assert heard(host, "RCPT") == ["RCPT TO:<carol@elsewhere.test>"]
    wait_until(lambda: mailbox(suite, "example.test/alice"))
    assert "Final-Recipient: utf-8; иван@xn--80a1acny.xn--p1ai" in mailbox(suite, "example.test/alice")[0].decode()


def test_an_alias_may_lead_from_ascii_to_another_script(outbound):
    host = able()
    suite = outbound(host)
    suite.path("tables/aliases").write_text("ivan: %s\n" % IVAN)
    wait_until(lambda: suite.petrel("reload", check=False).returncode == 0)
    send(suite, "a@elsewhere.test", ["ivan@example.test"], b"Subject: plain\r\n\r\nhello\r\n", options=())
    wait_until(lambda: host.messages)
    assert heard(host, "MAIL")[0].endswith(" SMTPUTF8")
    assert heard(host, "RCPT") == ["RCPT TO:<иван@xn--80a1acny.xn--p1ai>"]


def test_orcpt_of_type_utf8_is_handed_on_in_seven_bits(outbound):
    host = able()
    suite = outbound(host)
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
        c.command_encoding = "utf-8"
        c.ehlo()
        c.sendmail("a@elsewhere.test", ["carol@elsewhere.test"], CONTENT, ["SMTPUTF8", "BODY=8BITMIME"], ["ORCPT=utf-8;jörg\\x{2B}x@example.test"])
    wait_until(lambda: host.messages)
    assert "ORCPT=utf-8;j\\x{F6}rg\\x{2B}x@example.test" in heard(host, "RCPT")[0]


def test_orcpt_as_postfix_writes_it_is_understood(outbound):
    host = able()
    suite = outbound(host)
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
        c.ehlo()
        c.sendmail("a@elsewhere.test", ["carol@elsewhere.test"], CONTENT, ["SMTPUTF8", "BODY=8BITMIME"], ["ORCPT=rfc822;j+C3+B6rg@example.test"])
    wait_until(lambda: host.messages)
    assert heard(host, "RCPT")[0].endswith(" ORCPT=utf-8;j\\x{F6}rg@example.test")


def test_a_refusal_by_the_other_host_is_reported_with_the_original_address(outbound):
    host = able(RCPT="550 5.1.1 no such user")
    suite = outbound(host)
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
        c.command_encoding = "utf-8"
        c.ehlo()
        c.sendmail(JOERG, [IVAN], CONTENT, ["SMTPUTF8", "BODY=8BITMIME", "RET=FULL"], ["ORCPT=utf-8;" + IVAN, "NOTIFY=FAILURE"])
    wait_until(lambda: mailbox(suite, JOERGS))
    [octets] = mailbox(suite, JOERGS)
    assert "Original-Recipient: utf-8;иван@почта.рф\n" in octets.decode()
    assert report(octets)[2].get_content_type() == "message/global"
    assert b"with UTF8SMTP" in octets, "the original's trace"


def test_the_queue_and_the_log_are_asked_in_any_spelling(outbound):
    host = able(MAIL="450 4.7.1 later")
    suite = outbound(host)
    send(suite, JOERG, [IVAN])
    wait_until(lambda: [q for q in suite.queue() if q["state"] == "deferred"])
    for asked in (["--to", IVAN], ["--to", "@ПОЧТА.рф"], ["--from", JOERG], ["почта.рф"], ["--to", "@xn--80a1acny.xn--p1ai"]):
        assert len(suite.petrel_json("queue", "list", *asked)) == 1, asked
    assert suite.petrel_json("queue", "list", "--to", "@бочка.рф") == []
    for asked in (IVAN, "иван@ПОЧТА.рф", JOERG):
        wait_until(lambda: "deferred" in suite.petrel("trace", asked, check=False).stdout)


def test_what_waits_in_the_queue_is_still_so_after_a_crash(outbound):
    host = able(MAIL="450 4.7.1 later")
    suite = outbound(host)
    send(suite, JOERG, [IVAN])
    wait_until(lambda: [q for q in suite.queue() if q["state"] == "deferred"])
    assert suite.queue()[0]["sender"] == JOERG
    os.kill(suite.pid_of("qmgr"), signal.SIGKILL)
    host.script = able().script
    wait_until(lambda: [m for m in host.messages if m], 30)
    assert heard(host, "MAIL")[-1].startswith("MAIL FROM:<jörg@example.test>") and "SMTPUTF8" in heard(host, "MAIL")[-1]
    assert host.messages[-1].endswith(CONTENT)


def test_an_alias_in_another_script_may_lead_to_ascii(outbound):
    host = Odd(EHLO="250-odd.example\r\n250 8BITMIME")
    suite = outbound(host)
    suite.path("tables/aliases").write_text("büro: carol@elsewhere.test\n")
    wait_until(lambda: suite.petrel("reload", check=False).returncode == 0)
    send(suite, "a@elsewhere.test", ["büro@example.test"], b"Subject: plain\r\n\r\nhello\r\n")
    wait_until(lambda: host.messages)
    assert heard(host, "RCPT") == ["RCPT TO:<carol@elsewhere.test>"]


@pytest.mark.root
def test_a_postfix_host_takes_it(outbound, directory):
    """It throws all mail away; what it was told is in its log."""
    postfix = Postfix(directory / "postfix", 25, relayhost="", default_transport="discard:", smtputf8_enable="yes").start()
    suite = outbound(postfix)
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
        c.command_encoding = "utf-8"
        c.ehlo()
        c.sendmail(JOERG, [IVAN], CONTENT, ["SMTPUTF8", "BODY=8BITMIME"], ["ORCPT=utf-8;" + IVAN, "NOTIFY=FAILURE"])
    wait_until(lambda: suite.log_lines("delivered", "xn--80a1acny.xn--p1ai"), 30)
    wait_until(lambda: suite.queue() == [])
    wait_until(lambda: postfix.lines("from=<jörg@example.test>") and postfix.lines("to=<иван@xn--80a1acny.xn--p1ai>", "status=sent"))


def test_an_aiosmtpd_host_takes_it(outbound):
    host = Host(enable_SMTPUTF8=True)
    suite = outbound(host)
    send(suite, JOERG, [IVAN])
    wait_until(lambda: host.messages)
    assert host.messages[0][:2] == (JOERG, ["иван@xn--80a1acny.xn--p1ai"])
    assert host.messages[0][2].endswith(CONTENT)
