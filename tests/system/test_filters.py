"""Mail filters of others, as they come from Debian: opendkim signs and verifies, rspamd judges."""

import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import time

import pytest

from suite import PASSWORDS, free_ports, wait_until

GTUBE = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X"

needs_opendkim = pytest.mark.skipif(not shutil.which("opendkim", path="/usr/sbin:/usr/bin"), reason="opendkim is not installed")
needs_rspamd = pytest.mark.skipif(not shutil.which("rspamd"), reason="rspamd is not installed")


class Program:
    """A daemon in the foreground, ended with the test."""

    def __init__(self, line, log):
        self.log = open(log, "ab")
        self.process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(10)
        self.log.close()


def opendkim(directory):
    """Signs for example.test with a fresh key, which it also verifies with; nothing is asked of the DNS."""
    path = directory / "opendkim"
    path.mkdir()
    subprocess.run(["openssl", "genrsa", "-traditional", "-out", str(path / "key"), "2048"], check=True, capture_output=True)
    public = subprocess.run(["openssl", "rsa", "-in", str(path / "key"), "-pubout"], check=True, capture_output=True, text=True).stdout
    (path / "keys").write_text("test._domainkey.example.test v=DKIM1; k=rsa; p=%s\n" % "".join(public.splitlines()[1:-1]))
    (path / "internal").write_text("192.0.2.250\n")  # nobody: who has logged in is signed for
    (path / "conf").write_text("\n".join([
        "Syslog no", "Background no", "Socket local:%s" % (path / "sock"), "UMask 000", "Mode sv", "Domain example.test",
        "Selector test", "KeyFile %s" % (path / "key"), "RequireSafeKeys no", "Canonicalization relaxed/simple",
        "TestPublicKeys %s" % (path / "keys"), "InternalHosts %s" % (path / "internal"), "AuthservID filter.test",
        "AlwaysAddARHeader yes", "TemporaryDirectory %s" % path, "On-BadSignature reject"]) + "\n")
    return path, Program(["/usr/sbin/opendkim", "-f", "-x", str(path / "conf")], path / "log")


def submit(suite, message, to="bob@example.test"):
    with smtplib.SMTP("127.0.0.1", suite.ports["submission"], timeout=60) as c:
        c.starttls(context=suite.tls_context())
        c.login("alice@example.test", PASSWORDS["alice"])
        return c.sendmail("alice@example.test", [to], message)


def relay(suite, message, sender="x@elsewhere.test", to="bob@example.test"):
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"], timeout=60) as c:
        c.ehlo("client.elsewhere.test")
        c.mail(sender)
        c.rcpt(to)
        try:
            return c.data(message)
        except smtplib.SMTPDataError as e:
            return e.smtp_code, e.smtp_error


def newest(suite, count):
    wait_until(lambda: len(suite.messages("bob")) == count)
    return sorted(suite.messages("bob"), key=lambda m: m)[-1] if count == 1 else suite.messages("bob")


@needs_opendkim
def test_opendkim_signs_what_users_send_and_verifies_what_comes_back(make_suite, directory):
    path, program = opendkim(directory)
    with program:
        wait_until((path / "sock").exists)
        suite = make_suite(extra="milter opendkim { address unix:%s }\n" % (path / "sock"))
        submit(suite, "From: alice@example.test\r\nTo: bob@example.test\r\nSubject: signed\r\n\r\nHello,\r\n.\r\n world\r\n")
        signed = newest(suite, 1)
        assert b"\nDKIM-Signature: v=1;" in signed and b"d=example.test" in signed
        # The date that we added is signed, too.
        names = re.search(rb"[;\s]h=([^;]*);", signed).group(1).lower()
        assert b"date" in names and b"from" in names
        # What we delivered verifies, octet for octet, where it comes back from outside ...
        back = b"\r\n".join(signed[signed.index(b"DKIM-Signature:"):].split(b"\n"))
        assert relay(suite, back, sender="alice@example.test")[0] == 250
        wait_until(lambda: [m for m in suite.messages("bob") if b"dkim=pass" in m])
        # ... and does not where somebody changed it on the way.
        code, words = relay(suite, back.replace(b"Hello", b"HELLO"), sender="alice@example.test")
        assert code == 550, words
        assert len(suite.messages("bob")) == 2
        assert not suite.log_lines("milter-failed")


@needs_opendkim
def test_opendkim_is_used_for_many_messages_on_few_connections(make_suite, directory):
    path, program = opendkim(directory)
    with program:
        wait_until((path / "sock").exists)
        suite = make_suite(extra="milter opendkim { address unix:%s }\n" % (path / "sock"))
        for _ in range(20):
            submit(suite, "From: alice@example.test\r\nSubject: signed\r\n\r\nHello\r\n")
        wait_until(lambda: len(suite.messages("bob")) == 20)
        assert all(b"\nDKIM-Signature: v=1;" in m for m in suite.messages("bob"))
        assert not suite.log_lines("milter-failed")


@needs_opendkim
def test_without_opendkim_mail_waits_or_goes_on_unsigned(make_suite, directory):
    path, program = opendkim(directory)
    with program:
        wait_until((path / "sock").exists)
        suite = make_suite(extra="milter opendkim { address unix:%s }\n" % (path / "sock"))
        submit(suite, "From: alice@example.test\r\nSubject: signed\r\n\r\nHello\r\n")
    with pytest.raises(smtplib.SMTPException):
        submit(suite, "From: alice@example.test\r\nSubject: unsigned\r\n\r\nHello\r\n")
    suite.write_conf("milter opendkim { address unix:%s; on-failure accept }\n" % (path / "sock"))
    suite.petrel("reload")
    wait_until(lambda: submit(suite, "From: alice@example.test\r\nSubject: unsigned\r\n\r\nHello\r\n") == {})
    wait_until(lambda: [m for m in suite.messages("bob") if b"unsigned" in m and b"DKIM-Signature" not in m])


