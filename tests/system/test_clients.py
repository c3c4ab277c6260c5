"""Clients that we did not write use the suite as they use any other server."""

import imaplib
import mailbox
import os
import poplib
import shutil
import smtplib
import subprocess

import pytest

from suite import PASSWORDS, SLOW, wait_until

TEXT = "From: Alice <alice@example.test>\r\nTo: bob@example.test\r\nSubject: %s\r\n\r\n.a line that begins with a dot\r\nand another\r\n"


def run(*line, check=True, **how):
    done = subprocess.run(list(map(str, line)), capture_output=True, text=True, timeout=120 * SLOW, **how)
    if check and done.returncode != 0:
        raise AssertionError("%s: exit %d\n%s%s" % (line, done.returncode, done.stdout, done.stderr))
    return done


def deliver(suite, count=1, subject="number %d", to="bob"):
    before = len(suite.messages(to))
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
        for i in range(count):
            c.sendmail("alice@elsewhere.test", ["%s@example.test" % to], TEXT % (subject % i))
    wait_until(lambda: len(suite.messages(to)) == before + count)


# --- submission ---------------------------------------------------------------------


@pytest.mark.parametrize("port, options", [
    ("submission", ["--tls", "--auth", "PLAIN"]),
    ("submission", ["--tls", "--auth", "LOGIN"]),
    ("submissions", ["--tls-on-connect", "--auth", "PLAIN"]),
])
def test_swaks_submits(suite, port, options):
    done = run("swaks", "--server", "127.0.0.1", "--port", suite.ports[port], *options, "--auth-user", "alice@example.test",
               "--auth-password", PASSWORDS["alice"], "--from", "alice@example.test", "--to", "bob@example.test", "--pipeline")
    assert "queued as" in done.stdout
    wait_until(lambda: len(suite.messages("bob")) == 1)
    message = suite.messages("bob")[0]
    assert b"ESMTPSA" in message
    assert message.startswith(b"Return-Path: <alice@example.test>\n")


def test_a_wrong_password_is_refused_and_the_session_lives_on(suite):
    with smtplib.SMTP("127.0.0.1", suite.ports["submission"]) as c:
        c.starttls(context=suite.tls_context())
        with pytest.raises(smtplib.SMTPAuthenticationError) as refused:
            c.login("alice@example.test", "wrong")
        assert refused.value.smtp_code == 535
        c.login("alice@example.test", PASSWORDS["alice"])
        c.sendmail("alice@example.test", ["bob@example.test"], TEXT % "x")


def test_submission_wants_tls_before_a_password_and_a_password_before_mail(suite):
    with smtplib.SMTP("127.0.0.1", suite.ports["submission"]) as c:
        c.ehlo()
        assert "auth" not in c.esmtp_features
        assert c.docmd("AUTH PLAIN AGEAYg==")[0] in (530, 538)
        assert c.mail("alice@example.test")[0] == 530
        c.starttls(context=suite.tls_context())
        c.ehlo()
        assert set(c.esmtp_features["auth"].split()) >= {"PLAIN", "LOGIN"}
        assert c.mail("alice@example.test")[0] == 530


def test_a_login_may_not_send_in_anothers_name(suite):
    with smtplib.SMTP("127.0.0.1", suite.ports["submission"]) as c:
        c.starttls(context=suite.tls_context())
        c.login("alice@example.test", PASSWORDS["alice"])
        code = c.mail("bob@example.test")[0]
        code = c.rcpt("bob@example.test")[0] if code == 250 else code
        assert code in (550, 553)


def test_curl_submits_and_reads_by_pop3_and_imap(suite, directory):
    (directory / "text").write_text(TEXT.replace("\r\n", "\n") % "by curl")
    common = ["-sS", "--cacert", suite.certificate]
    run("curl", *common, "--ssl-reqd", "smtp://localhost:%d" % suite.ports["submission"], "--user", "alice@example.test:" + PASSWORDS["alice"],
        "--mail-from", "alice@example.test", "--mail-rcpt", "bob@example.test", "-T", directory / "text", "--crlf")
    wait_until(lambda: len(suite.messages("bob")) == 1)
    user = ["--user", "bob@example.test:" + PASSWORDS["bob"]]
    assert run("curl", *common, *user, "pop3s://localhost:%d/" % suite.ports["pop3s"]).stdout.startswith("1 ")
    assert "\n.a line that begins" in run("curl", *common, *user, "pop3s://localhost:%d/1" % suite.ports["pop3s"]).stdout
    assert "\n.a line that begins" in run("curl", *common, *user, "--ssl-reqd", "pop3://localhost:%d/1" % suite.ports["pop3"]).stdout
    assert "\n.a line that begins" in run("curl", *common, *user, "imaps://localhost:%d/INBOX;MAILINDEX=1" % suite.ports["imaps"]).stdout
    assert "\n.a line that begins" in run("curl", *common, *user, "--ssl-reqd", "imap://localhost:%d/INBOX;MAILINDEX=1" % suite.ports["imap"]).stdout


