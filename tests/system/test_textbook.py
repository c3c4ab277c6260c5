"""The two dialogues that every textbook prints, to the letter."""

import re
import socket

import pytest

from suite import PASSWORDS, SLOW, wait_until


class Dialogue:
    """Says lines and reads replies, as a person with telnet."""

    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20 * SLOW)
        self.file = self.socket.makefile("rb")

    def line(self):
        return self.file.readline().decode().rstrip("\r\n")

    def reply(self):
        """The code of an SMTP reply; its last line has a blank behind the code."""
        while True:
            line = self.line()
            assert re.match(r"\d{3}[ -]", line), line
            if line[3] == " ":
                return int(line[:3])

    def say(self, text):
        self.socket.sendall((text + "\r\n").encode())

    def ask(self, text):
        self.say(text)
        return self.reply()

    def listing(self):
        """A POP3 multi-line answer, without its dot."""
        lines = []
        while True:
            line = self.line()
            if line == ".":
                return lines
            lines.append(line[1:] if line.startswith("..") else line)

    def close(self):
        self.file.close()
        self.socket.close()


@pytest.fixture
def hamburger(make_suite):
    s = make_suite(domain="hamburger.edu", hostname="hamburger.edu", users=(), extra="auth.cleartext loopback\n")
    s.add_user("bob", "hungry")
    return s


def send_two_lines(d):
    assert d.ask("MAIL FROM: <alice@crepes.fr>") == 250
    assert d.ask("RCPT TO: <bob@hamburger.edu>") == 250
    assert d.ask("DATA") == 354
    d.say("Do you like ketchup?")
    d.say("How about pickles?")
    assert d.ask(".") == 250


def test_the_smtp_dialogue(hamburger):
    d = Dialogue(hamburger.ports["mx"])
    assert d.reply() == 220
    assert d.ask("HELO crepes.fr") == 250
    send_two_lines(d)
    assert d.ask("QUIT") == 221
    assert d.line() == "", "the server closes the connection after QUIT"
    wait_until(lambda: len(hamburger.messages("bob")) == 1)
    message = hamburger.messages("bob")[0].decode()
    assert message.endswith("\nDo you like ketchup?\nHow about pickles?\n")
    assert "from crepes.fr (" in message


def test_several_messages_on_one_connection(hamburger):
    d = Dialogue(hamburger.ports["mx"])
    assert d.reply() == 220
    assert d.ask("HELO crepes.fr") == 250
    for _ in range(5):
        send_two_lines(d)
    assert d.ask("QUIT") == 221
    wait_until(lambda: len(hamburger.messages("bob")) == 5)


def test_the_pop3_dialogue_and_that_messages_go_only_after_quit(hamburger):
    d = Dialogue(hamburger.ports["mx"])
    assert d.reply() == 220
    assert d.ask("HELO crepes.fr") == 250
    send_two_lines(d)
    send_two_lines(d)
    assert d.ask("QUIT") == 221
    wait_until(lambda: len(hamburger.messages("bob")) == 2)

    def log_in():
        p = Dialogue(hamburger.ports["pop3"])
        assert p.line().startswith("+OK")
        p.say("user bob")
        assert p.line().startswith("+OK")
        p.say("pass hungry")
        assert p.line().startswith("+OK")
        return p

    def read_and_delete_both(p):
        p.say("list")
        assert p.line().startswith("+OK")
        listed = p.listing()
        assert [entry.split()[0] for entry in listed] == ["1", "2"]
        for number, entry in zip((1, 2), listed):
            p.say("retr %d" % number)
            assert p.line().startswith("+OK")
            text = "".join(line + "\r\n" for line in p.listing())
            assert text.endswith("Do you like ketchup?\r\nHow about pickles?\r\n")
            assert len(text) == int(entry.split()[1]), "LIST tells the octets that RETR sends"
            p.say("dele %d" % number)
            assert p.line().startswith("+OK")

    p = log_in()
    read_and_delete_both(p)
    p.close()  # without quit
    p = log_in()
    read_and_delete_both(p)
    p.say("quit")
    assert p.line().startswith("+OK")
    assert hamburger.messages("bob") == []
    p = log_in()
    p.say("stat")
    assert p.line() == "+OK 0 0"
    p.say("quit")


def test_a_wrong_password_gets_a_clear_refusal_and_a_log_line_for_fail2ban(hamburger):
    p = Dialogue(hamburger.ports["pop3"])
    assert p.line().startswith("+OK")
    p.say("user bob")
    assert p.line().startswith("+OK")
    p.say("pass thirsty")
    assert p.line().startswith("-ERR [AUTH]")
    wait_until(lambda: hamburger.log_lines("auth-failed", "client=127.0.0.1", "bob"))
