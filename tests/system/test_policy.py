"""Programs of others that have a say in a session: postgrey as Debian has it, and some that misbehave."""

import os
import pathlib
import shutil
import signal
import smtplib
import socket
import subprocess
import threading
import time

import pytest

from suite import free_ports, wait_until

STRANGERS = "smtp.relay-networks none\n"
POSTGREY = shutil.which("postgrey", path="/usr/sbin:/usr/bin")


class Service:
    """A policy service of a few lines: `answer` is given the attributes and gives what is sent back."""

    def __init__(self, answer, path=None, port=0):
        self.answer, self.requests, self.connections = answer, [], 0
        if path:
            self.listener = socket.socket(socket.AF_UNIX)
            self.listener.bind(str(path))
            self.listener.listen(64)
            os.chmod(path, 0o600)
            self.name = "unix:%s" % path
        else:
            self.listener = socket.create_server(("127.0.0.1", port))
            self.port = self.listener.getsockname()[1]
            self.name = "inet:127.0.0.1:%d" % self.port
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.converse, args=(connection,), daemon=True).start()

    def converse(self, connection):
        lines, request = connection.makefile("rb"), {}
        try:
            for line in lines:
                if line != b"\n":
                    name, _, value = line.decode().rstrip("\n").partition("=")
                    request[name] = value
                    continue
                self.requests.append(request)
                reply = self.answer(request)
                request = {}
                if reply is None:
                    break
                if not isinstance(reply, bytes):
                    reply = b"action=%s\n\n" % reply.encode()
                connection.sendall(reply)
        except OSError:
            pass
        connection.close()

    def close(self):
        self.listener.close()


@pytest.fixture
def service():
    made = []

    def make(*arguments, **how):
        made.append(Service(*arguments, **how))
        return made[-1]

    yield make
    for s in made:
        s.close()


def try_rcpt(s, recipient="bob@example.test", sender="a@elsewhere.test", helo="client.test"):
    """The reply to RCPT, of a session of its own."""
    with smtplib.SMTP("127.0.0.1", s.ports["mx"], timeout=60) as c:
        c.ehlo(helo)
        assert c.mail(sender)[0] == 250
        code, text = c.rcpt(recipient)
        return code, text.decode()


def send(s, text="Subject: x\r\n\r\nx\r\n", sender="a@elsewhere.test", recipients=("bob@example.test",)):
    with smtplib.SMTP("127.0.0.1", s.ports["mx"], timeout=60) as c:
        c.ehlo("client.test")
        return c.sendmail(sender, list(recipients), text)


# --- postgrey ------------------------------------------------------------------------


@pytest.mark.skipif(POSTGREY is None, reason="postgrey is not installed")
@pytest.mark.parametrize("kind", ["unix", "inet"])
def test_postgrey_as_debian_has_it_greylists(make_suite, directory, kind):
    where = directory / "grey"
    where.mkdir()
    shutil.chown(where, "postgrey", "postgrey")
    if kind == "unix":
        listen, name = "--unix=%s/socket" % where, "unix:%s/socket" % where
    else:
        port = free_ports(1)[0]
        listen, name = "--inet=127.0.0.1:%d" % port, "inet:127.0.0.1:%d" % port
    daemon = subprocess.Popen(
        [POSTGREY, listen, "--dbdir=%s" % where, "--delay=2", "--auto-whitelist-clients=0", "--pidfile=%s/pid" % where],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        s = make_suite(extra=STRANGERS + "policy.services %s\n" % name)
        if kind == "unix":
            wait_until(lambda: (where / "socket").exists())
        else:
            wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)
        code, text = try_rcpt(s)
        assert code == 450 and "reylist" in text, (code, text)
        wait_until(lambda: s.log_lines("session-deferred", "stage=rcpt", "by=%s" % name, "to=bob@example.test"))
        time.sleep(2.5)
        assert send(s) == {}
        wait_until(lambda: len(s.messages("bob")) == 1)
        # postgrey's own header field, by PREPEND.
        assert b"X-Greylist: delayed" in s.messages("bob")[0]
        assert s.messages("bob")[0].index(b"X-Greylist:") < s.messages("bob")[0].index(b"Received:")
    finally:
        daemon.terminate()
        daemon.wait(10)


