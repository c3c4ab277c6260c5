"""master where things go wrong: starts that hang or fail, storms, reloads without end, clients that crowd the door."""

import collections
import os
import re
import signal
import smtplib
import socket
import stat
import subprocess
import sys
import time

import pytest

from suite import PREFIX, SLOW, wait_until


def descriptor_counts(suite):
    """How many of which kind each process has; files of the spool, of which some are opened ahead, do not count."""
    counts = {}
    for pid in suite.all_pids() + [suite.process.pid]:
        try:
            name = open("/proc/%d/comm" % pid).read().strip()
            targets = [os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid)]
        except FileNotFoundError:
            continue
        kinds = [re.sub(r"\d+", "N", target) for target in targets if not target.startswith(str(suite.path("spool")) + "/")]
        counts[name, pid] = dict(collections.Counter(kinds))
    return counts


def settled(suite):
    """The counts once nothing is on its way any more."""
    def same():
        before = descriptor_counts(suite)
        time.sleep(0.3)
        return before if descriptor_counts(suite) == before else None
    return wait_until(same)


def takes_mail(suite):
    try:
        with smtplib.SMTP("127.0.0.1", suite.ports["mx"], timeout=10) as c:
            return not c.sendmail("a@elsewhere.test", ["bob@example.test"], "Subject: x\r\n\r\nx\r\n")
    except (smtplib.SMTPException, OSError):
        return False


def programs_with(directory, name, text):
    """A directory of the suite's programs in which one is another."""
    directory.mkdir()
    directory.chmod(0o755)
    for program in (PREFIX / "libexec/petrel").iterdir():
        if program.name != name:
            (directory / program.name).symlink_to(program)
    if text is not None:
        (directory / name).write_text(text)
        (directory / name).chmod(0o755)
    return directory


def run_master(suite, *arguments, prefix=(), timeout=60):
    return subprocess.run([*prefix, str(PREFIX / "libexec/petrel/master"), "-c", str(suite.conf), *arguments],
                          capture_output=True, text=True, timeout=timeout * SLOW)


def test_two_hundred_reloads_leave_every_process_with_the_descriptors_it_had(suite):
    assert takes_mail(suite)
    suite.petrel("reload")
    before = settled(suite)
    for i in range(200):
        suite.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len(suite.log_lines("reloaded")) == i + 2, interval=0.005)
    assert settled(suite) == before
    assert takes_mail(suite)


def test_a_storm_of_deaths_leaves_the_others_with_the_descriptors_they_had(suite):
    assert takes_mail(suite)
    before = settled(suite)
    pid = None
    for _ in range(6):
        pid = wait_until(lambda: suite.pid_of("lookup") not in (0, pid) and suite.pid_of("lookup"), 30)
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: takes_mail(suite), 30)
    after = settled(suite)
    assert {p: n for p, n in after.items() if p in before} == {p: n for p, n in before.items() if p in after}
    assert len(set(before) - set(after)) == 1


def test_a_process_that_never_says_that_it_is_ready_is_named_and_petrel_start_comes_back(make_suite, directory):
    s = make_suite(start=False, extra="process.start-timeout 2s\n")
    programs = programs_with(directory / "programs", "lookup", "#!/bin/sh\nexec sleep 1000\n")
    begun = time.monotonic()
    done = run_master(s, "-b", "-p", str(programs))
    try:
        assert done.returncode == 75
        assert "not ready after 2 seconds: lookup" in done.stderr
        assert time.monotonic() - begun < 20 * SLOW
        # It is tried five times, then the start is given up.
        wait_until(lambda: len(s.log_lines("not-ready", "process=lookup")) == 5, 60)
        wait_until(lambda: not s.path("run/control").exists(), 60)
    finally:
        s.petrel("stop", check=False)
    wait_until(lambda: not s.path("run/petrel.pid").exists(), 60)


def test_a_process_that_hangs_after_a_restart_is_ended_and_started_once_more(make_suite, directory):
    s = make_suite(start=False, extra="process.start-timeout 3s\n")
    marker = directory / "marker"
    script = "#!/bin/sh\n[ -e %s ] && rm %s && exec sleep 1000\nexec %s\n" % (marker, marker, PREFIX / "libexec/petrel/lookup")
    programs = programs_with(directory / "programs", "lookup", script)
    directory.chmod(0o777)
    assert run_master(s, "-b", "-p", str(programs)).returncode == 0
    try:
        for user in s.users:
            s.add_user(user)
        marker.write_text("")
        marker.chmod(0o666)
        os.kill(s.pid_of("lookup"), signal.SIGKILL)
        wait_until(lambda: s.log_lines("not-ready", "process=lookup"), 30)
        wait_until(lambda: takes_mail(s), 30)
    finally:
        s.petrel("stop")


def test_a_program_that_is_missing_is_named_and_the_start_given_up(make_suite, directory):
    s = make_suite(start=False)
    programs = programs_with(directory / "programs", "keys", None)
    done = run_master(s, "-p", str(programs))
    assert done.returncode == 69
    assert "cannot run %s/keys: No such file or directory" % programs in done.stderr
    assert "giving up" in done.stderr
    assert not s.path("run/control").exists() and not s.path("run/petrel.pid").exists()


