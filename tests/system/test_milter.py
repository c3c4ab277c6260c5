"""Milters: whole, broken and malicious ones, written here; what they do to mail, and what becomes of mail with them."""

import email
import os
import signal
import smtplib
import socket
import struct
import threading
import time

import pytest

from milters import (
    ACCEPT, CONN_FAIL, CONTINUE, DISCARD, LEADING_SPACE, NO_BODY, NO_CONNECT, NO_DATA, NO_EOH, NO_HEADERS, NO_HELO, NO_MAIL,
    NO_RCPT, PROGRESS, REJECT, SHUTDOWN, SILENT, SKIP, SKIPPED, TEMPFAIL, Milter, add_header, add_rcpt, change_from,
    change_header, delete_rcpt, insert_header, packet, quarantine, replace_body, reply_code, text)
from suite import PASSWORDS, wait_until

MESSAGE = b"From: a@elsewhere.test\r\nSubject: one\r\nX-Folded: two\r\n\tlines\r\nSubject: two\r\n\r\nThe body.\r\n.A dot.\r\n"


def settings(*milters, more=""):
    return "".join("milter m%d { address %s\n on-failure %s\n %s }\n" % (i, m.address, getattr(m, "on_failure", "tempfail"), more)
                   for i, m in enumerate(milters))


def send(suite, message=MESSAGE, to=("bob@example.test",), sender="a@elsewhere.test"):
    """The reply to the end of data, or to whatever was refused before."""
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"], timeout=60) as c:
        c.ehlo("client.test")
        code, words = c.mail(sender)
        if code != 250:
            return code, words.decode()
        accepted = [c.rcpt(r) for r in to]
        if not any(code == 250 for code, _ in accepted):
            return accepted[0][0], accepted[0][1].decode()
        try:
            code, words = c.data(message)
        except smtplib.SMTPDataError as e:
            code, words = e.smtp_code, e.smtp_error
        return code, words.decode()


def arrived(suite, name="bob", count=1):
    wait_until(lambda: len(suite.messages(name)) >= count)
    messages = suite.messages(name)
    assert len(messages) == count
    return messages[-1]


def own(message):
    """The message without the fields that delivery and smtpd put in front, with CRLF."""
    header, body = message.split(b"\n\n", 1)
    fields = []
    for line in header.split(b"\n"):
        if line[:1] in b" \t" and fields:
            fields[-1] += b"\n" + line
        else:
            fields.append(line)
    kept = [f for f in fields if not f.startswith((b"Return-Path:", b"Delivered-To:", b"Received:"))]
    return kept, body


def hears(milter, *conversations):
    """The milter's conversations are these; the last words of one come a moment after our client's reply."""
    wait_until(lambda: [c.letters() for c in milter.conversations] == list(conversations))


@pytest.fixture
def sockets(directory):
    """Paths for milters' sockets."""
    count = iter(range(100))
    return lambda: directory / ("milter%d.sock" % next(count))


# --- what a milter is told -----------------------------------------------------------------


def test_a_milter_hears_of_a_message_in_the_protocols_order(make_suite, sockets):
    with Milter(sockets()) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite)[0] == 250
        arrived(suite)
        c = milter.conversations[0]
        hears(milter, "OCHMRTLLLLNBEK")
        assert c.offered == (6, 0x1ff, 0x1fffff & ~0x800)
        assert c.all("C") == [b"localhost\0" + b"4" + b"\0\0" + b"127.0.0.1\0"]
        assert c.all("H") == [b"client.test\0"]
        assert c.all("M") == [b"<a@elsewhere.test>\0"]
        assert c.all("R") == [b"<bob@example.test>\0"]
        assert c.headers() == [(b"From", b"a@elsewhere.test"), (b"Subject", b"one"), (b"X-Folded", b"two\n\tlines"), (b"Subject", b"two")]
        assert c.body() == b"The body.\r\n.A dot.\r\n"
        assert c.macros["C"]["j"] == "mail.example.test" and c.macros["C"]["{daemon_name}"] == "mx"
        assert c.macros["C"]["{client_addr}"] == "127.0.0.1" and c.macros["C"]["_"].endswith("[127.0.0.1]")
        assert c.macros["M"]["{mail_addr}"] == "a@elsewhere.test" and c.macros["R"]["{rcpt_addr}"] == "bob@example.test"
        # The identifier that it is told is the one in our reply, in the log and in the trace.
        assert wait_until(lambda: suite.log_lines("received", "id=" + c.macros["E"]["i"]))
        assert c.macros["E"]["i"].encode() in suite.messages("bob")[0]


