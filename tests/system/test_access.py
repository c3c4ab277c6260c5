"""Who may send what here: access rules, limits for clients and networks, early talkers, probes."""

import base64
import json
import os
import re
import shutil
import signal
import smtplib
import socket
import subprocess
import time

import pytest

from network import Network
from suite import PREFIX, SERVICES, SLOW, Suite, wait_until
from test_extensions import Client, codes

STRANGER = "127.0.0.5"
STRANGERS = "smtp.relay-networks none\nlimits.exempt none\nsmtp.tarpit-delay 0\n"  # all of loopback is the world's


def sent(suite, helo="client.test", mail="alice@elsewhere.test", to="bob@example.test", source=STRANGER):
    """The code and text that decided: 250 at the end of the message, or what came before."""
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"], helo, 30, source_address=(source, 0)) as c:
        for step in (lambda: c.ehlo(), lambda: c.mail(mail), lambda: c.rcpt(to),
                     lambda: c.data("Subject: x\r\n\r\nx\r\n")):
            code, text = step()
            if code != 250:
                break
        return code, text.decode()


def swaks(suite, *arguments):
    return subprocess.run(["swaks", "--server", "127.0.0.1", "--port", str(suite.ports["mx"]), "--to", "bob@example.test",
                           "--local-interface", STRANGER, *arguments], capture_output=True, text=True, timeout=60)


# --- rules --------------------------------------------------------------------------------


RULES = """
access {
    accept  to postmaster@example.test
    refuse  helo localhost *.invalid        say "You are not me"
    defer   from *@slow.test
    refuse  from <badsenders> helo <badnames>
    refuse  from <badsenders>               say "554 5.7.9 Listed"
    discard from *@nowhere.test
    disconnect client 127.0.0.66
    note    client 127.0.0.0/8
}
"""


@pytest.fixture
def ruled(make_suite):
    suite = make_suite(extra=STRANGERS + RULES, start=False)
    suite.path("tables").mkdir(exist_ok=True)
    suite.path("tables/badsenders").write_text("evil@elsewhere.test\n*@*.worse.test   since 2026\n")
    return suite.start()


def test_the_first_rule_that_matches_decides_and_the_log_names_it(ruled):
    assert sent(ruled)[0] == 250
    assert sent(ruled, helo="localhost") == (550, "5.7.1 You are not me")
    assert sent(ruled, helo="x.invalid", to="postmaster@example.test")[0] == 250
    assert sent(ruled, mail="a@slow.test")[0] == 450
    assert sent(ruled, mail="a@nowhere.test")[0] == 250
    assert sent(ruled, source="127.0.0.66")[0] == 521
    line = wait_until(lambda: ruled.log_lines("session-refused", "helo=localhost"))[0]
    rule = RULES.splitlines().index('    refuse  helo localhost *.invalid        say "You are not me"')
    number = ruled.conf.read_text().splitlines().index(RULES.splitlines()[rule]) + 1
    assert "by=petrel.conf:%d " % number in line
    wait_until(lambda: len(ruled.messages("bob")) == 1)
    wait_until(lambda: ruled.log_lines("discarded id=", "from=a@nowhere.test"))
    assert ruled.log_lines("access-note by=petrel.conf:", "client=" + STRANGER)


def test_tables_are_asked_and_read_again_when_they_change(ruled):
    assert sent(ruled, mail="EVIL@elsewhere.test") == (554, "5.7.9 Listed")
    assert sent(ruled, mail="x@a.worse.test")[0] == 554
    assert sent(ruled, mail="x@worse.test")[0] == 250
    ruled.path("tables/badsenders").write_text("good@elsewhere.test\n")
    wait_until(lambda: sent(ruled, mail="evil@elsewhere.test")[0] == 250)
    assert sent(ruled, mail="good@elsewhere.test")[0] == 554


def test_a_reload_takes_new_rules_and_refuses_wrong_ones_with_their_line(ruled):
    ruled.write_conf(STRANGERS + "access {\n  refuse helo client.test\n}\n")
    ruled.petrel("reload")
    wait_until(lambda: sent(ruled)[0] == 550)
    ruled.write_conf(STRANGERS + "access {\n  refuse heloo client.test\n}\n")
    line = ruled.conf.read_text().splitlines().index("  refuse heloo client.test") + 1
    for command in ("check", "reload"):
        done = ruled.petrel(command, check=False)
        assert done.returncode == 78
        assert 'petrel.conf:%d: access: "heloo" is no condition; write client, ' % line in done.stdout + done.stderr
    assert sent(ruled)[0] == 550


