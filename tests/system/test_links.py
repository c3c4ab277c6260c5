"""Channels between processes that end although both processes live."""

import ctypes
import os
import smtplib
import socket

import pytest

from suite import wait_until
from test_rights import descriptors, unix_peers

pytestmark = pytest.mark.root

PIDFD_OPEN, PIDFD_GETFD = 434, 438
libc = ctypes.CDLL(None, use_errno=True)


def cut(pid, fd):
    """Shut down a socket of another process, as its own end of the world."""
    pidfd = libc.syscall(PIDFD_OPEN, pid, 0)
    assert pidfd >= 0
    copy = libc.syscall(PIDFD_GETFD, pidfd, fd, 0)
    assert copy >= 0, os.strerror(ctypes.get_errno())
    with socket.socket(fileno=copy) as s:
        s.shutdown(socket.SHUT_RDWR)
    os.close(pidfd)


def cut_between(suite, one, other):
    peers = unix_peers()
    inodes = {int(target[8:-1]) for p in suite.processes() if p["process"] == other
              for target in descriptors(p["pid"]).values() if target.startswith("socket:[")}
    count = 0
    for p in suite.processes():
        if p["process"] != one:
            continue
        for fd, target in descriptors(p["pid"]).items():
            if target.startswith("socket:[") and peers.get(int(target[8:-1])) in inodes:
                cut(p["pid"], fd)
                count += 1
    assert count > 0


def takes_mail(suite):
    try:
        with smtplib.SMTP("127.0.0.1", suite.ports["mx"], timeout=10) as c:
            return not c.sendmail("a@elsewhere.test", ["bob@example.test"], "Subject: x\r\n\r\nx\r\n")
    except (smtplib.SMTPException, OSError):
        return False


@pytest.mark.parametrize("one, other", [("smtpd", "qmgr"), ("smtpd", "lookup"), ("qmgr", "delivery/maildir"), ("qmgr", "lookup")])
def test_processes_whose_channel_ends_get_a_new_one_and_nobody_is_started_again(suite, one, other):
    before = [(p["process"], p["instance"], p["pid"]) for p in suite.processes()]
    cut_between(suite, one, other)
    wait_until(lambda: suite.log_lines("channel-made-again"))
    wait_until(lambda: takes_mail(suite))
    wait_until(lambda: len(suite.messages("bob")) >= 1)
    assert [(p["process"], p["instance"], p["pid"]) for p in suite.processes()] == before


def test_a_process_that_has_lost_its_channel_to_the_logger_gets_a_new_one_and_its_lines_are_not_lost(suite):
    cut_between(suite, "smtpd", "logger")
    assert takes_mail(suite)
    wait_until(lambda: suite.log_lines("channel-made-again", "logger"))
    wait_until(lambda: suite.log_lines("smtpd[", "from=a@elsewhere.test"))
