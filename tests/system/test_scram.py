"""SCRAM-SHA-256 and SCRAM-SHA-256-PLUS, by a client of our own and by others'."""

import base64
import hashlib
import hmac
import os
import re
import secrets
import socket
import ssl
import subprocess
import time

import OpenSSL
import pytest

from suite import PASSWORDS, SLOW, wait_until
from test_clients import TEXT, deliver, run

PROTOCOLS = ["smtp", "imap", "pop3"]
SERVICES = {"smtp": "submissions", "imap": "imaps", "pop3": "pop3s"}
PLUS, PLAIN = "SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"


class Refused(Exception):
    pass


class Connection:
    """A connection under TLS, from OpenSSL itself: Python's ssl has no exporter."""

    def __init__(self, suite, protocol, tls12=False):
        context = OpenSSL.SSL.Context(OpenSSL.SSL.TLS_CLIENT_METHOD)
        if tls12:
            context.set_max_proto_version(OpenSSL.SSL.TLS1_2_VERSION)
        plain = socket.create_connection(("127.0.0.1", suite.ports[SERVICES[protocol]]), timeout=20 * SLOW)
        plain.settimeout(None)
        self.tls = OpenSSL.SSL.Connection(context, plain)
        self.tls.set_connect_state()
        self.tls.do_handshake()
        self.buffer = b""
        self.protocol = protocol
        self.greeting = self.line()

    def line(self):
        while b"\n" not in self.buffer:
            try:
                self.buffer += self.tls.recv(4096)
            except (OpenSSL.SSL.ZeroReturnError, OpenSSL.SSL.SysCallError):
                return ""
        line, self.buffer = self.buffer.split(b"\n", 1)
        return line.decode().rstrip("\r")

    def send(self, text):
        self.tls.sendall(text.encode() + b"\r\n")

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

    def begin(self, mechanism, initial):
        verb = {"smtp": "AUTH %s", "imap": "a AUTHENTICATE %s", "pop3": "AUTH %s"}[self.protocol] % mechanism
        self.send(verb if initial is None else verb + " " + initial)

    def challenge(self):
        """The next challenge; raises what was said instead."""
        line = self.line()
        head = "334 " if self.protocol == "smtp" else "+ "
        if not line.startswith(head):
            raise Refused(line)
        return line[len(head):]

    def result(self):
        line = self.line()
        if not line.startswith({"smtp": "235 ", "imap": "a OK ", "pop3": "+OK "}[self.protocol]):
            raise Refused(line)

    def works(self):
        """Somebody is logged in."""
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

    def binding(self, kind):
        if kind == "tls-exporter":
            return self.tls.export_keying_material(b"EXPORTER-Channel-Binding", 32)
        certificate = OpenSSL.crypto.dump_certificate(OpenSSL.crypto.FILETYPE_ASN1, self.tls.get_peer_certificate())
        return hashlib.sha256(certificate).digest()


def encode(octets):
    return base64.b64encode(octets).decode()


def mac(key, text):
    return hmac.new(key, text, "sha256").digest()


def scram(c, user, password, kind=None, flag="n", initial=True, authzid="", binding=None, mechanism=None):
    """RFC 5802 as a client; kind: of the channel binding.  Returns the salt that was shown."""
    header = "%s,%s," % ("p=" + kind if kind else flag, "a=" + authzid if authzid else "")
    nonce = secrets.token_urlsafe(18)
    bare = "n=%s,r=%s" % (user.replace("=", "=3D").replace(",", "=2C"), nonce)
    first = encode((header + bare).encode())
    c.begin(mechanism or (PLUS if kind else PLAIN), first if initial else None)
    if not initial:
        assert c.challenge() == ""
        c.send(first)
    server_first = base64.b64decode(c.challenge(), validate=True).decode()
    fields = dict(f.split("=", 1) for f in server_first.split(","))
    assert fields["r"].startswith(nonce) and len(fields["r"]) >= len(nonce) + 20
    salt, count = base64.b64decode(fields["s"], validate=True), int(fields["i"])
    data = header.encode() + ((c.binding(kind) if binding is None else binding) if kind else b"")
    without_proof = "c=%s,r=%s" % (encode(data), fields["r"])
    message = ("%s,%s,%s" % (bare, server_first, without_proof)).encode()
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, count)
    client_key = mac(salted, b"Client Key")
    signature = mac(hashlib.sha256(client_key).digest(), message)
    proof = bytes(a ^ b for a, b in zip(client_key, signature))
    c.send(encode(("%s,p=%s" % (without_proof, encode(proof))).encode()))
    try:
        server_final = base64.b64decode(c.challenge(), validate=True).decode()
    except Refused as why:
        why.salt = (salt, count)
        raise
    assert server_final == "v=" + encode(mac(mac(salted, b"Server Key"), message)), "the server does not know the password"
    c.send("")
    c.result()
    return salt, count


