"""IMAP as a client's octets see it, and what imapd and pop3d do before login and around it."""

import os
import re
import signal
import socket
import ssl
import time

import pytest

from suite import PASSWORDS, SLOW, wait_until

CLEARTEXT = "auth.cleartext loopback\n"


class Client:
    """One connection, line by line; a literal belongs to its line."""

    def __init__(self, suite, port="imap", user=None, tls=False):
        self.suite = suite
        self.socket = socket.create_connection(("127.0.0.1", suite.ports[port]), timeout=20 * SLOW)
        if tls:
            self.socket = suite.tls_context().wrap_socket(self.socket, server_hostname="localhost")
        self.file = self.socket.makefile("rb")
        self.count = 0
        self.greeting = self.line()
        if user:
            assert self.ok('LOGIN %s@example.test "%s"' % (user, PASSWORDS[user]))

    def send(self, octets):
        self.socket.sendall(octets if isinstance(octets, bytes) else octets.encode())

    def line(self):
        line = self.file.readline()
        literal = re.search(rb"\{(\d+)\}\r\n$", line)
        if literal:
            octets = self.file.read(int(literal[1]))
            assert len(octets) == int(literal[1]), "the connection ended within a literal"
            line += octets + self.line()
        return line

    def until(self, tag):
        lines = []
        while not lines or not lines[-1].startswith(tag.encode() + b" "):
            lines.append(self.line())
            assert lines[-1], lines
        return lines

    def command(self, text):
        """Everything that is said, the tagged reply last."""
        self.count += 1
        tag = "t%d" % self.count
        self.send(tag.encode() + b" " + (text if isinstance(text, bytes) else text.encode()) + b"\r\n")
        return self.until(tag)

    def reply(self, text):
        return self.command(text)[-1].split(b" ", 1)[1].rstrip()

    def ok(self, text):
        lines = self.command(text)
        assert b" OK " in lines[-1], lines
        return lines

    def append(self, message, mailbox="INBOX", flags=""):
        return self.ok(b"APPEND %s (%s) {%d+}\r\n%s" % (mailbox.encode(), flags.encode(), len(message), message))

    def is_closed(self):
        return self.file.read(1) == b""


@pytest.fixture
def suite(make_suite):
    return make_suite(extra=CLEARTEXT)


def session_pids(suite):
    """Processes of users: children of the parent that forks them."""
    parent = suite.pid_of("imap-session")
    with open("/proc/%d/task/%d/children" % (parent, parent)) as f:
        return [int(pid) for pid in f.read().split()]


def memory_kb(pid):
    with open("/proc/%d/status" % pid) as f:
        return int(re.search(r"RssAnon:\s+(\d+)", f.read())[1])


MESSAGE = (b"From: Bob <bob@example.test>\r\nTo: alice@example.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n"
           b"Date: Tue, 1 Feb 1994 23:30:00 -0800\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
           b"--b\r\nContent-Type: text/plain\r\n\r\nfirst\r\npart\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n"
           b"Subject: inner\r\n\r\ninner body\r\n--b--\r\n")


# --- before login -----------------------------------------------------------------


def test_without_tls_no_password_is_taken_and_the_client_is_told_so_first(make_suite):
    suite = make_suite()
    c = Client(suite)
    assert b"LOGINDISABLED" in c.greeting and b"AUTH=PLAIN" not in c.greeting and b"STARTTLS" in c.greeting
    assert c.reply('LOGIN alice@example.test "%s"' % PASSWORDS["alice"]).startswith(b"NO [PRIVACYREQUIRED]")
    assert c.reply("AUTHENTICATE PLAIN").startswith(b"NO [PRIVACYREQUIRED]")
    secured = Client(suite, "imaps", tls=True)
    assert b"AUTH=PLAIN" in secured.greeting and b"LOGINDISABLED" not in secured.greeting
    assert b"STARTTLS" not in secured.greeting
    secured.ok('LOGIN alice@example.test "%s"' % PASSWORDS["alice"])


def test_idle_is_in_the_capabilities_before_login_and_in_the_answer_to_login(suite):
    c = Client(suite)
    assert b" IDLE " in c.greeting
    assert b"[CAPABILITY IMAP4rev1" in c.ok('LOGIN alice@example.test "%s"' % PASSWORDS["alice"])[-1]


def test_a_wrong_password_is_refused_and_the_connection_goes_on(suite):
    c = Client(suite)
    assert c.reply("LOGIN alice@example.test wrong").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert c.reply("LOGIN nobody@example.test wrong").startswith(b"NO [AUTHENTICATIONFAILED]")
    assert c.reply("SELECT INBOX").startswith(b"BAD")
    c.ok('LOGIN alice@example.test "%s"' % PASSWORDS["alice"])
    c.ok("SELECT INBOX")


