"""OAUTHBEARER (RFC 7628) and XOAUTH2, with tokens that a server of the test's own is asked about (RFC 7662)."""

import base64
import http.server
import imaplib
import json
import os
import smtplib
import ssl
import subprocess
import threading
import time
import urllib.parse

import pytest

from suite import PASSWORDS, SLOW, make_certificate, wait_until
from test_access import STRANGERS
from test_clients import TEXT, deliver, run
from test_external import REFUSED, Client
from test_scram import PROTOCOLS

MECHANISMS = ["OAUTHBEARER", "XOAUTH2"]
TEMPORARY = {"smtp": "454 4.7.0 ", "imap": "a NO [UNAVAILABLE] ", "pop3": "-ERR [SYS/TEMP] "}
SECRET = "s3cret/with+odd=characters%"


class Introspection:
    """A server that knows tokens; `behaviour` says how well it behaves."""

    def __init__(self, certificate, name="localhost"):
        self.tokens = {"good": dict(active=True, username="alice@example.test", scope="mail openid", aud=["petrel"]),
                       "bobs": dict(active=True, username="bob", scope="mail", aud="petrel", exp=time.time() + 3600)}
        self.behaviour = None
        self.asked = []
        self.at_once = self.most_at_once = 0
        self.release = threading.Event()
        me = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                me.asked.append(("GET", self.path))
                self.answer(200, b'{"active": true, "username": "alice@example.test"}')

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = dict(urllib.parse.parse_qsl(body))
                me.asked.append((form.get("token"), self.headers.get("Authorization"), form, self.headers.get("Content-Type")))
                me.at_once += 1
                me.most_at_once = max(me.most_at_once, me.at_once)
                try:
                    self.behave(form)
                except (OSError, ssl.SSLError):
                    self.close_connection = True
                finally:
                    me.at_once -= 1

            def behave(self, form):
                how = me.behaviour
                known = json.dumps(me.tokens.get(form["token"], {"active": False})).encode()
                if how == "hang":
                    me.release.wait(60)
                    self.close_connection = True
                elif how == "slow":
                    time.sleep(0.2)
                    self.answer(200, known)
                elif how == "drip":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n")
                    while not me.release.wait(0.1):
                        self.wfile.write(b"X: y\r\n")
                elif how == "garbage":
                    self.wfile.write(os.urandom(3000))
                    self.close_connection = True
                elif how == "not-json":
                    self.answer(200, b"<html>active</html>")
                elif how == "array":
                    self.answer(200, b"[" + known + b"]")
                elif how == "lie":
                    self.answer(200, b'{"active": "true", "username": "alice@example.test"}')
                elif how == "twice":
                    self.answer(200, b'{"active": false, "active": true, "username": "alice@example.test"}')
                elif how == "text":
                    self.answer(200, known, "text/html")
                elif how == "huge":
                    self.answer(200, b" " * 10_000_000 + known)
                elif how == "huge-chunked":
                    self.send_response(200)
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Transfer-Encoding", "chunked")
                    self.end_headers()
                    for _ in range(2000):
                        self.wfile.write(b"1000\r\n" + b" " * 4096 + b"\r\n")
                elif how == "headers":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 1000) for i in range(200)) +
                                     b"Content-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(known) + known)
                elif how == "redirect":
                    self.send_response(302)
                    self.send_header("Location", "https://localhost:%d/elsewhere" % me.port)
                    self.send_header("Content-Length", "0")
                    self.end_headers()
                elif how in (401, 404, 500, 503):
                    self.answer(how, known)
                elif how == "close":
                    self.close_connection = True
                elif how == "short":
                    self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n" + known)
                    self.close_connection = True
                else:
                    self.answer(200, known)

            def answer(self, status, body, kind="application/json"):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_):
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.port = self.server.server_address[1]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self):
        return "https://localhost:%d/introspect" % self.port

    def stop(self):
        self.release.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def server(certificate):
    s = Introspection(certificate)
    yield s
    s.stop()


def conf(server, certificate, directory, more=""):
    secret = directory / "client-secret"
    secret.write_text(SECRET + "\n")
    secret.chmod(0o600)
    return ("auth.failure-delay 0\noauth {\n introspection %s\n client-id petrel:mail\n client-secret %s\n authorities %s\n scope mail\n"
            " audience { other petrel }\n configuration https://login.example.test/.well-known/openid-configuration\n timeout 2s\n %s\n}\n"
            % (server.url, secret, certificate[0], more))


