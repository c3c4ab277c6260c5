"""Certificates by name, their renewal and expiry, tickets that all processes share, and versions."""

import datetime
import os
import re
import socket
import ssl
import subprocess
import time

import pytest

from suite import wait_until

KINDS = {"ec": ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"], "rsa": ["-newkey", "rsa:2048"]}
PORTS = ["mx", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"]
IMPLICIT = {"submissions", "imaps", "pop3s"}


def certificate(directory, *names, kind="ec", days=60, serial=1):
    """A pair of files as certbot names them."""
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(
        ["openssl", "req", "-x509", *KINDS[kind], "-nodes", "-days", str(days), "-set_serial", str(serial), "-subj", "/O=test",
         "-addext", "subjectAltName=" + ",".join("DNS:" + n for n in names),
         "-keyout", str(directory / "privkey.pem"), "-out", str(directory / "fullchain.pem")], check=True, capture_output=True)
    (directory / "privkey.pem").chmod(0o600)
    return directory


def without_tls(text):
    return re.sub(r"tls \{.*?\}\n", "", text, flags=re.S)


def restart_with(suite, tls):
    suite.stop()
    suite.conf.write_text(without_tls(suite.conf.read_text()) + tls + "\n")
    suite.start()


class Peer:
    """A client under TLS, whichever the port."""

    def __init__(self, suite, port, name=None, context=None, session=None):
        if context is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        plain = socket.create_connection((suite.address, suite.ports[port]), timeout=20)
        if port not in IMPLICIT:
            self.prepare(plain, port)
        self.tls = context.wrap_socket(plain, server_hostname=name, session=session)
        if port in IMPLICIT:
            assert self.line(), port

    def prepare(self, plain, port):
        order, good = {"imap": (b"a STARTTLS\r\n", b"a OK"), "pop3": (b"STLS\r\n", b"+OK")}.get(port, (b"STARTTLS\r\n", b"220"))
        plain.recv(4096)
        if good == b"220":
            plain.sendall(b"EHLO client.example\r\n")
            assert b"STARTTLS" in plain.recv(4096)
        plain.sendall(order)
        assert plain.recv(4096).startswith(good)

    def line(self):
        return self.tls.recv(4096)

    def names(self):
        """Of the certificate that was shown."""
        text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-ext", "subjectAltName"],
                              input=self.tls.getpeercert(binary_form=True), capture_output=True, check=True).stdout.decode()
        return sorted(re.findall(r"DNS:([^,\s]+)", text))

    def serial(self):
        text = subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-serial"],
                              input=self.tls.getpeercert(binary_form=True), capture_output=True, check=True).stdout.decode()
        return int(text.split("=")[1], 16)

    def noop(self, port):
        order = {"imap": b"x NOOP\r\n", "imaps": b"x NOOP\r\n", "pop3": b"CAPA\r\n", "pop3s": b"CAPA\r\n"}.get(port, b"NOOP\r\n")
        self.tls.sendall(order)
        return self.line()

    def close(self):
        try:
            self.tls.unwrap()
        except (OSError, ssl.SSLError):
            pass
        self.tls.close()


# --- names ------------------------------------------------------------------------


def test_each_name_gets_its_certificate_on_every_port(make_suite, directory):
    live = directory / "live"
    certificate(live / "mail.example.test", "mail.example.test")
    certificate(live / "example.net", "mail.example.net", "*.lists.example.net", kind="rsa")
    certificate(live / "a-first-by-name", "www.example.com")
    (live / "README").write_text("as certbot leaves one\n")
    suite = make_suite(start=False)
    suite.conf.write_text(without_tls(suite.conf.read_text()) + "tls.directory %s\n" % live)
    suite.start()
    assert "error" not in suite.petrel("check").stdout
    for port in PORTS:
        for name, expected in (("mail.example.test", ["mail.example.test"]),
                               ("mail.example.net", ["*.lists.example.net", "mail.example.net"]),
                               ("one.lists.example.net", ["*.lists.example.net", "mail.example.net"]),
                               ("www.example.com", ["www.example.com"]),
                               ("unknown.example", ["mail.example.test"]),
                               (None, ["mail.example.test"])):
            p = Peer(suite, port, name)
            assert p.names() == expected, (port, name)
            p.close()