def test_a_connection_serves_one_message_after_the_other(make_suite, sockets):
    with Milter(sockets()) as milter:
        suite = make_suite(extra=settings(milter))
        for _ in range(3):
            assert send(suite)[0] == 250
        hears(milter, "O" + 3 * "CHMRTLLLLNBEK")


def test_after_any_other_answer_the_next_message_gets_a_connection_of_its_own(make_suite, sockets):
    """libmilter waits for the same client's next message then, and ignores what begins another."""
    with Milter(sockets(), E=ACCEPT) as milter:
        suite = make_suite(extra=settings(milter))
        for _ in range(3):
            assert send(suite)[0] == 250
        hears(milter, *["OCHMRTLLLLNBEQ"] * 3)


def test_an_old_milter_gets_a_connection_for_each_message(make_suite, sockets):
    with Milter(sockets(), version=2, actions=0x3f) as milter:
        suite = make_suite(extra=settings(milter))
        for _ in range(2):
            assert send(suite)[0] == 250
        hears(milter, *["OCHMRLLLLNBEQ"] * 2)


def test_a_connection_that_the_milter_closed_meanwhile_costs_nothing(make_suite, sockets):
    with Milter(sockets()) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite)[0] == 250
        for connection in list(milter.open):
            connection.shutdown(socket.SHUT_RDWR)
        assert send(suite)[0] == 250
        assert len(milter.conversations) == 2 and not suite.log_lines("milter-failed")


def test_steps_that_a_milter_does_not_want_are_left_out(make_suite, sockets):
    steps = NO_CONNECT | NO_HELO | NO_MAIL | NO_RCPT | NO_DATA | NO_HEADERS | NO_EOH | NO_BODY
    with Milter(sockets(), steps=steps, E=[add_header("X-Seen", "yes"), CONTINUE]) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite)[0] == 250
        hears(milter, "OEK")
        assert b"X-Seen: yes" in own(arrived(suite))[0]


def test_a_silent_milter_is_not_waited_for(make_suite, sockets):
    with Milter(sockets(), steps=SILENT) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite)[0] == 250
        hears(milter, "OCHMRTLLLLNBEK")


def test_macros_are_those_that_the_milter_asks_for(make_suite, sockets):
    lists = struct.pack(">I", 0) + text("j {client_addr}") + struct.pack(">I", 2) + text("") + struct.pack(">I", 5) + text("i {mail_addr}")
    with Milter(sockets(), lists=lists) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite)[0] == 250
        macros = milter.conversations[0].macros
        assert macros["C"] == {"j": "mail.example.test", "{client_addr}": "127.0.0.1"}
        assert "M" not in macros
        assert sorted(macros["E"]) == ["i", "{mail_addr}"]


def test_values_keep_their_leading_blank_where_the_milter_wants_it(make_suite, sockets):
    with Milter(sockets(), steps=LEADING_SPACE, E=[add_header("X-A", " b"), add_header("X-C", "d"), CONTINUE]) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite, b"Subject:none\r\nX-Two:  two\r\n\r\nbody\r\n")[0] == 250
        assert milter.conversations[0].headers() == [(b"Subject", b"none"), (b"X-Two", b"  two")]
        assert own(arrived(suite))[0] == [b"Subject:none", b"X-Two:  two", b"X-A: b", b"X-C:d"]


def test_a_submission_is_shown_with_what_was_added_and_who_has_logged_in(make_suite, sockets):
    with Milter(sockets()) as milter:
        suite = make_suite(extra=settings(milter))
        with smtplib.SMTP("127.0.0.1", suite.ports["submission"]) as c:
            c.starttls(context=suite.tls_context())
            c.login("alice@example.test", PASSWORDS["alice"])
            c.sendmail("alice@example.test", ["bob@example.test"], "Subject: hello\r\n\r\nbody\r\n")
        conversation = milter.conversations[0]
        names = [name for name, _ in conversation.headers()]
        assert {b"Date", b"Message-ID", b"From", b"Subject"} <= set(names) and b"Received" not in names
        assert conversation.macros["M"]["{auth_authen}"] == "alice@example.test" and conversation.macros["M"]["{auth_type}"]
        assert conversation.macros["H"]["{tls_version}"].startswith("TLSv1") and conversation.macros["H"]["{cipher_bits}"] == "256"


