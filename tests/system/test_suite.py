"""The life of the suite: starting, its errors, reload, stop."""

import json
import os
import signal
import smtplib
import socket
import subprocess
import time

import pytest

from suite import PREFIX, SLOW, Suite, free_ports, wait_until


def start_fails(suite):
    done = suite.command("petrel", "start", check=False)
    assert done.returncode != 0
    return done.stderr


def greeting(port):
    with socket.create_connection(("127.0.0.1", port), timeout=10) as s:
        return s.makefile("rb").readline()


def test_an_ordinary_user_is_told_in_one_line_that_all_runs_as_that_user(make_suite):
    s = make_suite(as_user="nobody")
    said = [line for line in s.stderr().splitlines() if "every process runs as that user" in line]
    assert len(said) == 1
    uids = set()
    for pid in s.all_pids():
        with open("/proc/%d/status" % pid) as status:
            uids.add([line.split()[1] for line in status if line.startswith("Uid:")][0])
    assert len(uids) == 1
    assert greeting(s.ports["mx"]).startswith(b"220 mail.example.test")


def test_a_second_master_refuses_to_start(suite):
    line = [str(PREFIX / "libexec/petrel/master"), "-c", str(suite.conf)]
    done = subprocess.run(line, capture_output=True, text=True, timeout=30 * SLOW)
    assert done.returncode != 0
    assert "already running as process %d" % suite.process.pid in done.stderr
    assert "already running" in start_fails(suite)
    assert greeting(suite.ports["mx"]).startswith(b"220")


def test_a_pid_file_left_by_a_crash_is_no_obstacle(suite):
    suite.kill()
    assert suite.path("run/petrel.pid").exists()
    suite.start()
    assert greeting(suite.ports["mx"]).startswith(b"220")


@pytest.mark.parametrize("text, message", [
    ("tls { certficate /x }", 'tls: unknown setting "certficate"; did you mean "certificate"?'),
    ("queue.expire never", 'queue.expire: "never" is not a duration'),
    ("hostname", "hostname: a value is missing"),
])
def test_a_malformed_configuration_names_file_line_and_word(make_suite, text, message):
    s = make_suite(start=False)
    line = len(s.conf.read_text().splitlines()) + 1
    s.conf.write_text(s.conf.read_text() + text + "\n")
    if text == "hostname":
        message = "hostname: "
    assert "petrel.conf:%d: " % line in start_fails(s)
    assert message in start_fails(s)
    assert message in s.command("petrel", "check", check=False).stdout


def test_a_port_in_use_is_named(make_suite):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        s = make_suite(start=False)
        s.ports["imap"] = port
        s.write_conf()
        expected = "listen.imap: cannot listen on 127.0.0.1:%d: Address already in use" % port
        assert expected in start_fails(s)
        assert expected in s.command("petrel", "check", check=False).stdout


def test_accounts_may_come_before_the_first_start_and_those_without_mail_are_told_of(make_suite):
    s = make_suite(start=False, users=())
    assert "there are no accounts yet" in s.petrel("check").stdout
    assert s.petrel("user", "add", "alice@example.test", input="secret\n").stderr == ""
    assert s.petrel("check").stdout.count("account") == 0
    done = s.petrel("user", "add", "bob@exmaple.test", input="secret\n")
    assert "bob@exmaple.test is in no domain of this host" in done.stderr
    assert '"bob@exmaple.test" is in no domain of this host' in s.petrel("check").stdout
    s.path("tables/domains").write_text("exmaple.test\n")
    assert "bob" not in s.petrel("check").stdout


def test_an_address_that_two_services_want_is_named_with_both(make_suite):
    s = make_suite(start=False)
    s.ports["imap"] = s.ports["mx"]
    s.write_conf()
    expected = "listen.imap: 127.0.0.1:%d is listen.mx's already" % s.ports["mx"]
    assert expected in start_fails(s)
    assert expected in s.command("petrel", "check", check=False).stdout


def test_a_directory_with_a_name_too_long_for_a_socket_will_do(make_suite, directory):
    s = make_suite(start=False)
    deep = s.directory.joinpath(*["a-long-name-of-a-directory" for _ in range(8)])
    s.conf.write_text(s.conf.read_text().replace("run %s" % s.path("run"), "run %s" % deep))
    s.petrel("start")
    assert "delivery/maildir[0]" in s.petrel("status").stdout
    s.petrel("stop")
    assert list(deep.glob("control")) == []