def test_a_name_may_have_a_key_of_each_kind_and_the_order_of_keys_does_not_matter(make_suite, directory):
    suite = make_suite()
    pairs = [certificate(directory / "one", "mail.example.test", kind="ec"), certificate(directory / "two", "mail.example.test", kind="rsa"),
             certificate(directory / "three", "mail.example.org", kind="ec")]
    restart_with(suite, "tls { certificate { %s }\n key { %s } }" % (" ".join(str(p / "fullchain.pem") for p in pairs),
                                                                 " ".join(str(p / "privkey.pem") for p in reversed(pairs))))
    assert "error" not in suite.petrel("check").stdout
    for arguments, kind in ((["-sigalgs", "RSA-PSS+SHA256"], "RSA-PSS"), (["-sigalgs", "ECDSA+SHA256"], "ECDSA"), ([], "ECDSA")):
        done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % suite.ports["imaps"], "-servername", "mail.example.test", *arguments],
                              input="a LOGOUT\r\n", text=True, capture_output=True, timeout=30)
        assert "Peer signature type: " + kind in done.stdout, done.stdout


def test_check_names_the_certificate_without_a_key_and_the_directory_without_certificates(make_suite, directory):
    suite = make_suite()
    one, two = certificate(directory / "one", "mail.example.test"), certificate(directory / "two", "mail.example.org")
    (directory / "nothing").mkdir()
    base = without_tls(suite.conf.read_text())
    suite.conf.write_text(base + "tls { certificate { %s/fullchain.pem %s/fullchain.pem }\n key { %s/privkey.pem %s/privkey.pem } }\n"
                          % (one, two, one, certificate(directory / "three", "x.test")))
    said = suite.petrel("check", check=False).stdout
    assert "none of the keys belongs to the certificate %s/fullchain.pem" % two in said
    assert str(one) not in said
    suite.conf.write_text(base + "tls.directory %s/nothing\n" % directory)
    assert "there is no fullchain.pem in it" in suite.petrel("check", check=False).stdout
    suite.conf.write_text(base + "tls.directory %s/not-there\n" % directory)
    assert "not-there: No such file" in suite.petrel("check", check=False).stdout


# --- renewal -----------------------------------------------------------------------


def live_link(directory, target):
    """What certbot does: links are replaced, one after the other."""
    live = directory / "live/mail.example.test"
    live.mkdir(parents=True, exist_ok=True)
    for name in ("fullchain.pem", "privkey.pem"):
        new = live / (name + ".new")
        new.symlink_to(target / name)
        new.rename(live / name)


def test_a_renewed_certificate_is_shown_without_a_reload_and_no_connection_is_dropped(make_suite, directory):
    first = certificate(directory / "archive/1", "mail.example.test", serial=1)
    second = certificate(directory / "archive/2", "mail.example.test", serial=2)
    live_link(directory, first)
    suite = make_suite(start=False)
    suite.conf.write_text(without_tls(suite.conf.read_text()) + "tls { directory %s/live\n watch 1s }\nsmtp.workers 2\n" % directory)
    suite.start()
    held = {port: Peer(suite, port) for port in PORTS}
    assert {p.serial() for p in held.values()} == {1}
    live_link(directory, second)

    def is_new():
        p = Peer(suite, "submissions")
        serial = p.serial()
        p.close()
        return serial == 2
    wait_until(is_new)
    for _ in range(4):
        for port in PORTS:
            p = Peer(suite, port)
            assert p.serial() == 2
            p.close()
    for port, p in held.items():
        assert p.noop(port), port
    assert suite.log_lines("certificates-changed") and suite.log_lines("certificate-loaded", "live/mail.example.test/fullchain.pem")
    assert not suite.log_lines(" reloaded ")


