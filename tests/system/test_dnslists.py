"""DNS lists, against a real DNS server on loopback."""

import os
import pathlib
import shutil
import signal
import smtplib
import socket
import subprocess
import tempfile
import threading
import time

import pytest

from suite import SLOW, free_ports, wait_until

ZONES = {
    "bl.test": "2.0.0.127 A 127.0.0.2\n2.0.0.127 TXT \"sent spam, see \" \"http://bl.test/\"\n"
               "4.0.0.127 A 127.0.0.4\n2.0.0.127 A 127.0.0.10\n9.0.0.127 A 127.0.0.9",
    "second.test": "2.0.0.127 A 127.0.0.2\n5.0.0.127 A 127.0.0.2",
    "wl.test": "5.0.0.127 A 127.0.3.1\n4.0.0.127 A 127.0.3.0",
    "limited.test": "* A 127.255.255.254\n* TXT \"query limit\"",
    "sold.test": "* A 192.0.2.80",
}


class Zones:
    """knotd on a port of its own, and in front of it one who drops questions about slow.test."""

    def __init__(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="petrel-knot-"))
        self.behind, self.port = free_ports(2)
        conf = ["server:", "  listen: 127.0.0.1@%d" % self.behind, "  rundir: %s" % self.directory, "  user: root",
                "database:", "  storage: %s/db" % self.directory, "log:", "  - target: stderr", "    any: warning", "zone:"]
        for zone, records in ZONES.items():
            (self.directory / zone).write_text("$ORIGIN %s.\n$TTL 2\n@ SOA ns hostmaster 1 60 60 60 2\n@ NS ns\nns A 127.0.0.1\n%s\n" % (zone, records))
            conf += ["  - domain: %s" % zone, "    file: %s/%s" % (self.directory, zone)]
        (self.directory / "knot.conf").write_text("\n".join(conf) + "\n")
        self.server = subprocess.Popen(["knotd", "-c", str(self.directory / "knot.conf")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(lambda: subprocess.run(["kdig", "+short", "+time=1", "-p", str(self.behind), "@127.0.0.1", "SOA", "bl.test"],
                                          capture_output=True).stdout.strip(), 20)
        self.asked = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", self.port))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                question, client = self.socket.recvfrom(4096)
            except OSError:
                return
            labels, at = [], 12
            while question[at]:
                labels.append(question[at + 1:at + 1 + question[at]].decode("latin-1").lower())
                at += 1 + question[at]
            self.asked.append(".".join(labels))
            if labels[-2:] == ["slow", "test"]:
                continue
            threading.Thread(target=self.forward, args=(question, client), daemon=True).start()

    def forward(self, question, client):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as s:
            s.settimeout(5)
            s.sendto(question, ("127.0.0.1", self.behind))
            try:
                self.socket.sendto(s.recv(4096), client)
            except OSError:
                pass

    def close(self):
        self.socket.close()
        self.server.send_signal(signal.SIGTERM)
        self.server.wait(20)
        shutil.rmtree(self.directory, ignore_errors=True)


pytestmark = pytest.mark.skipif(shutil.which("knotd") is None or os.geteuid() != 0, reason="needs knotd, and root")


@pytest.fixture(scope="module")
def zones():
    z = Zones()
    yield z
    z.close()


@pytest.fixture
def with_lists(make_suite, zones):
    def make(lists, more="", name="a"):
        return make_suite(name, extra="smtp.relay-networks none\nresolver.forward 127.0.0.1@%d\ndnslists { lists { %s }\n %s }\n"
                          % (zones.port, lists, more.replace(";", "\n")))
    return make


def try_rcpt(s, client="127.0.0.2", recipient="bob@example.test"):
    with smtplib.SMTP("127.0.0.1", s.ports["mx"], timeout=60, source_address=(client, 0)) as c:
        c.ehlo("client.test")
        assert c.mail("a@elsewhere.test")[0] == 250
        code, text = c.rcpt(recipient)
        return code, text.decode()


def test_a_listed_client_is_refused_in_the_words_of_the_list(with_lists):
    s = with_lists("bl.test")
    assert try_rcpt(s) == (554, "5.7.1 Client [127.0.0.2] is listed by bl.test: sent spam, see http://bl.test/")
    wait_until(lambda: s.log_lines("dnslists", "client=127.0.0.2", "score=1", "list=bl.test"))
    wait_until(lambda: s.log_lines("session-refused", "by=dnslists", "from=a@elsewhere.test", "to=bob@example.test"))
    assert try_rcpt(s, "127.0.0.3")[0] == 250
    assert try_rcpt(s, "127.0.0.9") == (554, "5.7.1 Client [127.0.0.9] is listed by bl.test"), "without words of the list"
    assert try_rcpt(s, recipient="postmaster@example.test")[0] == 250, "who may say that it is a mistake"


def test_users_and_relays_are_not_asked_about(with_lists, zones):
    s = with_lists("bl.test")
    zones.asked.clear()
    with smtplib.SMTP("127.0.0.1", s.ports["submission"], source_address=("127.0.0.2", 0)) as c:
        c.starttls(context=s.tls_context())
        c.login("alice@example.test", "alice's secret")
        assert c.sendmail("alice@example.test", ["bob@example.test"], "Subject: x\r\n\r\nx\r\n") == {}
    assert [name for name in zones.asked if name.endswith(".bl.test")] == []
    s.conf.write_text(s.conf.read_text().replace("relay-networks none", "relay-networks 127.0.0.2"))
    s.petrel("reload")
    wait_until(lambda: try_rcpt(s)[0] == 250)
    zones.asked.clear()
    assert try_rcpt(s)[0] == 250
    assert [name for name in zones.asked if name.endswith(".bl.test")] == []


def test_weights_and_filters(with_lists):
    s = with_lists("bl.test=127.0.0.[2..8]*2 second.test*3 wl.test=127.0.[0..255].[1..3]*-4", "refuse-score 3")
    assert try_rcpt(s, "127.0.0.2")[0] == 554, "2 + 3"
    assert "listed by second.test" in try_rcpt(s, "127.0.0.2")[1], "the list that weighs most speaks"
    assert try_rcpt(s, "127.0.0.4")[0] == 250, "2: an answer that the filter of the list of friends does not count"
    assert try_rcpt(s, "127.0.0.5")[0] == 250, "3 - 4"
    assert try_rcpt(s, "127.0.0.9")[0] == 250, "127.0.0.9 is not counted"


def test_a_score_of_zero_refuses_nobody_and_the_greylist_knows_it(with_lists):
    s = with_lists("bl.test wl.test*-1", "refuse-score 0 }\ngreylist { clients suspects")
    assert try_rcpt(s, "127.0.0.2")[0] == 451, "a suspect"
    assert try_rcpt(s, "127.0.0.3")[0] == 250, "none"
    s.conf.write_text(s.conf.read_text().replace("clients suspects", "clients strangers"))
    s.petrel("reload")
    wait_until(lambda: try_rcpt(s, "127.0.0.3")[0] == 451)
    assert try_rcpt(s, "127.0.0.5")[0] == 250, "a friend"


@pytest.mark.parametrize("bad", ["limited.test", "sold.test", "absent.test"])
def test_a_list_that_answers_with_errors_counts_nothing_and_is_named_once(with_lists, bad):
    s = with_lists("%s*100 bl.test" % bad)
    assert try_rcpt(s, "127.0.0.2")[1].startswith("5.7.1 Client [127.0.0.2] is listed by bl.test")
    for client in ("127.0.0.3", "127.0.0.6", "127.0.0.7"):
        assert try_rcpt(s, client)[0] == 250
    wait_until(lambda: s.log_lines("dnslist-failed", "list=%s" % bad))
    assert len(s.log_lines("dnslist-failed")) == 1


def test_a_list_that_is_silent_costs_the_time_out_once_and_no_mail(with_lists):
    s = with_lists("slow.test*100 bl.test", "timeout 1s")
    start = time.monotonic()
    assert try_rcpt(s, "127.0.0.3")[0] == 250
    first = time.monotonic() - start
    assert 0.9 < first < 3 * SLOW
    wait_until(lambda: s.log_lines("dnslist-failed", "list=slow.test", "timed out"))
    start = time.monotonic()
    assert try_rcpt(s, "127.0.0.9")[0] == 554
    assert time.monotonic() - start < 0.9 * SLOW, "it is known to be silent now"


def test_what_is_known_of_a_client_is_asked_once(with_lists, zones):
    s = with_lists("bl.test second.test")
    zones.asked.clear()
    for _ in range(5):
        assert try_rcpt(s, "127.0.0.4")[0] == 554
    assert zones.asked.count("4.0.0.127.second.test") == 1


def test_greetings_wait_for_nobody_when_policy_or_resolver_are_killed(with_lists):
    s = with_lists("bl.test", "timeout 1s }\npolicy { failure accept")
    for process in ("policy", "resolver"):
        for _ in range(3):
            pid = s.pid_of(process)
            os.kill(pid, signal.SIGKILL)
            start = time.monotonic()
            assert try_rcpt(s, "127.0.0.3")[0] == 250
            assert time.monotonic() - start < 2.5 * SLOW
            wait_until(lambda: any(p["process"] == process and p["pid"] not in (0, pid) for p in s.processes()))
    wait_until(lambda: try_rcpt(s, "127.0.0.2")[0] == 554)