def test_check_finds_an_unreadable_key_and_one_that_does_not_belong_to_the_certificate(make_suite, directory):
    s = make_suite(start=False)
    other = directory / "other"
    other.mkdir()
    subprocess.run(["openssl", "genrsa", "-out", str(other / "key.pem"), "2048"], check=True, capture_output=True)
    s.key = other / "key.pem"
    s.write_conf()
    assert "does not belong to the certificate" in s.command("petrel", "check", check=False).stdout
    s.key = other / "missing.pem"
    s.write_conf()
    done = s.command("petrel", "check", check=False)
    assert done.returncode == 78
    assert "tls.key: %s: No such file or directory" % s.key in done.stdout
    # Mail flows without it, but whoever starts the suite is told.
    done = s.petrel("start")
    assert "tls.key: %s: No such file or directory" % s.key in done.stderr
    s.petrel("stop")


def test_an_unreadable_key_is_logged_and_mail_still_flows_in_the_clear(make_suite):
    s = make_suite(start=False)
    good = s.key
    s.key = s.directory / "missing.pem"
    s.write_conf()
    s.start()
    wait_until(lambda: s.log_lines("cannot-open", "missing.pem"))
    with smtplib.SMTP("127.0.0.1", s.ports["mx"]) as c:
        c.sendmail("a@elsewhere.test", ["bob@example.test"], "Subject: x\r\n\r\nx\r\n")
    wait_until(lambda: len(s.messages("bob")) == 1)
    s.key = good
    s.write_conf()
    s.petrel("reload")
    def secured():
        with smtplib.SMTP("127.0.0.1", s.ports["mx"]) as c:
            try:
                return c.starttls(context=s.tls_context())[0] == 220
            except (smtplib.SMTPException, OSError):
                return False
    wait_until(secured)


def test_a_reload_drops_no_connection_and_takes_the_new_settings(suite):
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as before:
        before.ehlo()
        assert before.esmtp_features["size"] == str(50 * 1024 * 1024)
        moved = free_ports(1)[0]
        old = suite.ports["mx"]
        suite.ports["mx"] = moved
        suite.write_conf("smtp.size-limit 1M\n")
        suite.petrel("reload")
        wait_until(lambda: suite.log_lines("reloaded"))
        with smtplib.SMTP("127.0.0.1", moved) as after:
            after.ehlo()
            assert after.esmtp_features["size"] == str(1024 * 1024)
        def refused():
            try:
                socket.create_connection(("127.0.0.1", old), timeout=1).close()
                return False
            except ConnectionRefusedError:
                return True
            except OSError:
                # The socket was closed between the kernel's answer and ours: the connection was reset.
                return False
        wait_until(refused)
        before.sendmail("a@elsewhere.test", ["bob@example.test"], "Subject: x\r\n\r\nx\r\n")
    wait_until(lambda: len(suite.messages("bob")) == 1)


def test_a_reload_with_an_error_changes_nothing_and_says_why(suite):
    good = suite.conf.read_text()
    suite.conf.write_text(good + "smtp.size-limit huge\n")
    done = suite.petrel("reload", check=False)
    # The command reads the file itself, and master would too.
    assert done.returncode == 78
    assert 'smtp.size-limit: "huge" is not a size' in done.stderr
    suite.process.send_signal(signal.SIGHUP)
    wait_until(lambda: suite.log_lines("reload-failed", "huge"))
    assert greeting(suite.ports["mx"]).startswith(b"220")


def test_sighup_looks_at_tables_and_certificates_as_the_command_does(suite):
    good = suite.conf.read_text()
    suite.conf.write_text(good + "smtp.size-limit 1M\n")
    suite.path("tables/aliases").write_text("web@example.test: |/bin/sh\n")
    suite.process.send_signal(signal.SIGHUP)
    wait_until(lambda: suite.log_lines("reload-failed", "tables/aliases:1: "))
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
        c.ehlo()
        assert c.esmtp_features["size"] == str(50 * 1024 * 1024)
    suite.path("tables/aliases").write_text("web@example.test: alice@example.test\n")
    # One that comes while another is under way is not lost.
    for _ in range(3):
        suite.process.send_signal(signal.SIGHUP)
        time.sleep(0.01)
    def has_changed():
        with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
            c.ehlo()
            return c.esmtp_features["size"] == str(1024 * 1024)
    wait_until(has_changed)


def test_check_tells_of_every_error_at_once(make_suite):
    s = make_suite(start=False)
    lines = len(s.conf.read_text().splitlines())
    s.conf.write_text(s.conf.read_text() + "bogus 1\nqueue { expire soon\n retry-first 5m }\nlog.to paper\n")
    told = s.petrel("check", check=False).stdout
    for line, word in ((1, "bogus"), (2, "soon"), (4, "paper")):
        assert "petrel.conf:%d: " % (lines + line) in told and word in told
    assert told.count("petrel.conf:") == 3
    assert [f["level"] for f in json.loads(s.petrel("--json", "check", check=False).stdout)] == ["error"] * 3


