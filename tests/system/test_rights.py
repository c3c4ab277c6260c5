"""Every process has the rights of its row in the table, and no others: /proc tells."""

import imaplib
import os
import pathlib
import poplib
import pwd
import re
import smtplib
import subprocess

import pytest

from suite import PASSWORDS, PREFIX, wait_until

pytestmark = pytest.mark.root

# The design's word, independent of master's table.
EXPECTED = {
    # process: user, root directory (a name below the suite's, or "/")
    "logger": ("petrel", "log"),
    "keys": ("petrelk", "run/empty"),
    "auth": ("petrela", "auth"),
    "lookup": ("petrel", "tables"),
    "resolver": ("petrel", "run/empty"),
    "oauth": ("petrel", "run/empty"),
    "qmgr": ("petrelq", "spool"),
    "delivery/maildir": ("petrelm", "mail"),
    "delivery/smtp": ("petrel", "run/empty"),
    "policy": ("petrel", "policy"),
    "smtpd": ("petrel", "run/empty"),
    "imapd": ("petrel", "run/empty"),
    "pop3d": ("petrel", "run/empty"),
    "imap-session": ("root", "mail"),
    "pop3-session": ("root", "mail"),
}

CHANNELS = {
    frozenset(pair) for pair in [
        ("smtpd", "qmgr"), ("smtpd", "lookup"), ("smtpd", "auth"), ("smtpd", "resolver"), ("smtpd", "keys"),
        ("smtpd", "policy"), ("policy", "resolver"),
        ("qmgr", "lookup"), ("qmgr", "delivery/maildir"), ("qmgr", "delivery/smtp"),
        ("delivery/smtp", "resolver"), ("delivery/maildir", "imapd"),
        ("imapd", "auth"), ("imapd", "keys"), ("pop3d", "auth"), ("pop3d", "keys"),
        ("auth", "oauth"), ("oauth", "resolver"),
    ]
}

@pytest.fixture
def suite(make_suite, directory, certificate):
    """With everything that is there only where the settings say so."""
    secret = directory / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    return make_suite(extra="oauth { introspection https://localhost:1/x\n client-id petrel\n client-secret %s\n authorities %s }\n"
                            "tls.client-authorities %s\n" % (secret, certificate[0], certificate[0]))


# Besides the channels: listening sockets by service, and regular files or directories by role.
LISTENS = {"smtpd": {"mx", "submission", "submissions"}, "imapd": {"imap", "imaps"}, "pop3d": {"pop3", "pop3s"}}


# What it takes to give a session its user and its root directory; numbers of capabilities(7).
SESSION_PARENT = {6: "setgid", 7: "setuid", 18: "sys_chroot"}.keys()


def capabilities(status, which):
    return {n for n in range(64) if int(status[which], 16) >> n & 1}


def status_of(pid):
    with open("/proc/%d/status" % pid) as f:
        return dict(line.rstrip("\n").split(":\t", 1) for line in f if ":\t" in line)


def descriptors(pid):
    found = {}
    for fd in os.listdir("/proc/%d/fd" % pid):
        try:
            found[int(fd)] = os.readlink("/proc/%d/fd/%s" % (pid, fd))
        except FileNotFoundError:
            pass
    return found


def unix_peers():
    """inode -> inode of the other end, of every connected UNIX socket pair, by the kernel's sock_diag."""
    import subprocess
    pairs = {}
    out = subprocess.run(["ss", "-xanH"], capture_output=True, text=True, check=True).stdout
    for line in out.splitlines():
        fields = line.split()
        # Netid State Recv-Q Send-Q Local-Address Local-Port Peer-Address Peer-Port
        pairs[int(fields[5])] = int(fields[7])
    return pairs