@pytest.mark.parametrize("port, order, answer, poison, probe, clean", [
    ("imap", b"a STARTTLS\r\n", b"a OK", b"b LOGOUT\r\n", b"c NOOP\r\n", b"c OK"),
    ("pop3", b"STLS\r\n", b"+OK", b"QUIT\r\n", b"CAPA\r\n", b"+OK"),
])
def test_what_is_sent_in_the_clear_behind_starttls_is_thrown_away(suite, port, order, answer, poison, probe, clean):
    with socket.create_connection(("127.0.0.1", suite.ports[port]), timeout=20 * SLOW) as raw:
        raw.recv(1000)
        raw.sendall(order + poison)
        assert raw.recv(1000).startswith(answer)
        with suite.tls_context().wrap_socket(raw, server_hostname="localhost") as secured:
            secured.sendall(probe)
            assert secured.recv(1000).startswith(clean)


def test_literals_and_plain_with_and_without_an_initial_response_log_in(suite):
    response = b"AGFsaWNlQGV4YW1wbGUudGVzdABhbGljZSdzIHNlY3JldA=="
    Client(suite).ok(b"AUTHENTICATE PLAIN " + response)
    c = Client(suite)
    c.send("a AUTHENTICATE PLAIN\r\n")
    assert c.line() == b"+ \r\n"
    c.send(response + b"\r\n")
    assert b"a OK" in c.until("a")[-1]
    c = Client(suite)
    c.send("a AUTHENTICATE PLAIN\r\n")
    c.line()
    c.send("*\r\n")
    assert b"a BAD" in c.until("a")[-1]
    c.send("b LOGIN {18}\r\n")
    assert c.line().startswith(b"+")
    c.send("alice@example.test {14+}\r\nalice's secret\r\n")
    assert b"b OK" in c.until("b")[-1]


def test_commands_behind_the_login_are_not_lost(suite):
    c = Client(suite)
    c.send('a LOGIN alice@example.test "%s"\r\nb SELECT INBOX\r\nc NOOP\r\nd LOGOUT\r\n' % PASSWORDS["alice"])
    tags = [line.split()[0] for line in c.until("d") if not line.startswith(b"*")]
    assert tags == [b"a", b"b", b"c", b"d"]
    assert c.is_closed()


def test_a_client_that_sends_no_more_still_gets_its_answers(suite):
    c = Client(suite)
    c.send('a LOGIN alice@example.test "%s"\r\nb SELECT INBOX\r\nc LOGOUT\r\n' % PASSWORDS["alice"])
    c.socket.shutdown(socket.SHUT_WR)
    assert b"c OK" in c.until("c")[-1]
    assert c.is_closed()


def test_whoever_does_not_log_in_in_time_is_told_and_sent_away(make_suite):
    suite = make_suite(extra="imap.login-timeout 1s\npop3.login-timeout 1s\n")
    for port, word in (("imap", b"* BYE"), ("pop3", b"-ERR")):
        c = Client(suite, port)
        assert c.line().startswith(word)
        assert c.is_closed()


def test_clients_beyond_the_limit_are_told_so(make_suite):
    suite = make_suite(extra=CLEARTEXT + "imap.workers 1\nimap.connections-limit 3\n")
    kept = [Client(suite) for _ in range(3)]
    turned_away = Client(suite)
    assert turned_away.greeting.startswith(b"* BYE [LIMIT]")
    kept.pop().ok("LOGOUT")
    wait_until(lambda: Client(suite).greeting.startswith(b"* OK"))


def test_nonsense_is_counted_and_ends_the_connection(suite):
    for port, word in (("imap", b"* BYE"), ("pop3", b"-ERR Too many")):
        c = Client(suite, port)
        c.send(b"GET / HTTP/1.1\r\n" * 100)
        assert word in c.file.read()
    c = Client(suite, user="alice")
    c.send(b"x NONSENSE\r\n" * 100)
    assert b"* BYE Too many" in c.file.read()
    c = Client(suite)
    c.send(b"x" * 100000)
    assert b"* BYE [TOOBIG]" in c.file.read()
    c = Client(suite)
    c.send(bytes(range(256)) * 20)
    c.file.read()
    Client(suite, user="alice").ok("NOOP")


# --- sessions ---------------------------------------------------------------------


def test_a_session_that_dies_costs_its_own_user_a_connection_and_nobody_else(suite):
    alice, bob = Client(suite, user="alice"), Client(suite, user="bob")
    other_alice = Client(suite, user="alice")
    assert len(session_pids(suite)) == 2, "all connections of a user are one process's"
    # The younger process is bob's: alice's was forked first.
    os.kill(max(session_pids(suite)), signal.SIGKILL)
    assert bob.line().startswith(b"* BYE")
    assert bob.is_closed()
    alice.ok("SELECT INBOX")
    other_alice.ok("NOOP")
    Client(suite, user="bob").ok("SELECT INBOX")