def test_msmtp_submits(suite, directory):
    conf = directory / "msmtprc"
    conf.write_text("account default\nhost localhost\nport %d\ntls on\ntls_starttls on\ntls_trust_file %s\nauth on\n"
                    "user alice@example.test\npassword %s\nfrom alice@example.test\n" % (suite.ports["submission"], suite.certificate, PASSWORDS["alice"]))
    conf.chmod(0o600)
    run("msmtp", "-C", conf, "bob@example.test", input=(TEXT % "by msmtp").replace("\r\n", "\n"))
    wait_until(lambda: len(suite.messages("bob")) == 1)


def test_sendmail_completes_a_message_and_takes_recipients_from_its_header(suite):
    suite.command("sendmail", "-t", "-F", "A Daemon", "-f", "alice@example.test",
                  input="To: bob\nBcc: alice\nSubject: by sendmail\n\nhello\n.\n")
    wait_until(lambda: len(suite.messages("bob")) == 1 and len(suite.messages("alice")) == 1)
    message = suite.messages("bob")[0]
    for wanted in (b"\nDate: ", b"\nMessage-ID: <", b"\nFrom: A Daemon <alice@example.test>", b"\nSubject: by sendmail"):
        assert wanted in message, wanted
    assert b"Bcc" not in message
    assert message.endswith(b"\nhello\n"), "a dot alone ends the message"
    suite.command("sendmail", "-i", "bob@example.test", input="Subject: with a dot\n\n.\nbehind the dot\n")
    wait_until(lambda: any(m.endswith(b"\n.\nbehind the dot\n") for m in suite.messages("bob")))


def test_sendmail_bs_speaks_smtp(suite):
    done = suite.command("sendmail", "-bs", input="EHLO x\r\nMAIL FROM:<alice@example.test>\r\nRCPT TO:<bob@example.test>\r\n"
                                                  "DATA\r\nSubject: bs\r\n\r\nhello\r\n.\r\nQUIT\r\n")
    assert done.stdout.splitlines()[0].startswith("220 ")
    assert done.stdout.splitlines()[-1].startswith("221 ")
    wait_until(lambda: len(suite.messages("bob")) == 1)


def test_sendmail_tells_what_was_refused(suite):
    done = suite.command("sendmail", "nobody@example.test", input="Subject: x\n\nx\n", check=False)
    assert done.returncode == 69
    assert "nobody@example.test" in done.stderr and "5.1.1" in done.stderr


# --- POP3 -------------------------------------------------------------------------


def test_poplib_reads_and_deletes(suite):
    deliver(suite, 3)
    c = poplib.POP3_SSL("localhost", suite.ports["pop3s"], context=suite.tls_context())
    c.user("bob@example.test")
    c.pass_(PASSWORDS["bob"])
    count, octets = c.stat()
    assert count == 3
    assert sum(int(entry.split()[1]) for entry in c.list()[1]) == octets
    uids = [entry.split()[1] for entry in c.uidl()[1]]
    assert len(set(uids)) == 3
    assert b"Subject: number 1" in c.retr(2)[1]
    assert b".a line that begins with a dot" in c.retr(2)[1]
    assert c.top(1, 1)[1][-1] == b".a line that begins with a dot"
    c.dele(1)
    c.rset()
    c.dele(2)
    c.quit()
    c = poplib.POP3("localhost", suite.ports["pop3"])
    assert "STLS" in c.capa()
    c.stls(context=suite.tls_context())
    c.user("bob@example.test")
    c.pass_(PASSWORDS["bob"])
    assert [entry.split()[1] for entry in c.uidl()[1]] == [uids[0], uids[2]], "identifiers stay"
    c.quit()