@pytest.fixture
def suite(make_suite, server, certificate, directory):
    return make_suite(extra=conf(server, certificate, directory, "cache 0s"))


def message(mechanism, token, user="", more=""):
    if mechanism == "XOAUTH2":
        return base64.b64encode(("user=%s\1auth=Bearer %s\1\1" % (user, token)).encode()).decode()
    header = "n,%s,\1" % ("a=" + user.replace("=", "=3D").replace(",", "=2C") if user else "")
    return base64.b64encode((header + "host=localhost\1port=143\1auth=Bearer %s\1%s\1" % (token, more)).encode()).decode()


def challenge(c, line):
    head = "334 " if c.protocol == "smtp" else "+ "
    assert line.startswith(head), line
    return base64.b64decode(line[len(head):], validate=True).decode()


def is_told_why(c, answer):
    """RFC 7628, 3.2.3: why, then the client's dummy response, then the failure."""
    why = json.loads(challenge(c, answer))
    c.send("AQ==")
    line = c.line()
    assert c.is_refused(line), line
    return why


# --- a client of our own --------------------------------------------------------------------


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_good_token_logs_in_with_and_without_an_initial_response(suite, server, protocol, mechanism):
    for user, token in (("alice@example.test", "good"), ("alice", "good"), ("bob@example.test", "bobs"), ("", "good")):
        c = Client(suite, protocol)
        assert mechanism in c.mechanisms()
        answer = c.begin(mechanism, message(mechanism, token, user))
        assert c.is_in(answer), answer
    c = Client(suite, protocol)
    c.mechanisms()
    assert c.begin(mechanism).rstrip() in ("334", "+")
    c.send(message(mechanism, "good", "alice"))
    answer = c.line()
    assert c.is_in(answer), answer
    c.works()
    wait_until(lambda: suite.log_lines("auth", "login", "mechanism=" + mechanism, "account=bob@example.test", "tls=yes"))
    token, authorization, form, kind = server.asked[0]
    assert form == {"token": "good", "token_type_hint": "access_token"} and kind == "application/x-www-form-urlencoded"
    quoted = urllib.parse.quote("petrel:mail", safe="") + ":" + urllib.parse.quote(SECRET, safe="")
    assert base64.b64decode(authorization.removeprefix("Basic ")).decode() == quoted


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_what_is_not_right_is_refused_and_told_why(suite, server, protocol, mechanism):
    now = time.time()
    server.tokens.update({
        "expired": dict(server.tokens["good"], exp=now - 1), "early": dict(server.tokens["good"], nbf=now + 3600),
        "narrow": dict(server.tokens["good"], scope="openid"), "theirs": dict(server.tokens["good"], aud="somebody"),
        "nobodys": dict(active=True, scope="mail", aud="petrel"), "stranger": dict(server.tokens["good"], username="carol@example.test"),
        "odd": dict(server.tokens["good"], username="a b\r\nc")})
    c = Client(suite, protocol)
    c.mechanisms()
    for token, user, status, reason in (("unknown", "", "invalid_token", "not active"), ("expired", "", "invalid_token", "not active"),
                                        ("early", "alice", "invalid_token", "not active"), ("narrow", "", "insufficient_scope", "not good for mail"),
                                        ("theirs", "", "invalid_token", "not meant for this host"), ("nobodys", "", "invalid_token", "nobody's"),
                                        ("stranger", "", "invalid_token", "no such account"), ("odd", "", "invalid_token", "not an account's name"),
                                        ("good", "bob@example.test", "invalid_token", "another account")):
        if c.protocol != "smtp" and token == "nobodys":
            c = Client(suite, protocol)
        why = is_told_why(c, c.begin(mechanism, message(mechanism, token, user)))
        if mechanism == "OAUTHBEARER":
            assert why == {"status": status, "scope": "mail",
                           "openid-configuration": "https://login.example.test/.well-known/openid-configuration"}
        else:
            assert why == {"status": "403" if status == "insufficient_scope" else "401", "schemes": "Bearer", "scope": "mail"}
        wait_until(lambda: [line for line in suite.log_lines("auth-failed", "mechanism=" + mechanism) if reason in line], 5)
    assert c.is_in(c.begin(mechanism, message(mechanism, "good")))
    c.works()


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_client_without_a_token_is_told_where_to_get_one(suite, server, protocol):
    c = Client(suite, protocol)
    c.mechanisms()
    for auth in ("auth=", "auth=Bearer ", "auth=Bearer"):
        text = base64.b64encode(("n,,\1%s\1\1" % auth).encode()).decode()
        assert "openid-configuration" in is_told_why(c, c.begin("OAUTHBEARER", text))
    assert server.asked == [], "there was nothing to ask about"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_malformed_messages_end_the_exchange_and_not_the_session(suite, server, protocol):
    malformed = {"smtp": "501 5.5.2", "imap": "a BAD ", "pop3": "-ERR "}[protocol]
    c = Client(suite, protocol)
    c.mechanisms()
    texts = ["", "n,,", "n,,\1", "n,,\1\1", "n,,\1auth=Bearer good", "n,,\1auth=Bearer good\1", "n,,\1auth=Bearer good\1\1x", "p=tls-unique,,\1auth=Bearer good\1\1",
             "x,,\1auth=Bearer good\1\1", "n,b=alice,\1auth=Bearer good\1\1", "n,a=al=ice,\1auth=Bearer good\1\1", "n,,\1auth=Basic good\1\1",
             "n,,\1auth=Bearer go od\1\1", "n,,\1auth=Bearer \"good\"\1\1", "n,,\1auth=Bearer =\1\1", "n,,\1auth=Bearer good\1auth=Bearer good\1\1",
             "n,,\1=x\1auth=Bearer good\1\1", "n,,\1auth=Bearer go\0d\1\1", "n,a=%s,\1auth=Bearer good\1\1" % ("a" * 321)]
    for i, text in enumerate(texts):
        if i == 10:
            c = Client(suite, protocol)
            c.mechanisms()
        answer = c.begin("OAUTHBEARER", base64.b64encode(text.encode()).decode() or "=")
        assert answer.startswith(malformed), (text, answer)
    c = Client(suite, protocol)
    c.mechanisms()
    for text in ("user=alice\1\1", "auth=Bearer good\1", "user=alice auth=Bearer good\1\1"):
        assert c.begin("XOAUTH2", base64.b64encode(text.encode()).decode()).startswith(malformed)
    assert server.asked == []
    cancelled = {"smtp": "501 5.7.0", "imap": "a BAD ", "pop3": "-ERR "}[protocol]
    c.begin("OAUTHBEARER")
    c.send("*")
    assert c.line().startswith(cancelled)
    challenge(c, c.begin("OAUTHBEARER", message("OAUTHBEARER", "bad")))
    c.send("*")
    assert c.line().startswith(cancelled), "instead of the dummy response"
    challenge(c, c.begin("XOAUTH2", message("XOAUTH2", "bad")))
    c.send("")
    assert c.is_refused(c.line()), "XOAUTH2's dummy response is empty"
    assert c.is_in(c.begin("OAUTHBEARER", message("OAUTHBEARER", "good")))


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_token_may_be_long_but_not_without_end(suite, server, protocol):
    server.tokens["g" * 8000] = server.tokens["good"]
    c = Client(suite, protocol)
    c.mechanisms()
    assert c.begin("OAUTHBEARER", message("OAUTHBEARER", "g" * 8000)).startswith({"smtp": "235", "imap": "a OK", "pop3": "+OK"}[protocol])
    c = Client(suite, protocol)
    c.mechanisms()
    answer = c.begin("OAUTHBEARER", message("OAUTHBEARER", "g" * 8500))
    assert answer.startswith({"smtp": "501 5.5.2", "imap": "a BAD ", "pop3": "-ERR "}[protocol])


