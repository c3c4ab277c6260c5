"""Two hosts, a.test and b.test, that find each other by the DNS."""

import email
import smtplib
import subprocess
import textwrap

import pytest

from network import Network
from suite import PASSWORDS, SERVICES, wait_until

pytestmark = pytest.mark.root

PORTS = dict(zip(SERVICES, (25, 587, 465, 143, 993, 110, 995)))


@pytest.fixture
def network(directory):
    (directory / "dns").mkdir()
    n = Network(directory / "dns")
    yield n
    n.close()


@pytest.fixture
def hosts(network, make_suite):
    zones, made = {}, {}
    for name in ("a", "b"):
        namespace, address = network.add_host(name)
        zones[name + ".test"] = "@ MX 10 mail\nmail A %s\n" % address
        made[name] = dict(name=name, domain=name + ".test", hostname="mail.%s.test" % name, address=address, namespace=namespace, ports=PORTS)
    zones["null.test"] = "@ MX 0 .\n"
    zones["implicit.test"] = "@ A %s\n" % made["b"]["address"]
    network.serve(zones)
    common = "resolver.forward %s\nqueue { retry-first 1s; retry-longest 2s }\ndelivery.connect-timeout 2s\n" % network.dns
    a = make_suite(extra=common, users=("alice",), **made["a"])
    b = make_suite(start=False, extra=common + "smtp.relay-networks none\n", users=("bob",), **{**made["b"], "domain": "b.test implicit.test"})
    b.domain = "b.test"
    return a, b


def send(host, sender, recipients, subject="hello", login="alice@a.test", password=PASSWORDS["alice"]):
    """Submit with authentication over TLS, from inside the host's namespace, by Python's client."""
    script = textwrap.dedent("""
        import smtplib, ssl, sys
        c = smtplib.SMTP(%r, 587)
        c.starttls(context=ssl._create_unverified_context())
        c.login(%r, %r)
        c.sendmail(%r, %r, "From: alice\\r\\nSubject: %s\\r\\n\\r\\nfrom a to b\\r\\n")
        c.quit()
    """ % (host.address, login, password, sender, recipients, subject))
    subprocess.run(["ip", "netns", "exec", host.namespace, "python3", "-c", script], check=True, timeout=60)


def reports(host, user):
    return [m for m in map(email.message_from_bytes, host.messages(user)) if m.get_content_type() == "multipart/report"]


def delivery_fields(report):
    part = [p for p in report.walk() if p.get_content_type() == "message/delivery-status"][0]
    blocks = part.get_payload()
    return blocks[0], blocks[1:]


def test_a_host_that_is_down_gets_its_mail_when_it_comes_up(hosts):
    a, b = hosts
    send(a, "alice@a.test", ["bob@b.test"])
    wait_until(lambda: [q for q in a.queue() if q["state"] == "deferred" and q["attempts"] >= 1])
    [entry] = a.queue()
    assert entry["recipients"][0]["address"] == "bob@b.test"
    assert "refused" in entry["recipients"][0]["reason"].lower()
    b.start()
    wait_until(lambda: len(b.messages("bob")) == 1, 30)
    wait_until(lambda: a.queue() == [])
    message = b.messages("bob")[0]
    assert b"from a to b" in message
    assert message.count(b"Received: ") == 2
    wait_until(lambda: b.log_lines("from=alice@a.test"))  # b knows from whom it was
    wait_until(lambda: a.log_lines("delivered", "to=bob@b.test", "mail.b.test["))  # a says which host took it


def test_the_hosts_speak_tls_with_each_other_where_it_is_offered(hosts):
    a, b = hosts
    b.start()
    send(a, "alice@a.test", ["bob@b.test"])
    wait_until(lambda: len(b.messages("bob")) == 1)
    assert b"with ESMTPS" in b.messages("bob")[0]


def test_an_unknown_user_bounces_with_a_report_that_a_person_can_read(hosts):
    a, b = hosts
    b.start()
    send(a, "alice@a.test", ["nobody@b.test", "bob@b.test"], subject="to two")
    wait_until(lambda: len(b.messages("bob")) == 1)
    wait_until(lambda: reports(a, "alice"))
    [report] = reports(a, "alice")
    assert report["To"] == "alice@a.test" or "alice@a.test" in report["To"]
    assert report["Auto-Submitted"].startswith("auto-replied")
    text = [p for p in report.walk() if p.get_content_type() == "text/plain"][0].get_payload()
    assert "nobody@b.test" in text
    assert "550" in text, "what the other side said"
    per_message, recipients = delivery_fields(report)
    assert per_message["Reporting-MTA"] == "dns; mail.a.test"
    assert len(recipients) == 1
    assert recipients[0]["Final-Recipient"].endswith("nobody@b.test")
    assert recipients[0]["Action"] == "failed"
    assert recipients[0]["Status"] == "5.1.1"
    assert recipients[0]["Diagnostic-Code"].startswith("smtp; 550")
    returned = [p for p in report.walk() if p.get_content_type() in ("text/rfc822-headers", "message/rfc822")]
    assert "to two" in returned[0].as_string()
    wait_until(lambda: a.queue() == [])


def test_after_expiry_the_sender_is_told(hosts):
    a, _ = hosts
    a.write_conf(a.extra.replace("queue {", "queue { expire 4s;"))
    a.petrel("reload")
    send(a, "alice@a.test", ["bob@b.test"])
    wait_until(lambda: reports(a, "alice"), 40)
    _, recipients = delivery_fields(reports(a, "alice")[0])
    assert recipients[0]["Action"] == "failed"
    assert recipients[0]["Final-Recipient"].endswith("bob@b.test")
    wait_until(lambda: a.queue() == [])
    assert len(reports(a, "alice")) == 1


def test_null_mx_and_missing_domains_bounce_at_once_and_an_implicit_mx_is_used(hosts):
    a, b = hosts
    b.start()
    b.add_user("bob@implicit.test", "secret")
    send(a, "alice@a.test", ["x@null.test", "x@missing.b.test", "bob@implicit.test"])
    wait_until(lambda: len(list((b.path("mail") / "implicit.test/bob/Maildir/new").glob("*"))) == 1)
    def statuses():
        return sorted(block["Status"] for r in reports(a, "alice") for block in delivery_fields(r)[1])
    wait_until(lambda: statuses() == ["5.1.10", "5.1.2"])


def test_a_bounce_that_cannot_be_delivered_is_never_bounced_again(hosts):
    a, b = hosts
    b.start()
    a.command("sendmail", "-f", "gone@b.test", "gone@b.test", input="Subject: both ends are gone\n\nx\n")
    wait_until(lambda: a.log_lines("bounce"))
    wait_until(lambda: a.queue() == [], 30)
    assert b.messages("bob") == []


def test_strangers_cannot_relay(hosts):
    a, b = hosts
    b.start()
    script = textwrap.dedent("""
        import smtplib
        c = smtplib.SMTP(%r, 25)
        c.ehlo(); c.mail("spammer@a.test")
        code, text = c.rcpt("victim@a.test")
        assert code == 554 and text.startswith(b"5.7.1"), (code, text)
        code, text = c.rcpt("nobody@b.test")
        assert code == 550 and text.startswith(b"5.1.1"), (code, text)
        code, text = c.rcpt("bob@b.test")
        assert code == 250, (code, text)
    """ % b.address)
    subprocess.run(["ip", "netns", "exec", a.namespace, "python3", "-c", script], check=True, timeout=60)
