"""What SECURITY.md and docs/faults.md promise is checked by tests that exist."""

import re

import pytest

from appliance.config_files import PROJECT

PAGES = ("SECURITY.md", "docs/faults.md")
NAMED = [
    name
    for page in PAGES
    for name in re.findall(r"`(test_\w+)::(test_\w+)`", (PROJECT / page).read_text(encoding="utf-8"))
]


def test_promises_name_tests() -> None:
    assert len(NAMED) >= 90


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_each_named_test_is_there(file: str, name: str) -> None:
    assert re.search(rf"^ *def {name}\(", (PROJECT / "tests" / f"{file}.py").read_text(encoding="utf-8"), re.MULTILINE)