def test_it_is_offered_only_under_tls_and_only_where_there_is_a_server(make_suite, suite, server):
    import socket
    with socket.create_connection(("127.0.0.1", suite.ports["imap"])) as s:
        f = s.makefile("rwb")
        assert b"OAUTH" not in f.readline()
    other = make_suite("b", extra="auth.cleartext always\n")
    assert "OAUTHBEARER" not in Client(other, "smtp").mechanisms()
    assert "oauth" not in [p["process"] for p in other.processes()]
    clear = make_suite("c", extra="auth.cleartext always\noauth.introspection %s\n" % server.url)
    with smtplib.SMTP("127.0.0.1", clear.ports["submission"]) as c:
        c.ehlo()
        assert "PLAIN" in c.esmtp_features["auth"] and "OAUTH" not in c.esmtp_features["auth"]
        assert c.docmd("AUTH", "OAUTHBEARER " + message("OAUTHBEARER", "good"))[0] == 504
    assert server.asked == []


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_long_reason_is_told_whole_and_one_that_is_too_long_in_short(make_suite, server, certificate, directory, protocol):
    scopes = ["%s-%d" % ("s" * 200, i) for i in range(5)]
    for name, wanted in (("b", scopes), ("c", scopes * 3)):
        s = make_suite(name, extra=conf(server, certificate, directory).replace("scope mail", "scope { %s }" % " ".join(wanted)))
        c = Client(s, protocol)
        c.mechanisms()
        why = is_told_why(c, c.begin("OAUTHBEARER", message("OAUTHBEARER", "good")))
        assert why["status"] == "insufficient_scope"
        assert why.get("scope") == (" ".join(wanted) if name == "b" else None)
        s.stop()