def test_a_death_of_lookup_in_between_refuses_nobody_for_good(ruled):
    ruled.write_conf(STRANGERS + RULES)
    os.kill(ruled.pid_of("lookup"), signal.SIGSTOP)
    pid = ruled.pid_of("lookup")
    with Client(ruled) as c:
        assert codes(c.say(b"EHLO x\r\nMAIL FROM:<evil@elsewhere.test>\r\n", 2)) == ["250", "250"]
        c.socket.sendall(b"RCPT TO:<bob@example.test>\r\n")
        time.sleep(0.2)
        os.kill(pid, signal.SIGKILL)
        assert c.reply().startswith("451 4.4.3")
    wait_until(lambda: sent(ruled, mail="evil@elsewhere.test")[0] == 554)


def test_a_message_that_a_rule_holds_waits_until_it_is_released(make_suite):
    suite = make_suite(extra=STRANGERS + "access { hold from *@odd.test }")
    assert sent(suite, mail="a@odd.test")[0] == 250
    held = wait_until(lambda: [m for m in suite.queue() if m["sender"] == "a@odd.test"])
    assert held[0]["state"] == "held" and not suite.messages("bob")
    suite.petrel("queue", "release", held[0]["id"])
    wait_until(lambda: suite.messages("bob"))


# --- petrel test session ----------------------------------------------------------------------


def trial(suite, *arguments, check=None):
    done = suite.petrel("test", "session", *arguments, check=False)
    if check is not None:
        assert done.returncode == check, done.stdout + done.stderr
    return done.stdout


def test_a_trial_says_which_rule_decides_and_why_the_others_do_not(ruled):
    number = ruled.conf.read_text().splitlines().index("    accept  to postmaster@example.test") + 1
    said = trial(ruled, "--client", "192.0.2.1", "--name", "x.test", "--helo", "localhost",
                 "--from", "a@b.test", "--to", "bob@example.test", check=69)
    assert "petrel.conf:%d: accept to postmaster@example.test\n" % number in said
    assert "no: to: the recipient is <bob@example.test>" in said
    assert 'petrel.conf:%d: refuse helo localhost *.invalid say "You are not me"\n            matches\n' % (number + 1) in said
    assert "decided by petrel.conf:%d\n" % (number + 1) in said
    assert "refused: 550 5.7.1 You are not me\n" in said
    # What stands below was not looked at.
    assert "slow.test" not in said


@pytest.mark.parametrize("helo, mail, to", [
    ("client.test", "alice@elsewhere.test", "bob@example.test"),
    ("localhost", "alice@elsewhere.test", "bob@example.test"),
    ("x.invalid", "alice@elsewhere.test", "postmaster@example.test"),
    ("client.test", "a@slow.test", "bob@example.test"),
    ("client.test", "evil@elsewhere.test", "bob@example.test"),
    ("client.test", "x@a.worse.test", "bob@example.test"),
    ("client.test", "a@nowhere.test", "bob@example.test"),
    ("client.test", "a@b.test", "nobody@example.test"),
    ("client.test", "a@b.test", "x@elsewhere.test"),
    ("client.test", "", "bob@example.test"),
])
def test_a_trial_and_a_session_come_to_the_same(ruled, helo, mail, to):
    code, text = sent(ruled, helo, mail, to)
    whole = json.loads(ruled.petrel("--json", "test", "session", "--client", STRANGER, "--helo", helo, "--from", mail,
                                    "--to", to, check=False).stdout)
    tried, running = whole["recipients"][0], whole["running"]
    assert running[0]["said"] == "MAIL FROM:<%s>" % mail and running[1]["said"] == "RCPT TO:<%s>" % to
    assert running[1]["reply"] == ("250 2.1.5 Ok" if code == 250 else "%d %s" % (code, text))
    assert running[1]["decided_by"] == ("" if tried["decided_by"] == "lookup" else tried["decided_by"])
    if code == 250:
        assert tried["answer"] in ("accepted", "discarded") and tried["reply"].startswith("250 ")
    else:
        assert tried["reply"] == "%d %s" % (code, text)