# --- what is asked ---------------------------------------------------------------------


def test_a_service_is_told_what_postfix_tells_one(make_suite, service):
    rcpt = service(lambda request: "DUNNO")
    data = service(lambda request: "DUNNO")
    end = service(lambda request: "DUNNO")
    s = make_suite(extra=STRANGERS + "policy.services { %s,context=mx %s,stage=data %s,stage=message }\n" % (rcpt.name, data.name, end.name))
    with smtplib.SMTP("127.0.0.1", s.ports["mx"]) as c:
        c.starttls(context=s.tls_context())
        c.ehlo("client.test")
        c.mail("a@elsewhere.test", ["SIZE=17"])
        c.rcpt("bob@example.test")
        c.rcpt("alice@example.test")
        c.data("Subject: x\r\n\r\nx\r\n")
    first, second = rcpt.requests
    expected = {
        "request": "smtpd_access_policy", "protocol_state": "RCPT", "protocol_name": "ESMTP", "helo_name": "client.test",
        "queue_id": "", "sender": "a@elsewhere.test", "recipient": "bob@example.test", "recipient_count": "0",
        "client_address": "127.0.0.1", "client_name": "localhost", "reverse_client_name": "localhost", "sasl_method": "",
        "sasl_username": "", "sasl_sender": "", "size": "17", "encryption_protocol": "TLSv1.3", "etrn_domain": "", "stress": "",
        "policy_context": "mx"}
    assert {k: first.get(k) for k in expected} == expected
    assert first["encryption_cipher"].startswith("TLS_") and int(first["encryption_keysize"]) >= 128
    assert second["recipient"] == "alice@example.test"
    assert data.requests[0]["protocol_state"] == "DATA" and data.requests[0]["recipient_count"] == "2"
    assert end.requests[0]["protocol_state"] == "END-OF-MESSAGE" and end.requests[0]["queue_id"] != ""
    assert end.requests[0]["recipient"] == "" and end.requests[0]["size"] == "17"
    assert len({r["instance"] for r in rcpt.requests + data.requests + end.requests}) == 1


def test_connections_are_kept_and_one_that_the_service_has_closed_costs_nothing(make_suite, service):
    closes = []

    def answer(request):
        if closes:
            closes.clear()
            return None
        return "DUNNO"

    a = service(answer)
    s = make_suite(extra=STRANGERS + "policy.services %s\n" % a.name)
    for _ in range(5):
        assert try_rcpt(s)[0] == 250
    assert a.connections == 1
    closes.append(True)
    assert try_rcpt(s)[0] == 250
    assert a.connections == 2


def test_nobody_asks_about_users_and_networks_that_may_relay(make_suite, service):
    a = service(lambda request: "REJECT")
    b = service(lambda request: "REJECT only you")
    s = make_suite(extra="policy.services { %s }\n" % a.name)
    assert try_rcpt(s)[0] == 250
    assert a.requests == []
    s.conf.write_text(s.conf.read_text().replace(a.name, b.name + ",for=all"))
    s.petrel("reload")
    assert wait_until(lambda: try_rcpt(s)[0] == 554 and try_rcpt(s)) == (554, "5.7.1 only you")


# --- what is done ------------------------------------------------------------------------