def test_fetchmail_fetches_everything_and_leaves_nothing(suite, directory):
    deliver(suite, 5)
    home = directory / "home"
    home.mkdir()
    rc = home / "fetchmailrc"
    rc.write_text('poll localhost service %d protocol pop3 user "bob@example.test" password "%s" ssl sslcertfile %s '
                  'mda "cat >> %s/fetched"\n' % (suite.ports["pop3s"], PASSWORDS["bob"], suite.certificate, home))
    rc.chmod(0o600)
    run("fetchmail", "-f", rc, "--nosyslog", "--pidfile", home / "pid", "-i", home / "ids", env=dict(os.environ, HOME=str(home)))
    assert (home / "fetched").read_text().count("Subject: number") == 5
    wait_until(lambda: suite.messages("bob") == [])


# --- IMAP -------------------------------------------------------------------------


@pytest.fixture
def imap(suite):
    c = imaplib.IMAP4_SSL("localhost", suite.ports["imaps"], ssl_context=suite.tls_context())
    c.login("bob@example.test", PASSWORDS["bob"])
    yield c
    try:
        c.logout()
    except imaplib.IMAP4.abort:
        pass


def ok(answer):
    assert answer[0] == "OK", answer
    return answer[1]


def test_imaplib_uses_every_base_command(suite, imap):
    deliver(suite, 3)
    assert ok(imap.select()) == [b"3"]
    assert b"Subject: number 1" in ok(imap.fetch("2", "(RFC822)"))[0][1]
    envelope = ok(imap.fetch("1", "(UID ENVELOPE BODYSTRUCTURE RFC822.SIZE INTERNALDATE)"))[0]
    assert b'"number 0"' in envelope and b'("TEXT" "PLAIN"' in envelope.upper()
    assert ok(imap.search(None, 'SUBJECT "number 2"')) == [b"3"]
    assert ok(imap.search(None, "UNSEEN")) == [b"1 3"]
    ok(imap.store("1", "+FLAGS", r"(\Flagged keyword)"))
    assert b"\\Flagged" in ok(imap.fetch("1", "(FLAGS)"))[0] and b"keyword" in ok(imap.fetch("1", "(FLAGS)"))[0]
    ok(imap.create("Archive"))
    ok(imap.create('"Archive/2026"'))
    ok(imap.subscribe("Archive"))
    assert any(line.rstrip(b'"').endswith(b"Archive") for line in ok(imap.lsub()))
    ok(imap.copy("1:2", "Archive"))
    assert b"MESSAGES 2" in ok(imap.status("Archive", "(MESSAGES UNSEEN UIDNEXT UIDVALIDITY RECENT)"))[0]
    ok(imap.append("Archive", r"(\Seen)", imaplib.Time2Internaldate(1000000000), (TEXT % "appended").encode()))
    assert b"MESSAGES 3" in ok(imap.status("Archive", "(MESSAGES)"))[0]
    ok(imap.rename("Archive", "Old"))
    names = [line.decode().rsplit(" ", 1)[1].strip('"') for line in ok(imap.list())]
    assert sorted(names) == ["INBOX", "Old", "Old/2026"]
    ok(imap.store("2", "+FLAGS", r"\Deleted"))
    assert ok(imap.expunge()) == [b"2"]
    assert ok(imap.search(None, "ALL")) == [b"1 2"]
    ok(imap.select("Old"))
    assert ok(imap.search(None, "SUBJECT", "appended")) == [b"3"]
    assert b"09-Sep-2001" in ok(imap.fetch("3", "(INTERNALDATE)"))[0] or b" 9-Sep-2001" in ok(imap.fetch("3", "(INTERNALDATE)"))[0]
    ok(imap.check())
    ok(imap.close())
    ok(imap.delete("Old/2026"))
    ok(imap.delete("Old"))
    assert imap.select("Old")[0] == "NO"


def test_new_mail_is_told_in_idle(suite, imap):
    ok(imap.select())
    imap.send(b"x IDLE\r\n")
    assert imap.readline().startswith(b"+")
    deliver(suite)
    imap.sock.settimeout(20 * SLOW)
    while True:
        line = imap.readline()
        assert line, "the server closed the connection"
        if line.strip() == b"* 1 EXISTS":
            break
    imap.send(b"DONE\r\n")
    while not imap.readline().startswith(b"x OK"):
        pass