def test_the_exit_status_of_a_trial_says_what_became_of_it(ruled):
    who = ["--client", "192.0.2.1", "--name", "unknown", "--from", "a@b.test"]
    assert "accepted: 250" in trial(ruled, *who, "--to", "bob@example.test", check=0)
    assert "decided by lookup" in trial(ruled, *who, "--to", "nobody@example.test", check=69)
    trial(ruled, *who, "--from", "a@slow.test", "--to", "bob@example.test", check=75)
    trial(ruled, *who, "--to", "bob@example.test", "--to", "nobody@example.test", check=69)
    said = trial(ruled, *who, "--service", "submission", "--to", "bob@example.test", check=69)
    assert "530 5.7.0 Authentication required" in said
    said = trial(ruled, *who, "--service", "submission", "--login", "alice@example.test", "--to", "x@y.test", check=69)
    assert "decided by the table senders" in said
    trial(ruled, "--client", "192.0.2.1", "--name", "unknown", "--service", "submission", "--login", "alice@example.test",
          "--from", "alice@example.test", "--to", "x@y.test", check=0)
    assert "smtp.early-talkers" in trial(ruled, *who, "--early", "--to", "bob@example.test", check=69)
    trial(ruled, "--client", "192.0.2", "--to", "bob@example.test", check=64)
    trial(ruled, "--client", "192.0.2.1", check=64)
    trial(ruled, *who, "--to", "not an address", check=64)


def test_a_trial_with_a_running_suite_counts_for_nobody_and_leaves_no_message(make_suite):
    suite = make_suite(extra=STRANGERS + "limits { client { connections 1\n messages 2\n unknown-recipients 1 } }\n"
                                         "access { disconnect helo bye.test; tarpit 60s helo slow.test }")
    who = ["--client", STRANGER, "--from", "a@b.test"]
    for _ in range(4):
        assert "550 5.1.1" in trial(suite, *who, "--to", "nobody@example.test", check=69)
        assert "the running suite says" in trial(suite, *who, "--helo", "slow.test", "--to", "bob@example.test", check=0)
    assert "521 5.7.1" in trial(suite, *who, "--helo", "bye.test", "--to", "bob@example.test", check=69)
    assert sent(suite)[0] == 250
    assert sent(suite, to="guess@example.test")[0] == 550
    # What the client has done counts for its trial.
    assert "450 4.7.1" in trial(suite, *who, "--to", "bob@example.test", check=75)
    wait_until(lambda: len(suite.messages("bob")) == 1)
    suite.stop()
    assert "the running suite says" not in trial(suite, *who, "--to", "bob@example.test", check=0)


def test_only_an_administrator_may_be_taken_for_somebody_else(suite):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    shutil.chown(suite.directory, "nobody")
    done = suite.petrel("test", "session", "--client", "192.0.2.1", "--name", "x.test", "--to", "bob@example.test", check=False,
                        as_user="nobody")
    assert "the running suite says" not in done.stdout


# --- limits -------------------------------------------------------------------------------


def connect(suite, source=STRANGER):
    """The greeting, and the connection."""
    s = socket.create_connection(("127.0.0.1", suite.ports["mx"]), 30, source_address=(source, 0))
    return s, s.makefile("rb").readline().decode()


def test_smtpd_processes_agree_on_how_many_connections_a_client_has(make_suite):
    suite = make_suite(extra=STRANGERS + "smtp.workers 4\nlimits { client { connections 8 }\n network { connections 12 } }")
    held = [connect(suite) for _ in range(8)]
    assert all(g.startswith("220") for _, g in held)
    assert connect(suite)[1].startswith("421 4.7.0")
    held += [connect(suite, "127.0.0.6") for _ in range(4)]
    assert held[-1][1].startswith("220")
    assert connect(suite, "127.0.0.7")[1].startswith("421 4.7.0")  # the network has twelve
    assert connect(suite, "127.0.9.7")[1].startswith("220")
    wait_until(lambda: suite.log_lines("client-limited client=127.0.0.7 limit=limits.network.connections"))
    assert suite.log_lines("client-limited client=%s limit=limits.client.connections at=connect" % STRANGER)
    held.pop(0)[0].close()
    wait_until(lambda: connect(suite)[1].startswith("220"))
    for s, _ in held:
        s.close()