@pytest.mark.parametrize("action, code, text", [
    ("DUNNO", 250, "2.1.5 Ok"),
    ("OK", 250, "2.1.5 Ok"),
    ("4711", 250, "2.1.5 Ok"),
    ("REJECT", 554, "5.7.1 Access denied"),
    ("reject 5.1.8 Sender does not exist", 554, "5.1.8 Sender does not exist"),
    ("550 no", 550, "5.7.1 no"),
    ("450 4.2.0 later", 450, "4.2.0 later"),
    ("DEFER", 450, "4.7.1 Temporary failure, try again later"),
    ("DEFER_IF_PERMIT wait", 450, "4.7.1 wait"),
    ("DEFER_IF_REJECT wait", 250, "2.1.5 Ok"),
    ("INFO look", 250, "2.1.5 Ok"),
    ("WARN look", 250, "2.1.5 Ok"),
    ("FROBNICATE look", 250, "2.1.5 Ok"),
    ("PREPEND X-Field", 250, "2.1.5 Ok"),
])
def test_actions(make_suite, service, action, code, text):
    a = service(lambda request: action)
    s = make_suite(extra=STRANGERS + "policy.services %s\n" % a.name)
    assert try_rcpt(s) == (code, text)
    if "look" in action:
        wait_until(lambda: s.log_lines("service-says", "service=%s" % a.name, "action=%s" % action.split()[0], "text=look", "to=bob@example.test"))


def test_two_services_and_what_one_makes_of_the_other(make_suite, service):
    says = {"a": "DUNNO", "b": "DUNNO"}
    a, b = service(lambda request: says["a"]), service(lambda request: says["b"])
    s = make_suite(extra=STRANGERS + "policy.services { %s %s }\n" % (a.name, b.name))
    for first, second, code in (("DUNNO", "REJECT", 554), ("OK", "REJECT", 250), ("DEFER_IF_REJECT x", "REJECT", 450),
                                ("DEFER_IF_PERMIT x", "REJECT", 554), ("DEFER_IF_PERMIT x", "OK", 450), ("DEFER_IF_PERMIT x", "DUNNO", 450)):
        says.update(a=first, b=second)
        assert try_rcpt(s)[0] == code, (first, second)