def test_a_stop_says_goodbye_to_everybody(suite):
    waiting, idling, idle = Client(suite), Client(suite, user="alice"), Client(suite, user="bob")
    pop3 = Client(suite, "pop3")
    idling.ok("SELECT INBOX")
    idling.send("x IDLE\r\n")
    assert idling.line().startswith(b"+")
    suite.stop()
    for c in (waiting, idling, idle):
        assert c.line().startswith(b"* BYE")
        assert c.is_closed()
    assert pop3.line().startswith(b"-ERR")


def test_a_reload_drops_no_connection(suite):
    c = Client(suite, user="alice")
    suite.petrel("reload")
    time.sleep(0.5)
    c.ok("SELECT INBOX")
    Client(suite, user="alice").ok("NOOP")


def test_the_log_tells_of_login_and_logout(suite):
    c = Client(suite, user="alice")
    c.ok("NOOP")
    c.ok("LOGOUT")
    wait_until(lambda: suite.log_lines("imapd", "logout account=alice@example.test client=127.0.0.1 how=session", "commands=2"))


# --- messages in and out --------------------------------------------------------------


def test_every_section_is_the_octets_that_were_stored(suite):
    c = Client(suite, user="alice")
    c.append(MESSAGE, flags="\\Seen")
    c.ok("SELECT INBOX")
    header, text = MESSAGE.split(b"\r\n\r\n", 1)
    header += b"\r\n\r\n"
    wanted = {
        b"BODY[]": MESSAGE,
        b"RFC822": MESSAGE,
        b"BODY[HEADER]": header,
        b"RFC822.HEADER": header,
        b"BODY[TEXT]": text,
        b"RFC822.TEXT": text,
        b"BODY[1]": b"first\r\npart",
        b"BODY[1.MIME]": b"Content-Type: text/plain\r\n\r\n",
        b"BODY[2]": b"Subject: inner\r\n\r\ninner body",
        b"BODY[2.HEADER]": b"Subject: inner\r\n\r\n",
        b"BODY[2.TEXT]": b"inner body",
        b"BODY[2.1]": b"inner body",
        b"BODY[HEADER.FIELDS (SUBJECT To)]": b"To: alice@example.test\r\nSubject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n\r\n",
    }
    for section, octets in wanted.items():
        answer = c.ok(b"FETCH 1 " + section)[0]
        assert answer.startswith(b"* 1 FETCH (%s {%d}\r\n%s" % (section, len(octets), octets)), (section, answer)
    together = c.ok(b"FETCH 1 (%s)" % b" ".join(wanted))[0]
    for section, octets in wanted.items():
        assert b"%s {%d}\r\n%s" % (section, len(octets), octets) in together
    assert b"BODY[3] NIL" in c.ok("FETCH 1 BODY[3]")[0]
    assert b"RFC822.SIZE %d" % len(MESSAGE) in c.ok("FETCH 1 RFC822.SIZE")[0]


def test_any_part_of_a_section_can_be_fetched(suite):
    c = Client(suite, user="alice")
    c.append(MESSAGE)
    c.ok("SELECT INBOX")
    text = MESSAGE.split(b"\r\n\r\n", 1)[1]
    for whole, section in ((MESSAGE, b"BODY[]"), (text, b"BODY[TEXT]")):
        for start in (0, 1, 7, len(whole) - 1, len(whole), len(whole) + 5):
            for count in (1, 2, 100, 100000):
                part = whole[start:start + count]
                answer = c.ok(b"FETCH 1 %s<%d.%d>" % (section, start, count))[0]
                assert b"%s<%d> {%d}\r\n%s)" % (section, start, len(part), part) in answer


def test_a_message_is_seen_once_it_was_fetched_and_not_when_it_was_peeked_at(suite):
    c = Client(suite, user="alice")
    c.append(MESSAGE)
    c.ok("EXAMINE INBOX")
    c.ok("FETCH 1 BODY[]")
    assert b"\\Seen" not in c.ok("FETCH 1 FLAGS")[0], "EXAMINE changes nothing"
    c.ok("SELECT INBOX")
    c.ok("FETCH 1 (BODY.PEEK[] RFC822.HEADER ENVELOPE)")
    assert b"\\Seen" not in c.ok("FETCH 1 FLAGS")[0]
    assert b"FLAGS (\\Seen" in c.ok("FETCH 1 BODY[1]")[0], "the change is told in the same response"


def test_a_large_message_passes_both_ways_without_being_held_in_memory(make_suite):
    suite = make_suite(extra=CLEARTEXT + "imap.append-limit 100M\n")
    c = Client(suite, user="alice")
    large = b"Subject: large\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * 500000
    c.append(large)
    c.ok("SELECT INBOX")
    assert large in c.ok("FETCH 1 BODY.PEEK[]")[0]
    assert large.split(b"\r\n\r\n", 1)[1] in c.ok("FETCH 1 BODY.PEEK[TEXT]")[0]
    c.ok("FETCH 1 BODYSTRUCTURE")
    if SLOW == 1:
        assert max(memory_kb(pid) for pid in session_pids(suite)) < 8000


