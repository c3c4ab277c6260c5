"""suites.py - private instances of Petrel and of Postfix, what they send mail to, and what the machine says of them."""

import contextlib
import os
import pathlib
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "system"))

DOMAIN = "example.test"
MAILBOXES = 100
IMAGE_OCTETS = 8 << 30  # sparse
TICK = os.sysconf("SC_CLK_TCK")


# --- what the machine says -----------------------------------------------------------


def process_tree(root):
    """Every process below `root`, itself included, as {pid: fields of /proc/PID/stat after the name}."""
    stats, children = {}, {}
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                stats[int(entry.name)] = fields
                children.setdefault(int(fields[1]), []).append(int(entry.name))
    found, left = {}, [root]
    while left:
        pid = left.pop()
        if pid in stats:
            found[pid] = stats[pid]
            left += children.get(pid, [])
    return found


def cpu_seconds(root):
    """Of all processes below `root`, those included that have ended and been waited for."""
    return sum(sum(int(n) for n in fields[11:15]) for fields in process_tree(root).values()) / TICK


def memory_octets(pid):
    """What a process has for itself, and its share of what it shares (PSS)."""
    return int(re.search(r"^Pss:\s+(\d+) kB", pathlib.Path("/proc/%d/smaps_rollup" % pid).read_text(), re.M).group(1)) * 1024


def flushes(directory):
    """Flush requests that the device below `directory` has done since it came up; None where it does not count."""
    device = os.stat(directory).st_dev
    for line in open("/proc/diskstats"):
        fields = line.split()
        if (int(fields[0]), int(fields[1])) == (os.major(device), os.minor(device)):
            return int(fields[18]) if len(fields) > 18 else None
    return None


@contextlib.contextmanager
def place_for_files(directory):
    """Where the files of both go: `directory`, or an ext4 of our own, with its journal, in a file.

    The root file system of a virtual machine may lack the journal, and then looks at every inode
    that was removed in the last minutes before it makes a file: that alone can cost more than mail.
    """
    above = pathlib.Path(tempfile.mkdtemp(prefix="petrel-compare-", dir=directory or "/var/tmp"))
    above.chmod(0o755)
    inside = above / "files"
    inside.mkdir(mode=0o755)
    is_own = directory is None and os.geteuid() == 0
    try:
        if is_own:
            with open(above / "image", "wb") as image:
                image.truncate(IMAGE_OCTETS)
            subprocess.run(["mkfs.ext4", "-q", above / "image"], check=True)
            subprocess.run(["mount", "-o", "loop", above / "image", inside], check=True)
            inside.chmod(0o755)
        yield inside
    finally:
        if is_own:
            subprocess.run(["umount", inside])
        shutil.rmtree(above, ignore_errors=True)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_for(what, seconds, interval=0.05):
    end = time.monotonic() + seconds
    while not (value := what()):
        if time.monotonic() > end:
            return value
        time.sleep(interval)
    return value


def answers(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 2) as s:
        return s.recv(3) == b"220"
    return False


# --- the other ends ------------------------------------------------------------------


class Sink:
    def __init__(self, program):
        self.program, self.port, self.process = program, free_port(), None

    def start(self):
        self.process = subprocess.Popen([self.program, str(self.port)])
        assert wait_for(lambda: answers(self.port), 10), "the sink does not come up"

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
        self.process = None

    def counts(self):
        with socket.create_connection(("127.0.0.1", self.port), 5) as s:
            s.sendall(b"HELP\r\nQUIT\r\n")
            text = b"".join(iter(lambda: s.recv(4096), b"")).decode()
        received, different = re.search(r"received (\d+) different (\d+)", text).groups()
        return int(received), int(different)


# --- the suites ------------------------------------------------------------------------


class Petrel:
    name = "Petrel"

    def __init__(self, directory, prefix, sink_port, extra=""):
        os.environ["PETREL_PREFIX"] = str(prefix)
        import suite

        class AsShipped(suite.Suite):
            """The suite of the system tests without their settings."""

            def write_conf(self, extra=""):
                super().write_conf(extra)
                self.conf.write_text(self.conf.read_text().replace("queue.journal-segment 4M\n", ""))

        if os.geteuid() == 0:
            subprocess.run([HERE.parent.parent / "etc/create-users"], check=True)
        directory.mkdir(mode=0o755)
        self.suite = AsShipped(directory, domain=DOMAIN, users=["u%d" % i for i in range(MAILBOXES)],
                               extra="relay 127.0.0.1:%d\n" % sink_port + extra)
        self.port = self.suite.ports["mx"]

    def start(self):
        self.suite.start()

    def stop(self):
        self.suite.stop()

    def root(self):
        return self.suite.process.pid

    def mailboxes(self):
        return [self.suite.mailbox("u%d" % i) for i in range(MAILBOXES)]