# --- the server --------------------------------------------------------------------------------


@pytest.mark.parametrize("behaviour", ["hang", "drip", "garbage", "not-json", "array", "lie", "twice", "text", "huge", "huge-chunked", "headers", "redirect",
                                       401, 404, 500, "close", "short"])
def test_a_server_that_misbehaves_is_a_temporary_failure(suite, server, behaviour):
    server.behaviour = behaviour
    c = Client(suite, "imap")
    began = time.monotonic()
    answer = c.begin("OAUTHBEARER", message("OAUTHBEARER", "good"))
    assert answer.startswith(TEMPORARY["imap"]), answer
    assert time.monotonic() - began < 4 * SLOW, "two seconds are the limit"
    wait_until(lambda: suite.log_lines("oauth", "introspection-failed", "reason="))
    assert not [a for a in server.asked if a[0] == "GET"], "a redirect is not followed"
    server.release.set()
    server.behaviour = None
    assert c.is_in(c.begin("OAUTHBEARER", message("OAUTHBEARER", "good")))
    assert all(p["restarts"] == 0 for p in suite.processes())


def test_a_certificate_that_is_not_the_servers_is_not_believed(make_suite, server, certificate, directory):
    other = directory / "other"
    other.mkdir()
    stranger = make_certificate(other, "localhost")
    below = directory / "named"
    below.mkdir()
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=x", "-addext", "subjectAltName=DNS:elsewhere.test",
                    "-keyout", below / "key", "-out", below / "certificate"], check=True, capture_output=True)
    misnamed = Introspection((below / "certificate", below / "key"))
    try:
        for name, who, trusted in (("b", server, stranger), ("c", misnamed, (below / "certificate",)), ("d", server, None)):
            extra = conf(who, trusted or certificate, directory)
            s = make_suite(name, extra=extra if trusted else extra.replace(" authorities", " #"))
            c = Client(s, "smtp")
            c.mechanisms()
            answer = c.begin("OAUTHBEARER", message("OAUTHBEARER", "good"))
            assert answer.startswith("454 4.7.0"), answer
            wait_until(lambda: s.log_lines("oauth", "introspection-failed", "ertificate") or s.log_lines("introspection-failed", "SSL"))
            s.stop()
        assert server.asked == misnamed.asked == [], "nothing was told to a stranger"
    finally:
        misnamed.stop()


def test_a_server_that_is_not_there_is_a_temporary_failure(make_suite, server, certificate, directory):
    for i, url in enumerate(("https://localhost:1/x", "https://127.0.0.1:1/x", "https://no-such-host.invalid/x")):
        s = make_suite("n%d" % i, extra=conf(server, certificate, directory).replace(server.url, url) + "resolver.timeout 2s\n")
        c = Client(s, "pop3")
        c.mechanisms()
        answer = c.begin("XOAUTH2", message("XOAUTH2", "good", "alice"))
        assert answer.startswith(TEMPORARY["pop3"]), (url, answer)
        s.stop()


def test_no_more_questions_are_asked_at_a_time_than_the_setting_says(make_suite, server, certificate, directory):
    suite = make_suite(extra=conf(server, certificate, directory, "connections 2\n cache 0s\n").replace("timeout 2s", "timeout 20s"))
    server.behaviour = "slow"
    clients = [Client(suite, "smtp") for _ in range(8)]
    for c in clients:
        c.mechanisms()
        c.send("AUTH OAUTHBEARER " + message("OAUTHBEARER", "good"))
    assert all(c.line().startswith("235 ") for c in clients)
    assert server.most_at_once == 2 and len(server.asked) == 8