def test_only_the_services_that_the_settings_name_are_asked_for(make_suite, sockets):
    with Milter(sockets()) as milter:
        suite = make_suite(extra="milter m { address %s; services local }\n" % milter.address)
        assert send(suite)[0] == 250
        arrived(suite)
        assert not milter.conversations
        suite.command("sendmail", "bob@example.test", input="Subject: local\n\nbody\n")
        arrived(suite, count=2)
        c = milter.conversations[0]
        assert c.macros["C"]["{daemon_name}"] == "local" and c.all("C")[0].startswith(b"localhost\0" + b"4")


def test_check_finds_a_milter_that_is_not_there(make_suite, sockets):
    with Milter(sockets()) as milter:
        suite = make_suite(start=False, extra=settings(milter) + "milter gone { address unix:/nowhere/gone.sock }\n")
        said = suite.petrel("check", check=False)
        assert "milter gone: /nowhere/gone.sock: No such file" in said.stdout + said.stderr
        assert "milter m0" not in said.stdout + said.stderr


def test_a_reload_changes_who_is_asked(make_suite, sockets):
    with Milter(sockets()) as milter, Milter() as other:
        suite = make_suite()
        assert send(suite)[0] == 250
        suite.write_conf(settings(milter, other))
        suite.petrel("reload")
        assert send(suite)[0] == 250
        assert len(milter.conversations) == len(other.conversations) == 1
        suite.write_conf("")
        suite.petrel("reload")
        assert send(suite)[0] == 250
        assert wait_until(lambda: milter.conversations[0].letters().endswith("EKQ")) and milter.conversations[0].letters().count("E") == 1


# --- what a milter decides --------------------------------------------------------------------


@pytest.mark.parametrize("letter", list("CHMTLNBE"))
@pytest.mark.parametrize("answer, code", [
    (REJECT, 550), (TEMPFAIL, 451), (reply_code("554 5.7.9 for my own reasons"), 554), (reply_code("450 4.2.1 later"), 450)],
    ids=["reject", "tempfail", "554", "450"])
def test_a_refusal_at_any_stage_reaches_the_client(make_suite, sockets, letter, answer, code):
    with Milter(sockets(), **{letter: answer}) as milter:
        suite = make_suite(extra=settings(milter))
        got, words = send(suite)
        assert got == code
        if code in (554, 450):
            assert words in ("5.7.9 for my own reasons", "4.2.1 later")
        assert wait_until(lambda: suite.log_lines("by=\"milter m0\""))
        del milter.answers[letter]
        assert send(suite)[0] == 250
        arrived(suite)


def test_a_refusal_of_one_recipient_is_of_that_one_alone(make_suite, sockets):
    def rcpt(conversation, data, connection):
        return {b"<alice": REJECT, b"<carol": reply_code("452 4.2.2 full")}.get(data[:6], CONTINUE)

    with Milter(sockets(), R=rcpt) as milter:
        suite = make_suite(extra=settings(milter), users=("alice", "bob", "carol"))
        with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
            refused = c.sendmail("a@elsewhere.test", ["%s@example.test" % n for n in ("alice", "bob", "carol")], MESSAGE)
        assert {a: code for a, (code, _) in refused.items()} == {"alice@example.test": 550, "carol@example.test": 452}
        assert refused["carol@example.test"][1] == b"4.2.2 full"
        arrived(suite)
        assert not suite.messages("alice") and not suite.messages("carol")


