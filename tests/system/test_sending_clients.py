"""Clients and servers that we did not write send mail to Petrel with all that it offers."""

import asyncio
import email.message
import email.policy
import shutil
import smtplib
import subprocess

import aiosmtplib
import pytest

from postfix import Postfix
from suite import PASSWORDS, SLOW, wait_until
from test_clients import run

IVAN = "иван@почта.рф"
JOERG = "jörg@example.test"


@pytest.fixture
def suite(make_suite):
    return make_suite(users=("alice", "bob", JOERG))


def mail_of(suite, name):
    """The messages that are not reports, and the reports."""
    messages = suite.messages(name)
    return ([m for m in messages if b"multipart/report" not in m], [m for m in messages if b"multipart/report" in m])


# --- Postfix's smtp(8) ----------------------------------------------------------------


@pytest.fixture
def postfix(directory):
    """Start a Postfix that sends to this port, with these settings besides."""
    if shutil.which("postfix") is None:
        pytest.fail("Postfix is missing: see packages.debian")
    made = []

    def make(port, **settings):
        made.append(Postfix(directory / "postfix", port, **settings).start())
        return made[0]

    yield make
    for p in made:
        p.stop()
        print("--- log of Postfix")
        print(p.log()[-10000:])


def by_postfix(p, sender, recipients, content, mail_options=(), rcpt_options=()):
    with smtplib.SMTP("127.0.0.1", p.port) as c:
        c.command_encoding = "utf-8"
        c.ehlo()
        assert c.sendmail(sender, recipients, content, mail_options, rcpt_options) == {}


@pytest.mark.root
def test_postfix_sends_in_a_pipeline_under_tls_that_it_has_verified(suite, postfix):
    p = postfix(suite.ports["mx"], smtp_tls_security_level="secure", smtp_tls_secure_cert_match="localhost",
                smtp_tls_CAfile=suite.certificate, smtp_tls_loglevel=1)
    body = b"".join(b"line %d\r\n" % i for i in range(20000)) + b".\r\n..\r\n.x\r\n"
    for i in range(5):
        by_postfix(p, "carol@elsewhere.test", ["alice@example.test", "bob@example.test"], b"Subject: %d\r\n\r\n" % i + body)
    wait_until(lambda: len(suite.messages("alice")) == len(suite.messages("bob")) == 5, 30)
    assert p.lines("Verified TLS connection established", "TLSv1.3")
    assert len(p.lines("status=sent", "250 2.0.0 Ok: queued as")) == 10
    assert all(m.endswith(body.replace(b"\r\n", b"\n")) and b"with ESMTPS " in m for m in suite.messages("bob"))


@pytest.mark.root
def test_postfix_learns_who_does_not_exist_and_the_others_have_their_mail(suite, postfix):
    p = postfix(suite.ports["mx"])
    by_postfix(p, "alice@example.test", ["nobody@example.test", "bob@example.test"], b"Subject: x\r\n\r\nx\r\n")
    wait_until(lambda: suite.messages("bob"))
    wait_until(lambda: p.lines("to=<nobody@example.test>", "status=bounced", "550 5.1.1"))
    wait_until(lambda: suite.messages("alice"))
    assert b"550 5.1.1" in suite.messages("alice")[0], "its report, by way of Petrel"


@pytest.mark.root
def test_postfix_hands_on_what_is_wanted_of_reports(suite, postfix):
    p = postfix(suite.ports["mx"])
    by_postfix(p, "alice@example.test", ["bob@example.test"], b"Subject: reported\r\n\r\nx\r\n",
               ["RET=HDRS", "ENVID=from+2Bpostfix"], ["NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;robert@elsewhere.test"])
    wait_until(lambda: mail_of(suite, "alice")[1])
    [report] = mail_of(suite, "alice")[1]
    assert b"Original-Envelope-Id: from+postfix\n" in report
    assert b"Original-Recipient: rfc822;robert@elsewhere.test\n" in report
    assert b"Action: delivered\n" in report


@pytest.mark.root
def test_postfix_sends_addresses_in_every_script(suite, postfix):
    p = postfix(suite.ports["mx"], smtputf8_enable="yes")
    content = "From: Иван <иван@почта.рф>\r\nSubject: Größe\r\n\r\nПривет\r\n".encode()
    by_postfix(p, IVAN, [JOERG], content, ["SMTPUTF8", "BODY=8BITMIME"])
    wait_until(lambda: suite.messages("j%c3%b6rg"))
    [message] = suite.messages("j%c3%b6rg")
    assert message.startswith("Return-Path: <иван@xn--80a1acny.xn--p1ai>\n".encode())
    assert b"with UTF8SMTP " in message
    assert "\nSubject: Größe\n".encode() in message and message.endswith("\n\nПривет\n".encode())