def test_the_connections_of_a_process_that_died_are_counted_no_more(make_suite):
    suite = make_suite(extra=STRANGERS + "smtp.workers 2\nlimits { client { connections 6 } }")
    held = [connect(suite) for _ in range(6)]
    assert connect(suite)[1].startswith("421")
    for instance in (0, 1):
        os.kill(suite.pid_of("smtpd", instance), signal.SIGKILL)
    for s, _ in held:
        s.close()

    def six():
        try:
            again = [connect(suite) for _ in range(6)]
        except OSError:
            return False
        good = all(g.startswith("220") for _, g in again)
        for s, _ in again:
            s.close()
        return good
    wait_until(six)


def test_connections_in_a_minute_and_messages_in_a_window(make_suite):
    suite = make_suite(extra=STRANGERS + "smtp.workers 3\nlimits { client { connections-per-minute 10\n messages 4 } }")
    results = [sent(suite)[0] for _ in range(6)]
    assert results == [250] * 4 + [450] * 2
    assert wait_until(lambda: suite.log_lines("client-limited", "limit=limits.client.messages at=mail"))
    greetings = [connect(suite)[1][:3] for _ in range(6)]
    assert greetings == ["220"] * 4 + ["421"] * 2
    assert sent(suite, source="127.0.0.9")[0] == 250


def login_fails(suite, password="wrong"):
    with smtplib.SMTP("localhost", suite.ports["submission"], source_address=(STRANGER, 0), timeout=60) as c:
        c.starttls(context=suite.tls_context())
        c.ehlo()
        word = base64.b64encode(b"\0alice@example.test\0" + password.encode()).decode()
        return c.docmd("AUTH", "PLAIN " + word)[0]


def test_after_too_many_failed_logins_none_is_looked_at(make_suite):
    suite = make_suite(extra=STRANGERS + "auth.failure-delay 0\nlimits { client { auth-failures 3 } }")
    assert [login_fails(suite) for _ in range(3)] == [535] * 3
    assert login_fails(suite, "alice's secret") == 421
    line = wait_until(lambda: suite.log_lines("client-limited", "auth"))[0]
    assert banned([line]) == [STRANGER]