def test_pipelined_recipients_are_answered_in_their_order(make_suite, sockets):
    def rcpt(conversation, data, connection):
        time.sleep(0.05 if b"alice" in data else 0)
        return REJECT if b"alice" in data else CONTINUE

    with Milter(sockets(), R=rcpt) as milter:
        suite = make_suite(extra=settings(milter))
        with socket.create_connection(("127.0.0.1", suite.ports["mx"])) as s:
            lines = s.makefile("rb")
            lines.readline()
            s.sendall(b"EHLO a\r\n")
            while lines.readline()[3:4] == b"-":
                pass
            s.sendall(b"MAIL FROM:<>\r\n" + b"RCPT TO:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\n" * 3 + b"RCPT TO:<nobody@example.test>\r\nRSET\r\n")
            assert [lines.readline()[:3] for _ in range(9)] == [b"250"] + [b"550", b"250"] * 3 + [b"550", b"250"]
        # Whom lookup refuses no milter hears of.
        assert b"nobody" not in b"".join(milter.conversations[0].all("R"))


def test_a_code_of_several_lines_reaches_the_client(make_suite, sockets):
    with Milter(sockets(), E=reply_code("550-5.7.1 first line\r\n550-5.7.1 second line\r\n550 5.7.1 last line")) as milter:
        suite = make_suite(extra=settings(milter))
        code, words = send(suite)
        assert code == 550 and [w in words for w in ("first line", "second line", "last line")] == [True] * 3


def test_a_client_is_sent_away(make_suite, sockets):
    for how in ({"M": SHUTDOWN}, {"M": reply_code("421 4.7.0 go")}):
        with Milter(sockets(), **how) as milter:
            suite = make_suite(name="s%d" % len(how) + str(id(how)), extra=settings(milter))
            with socket.create_connection(("127.0.0.1", suite.ports["mx"])) as s:
                lines = s.makefile("rb")
                lines.readline()
                s.sendall(b"HELO a\r\nMAIL FROM:<>\r\n")
                lines.readline()
                assert lines.readline().startswith(b"421 ")
                assert lines.readline() == b""


@pytest.mark.parametrize("letter", list("MRTE"))
def test_what_is_discarded_is_acknowledged_and_gone(make_suite, sockets, letter):
    with Milter(sockets(), **{letter: DISCARD}) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite)[0] == 250
        assert wait_until(lambda: suite.log_lines("discarded"))
        assert not suite.messages("bob") and not suite.queue()
        assert not list(suite.path("spool/new").iterdir())


@pytest.mark.parametrize("letter", list("CHMRTLNBE"))
def test_a_milter_that_accepts_is_not_asked_any_more(make_suite, sockets, letter):
    with Milter(sockets(), **{letter: ACCEPT}) as milter, Milter(sockets()) as other:
        suite = make_suite(extra=settings(milter, other))
        assert send(suite)[0] == 250
        arrived(suite)
        wait_until(lambda: milter.conversations[0].letters().endswith(letter + "Q"))
        hears(other, "OCHMRTLLLLNBEK")


def test_a_milter_that_has_seen_enough_gets_no_more_of_the_body(make_suite, sockets):
    with Milter(sockets(), steps=SKIP, B=SKIPPED) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite, b"Subject: long\r\n\r\n" + b"a line of the body\r\n" * 20000)[0] == 250
        assert milter.conversations[0].letters().count("B") == 1
        assert len(arrived(suite)) > 20000 * 18


def test_what_is_quarantined_is_held_and_says_why(make_suite, sockets):
    with Milter(sockets(), E=[quarantine("looks odd"), add_header("X-Held", "yes"), CONTINUE]) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite)[0] == 250
        held = wait_until(suite.queue)
        assert len(held) == 1 and "looks odd" in str(held)
        assert not suite.messages("bob")
        suite.petrel("queue", "release", held[0]["id"])
        assert b"X-Held: yes" in own(arrived(suite))[0]


# --- what a milter changes ------------------------------------------------------------------------


def check_changed(make_suite, sockets, actions, message=MESSAGE):
    with Milter(sockets(), E=actions + [CONTINUE]) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite, message)[0] == 250
        return own(arrived(suite))


def test_fields_are_added_at_the_end_and_inserted_where_the_milter_says(make_suite, sockets):
    fields, body = check_changed(make_suite, sockets, [
        add_header("X-Last", "1"), insert_header(1, "X-First", "2"), insert_header(3, "X-Third", "3"), insert_header(99, "X-End", "4")])
    assert fields == [b"X-First: 2", b"From: a@elsewhere.test", b"X-Third: 3", b"Subject: one", b"X-Folded: two\n\tlines", b"Subject: two", b"X-Last: 1", b"X-End: 4"]
    assert body == b"The body.\n.A dot.\n"


