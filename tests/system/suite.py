"""A real suite on loopback, for tests: made, started, talked to, killed and stopped."""

import json
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import ssl
import subprocess
import time

PREFIX = pathlib.Path(os.environ.get("PETREL_PREFIX", "/tmp/petrel-check-%d/gcc" % os.getuid()))
SERVICES = ["mx", "submission", "submissions", "imap", "imaps", "pop3", "pop3s"]
SLOW = 3 if "ASAN_OPTIONS" in os.environ else 1  # how much longer everything may take
PASSWORDS = {"alice": "alice's secret", "bob": "bob's secret"}


def wait_until(what, seconds=15, interval=0.02):
    """Poll until `what()` is true, and give its value; the promise is that it becomes so, not when."""
    end = time.monotonic() + seconds * SLOW
    while True:
        value = what()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError("did not come true: %r" % what)
        time.sleep(interval)


def free_ports(count, address="127.0.0.1"):
    """Ports that nobody has, below those that the kernel gives to clients: none can be taken by a connection of a test's own."""
    sockets = []
    try:
        while len(sockets) < count:
            s = socket.socket()
            try:
                s.bind((address, random.randrange(20000, 32000)))
                sockets.append(s)
            except OSError:
                s.close()
        return [s.getsockname()[1] for s in sockets]
    finally:
        for s in sockets:
            s.close()


def make_certificate(directory, name="localhost"):
    key, certificate = directory / "key.pem", directory / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=" + name,
         "-addext", "subjectAltName=DNS:%s,DNS:localhost,IP:127.0.0.1" % name,
         "-keyout", str(key), "-out", str(certificate)],
        check=True, capture_output=True)
    return certificate, key


