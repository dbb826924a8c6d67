"""Values that are made when there is time: once, with the error of making them for everyone who waits."""

import threading

import pytest

from appliance.errors import ModelError
from appliance.later import Later


def test_it_is_made_once_and_then_there_for_all() -> None:
    made = []
    later = Later(lambda: made.append(1) or len(made))
    assert not later.is_there
    assert [later.make(), later.make(), later.get()] == [1, 1, 1]
    assert later.is_there


def test_who_asks_too_early_waits_in_his_own_thread() -> None:
    later, got = Later(lambda: "model"), []
    asking = threading.Thread(target=lambda: got.append(later.get()))
    asking.start()
    assert not got
    later.make()
    asking.join(10)
    assert got == ["model"]


def test_an_error_is_everybodys_and_nothing_is_there() -> None:
    def fail() -> str:
        raise ModelError("it is damaged; install it again")

    later = Later(fail)
    for ask in (later.make, later.make, later.get):
        with pytest.raises(ModelError, match="damaged"):
            ask()
    assert not later.is_there