def test_uids_and_flags_survive_a_restart(suite, imap):
    deliver(suite, 3)
    ok(imap.select())
    ok(imap.store("2", "+FLAGS", r"\Answered"))
    validity = imap.response("UIDVALIDITY")[1]
    before = ok(imap.fetch("1:*", "(UID FLAGS)"))
    suite.stop()
    suite.start()
    with imaplib.IMAP4_SSL("localhost", suite.ports["imaps"], ssl_context=suite.tls_context()) as again:
        again.login("bob@example.test", PASSWORDS["bob"])
        ok(again.select())
        assert again.response("UIDVALIDITY")[1] == validity
        def without_recent(lines):
            return [line.replace(b"\\Recent", b"").replace(b"( ", b"(").replace(b" )", b")") for line in lines]
        assert without_recent(ok(again.fetch("1:*", "(UID FLAGS)"))) == without_recent(before)


def test_mbsync_syncs_both_ways_and_changes_nothing_the_second_time(suite, directory):
    deliver(suite, 10)
    local = directory / "local"
    local.mkdir()
    conf = directory / "mbsyncrc"
    conf.write_text("""
IMAPAccount petrel
Host localhost
Port %d
User bob@example.test
Pass "%s"
SSLType IMAPS
CertificateFile %s
SystemCertificates no

IMAPStore remote
Account petrel

MaildirStore local
Path %s/
Inbox %s/INBOX
SubFolders Verbatim

Channel all
Far :remote:
Near :local:
Patterns *
Create Both
Remove Both
Expunge Both
SyncState *
""" % (suite.ports["imaps"], PASSWORDS["bob"], suite.certificate, local, local))
    environment = dict(os.environ, HOME=str(directory))
    run("mbsync", "-c", conf, "-a", env=environment)
    near = mailbox.Maildir(str(local / "INBOX"), create=False)
    assert len(near) == 10
    key = sorted(near.keys())[0]
    message = near[key]
    message.add_flag("F")
    near[key] = message
    near.add("Subject: written here\n\nnew\n")
    near.flush()
    run("mbsync", "-c", conf, "-a", env=environment)
    assert len(suite.messages("bob")) == 11
    with imaplib.IMAP4_SSL("localhost", suite.ports["imaps"], ssl_context=suite.tls_context()) as c:
        c.login("bob@example.test", PASSWORDS["bob"])
        c.select()
        assert len(ok(c.search(None, "FLAGGED"))[0].split()) == 1
        assert len(ok(c.search(None, "SUBJECT", '"written here"'))[0].split()) == 1
    files = sorted(str(p) for p in suite.mailbox("bob").rglob("*") if p.is_file() and p.parent.name in ("cur", "new"))
    near_files = sorted(str(p) for p in local.rglob("*") if p.parent.name in ("cur", "new"))
    run("mbsync", "-c", conf, "-a", env=environment)
    assert files == sorted(str(p) for p in suite.mailbox("bob").rglob("*") if p.is_file() and p.parent.name in ("cur", "new"))
    assert near_files == sorted(str(p) for p in local.rglob("*") if p.parent.name in ("cur", "new"))


def test_mutt_reads_a_mailbox_and_deletes_from_it(suite, directory):
    deliver(suite, 3)
    rc = directory / "muttrc"
    rc.write_text('set folder="imaps://localhost:%d/"\nset imap_user="bob@example.test"\nset imap_pass="%s"\n'
                  'set certificate_file=%s\nset ssl_verify_host=no\nset ssl_usesystemcerts=no\nset header_cache=""\nset delete=yes\nset quit=yes\nset confirmappend=no\n'
                  'set wait_key=no\nset sort=mailbox-order\n'
                  % (suite.ports["imaps"], PASSWORDS["bob"], suite.certificate))
    environment = dict(os.environ, HOME=str(directory), TERM="vt100", LC_ALL="C")
    script = 'push "<delete-pattern>~s \\"number 1\\"<enter><sync-mailbox><quit>"'
    run("script", "-qec", "mutt -F %s -f imaps://localhost:%d/INBOX -e '%s'" % (rc, suite.ports["imaps"], script), "/dev/null",
        env=environment, stdin=subprocess.DEVNULL)
    wait_until(lambda: len(suite.messages("bob")) == 2)
    assert not any(b"number 1" in m for m in suite.messages("bob"))


# --- control ------------------------------------------------------------------------