@pytest.mark.root
def test_postfix_submits_for_a_user(suite, postfix, directory):
    secrets = directory / "secrets"
    secrets.write_text("[127.0.0.1]:%d alice@example.test:%s\n" % (suite.ports["submission"], PASSWORDS["alice"]))
    p = postfix(suite.ports["submission"], smtp_tls_security_level="encrypt", smtp_sasl_auth_enable="yes",
                smtp_sasl_password_maps="texthash:%s" % secrets, smtp_sasl_security_options="noanonymous")
    by_postfix(p, "alice@example.test", ["bob@example.test"], b"From: alice@example.test\r\nSubject: x\r\n\r\nx\r\n")
    wait_until(lambda: suite.messages("bob"), 30)
    assert b"with ESMTPSA " in suite.messages("bob")[0]


@pytest.mark.root
def test_postfix_waits_for_a_suite_that_is_down_and_loses_nothing(suite, postfix):
    p = postfix(suite.ports["mx"])
    suite.kill()
    by_postfix(p, "carol@elsewhere.test", ["bob@example.test"], b"Subject: x\r\n\r\nx\r\n")
    wait_until(lambda: p.lines("to=<bob@example.test>", "status=deferred"), 30)
    suite.start()
    wait_until(lambda: suite.messages("bob"), 60)


# --- Python ---------------------------------------------------------------------------------


def letter(sender, to, subject="Größe"):
    m = email.message.EmailMessage(policy=email.policy.SMTPUTF8)
    m["From"], m["To"], m["Subject"] = sender, to, subject
    m.set_content("Привет\n", cte="8bit")
    return m


def test_smtplib_sends_a_message_in_every_script(suite):
    with smtplib.SMTP_SSL("localhost", suite.ports["submissions"], context=suite.tls_context()) as c:
        c.login("alice@example.test", PASSWORDS["alice"])
        assert c.send_message(letter("alice@example.test", JOERG)) == {}
    wait_until(lambda: suite.messages("j%c3%b6rg"))
    [message] = suite.messages("j%c3%b6rg")
    assert b"with UTF8SMTPSA " in message and "Subject: Größe\n".encode() in message


def test_aiosmtplib_submits_many_messages_at_once(suite):
    async def send(i):
        async with aiosmtplib.SMTP(hostname="localhost", port=suite.ports["submission"], start_tls=True,
                                   tls_context=suite.tls_context(), username="alice@example.test",
                                   password=PASSWORDS["alice"]) as c:
            assert c.supports_extension("chunking") and c.supports_extension("smtputf8")
            refused, reply = await c.sendmail("alice@example.test", ["bob@example.test", "alice+copy@example.test"],
                                              b"From: alice@example.test\r\nSubject: %d\r\n\r\n.\r\n" % i)
            assert refused == {} and "queued as" in reply

    async def all_of_them():
        await asyncio.gather(*[send(i) for i in range(20)])

    asyncio.run(all_of_them())
    wait_until(lambda: len(suite.messages("bob")) == len(suite.messages("alice")) == 20)
    assert {m.split(b"Subject: ")[1].split(b"\n")[0] for m in suite.messages("bob")} == {b"%d" % i for i in range(20)}


def test_aiosmtplib_under_tls_from_the_start_sends_in_every_script(suite):
    async def send():
        async with aiosmtplib.SMTP(hostname="localhost", port=suite.ports["submissions"], use_tls=True,
                                   tls_context=suite.tls_context()) as c:
            await c.login("alice@example.test", PASSWORDS["alice"])
            return await c.send_message(letter("alice@example.test", JOERG), mail_options=["SMTPUTF8", "BODY=8BITMIME"])

    refused, _ = asyncio.run(send())
    assert refused == {}
    wait_until(lambda: suite.messages("j%c3%b6rg"))


def test_aiosmtplib_hears_what_is_refused(suite):
    async def send(*recipients):
        async with aiosmtplib.SMTP(hostname="127.0.0.1", port=suite.ports["mx"], start_tls=False) as c:
            return await c.sendmail("carol@elsewhere.test", list(recipients), b"Subject: x\r\n\r\nx\r\n")

    refused, _ = asyncio.run(send("nobody@example.test", "bob@example.test"))
    assert list(refused) == ["nobody@example.test"] and refused["nobody@example.test"][0] == 550
    with pytest.raises(aiosmtplib.SMTPRecipientsRefused):
        asyncio.run(send("nobody@example.test"))


