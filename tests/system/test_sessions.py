"""Users' session processes: from the parent's rights to the mailbox, and what goes wrong on the way."""

import os
import poplib

import pytest

from suite import PASSWORDS, wait_until


def pop3(suite):
    c = poplib.POP3_SSL("localhost", suite.ports["pop3s"], context=suite.tls_context())
    c.user("alice@example.test")
    c.pass_(PASSWORDS["alice"])
    return c


def test_a_home_that_cannot_be_opened_is_told_in_the_log_and_the_client_is_not_kept_waiting(suite):
    domain = suite.path("mail/example.test")
    domain.mkdir(exist_ok=True)
    st = os.stat(suite.path("mail"))
    os.chown(domain, st.st_uid, st.st_gid)
    (domain / "alice").write_text("this is no directory")
    with pytest.raises((poplib.error_proto, OSError, EOFError)):
        c = pop3(suite)
        c.stat()
    wait_until(lambda: suite.log_lines("cannot-open-home", "account=alice@example.test", "Not a directory"))
    (domain / "alice").unlink()
    c = pop3(suite)
    assert c.stat() == (0, 0)
    c.quit()


def test_a_new_users_home_belongs_to_the_mailboxes_owner(suite):
    c = pop3(suite)
    c.quit()
    owner = os.stat(suite.path("mail"))
    for name in ("example.test", "example.test/alice"):
        st = os.stat(suite.path("mail") / name)
        assert (st.st_uid, st.st_gid, st.st_mode & 0o777) == (owner.st_uid, owner.st_gid, 0o700), name
