"""Names, areas and ids of learned devices, when they are taken over, and how they are kept and listed."""

import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance import learned_devices
from appliance.cli import main
from appliance.config import Config, Home
from appliance.config_files import LoadedConfig
from appliance.errors import StageError
from appliance.facts import Fact
from appliance.home.announced import UNNAMED, Thing
from appliance.home.learned import LEARNED_MAX, LearnedHome, with_learned
from appliance.learning import AT_MOST_EVERY_FRAMES, GONE_AFTER_FRAMES, QUIET_FRAMES, THINGS_MAX, Learning
from appliance.understanding import home_file
from appliance.understanding.home_file import Device, HomeConfig
from appliance.understanding.language import Language

OWN = home_file.parse(
    """
areas:
  - {id: kitchen, name: kitchen, aliases: [galley]}
devices:
  - {id: lamp, name: desk lamp, kind: light, area: kitchen, topic: home/lamp/set}
""",
    "home.yaml",
)


def thing(key: str, entity: str = "", owner: str = "", area: str = "", **device: object) -> Thing:
    commands = {"kind": "light", "topic": f"{key}/set"} | device
    return Thing(
        key=key,
        entity=entity,
        owner=owner,
        area=area,
        device=Device(id=UNNAMED, name="", **commands),  # type: ignore[arg-type]
    )


def learned(*things: Thing, refused: tuple[str, ...] = (), home: HomeConfig = OWN) -> LearnedHome:
    return with_learned(home, things, refused, lambda text: text.replace("2", "two"))


@pytest.mark.parametrize(
    ("found", "names"),
    [
        (thing("a", "Reading light"), ("reading light",)),
        (thing("a", "", "kitchen_light"), ("kitchen light",)),
        (thing("a", "", "hall/Ceiling.Lamp2"), ("hall ceiling lamp two",)),
        (thing("a", "Light", "Bath"), ("bath light",)),
        (thing("a", "Fan", "Bath"), ("bath fan",)),
        (thing("a", "Ceiling", "Study node"), ("ceiling", "study node ceiling")),
        (thing("a", "Ceiling", "x9!", area="Study"), ("ceiling", "study ceiling")),
        (thing("a", "Küchenlicht"), ("küchenlicht",)),
        (thing("a", "Tasmota", "Tasmota"), ("tasmota",)),
    ],
)
def test_names_as_they_are_said(found: Thing, names: tuple[str, ...]) -> None:
    [(_, device)] = learned(found).taken
    assert (device.name, *device.aliases) == names
    assert device.topic == "a/set"


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        (thing("a", "0x00158d0001"), "cannot be spoken"),
        (thing("a"), "cannot be spoken"),
        (thing("a", "Light"), "cannot be spoken"),
        (thing("a", "one two three four five six seven"), "cannot be spoken"),
        (thing("a", "Desk lamp"), "is the name of lamp"),
        (thing("a", "Another", topic="home/lamp/set"), "the home file has it: lamp"),
        (thing("a", "Permit join"), "refused by home.refuse"),
    ],
)
def test_what_is_left_out_and_why(found: Thing, reason: str) -> None:
    result = learned(found, refused=("permit_join",))
    [(_, told)] = result.left_out
    assert reason in told
    assert result.home == OWN


def test_two_of_one_name_are_told_apart_or_left_out() -> None:
    both = learned(thing("a", "Ceiling", "North"), thing("b", "Ceiling", "South"))
    assert [device.name for _, device in both.taken] == ["north ceiling", "south ceiling"]
    rooms = learned(thing("a", "Ceiling", area="Bath"), thing("b", "Ceiling", area="Hall"))
    assert [device.name for _, device in rooms.taken] == ["bath ceiling", "hall ceiling"]
    same = learned(thing("a", "Ceiling"), thing("b", "Ceiling"))
    assert [reason for _, reason in same.left_out] == ["'ceiling' is announced more than once"] * 2


def test_areas_are_the_owners_or_new() -> None:
    result = learned(thing("a", "One", area="Galley"), thing("b", "Two", area="Attic"), thing("c", "Three", area="All"))
    assert [device.area for _, device in result.taken] == ["kitchen", "attic", "all_2"]
    assert [area.name for area in result.home.areas] == ["kitchen", "attic", "all"]


def test_a_learned_light_is_a_sentence_and_belongs_to_its_room() -> None:
    home = learned(thing("a", "", "kitchen_light", area="Kitchen"), thing("b", "Spots", area="Attic")).home
    language = Language.built_in("en", home)
    found = language.match("turn on the kitchen light")
    assert found is not None
    assert found.values == {"device": "kitchen_light"}
    found = language.match("turn off the lights in the attic")
    assert found is not None
    assert [device.topic for device in home.lights_in(str(found.values["area"]))] == ["b/set"]


def test_so_many_and_no_more() -> None:
    names = [f"{a}{b} light" for a in "abcdefghijklmnopqrstuvwxyz" for b in "abcdefghij"]
    result = learned(*(thing(name, name) for name in names))
    assert len(result.taken) == LEARNED_MAX
    assert len(result.left_out) == len(names) - LEARNED_MAX


NAMES = st.sampled_from(
    ["Light", "Lamp 2", "kitchen_light", "Kitchen", "all", "0x1", "", "Desk lamp", "'", "ä ö", "é-è"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(NAMES, NAMES, NAMES), max_size=8))
