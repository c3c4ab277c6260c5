"""A user's own mail: who it is from, who sees what of it, how much of it there may be, and how slowly it may come."""

import os
import signal
import smtplib
import socket
import subprocess
import time

import pytest

from suite import PASSWORDS, SLOW, wait_until


def log_in(suite, user="alice"):
    client = smtplib.SMTP_SSL("localhost", suite.ports["submissions"], context=suite.tls_context())
    client.login("%s@example.test" % user, PASSWORDS[user])
    return client


def submit(suite, text, sender="alice@example.test", to=("bob@example.test",), user="alice"):
    with log_in(suite, user) as client:
        return client.sendmail(sender, list(to), text.replace("\n", "\r\n"))


def refusal(suite, text, **how):
    with pytest.raises(smtplib.SMTPException) as refused:
        submit(suite, text, **how)
    return refused.value


def header(message):
    return message.partition(b"\n\n")[0]


def test_curl_submits_a_message_with_bcc_and_bob_does_not_see_it(suite, directory):
    path = directory / "message"
    path.write_text("From: Alice <alice@example.test>\nTo: bob@example.test\nBcc: carol@elsewhere.test,\n dave@elsewhere.test\n"
                    "Subject: bcc\n\nBcc: in the text\n")
    subprocess.run(["curl", "-sS", "--fail", "--cacert", str(suite.certificate), "--user", "alice@example.test:" + PASSWORDS["alice"],
                    "--url", "smtps://localhost:%d" % suite.ports["submissions"], "--crlf",
                    "--mail-from", "alice@example.test", "--mail-rcpt", "bob@example.test", "-T", str(path)], check=True, timeout=60 * SLOW)
    message = wait_until(lambda: suite.messages("bob"))[0]
    assert b"Bcc" not in header(message) and b"dave" not in header(message)
    assert message.endswith(b"\n\nBcc: in the text\n")


def test_swaks_may_not_write_in_the_name_of_another_user(suite):
    line = ["swaks", "--server", "127.0.0.1", "--port", str(suite.ports["submission"]), "--tls", "--auth", "PLAIN", "--auth-user", "alice@example.test",
            "--auth-password", PASSWORDS["alice"], "--from", "alice@example.test", "--to", "bob@example.test", "--h-From"]
    done = subprocess.run([*line, "The Boss <bob@example.test>"], capture_output=True, text=True, timeout=60 * SLOW)
    assert "550 5.7.1 The address in From does not belong to your account" in done.stdout
    wait_until(lambda: suite.log_lines("message-refused", "login=alice@example.test"))
    done = subprocess.run([*line, '"bob@example.test" <alice+lists@example.test>'], capture_output=True, text=True, timeout=60 * SLOW)
    assert done.returncode == 0, done.stdout
    # The tables say who else alice may be.
    suite.path("tables/senders").write_text("alice@example.test @shop.test\n")
    suite.petrel("reload")
    done = subprocess.run([*line, "x@shop.test"], capture_output=True, text=True, timeout=60 * SLOW)
    assert done.returncode == 0, done.stdout


def test_the_account_is_named_as_sender_where_the_setting_says_so(make_suite):
    suite = make_suite(extra="submission.from sender\n")
    submit(suite, "From: carol@elsewhere.test\nSender: carol@elsewhere.test\nSubject: x\n\nx\n")
    message = wait_until(lambda: suite.messages("bob"))[0]
    assert header(message).count(b"\nSender: ") == 1 and b"\nSender: alice@example.test\n" in message


def test_a_user_who_sends_too_much_is_told_so_whichever_process_is_asked(make_suite):
    suite = make_suite(extra="smtp.workers 3\nsubmission.messages-per-hour 5\nsubmission.recipients-per-hour 8\n")
    taken = 0
    for _ in range(9):
        try:
            submit(suite, "From: alice@example.test\n\nx\n")
            taken += 1
        except smtplib.SMTPSenderRefused as refused:
            assert refused.smtp_code == 450
            assert refused.smtp_error == b"4.7.1 You may send 5 messages in an hour; try again later"
    assert taken == 5
    wait_until(lambda: suite.log_lines("sending-limited", "login=alice@example.test", "limit=submission.messages-per-hour"))
    refused = submit(suite, "From: bob@example.test\n\nx\n", sender="bob@example.test", user="bob", to=["alice+%d@example.test" % i for i in range(10)])
    assert {code for code, _ in refused.values()} == {450} and len(refused) == 2
    # Other hosts' mail and programs on this host are not counted.
    suite.command("sendmail", "bob@example.test", input="Subject: cron\n\nx\n")
    # The count is in memory: a new process begins anew.
    pid = suite.pid_of("lookup")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: suite.pid_of("lookup") not in (0, pid))
    submit(suite, "From: alice@example.test\n\nx\n")


def test_a_client_that_trickles_does_not_keep_its_place(make_suite):
    suite = make_suite(extra="smtp { data-rate 100\n data-rate-window 2s }\n")
    with socket.create_connection(("127.0.0.1", suite.ports["mx"]), 30 * SLOW) as s:
        lines = s.makefile("rb")
        for line in (b"EHLO x", b"MAIL FROM:<a@elsewhere.test>", b"RCPT TO:<bob@example.test>", b"DATA"):
            s.sendall(line + b"\r\n")
        with pytest.raises(OSError):
            for _ in range(100):
                s.sendall(b"x\r\n")
                time.sleep(0.1)
        told = lines.read()
    assert told.splitlines()[-1].startswith(b"421 4.4.2 ")
    wait_until(lambda: suite.log_lines("client-too-slow"))


def test_a_message_that_does_not_end_is_not_read_for_ever(make_suite):
    suite = make_suite(extra="smtp.size-limit 64K\n")
    with socket.create_connection(("127.0.0.1", suite.ports["mx"]), 30 * SLOW) as s:
        for line in (b"EHLO x", b"MAIL FROM:<a@elsewhere.test>", b"RCPT TO:<bob@example.test>", b"DATA"):
            s.sendall(line + b"\r\n")
        sent = 0
        with pytest.raises(OSError):
            while sent < 1 << 30:
                sent += s.send(b"x" * 70 + b"\r\n")
    assert sent < 32 << 20
    wait_until(lambda: suite.log_lines("message-refused", "too large"))