def is_refusal(c, line):
    return line.startswith({"smtp": "535 5.7.8 ", "imap": "a NO [AUTHENTICATIONFAILED] ", "pop3": "-ERR [AUTH] "}[c.protocol])


@pytest.fixture
def suite(make_suite):
    return make_suite(extra="auth.failure-delay 0\n")


# --- a client of our own ------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_scram_logs_in_with_every_binding_and_with_and_without_an_initial_response(suite, protocol):
    for tls12 in (False, True):
        for kind in (None, "tls-exporter", "tls-server-end-point"):
            for initial in (True, False):
                c = Connection(suite, protocol, tls12)
                assert c.mechanisms()[:3] == [PLUS, PLAIN, "PLAIN"]
                scram(c, "alice@example.test", PASSWORDS["alice"], kind, initial=initial)
                c.works()
    wait_until(lambda: suite.log_lines("auth", "login", "mechanism=" + PLUS, "account=alice@example.test", "tls=yes"))
    wait_until(lambda: suite.log_lines("auth", "login", "mechanism=%s " % PLAIN))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_not_right_is_refused_and_the_connection_lives_on(suite, protocol):
    alice = "alice@example.test", PASSWORDS["alice"]
    wrong = [
        (dict(user=alice[0], password="wrong"), "wrong password"),
        (dict(user="nobody@example.test", password="x"), "no such account"),
        (dict(user=alice[0], password=alice[1], kind="tls-exporter", binding=bytes(32)), "channel binding"),
        (dict(user=alice[0], password=alice[1], kind="tls-unique", binding=bytes(12)), "channel binding"),
        (dict(user=alice[0], password=alice[1], flag="y"), "channel binding"),
        (dict(user=alice[0], password=alice[1], authzid="bob@example.test"), "another account"),
    ]
    c = Connection(suite, protocol)
    c.mechanisms()
    for how, reason in wrong:
        with pytest.raises(Refused) as refused:
            scram(c, **how)
        assert is_refusal(c, str(refused.value)), (how, refused.value)
        wait_until(lambda: [line for line in suite.log_lines("auth-failed", "mechanism=SCRAM-SHA-256") if reason in line])
    scram(c, *alice, authzid=alice[0])
    c.works()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_an_exchange_can_be_cancelled_and_malformed_and_begins_afresh(suite, protocol):
    c = Connection(suite, protocol)
    c.mechanisms()
    first = encode(b"n,,n=alice@example.test,r=abcdefgh")
    for response in ("*", "not base64!", encode(b"nonsense"), "", first[:-1]):
        c.begin(PLAIN, first)
        c.challenge()
        c.send(response)
        assert c.line().startswith({"smtp": "501 5.", "imap": "a BAD ", "pop3": "-ERR "}[protocol])
    for initial in ("=", "AAAA", encode(b"n,,n=" + b"x" * 1500 + b",r=c"), encode(b"p=tls-exporter,,n=a,r=c")):
        c.begin(PLAIN, initial)
        assert c.line().startswith({"smtp": "501 5.5.2", "imap": "a BAD ", "pop3": "-ERR "}[protocol])
    scram(c, "alice@example.test", PASSWORDS["alice"])
    c.works()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_who_does_not_exist_cannot_be_told_from_who_does(suite, protocol):
    suite.add_user("carol@example.test", "x")
    credentials = suite.path("auth/credentials")
    crypted = subprocess.run(["openssl", "passwd", "-6", "x"], capture_output=True, text=True, check=True).stdout
    text = re.sub(r"(?m)^carol@example.test .*\n", "carol@example.test %s" % crypted, credentials.read_text())
    fresh = credentials.with_name("credentials.fresh")
    fresh.write_text(text)
    fresh.chmod(0o600)
    os.chown(fresh, credentials.stat().st_uid, credentials.stat().st_gid)
    fresh.rename(credentials)

    def shown(user):
        c = Connection(suite, protocol)
        c.mechanisms()
        with pytest.raises(Refused) as refused:
            scram(c, user, "wrong")
        assert is_refusal(c, str(refused.value))
        return refused.value.salt

    users = ["alice@example.test", "carol@example.test", "nobody@example.test", "none@example.test"]
    salts = {user: shown(user) for user in users}
    assert len({salt for salt, _ in salts.values()}) == len(users)
    assert len({(len(salt), count) for salt, count in salts.values()}) == 1
    assert shown("NOBODY@example.test") == salts["nobody@example.test"]
    suite.petrel("stop")
    suite.process.wait(30 * SLOW)
    suite.start()
    assert {user: shown(user) for user in users} == salts