def test_a_client_that_does_not_read_holds_up_nobody_and_costs_little(make_suite):
    suite = make_suite(extra=CLEARTEXT + "imap.append-limit 100M\n")
    c, deaf = Client(suite, user="alice"), Client(suite, user="alice")
    c.append(b"Subject: large\r\n\r\n" + (b"0123456789" * 7 + b"\r\n") * 100000)
    deaf.ok("SELECT INBOX")
    deaf.send("".join("x%d FETCH 1 BODY.PEEK[]\r\n" % i for i in range(50)))
    time.sleep(1)
    begun = time.monotonic()
    c.ok("SELECT INBOX")
    assert time.monotonic() - begun < 2 * SLOW
    if SLOW == 1:
        assert max(memory_kb(pid) for pid in session_pids(suite)) < 8000
        assert max(memory_kb(suite.pid_of("imapd", i)) for i in range(len([p for p in suite.processes() if p["process"] == "imapd"]))) < 16000
    assert b"x49 OK" in deaf.until("x49")[-1]


def test_a_message_that_is_refused_is_refused_before_it_is_sent(make_suite):
    suite = make_suite(extra=CLEARTEXT + "imap.append-limit 64K\n")
    c = Client(suite, user="alice")
    assert c.reply("APPEND INBOX {65537}").startswith(b"NO [TOOBIG]")
    assert c.reply("APPEND Nowhere {10}").startswith(b"NO [TRYCREATE]")
    # Whoever does not wait to be asked stays in step all the same.
    c.send(b"a APPEND INBOX {65537+}\r\n%s\r\nb APPEND Nowhere {10+}\r\n0123456789\r\nc NOOP\r\n" % (b"x" * 65537))
    assert b"a NO [TOOBIG]" in c.until("a")[-1]
    assert b"b NO [TRYCREATE]" in c.until("b")[-1]
    assert b"c OK" in c.until("c")[-1]
    assert b"* 0 EXISTS\r\n" in c.ok("SELECT INBOX")


def test_several_messages_are_appended_together_or_not_at_all(suite):
    c = Client(suite, user="alice")
    assert re.search(rb"\[APPENDUID \d+ 1:2\]", c.ok(b"APPEND INBOX {3+}\r\none (\\Seen) {3+}\r\ntwo")[-1])
    assert c.reply(b"APPEND INBOX {3+}\r\none (nonsense {3+}\r\ntwo").startswith((b"NO", b"BAD"))
    assert b"* 2 EXISTS\r\n" in c.ok("SELECT INBOX")


# --- what changes, and when it is told --------------------------------------------------


def test_sequence_numbers_stand_still_while_they_are_used(suite):
    c, other = Client(suite, user="alice"), Client(suite, user="alice")
    for i in range(5):
        c.append(b"Subject: %d\r\n\r\n" % i)
    c.ok("SELECT INBOX")
    other.ok("SELECT INBOX")
    other.ok("STORE 2,4 +FLAGS.SILENT (\\Deleted)")
    assert [line for line in other.ok("EXPUNGE") if b"EXPUNGE\r\n" in line] == [b"* 4 EXPUNGE\r\n", b"* 2 EXPUNGE\r\n"]
    for command in ("FETCH 1:5 FLAGS", "STORE 5 +FLAGS (\\Flagged)", "SEARCH ALL"):
        assert not any(b"EXPUNGE\r\n" in line for line in c.command(command)), command
    lines = c.command("FETCH 1:5 BODY.PEEK[]")
    assert [line.split()[1] for line in lines[:-1]] == [b"1", b"3", b"5"]
    assert b"NO [EXPUNGEISSUED]" in lines[-1]
    assert [line for line in c.ok("NOOP") if b"EXPUNGE" in line] == [b"* 4 EXPUNGE\r\n", b"* 2 EXPUNGE\r\n"]
    assert b"* SEARCH 1 2 3\r\n" in c.ok("SEARCH ALL")


def test_an_idling_connection_sees_what_another_does(suite):
    c, idling = Client(suite, user="alice"), Client(suite, user="alice")
    c.ok("SELECT INBOX")
    idling.ok("SELECT INBOX")
    idling.send("x IDLE\r\n")
    assert idling.line().startswith(b"+")
    c.append(MESSAGE)
    assert idling.line() == b"* 1 EXISTS\r\n"
    assert idling.line().endswith(b"RECENT\r\n")
    c.ok("STORE 1 +FLAGS (\\Flagged keyword)")
    seen = b""
    while b"FETCH" not in seen:
        seen = idling.line()
    assert b"\\Flagged" in seen and b"keyword" in seen
    c.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    assert b"\\Deleted" in idling.line()
    c.ok("EXPUNGE")
    assert idling.line() == b"* 1 EXPUNGE\r\n"
    idling.send("DONE\r\n")
    assert b"x OK" in idling.until("x")[-1]