def test_a_field_in_front_of_all_stands_above_our_trace(make_suite, sockets):
    with Milter(sockets(), E=[insert_header(0, "X-Top", "1"), insert_header(2, "X-Below", "2"), CONTINUE]) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite)[0] == 250
        names = email.message_from_bytes(arrived(suite)).keys()
        assert names.index("X-Top") < names.index("Received") < names.index("X-Below") < names.index("From")
        # What stands in front travels in the envelope: the content was not written anew.
        assert not suite.log_lines("filtered", "content=changed")


def test_fields_are_changed_and_deleted_by_their_number(make_suite, sockets):
    fields, _ = check_changed(make_suite, sockets, [
        change_header(2, "subject", "TWO"), change_header(1, "Subject", ""), change_header(2, "Subject", "still two"),
        change_header(0, "From", "b@elsewhere.test"), change_header(1, "X-New", "added"), change_header(9, "X-Folded", "")])
    assert fields == [b"From: b@elsewhere.test", b"X-Folded: two\n\tlines", b"Subject: still two", b"X-New: added"]


def test_values_of_several_lines_are_folded_and_cannot_end_their_field(make_suite, sockets):
    fields, body = check_changed(make_suite, sockets, [
        add_header("X-Lf", "one\n two"), add_header("X-Crlf", "one\r\n\ttwo"), add_header("X-Cr", "one\r two"),
        add_header("X-Inject", "one\nBcc: evil@elsewhere.test"), add_header("X-End", "one\r\n\r\nnot the body\r\n"), add_header("X-8", b"gr\xc3\xbc\xc3\x9fe")])
    assert fields[4:] == [b"X-Lf: one\n two", b"X-Crlf: one\n\ttwo", b"X-Cr: one\n two", b"X-Inject: one\n Bcc: evil@elsewhere.test",
                          b"X-End: one\n not the body", b"X-8: gr\xc3\xbc\xc3\x9fe"]
    assert body == b"The body.\n.A dot.\n"


@pytest.mark.parametrize("pieces, expected", [
    ([b"new\r\nbody\r\n"], b"new\nbody\n"), ([b"new\nbody"], b"new\nbody\n"), ([b"a\r", b"\nb\rc\r"], b"a\nb\nc\n"),
    ([b""], b""), ([b".\r\n", b"..\r\n"], b".\n..\n"), ([b"x" * 70000 + b"\n"] * 3, (b"x" * 70000 + b"\n") * 3)],
    ids=["crlf", "lf", "cr", "empty", "dots", "large"])
def test_a_body_is_replaced(make_suite, sockets, pieces, expected):
    fields, body = check_changed(make_suite, sockets, [replace_body(p) for p in pieces])
    assert body == expected and fields[0] == b"From: a@elsewhere.test"


def test_recipients_and_sender_are_changed(make_suite, sockets):
    with Milter(sockets(), E=[add_rcpt("<alice@example.test>"), add_rcpt("carol@example.test", "NOTIFY=NEVER"), delete_rcpt("<BOB@Example.TEST>"),
                              delete_rcpt("<bob@example.test>"), add_rcpt("<nobody@example.test>"), change_from("<changed@elsewhere.test>"), CONTINUE]) as milter:
        suite = make_suite(extra=settings(milter), users=("alice", "bob", "carol"))
        assert send(suite)[0] == 250
        assert b"Return-Path: <changed@elsewhere.test>" in arrived(suite, "alice")
        arrived(suite, "carol")
        assert not suite.messages("bob")
        assert wait_until(lambda: suite.log_lines("recipient-not-added", "nobody@example.test"))


def test_a_message_without_recipients_left_goes_nowhere(make_suite, sockets):
    with Milter(sockets(), E=[delete_rcpt("<bob@example.test>"), CONTINUE]) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite)[0] == 250
        assert wait_until(lambda: suite.log_lines("discarded"))
        assert not suite.queue() and not suite.messages("bob")


