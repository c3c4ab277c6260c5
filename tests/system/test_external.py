"""AUTH EXTERNAL: users who log in by a certificate of their own, in SMTP, IMAP and POP3."""

import base64
import imaplib
import os
import pathlib
import poplib
import re
import shutil
import smtplib
import socket
import ssl
import subprocess
import tempfile

import pytest

from suite import PASSWORDS, wait_until
from test_clients import TEXT, deliver, run
from test_scram import PROTOCOLS, SERVICES

REFUSED = {"smtp": "535 5.7.8 ", "imap": "a NO [AUTHENTICATIONFAILED] ", "pop3": "-ERR [AUTH] "}


class Authority:
    """Somebody who certifies users."""

    def __init__(self, directory, name="Authority"):
        self.directory = directory / name
        self.directory.mkdir()
        self.certificate, self.key = self.directory / "ca.pem", self.directory / "ca.key"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=" + name,
                "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-keyout", self.key, "-out", self.certificate)
        self.serial = 0

    def user(self, name, addresses=(), kind=("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), days=2, usage="clientAuth"):
        self.serial += 1
        certificate, key = self.directory / (name + ".pem"), self.directory / (name + ".key")
        request, extensions = self.directory / "request", self.directory / "extensions"
        openssl("req", "-new", "-newkey", *kind, "-nodes", "-subj", "/CN=" + name, "-keyout", key, "-out", request)
        lines = ["basicConstraints=CA:FALSE", "extendedKeyUsage=" + usage]
        lines += ["subjectAltName=" + ",".join("email:" + a for a in addresses)] if addresses else []
        extensions.write_text("\n".join(lines) + "\n")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-set_serial", self.serial,
                "-days", days, "-extfile", extensions, "-out", certificate)
        return Pair(certificate, key)

    def department(self, name):
        """An authority that this one has certified."""
        below = Authority(self.directory, name)
        request, extensions = below.directory / "request", below.directory / "extensions"
        openssl("req", "-new", "-key", below.key, "-subj", "/CN=" + name, "-out", request)
        extensions.write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign\n")
        self.serial += 1
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-set_serial", 1000 + self.serial, "-days", 2,
                "-extfile", extensions, "-out", below.certificate)
        return below

    def revoke(self, *pairs):
        """A list of them, behind the authority's certificate in the file that Petrel is given."""
        conf, index = self.directory / "ca.conf", self.directory / "index"
        conf.write_text("[ca]\ndefault_ca=x\n[x]\ndatabase=%s\ndefault_md=sha256\ndefault_crl_days=2\n" % index)
        index.write_text("")
        for pair in pairs:
            openssl("ca", "-config", conf, "-revoke", pair.certificate, "-cert", self.certificate, "-keyfile", self.key)
        openssl("ca", "-config", conf, "-gencrl", "-cert", self.certificate, "-keyfile", self.key, "-out", self.directory / "crl.pem")
        both = self.directory / "with-list.pem"
        both.write_text(self.certificate.read_text() + (self.directory / "crl.pem").read_text())
        return both


class Pair:
    def __init__(self, certificate, key):
        self.certificate, self.key = certificate, key

    def sha256(self, of="certificate"):
        if of == "certificate":
            return openssl("x509", "-in", self.certificate, "-noout", "-fingerprint", "-sha256").strip().split("=")[1]
        der = subprocess.run(["openssl", "pkey", "-in", self.key, "-pubout", "-outform", "DER"], capture_output=True, check=True).stdout
        return subprocess.run(["openssl", "dgst", "-sha256", "-r"], input=der, capture_output=True, check=True).stdout.decode().split()[0]


def openssl(*line):
    return run("openssl", *line).stdout