def test_uids_tell_where_messages_went(suite):
    c = Client(suite, user="alice")
    for i in range(6):
        c.append(b"Subject: %d\r\n\r\n" % i)
    c.ok("CREATE Work")
    c.ok("SELECT INBOX")
    assert re.search(rb"\[COPYUID \d+ 2:3,5 1:3\]", c.ok("COPY 2:3,5 Work")[-1])
    assert c.reply("COPY 1 Nowhere").startswith(b"NO [TRYCREATE]")
    lines = c.ok("UID MOVE 1,6 Work")
    assert re.match(rb"\* OK \[COPYUID \d+ 1,6 4:5\]", lines[0])
    assert lines[1:3] == [b"* 6 EXPUNGE\r\n", b"* 1 EXPUNGE\r\n"]
    c.ok("STORE 1:4 +FLAGS.SILENT (\\Deleted)")
    assert [line for line in c.ok("UID EXPUNGE 3:4") if b"EXPUNGE\r\n" in line] == [b"* 3 EXPUNGE\r\n", b"* 2 EXPUNGE\r\n"]
    assert b"* SEARCH 2 5\r\n" in c.ok("UID SEARCH ALL")
    assert b"* STATUS \"Work\" (MESSAGES 5 UIDNEXT 6)\r\n" in c.ok("STATUS Work (MESSAGES UIDNEXT)")


def test_numbers_that_there_are_not(suite):
    c = Client(suite, user="alice")
    c.append(MESSAGE)
    c.ok("SELECT INBOX")
    assert c.reply("FETCH 2 FLAGS").startswith(b"BAD")
    assert len(c.ok("UID FETCH 99 FLAGS")) == 1
    assert b"UID 1 " in c.ok("UID FETCH 99:* FLAGS")[0], "a star is the last message"


def test_whose_mailbox_is_deleted_by_another_is_told_and_sent_away(suite):
    c, other, idling = (Client(suite, user="alice") for _ in range(3))
    c.ok("CREATE Work")
    for selecting in (c, other, idling):
        selecting.ok("SELECT Work")
    idling.send("x IDLE\r\n")
    assert idling.line().startswith(b"+")
    c.ok("DELETE Work")
    c.ok("NOOP")
    assert c.reply("FETCH 1 FLAGS").startswith(b"BAD"), "who deletes it has none selected any more"
    assert idling.line().startswith(b"* BYE") and idling.is_closed()
    assert other.reply("NOOP").startswith(b"OK")
    assert other.line().startswith(b"* BYE") and other.is_closed()


def spoil_pages(f, size):
    f.seek(8192)
    f.write(os.urandom(size - 8192))


def spoil_heads(f, size):
    f.write(os.urandom(8192))