# --- commands -----------------------------------------------------------------------------------


def test_curl_sends_in_every_script(suite, directory):
    (directory / "text").write_text("Subject: Größe\n\nПривет\n")
    run("curl", "-sS", "smtp://127.0.0.1:%d" % suite.ports["mx"], "--mail-from", IVAN, "--mail-rcpt", JOERG,
        "-T", directory / "text", "--crlf")
    wait_until(lambda: suite.messages("j%c3%b6rg"))
    assert b"with UTF8SMTP " in suite.messages("j%c3%b6rg")[0]


def test_curl_verifies_an_address_without_being_told(suite):
    done = run("curl", "-sS", "smtp://127.0.0.1:%d" % suite.ports["mx"], "--mail-rcpt", "bob@example.test")
    assert done.stdout.startswith("252 2.0.0 ")


def test_swaks_in_every_way_that_it_knows(suite):
    common = ["swaks", "--server", "127.0.0.1", "--from", "carol@elsewhere.test"]
    mx = [*common, "--port", suite.ports["mx"]]
    run(*mx, "--to", "bob@example.test", "--pipeline", "--tls")
    run(*mx, "--to", "bob@example.test,alice@example.test", "--helo", "[127.0.0.1]")
    run(*mx, "--to", "bob@[127.0.0.1]", "--protocol", "SMTP")
    wait_until(lambda: len(suite.messages("bob")) == 3)
    assert run(*mx, "--to", "nobody@example.test", check=False).returncode == 24, "no recipients"
    assert run(*mx, "--to", "nobody@example.test,bob@example.test", check=False).returncode == 0
    assert run(*mx, "--to", "bob@example.test", "--quit-after", "RCPT").returncode == 0
    assert run(*mx, "--to", "bob@example.test", "--drop-after", "DATA").returncode == 0
    wait_until(lambda: len(suite.messages("bob")) == 4)


def test_msmtp_with_a_certificate_pinned_and_reports_wanted(suite, directory):
    conf = directory / "msmtprc"
    conf.write_text("account default\nhost localhost\nport %d\ntls on\ntls_starttls off\ntls_trust_file %s\nauth plain\n"
                    "user alice@example.test\npassword %s\nfrom alice@example.test\ndsn_notify success\ndsn_return headers\n"
                    % (suite.ports["submissions"], suite.certificate, PASSWORDS["alice"]))
    conf.chmod(0o600)
    run("msmtp", "-C", conf, "bob@example.test", input="From: alice@example.test\nSubject: x\n\n.\nx\n")
    wait_until(lambda: suite.messages("bob") and mail_of(suite, "alice")[1])
    assert suite.messages("bob")[0].endswith(b"\n.\nx\n")
    assert b"Action: delivered\n" in mail_of(suite, "alice")[1][0]


def test_openssl_s_client_speaks_a_whole_session(suite):
    """What a person types; openssl itself says EHLO and STARTTLS."""
    session = ("EHLO person\r\nMAIL FROM:<carol@elsewhere.test>\r\nrcpt to:<bob@example.test>\r\nDATA\r\n"
               "Subject: by hand\r\n\r\nhello\r\n.\r\nQUIT\r\n")
    for port, how in (("mx", ["-starttls", "smtp"]),):
        done = subprocess.run(["openssl", "s_client", "-connect", "localhost:%d" % suite.ports[port], *how, "-CAfile", str(suite.certificate),
                               "-verify_return_error", "-quiet", "-crlf", "-ign_eof"],
                              input=session.replace("\r\n", "\n"), capture_output=True, text=True, timeout=60 * SLOW)
        assert "221 2.0.0" in done.stdout, done.stdout + done.stderr
    wait_until(lambda: suite.messages("bob"))
    assert b"with ESMTPS " in suite.messages("bob")[0]


@pytest.mark.parametrize("sizes", [[1], [4096, 1, 70000]])
def test_smtp_source_sends_as_fast_as_it_can(suite, sizes):
    for size in sizes:
        run("smtp-source", "-s", 10, "-m", 100, "-l", size, "-f", "carol@elsewhere.test", "-t", "bob@example.test",
            "127.0.0.1:%d" % suite.ports["mx"])
    wait_until(lambda: len(suite.messages("bob")) == 100 * len(sizes), 60)