@pytest.fixture(scope="session")
def authority():
    path = pathlib.Path(tempfile.mkdtemp(prefix="petrel-ca-"))
    path.chmod(0o755)
    yield Authority(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def suite(make_suite, authority):
    return make_suite(extra="tls.client-authorities %s\nauth.failure-delay 0\n" % authority.certificate)


def listed(suite, *lines):
    path = suite.path("auth/certificates")
    fresh = path.with_name("certificates.fresh")
    fresh.write_text("# who is who\n" + "".join(line + "\n" for line in lines))
    fresh.chmod(0o600)
    shutil.chown(fresh, "petrela" if suite.privileged else None or os.geteuid())
    fresh.rename(path)


def beacon_is_out(suite):
    """The front daemons have what they ask for a certificate with."""
    wait_until(lambda: len(suite.log_lines("authorities-loaded")) >= 3)


class Client:
    """A client with a certificate, or without; says what it likes."""

    def __init__(self, suite, protocol, pair=None, context=None):
        self.protocol = protocol
        self.context = context or suite.tls_context()
        if pair:
            self.context.load_cert_chain(pair.certificate, pair.key)
        plain = socket.create_connection(("127.0.0.1", suite.ports[SERVICES[protocol]]), timeout=30)
        self.socket = self.context.wrap_socket(plain, server_hostname="localhost")
        self.file = self.socket.makefile("rwb")
        self.greeting = self.line()

    def line(self):
        return self.file.readline().decode().rstrip("\r\n")

    def send(self, text):
        self.file.write(text.encode() + b"\r\n")
        self.file.flush()

    def mechanisms(self):
        if self.protocol == "smtp":
            self.send("EHLO client.test")
            lines = [self.line()]
            while lines[-1][3] == "-":
                lines.append(self.line())
            return next(line for line in lines if "AUTH" in line)[4:].split()[1:]
        if self.protocol == "imap":
            return re.findall(r"AUTH=([^] ]+)", self.greeting)
        self.send("CAPA")
        lines = [self.line()]
        while lines[-1] != ".":
            lines.append(self.line())
        return next(line for line in lines if line.startswith("SASL")).split()[1:]

    def begin(self, mechanism, initial=None):
        verb = {"smtp": "AUTH %s", "imap": "a AUTHENTICATE %s", "pop3": "AUTH %s"}[self.protocol] % mechanism
        self.send(verb if initial is None else verb + " " + initial)
        return self.line()

    def external(self, identity=""):
        return self.begin("EXTERNAL", base64.b64encode(identity.encode()).decode() or "=")

    def is_in(self, answer):
        return answer.startswith({"smtp": "235 ", "imap": "a OK ", "pop3": "+OK "}[self.protocol])

    def is_refused(self, answer):
        return answer.startswith(REFUSED[self.protocol])

    def works(self):
        if self.protocol == "smtp":
            self.send("MAIL FROM:<alice@example.test>")
            assert self.line().startswith("250 ")
        elif self.protocol == "imap":
            self.send("b SELECT INBOX")
            while not (line := self.line()).startswith("b "):
                pass
            assert line.startswith("b OK")
        else:
            self.send("STAT")
            assert self.line().startswith("+OK")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_listed_certificate_or_key_logs_in(suite, authority, protocol):
    kinds = {"alice": ("ec", "-pkeyopt", "ec_paramgen_curve:P-256"), "rsa": ("rsa:2048",), "ed": ("ed25519",),
             "p384": ("ec", "-pkeyopt", "ec_paramgen_curve:P-384")}
    pairs = {name: authority.user(name, kind=kind) for name, kind in kinds.items()}
    listed(suite, *["alice@example.test certificate " + pairs[name].sha256() for name in ("alice", "ed")],
           *["ALICE@example.test key " + pairs[name].sha256("key") for name in ("rsa", "p384")])
    beacon_is_out(suite)
    for pair in pairs.values():
        for identity in ("", "alice@example.test", "alice"):
            c = Client(suite, protocol, pair)
            assert c.mechanisms()[0] == "EXTERNAL"
            answer = c.external(identity)
            assert c.is_in(answer), answer
            c.works()
    c = Client(suite, protocol, pairs["alice"])
    c.mechanisms()
    assert c.begin("EXTERNAL").rstrip() in ("334", "+")
    c.send("")
    assert c.is_in(c.line())
    wait_until(lambda: suite.log_lines("auth", "login", "mechanism=EXTERNAL", "account=alice@example.test", "tls=yes"))
    wait_until(lambda: suite.log_lines("client-certificate", "verified=yes", pairs["rsa"].sha256().replace(":", "").lower()))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_who_shows_none_or_one_that_nobody_stands_for_is_not_offered_it(suite, authority, directory, protocol):
    stranger = Authority(directory, "Stranger").user("alice", ["alice@example.test"])
    listed(suite, "alice@example.test certificate " + stranger.sha256())
    beacon_is_out(suite)
    server = authority.user("server", usage="serverAuth")
    for pair in (None, stranger, server):
        c = Client(suite, protocol, pair)
        assert "EXTERNAL" not in c.mechanisms()
        assert c.external().startswith({"smtp": "504 5.5.4", "imap": "a NO [CANNOT]", "pop3": "-ERR"}[protocol])
        plain = base64.b64encode(b"\0alice@example.test\0" + PASSWORDS["alice"].encode()).decode()
        assert c.is_in(c.begin("PLAIN", plain)), "a password does as well"
    wait_until(lambda: suite.log_lines("client-certificate", "verified=no", stranger.sha256().replace(":", "").lower()))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_certificate_is_its_own_accounts_and_nobody_elses(suite, authority, protocol):
    alice, both, nobody = authority.user("alice"), authority.user("both"), authority.user("nobody", ["alice@example.test"])
    gone = authority.user("gone")
    listed(suite, "alice@example.test certificate " + alice.sha256(), "alice@example.test key " + both.sha256("key"),
           "bob@example.test certificate " + both.sha256(), "carol@example.test certificate " + gone.sha256())
    beacon_is_out(suite)
    for pair, identity, reason in ((alice, "bob@example.test", "not that account"), (nobody, "", "nobody's"), (nobody, "alice@example.test", "nobody's"),
                                   (both, "", "several"), (both, "carol@example.test", "not that account"), (gone, "", "no such account")):
        c = Client(suite, protocol, pair)
        c.mechanisms()
        answer = c.external(identity)
        assert c.is_refused(answer), (identity, answer)
        wait_until(lambda: [line for line in suite.log_lines("auth-failed", "mechanism=EXTERNAL") if reason in line])
    for identity in ("alice@example.test", "bob@example.test"):
        c = Client(suite, protocol, both)
        c.mechanisms()
        assert c.is_in(c.external(identity))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_malformed_and_cancelled_exchanges_end_in_the_right_code(suite, authority, protocol):
    alice = authority.user("alice")
    listed(suite, "alice@example.test certificate " + alice.sha256())
    beacon_is_out(suite)
    c = Client(suite, protocol, alice)
    c.mechanisms()
    malformed = {"smtp": "501 5.5.2", "imap": "a BAD ", "pop3": "-ERR "}[protocol]
    for initial in ("not-base64!", "AAAA", base64.b64encode(b"x" * 400).decode()):
        assert c.begin("EXTERNAL", initial).startswith(malformed)
    c.begin("EXTERNAL")
    c.send("*")
    assert c.line().startswith({"smtp": "501 5.7.0", "imap": "a BAD ", "pop3": "-ERR "}[protocol])
    assert c.is_in(c.external("alice"))
    c.works()


def test_more_certificates_than_anybody_needs_end_the_handshake_and_nothing_else(suite, authority):
    alice = authority.user("alice")
    listed(suite, "alice@example.test certificate " + alice.sha256())
    beacon_is_out(suite)
    one = alice.certificate.read_text()
    alice.certificate.write_text(one + authority.certificate.read_text() * 6)
    c = Client(suite, "imap", alice)
    assert c.is_in(c.external())
    alice.certificate.write_text(one + authority.certificate.read_text() * 100)
    with pytest.raises((ssl.SSLError, OSError, AssertionError)):
        c = Client(suite, "imap", alice)
        assert c.greeting
    wait_until(lambda: suite.log_lines("imapd", "tls-failed", "excessive message size"))
    alice.certificate.write_text(one)
    c = Client(suite, "imap", alice)
    assert c.is_in(c.external())
    assert all(p["restarts"] == 0 for p in suite.processes())


def test_a_handshake_logs_in_once(suite, authority):
    alice = authority.user("alice")
    listed(suite, "alice@example.test certificate " + alice.sha256())
    beacon_is_out(suite)
    c = Client(suite, "smtp", alice)
    c.mechanisms()
    assert c.is_refused(c.external("bob@example.test"))
    assert c.is_refused(c.external()), "what was shown was used up"
    c = Client(suite, "smtp", alice)
    c.mechanisms()
    assert c.is_in(c.external())


def test_under_tls_1_2_there_is_no_proof_and_no_external(suite, authority):
    alice = authority.user("alice")
    listed(suite, "alice@example.test certificate " + alice.sha256())
    beacon_is_out(suite)
    context = suite.tls_context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    c = Client(suite, "imap", alice, context)
    assert "EXTERNAL" not in c.mechanisms() and "PLAIN" in c.mechanisms()


def test_a_session_with_a_certificate_is_not_resumed(suite, authority):
    alice = authority.user("alice")
    beacon_is_out(suite)
    for pair, tickets in ((alice, 0), (None, 1)):
        certificate = ["-cert", pair.certificate, "-key", pair.key] if pair else []
        done = run("openssl", "s_client", "-ign_eof", "-connect", "127.0.0.1:%d" % suite.ports["imaps"], *certificate, input="a LOGOUT\r\n", check=False)
        assert done.stdout.count("Post-Handshake New Session Ticket arrived") == tickets


def test_nobody_asks_other_hosts_for_a_certificate(suite, authority):
    beacon_is_out(suite)
    for service, asked in (("mx", False), ("submission", True)):
        done = run("openssl", "s_client", "-connect", "127.0.0.1:%d" % suite.ports[service], "-starttls", "smtp", input="QUIT\r\n", check=False)
        assert ("Acceptable client certificate CA names" in done.stdout) == asked
        assert ("CN = Authority" in done.stdout) == asked


def test_a_proxys_certificate_is_not_that_of_the_clients_it_speaks_for(make_suite, authority):
    suite = make_suite(extra="tls.client-authorities %s\nsmtp.xclient-networks 127.0.0.0/8\nauth.failure-delay 0\n" % authority.certificate)
    alice = authority.user("alice")
    listed(suite, "alice@example.test certificate " + alice.sha256())
    beacon_is_out(suite)
    c = Client(suite, "smtp", alice)
    assert "EXTERNAL" in c.mechanisms()
    c.send("XCLIENT ADDR=192.0.2.1 NAME=client.test")
    assert c.line().startswith("220 ")
    assert "EXTERNAL" not in c.mechanisms()
    assert c.external().startswith("504 ")


def test_addresses_in_certificates_count_where_the_settings_say_so(make_suite, authority):
    suite = make_suite(extra="tls.client-authorities %s\nauth.certificates named\nauth.failure-delay 0\n" % authority.certificate)
    beacon_is_out(suite)
    alice = authority.user("alice", ["Alice@Example.test", "a@elsewhere.test"])
    c = Client(suite, "imap", alice)
    assert c.is_refused(c.external()), "of two addresses one has to be named"
    c = Client(suite, "imap", alice)
    assert c.is_in(c.external("alice@example.test"))
    c = Client(suite, "imap", authority.user("carol", ["carol@example.test"]))
    assert c.is_refused(c.external()), "there is no such account"


def test_a_revoked_certificate_is_good_for_nothing(make_suite, authority, directory):
    ours = Authority(directory, "Ours")
    good, bad = ours.user("good"), ours.user("bad")
    suite = make_suite(extra="tls.client-authorities %s\nauth.failure-delay 0\n" % ours.revoke(bad))
    listed(suite, "alice@example.test certificate " + good.sha256(), "alice@example.test certificate " + bad.sha256())
    beacon_is_out(suite)
    c = Client(suite, "pop3", good)
    c.mechanisms()
    assert c.is_in(c.external())
    assert "EXTERNAL" not in Client(suite, "pop3", bad).mechanisms()
    wait_until(lambda: suite.log_lines("client-certificate", "verified=no", "revoked"))


def test_a_client_shows_who_stands_between_it_and_the_authority(suite, authority):
    department = authority.department("Department")
    alice = department.user("alice")
    listed(suite, "alice@example.test certificate " + alice.sha256())
    beacon_is_out(suite)
    assert "EXTERNAL" not in Client(suite, "imap", alice).mechanisms(), "nobody knows who that is"
    alice.certificate.write_text(alice.certificate.read_text() + department.certificate.read_text())
    c = Client(suite, "imap", alice)
    assert c.is_in(c.external())
    c.works()


def test_a_listing_that_is_gone_counts_no_more_and_a_malformed_one_changes_nothing(suite, authority):
    alice = authority.user("alice")
    line = "alice@example.test certificate " + alice.sha256()
    beacon_is_out(suite)

    def external():
        c = Client(suite, "smtp", alice)
        c.mechanisms()
        return c.external()

    listed(suite, line)
    assert external().startswith("235 ")
    listed(suite, line, "bob@example.test certificate xyz")
    assert external().startswith("235 ")
    wait_until(lambda: [l for l in suite.log_lines("malformed-certificates") if "certificates:3:" in l])
    listed(suite)
    assert external().startswith("535 ")
    listed(suite, line)
    assert external().startswith("235 ")
    suite.path("auth/certificates").unlink()
    assert external().startswith("535 ")


def test_a_reload_switches_it_on_and_off(make_suite, authority):
    suite = make_suite(extra="auth.failure-delay 0\n")
    alice = authority.user("alice")
    listed(suite, "alice@example.test certificate " + alice.sha256())
    assert "EXTERNAL" not in Client(suite, "smtp", alice).mechanisms()
    suite.write_conf("tls.client-authorities %s\nauth.failure-delay 0\n" % authority.certificate)
    suite.petrel("reload")
    wait_until(lambda: "EXTERNAL" in Client(suite, "smtp", alice).mechanisms())
    c = Client(suite, "smtp", alice)
    c.mechanisms()
    assert c.is_in(c.external())
    suite.write_conf("auth.failure-delay 0\n")
    suite.petrel("reload")
    wait_until(lambda: "EXTERNAL" not in Client(suite, "smtp", alice).mechanisms())


@pytest.mark.parametrize("process", ["auth", "smtpd"])
def test_it_works_again_after_the_death_of(suite, authority, process):
    alice = authority.user("alice")
    listed(suite, "alice@example.test certificate " + alice.sha256())
    beacon_is_out(suite)
    waiting = Client(suite, "smtp", alice)
    waiting.mechanisms()
    os.kill(suite.pid_of(process), 9)

    def logs_in():
        c = Client(suite, "smtp", alice)
        return "EXTERNAL" in c.mechanisms() and c.is_in(c.external())

    def tries():
        try:
            return logs_in()
        except OSError:
            return False

    wait_until(tries)
    if process == "auth":
        answer = waiting.external()
        assert answer.startswith(("454 ", "535 ")), "its beacon died with auth"


# --- other people's clients --------------------------------------------------------------


@pytest.fixture
def alice(suite, authority):
    pair = authority.user("alice")
    listed(suite, "alice@example.test certificate " + pair.sha256(), "bob@example.test certificate " + pair.sha256())
    beacon_is_out(suite)
    return pair


def test_curl_submits_and_reads_by_certificate(suite, alice, directory):
    mail = directory / "mail"
    mail.write_text(TEXT % "by curl")
    common = ["--cacert", suite.certificate, "--cert", alice.certificate, "--key", alice.key, "--login-options", "AUTH=EXTERNAL", "-sS"]
    run("curl", *common, "--url", "smtps://localhost:%d" % suite.ports["submissions"], "-u", "alice@example.test:", "--mail-from",
        "alice@example.test", "--mail-rcpt", "bob@example.test", "-T", mail)
    wait_until(lambda: len(suite.messages("bob")) == 1)
    got = run("curl", *common, "--url", "imaps://localhost:%d/INBOX/;MAILINDEX=1" % suite.ports["imaps"], "-u", "bob@example.test:")
    assert "by curl" in got.stdout
    got = run("curl", *common, "--url", "pop3s://localhost:%d/1" % suite.ports["pop3s"], "-u", "bob@example.test:")
    assert "by curl" in got.stdout
    wait_until(lambda: len(suite.log_lines("login", "mechanism=EXTERNAL")) == 3)


def test_msmtp_submits_by_certificate(suite, alice, directory):
    conf = directory / "msmtprc"
    conf.write_text("account default\nhost localhost\nport %d\ntls on\ntls_starttls on\ntls_trust_file %s\ntls_cert_file %s\ntls_key_file %s\n"
                    "auth external\nuser alice@example.test\nfrom alice@example.test\n"
                    % (suite.ports["submission"], suite.certificate, alice.certificate, alice.key))
    conf.chmod(0o600)
    run("msmtp", "-C", conf, "bob@example.test", input=(TEXT % "by msmtp").replace("\r\n", "\n"))
    wait_until(lambda: len(suite.messages("bob")) == 1)
    wait_until(lambda: suite.log_lines("login", "mechanism=EXTERNAL", "account=alice@example.test"))


def test_swaks_shows_a_certificate_and_uses_a_password(suite, alice):
    done = run("swaks", "--server", "127.0.0.1", "--port", suite.ports["submission"], "--tls", "--tls-cert", alice.certificate, "--tls-key",
               alice.key, "--auth", "PLAIN", "--auth-user", "alice@example.test", "--auth-password", PASSWORDS["alice"], "--from",
               "alice@example.test", "--to", "bob@example.test")
    assert re.search(r"250-AUTH EXTERNAL ", done.stdout)
    wait_until(lambda: len(suite.messages("bob")) == 1)


def test_mbsync_reads_by_certificate(suite, alice, directory):
    deliver(suite, 2)
    local = directory / "local"
    local.mkdir()
    conf = directory / "mbsyncrc"
    conf.write_text("IMAPAccount far\nHost localhost\nPort %d\nUser bob@example.test\nSSLType IMAPS\nCertificateFile %s\n"
                    "ClientCertificate %s\nClientKey %s\nAuthMechs EXTERNAL\n\n"
                    "IMAPStore far\nAccount far\n\nMaildirStore near\nInbox %s/INBOX\n\n"
                    "Channel all\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSyncState *\n"
                    % (suite.ports["imaps"], suite.certificate, alice.certificate, alice.key, local))
    conf.chmod(0o600)
    run("mbsync", "-c", conf, "-a", env=dict(os.environ, HOME=str(directory)))
    assert len([p for p in local.rglob("*") if p.is_file() and p.parent.name in ("cur", "new")]) == 2


def test_pythons_own_clients_log_in_by_certificate(suite, alice):
    context = suite.tls_context()
    context.load_cert_chain(alice.certificate, alice.key)
    with imaplib.IMAP4_SSL("localhost", suite.ports["imaps"], ssl_context=context) as c:
        c.authenticate("EXTERNAL", lambda _: b"bob@example.test")
        assert c.select()[0] == "OK"
    with smtplib.SMTP("localhost", suite.ports["submission"]) as c:
        c.starttls(context=context)
        c.ehlo()
        c.auth("EXTERNAL", lambda challenge=None: "alice@example.test")
        c.sendmail("alice@example.test", ["bob@example.test"], TEXT % "x")
    wait_until(lambda: len(suite.messages("bob")) == 1)


def test_the_control_command_lists_a_certificate_and_forgets_it_with_its_account(suite, authority, directory):
    beacon_is_out(suite)
    alice, stranger = authority.user("alice"), Authority(directory, "Stranger").user("alice")
    assert suite.petrel("user", "certificate", "alice@example.test", str(alice.certificate)).stderr == ""
    assert "do not stand for it" in suite.petrel("user", "certificate", "alice@example.test", str(stranger.certificate)).stderr
    before = suite.path("auth/certificates").read_text()
    assert len(before.splitlines()) == 2
    suite.petrel("user", "certificate", "ALICE@example.test", str(alice.certificate))
    assert suite.path("auth/certificates").read_text() == before, "it was listed already"
    if suite.privileged:
        assert suite.path("auth/certificates").stat().st_mode & 0o777 == 0o600
        assert suite.path("auth/certificates").owner() == "petrela"

    def logs_in():
        c = Client(suite, "smtp", alice)
        c.mechanisms()
        return c.is_in(c.external())

    assert logs_in()
    for wrong in (["carol@example.test", alice.certificate], ["alice@example.test", alice.key], ["alice@example.test", directory / "none"],
                  ["alice@example.test"]):
        assert suite.petrel("user", "certificate", *map(str, wrong), check=False).returncode != 0
    suite.petrel("user", "certificate", "bob@example.test", str(alice.certificate))
    suite.petrel("user", "delete", "alice@example.test")
    suite.add_user("alice@example.test", "another's")
    assert [line.split()[0] for line in suite.path("auth/certificates").read_text().splitlines()] == ["bob@example.test"]
    c = Client(suite, "smtp", alice)
    c.mechanisms()
    assert c.is_refused(c.external("alice@example.test"))


def test_the_control_command_finds_authorities_that_are_none(make_suite, directory):
    bad = directory / "bad.pem"
    bad.write_text("nothing\n")
    suite = make_suite(extra="tls.client-authorities %s\n" % bad)
    done = suite.petrel("check", check=False)
    assert done.returncode != 0 and "tls.client-authorities" in done.stdout
    assert suite.petrel("reload", check=False).returncode != 0
    suite.path("auth/certificates").write_text("\nalice@example.test certificate 1234\n")
    assert "certificates:2: not a SHA-256 in hexadecimal" in suite.petrel("check", check=False).stdout