@pytest.mark.root
def test_where_no_process_can_be_made_the_start_fails_and_says_so(make_suite, directory):
    s = make_suite(start=False, as_user="nobody")
    nobody = ["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", "prlimit", "--nproc=1:1"]
    done = run_master(s, prefix=nobody)
    assert done.returncode == 71
    assert "cannot-fork" in done.stderr and "Resource temporarily unavailable" in done.stderr
    assert not s.path("run/control").exists() and not s.path("run/petrel.pid").exists()


@pytest.mark.parametrize("after", [0.0, 0.02, 0.05, 0.1, 0.2, 0.4])
def test_a_stop_in_the_middle_of_a_start_ends_everything(make_suite, after):
    s = make_suite(start=False)
    s.start(wait=False)
    wait_until(lambda: s.path("run/control").exists() or s.process.poll() is not None, interval=0.001)
    time.sleep(after)
    pids = s.all_pids()
    s.process.send_signal(signal.SIGTERM)
    assert s.process.wait(30 * SLOW) == 0
    s.process = None
    wait_until(lambda: not [p for p in pids if os.path.exists("/proc/%d" % p) and
                            open("/proc/%d/stat" % p).read().rsplit(")", 1)[1].split()[0] != "Z"])
    assert not s.path("run/control").exists()


def test_reloads_in_the_middle_of_a_stop_change_nothing(suite):
    half = smtplib.SMTP("127.0.0.1", suite.ports["mx"])
    half.ehlo()
    suite.process.send_signal(signal.SIGTERM)
    wait_until(lambda: suite.log_lines("stopping"))
    for _ in range(20):
        if suite.process.poll() is None:
            suite.process.send_signal(signal.SIGHUP)
        time.sleep(0.005)
    assert suite.process.wait(60 * SLOW) == 0
    assert not suite.log_lines("reloaded")
    with socket.socket() as s:
        assert s.connect_ex(("127.0.0.1", suite.ports["mx"])) != 0


def test_no_port_is_open_before_the_suite_is_ready_whatever_is_reloaded(make_suite, directory):
    s = make_suite(start=False)
    script = "#!/bin/sh\nsleep 3\nexec %s\n" % (PREFIX / "libexec/petrel/qmgr")
    programs = programs_with(directory / "programs", "qmgr", script)
    with subprocess.Popen([str(PREFIX / "libexec/petrel/master"), "-c", str(s.conf), "-p", str(programs)],
                          stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as master:
        try:
            wait_until(lambda: s.path("run/control").exists())
            time.sleep(0.5)
            s.ports["mx"] += 1000
            s.write_conf()
            master.send_signal(signal.SIGHUP)
            wait_until(lambda: s.log_lines("reloaded"))
            with socket.create_connection(("127.0.0.1", s.ports["mx"])) as c:
                c.settimeout(1)
                with pytest.raises(socket.timeout):
                    c.recv(100)
            assert not s.log_lines(" ready version=")
            wait_until(lambda: takes_mail(s), 30) if s.path("tables/accounts").exists() else wait_until(lambda: s.log_lines(" ready version="), 30)
        finally:
            master.terminate()


@pytest.mark.root
def test_a_user_who_crowds_the_door_keeps_neither_root_nor_others_out(suite):
    crowd = r"""
import socket, sys, time
held = []
for i in range(600):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    try:
        s.connect(sys.argv[1])
    except OSError:
        break
    held.append(s)
print(len(held), flush=True)
time.sleep(60)
"""
    with subprocess.Popen(["setpriv", "--reuid=nobody", "--regid=nogroup", "--clear-groups", sys.executable, "-c", crowd, str(suite.path("run/control"))],
                          stdout=subprocess.PIPE, text=True) as p:
        try:
            assert int(p.stdout.readline()) > 256
            assert len(suite.processes()) > 5
            suite.command("sendmail", "bob@example.test", input="Subject: x\n\nthrough the crowd\n", as_user="daemon")
        finally:
            p.kill()
    wait_until(lambda: any(b"through the crowd" in m for m in suite.messages("bob")))


@pytest.mark.root
def test_what_belongs_to_others_is_not_made_the_suites_own(make_suite, directory):
    s = make_suite(start=False)
    others = directory / "others"
    others.mkdir()
    (others / "precious").write_text("x")
    os.chown(others, 1, 1)
    s.conf.write_text(s.conf.read_text().replace(" mail %s" % s.path("mail"), " mail %s" % others))
    done = run_master(s)
    assert done.returncode == 69
    assert "%s: there is something in it, and it belongs to uid 1 and not to petrelm" % others in done.stderr
    assert os.stat(others).st_uid == 1
    os.chmod(others, 0o1777)
    (others / "precious").unlink()
    assert "everybody may write to it" in run_master(s).stderr
    assert stat.S_IMODE(os.stat(others).st_mode) == 0o1777


def test_with_closed_standard_descriptors_the_suite_starts_as_ever(make_suite):
    s = make_suite(start=False)
    subprocess.run(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", str(PREFIX / "libexec/petrel/master"), "-b", "-c", str(s.conf)],
                   check=True, timeout=60 * SLOW)
    try:
        for user in s.users:
            s.add_user(user)
        assert takes_mail(s)
        for p in s.processes():
            for fd in (0, 1, 2):
                assert os.readlink("/proc/%d/fd/%d" % (p["pid"], fd)).startswith(("/dev/null", "pipe:")), p
    finally:
        s.petrel("stop")
