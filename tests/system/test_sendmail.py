"""sendmail(1) as programs call it: odd input, ordinary users, and a suite that is down or takes no mail just now."""

import grp
import os
import pwd
import signal
import subprocess

import pytest

from suite import PREFIX, SLOW, wait_until

HOST_CONF = PREFIX / "etc/petrel/petrel.conf"


def sendmail(suite, *arguments, input=b"", user=None, conf=True, prefix=()):
    line = [*prefix, str(PREFIX / "sbin/sendmail"), *(["-C", str(suite.conf)] if conf else []), *arguments]
    if user:
        entry = pwd.getpwnam(user)
        line = ["setpriv", "--reuid=%d" % entry.pw_uid, "--regid=%d" % entry.pw_gid, "--clear-groups"] + line
    return subprocess.run(line, input=input, capture_output=True, timeout=60 * SLOW)


def arrived(suite, mark):
    """The message with that mark in it, once it is in bob's mailbox."""
    def found():
        return [m for m in suite.messages("bob") if mark in m]
    return wait_until(found)[0]


def body_of(message):
    return message.partition(b"\n\n")[2]


@pytest.mark.parametrize("mark, given, expected", [
    (b"no-newline", b"Subject: no-newline\n\nthe last line", b"the last line\n"),
    (b"crlf", b"Subject: crlf\r\n\r\none\r\ntwo\r\n", b"one\ntwo\n"),
    (b"mixed", b"Subject: mixed\n\none\r\ntwo\n\r\nthree", b"one\ntwo\n\nthree\n"),
    (b"bare-cr", b"Subject: bare-cr\n\n10%\r20%\r100%\ndone\n", b"10%\n20%\n100%\ndone\n"),
    (b"double-cr", b"Subject: double-cr\r\r\n\r\r\none\r\r\n", b"one\n"),
    (b"eight-bit", "Subject: eight-bit\n\nGrüße\n".encode(), "Grüße\n".encode()),
    (b"only-header", b"Subject: only-header\n", b""),
    (b"no-body", b"Subject: no-body\n\n", b""),
    (b"no-header", b"no-header: but a sentence\n", None),
    (b"dots", b"Subject: dots\n\n.\n..\n.x\n", b".\n..\n.x\n"),
    (b"long-line", b"Subject: long-line\n\n" + b"x" * 100000 + b"\nend\n", None),
])
def test_a_message_arrives_whatever_its_line_ends_are(suite, mark, given, expected):
    done = sendmail(suite, "-i", "bob@example.test", input=given)
    assert (done.returncode, done.stderr) == (0, b"")
    message = arrived(suite, mark)
    if expected is not None:
        assert body_of(message) == expected
    if mark == b"long-line":
        assert body_of(message).replace(b"\n", b"") == b"x" * 100000 + b"end"


def test_nothing_at_all_is_a_message_with_a_header_that_was_made_for_it(suite):
    assert sendmail(suite, "bob@example.test").returncode == 0
    message = wait_until(lambda: suite.messages("bob"))[0]
    assert b"\nFrom: " in message and b"\nDate: " in message and b"\nMessage-ID: <" in message


def test_a_nul_which_no_message_may_have_is_left_out(suite):
    done = sendmail(suite, "bob@example.test", input=b"\0Subject: nul\n\n\0before\0after\0\0\nthe end\0")
    assert (done.returncode, done.stderr) == (0, b"")
    assert body_of(arrived(suite, b"nul")) == b"beforeafter\nthe end\n"


def test_without_recipients_nothing_is_sent_and_that_is_said(suite):
    done = sendmail(suite, "-t", input=b"Subject: to nobody\n\nx\n")
    assert (done.returncode, done.stderr) == (65, b"sendmail: the header names no recipients\n")
    done = sendmail(suite, input=b"Subject: to nobody\n\nx\n")
    assert done.returncode == 64 and b"no recipients" in done.stderr
    done = sendmail(suite, "not an address", input=b"x\n")
    assert done.returncode == 64 and b"is not an address" in done.stderr


@pytest.mark.parametrize("suite_is_up", [True, False])
def test_bcc_is_shown_to_nobody_whichever_way_the_mail_goes(suite, suite_is_up):
    if not suite_is_up:
        suite.stop()
    given = b"To: bob@example.test\nBcc: Alice\n <alice@example.test>\nSubject: bcc\n\nBcc: text\n"
    arguments = ["-t"] if suite_is_up else ["bob@example.test", "alice@example.test"]
    done = sendmail(suite, *arguments, input=given)
    assert (done.returncode, done.stderr) == (0, b"")
    if not suite_is_up:
        suite.start()
    for user in ("alice", "bob"):
        message = wait_until(lambda: suite.messages(user))[0]
        assert b"\nBcc:" not in message.partition(b"\n\n")[0] and body_of(message) == b"Bcc: text\n"


