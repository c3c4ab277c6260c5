"""Clients that come by way of others: HAProxy (PROXY protocol), filters that speak XCLIENT."""

import imaplib
import poplib
import smtplib
import socket
import subprocess

import pytest

from suite import PASSWORDS, free_ports, wait_until

CLIENT = "127.0.0.5"  # an address that is loopback's and yet not the balancer's


class Haproxy:
    """The real thing, in front of a suite: one port for each backend given as (name, port, server's options)."""

    def __init__(self, directory, backends):
        self.directory = directory
        self.ports = dict(zip([b[0] for b in backends], free_ports(len(backends))))
        self.socket = directory / "haproxy.sock"
        conf = ["global", "  maxconn 200", "  stats socket %s mode 600 level admin" % self.socket,
                "defaults", "  mode tcp", "  timeout connect 5s", "  timeout client 60s", "  timeout server 60s"]
        for name, port, options in backends:
            check = ["  option smtpchk HELO check.test"] if "smtp" in name else []
            conf += ["listen " + name, "  bind 127.0.0.1:%d" % self.ports[name]] + check
            conf += ["  server s 127.0.0.1:%d source 127.0.0.1 %s" % (port, options)]
        (directory / "haproxy.cfg").write_text("\n".join(conf) + "\n")
        self.process = subprocess.Popen(["haproxy", "-db", "-f", str(directory / "haproxy.cfg")],
                                        stdout=subprocess.DEVNULL, stderr=(directory / "haproxy.log").open("wb"))
        wait_until(self.listens)

    def listens(self):
        assert self.process.poll() is None, (self.directory / "haproxy.log").read_text()
        return self.socket.exists()

    def state(self, name):
        """What HAProxy's last check of the server came to: L4OK, L7OK or an error."""
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(str(self.socket))
            s.sendall(b"show stat\n")
            answer = s.makefile().read()
        for line in answer.splitlines():
            fields = line.split(",")
            if fields[:2] == [name, "s"]:
                return fields[36]
        raise KeyError(name)

    def stop(self):
        self.process.terminate()
        self.process.wait(20)


@pytest.fixture
def make_haproxy(directory):
    made = []

    def make(backends):
        made.append(Haproxy(directory, backends))
        return made[-1]

    yield make
    for h in made:
        h.stop()


def send(port, user="bob", source=CLIENT, **how):
    with smtplib.SMTP("127.0.0.1", port, source_address=(source, 0), timeout=30, **how) as c:
        c.sendmail("alice@elsewhere.test", ["%s@example.test" % user], "Subject: by way of another\r\n\r\nhello\r\n")


@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2", "send-proxy-v2 proxy-v2-options crc32c,unique-id"])
def test_the_client_behind_haproxy_is_the_client(make_suite, make_haproxy, version):
    suite = make_suite(extra="proxy.networks 127.0.0.1")
    proxy = make_haproxy([("smtp", suite.ports["mx"], version)])
    send(proxy.ports["smtp"])
    wait_until(lambda: suite.messages("bob"))
    wait_until(lambda: suite.log_lines("received id=", "client=localhost[%s]" % CLIENT))
    assert ("[%s]" % CLIENT).encode() in suite.messages("bob")[0]


def test_readers_come_by_way_of_haproxy_too_with_and_without_tls(make_suite, make_haproxy):
    suite = make_suite(extra="proxy.networks 127.0.0.1\nauth.cleartext loopback")
    names = ["submissions", "imap", "imaps", "pop3", "pop3s"]
    proxy = make_haproxy([(n, suite.ports[n], "send-proxy-v2") for n in names])
    tls = suite.tls_context()
    with smtplib.SMTP_SSL("localhost", proxy.ports["submissions"], context=tls) as c:
        c.login("alice@example.test", PASSWORDS["alice"])
        c.sendmail("alice@example.test", ["bob@example.test"], "Subject: x\r\n\r\nx\r\n")
    wait_until(lambda: suite.messages("bob"))
    for name, make in [("imap", lambda p: imaplib.IMAP4("127.0.0.1", p)),
                       ("imaps", lambda p: imaplib.IMAP4_SSL("localhost", p, ssl_context=tls))]:
        c = make(proxy.ports[name])
        c.login("bob@example.test", PASSWORDS["bob"])
        assert c.select()[1] == [b"1"], name
        c.logout()
    for name, make in [("pop3", lambda p: poplib.POP3("127.0.0.1", p)),
                       ("pop3s", lambda p: poplib.POP3_SSL("localhost", p, context=tls))]:
        c = make(proxy.ports[name])
        c.user("bob@example.test")
        c.pass_(PASSWORDS["bob"])
        assert c.stat()[0] == 1, name
        c.quit()


@pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2"])
def test_haproxys_health_checks_find_the_server_up_and_leave_no_complaint(make_suite, make_haproxy, version):
    suite = make_suite(extra="proxy.networks 127.0.0.1")
    port = suite.ports["mx"]
    proxy = make_haproxy([("smtp", port, version + " check inter 200"),
                          ("plain", port, version + " check port %d inter 200" % port)])
    wait_until(lambda: proxy.state("smtp") == "L7OK" and proxy.state("plain") == "L4OK")
    send(proxy.ports["smtp"])
    assert not suite.log_lines("no-proxy-header")
    assert not suite.log_lines("smtpd", "warning")


