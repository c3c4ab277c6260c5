"""A private Postfix that takes mail on loopback and sends all of it to one place.

It shares nothing with the host's own: its configuration, queue, data and log lie below one
directory.  Its master insists on root.
"""

import pathlib
import re
import shutil
import subprocess

from suite import free_ports, wait_until


class Postfix:
    def __init__(self, directory, relay_port, **settings):
        self.directory = pathlib.Path(directory)
        [self.port] = free_ports(1)
        self.conf = self.directory / "etc"
        self.logfile = self.directory / "postfix.log"
        for d in self.directory, self.conf, self.directory / "queue", self.directory / "data":
            d.mkdir(mode=0o755)
        shutil.chown(self.directory / "data", "postfix")
        main = {
            "compatibility_level": "3.6", "myhostname": "postfix.example.test", "mydestination": "",
            "inet_interfaces": "127.0.0.1", "inet_protocols": "ipv4", "mynetworks": "127.0.0.0/8",
            "queue_directory": self.directory / "queue", "data_directory": self.directory / "data",
            "maillog_file": self.logfile, "maillog_file_prefixes": self.directory,
            "alias_maps": "", "local_recipient_maps": "", "relayhost": "[127.0.0.1]:%d" % relay_port,
            "smtp_host_lookup": "native", "minimal_backoff_time": "2s", "queue_run_delay": "2s", "maximal_backoff_time": "2s",
        }
        main.update(settings)
        (self.conf / "main.cf").write_text("".join("%s = %s\n" % setting for setting in main.items()))
        services = pathlib.Path("/etc/postfix/master.cf.proto").read_text()
        services, count = re.subn(r"^smtp +inet ", "127.0.0.1:%d inet " % self.port, services, flags=re.M)
        assert count == 1, "master.cf.proto has no line for smtp"
        (self.conf / "master.cf").write_text(services)
        subprocess.run(["postconf", "-c", self.conf, "-F", "*/*/chroot=n"], check=True)

    def start(self):
        done = subprocess.run(["postfix", "-c", self.conf, "start"], capture_output=True, text=True)
        wait_until(lambda: "daemon started" in self.log(), 20)
        assert done.returncode == 0, done.stderr
        return self

    def stop(self):
        subprocess.run(["postfix", "-c", self.conf, "stop"], capture_output=True)

    close = stop  # as with the hosts of hosts.py

    def log(self):
        return self.logfile.read_text(errors="replace") if self.logfile.exists() else ""

    def lines(self, *words):
        return [line for line in self.log().splitlines() if all(w in line for w in words)]