def test_uid_root_and_confinement_of_every_process(suite):
    seen = set()
    for p in suite.processes():
        user, root = EXPECTED[p["process"]]
        seen.add(p["process"])
        status = status_of(p["pid"])
        uid = pwd.getpwnam(user).pw_uid
        assert set(map(int, status["Uid"].split())) == {uid}, p
        assert os.readlink("/proc/%d/root" % p["pid"]) == str(suite.path(root)), p
        assert status["NoNewPrivs"].strip() == "1", p
        if "ASAN_OPTIONS" not in os.environ:
            assert status["Seccomp"].strip() == "2", p
        assert int(status["CapInh"], 16) == int(status["CapAmb"], 16) == 0, p
        if user != "root":
            assert int(status["CapEff"], 16) == int(status["CapPrm"], 16) == 0, p
            assert status["Groups"].split() in ([], [str(pwd.getpwnam(user).pw_gid)]), p
        else:
            assert capabilities(status, "CapEff") == capabilities(status, "CapPrm") == SESSION_PARENT, p
            assert capabilities(status, "CapBnd") == SESSION_PARENT, p
            assert status["Groups"].split() == [], p
        limits = open("/proc/%d/limits" % p["pid"]).read()
        assert re.search(r"Max core file size\s+0\s+0", limits), p
    assert seen == set(EXPECTED)


def test_a_users_session_is_confined_to_that_users_mailbox(suite):
    with imaplib.IMAP4_SSL("localhost", suite.ports["imaps"], ssl_context=suite.tls_context()) as c:
        c.login("alice@example.test", PASSWORDS["alice"])
        c.select()
        parent = suite.pid_of("imap-session")
        sessions = [pid for pid in suite.all_pids() if status_of(pid)["PPid"].strip() == str(parent)]
        assert len(sessions) == 1
        status = status_of(sessions[0])
        assert set(map(int, status["Uid"].split())) == {pwd.getpwnam("petrelm").pw_uid}
        assert os.readlink("/proc/%d/root" % sessions[0]) == str(suite.path("mail/example.test/alice"))
        assert set(map(int, status["Gid"].split())) == {pwd.getpwnam("petrelm").pw_gid}
        assert status["Groups"].split() == []
        assert [int(status[c], 16) for c in ("CapEff", "CapPrm", "CapInh", "CapAmb")] == [0] * 4
        assert status["NoNewPrivs"].strip() == "1"
        if "ASAN_OPTIONS" not in os.environ:
            assert status["Seccomp"].strip() == "2"
            assert int(status["Seccomp_filters"]) >= 2, "its parent's filter and its own"
        home = str(suite.path("mail/example.test/alice"))
        for fd, target in descriptors(sessions[0]).items():
            assert target.startswith((home, "socket:", "anon_inode:", "/dev/null", "pipe:", "/memfd:", str(suite.path("stderr")))), (fd, target)


def test_the_running_channels_are_those_of_the_table_and_no_others(suite):
    printed = {frozenset(line.split()[1:]) for line in suite.petrel("status", "--tables").stdout.splitlines()
               if line.startswith("channel ")}
    assert printed == CHANNELS
    owner = {}
    for p in suite.processes() + [{"process": "master", "pid": suite.process.pid}]:
        for target in descriptors(p["pid"]).values():
            if target.startswith("socket:["):
                owner.setdefault(int(target[8:-1]), set()).add(p["process"])
    found = set()
    for inode, peer in unix_peers().items():
        for a in owner.get(inode, ()):
            for b in owner.get(peer, ()):
                if a != b:
                    found.add(frozenset((a, b)))
    everyone = set(EXPECTED)
    allowed = CHANNELS | {frozenset(("master", p)) for p in everyone} | {frozenset(("logger", p)) for p in everyone - {"logger"}}
    assert found == allowed