def test_of_a_message_that_is_sent_on_the_recipients_are_those_it_is_sent_on_to(suite):
    sendmail(suite, "-t", input=b"Resent-To: alice@example.test\nResent-Bcc: bob@example.test\nFrom: x@y.test\n"
                                b"To: carol@elsewhere.test\nSubject: on\n\nx\n")
    message = wait_until(lambda: suite.messages("bob"))[0]
    assert b"\nResent-To: alice" in message and b"Resent-Bcc" not in message
    wait_until(lambda: suite.messages("alice"))
    assert not suite.log_lines("carol@elsewhere.test")


def test_a_message_above_the_limit_is_refused_before_it_is_read_whole(make_suite):
    s = make_suite(extra="submission.size-limit 1M\n")
    done = sendmail(s, "bob@example.test", input=b"Subject: large\n\n" + b"x" * 70 + b"\n" + b"y" * 2000000)
    assert done.returncode == 65 and b"larger than submission.size-limit" in done.stderr
    if "ASAN_OPTIONS" in os.environ:
        return  # the sanitizers themselves need more memory than that
    # A line without an end costs no more memory than a message may.
    endless = subprocess.run("head -c 2000000000 /dev/zero | tr '\\0' x | prlimit --as=200000000 %s -C %s bob@example.test" % (PREFIX / "sbin/sendmail", s.conf),
                             shell=True, capture_output=True, timeout=60 * SLOW)
    assert endless.returncode == 65 and b"larger than submission.size-limit" in endless.stderr


def test_what_the_suite_does_not_take_now_it_takes_later(suite):
    """Programs do not come again: cron would lose its mail."""
    pid = None
    for _ in range(6):
        pid = wait_until(lambda: suite.pid_of("qmgr") not in (0, pid) and suite.pid_of("qmgr"), 30)
        os.kill(pid, signal.SIGKILL)
    # It is started again after a second or two.  Root may write to drop/ without the group of sendmail.
    done = sendmail(suite, "bob@example.test", input=b"Subject: later\n\nx\n")
    assert (done.returncode, done.stderr) == (0, b"")
    arrived(suite, b"Subject: later")
    assert not [line for line in suite.log_lines(": received id=") if "smtpd[" in line], "it went by way of drop/"


@pytest.fixture
def of_this_host(suite):
    """The suite is the one of the host: sendmail is called without -C, and keeps the group of drop/."""
    if HOST_CONF.exists():
        pytest.skip("%s exists" % HOST_CONF)
    HOST_CONF.symlink_to(suite.conf)
    yield suite
    HOST_CONF.unlink()


@pytest.mark.root
def test_an_ordinary_users_mail_waits_in_drop_while_the_suite_is_down(of_this_host):
    suite = of_this_host
    suite.stop()
    done = sendmail(suite, "bob@example.test", input=b"Subject: in-drop\n\nwaiting\n", user="nobody", conf=False)
    assert (done.returncode, done.stderr) == (0, b"")
    dropped = [f for f in suite.path("spool/drop").iterdir()]
    assert len(dropped) == 1
    st = dropped[0].stat()
    assert (st.st_uid, st.st_mode & 0o7777) == (pwd.getpwnam("nobody").pw_uid, 0o644)
    # The user can neither see what is there nor take it away, not even what is the user's own.
    for command in (["ls", str(suite.path("spool/drop"))], ["cat", str(dropped[0])], ["rm", "-f", str(dropped[0])]):
        entry = pwd.getpwnam("nobody")
        assert subprocess.run(["setpriv", "--reuid=%d" % entry.pw_uid, "--regid=%d" % entry.pw_gid, "--clear-groups", *command],
                              capture_output=True).returncode != 0, command
    suite.start()
    assert b"\nFrom: " in arrived(suite, b"in-drop")
    wait_until(lambda: not list(suite.path("spool/drop").iterdir()))


@pytest.mark.root
def test_with_another_configuration_the_group_of_drop_is_given_up(of_this_host):
    suite = of_this_host
    suite.stop()
    done = sendmail(suite, "bob@example.test", input=b"Subject: x\n\nx\n", user="nobody", conf=True)
    assert done.returncode == 75
    assert b"could not be left in" in done.stderr and b"Permission denied" in done.stderr
    assert list(suite.path("spool/drop").iterdir()) == []


@pytest.mark.root
def test_sendmail_is_installed_with_the_group_of_drop_and_no_other_right(suite):
    st = os.stat(PREFIX / "sbin/sendmail")
    assert (st.st_mode & 0o7777, st.st_uid) == (0o2755, 0)
    assert grp.getgrgid(st.st_gid).gr_name == "petreldrop"
    assert os.stat(PREFIX / "sbin/petrel").st_mode & 0o7000 == 0
    assert os.path.samefile(PREFIX / "lib/sendmail", PREFIX / "sbin/sendmail")