def test_trace_shows_every_line_of_a_messages_life_in_order(suite):
    deliver(suite)
    def events():
        done = suite.petrel("trace", "bob@example.test", check=False)
        return [line.split(": ", 1)[0].split(" ")[-1] for line in done.stdout.splitlines()]
    wait_until(lambda: len(events()) >= 3)
    lines = suite.petrel("trace", "bob@example.test").stdout.splitlines()
    assert lines == sorted(lines)
    assert any("smtpd[" in line for line in lines) and any("qmgr[" in line and "delivered" in line for line in lines)


def test_queue_list_show_flush_and_delete(suite):
    """A host that refuses connections keeps a message in the queue."""
    suite.path("tables/routes").write_text("far.test smtp:[127.0.0.1]:1\n")
    suite.petrel("reload")
    wait_until(lambda: suite.log_lines("table-read", "routes"))
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
        c.sendmail("alice@example.test", ["x@far.test"], TEXT % "waiting")
    wait_until(lambda: [q for q in suite.queue() if q["state"] == "deferred"])
    [entry] = suite.queue()
    assert entry["sender"] == "alice@example.test"
    assert "x@far.test" in suite.petrel("queue", "list").stdout
    shown = suite.petrel("queue", "show", entry["id"]).stdout
    assert "Subject: waiting" in shown and "x@far.test" in shown
    assert suite.petrel("queue", "list", "--to", "@elsewhere.test").stdout == "The queue is empty.\n"
    suite.petrel("queue", "flush", entry["id"])
    wait_until(lambda: suite.queue()[0]["attempts"] == 2 and suite.queue()[0]["state"] == "deferred")
    suite.petrel("queue", "hold", entry["id"])
    wait_until(lambda: suite.queue()[0]["state"] == "held")
    suite.petrel("queue", "release", entry["id"])
    wait_until(lambda: suite.queue()[0]["state"] != "held")
    suite.petrel("queue", "delete", entry["id"])
    wait_until(lambda: suite.queue() == [])
    assert suite.petrel("queue", "show", entry["id"], check=False).returncode != 0


def test_users_are_added_changed_listed_and_deleted(suite):
    suite.add_user("carol", "first")
    def log_in(password):
        c = poplib.POP3_SSL("localhost", suite.ports["pop3s"], context=suite.tls_context())
        try:
            c.user("carol@example.test")
            c.pass_(password)
            return True
        except poplib.error_proto:
            return False
        finally:
            c.close()
    wait_until(lambda: log_in("first"))
    suite.petrel("user", "passwd", "carol@example.test", input="second\n")
    wait_until(lambda: log_in("second"))
    assert not log_in("first")
    assert "carol@example.test" in [u["account"] for u in suite.petrel_json("user", "list")]
    assert "exists already" in suite.petrel("user", "add", "carol@example.test", input="x\n", check=False).stderr
    suite.petrel("user", "delete", "carol@example.test")
    assert not log_in("second")
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
        c.ehlo()
        c.mail("a@elsewhere.test")
        assert c.rcpt("carol@example.test")[0] == 550
    assert suite.petrel("user", "passwd", "carol@example.test", input="x\n", check=False).returncode == 67


def test_config_shows_what_is_in_force_and_where_it_comes_from(suite):
    out = suite.petrel("config", "queue.journal-segment").stdout
    assert "4M" in out and "petrel.conf:" in out
    rows = {row["name"]: row for row in suite.petrel_json("config")}
    assert rows["queue.expire"]["value"] == "5d" and rows["queue.expire"]["file"] is None
    assert rows["hostname"]["line"] == 1


def test_aliases_reach_their_users(suite):
    suite.path("tables/aliases").write_text("sales: bob@example.test, alice@example.test\nloop: loop2\nloop2: loop\n")
    with smtplib.SMTP("127.0.0.1", suite.ports["mx"]) as c:
        def known():
            c.rset()
            c.mail("a@elsewhere.test")
            return c.rcpt("sales@example.test")[0] == 250
        c.ehlo()
        wait_until(known)
        c.rset()
        c.sendmail("a@elsewhere.test", ["sales@example.test", "bob+tag@example.test"], TEXT % "to sales")
    wait_until(lambda: len(suite.messages("bob")) == 1 and len(suite.messages("alice")) == 1)
    wait_until(lambda: suite.queue() == [])
    assert len(suite.messages("bob")) == 1, "reached twice, delivered once"
