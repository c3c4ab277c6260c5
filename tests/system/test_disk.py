"""A full disk costs a temporary failure and a log line, never mail."""

import os
import signal
import smtplib
import subprocess

import pytest

from suite import wait_until

pytestmark = pytest.mark.root


@pytest.fixture
def small_spool(directory):
    """A spool of 24 MB."""
    spool = directory / "small"
    spool.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m,mode=755", "tmpfs", str(spool)], check=True)
    yield spool
    subprocess.run(["umount", "-l", str(spool)], check=True)


def send(connection, text):
    """The code of the reply that settled it: to MAIL, RCPT, DATA or the end of the data."""
    code = connection.mail("a@elsewhere.test")[0]
    if code == 250:
        code = connection.rcpt("bob@example.test")[0]
    if code == 250:
        try:
            code = connection.data(text)[0]
        except smtplib.SMTPDataError as refused:
            code = refused.smtp_code
    return code


@pytest.mark.parametrize("guard", ["1M", "0"])
def test_a_full_spool_refuses_mail_for_now_and_loses_none(make_suite, small_spool, guard):
    """With the guard on free space, and without it, when the disk itself says no."""
    s = make_suite(start=False)
    s.conf.write_text(s.conf.read_text().replace("spool %s" % s.path("spool"), "spool %s" % small_spool)
                      + "queue { journal-segments 2; free-space %s }\n" % guard)
    s.start()
    text = "Subject: large\r\n\r\n" + ("x" * 70 + "\r\n") * 3000  # some 210 KB
    accepted, codes = 0, set()
    maildir = s.pid_of("delivery/maildir")
    os.kill(maildir, signal.SIGSTOP)  # so that the spool fills
    with smtplib.SMTP("127.0.0.1", s.ports["mx"]) as c:
        for _ in range(200):
            c.ehlo_or_helo_if_needed()
            code = send(c, text)
            codes.add(code)
            if code == 250:
                accepted += 1
            else:
                c.rset()
        assert c.noop()[0] == 250, "the session lives on"
    assert codes - {250} and codes - {250} <= {451, 452}, codes
    assert accepted > 5
    os.kill(maildir, signal.SIGCONT)
    wait_until(lambda: len(s.messages("bob")) == accepted, 60)
    assert all(m.endswith(b"x" * 70 + b"\n") for m in s.messages("bob"))
    # And with room again, mail flows again.
    def flows():
        with smtplib.SMTP("127.0.0.1", s.ports["mx"]) as c:
            try:
                c.sendmail("a@elsewhere.test", ["bob@example.test"], "Subject: after\r\n\r\nroom again\r\n")
                return True
            except smtplib.SMTPException:
                return False
    wait_until(flows, 30)
    wait_until(lambda: any(b"room again" in m for m in s.messages("bob")))


def test_a_size_that_the_disk_has_no_room_for_is_refused_before_it_is_sent(make_suite, small_spool):
    s = make_suite(start=False)
    s.conf.write_text(s.conf.read_text().replace("spool %s" % s.path("spool"), "spool %s" % small_spool)
                      + "queue { journal-segments 2; free-space 1M }\n")
    s.start()
    with smtplib.SMTP("127.0.0.1", s.ports["mx"]) as c:
        c.ehlo()
        code, text = c.mail("a@elsewhere.test", ["SIZE=40000000"])
        assert (code, text[:6]) == (452, b"4.3.1 ")
        assert c.mail("a@elsewhere.test", ["SIZE=2000000"])[0] == 250