@pytest.mark.parametrize("spoil", [spoil_pages, spoil_heads, lambda f, size: f.write(bytes(size)), lambda f, size: f.truncate(4096),
                                   lambda f, size: f.truncate(0), lambda f, size: f.truncate(size // 8192 * 4096)],
                         ids=["pages", "heads", "zeros", "one_page_left", "nothing_left", "half_left"])
def test_an_index_that_is_spoilt_is_made_anew_and_no_message_is_lost(suite, spoil):
    c = Client(suite, user="alice")
    for _ in range(50):
        c.append(MESSAGE)
    c.ok("SELECT INBOX")
    idling = Client(suite, user="alice")
    idling.ok("SELECT INBOX")
    idling.send("x IDLE\r\n")
    assert idling.line().startswith(b"+")
    index = suite.mailbox("alice").parent / "index/data.mdb"
    size = index.stat().st_size
    time.sleep(0.05)  # a clock's tick: a file's time tells the two writings apart
    with open(index, "r+b") as f:
        spoil(f, size)
    c.send("y FETCH 1:* (FLAGS ENVELOPE)\r\nz SELECT INBOX\r\n")
    assert b"* BYE" in c.file.read()
    assert idling.line().startswith(b"* BYE") and idling.is_closed()
    assert b"* 50 EXISTS\r\n" in Client(suite, user="alice").ok("SELECT INBOX")
    wait_until(lambda: suite.log_lines("imap-session", "index-rebuilt account=alice@example.test"))


# --- mailboxes ------------------------------------------------------------------------


def names(lines):
    return [(line.split(b"(")[1].split(b")")[0], line.rsplit(b'"', 2)[1]) for line in lines[:-1]]


def test_names_wildcards_and_subscriptions(suite):
    c = Client(suite, user="alice")
    for name in ("a/b/c", "a-d", "&ZeVnLIqe-/Entw&APw-rfe"):
        c.ok("CREATE " + name)
    assert {name for _, name in names(c.ok('LIST "" *'))} == {b"INBOX", b"a", b"a/b", b"a/b/c", b"a-d", b"&ZeVnLIqe-", b"&ZeVnLIqe-/Entw&APw-rfe"}
    assert {name for _, name in names(c.ok('LIST "" %'))} == {b"INBOX", b"a", b"a-d", b"&ZeVnLIqe-"}
    assert {name for _, name in names(c.ok('LIST "a/" %'))} == {b"a/b"}
    assert c.ok('LIST "" ""')[0] == b'* LIST (\\Noselect) "/" ""\r\n'
    assert names(c.ok('LIST "" inbox')) == [(b"\\HasNoChildren", b"INBOX")]
    c.ok("DELETE a/b")
    assert (b"\\Noselect \\HasChildren", b"a/b") in names(c.ok('LIST "" *'))
    assert c.reply("SELECT a/b").startswith(b"NO [NONEXISTENT]")
    c.ok("SUBSCRIBE a/b/c")
    assert names(c.ok('LSUB "" *')) == [(b"", b"a/b/c")]
    assert names(c.ok('LSUB "" %')) == [(b"\\Noselect", b"a")]
    assert c.reply("CREATE INBOX").startswith(b"NO [ALREADYEXISTS]")
    assert c.reply("CREATE &bad").startswith(b"BAD")
    assert c.reply("DELETE INBOX").startswith(b"NO")
    c.ok("RENAME a-d e/f")
    assert {b"e", b"e/f"} <= {name for _, name in names(c.ok('LIST "" *'))}


def test_an_extended_list_tells_what_is_asked_for_of_what_is_asked_for(suite):
    """RFC 5258, its examples among them."""
    c = Client(suite, user="alice")
    for name in ("foo2/bar1", "foo2/bar2", "baz2", "baz2/bar2", "baz2/bar22", "eps2"):
        c.reply("CREATE " + name)
    for name in ("foo2/bar2", "baz2", "baz2/bar2", "gone"):
        c.ok("SUBSCRIBE " + name)

    def told(arguments):
        return sorted(line.decode().strip()[len("* LIST "):] for line in c.ok("LIST " + arguments)[:-1])

    assert told('(SUBSCRIBED) "" "*"') == sorted([
        r'(\HasNoChildren \Subscribed) "/" "foo2/bar2"', r'(\HasChildren \Subscribed) "/" "baz2"',
        r'(\HasNoChildren \Subscribed) "/" "baz2/bar2"', r'(\NonExistent \Subscribed) "/" "gone"'])
    assert told('(SUBSCRIBED RECURSIVEMATCH) "" %') == sorted([
        r'(\HasChildren) "/" "foo2" ("CHILDINFO" ("SUBSCRIBED"))',
        r'(\HasChildren \Subscribed) "/" "baz2" ("CHILDINFO" ("SUBSCRIBED"))', r'(\NonExistent \Subscribed) "/" "gone"'])
    assert [line for line in told('(SUBSCRIBED RECURSIVEMATCH) "" *') if "CHILDINFO" in line] == [], "each is told by itself"
    assert told('"" ("eps2" "foo2/%") RETURN (SUBSCRIBED CHILDREN)') == sorted([
        r'(\HasNoChildren) "/" "eps2"', r'(\HasNoChildren) "/" "foo2/bar1"', r'(\HasNoChildren \Subscribed) "/" "foo2/bar2"'])
    assert told('() "" "" RETURN ()') == []
    for wrong in ('(RECURSIVEMATCH) "" *', '(REMOTE RECURSIVEMATCH) "" *', '(NEVER) "" *', '"" * RETURN (NEVER)', '"" * RETURN',
                  '(SUBSCRIBED "" *', '"" (* ', '"" * RETURN (STATUS)', '"" * RETURN (STATUS ())'):
        assert c.reply("LIST " + wrong).startswith(b"BAD"), wrong


def test_a_list_tells_the_status_of_each_mailbox_with_it(suite):
    """RFC 5819."""
    c = Client(suite, user="alice")
    c.ok("CREATE a/b")
    c.ok("SUBSCRIBE nowhere")
    c.append(MESSAGE)
    assert c.ok('LIST "" (INBOX a%) RETURN (STATUS (MESSAGES UNSEEN))')[:-1] == [
        b'* LIST (\\HasNoChildren) "/" "INBOX"\r\n', b'* STATUS "INBOX" (MESSAGES 1 UNSEEN 1)\r\n', b'* LIST (\\HasChildren) "/" "a"\r\n',
        b'* STATUS "a" (MESSAGES 0 UNSEEN 0)\r\n']
    assert c.ok('LIST (SUBSCRIBED) "" nowhere RETURN (STATUS (MESSAGES))')[:-1] == [b'* LIST (\\NonExistent \\Subscribed) "/" "nowhere"\r\n']


def test_a_mailbox_made_for_a_use_says_so_wherever_it_goes(suite):
    """RFC 6154."""
    c = Client(suite, user="alice")

    def uses():
        lines = [line.decode() for line in c.ok('LIST (SPECIAL-USE) "" *')[:-1]]
        return {line.rsplit('"', 2)[1]: re.findall(r"\\(\w+)", line.split(")")[0]) for line in lines}

    c.ok("CREATE Sent")
    assert uses() == {"Sent": ["HasNoChildren", "Sent"]}, "its usual name says what it is for"
    c.ok("CREATE Gesendet (USE (\\Sent))")
    c.ok("CREATE Keep (USE (\\Archive \\Trash))")
    assert uses() == {"Gesendet": ["HasNoChildren", "Sent"], "Keep": ["HasNoChildren", "Archive", "Trash"]}
    c.ok("RENAME Gesendet Post/Aus")
    assert uses()["Post/Aus"] == ["HasNoChildren", "Sent"]
    assert b"\\Sent" in c.ok('LIST "" Post/Aus')[0], "told without being asked for, too"
    (suite.mailbox("alice").parent / "index/corrupt").touch()
    c.ok("LOGOUT")
    c = Client(suite, user="alice")
    assert uses()["Post/Aus"] == ["HasNoChildren", "Sent"], "also with a new index"
    c.ok("DELETE Post/Aus")
    assert uses()["Sent"] == ["HasNoChildren", "Sent"]
    assert c.reply("CREATE x (USE (\\All))").startswith(b"NO [USEATTR]")
    assert c.reply("CREATE x (USE \\Sent)").startswith(b"BAD")
    assert c.reply("CREATE x (FOR (\\Sent))").startswith(b"BAD")
    assert c.reply("SELECT x").startswith(b"NO")


def test_a_search_tells_the_ends_the_count_and_all_in_one_line(suite):
    """RFC 4731."""
    c = Client(suite, user="alice")
    for i in range(7):
        c.append(MESSAGE, flags="\\Seen" if i in (1, 2, 4) else "")
    c.ok("SELECT INBOX")
    c.ok("STORE 1 +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")

    def told(arguments, uid=False):
        lines = c.ok("%sSEARCH %s" % ("UID " if uid else "", arguments))
        return re.sub(r' \(TAG "[^"]*"\)', "", lines[0].decode().strip()) if len(lines) > 1 else ""

    assert told("RETURN (MIN MAX COUNT ALL) SEEN") == "* ESEARCH MIN 1 MAX 4 COUNT 3 ALL 1:2,4"
    assert told("RETURN (MIN MAX COUNT ALL) SEEN", uid=True) == "* ESEARCH UID MIN 2 MAX 5 COUNT 3 ALL 2:3,5"
    assert told("RETURN () CHARSET UTF-8 ALL") == "* ESEARCH ALL 1:6"
    assert told("RETURN (MIN MAX ALL) FLAGGED") == "* ESEARCH"
    assert told("RETURN (COUNT) FLAGGED") == "* ESEARCH COUNT 0"
    assert re.match(rb'\* ESEARCH \(TAG "[^"]+"\) COUNT', c.ok("SEARCH RETURN (COUNT) ALL")[0])
    for wrong in ("RETURN (NEVER) ALL", "RETURN (MIN ALL", "RETURN (MIN)", "RETURN MIN ALL"):
        assert c.reply("SEARCH " + wrong).startswith(b"BAD"), wrong


def test_what_a_search_has_saved_stands_for_a_set_of_messages(suite):
    """RFC 5182."""
    c = Client(suite, user="alice")
    for i in range(6):
        c.append(MESSAGE, flags="\\Seen" if i in (1, 2, 4) else "")
    c.ok("CREATE Other")
    c.ok("SELECT INBOX")
    found = lambda keys: c.ok("SEARCH " + keys)[0].split()[2:]
    numbers = lambda lines: [int(line.split()[1]) for line in lines[:-1]]

    assert found("$") == [], "nothing is saved yet"
    assert numbers(c.ok("FETCH $ FLAGS")) == []
    assert len(c.ok("SEARCH RETURN (SAVE) SEEN")) == 1, "only saved, not told"
    assert found("$") == found("UID $") == [b"2", b"3", b"5"] and found("NOT $") == [b"1", b"4", b"6"]
    assert numbers(c.ok("FETCH $ FLAGS")) == numbers(c.ok("UID FETCH $ FLAGS")) == [2, 3, 5]
    c.ok("STORE 2 +FLAGS.SILENT (\\Deleted)")
    c.ok("EXPUNGE")
    assert numbers(c.ok("FETCH $ FLAGS")) == [2, 4], "by UID: the same messages under other numbers"
    c.ok("COPY $ Other")
    assert b"MESSAGES 2" in c.ok("STATUS Other (MESSAGES)")[0]
    assert c.ok("UID SEARCH RETURN (SAVE MIN MAX) ALL")[0].endswith(b"UID MIN 1 MAX 6\r\n")
    assert found("$") == [b"1", b"5"], "the ends alone"
    c.ok("SEARCH RETURN (SAVE MIN COUNT) SEEN")
    assert found("$") == [b"2", b"4"], "all, since all were counted"
    assert c.reply("SEARCH RETURN (SAVE) NONSENSE").startswith(b"BAD")
    assert found("$") == [b"2", b"4"], "a command that is none changes nothing"
    assert c.reply("SEARCH RETURN (SAVE) CHARSET x-none TEXT x").startswith(b"NO")
    assert found("$") == [], "one that fails has saved nothing"
    c.ok("SEARCH RETURN (SAVE) ALL")
    c.ok("SELECT Other")
    assert found("$") == [], "it belonged to the other mailbox"
    assert c.reply("FETCH $,1 FLAGS").startswith(b"BAD")


def test_a_search_finds_by_every_key(suite):
    c = Client(suite, user="alice")
    c.append(MESSAGE, flags="\\Seen $Label")
    c.append(b"From: carol@elsewhere.test\r\nSubject: plain\r\n\r\n" + b"x" * 2000 + b"\r\n", flags="\\Flagged \\Draft")
    c.append(b"To: dave@example.test\r\nCc: erin@example.test\r\nX-Spam: no\r\n"
             b"Content-Transfer-Encoding: quoted-printable\r\nContent-Type: text/plain; charset=iso-8859-1\r\n\r\nM=FCnchen\r\n", flags="\\Answered \\Deleted")
    c.ok("SELECT INBOX")
    for keys, found in [
        ("ALL", "1 2 3"), ("ANSWERED", "3"), ("DELETED", "3"), ("DRAFT", "2"), ("FLAGGED", "2"), ("SEEN", "1"), ("UNSEEN", "2 3"),
        ("UNANSWERED", "1 2"), ("UNDELETED", "1 2"), ("UNDRAFT", "1 3"), ("UNFLAGGED", "1 3"), ("KEYWORD $label", "1"), ("UNKEYWORD $Label", "2 3"),
        ("RECENT", "1 2 3"), ("NEW", "2 3"), ("OLD", ""), ("FROM bob@", "1"), ("TO dave", "3"), ("CC ERIN", "3"), ("BCC erin", ""),
        ("SUBJECT {7+}\r\ngrüße", "1"), ("HEADER X-Spam no", "3"), ('HEADER X-Spam ""', "3"), ("BODY inner", "1"), ("TEXT münchen", "3"),
        ("BODY {8+}\r\nMÜNCHEN", "3"), ("TEXT plain", "1 2 3"), ("BODY nowhere", ""), ("LARGER 2000", "2"), ("SMALLER 2000", "1 3"),
        ("SENTON 1-Feb-1994", "1"), ("SENTBEFORE 2-Feb-1994", "1"), ("SENTSINCE 2-Feb-1994", ""), ("SINCE 1-Jan-2000", "1 2 3"), ("BEFORE 1-Jan-2000", ""),
        ("2:3", "2 3"), ("UID 1,3", "1 3"), ("*", "3"), ("NOT SEEN", "2 3"), ("OR SEEN DRAFT", "1 2"), ("NOT (OR SEEN DRAFT)", "3"), ("SEEN DRAFT", ""),
    ]:
        if "TEXT münchen" in keys:
            keys = 'TEXT "münchen"'
        wanted = b"* SEARCH" + (b" " + found.encode() if found else b"") + b"\r\n"
        assert c.ok("SEARCH CHARSET UTF-8 " + keys)[0] == wanted, keys
    assert c.reply("SEARCH CHARSET x-klingon TEXT a").startswith(b"NO [BADCHARSET")


# --- POP3 before login ------------------------------------------------------------------


def test_pop3_says_what_is_wrong_and_goes_on(suite):
    c = Client(suite, "pop3")

    def answer(text):
        c.send(text + "\r\n")
        return c.line()
    assert answer("pass x").startswith(b"-ERR")
    assert answer("list").startswith(b"-ERR")
    assert answer("user nobody@example.test") == answer("user alice@example.test"), "who there is is not told"
    assert answer("pass wrong").startswith(b"-ERR [AUTH]")
    assert answer("user alice@example.test").startswith(b"+OK")
    assert answer("pass " + PASSWORDS["alice"]).startswith(b"+OK")
    assert answer("stat").startswith(b"+OK 0 0")
    assert answer("quit").startswith(b"+OK")
    assert c.is_closed()


def test_pop3_offers_no_password_in_the_clear(make_suite):
    suite = make_suite()
    c = Client(suite, "pop3")
    c.send("CAPA\r\n")
    capabilities = []
    while not capabilities or capabilities[-1] != b".\r\n":
        capabilities.append(c.line())
    assert b"STLS\r\n" in capabilities and b"USER\r\n" not in capabilities and b"SASL PLAIN\r\n" not in capabilities
    c.send("USER alice@example.test\r\n")
    assert c.line().startswith(b"-ERR")