def rspamd(directory):
    """A proxy worker that scans by itself, without redis, DNS and the statistics of a real site: GTUBE, and a rule of the test's own."""
    path = directory / "rspamd"
    for name in ("", "db", "run"):
        (path / name).mkdir()
    port = free_ports(1)[0]
    (path / "rules.lua").write_text(
        'rspamd_config.TEST_HEADER = { callback = function(task)\n'
        '  if (task:get_subject() or ""):find("unwanted") then return true end end, score = 8, group = "test" }\n'
        'rspamd_config.TEST_USER = { callback = function(task)\n'
        '  if task:get_user() == "alice@example.test" then return true end end, score = 0.1, group = "test" }\n'
        'rspamd_config.TEST_LOCAL = { callback = function(task)\n'
        '  if task:get_helo() == "client.elsewhere.test" and tostring(task:get_from_ip()) == "127.0.0.1" then return true end end, score = 0.1, group = "test" }\n')
    (path / "suffixes").write_text("test\ncom\n")  # the real list takes seconds to be compiled
    (path / "conf").write_text("""
options {
  url_tld = "%(path)s/suffixes"; tempdir = "%(path)s/run";
  pidfile = "%(path)s/run/pid"; filters = ""; raw_mode = false; one_shot = false; temp_dir = "%(path)s/run";
  local_addrs = ["192.0.2.250/32"]; gtube_patterns = "all"; check_all_filters = false; cores_dir = "%(path)s/run"; max_cores = 0;
  dns { nameserver = ["127.0.0.1:1"]; timeout = 0.1s; retransmits = 1; }
  control_socket = "%(path)s/run/control mode=0600"; hs_cache_dir = "%(path)s/db"; allow_raw_input = false;
}
logging { type = "file"; filename = "%(path)s/log"; level = "info"; }
actions { reject = 15; add_header = 6; }
group "test" { max_score = 100; }
worker "rspamd_proxy" {
  bind_socket = "127.0.0.1:%(port)d"; milter = true; count = 1; timeout = 60s;
  upstream "local" { default = true; self_scan = true; }
  discard_on_reject = false; quarantine_on_reject = false; spam_header = "X-Spam"; reject_message = "Rspamd says no";
}
milter_headers { use = ["x-spamd-result", "x-spam-status"]; skip_local = false; skip_authenticated = false; extended_spam_headers = true; }
lua = "%(path)s/rules.lua";
modules { path = "/usr/share/rspamd/plugins/milter_headers.lua"; }
""" % {"path": path, "port": port})
    user = ["-i"] if os.geteuid() == 0 else []
    return port, path, Program(["rspamd", "-f", *user, "-c", str(path / "conf")], path / "output")


def answers(port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


@needs_rspamd
def test_rspamd_judges_mail_and_its_headers_arrive(make_suite, directory):
    port, path, program = rspamd(directory)
    with program:
        wait_until(lambda: answers(port), 60)
        suite = make_suite(extra="milter rspamd { address inet:127.0.0.1:%d }\n" % port)
        for _ in range(2):
            assert relay(suite, "From: x@elsewhere.test\r\nTo: bob@example.test\r\nSubject: wanted\r\nMessage-ID: <1@elsewhere.test>\r\n\r\nHello\r\n")[0] == 250
        wait_until(lambda: len(suite.messages("bob")) == 2)
        assert b"TEST_LOCAL" in suite.messages("bob")[0], (path / "log").read_text()[-5000:]
        # It goes by our identifier.
        assert suite.messages("bob")[0].split(b" id ", 1)[1].split()[0] in (path / "log").read_bytes()
        # What it finds unwanted is marked; what a client wrote there itself does not stay.
        assert relay(suite, "From: x@elsewhere.test\r\nX-Spam: No\r\nSubject: unwanted\r\n\r\nHello\r\n")[0] == 250
        marked = wait_until(lambda: [m for m in suite.messages("bob") if b"unwanted" in m])[0]
        assert b"\nX-Spam: Yes" in marked and b"X-Spam: No" not in marked
        # What is bad is refused, in its words.
        code, words = relay(suite, "From: x@elsewhere.test\r\nSubject: bad\r\n\r\n%s\r\n" % GTUBE)
        assert code // 100 == 5, words
        submit(suite, "From: alice@example.test\r\nSubject: from a user\r\n\r\nHello\r\n")
        sent = wait_until(lambda: [m for m in suite.messages("bob") if b"from a user" in m])[0]
        assert b"TEST_USER" in sent
        assert not suite.log_lines("milter-failed")


@needs_rspamd
@needs_opendkim
def test_rspamd_and_opendkim_work_one_after_the_other(make_suite, directory):
    port, _, program = rspamd(directory)
    path, other = opendkim(directory)
    with program, other:
        wait_until(lambda: answers(port), 60)
        wait_until((path / "sock").exists)
        suite = make_suite(extra="milter rspamd { address inet:127.0.0.1:%d }\nmilter opendkim { address unix:%s }\n" % (port, path / "sock"))
        submit(suite, "From: alice@example.test\r\nSubject: both\r\n\r\n" + "Hello\r\n" * 20000)
        message = newest(suite, 1)
        assert b"TEST_USER" in message and b"DKIM-Signature: v=1;" in message
        assert message.count(b"Hello\n") == 20000