def test_the_throttle_counts_scram_as_it_does_passwords(make_suite):
    suite = make_suite(extra="auth.failure-delay 1s\n")
    c = Connection(suite, "imap")
    began = time.monotonic()
    for _ in range(2):
        with pytest.raises(Refused):
            scram(c, "alice@example.test", "wrong")
    assert time.monotonic() - began > 2.9, "a second, then two"


def test_without_tls_scram_is_offered_only_where_cleartext_is(make_suite):
    suite = make_suite()
    with socket.create_connection(("127.0.0.1", suite.ports["imap"])) as s:
        f = s.makefile("rw", newline="\r\n")
        assert "SCRAM" not in f.readline()
        f.write("a AUTHENTICATE SCRAM-SHA-256\r\n")
        f.flush()
        assert f.readline().startswith("a NO [PRIVACYREQUIRED]")


def test_scram_can_be_switched_off(make_suite):
    suite = make_suite(extra="auth.scram no\n")
    for protocol in PROTOCOLS:
        c = Connection(suite, protocol)
        assert not [m for m in c.mechanisms() if "SCRAM" in m]
        with pytest.raises(Refused):
            scram(c, "alice@example.test", PASSWORDS["alice"])


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_password_is_the_same_however_its_letters_are_written(suite, protocol):
    suite.add_user("carol@example.test", "pa\u0308sswo\u00adrd\u00a0\u2168")
    for spelling in ("p\u00e4ssword IX", "pa\u0308ssword IX", "p\u00e4sswo\u00adrd\u3000\u2168"):
        c = Connection(suite, protocol)
        c.mechanisms()
        c.begin("PLAIN", encode(("\0carol@example.test\0" + spelling).encode()))
        c.result()
    c = Connection(suite, protocol)
    c.mechanisms()
    scram(c, "carol@example.test", "p\u00e4ssword IX")


# --- other people's ---------------------------------------------------------------------


def test_msmtp_submits_by_scram(suite, directory):
    conf = directory / "msmtprc"
    conf.write_text("account default\nhost localhost\nport %d\ntls on\ntls_starttls on\ntls_trust_file %s\nauth scram-sha-256\n"
                    "user alice@example.test\npassword %s\nfrom alice@example.test\n"
                    % (suite.ports["submission"], suite.certificate, PASSWORDS["alice"]))
    conf.chmod(0o600)
    run("msmtp", "-C", conf, "bob@example.test", input=(TEXT % "by msmtp").replace("\r\n", "\n"))
    wait_until(lambda: len(suite.messages("bob")) == 1)
    wait_until(lambda: suite.log_lines("auth", "login", "mechanism=SCRAM-SHA-256", "account=alice@example.test"))


def test_mutt_reads_a_mailbox_by_scram(suite, directory):
    deliver(suite, 2)
    rc = directory / "muttrc"
    rc.write_text('set folder="imaps://localhost:%d/"\nset imap_user="bob@example.test"\nset imap_pass="%s"\nset imap_authenticators="%s"\n'
                  'set certificate_file=%s\nset ssl_verify_host=no\nset ssl_usesystemcerts=no\nset header_cache=""\nset delete=yes\nset quit=yes\nset wait_key=no\n'
                  % (suite.ports["imaps"], PASSWORDS["bob"], PLAIN, suite.certificate))
    environment = dict(os.environ, HOME=str(directory), TERM="vt100", LC_ALL="C")
    script = 'push "<delete-pattern>~s \\"number 1\\"<enter><sync-mailbox><quit>"'
    run("script", "-qec", "mutt -F %s -f imaps://localhost:%d/INBOX -e '%s'" % (rc, suite.ports["imaps"], script), "/dev/null",
        env=environment, stdin=subprocess.DEVNULL)
    wait_until(lambda: len(suite.messages("bob")) == 1)
    wait_until(lambda: suite.log_lines("auth", "login", "mechanism=%s " % PLAIN))


def test_mbsync_reads_by_scram(suite, directory):
    deliver(suite, 3)
    local = directory / "local"
    local.mkdir()
    conf = directory / "mbsyncrc"
    conf.write_text("IMAPAccount far\nHost localhost\nPort %d\nUser bob@example.test\nPass \"%s\"\nSSLType IMAPS\nCertificateFile %s\nAuthMechs SCRAM-SHA-256\n\n"
                    "IMAPStore far\nAccount far\n\nMaildirStore near\nInbox %s/INBOX\n\n"
                    "Channel all\nFar :far:\nNear :near:\nPatterns INBOX\nCreate Near\nSyncState *\n"
                    % (suite.ports["imaps"], PASSWORDS["bob"], suite.certificate, local))
    conf.chmod(0o600)
    run("mbsync", "-c", conf, "-a", env=dict(os.environ, HOME=str(directory)))
    assert len([p for p in local.rglob("*") if p.is_file() and p.parent.name in ("cur", "new")]) == 3
    wait_until(lambda: suite.log_lines("auth", "login", "mechanism=SCRAM-SHA-256 "))