class Postfix:
    name = "Postfix"

    def __init__(self, directory, sink_port):
        self.directory, self.port = directory, free_port()
        self.conf, self.queue = directory / "etc", directory / "queue"
        owner = pwd.getpwnam("petrelm" if os.geteuid() == 0 else "nobody")
        for d in directory, self.conf, self.queue, directory / "mail":
            d.mkdir(mode=0o755)
        (directory / "data").mkdir(mode=0o755)
        shutil.chown(directory / "data", "postfix")
        for i in range(MAILBOXES):
            box = directory / "mail" / ("u%d" % i)
            for d in box, box / "tmp", box / "new", box / "cur":
                d.mkdir(mode=0o700)
                os.chown(d, owner.pw_uid, owner.pw_gid)
        (self.conf / "mailboxes").write_text(
            "".join("u%d@%s u%d/\n" % (i, DOMAIN, i) for i in range(MAILBOXES)))
        # Where its files are, who its users are, and where it logs (there may be no syslog); the rest is its default.
        (self.conf / "main.cf").write_text("\n".join("%s = %s" % setting for setting in {
            "compatibility_level": "3.6", "myhostname": "mail.example.test", "mydestination": "",
            "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "mynetworks": "127.0.0.0/8",
            "queue_directory": self.queue, "data_directory": directory / "data",
            "maillog_file": directory / "postfix.log", "maillog_file_prefixes": directory,
            "virtual_mailbox_domains": DOMAIN, "virtual_mailbox_base": directory / "mail",
            "virtual_mailbox_maps": "hash:%s" % (self.conf / "mailboxes"), "virtual_minimum_uid": 1,
            "virtual_uid_maps": "static:%d" % owner.pw_uid, "virtual_gid_maps": "static:%d" % owner.pw_gid,
            "alias_maps": "", "local_recipient_maps": "", "relayhost": "[127.0.0.1]:%d" % sink_port,
        }.items()) + "\n")
        services = pathlib.Path("/etc/postfix/master.cf.proto").read_text()
        services, count = re.subn(r"^smtp +inet ", "127.0.0.1:%d inet " % self.port, services, flags=re.M)
        assert count == 1, "master.cf.proto has no line for smtp"
        (self.conf / "master.cf").write_text(services)
        subprocess.run(["postmap", "-c", self.conf, "hash:%s" % (self.conf / "mailboxes")], check=True)
        # Its root directory would need copies of files of /etc.
        subprocess.run(["postconf", "-c", self.conf, "-F", "*/*/chroot=n"], check=True)

    def start(self):
        done = subprocess.run(["postfix", "-c", self.conf, "start"], capture_output=True, text=True)
        assert wait_for(lambda: answers(self.port), 20), "postfix does not come up:\n" + done.stderr

    def stop(self):
        subprocess.run(["postfix", "-c", self.conf, "stop"], capture_output=True)

    def root(self):
        return int((self.queue / "pid/master.pid").read_text())

    def mailboxes(self):
        return [self.directory / "mail" / ("u%d" % i) for i in range(MAILBOXES)]


def install_postfix():
    """Debian's, where there is none; its own service is not started."""
    if shutil.which("postfix"):
        return
    if os.geteuid() != 0:
        sys.exit("Postfix is missing; as root: apt-get install postfix")
    policy = pathlib.Path("/usr/sbin/policy-rc.d")
    made = not policy.exists()
    if made:
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
    try:
        subprocess.run(["debconf-set-selections"], check=True, text=True,
                       input="postfix postfix/main_mailer_type select No configuration\n")
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "postfix"], check=True,
                       stdout=subprocess.DEVNULL, env=dict(os.environ, DEBIAN_FRONTEND="noninteractive"))
    finally:
        if made:
            policy.unlink()
