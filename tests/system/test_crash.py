"""What got 250 is never lost: processes die, one after another and all at once."""

import os
import signal
import smtplib
import socket
import threading
import time

import pytest

from suite import PASSWORDS, SLOW, wait_until

MESSAGES = 2000
CONNECTIONS = 20


def body_of(number):
    """A text that cannot be cut or mixed without its being seen."""
    return "Subject: number %d\r\n\r\n" % number + "".join("line %d of message %d\r\n" % (i, number) for i in range(60)) + "end %d\r\n" % number


class Senders:
    """Many connections that send numbered messages, and remember which of them got 250."""

    def __init__(self, suite, count=MESSAGES, connections=CONNECTIONS, recipients=("alice", "bob")):
        self.suite = suite
        self.lock = threading.Lock()
        self.numbers = iter(range(count))
        self.acknowledged = set()
        self.recipients = ["%s@%s" % (r, suite.domain) for r in recipients]
        self.stopped = False
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(connections)]

    def next(self):
        with self.lock:
            return next(self.numbers, None)

    def send(self, connection, number):
        """True where the message got 250; any other end is one that the sender knows of and may repeat."""
        connection.mail("sender@elsewhere.test")
        if connection.rcpt(self.recipients[number % len(self.recipients)])[0] != 250:
            return False
        return connection.data(body_of(number))[0] == 250

    def run(self):
        connection, number = None, self.next()
        while number is not None and not self.stopped:
            try:
                if connection is None:
                    connection = smtplib.SMTP("127.0.0.1", self.suite.ports["mx"], timeout=60 * SLOW)
                    connection.ehlo()
                if self.send(connection, number):
                    with self.lock:
                        self.acknowledged.add(number)
                    number = self.next()
                else:
                    connection.rset()
                    time.sleep(0.05)
            except (OSError, smtplib.SMTPException):
                connection = None
                time.sleep(0.05)

    def start(self):
        for t in self.threads:
            t.start()
        return self

    def join(self, seconds=300):
        end = time.monotonic() + seconds * SLOW
        for t in self.threads:
            t.join(max(0.1, end - time.monotonic()))
            assert not t.is_alive(), "the senders did not come to an end"

    def progress(self):
        with self.lock:
            return len(self.acknowledged)


def arrived(suite, users=("alice", "bob")):
    """number -> how often it arrived; a message that is not whole fails the test."""
    counts = {}
    for user in users:
        for text in suite.messages(user):
            text = text.decode()
            start = text.index("Subject: number ")
            number = int(text[start:].split("\n", 1)[0].rsplit(" ", 1)[1])
            assert text[start:].replace("\n", "\r\n") == body_of(number), "message %d is corrupt" % number
            counts[number] = counts.get(number, 0) + 1
    return counts


def all_arrived(suite, numbers):
    return lambda: numbers <= set(arrived(suite)) and suite.queue() == []


def is_whole(suite):
    return all(p["pid"] for p in suite.processes())


def test_each_process_is_killed_in_the_middle_of_the_traffic(suite):
    senders = Senders(suite).start()
    victims = [(p["process"], p["instance"]) for p in suite.processes()]
    for i, (name, instance) in enumerate(victims):
        goal = (i + 1) * MESSAGES // (len(victims) + 2)
        wait_until(lambda: senders.progress() >= goal, 120)
        os.kill(suite.pid_of(name, instance), signal.SIGKILL)
        wait_until(lambda: is_whole(suite), 20)
    senders.join()
    assert senders.progress() == MESSAGES
    wait_until(all_arrived(suite, senders.acknowledged), 120)
    wait_until(lambda: len(suite.log_lines("process-killed")) == len(victims))


def test_everything_is_killed_at_once_and_started_again(suite):
    senders = Senders(suite).start()
    for goal in (400, 900, 1400):
        wait_until(lambda: senders.progress() >= goal, 120)
        suite.kill()
        suite.start()
    senders.join()
    assert senders.progress() == MESSAGES
    wait_until(all_arrived(suite, senders.acknowledged), 120)


def test_master_alone_is_killed_and_the_others_end_by_themselves(suite):
    pids = [p for p in suite.all_pids() if p != suite.process.pid]
    os.kill(suite.process.pid, signal.SIGKILL)
    suite.process.wait(10)
    wait_until(lambda: not [p for p in pids if os.path.exists("/proc/%d" % p)], 30)
    suite.start()
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
        c.sendmail("a@elsewhere.test", ["bob@example.test"], body_of(1))
    wait_until(lambda: len(suite.messages("bob")) == 1)


def test_mail_acknowledged_just_before_the_end_is_delivered_after_the_start(suite):
    """The queue's process is stopped in its tracks, so that delivery cannot have happened."""
    maildir = suite.pid_of("delivery/maildir")
    os.kill(maildir, signal.SIGSTOP)
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
        for number in range(20):
            c.sendmail("a@elsewhere.test", ["bob@example.test"], body_of(number))
    assert suite.messages("bob") == []
    suite.kill()
    suite.start()
    wait_until(lambda: arrived(suite) == {n: 1 for n in range(20)})
    assert suite.queue() == []


def test_local_mail_left_while_the_suite_is_down_is_taken_up_at_its_start(suite):
    suite.stop()
    suite.command("sendmail", "-t", input="To: bob@example.test\nSubject: left in drop\n\nread me later\n")
    assert len(list(suite.path("spool/drop").iterdir())) == 1
    suite.start()
    wait_until(lambda: any(b"read me later" in m for m in suite.messages("bob")))
    wait_until(lambda: list(suite.path("spool/drop").iterdir()) == [])