def test_a_check_of_the_balancers_own_has_no_rights_for_coming_from_there(make_suite):
    suite = make_suite(extra="proxy.networks 127.0.0.1\nsmtp.relay-networks 127.0.0.1")
    for header in [b"PROXY UNKNOWN\r\n", b"\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00"]:
        with socket.create_connection(("127.0.0.1", suite.ports["mx"]), 30) as s:
            lines = s.makefile("rb")
            s.sendall(header)
            assert lines.readline().startswith(b"220 ")
            s.sendall(b"HELO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<x@elsewhere.test>\r\n")
            assert [lines.readline()[:3] for _ in range(3)] == [b"250", b"250", b"554"]


def octets_from(suite, said, service="mx", source="127.0.0.1"):
    """What the server says to that until it closes the connection."""
    with socket.create_connection(("127.0.0.1", suite.ports[service]), 30, source_address=(source, 0)) as s:
        if said:
            s.sendall(said)
        heard = b""
        try:
            while True:
                piece = s.recv(4096)
                if not piece:
                    return heard
                heard += piece
        except ConnectionResetError:
            return heard


@pytest.mark.parametrize("service", ["mx", "imap", "pop3"])
def test_a_balancer_that_sends_no_header_is_refused(make_suite, service):
    suite = make_suite(extra="proxy { networks 127.0.0.1\n timeout 1s }")
    assert octets_from(suite, b"EHLO x\r\n", service) == b""
    assert octets_from(suite, b"", service) == b""
    assert octets_from(suite, b"PROXY TCP4 1.2.3.4", service) == b""
    assert octets_from(suite, b"PROXY TCP4 1.2.3.4 1.2.3.4 99999 1\r\n", service) == b""
    lines = wait_until(lambda: len(suite.log_lines("no-proxy-header proxy=127.0.0.1 service=%s" % service)) == 4
                       and suite.log_lines("no-proxy-header"))
    assert "there is no header" in lines[0]
    assert "did not come in time" in lines[1] and "did not come in time" in lines[2]
    assert "not a port" in lines[3]


def test_a_header_from_anybody_else_is_garbage(make_suite):
    suite = make_suite(extra="proxy.networks 127.0.0.99")
    heard = octets_from(suite, b"PROXY TCP4 192.0.2.1 192.0.2.2 1 25\r\nMAIL FROM:<a@b.test>\r\n")
    assert heard.startswith(b"220 ") and b"\r\n421 4.7.0 " in heard and heard.count(b"\r\n") == 2
    heard = octets_from(suite, b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c" + bytes(12))
    assert b"\r\n500 " in heard and b"\r\n221 " in heard
    assert not suite.log_lines("192.0.2.1")


def test_only_the_ports_that_are_named_are_a_balancers(make_suite):
    ports = free_ports(7)
    services = dict(zip(["mx", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"], ports))
    suite = make_suite(ports=services, extra="proxy { networks 127.0.0.1\n ports { %d } }" % services["imap"])
    send(suite.ports["mx"], source="127.0.0.1")
    with poplib_greeting(suite) as greeting:
        assert greeting.startswith(b"+OK")
    assert octets_from(suite, b"a NOOP\r\n", "imap") == b""


class poplib_greeting:
    def __init__(self, suite):
        self.c = poplib.POP3("127.0.0.1", suite.ports["pop3"])

    def __enter__(self):
        return self.c.getwelcome()

    def __exit__(self, *_):
        self.c.quit()


# --- XCLIENT ---------------------------------------------------------------------------


def swaks(suite, *arguments):
    line = ["swaks", "--server", "127.0.0.1", "--port", str(suite.ports["mx"]), "--from", "alice@elsewhere.test",
            "--helo", "filter.test", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=60)


def test_swaks_speaks_for_another_client(make_suite):
    suite = make_suite(extra="smtp { xclient-networks 127.0.0.1\n relay-networks none }")
    done = swaks(suite, "--to", "bob@example.test",
                 "--xclient", "ADDR=192.0.2.77 NAME=spike.test HELO=spike.test PROTO=ESMTP PORT=4321")
    assert done.returncode == 0, done.stdout
    wait_until(lambda: suite.messages("bob"))
    wait_until(lambda: suite.log_lines("received id=", "client=spike.test[192.0.2.77]"))
    assert b"spike.test [192.0.2.77]" in suite.messages("bob")[0]
    done = swaks(suite, "--to", "x@nowhere.test", "--xclient", "ADDR=192.0.2.77 LOGIN=alice@example.test",
                 "--from", "alice@example.test")
    assert done.returncode == 0, done.stdout
    assert swaks(suite, "--to", "x@nowhere.test", "--xclient", "ADDR=192.0.2.77").returncode == 24


def test_swaks_may_not_speak_for_anybody_where_it_is_not_listed(suite):
    done = swaks(suite, "--to", "bob@example.test", "--xclient", "ADDR=192.0.2.77")
    assert done.returncode != 0 and "XCLIENT" not in done.stdout.split("XCLIENT ADDR")[0]
    assert not suite.messages("bob")