def test_421_and_521_end_the_connection(make_suite, service):
    for code in (421, 521):
        a = service(lambda request: "%d go away" % code)
        s = make_suite(str(code), extra=STRANGERS + "policy.services %s\n" % a.name)
        with smtplib.SMTP("127.0.0.1", s.ports["mx"]) as c:
            c.ehlo("client.test")
            c.mail("a@elsewhere.test")
            assert c.rcpt("bob@example.test") == (code, b"%d.7.1 go away" % (code // 100))
            with pytest.raises(smtplib.SMTPServerDisconnected):
                c.noop()


def test_hold_takes_the_message_and_shows_it_to_the_administrator(make_suite, service):
    a = service(lambda request: "HOLD looks odd")
    s = make_suite(extra=STRANGERS + "policy.services %s,stage=message\n" % a.name)
    assert send(s) == {}
    wait_until(lambda: [(m["state"], m["hold_reason"]) for m in s.queue()] == [("held", "looks odd")])
    assert s.messages("bob") == []
    s.petrel("queue", "release", "--all")
    wait_until(lambda: len(s.messages("bob")) == 1)


def test_discard_says_250_and_stores_nothing(make_suite, service):
    a = service(lambda request: "DISCARD" if request["sender"].startswith("spam") else "PREPEND X-Seen: yes")
    s = make_suite(extra=STRANGERS + "policy.services %s\n" % a.name)
    assert send(s, sender="spam@elsewhere.test") == {}
    assert send(s) == {}
    wait_until(lambda: len(s.messages("bob")) == 1)
    assert s.messages("bob")[0].count(b"X-Seen: yes\n") == 1
    wait_until(lambda: s.log_lines("discarded", "from=spam@elsewhere.test"))
    wait_until(lambda: s.queue() == [])


# --- services that misbehave -----------------------------------------------------------------


def misbehaviour(kind):
    if kind == "hangs":
        return lambda request: time.sleep(1000)
    return lambda request: {
        "closes": None, "says nothing of an action": b"result=1\n\n", "talks HTTP": b"HTTP/1.1 200 OK\r\n\r\n",
        "sends a line without end": b"action=" + b"x" * 100000, "sends NUL": b"action=DUNNO\0\n\n",
        "sends half a reply": b"action=DUNNO\n"}[kind]


@pytest.mark.parametrize("kind", ["hangs", "closes", "says nothing of an action", "talks HTTP", "sends a line without end",
                                  "sends NUL", "sends half a reply"])
def test_a_service_that_misbehaves_costs_a_temporary_failure_or_nothing_as_set(make_suite, service, kind):
    a = service(misbehaviour(kind))
    s = make_suite(extra=STRANGERS + "policy.services %s,timeout=1s\n" % a.name)
    assert try_rcpt(s) == (451, "4.3.0 Temporary failure, try again later")
    wait_until(lambda: s.log_lines("service-failed", "service=%s" % a.name))
    s.conf.write_text(s.conf.read_text().replace("timeout=1s", "timeout=1s,failure=accept"))
    s.petrel("reload")
    wait_until(lambda: try_rcpt(s)[0] == 250)


def test_a_service_that_is_away_is_asked_again_when_it_is_back(make_suite, service, directory):
    for kind in ("inet", "unix"):
        path, port = directory / "socket", free_ports(1)[0]
        how = {"path": path} if kind == "unix" else {"port": port}
        name = "unix:%s" % path if kind == "unix" else "inet:127.0.0.1:%d" % port
        s = make_suite(kind, extra=STRANGERS + "policy.services %s\n" % name)
        assert try_rcpt(s)[0] == 451
        a = service(lambda request: "DUNNO", **how)
        wait_until(lambda: try_rcpt(s)[0] == 250)
        assert a.name == name and a.requests
        wait_until(lambda: s.log_lines("service-works-again", name))


def test_a_reply_to_no_request_is_not_the_next_clients(make_suite, service):
    a = service(lambda request: b"action=DUNNO\n\naction=REJECT stale\n\n")
    s = make_suite(extra=STRANGERS + "policy.services %s\n" % a.name)
    for _ in range(5):
        assert try_rcpt(s)[0] == 250


# --- the death of policy ------------------------------------------------------------------------


def test_sessions_live_on_when_policy_is_killed_under_load(make_suite, service):
    a = service(lambda request: "DUNNO")
    s = make_suite(extra=STRANGERS + "policy.services %s\n" % a.name)
    accepted, deferred, broken, over = [], [], [], threading.Event()

    def client(who):
        n = 0
        c = smtplib.SMTP("127.0.0.1", s.ports["mx"], timeout=60)
        c.ehlo("client.test")
        while not over.is_set():
            n += 1
            mark = "mark-%d-%d" % (who, n)
            try:
                c.sendmail("a@elsewhere.test", ["bob@example.test"], "Subject: %s\r\n\r\nx\r\n" % mark)
                accepted.append(mark)
            except smtplib.SMTPRecipientsRefused as e:
                assert e.recipients["bob@example.test"][0] == 451
                deferred.append(mark)
            except smtplib.SMTPException as e:
                broken.append(repr(e))
                return
        c.quit()

    threads = [threading.Thread(target=client, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for _ in range(5):
        pid = s.pid_of("policy")
        before = len(accepted)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: any(p["process"] == "policy" and p["pid"] not in (0, pid) for p in s.processes()))
        wait_until(lambda: len(accepted) > before + 5)
    over.set()
    for t in threads:
        t.join()
    assert broken == [] and accepted
    wait_until(lambda: len(s.messages("bob")) == len(accepted), 60)
    text = b"".join(s.messages("bob"))
    assert all(b"Subject: %s\n" % mark.encode() in text for mark in accepted)
    assert [p["restarts"] for p in s.processes() if p["process"] == "smtpd"] == [0] * len([p for p in s.processes() if p["process"] == "smtpd"])


def test_a_service_that_the_settings_name_no_more_is_asked_no_more(make_suite, service, directory):
    a = service(lambda request: "REJECT", path=directory / "named")
    s = make_suite(extra=STRANGERS + "policy.services %s\n" % a.name)
    assert try_rcpt(s)[0] == 554
    s.conf.write_text(s.conf.read_text().replace("policy.services", "policy.services none #"))
    s.petrel("reload")
    wait_until(lambda: try_rcpt(s)[0] == 250)
    asked = len(a.requests)
    assert try_rcpt(s)[0] == 250
    assert len(a.requests) == asked


# --- greylisting ----------------------------------------------------------------------------------


GREYLIST = STRANGERS + "greylist { clients strangers\n delay 2s\n retry-window 60s\n successes 2 }\n"


def is_greylisted(reply):
    return reply[0] == 451 and reply[1].startswith("4.7.1 Greylisted, please try again in ")


def test_greylisting_lets_in_who_comes_again(make_suite):
    s = make_suite(extra=GREYLIST)
    assert is_greylisted(try_rcpt(s))
    assert is_greylisted(try_rcpt(s)), "too early"
    wait_until(lambda: s.log_lines("session-deferred", "stage=rcpt", "by=greylist", "to=bob@example.test"))
    time.sleep(2)
    assert send(s) == {}
    wait_until(lambda: len(s.messages("bob")) == 1)
    assert b"X-Greylist: delayed 2 seconds by Petrel at mail.example.test\n" in s.messages("bob")[0]
    assert send(s) == {}
    wait_until(lambda: len(s.messages("bob")) == 2)
    assert b"X-Greylist" not in s.messages("bob")[1]
    assert is_greylisted(try_rcpt(s, sender="other@elsewhere.test"))
    assert is_greylisted(try_rcpt(s, recipient="alice@example.test"))
    assert try_rcpt(s, recipient="nobody@example.test")[0] == 550, "who does not exist is not told to come again"


def test_greylisting_spares_networks_that_came_often_enough(make_suite):
    s = make_suite(extra=GREYLIST)
    for sender in ("a@elsewhere.test", "b@elsewhere.test"):
        assert is_greylisted(try_rcpt(s, sender=sender))
    time.sleep(2)
    for sender in ("a@elsewhere.test", "b@elsewhere.test"):
        assert try_rcpt(s, sender=sender)[0] == 250
    wait_until(lambda: s.log_lines("greylist-allows", "network=127.0.0.0/24"))
    assert try_rcpt(s, sender="c@elsewhere.test")[0] == 250


def test_greylisting_does_not_keep_address_checks_waiting(make_suite):
    """RFC 6647, 5: MAIL FROM:<> and RCPT only ask whether somebody exists."""
    s = make_suite(extra=GREYLIST)
    assert try_rcpt(s, sender="")[0] == 250
    with smtplib.SMTP("127.0.0.1", s.ports["mx"]) as c:
        c.ehlo("client.test")
        c.mail("")
        c.rcpt("bob@example.test")
        assert c.docmd("DATA")[0] == 451
    time.sleep(2)
    assert send(s, sender="") == {}


def test_greylisting_is_not_for_users_nor_exceptions(make_suite):
    for name, extra in (("relay", GREYLIST.replace(STRANGERS, "")), ("exception", GREYLIST + "greylist.exceptions { 192.0.2.0/24 127.0.0.0/30 }\n"),
                        ("suspects", GREYLIST.replace("strangers", "suspects"))):
        s = make_suite(name, extra=extra)
        assert try_rcpt(s)[0] == 250, name
        s.stop()
    s = make_suite("user", extra=GREYLIST)
    with smtplib.SMTP("127.0.0.1", s.ports["submission"]) as c:
        c.starttls(context=s.tls_context())
        c.login("alice@example.test", "alice's secret")
        assert c.sendmail("alice@example.test", ["bob@example.test"], "Subject: x\r\n\r\nx\r\n") == {}


def test_the_greylist_survives_the_death_of_policy_and_of_the_suite(make_suite):
    s = make_suite(extra=GREYLIST.replace("delay 2s", "delay 4s"))
    start = time.monotonic()
    assert is_greylisted(try_rcpt(s))
    pid = s.pid_of("policy")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: any(p["process"] == "policy" and p["pid"] not in (0, pid) for p in s.processes()))
    wait_until(lambda: s.log().count(" greylist entries=") == 2)
    assert is_greylisted(try_rcpt(s))
    s.kill()
    s.start()
    time.sleep(max(0, start + 4.2 - time.monotonic()))
    assert try_rcpt(s)[0] == 250, "it was the first attempt that counted"
    assert not s.path("policy/greylist.bad").exists()


def test_a_spoilt_greylist_is_begun_anew_and_mail_flows(make_suite):
    s = make_suite(extra=GREYLIST)
    assert is_greylisted(try_rcpt(s))
    s.stop()
    for path in s.path("policy/greylist").iterdir():
        path.write_bytes(b"\xa5" * 65536)
    s.start()
    assert is_greylisted(try_rcpt(s))
    time.sleep(2)
    assert try_rcpt(s)[0] == 250
    assert s.log_lines("greylist-set-aside") and s.path("policy/greylist.bad").is_dir()


def test_greylisting_is_turned_on_and_off_by_a_reload(make_suite):
    s = make_suite(extra=STRANGERS)
    assert try_rcpt(s)[0] == 250
    s.conf.write_text(s.conf.read_text() + "greylist.clients strangers\n")
    s.petrel("reload")
    wait_until(lambda: is_greylisted(try_rcpt(s)))
    s.conf.write_text(s.conf.read_text().replace("greylist.clients strangers", ""))
    s.petrel("reload")
    wait_until(lambda: try_rcpt(s)[0] == 250)


def test_petrel_greylist_lists_allows_and_forgets_networks(make_suite):
    s = make_suite(extra=GREYLIST)
    assert s.petrel("greylist", "list").stdout == "No network is known yet.\n"
    assert is_greylisted(try_rcpt(s))
    s.petrel("greylist", "allow", "127.0.0.1")
    assert try_rcpt(s)[0] == 250
    assert s.petrel_json("greylist", "list") == [
        {"network": "127.0.0.0/24", "successes": 0, "last": pytest.approx(time.time(), abs=60), "allowed": True, "by_hand": True}]
    assert "127.0.0.0/24" in s.petrel("greylist", "list").stdout
    s.petrel("greylist", "forget", "127.0.0.0/24")
    assert is_greylisted(try_rcpt(s))
    time.sleep(2)
    assert try_rcpt(s)[0] == 250
    known = s.petrel_json("greylist", "list")
    assert [(n["network"], n["successes"], n["allowed"]) for n in known] == [("127.0.0.0/24", 1, False)]
    assert "nothing was known" in s.petrel("greylist", "forget", "192.0.2.0/24").stdout
    for bad in (["allow", "192.0.2.0/8"], ["allow", "x"], ["forget", ""]):
        assert s.petrel("greylist", *bad, check=False).returncode == 65, bad
    assert s.petrel("greylist", "frob", check=False).returncode == 64
    if os.geteuid() == 0:
        assert "only root may do this" in s.petrel("greylist", "list", check=False, as_user="nobody").stderr


def test_petrel_greylist_says_where_there_is_none(make_suite):
    s = make_suite()
    done = s.petrel("greylist", "list", check=False)
    assert done.returncode == 69 and "no greylist" in done.stderr


def test_petrel_check_warns_of_a_service_that_is_not_there_and_of_suspects_without_lists(make_suite, directory):
    s = make_suite(start=False, extra="policy.services unix:%s/absent\ngreylist.clients suspects\n" % directory)
    said = s.petrel("check", check=False).stdout
    assert "%s/absent: No such file or directory" % directory in said
    assert "without dnslists.lists nobody is a suspect" in said
