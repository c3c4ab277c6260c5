"""petrel(8): its JSON is JSON, its exit statuses are those of sysexits.h, and commands do not trip over each other."""

import json
import os
import subprocess

import pytest

from suite import PREFIX, SLOW, wait_until


@pytest.fixture
def waiting(suite):
    """A suite with one message in its queue that cannot go anywhere just now."""
    suite.write_conf('resolver.forward 127.0.0.1@1\n')
    suite.petrel("reload")
    suite.command("sendmail", "-f", "alice@example.test", "x@elsewhere.example", input='Subject: with "quotes" and \\\n\nx\n')
    return suite, wait_until(lambda: suite.queue())[0]["id"]


def test_who_adds_an_account_that_exists_is_told_so_before_a_password_is_asked_for(suite):
    done = suite.petrel("user", "add", "alice@example.test", input="", check=False)
    assert (done.returncode, done.stderr) == (65, "petrel: user add: alice@example.test exists already; petrel user passwd changes its password\n")


def test_whatever_is_printed_for_programs_is_json(waiting):
    suite, message = waiting
    for arguments in (["status"], ["check"], ["config"], ["config", "--defaults"], ["config", "tls"], ["queue", "list"], ["queue", "show", message],
                      ["queue", "hold", message], ["queue", "release", "--all"], ["queue", "flush"], ["user", "list"],
                      ["table", "query", "accounts", "alice@example.test"], ["trace", message], ["queue", "delete", message], ["queue", "list"]):
        done = suite.petrel("--json", *arguments)
        json.loads(done.stdout), arguments
        assert done.stderr == "", arguments
    broken = suite.conf.read_text() + "bogus 1\n"
    suite.conf.write_text(broken)
    done = suite.petrel("--json", "check", check=False)
    assert done.returncode == 78
    assert "bogus" in json.loads(done.stdout)[0]["text"]


@pytest.mark.parametrize("arguments, status", [
    (["bogus"], 64), ([], 64), (["status", "x"], 64), (["queue"], 64), (["queue", "delete"], 64), (["queue", "show", "x"], 64),
    (["user", "add", "no-address"], 65), (["user", "passwd", "nobody@example.test"], 67), (["user", "delete", "nobody@example.test"], 67),
    (["trace", "nobody@nowhere.test"], 66), (["table", "query", "accounts", "nobody"], 66), (["config", "bogus"], 64), (["start"], 69),
])
def test_exit_statuses_say_what_went_wrong(suite, arguments, status):
    done = suite.petrel(*arguments, check=False, input="a password\n")
    assert done.returncode == status, (done.stdout, done.stderr)
    assert done.stderr.startswith(("petrel: ", "usage: "))


def test_of_many_who_add_the_same_account_at_once_one_succeeds(suite):
    line = [str(PREFIX / "sbin/petrel"), "-c", str(suite.conf), "user", "add"]
    started = [subprocess.Popen(line + ["race%d@example.test" % (i % 4)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
               for i in range(16)]
    for p in started:
        p.communicate(b"a password\n", timeout=60 * SLOW)
    assert sorted(p.returncode for p in started) == [0] * 4 + [65] * 12
    accounts = suite.path("tables/accounts").read_text().split()
    assert sorted(accounts) == sorted(["alice@example.test", "bob@example.test"] + ["race%d@example.test" % i for i in range(4)])
    assert len(suite.path("auth/credentials").read_text().splitlines()) == 6


def test_an_account_whose_password_cannot_be_taken_away_is_not_deleted(suite):
    credentials = suite.path("auth/credentials")
    credentials.rename(suite.path("auth/away"))
    credentials.mkdir()
    done = suite.petrel("user", "delete", "bob@example.test", check=False)
    assert done.returncode == 73
    assert "bob@example.test" in suite.path("tables/accounts").read_text()
    credentials.rmdir()
    os.rename(suite.path("auth/away"), credentials)
    suite.petrel("user", "delete", "bob@example.test")
    assert "bob@example.test" not in suite.path("tables/accounts").read_text()
    assert "bob@example.test" not in credentials.read_text()


@pytest.mark.root
def test_who_may_not_read_the_accounts_is_told_so(suite):
    suite.path("tables/accounts").chmod(0o600)
    done = suite.petrel("user", "list", check=False, as_user="nobody")
    assert done.returncode == 66
    assert "Permission denied" in done.stderr