class Suite:
    """One private instance below `directory`.

    as_user: start it as that user, unprivileged, although the test runs as root.
    """

    def __init__(self, directory, domain="example.test", extra="", users=("alice", "bob"), certificate=None,
                 as_user=None, hostname="mail.example.test", ports=None, address="127.0.0.1", namespace=None):
        self.directory = pathlib.Path(directory)
        self.domain = domain
        self.hostname = hostname
        self.extra = extra
        self.address = address
        self.namespace = namespace
        self.as_user = as_user if os.geteuid() == 0 else None
        self.privileged = os.geteuid() == 0 and not as_user
        self.ports = ports or dict(zip(SERVICES, free_ports(len(SERVICES), address)))
        self.certificate, self.key = certificate or make_certificate(self.directory)
        self.conf = self.directory / "petrel.conf"
        self.process = None
        self.users = users
        self.write_conf(extra)
        if self.as_user:
            shutil.chown(self.directory, self.as_user)
            self.key.chmod(0o644)

    # --- files -----------------------------------------------------------------

    def path(self, name):
        return self.directory / name

    def write_conf(self, extra=""):
        listen = "\n".join("  %s %s:%d" % (s, self.address, p) for s, p in self.ports.items())
        names = ["run", "spool", "mail", "tables", "auth", "policy", "log"]
        self.conf.write_text(
            "hostname %s\ndomains { %s }\n" % (self.hostname, self.domain)
            + "tls { certificate %s\n key %s }\n" % (self.certificate, self.key)
            + "listen {\n%s\n}\n" % listen
            + "directory {\n%s\n}\n" % "\n".join("  %s %s" % (n, self.path(n)) for n in names)
            + "queue.journal-segment 4M\n"
            + extra + "\n")

    def log(self):
        try:
            return self.path("log/petrel.log").read_text(errors="replace")
        except FileNotFoundError:
            return ""

    def log_lines(self, *words):
        return [line for line in self.log().splitlines() if all(w in line for w in words)]

    # --- the control command ---------------------------------------------------

    def command(self, program, *arguments, input=None, check=True, as_user=None):
        line = [str(PREFIX / ("bin" if program in ("mailq", "newaliases") else "sbin") / program), *arguments]
        if program in ("sendmail", "mailq", "newaliases"):
            # With the group of drop/ it takes no word from the environment for its configuration.
            line[1:1] = ["-C", str(self.conf)]
        user = as_user or self.as_user
        if user:
            entry = pwd.getpwnam(user)
            line = ["setpriv", "--reuid=%d" % entry.pw_uid, "--regid=%d" % entry.pw_gid, "--clear-groups"] + line
        if self.namespace:
            line = ["ip", "netns", "exec", self.namespace] + line
        environment = dict(os.environ, PETREL_CONF=str(self.conf))
        done = subprocess.run(line, input=input, text=True, capture_output=True, env=environment, timeout=60 * SLOW)
        if check and done.returncode != 0:
            raise AssertionError("%s: exit %d\n%s%s" % (" ".join(line), done.returncode, done.stdout, done.stderr))
        return done

    def petrel(self, *arguments, **how):
        return self.command("petrel", *arguments, **how)

    def petrel_json(self, *arguments):
        return json.loads(self.petrel("--json", *arguments).stdout)

    def add_user(self, name, password=None):
        address = name if "@" in name else "%s@%s" % (name, self.domain)
        self.petrel("user", "add", address, input=(password or PASSWORDS.get(name.split("@")[0], name.split("@")[0] + "'s secret")) + "\n")
        return address

    # --- life ------------------------------------------------------------------

    def start(self, wait=True):
        line = [str(PREFIX / "libexec/petrel/master"), "-c", str(self.conf)]
        if self.as_user:
            entry = pwd.getpwnam(self.as_user)
            line = ["setpriv", "--reuid=%d" % entry.pw_uid, "--regid=%d" % entry.pw_gid, "--clear-groups"] + line
        if self.namespace:
            line = ["ip", "netns", "exec", self.namespace] + line
        self.errors = open(self.directory / "stderr", "ab")
        self.seen = self.log().count(" ready version=")
        self.process = subprocess.Popen(line, stdin=subprocess.DEVNULL, stdout=self.errors, stderr=self.errors,
                                        cwd=str(self.directory), start_new_session=True)
        self.errors.close()
        if wait:
            self.wait_ready()
            if self.users and not self.path("tables/accounts").exists():
                for user in self.users:
                    self.add_user(user)
        return self

    def stderr(self):
        return (self.directory / "stderr").read_text(errors="replace")

    def wait_ready(self):
        def ready():
            if self.process.poll() is not None:
                raise AssertionError("master ended with %d:\n%s\n%s" % (self.process.returncode, self.stderr(), self.log()[-4000:]))
            return self.log().count(" ready version=") > self.seen
        wait_until(ready, 30)

    def stop(self, timeout=60):
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(timeout * SLOW)
            except subprocess.TimeoutExpired:
                self.kill()
                raise AssertionError("did not stop:\n" + self.log()[-3000:])
        self.process = None

    def processes(self):
        return self.petrel_json("status")

    def pid_of(self, name, instance=0):
        for p in self.processes():
            if p["process"] == name and p["instance"] == instance:
                return p["pid"]
        raise KeyError(name)

    def all_pids(self):
        """Every process below master, session processes of users included."""
        found, children = [], {}
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                try:
                    fields = (entry / "stat").read_text().rsplit(")", 1)[1].split()
                    children.setdefault(int(fields[3]), []).append(int(entry.name))  # by session id
                except (OSError, IndexError):
                    pass
        if self.process:
            found = children.get(self.process.pid, [])
        return found

    def kill(self):
        """SIGKILL to everything at once, as a power cut would, were it not for the page cache."""
        for pid in self.all_pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        if self.process:
            self.process.wait(10)
        self.process = None

    # --- what is where -----------------------------------------------------------

    def mailbox(self, name):
        return self.path("mail") / self.domain / name / "Maildir"

    def messages(self, name):
        """The texts of everything in a user's INBOX."""
        found = []
        for part in ("new", "cur"):
            folder = self.mailbox(name) / part
            if folder.is_dir():
                found += [f.read_bytes() for f in sorted(folder.iterdir())]
        return found

    def queue(self):
        return self.petrel_json("queue", "list")

    def tls_context(self):
        return ssl.create_default_context(cafile=str(self.certificate))
