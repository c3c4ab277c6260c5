import os
import pathlib
import shutil
import tempfile

import pytest

from suite import Suite, make_certificate


def pytest_configure(config):
    config.addinivalue_line("markers", "root: needs root")


def pytest_collection_modifyitems(items):
    for item in items:
        if item.get_closest_marker("root") and os.geteuid() != 0:
            item.add_marker(pytest.mark.skip(reason="needs root"))


@pytest.fixture
def directory():
    """A short path that processes of other users can reach (a socket's name is limited, and so are they)."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="petrel-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    path = pathlib.Path(tempfile.mkdtemp(prefix="petrel-cert-"))
    path.chmod(0o755)
    yield make_certificate(path)
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture
def make_suite(directory, certificate, request):
    """Make suites that are stopped, and their logs shown, at the end of the test."""
    made = []

    def make(name="a", start=True, **how):
        below = directory / name
        below.mkdir()
        below.chmod(0o755)
        how.setdefault("certificate", certificate)
        s = Suite(below, **how)
        made.append(s)
        return s.start() if start else s

    yield make
    troubles = []
    for s in made:
        try:
            s.stop()
        except AssertionError as e:
            troubles.append(str(e))
        print("--- log of", s.directory)
        print(s.log()[-20000:])
        print("--- standard error of", s.directory)
        if (s.directory / "stderr").exists():
            print(s.stderr()[-5000:])
        crashed = [line for line in s.log().splitlines() if "signal=" in line and "Killed" not in line]
        crashed += [line for line in (s.stderr() if (s.directory / "stderr").exists() else "").splitlines()
                    if "Sanitizer" in line or "runtime error" in line]
        troubles += crashed
    assert not troubles, troubles


@pytest.fixture
def suite(make_suite):
    return make_suite()
