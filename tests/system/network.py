"""Hosts in network namespaces, with a real DNS server between them."""

import os
import pathlib
import signal
import subprocess
import time

from suite import SLOW

NETWORK = "10.77.%d" % (os.getpid() % 250)


def ip(*arguments, namespace=None):
    line = (["ip", "netns", "exec", namespace] if namespace else []) + ["ip", *arguments]
    subprocess.run(line, check=True, capture_output=True)


class Network:
    """A bridge in a namespace of its own, one namespace for each host, knotd for the zones."""

    def __init__(self, directory):
        self.directory = pathlib.Path(directory)
        self.prefix = "petrel%d" % os.getpid()
        self.hosts = {}
        self.server = None
        self.middle = self.prefix + "-dns"
        ip("netns", "add", self.middle)
        ip("link", "set", "lo", "up", namespace=self.middle)
        ip("link", "add", "br0", "type", "bridge", namespace=self.middle)
        ip("link", "set", "br0", "up", namespace=self.middle)
        ip("addr", "add", NETWORK + ".53/24", "dev", "br0", namespace=self.middle)

    @property
    def dns(self):
        return NETWORK + ".53"

    def add_host(self, name):
        namespace = "%s-%s" % (self.prefix, name)
        number = len(self.hosts) + 1
        ip("netns", "add", namespace)
        ip("link", "add", "eth0", "netns", namespace, "type", "veth", "peer", "name", "v" + name, "netns", self.middle)
        ip("link", "set", "v" + name, "master", "br0", "up", namespace=self.middle)
        ip("link", "set", "lo", "up", namespace=namespace)
        ip("link", "set", "eth0", "up", namespace=namespace)
        address = "%s.%d" % (NETWORK, number)
        ip("addr", "add", address + "/24", "dev", "eth0", namespace=namespace)
        self.hosts[name] = (namespace, address)
        return namespace, address

    def serve(self, zones):
        """zones: name -> records, as in a zone file."""
        conf = ["server:", "  listen: %s@53" % self.dns, "  rundir: %s" % self.directory,
                "  user: root", "database:", "  storage: %s/db" % self.directory,
                "log:", "  - target: stderr", "    any: warning", "zone:"]
        for zone, records in zones.items():
            (self.directory / (zone + ".zone")).write_text(
                "$ORIGIN %s.\n$TTL 1\n@ SOA ns hostmaster 1 60 60 60 1\n@ NS ns\nns A %s\n%s\n" % (zone, self.dns, records))
            conf += ["  - domain: %s" % zone, "    file: %s/%s.zone" % (self.directory, zone)]
        (self.directory / "knot.conf").write_text("\n".join(conf) + "\n")
        self.errors = open(self.directory / "knot.log", "wb")
        self.server = subprocess.Popen(["ip", "netns", "exec", self.middle, "knotd", "-c", str(self.directory / "knot.conf")],
                                       stdout=self.errors, stderr=self.errors)
        end = time.monotonic() + 20 * SLOW
        while subprocess.run(["ip", "netns", "exec", self.middle, "kdig", "+short", "+time=1", "@" + self.dns, "SOA", list(zones)[0]],
                             capture_output=True).stdout.strip() == b"":
            assert time.monotonic() < end and self.server.poll() is None, (self.directory / "knot.log").read_text()
            time.sleep(0.1)

    def close(self):
        if self.server:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(20)
        for namespace in [n for n, _ in self.hosts.values()] + [self.middle]:
            subprocess.run(["ip", "netns", "del", namespace], capture_output=True)