def test_each_milter_sees_what_those_before_it_changed(make_suite, sockets):
    first = Milter(sockets(), E=[change_header(1, "Subject", "changed"), insert_header(1, "X-One", "1"), replace_body(b"other\r\n"), CONTINUE])
    second = Milter(sockets(), E=[change_header(1, "X-One", "one"), CONTINUE])
    third = Milter(E=[replace_body(b"third\r\n"), CONTINUE])
    with first, second, third:
        suite = make_suite(extra=settings(first, second, third))
        assert send(suite)[0] == 250
        assert second.conversations[0].headers()[:3] == [(b"X-One", b"1"), (b"From", b"a@elsewhere.test"), (b"Subject", b"changed")]
        assert second.conversations[0].body() == third.conversations[0].body() == b"other\r\n"
        assert third.conversations[0].headers()[0] == (b"X-One", b"one")
        fields, body = own(arrived(suite))
        assert fields[0] == b"X-One: one" and body == b"third\n"


def test_a_message_without_a_header_keeps_its_body(make_suite, sockets):
    with Milter(sockets(), E=[add_header("X-A", "b"), CONTINUE]) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite, b"no header here\r\nat all\r\n")[0] == 250
        message = arrived(suite)
        assert message.endswith(b"\n\nno header here\nat all\n") and b"\nX-A: b\n" in message
        assert milter.conversations[0].headers() == [] and milter.conversations[0].body() == b"no header here\r\nat all\r\n"


def test_a_chunked_message_is_filtered_too(make_suite, sockets):
    with Milter(sockets(), E=[add_header("X-A", "b"), CONTINUE]) as milter:
        suite = make_suite(extra=settings(milter))
        with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
            c.ehlo()
            c.mail("a@elsewhere.test")
            c.rcpt("bob@example.test")
            for part, last in ((MESSAGE[:40], ""), (MESSAGE[40:], " LAST")):
                c.send(b"BDAT %d%s\r\n" % (len(part), last.encode()) + part)
                assert c.getreply()[0] == 250
        assert b"X-A: b" in own(arrived(suite))[0] and milter.conversations[0].body() == b"The body.\r\n.A dot.\r\n"


def test_a_large_message_goes_through_without_being_held_in_memory(make_suite, sockets):
    size = 40 * 1024 * 1024
    with Milter(sockets(), steps=SILENT, E=[add_header("X-A", "b"), CONTINUE]) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite, b"Subject: large\r\n\r\n" + (b"x" * 62 + b"\r\n") * (size // 64))[0] == 250
        status = open("/proc/%d/status" % suite.pid_of("policy")).read()
        peak = int([l for l in status.splitlines() if l.startswith("VmHWM")][0].split()[1])
        if "ASAN_OPTIONS" not in os.environ:
            assert peak < 20 * 1024, "policy took %d KiB" % peak
        assert len(milter.conversations[0].body()) == size
        assert len(arrived(suite)) > size // 64 * 63


# --- milters that misbehave --------------------------------------------------------------------------


def hang(conversation, data, connection):
    return None


def closes(conversation, data, connection):
    connection.shutdown(socket.SHUT_RDWR)


NONSENSE = {
    "garbage": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "too-long": struct.pack(">I", 0x7fffffff) + b"c",
    "empty": struct.pack(">I", 0),
    "unknown": packet("Z"),
    "negotiation": packet("O", struct.pack(">III", 6, 0, 0)),
    "edit": add_header("X", "y"),
    "field-name": insert_header(1, "a b", "c"),
    "code": reply_code("250 fine"),
    "code-injection": reply_code("550 5.7.1 a\x01b"),
    "failed": CONN_FAIL,
}


@pytest.mark.parametrize("letter", list("OCHMRTLNBE"))
@pytest.mark.parametrize("how", ["hangs", "closes"])
def test_a_milter_that_fails_at_any_stage_defers_the_mail(make_suite, sockets, letter, how):
    with Milter(sockets(), **({letter: hang if how == "hangs" else closes} if letter != "O" else
                              {"negotiation": b"" if how == "hangs" else packet("O", b"\0")})) as milter:
        suite = make_suite(extra=settings(milter, more="connect-timeout 1s; command-timeout 1s; content-timeout 1s; end-timeout 1s"))
        code, words = send(suite)
        assert code == 451 and "mail filter" in words
        assert wait_until(lambda: suite.log_lines("milter-failed", "milter=m0"))
        milter.answers.clear()
        milter.negotiation = None
        assert send(suite)[0] == 250
        arrived(suite)


@pytest.mark.parametrize("letter", ["M", "E"])
@pytest.mark.parametrize("what", NONSENSE)
def test_nonsense_breaks_the_conversation_and_nothing_else(make_suite, sockets, what, letter):
    answer = NONSENSE[what]
    if letter == "E" and what == "edit":
        pytest.skip("that is no nonsense there")
    with Milter(sockets(), **{letter: answer}) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite)[0] == 451
        assert wait_until(lambda: suite.log_lines("milter-failed"))
        milter.answers.clear()
        assert send(suite)[0] == 250