def test_an_answer_is_remembered_for_as_long_as_the_token_is_good(make_suite, server, certificate, directory):
    suite = make_suite(extra=conf(server, certificate, directory))

    def logs_in(token):
        c = Client(suite, "smtp")
        c.mechanisms()
        answer = c.begin("XOAUTH2", message("XOAUTH2", token))
        if not c.is_in(answer):
            is_told_why(c, answer)
        return c.is_in(answer)

    assert [logs_in("good") for _ in range(3)] == [True] * 3
    assert len(server.asked) == 1
    server.tokens["short"] = dict(server.tokens["good"], exp=time.time() + 3)
    assert logs_in("short") and logs_in("short")
    assert len(server.asked) == 2
    time.sleep(3.1)
    assert not logs_in("short"), "it was remembered for no longer than it was good"
    assert not logs_in("bad") and not logs_in("bad")
    assert len(server.asked) == 5, "what is not good is asked about again"
    suite.petrel("reload")
    del server.tokens["good"]
    wait_until(lambda: not logs_in("good"))


@pytest.mark.parametrize("process", ["oauth", "auth"])
def test_who_dies_meanwhile_is_a_temporary_failure_and_it_works_again(suite, server, process):
    server.behaviour = "hang"
    c = Client(suite, "smtp")
    c.mechanisms()
    c.send("AUTH OAUTHBEARER " + message("OAUTHBEARER", "good"))
    wait_until(lambda: server.asked)
    os.kill(suite.pid_of(process), 9)
    assert c.line().startswith("454 4.7.0 ")
    server.behaviour = None

    def works():
        c = Client(suite, "smtp")
        c.mechanisms()
        return c.begin("OAUTHBEARER", message("OAUTHBEARER", "good")).startswith("235 ")

    wait_until(works)


def test_the_secret_and_the_server_are_read_anew_at_a_reload(suite, server, certificate, directory):
    (directory / "client-secret").write_text("another")
    suite.petrel("reload")
    wait_until(lambda: suite.log_lines("reloaded"))

    def secret():
        c = Client(suite, "smtp")
        c.mechanisms()
        assert c.is_in(c.begin("OAUTHBEARER", message("OAUTHBEARER", "good")))
        return base64.b64decode(server.asked[-1][1].removeprefix("Basic ")).decode().split(":")[1]

    wait_until(lambda: secret() == "another")


@pytest.mark.parametrize("claim, name", [("email", "alice@example.test"), ("sub", "alice")])
def test_the_account_is_the_claim_that_the_setting_names(make_suite, server, certificate, directory, claim, name):
    suite = make_suite(extra=conf(server, certificate, directory, "account %s" % claim))
    server.tokens["t"] = {"active": True, "scope": "mail", "aud": "petrel", "username": "bob", claim: name}
    c = Client(suite, "imap")
    assert c.is_in(c.begin("OAUTHBEARER", message("OAUTHBEARER", "t")))
    wait_until(lambda: suite.log_lines("login", "account=alice@example.test", "mechanism=OAUTHBEARER"))


def test_guessing_tokens_makes_the_network_wait_and_no_account(make_suite, server, certificate, directory):
    suite = make_suite(extra=conf(server, certificate, directory).replace("auth.failure-delay 0", "auth.failure-delay 1s"))
    c = Client(suite, "smtp")
    c.mechanisms()
    began = time.monotonic()
    for _ in range(5):
        is_told_why(c, c.begin("OAUTHBEARER", message("OAUTHBEARER", "guess", "alice")))
    c = Client(suite, "smtp")
    c.mechanisms()
    assert c.is_in(c.begin("OAUTHBEARER", message("OAUTHBEARER", "good", "alice")))
    assert time.monotonic() - began < 3 * SLOW


def test_a_refused_token_counts_though_the_client_does_not_wait_to_hear_so(make_suite, server, certificate, directory):
    suite = make_suite(extra=conf(server, certificate, directory) + STRANGERS + "limits { client { auth-failures 3 } }\n")
    for _ in range(3):
        c = Client(suite, "smtp")
        c.mechanisms()
        challenge(c, c.begin("OAUTHBEARER", message("OAUTHBEARER", "guess")))
        c.send("*")
        assert c.line().startswith("501 ")
    c = Client(suite, "smtp")
    c.mechanisms()
    assert c.begin("OAUTHBEARER", message("OAUTHBEARER", "good")).startswith("421 ")


