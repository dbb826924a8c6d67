"""The appliance says its own wake and stop words in simulated rooms; `make bench-own-voice` is the long run."""

from itertools import islice

import pytest

from appliance.models import ModelStore
from tools.bench_own_voice import hear_itself, scenes

pytestmark = pytest.mark.model

ROOMS = 30
"""Of 2 minutes, an hour: three loudspeakers, four levels, no noise or one of two levels, a cold start each."""


def test_it_neither_wakes_nor_stops_itself(store: ModelStore) -> None:
    heard = {scene.name: hear_itself(scene) for scene in islice(scenes(0), ROOMS)}
    assert heard == {f"room {number}": [] for number in range(ROOMS)}