def test_a_reply_that_nobody_asked_for_breaks_the_conversation(make_suite, sockets):
    with Milter(sockets(), M=[CONTINUE, CONTINUE, CONTINUE]) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite)[0] in (250, 451)
        assert send(suite)[0] in (250, 451)
        milter.answers.clear()
        assert send(suite)[0] == 250


@pytest.mark.parametrize("negotiation", [(7, 0, 0), (1, 0, 0), (6, 0x200, 0), (6, 0, 0x800), (6, 0, 0x10000000)])
def test_what_was_not_offered_cannot_be_agreed_on(make_suite, sockets, negotiation):
    with Milter(sockets(), negotiation=packet("O", struct.pack(">III", *negotiation))) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite)[0] == 451


def test_a_change_that_was_not_negotiated_is_not_made(make_suite, sockets):
    with Milter(sockets(), actions=0x01, E=[replace_body(b"gone"), CONTINUE]) as milter:
        milter.on_failure = "accept"
        suite = make_suite(extra=settings(milter))
        assert send(suite)[0] == 250
        assert own(arrived(suite))[1] == b"The body.\n.A dot.\n"


@pytest.mark.parametrize("on_failure, code", [("accept", 250), ("tempfail", 451), ("refuse", 550)])
def test_the_settings_say_what_becomes_of_mail_without_its_milter(make_suite, sockets, on_failure, code):
    milter = Milter(sockets())
    milter.close()
    milter.on_failure = on_failure
    with Milter(sockets(), E=[add_header("X-Other", "yes"), CONTINUE]) as other:
        suite = make_suite(extra=settings(milter, other))
        assert send(suite)[0] == code
        if code == 250:
            assert b"X-Other: yes" in own(arrived(suite))[0]


def test_wishes_of_a_milter_that_fails_before_its_last_word_do_not_count(make_suite, sockets):
    with Milter(sockets(), E=[add_header("X-Half", "done"), replace_body(b"half"), packet("Z")]) as milter:
        milter.on_failure = "accept"
        suite = make_suite(extra=settings(milter))
        assert send(suite)[0] == 250
        fields, body = own(arrived(suite))
        assert b"X-Half: done" not in fields and body == b"The body.\n.A dot.\n"


def test_progress_extends_the_time_and_silence_does_not(make_suite, sockets):
    def slowly(conversation, data, connection):
        for _ in range(5):
            time.sleep(0.6)
            connection.sendall(PROGRESS)
        return CONTINUE

    with Milter(sockets(), E=slowly) as milter:
        suite = make_suite(extra=settings(milter, more="end-timeout 2s"))
        assert send(suite)[0] == 250
        arrived(suite)


def test_a_milter_that_does_not_read_stops_nobody_else(make_suite, sockets):
    release = threading.Event()

    def stuck(conversation, data, connection):
        release.wait(20)
        return None

    large = b"Subject: large\r\n\r\n" + (b"x" * 62 + b"\r\n") * 100000
    with Milter(sockets(), steps=SILENT, N=stuck) as milter:
        suite = make_suite(extra=settings(milter, more="content-timeout 6s; services mx"))
        result = []
        thread = threading.Thread(target=lambda: result.append(send(suite, large)))
        thread.start()
        wait_until(lambda: milter.conversations and "N" in milter.conversations[0].letters())
        start = time.monotonic()
        with smtplib.SMTP("127.0.0.1", suite.ports["submission"]) as c:
            c.starttls(context=suite.tls_context())
            c.login("alice@example.test", PASSWORDS["alice"])
            c.sendmail("alice@example.test", ["bob@example.test"], "Subject: quick\r\n\r\nbody\r\n")
        assert time.monotonic() - start < 5
        thread.join(60)
        release.set()
        assert result[0][0] == 451