def banned(lines):
    """Whom the fail2ban filter finds in lines of the log; <ADDR> as fail2ban has it, for what we write."""
    text = (PREFIX / "share/petrel/fail2ban-petrel.conf").read_text()
    expressions = re.search(r"^failregex = (.*?)^ignoreregex", text, re.M | re.S).group(1).split("\n")
    found = []
    for line in lines:
        rest = re.sub(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", "", line)
        for expression in filter(None, map(str.strip, expressions)):
            match = re.search(expression.replace("<ADDR>", r"(?P<ip>[0-9a-f:.]+)"), rest)
            if match:
                found.append(match.group("ip"))
    return found


def test_fail2ban_finds_who_was_stopped_and_is_led_to_nobody_else():
    stamp = "2026-11-21T10:00:00.123456Z mail "
    assert banned([stamp + "smtpd[0]: warning: client-limited client=192.0.2.1 limit=limits.client.errors at=connect",
                   stamp + "smtpd[0]: warning: client-limited client=2001:db8::1 limit=smtp.unknown-recipients-limit at=rcpt",
                   stamp + "auth[0]: warning: auth-failed client=192.0.2.3 account=x"]) == ["192.0.2.1", "2001:db8::1", "192.0.2.3"]
    assert banned([stamp + "smtpd[0]: warning: client-limited client=192.0.2.1 limit=limits.client.messages at=mail",
                   stamp + 'smtpd[0]: session-refused helo="smtpd[0]: warning: client-limited client=192.0.2.9 limit=limits.client.errors at=x"']) == []


# --- probes, early talkers, tarpit -----------------------------------------------------------


def test_who_guesses_recipients_learns_nothing_and_is_stopped(make_suite):
    suite = make_suite(extra=STRANGERS + "smtp.unknown-recipients-limit 5")
    guesses = b"".join(b"RCPT TO:<%s@example.test>\r\n" % n for n in [b"guess%d" % i for i in range(5)] + [b"bob", b"alice", b"x"])
    with Client(suite) as c:
        replies = c.say(b"EHLO x\r\nMAIL FROM:<a@b.test>\r\n" + guesses, 10)
        assert codes(replies[2:]) == ["550"] * 5 + ["450"] * 3
        replies = c.say(b"RCPT TO:<bob@example.test>\r\n" * 3, 3)
        assert codes(replies) == ["450", "450", "421"]
    wait_until(lambda: suite.log_lines("client-limited", "limit=smtp.unknown-recipients-limit at=rcpt"))


def test_guessing_in_many_sessions_is_counted_together(make_suite):
    suite = make_suite(extra=STRANGERS + "smtp.workers 3\nlimits { client { unknown-recipients 6 } }")
    assert [sent(suite, to="guess%d@example.test" % i)[0] for i in range(6)] == [550] * 6
    assert connect(suite)[1].startswith("421 4.7.0")
    assert sent(suite, to="bob@example.test", source="127.0.0.9")[0] == 250


def test_a_client_that_waits_is_greeted_and_one_that_does_not_is_refused(make_suite):
    suite = make_suite(extra=STRANGERS + "smtp.greeting-delay 1s\n")
    # All of loopback is spared the wait; a real network is needed to see it.
    start = time.monotonic()
    assert sent(suite)[0] == 250
    assert time.monotonic() - start < 1


@pytest.mark.root
def test_strangers_on_a_real_network_wait_and_early_talkers_are_refused(directory, certificate):
    net = Network(directory)
    try:
        here, address = net.add_host("here")
        there, _ = net.add_host("there")
        (directory / "a").mkdir(mode=0o755)
        suite = Suite(directory / "a", certificate=certificate, address=address, namespace=here,
                      ports=dict(zip(SERVICES, range(2001, 2008))),
                      extra="smtp { greeting-delay 2s\n tarpit-errors 2\n tarpit-delay 2s }\nresolver.timeout 1s").start()
        try:
            def talk(script):
                line = ["ip", "netns", "exec", there, "python3", "-c", TALK, address, str(suite.ports["mx"]), *script]
                return subprocess.run(line, capture_output=True, text=True, timeout=60 * SLOW).stdout.splitlines()
            done = subprocess.run(["ip", "netns", "exec", there, "swaks", "--server", address, "--port", str(suite.ports["mx"]),
                                   "--to", "bob@example.test", "--from", "a@b.test"], capture_output=True, text=True, timeout=60 * SLOW)
            assert done.returncode == 0, done.stdout
            wait_until(lambda: suite.messages("bob"))
            heard = talk(["HELO x", "MAIL FROM:<a@b.test>", "RCPT TO:<bob@example.test>", "QUIT"])
            assert [h.split(" ", 1)[1][:3] for h in heard] == ["220", "250", "250", "550", "221"]
            assert 1.5 < float(heard[0].split(" ")[0]) < 10 * SLOW
            wait_until(lambda: suite.log_lines("talked-early client="))
            assert suite.log_lines("session-refused", "by=smtp.early-talkers")
            heard = talk(["-", "X", "X", "X", "NOOP"])
            times = [float(h.split(" ")[0]) for h in heard]
            assert [h.split(" ", 1)[1][:3] for h in heard] == ["220", "500", "500", "500", "250"]
            assert times[3] - times[0] > 3.5 and times[4] - times[3] < 1
        finally:
            suite.stop()
            print(suite.log()[-6000:])
    finally:
        net.close()


# Says the lines at once, or after the greeting where the first is "-"; prints when each reply came.
TALK = r"""
import socket, sys, time
start = time.monotonic()
s = socket.create_connection((sys.argv[1], int(sys.argv[2])), 30)
lines = s.makefile("rb")
say = sys.argv[3:]
def hear():
    line = lines.readline().decode().rstrip()
    print("%.2f %s" % (time.monotonic() - start, line), flush=True)
if say[0] == "-":
    hear()
    say = say[1:]
    count = len(say)
else:
    count = len(say) + 1
s.sendall("".join(l + "\r\n" for l in say).encode())
for _ in range(count):
    hear()
"""