# --- other people's clients --------------------------------------------------------------------------


def test_curl_submits_and_reads_by_token(suite, server, directory):
    mail = directory / "mail"
    mail.write_text(TEXT % "by curl")
    common = ["--cacert", suite.certificate, "-sS"]
    for i, ir in enumerate(([], ["--sasl-ir"])):
        run("curl", *common, *ir, "--url", "smtps://localhost:%d" % suite.ports["submissions"], "-u", "alice@example.test", "--oauth2-bearer", "good",
            "--mail-from", "alice@example.test", "--mail-rcpt", "bob@example.test", "-T", mail)
        wait_until(lambda: len(suite.messages("bob")) == i + 1)
        got = run("curl", *common, *ir, "--url", "imaps://localhost:%d/INBOX/;MAILINDEX=1" % suite.ports["imaps"], "-u", "bob@example.test",
                  "--oauth2-bearer", "bobs")
        assert "by curl" in got.stdout
        got = run("curl", *common, *ir, "--url", "pop3s://localhost:%d/1" % suite.ports["pop3s"], "-u", "bob@example.test", "--oauth2-bearer", "bobs")
        assert "by curl" in got.stdout
    bad = run("curl", *common, "--url", "imaps://localhost:%d/INBOX" % suite.ports["imaps"], "-u", "bob@example.test", "--oauth2-bearer", "bad", check=False)
    assert bad.returncode == 67, "login denied"
    wait_until(lambda: len(suite.log_lines("login", "mechanism=OAUTHBEARER")) == 6)


def test_msmtp_submits_by_token(suite, server, directory):
    rc = directory / "msmtprc"
    rc.write_text("account default\nhost localhost\nport %d\ntls on\ntls_starttls on\ntls_trust_file %s\nauth oauthbearer\n"
                  "user alice@example.test\npassword good\nfrom alice@example.test\n" % (suite.ports["submission"], suite.certificate))
    rc.chmod(0o600)
    run("msmtp", "-C", rc, "bob@example.test", input=(TEXT % "by msmtp").replace("\r\n", "\n"))
    rc.write_text(rc.read_text().replace("auth oauthbearer", "auth xoauth2"))
    run("msmtp", "-C", rc, "bob@example.test", input=(TEXT % "by msmtp").replace("\r\n", "\n"))
    wait_until(lambda: len(suite.messages("bob")) == 2)


def test_mutt_reads_by_token(suite, server, directory):
    deliver(suite, 2)
    rc = directory / "muttrc"
    rc.write_text('set folder="imaps://localhost:%d/"\nset imap_user="bob@example.test"\nset imap_oauth_refresh_command="printf bobs"\n'
                  'set imap_authenticators="oauthbearer"\nset certificate_file=%s\nset ssl_verify_host=no\nset ssl_usesystemcerts=no\nset header_cache=""\n'
                  'set delete=yes\nset quit=yes\nset wait_key=no\n' % (suite.ports["imaps"], suite.certificate))
    environment = dict(os.environ, HOME=str(directory), TERM="vt100", LC_ALL="C")
    script = 'push "<delete-pattern>~s \\"number 1\\"<enter><sync-mailbox><quit>"'
    run("script", "-qec", "mutt -F %s -f imaps://localhost:%d/INBOX -e '%s'" % (rc, suite.ports["imaps"], script), "/dev/null", env=environment,
        stdin=subprocess.DEVNULL)
    wait_until(lambda: len(suite.messages("bob")) == 1)
    wait_until(lambda: suite.log_lines("auth", "login", "mechanism=OAUTHBEARER"))


def test_pythons_own_clients_log_in_by_token(suite, server):
    with imaplib.IMAP4_SSL("localhost", suite.ports["imaps"], ssl_context=suite.tls_context()) as c:
        c.authenticate("XOAUTH2", lambda _: b"user=bob\1auth=Bearer bobs\1\1")
        assert c.select()[0] == "OK"
    with smtplib.SMTP_SSL("localhost", suite.ports["submissions"], context=suite.tls_context()) as c:
        c.ehlo()
        c.auth("OAUTHBEARER", lambda challenge=None: "n,,\1auth=Bearer good\1\1")
        c.sendmail("alice@example.test", ["bob@example.test"], TEXT % "x")
    wait_until(lambda: len(suite.messages("bob")) == 1)
