"""What SECURITY.md promises is checked by tests that exist."""

import re

import pytest

from appliance.config_files import PROJECT

NAMED = re.findall(r"`(test_\w+)::(test_\w+)`", (PROJECT / "SECURITY.md").read_text(encoding="utf-8"))


def test_promises_name_tests() -> None:
    assert len(NAMED) >= 25


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_each_named_test_is_there(file: str, name: str) -> None:
    assert re.search(rf"^ *def {name}\(", (PROJECT / "tests" / f"{file}.py").read_text(encoding="utf-8"), re.MULTILINE)