def test_whatever_they_are_called_the_home_stays_whole(named: list[tuple[str, str, str]]) -> None:
    things = [thing(f"t{number}", *names) for number, names in enumerate(named)]
    result = learned(*things)
    assert learned(*reversed(things)) == result, "in any order"
    assert len(result.taken) + len(result.left_out) == len(things)
    said = [name for device in result.home.devices for name in (device.name, *device.aliases)]
    assert len(set(said)) == len(said), "every name is one thing"
    assert len({device.id for device in result.home.devices}) == len(result.home.devices)
    assert {device.area for device in result.home.devices} <= {area.id for area in result.home.areas} | {""}
    assert result.home.devices[0] == OWN.devices[0]


class Taken:
    """What was taken over, in which frame."""

    def __init__(self, *known: Thing) -> None:
        self.calls: list[tuple[int, list[str]]] = []
        self.learning = Learning(known, self._learn)

    def _learn(self, things: tuple[Thing, ...], frame: int) -> Fact | None:
        self.calls.append((frame, [thing.key for thing in things]))
        return None

    def run(self, first: int, end: int) -> None:
        for frame in range(first, end):
            self.learning.step(frame)


def test_a_burst_is_taken_over_once_when_it_is_over() -> None:
    taken = Taken()
    for frame in range(0, 100, 10):
        taken.learning.heard(f"t{frame:02}", (thing(f"t{frame:02}"),), frame)
        taken.run(frame, frame + 10)
    taken.run(100, 1000)
    assert taken.calls == [(90 + QUIET_FRAMES, [f"t{frame:02}" for frame in range(0, 100, 10)])]


def test_what_changes_nothing_is_not_taken_over_and_what_changes_often_not_often() -> None:
    taken = Taken(thing("a"), thing("b#x"), thing("b#y"))
    taken.learning.heard("a", (thing("a"),), 5)
    taken.learning.heard("b", (thing("b#x"), thing("b#y")), 6)
    taken.run(0, 1000)
    assert taken.calls == []
    for frame in range(1000, 20_000, 200):
        taken.learning.heard("a", (thing("a", f"{frame}"),), frame)
        taken.run(frame, frame + 200)
    assert len(taken.calls) == pytest.approx(19_000 / AT_MOST_EVERY_FRAMES, abs=1)


def test_taken_back_or_never_announced_again_it_is_gone() -> None:
    taken = Taken(thing("a"), thing("b"), thing("c"))
    taken.run(0, 2 * GONE_AFTER_FRAMES)
    assert taken.calls == [], "no broker: what was known stays"
    taken.learning.heard("a", (thing("a"),), 2 * GONE_AFTER_FRAMES)
    taken.learning.heard("b", (), 2 * GONE_AFTER_FRAMES)
    taken.run(2 * GONE_AFTER_FRAMES, 4 * GONE_AFTER_FRAMES)
    assert [keys for _, keys in taken.calls] == [["a", "c"], ["a"]]


def test_a_flood_is_bounded() -> None:
    taken = Taken()
    for number in range(3 * THINGS_MAX):
        taken.learning.heard(f"t{number}", (thing(f"t{number}"),), 0)
    taken.run(0, QUIET_FRAMES + 1)
    assert [len(keys) for _, keys in taken.calls] == [THINGS_MAX]


def loaded(state: Path | None, **settings: object) -> LoadedConfig:
    config = Config(home=Home(file="", **settings))  # type: ignore[arg-type]
    return LoadedConfig(config=config, folder=Path(), state=state)


def test_they_are_kept_and_can_be_refused(tmp_path: Path) -> None:
    things = (thing("a", "Reading light", brightness_topic="a/b"), thing("b", "Permit join"))
    learned_devices.write(tmp_path, things)
    assert learned_devices.read(loaded(tmp_path)) == things
    assert [d.id for d in learned_devices.load_home(loaded(tmp_path)).home.devices] == ["reading_light", "permit_join"]
    wanted = learned_devices.load_home(loaded(tmp_path, refuse=["Permit Join"])).home.devices
    assert [device.id for device in wanted] == ["reading_light"]
    assert learned_devices.load_home(loaded(tmp_path, learn=False)).home == HomeConfig()
    assert learned_devices.load_home(loaded(None)).home == HomeConfig()


@pytest.mark.parametrize("content", [b"", b"[", b"[7]", b"\xff", b"[{}]"])
def test_a_damaged_file_is_put_aside(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "learned.json").write_bytes(content)
    assert learned_devices.read(loaded(tmp_path)) == ()
    assert (tmp_path / "learned.damaged").read_bytes() == content
    learned_devices.write(tmp_path, (thing("a", "lamp"),))
    assert len(learned_devices.read(loaded(tmp_path))) == 1


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StageError, match=r"learned.json: cannot be written: .*; look at its folder"):
        learned_devices.write(tmp_path / "file", ())


def test_the_list_says_where_each_comes_from_and_what_is_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    state = tmp_path / "appliance"
    learned_devices.write(state, (thing("ha/light/a/config", "Spots", area="Attic"), thing("ha/x", "\x1b[2J7")))
    file = tmp_path / "appliance.toml"
    file.write_text("[home]\nfile = ''\n")
    assert main(["--config", str(file), "home"]) == 0
    said = capsys.readouterr().out
    assert "spots  light  attic  spots  ha/light/a/config" in " ".join(said.split(" ")).replace("   ", "  ")
    assert "left out: ha/x: '\\x1b[2J7' cannot be spoken" in said
    assert main(["--config", str(file), "home", "--json"]) == 0
    assert [row["id"] for row in map(json.loads, capsys.readouterr().out.splitlines())] == ["spots", ""]