def test_a_half_written_renewal_changes_nothing_and_says_so(make_suite, directory):
    live = certificate(directory / "live", "mail.example.test", serial=1)
    new = certificate(directory / "new", "mail.example.test", serial=2)
    suite = make_suite(start=False)
    suite.conf.write_text(without_tls(suite.conf.read_text()) + "tls { directory %s\n watch 1s }\n" % live)
    suite.start()
    chain = (new / "fullchain.pem").read_bytes()
    for content in (chain, chain[:len(chain) // 2], b""):
        count = len(suite.log_lines("cannot-use-certificate"))
        (live / "fullchain.pem").write_bytes(content)
        line = wait_until(lambda: suite.log_lines("cannot-use-certificate")[count:])[0]
        assert 'in-force="the one from before"' in line
        assert Peer(suite, "imaps").serial() == 1
        found, = suite.petrel_json("status", "--certificates")
        assert found["shown"] and found["problem"]
    (live / "fullchain.pem").unlink()
    wait_until(lambda: suite.log_lines("cannot-open", "fullchain.pem"))
    assert Peer(suite, "imaps").serial() == 1
    # A process that is started again shows it still.
    pid = suite.pid_of("imapd")
    os.kill(pid, 9)
    wait_until(lambda: suite.pid_of("imapd") not in (0, pid))
    assert Peer(suite, "imaps").serial() == 1
    # Not even keys forgets which it was.
    pid, count = suite.pid_of("keys"), len(suite.log_lines("cannot-use-certificate"))
    os.kill(pid, 9)
    wait_until(lambda: len(suite.log_lines("cannot-use-certificate")) > count)
    assert 'in-force="the one from before"' in suite.log_lines("cannot-use-certificate")[-1]
    assert Peer(suite, "imaps").serial() == 1
    (live / "fullchain.pem").write_bytes(chain)
    (live / "privkey.pem").write_bytes((new / "privkey.pem").read_bytes())
    wait_until(lambda: Peer(suite, "imaps").serial() == 2)
    found, = suite.petrel_json("status", "--certificates")
    assert found["problem"] is None and found["names"] == ["mail.example.test"]


def test_keys_started_again_signs_for_what_is_there(make_suite, directory):
    suite = make_suite()
    pid = suite.pid_of("keys")
    os.kill(pid, 9)
    wait_until(lambda: suite.pid_of("keys") not in (0, pid))
    for port in PORTS:
        Peer(suite, port).close()


def test_a_certificate_that_ends_soon_is_warned_of_in_the_log_by_status_and_by_check(make_suite, directory):
    suite = make_suite()
    soon = certificate(directory / "soon", "mail.example.test", days=5)
    restart_with(suite, "tls.directory %s" % soon)
    assert suite.log_lines("warning", "certificate-expires", "names=mail.example.test", "days=")
    said = suite.petrel("status").stdout
    assert re.search(r"^[45]d( \d+h)? +%s/fullchain.pem \(mail.example.test\)$" % soon, said, re.M), said
    assert "it is to be renewed" in said
    assert re.search("%s/fullchain.pem expires in [45] days" % soon, suite.petrel("check").stdout)
    suite.conf.write_text(suite.conf.read_text() + "tls.expiry-warning 2d\n")
    suite.petrel("reload")
    assert "expires" not in suite.petrel("check").stdout
    assert "renewed" not in suite.petrel("status").stdout


# --- tickets ------------------------------------------------------------------------


def resuming_context(version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = context.maximum_version = version
    return context


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_session_is_resumed_by_every_worker_of_every_service_and_by_one_started_again(make_suite, version):
    suite = make_suite(extra="smtp.workers 3\nimap.workers 2\npop3.workers 2\n")
    context = resuming_context(version)
    first = Peer(suite, "submissions", "mail.example.test", context)
    assert not first.tls.session_reused
    session = first.tls.session
    first.close()

    def resumed(port):
        p = Peer(suite, port, "mail.example.test", context, session)
        p.noop(port)
        reused = p.tls.session_reused
        p.close()
        return reused
    for port in ["submissions", "submission", "mx", "imaps", "imap", "pop3s", "pop3"] * 6:
        assert resumed(port), port
    for worker in range(3):
        pid = suite.pid_of("smtpd", worker)
        os.kill(pid, 9)
        wait_until(lambda: suite.pid_of("smtpd", worker) not in (0, pid))
    for _ in range(12):
        assert resumed("submissions")
    # Without keys nothing can be signed, and a session that is resumed needs no signature.
    keys = suite.pid_of("keys")
    os.kill(keys, 19)
    try:
        assert resumed("imaps")
    finally:
        os.kill(keys, 18)


def test_openssl_resumes_across_workers(make_suite, directory):
    suite = make_suite(extra="smtp.workers 4\nlog.level debug\n")

    def connect(*arguments):
        done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % suite.ports["submission"], "-starttls", "smtp", "-ign_eof", *arguments],
                              input="QUIT\r\n", text=True, capture_output=True, timeout=30)
        return done.stdout

    for version in ("-tls1_2", "-tls1_3"):
        ticket = str(directory / ("ticket" + version))
        assert "New, " in connect(version, "-sess_out", ticket)
        if not os.path.exists(ticket):
            pytest.fail("no ticket was given")
        for _ in range(12):
            assert "Reused, " in connect(version, "-sess_in", ticket)
    wait_until(lambda: suite.log_lines("smtpd", "resumed=yes"))


def test_the_ticket_key_changes_in_time_and_the_one_before_is_taken_once_more(make_suite):
    suite = make_suite(extra="tls.ticket-rotation 4s\nsmtp.workers 2\n")
    context = resuming_context(ssl.TLSVersion.TLSv1_3)
    started = time.monotonic()
    first = Peer(suite, "submissions", None, context)
    session = first.tls.session
    first.close()
    outcomes = []
    while time.monotonic() - started < 11:
        p = Peer(suite, "submissions", None, context, session)
        outcomes.append(p.tls.session_reused)
        p.close()
        time.sleep(0.5)
    assert outcomes[0] and outcomes[1] and not outcomes[-1], outcomes
    # Once it is refused it stays so.
    assert outcomes == sorted(outcomes, reverse=True), outcomes


def test_no_tickets_are_given_where_none_are_wanted(make_suite):
    suite = make_suite(extra="tls.ticket-rotation 0\n")
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        context = resuming_context(version)
        first = Peer(suite, "submissions", None, context)
        assert first.tls.session is None or not first.tls.session.has_ticket
        first.close()


# --- versions -----------------------------------------------------------------------


@pytest.mark.parametrize("port", PORTS)
def test_the_oldest_version_is_a_setting(make_suite, port):
    suite = make_suite()
    Peer(suite, port, None, resuming_context(ssl.TLSVersion.TLSv1_2)).close()
    suite.conf.write_text(suite.conf.read_text() + "tls.minimum TLSv1.3\n")
    suite.petrel("reload")

    def is_refused():
        try:
            Peer(suite, port, None, resuming_context(ssl.TLSVersion.TLSv1_2)).close()
        except (ssl.SSLError, ConnectionError):
            return True
        return False
    wait_until(is_refused)
    Peer(suite, port, None, resuming_context(ssl.TLSVersion.TLSv1_3)).close()


@pytest.mark.parametrize("option", ["-tls1", "-tls1_1"])
def test_old_versions_are_refused(suite, option):
    done = subprocess.run(["openssl", "s_client", "-connect", "127.0.0.1:%d" % suite.ports["imaps"], option, "-cipher", "ALL:@SECLEVEL=0"],
                          input="", text=True, capture_output=True, timeout=30)
    assert "Cipher is (NONE)" in done.stdout or "no protocols available" in done.stderr


@pytest.mark.parametrize("port, order, good, poison, probe, clean", [
    ("mx", b"EHLO a.example\r\nSTARTTLS\r\n", b"220 2.0.0", b"MAIL FROM:<a@b.example>\r\n", b"NOOP\r\n", b"250"),
    ("submission", b"EHLO a.example\r\nSTARTTLS\r\n", b"220 2.0.0", b"EHLO poison.example\r\n", b"NOOP\r\n", b"250 2.0.0"),
    ("imap", b"a STARTTLS\r\n", b"a OK", b"p CAPABILITY\r\n", b"c NOOP\r\n", b"c OK"),
    ("pop3", b"STLS\r\n", b"+OK", b"CAPA\r\n", b"QUIT\r\n", b"+OK"),
])
def test_what_is_sent_in_the_clear_behind_starttls_is_thrown_away(suite, port, order, good, poison, probe, clean):
    plain = socket.create_connection((suite.address, suite.ports[port]), timeout=20)
    plain.recv(4096)
    plain.sendall(order + poison)
    answer = b""
    while good not in answer:
        answer += plain.recv(4096)
    time.sleep(0.1)  # what was injected has had its time
    context = ssl._create_unverified_context()
    tls = context.wrap_socket(plain)
    tls.sendall(probe)
    first = tls.recv(4096)
    assert first.startswith(clean) and first.count(b"\r\n") == 1, first
    tls.close()


# --- memory -------------------------------------------------------------------------


def memory(suite):
    """Octets that the smtpd processes have for themselves, shared pages by their share."""
    total = 0
    for process in suite.processes():
        if process["process"] == "smtpd":
            with open("/proc/%d/smaps_rollup" % process["pid"]) as f:
                total += int(re.search(r"^Pss: +(\d+)", f.read(), re.M).group(1)) * 1024
    return total


@pytest.mark.skipif("ASAN_OPTIONS" in os.environ, reason="the sanitizers' memory is not the program's")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may look into the processes' memory")
@pytest.mark.parametrize("port, count, most", [("mx", 1000, 8 * 1024), ("submissions", 400, 40 * 1024)])
def test_an_idle_connection_costs_little_memory(suite, port, count, most):
    context = ssl._create_unverified_context()

    def connect(n):
        s = socket.create_connection((suite.address, suite.ports[port]), timeout=20, source_address=("127.0.0.%d" % (2 + n // 40), 0))
        if port in IMPLICIT:
            s = context.wrap_socket(s)
        assert s.recv(4096).startswith(b"220")
        s.sendall(b"EHLO client.example\r\n")
        assert s.recv(4096).startswith(b"250")
        return s
    held = [connect(n) for n in range(40)]  # what the first ones need is everybody's
    before = memory(suite)
    held += [connect(n) for n in range(40, 40 + count)]
    each = (memory(suite) - before) / count
    for s in held:
        s.close()
    assert each < most, "%d octets each" % each