def test_too_large_a_header_is_refused(make_suite, sockets):
    with Milter(sockets()) as milter:
        suite = make_suite(extra=settings(milter))
        code, words = send(suite, b"".join(b"X-%d: %s\r\n" % (i, b"x" * 900) for i in range(700)) + b"\r\nbody\r\n")
        assert code == 552 and "header" in words


# --- deaths -----------------------------------------------------------------------------------------------


def test_the_death_of_policy_in_the_middle_of_a_message_defers_it_and_loses_nothing(make_suite, sockets):
    reached, release = threading.Event(), threading.Event()

    def waits(conversation, data, connection):
        reached.set()
        release.wait(20)
        return [add_header("X-A", "b"), CONTINUE]

    with Milter(sockets(), E=waits) as milter:
        suite = make_suite(extra=settings(milter))
        result = []
        thread = threading.Thread(target=lambda: result.append(send(suite)))
        thread.start()
        assert reached.wait(20)
        os.kill(suite.pid_of("policy"), signal.SIGKILL)
        thread.join(30)
        release.set()
        assert result[0][0] == 451
        assert not suite.messages("bob") and not suite.queue()
        milter.answers.clear()
        wait_until(lambda: send(suite)[0] == 250)
        arrived(suite)
        wait_until(lambda: not list(suite.path("spool/new").iterdir()))


def test_the_death_of_policy_between_commands_is_not_noticed(make_suite, sockets):
    with Milter(sockets(), E=[add_header("X-A", "b"), CONTINUE]) as milter:
        suite = make_suite(extra=settings(milter))
        with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
            c.ehlo("client.test")
            assert c.mail("a@elsewhere.test")[0] == 250
            assert c.rcpt("bob@example.test")[0] == 250
            old = suite.pid_of("policy")
            os.kill(old, signal.SIGKILL)
            wait_until(lambda: suite.pid_of("policy") not in (old, 0, None))
            wait_until(lambda: c.rcpt("alice@example.test")[0] == 250)
            assert c.data(MESSAGE)[0] == 250
        # The new one told the milter everything from the beginning.
        told = milter.conversations[-1]
        assert [r for r in told.all("R")][-2:] == [b"<bob@example.test>\0", b"<alice@example.test>\0"]
        assert b"X-A: b" in own(arrived(suite))[0]
        arrived(suite, "alice")


def test_the_death_of_everything_after_250_loses_no_changed_message(make_suite, sockets):
    with Milter(sockets(), E=[change_header(1, "Subject", "changed"), replace_body(b"new body\r\n"), CONTINUE]) as milter:
        suite = make_suite(extra=settings(milter))
        assert send(suite)[0] == 250
        suite.kill()
        suite.start()
        wait_until(lambda: suite.messages("bob"))
        fields, body = own(suite.messages("bob")[0])
        assert b"Subject: changed" in fields and body == b"new body\n"


def test_a_recipient_that_a_policy_service_accepted_is_told_to_milters_all_the_same(make_suite, sockets):
    """A service's OK ends the questions about that recipient; what milters see of the message is whole."""
    service = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection, _ = service.accept()
            except OSError:
                return
            with connection, connection.makefile("rwb") as lines:
                request = []
                for line in lines:
                    request.append(line)
                    if line == b"\n":
                        said = b"OK" if b"recipient=bob@example.test\n" in request else b"DUNNO"
                        lines.write(b"action=" + said + b"\n\n")
                        lines.flush()
                        request = []

    threading.Thread(target=serve, daemon=True).start()
    with Milter(sockets(), E=[add_header("X-A", "b"), CONTINUE]) as milter:
        suite = make_suite(extra=settings(milter) + "policy.services inet:127.0.0.1:%d,for=all\n" % service.getsockname()[1])
        assert send(suite, to=("alice@example.test", "bob@example.test"))[0] == 250
        assert milter.conversations[-1].all("R") == [b"<alice@example.test>\0", b"<bob@example.test>\0"]
        assert b"X-A: b" in own(arrived(suite))[0]
        arrived(suite, "alice")
    service.close()