def test_a_reload_with_a_table_that_does_not_parse_names_the_line_and_changes_nothing(suite):
    suite.conf.write_text(suite.conf.read_text() + "smtp.size-limit 1M\n")
    suite.path("tables/aliases").write_text("sales@example.test: alice@example.test\nweb@example.test: |/bin/sh\n")
    done = suite.petrel("reload", check=False)
    assert done.returncode == 78
    assert "tables/aliases:2: " in done.stderr
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
        c.ehlo()
        assert c.esmtp_features["size"] == str(50 * 1024 * 1024)


def test_a_stop_gives_sessions_their_closing_reply_and_half_received_messages_none(suite):
    idle = smtplib.SMTP("127.0.0.1", suite.ports["mx"])
    idle.ehlo()
    half = smtplib.SMTP("127.0.0.1", suite.ports["mx"])
    half.ehlo()
    half.mail("a@elsewhere.test")
    half.rcpt("bob@example.test")
    half.putcmd("data")
    assert half.getreply()[0] == 354
    half.send(b"Subject: half\r\n\r\nof a mes")
    time.sleep(0.2)
    suite.stop()
    assert idle.getreply()[0] == 421
    with pytest.raises(smtplib.SMTPServerDisconnected):
        half.getreply()
    suite.start()
    assert suite.messages("bob") == []
    assert suite.queue() == []


def test_stop_leaves_no_process_and_no_socket_behind(suite):
    pids = suite.all_pids()
    assert len(pids) > 10
    suite.petrel("stop")
    assert not suite.path("run/control").exists()
    wait_until(lambda: not [p for p in pids if os.path.exists("/proc/%d" % p) and
                            open("/proc/%d/stat" % p).read().rsplit(")", 1)[1].split()[0] != "Z"])
    assert "not running" in suite.petrel("status", check=False).stderr


def test_readiness_is_told_to_the_supervisor(make_suite, directory):
    path = str(directory / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as supervisor:
        supervisor.bind(path)
        os.chmod(path, 0o777)
        supervisor.settimeout(30 * SLOW)
        os.environ["NOTIFY_SOCKET"] = path
        try:
            s = make_suite()
        finally:
            del os.environ["NOTIFY_SOCKET"]
        assert b"READY=1" in supervisor.recv(4096)
        s.stop()
        assert b"STOPPING=1" in supervisor.recv(4096)


def test_what_dies_is_started_again_and_told_of(suite):
    pid = suite.pid_of("lookup")
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: suite.pid_of("lookup") not in (0, pid))
    assert [p["restarts"] for p in suite.processes() if p["process"] == "lookup"] == [1]
    wait_until(lambda: suite.log_lines("process-killed", "process=lookup"))
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
        c.sendmail("a@elsewhere.test", ["bob@example.test"], "Subject: x\r\n\r\nx\r\n")
    wait_until(lambda: len(suite.messages("bob")) == 1)


@pytest.mark.root
def test_the_log_goes_to_syslog_or_to_standard_error_where_it_is_told_to(make_suite):
    if os.path.exists("/dev/log"):
        pytest.skip("this host has a syslog of its own")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind("/dev/log")
        try:
            os.chmod("/dev/log", 0o666)
            syslog.settimeout(20 * SLOW)
            s = make_suite("syslog", start=False, extra="log.to syslog\n")
            s.start(wait=False)
            lines = []
            while not any("ready version=" in line for line in lines):
                lines.append(syslog.recv(8192).decode())
            assert all("petrel: " in line for line in lines)
            assert [line for line in lines if "master[0]: ready" in line][0].startswith("<%d>" % (2 * 8 + 6)), "facility mail, level info"
        finally:
            os.unlink("/dev/log")
    # syslogd is started anew: another socket by the same name.
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as syslog:
        syslog.bind("/dev/log")
        try:
            os.chmod("/dev/log", 0o666)
            syslog.settimeout(20 * SLOW)
            s.petrel("reload")
            while "reloaded" not in syslog.recv(8192).decode():
                s.petrel("reload")
        finally:
            os.unlink("/dev/log")
    s.stop()
    s = make_suite("stderr", start=False, extra="log.to stderr\n")
    s.start(wait=False)
    wait_until(lambda: "master[0]: ready version=" in s.stderr())


def test_newaliases_builds_the_database_that_is_then_used(suite):
    suite.path("tables/aliases").write_text("sales: bob@example.test\n")
    suite.command("newaliases")
    assert suite.path("tables/aliases.db").exists()
    assert suite.petrel("table", "query", "aliases", "sales").stdout == "bob@example.test\n"
    suite.petrel("reload")
    wait_until(lambda: suite.log_lines("table-read", "file=aliases.db"))
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
        c.sendmail("a@elsewhere.test", ["sales@example.test"], "Subject: x\r\n\r\nx\r\n")
    wait_until(lambda: len(suite.messages("bob")) == 1)
