"""Python's search for reference cycles rests while something large is made."""

import gc

from appliance import garbage
from appliance.understanding.home_file import HomeConfig
from appliance.understanding.language import Language
from appliance.understanding.taught import taught


def test_it_rests_until_the_outermost_is_done() -> None:
    with garbage.put_off():
        with garbage.put_off():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_making_a_language_and_what_is_learned_from_it_is_not_held_up_by_it() -> None:
    searched: list[str] = []
    gc.callbacks.append(lambda phase, info: searched.append(phase))
    try:
        gc.collect()
        assert searched, "searches are noticed"
        searched.clear()
        known = Language.built_in("en", HomeConfig())
        taught(known, None, None)
        known.warm_up()
    finally:
        gc.callbacks.pop()
    assert len(searched) <= 6, "one between two steps, at most"
    assert gc.isenabled()