def test_no_process_has_a_file_or_socket_beyond_its_row(suite):
    tcp_inodes = {}
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in open(table).read().splitlines()[1:]:
            fields = line.split()
            tcp_inodes[int(fields[9])] = int(fields[1].rsplit(":", 1)[1], 16)
    for p in suite.processes():
        name = p["process"]
        listening = set()
        root = str(suite.path(EXPECTED[name][1]))
        for fd, target in descriptors(p["pid"]).items():
            if target.startswith("socket:["):
                inode = int(target[8:-1])
                if inode in tcp_inodes:
                    listening.add(tcp_inodes[inode])
                continue
            if target.startswith(("anon_inode:", "pipe:", "/dev/null", str(suite.path("stderr")), "/memfd:")):
                continue
            # smtpd has spool files opened ahead, by qmgr and for writing; that is what it is there for.
            if name == "smtpd" and target.startswith(str(suite.path("spool/tmp/"))):
                flags = int(open("/proc/%d/fdinfo/%d" % (p["pid"], fd)).read().split("flags:\t")[1].split()[0], 8)
                assert flags & os.O_ACCMODE == os.O_WRONLY, (name, fd, target)
                continue
            # The rest are files, and below the root directory of the process.
            assert name not in ("keys", "oauth", "smtpd", "imapd", "pop3d", "delivery/smtp"), (name, fd, target)
            assert target.startswith(root) or (name == "resolver" and target in ("/dev/urandom", "/dev/random")), (name, fd, target)
        assert listening == {suite.ports[s] for s in LISTENS.get(name, ())}, name


def test_only_root_and_the_suites_user_may_control_it_and_everyone_may_submit(suite):
    done = suite.petrel("status", check=False, as_user="nobody")
    assert done.returncode == 77
    assert "only root may do this" in done.stderr
    done = suite.command("sendmail", "bob@example.test", input="Subject: x\n\nfrom nobody\n", as_user="nobody")
    wait_until(lambda: any(b"from nobody" in m for m in suite.messages("bob")))


def test_credentials_and_spool_are_closed_to_other_users(suite):
    for name, mode, owner in (("auth", 0o700, "petrela"), ("auth/credentials", 0o600, "petrela"), ("spool/new", 0o700, "petrelq"),
                              ("spool/drop", 0o1730, "petrelq"), ("mail", 0o711, "petrelm"), ("run/empty", 0o555, "root")):
        st = os.stat(suite.path(name))
        assert st.st_mode & 0o7777 == mode, name
        assert pwd.getpwuid(st.st_uid).pw_name == owner, name


def test_the_capabilities_that_the_unit_leaves_are_enough(make_suite):
    unit = pathlib.Path(__file__).parents[2] / "etc/petrel.service.in"
    left = re.search("^CapabilityBoundingSet=(.*)$", unit.read_text(), re.M)[1].lower().split()
    s = make_suite(start=False)
    s.add_user("bob")
    bounds = ",".join(["-all"] + ["+" + name.removeprefix("cap_") for name in left])
    subprocess.run(["setpriv", "--bounding-set", bounds, "--inh-caps", "-all", "--no-new-privs",
                    str(PREFIX / "sbin/petrel"), "-c", str(s.conf), "start"], check=True, timeout=60)
    try:
        with smtplib.SMTP("127.0.0.1", s.ports["mx"]) as c:
            c.sendmail("a@elsewhere.test", ["bob@example.test"], "Subject: x\r\n\r\nx\r\n")
        wait_until(lambda: len(s.messages("bob")) == 1)
        with imaplib.IMAP4_SSL("localhost", s.ports["imaps"], ssl_context=s.tls_context()) as c:
            c.login("bob@example.test", PASSWORDS["bob"])
            assert c.select()[1] == [b"1"]
        c = poplib.POP3_SSL("localhost", s.ports["pop3s"], context=s.tls_context())
        c.user("bob@example.test")
        c.pass_(PASSWORDS["bob"])
        assert c.stat()[0] == 1
        c.quit()
        assert all(p["restarts"] == 0 for p in s.processes())
    finally:
        s.petrel("stop")
