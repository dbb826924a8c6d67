"""What people say, and what it means."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.config_files import PROJECT
from appliance.errors import ConfigError
from appliance.home.actions import ACTIONS
from appliance.models import ModelStore
from appliance.understanding import home_file
from appliance.understanding.language import Language, Own
from appliance.understanding.language_folder import LanguageFolder
from appliance.understanding.templates import Templates

HOME = home_file.load(PROJECT / "firmware_config" / "home.yaml")

DRINKS = """
language: en
intents:
  order:
    data:
      - sentences:
          - "(i want|i'd like) (a|an) [{size}] {drink} [with {milk}]"
lists:
  size: {values: [small, eight ounce]}
  drink: {values: [coffee, iced coffee]}
  milk: {values: [milk, a bit of milk]}
"""

BUILT_IN = set(ACTIONS)

SAID: list[tuple[str, str, dict[str, Any]]] = [
    ("what time is it", "time_ask", {}),
    ("what's the time", "time_ask", {}),
    ("what is the time please", "time_ask", {}),
    ("can you tell me the time", "time_ask", {}),
    ("could you tell me what time it is", "time_ask", {}),
    ("What time is it?", "time_ask", {}),
    ("what day is it today", "date_ask", {}),
    ("what's the date", "date_ask", {}),
    ("what's today's date", "date_ask", {}),
    ("what is the date today", "date_ask", {}),
    ("tell me the date", "date_ask", {}),
    ("set a timer for five minutes", "timer_set", {"duration": 300}),
    ("please set a timer for ten minutes", "timer_set", {"duration": 600}),
    ("could you set a timer for one minute", "timer_set", {"duration": 60}),
    ("set a timer for a minute", "timer_set", {"duration": 60}),
    ("start a timer for thirty seconds", "timer_set", {"duration": 30}),
    ("set timer for twenty five minutes", "timer_set", {"duration": 1500}),
    ("five minute timer", "timer_set", {"duration": 300}),
    ("start a five minute timer", "timer_set", {"duration": 300}),
    ("a ten minute timer please", "timer_set", {"duration": 600}),
    ("timer for an hour and a half", "timer_set", {"duration": 5400}),
    ("set a timer for half an hour", "timer_set", {"duration": 1800}),
    ("set a timer for a quarter of an hour", "timer_set", {"duration": 900}),
    ("set a timer for three quarters of an hour", "timer_set", {"duration": 2700}),
    ("set a timer for one and a half hours", "timer_set", {"duration": 5400}),
    ("set a timer for two and a half hours", "timer_set", {"duration": 9000}),
    ("set a timer for two and a half minutes", "timer_set", {"duration": 150}),
    ("set a timer for a minute and a half", "timer_set", {"duration": 90}),
    ("set a timer for one hour", "timer_set", {"duration": 3600}),
    ("set a timer for an hour", "timer_set", {"duration": 3600}),
    ("set a timer for two hours and ten minutes", "timer_set", {"duration": 7800}),
    ("set a timer for one hour and one minute", "timer_set", {"duration": 3660}),
    ("set a timer for an hour and twenty minutes", "timer_set", {"duration": 4800}),
    ("set a timer for five minutes and thirty seconds", "timer_set", {"duration": 330}),
    ("set a timer for five minutes thirty seconds", "timer_set", {"duration": 330}),
    ("set a timer for one hour two minutes and three seconds", "timer_set", {"duration": 3723}),
    ("ninety second timer", "timer_set", {"duration": 90}),
    ("set a timer for ninety seconds", "timer_set", {"duration": 90}),
    ("set a timer for ninety nine minutes", "timer_set", {"duration": 5940}),
    ("set a timer for 5 minutes", "timer_set", {"duration": 300}),
    ("Set a 10-minute timer.", "timer_set", {"duration": 600}),
    ("set a timer for 1 hour and 30 minutes", "timer_set", {"duration": 5400}),
    ("set a pasta timer for ten minutes", "timer_set", {"duration": 600, "label": "pasta"}),
    ("set a ten minute pasta timer", "timer_set", {"duration": 600, "label": "pasta"}),
    ("set a ten minute timer for the pasta", "timer_set", {"duration": 600, "label": "pasta"}),
    ("set a timer for ten minutes for the pizza", "timer_set", {"duration": 600, "label": "pizza"}),
    ("set a timer for the eggs for six minutes", "timer_set", {"duration": 360, "label": "eggs"}),
    ("egg timer for six minutes", "timer_set", {"duration": 360, "label": "egg"}),
    ("three minute tea timer", "timer_set", {"duration": 180, "label": "tea"}),
    ("start a laundry timer for two hours", "timer_set", {"duration": 7200, "label": "laundry"}),
    ("remind me in twenty minutes", "reminder_set", {"duration": 1200}),
    ("give me a two minute timer", "timer_set", {"duration": 120}),
    ("i need a timer for fifteen minutes", "timer_set", {"duration": 900}),
    ("how long is left", "timer_ask", {}),
    ("how much time is left", "timer_ask", {}),
    ("how much time is left on the timer", "timer_ask", {}),
    ("how long is left on the pasta timer", "timer_ask", {"label": "pasta"}),
    ("how much longer", "timer_ask", {}),
    ("how many minutes are left", "timer_ask", {}),
    ("how much time do i have left", "timer_ask", {}),
    ("how much time is remaining on my pizza timer", "timer_ask", {"label": "pizza"}),
    ("when is the pizza ready", "timer_ask", {"label": "pizza"}),
    ("what's left on the timer", "timer_ask", {}),
    ("cancel the timer", "timer_cancel", {}),
    ("stop the timer", "timer_cancel", {}),
    ("cancel my timer please", "timer_cancel", {}),
    ("delete the pasta timer", "timer_cancel", {"label": "pasta"}),
    ("turn off the egg timer", "timer_cancel", {"label": "egg"}),
    ("cancel all timers", "timer_cancel", {"all": True}),
    ("cancel all my timers", "timer_cancel", {"all": True}),
    ("stop all the timers", "timer_cancel", {"all": True}),
    ("turn on the kitchen light", "turn_on", {"device": "kitchen_light"}),
    ("turn the kitchen light on", "turn_on", {"device": "kitchen_light"}),
    ("switch on the bedroom light", "turn_on", {"device": "bedroom_light"}),
    ("kitchen light on", "turn_on", {"device": "kitchen_light"}),
    ("turn off everything", "turn_off", {"area": "all"}),
    ("turn everything off", "turn_off", {"area": "all"}),
    ("can you turn on the living room lamp please", "turn_on", {"device": "living_room_lamp"}),
    ("could you please switch the floor lamp on", "turn_on", {"device": "living_room_lamp"}),
    ("turn on the fan", "turn_on", {"device": "fan"}),
    ("fan on", "turn_on", {"device": "fan"}),
    ("turn on the coffee machine", "turn_on", {"device": "coffee_machine"}),
    ("start the coffee machine", "turn_on", {"device": "coffee_machine"}),
    ("turn on the kitchen lights", "turn_on", {"area": "kitchen"}),
    ("turn on the lights in the bedroom", "turn_on", {"area": "bedroom"}),
    ("turn on the living room lights", "turn_on", {"area": "living_room"}),
    ("turn on the light in the lounge", "turn_on", {"area": "living_room"}),
    ("turn on all the lights", "turn_on", {"area": "all"}),
    ("turn on the light", "turn_on", {"area": "bedroom"}),
    ("turn on the lights", "turn_on", {"area": "bedroom"}),
    ("lights on", "turn_on", {"area": "bedroom"}),
    ("light on please", "turn_on", {"area": "bedroom"}),
    ("turn the lights on", "turn_on", {"area": "bedroom"}),
    ("switch the kitchen light off", "turn_off", {"device": "kitchen_light"}),
    ("turn off the bedroom light", "turn_off", {"device": "bedroom_light"}),
    ("kitchen light off", "turn_off", {"device": "kitchen_light"}),
    ("turn off the fan", "turn_off", {"device": "fan"}),
    ("turn the coffee maker off", "turn_off", {"device": "coffee_machine"}),
    ("turn off the hall lights", "turn_off", {"area": "hall"}),
    ("turn off all the lights", "turn_off", {"area": "all"}),
    ("turn all the lights off", "turn_off", {"area": "all"}),
    ("all lights off", "turn_off", {"area": "all"}),
    ("lights off", "turn_off", {"area": "bedroom"}),
    ("turn off the light", "turn_off", {"area": "bedroom"}),
    ("Turn off the lights, please!", "turn_off", {"area": "bedroom"}),
    ("switch off the lights in the living room", "turn_off", {"area": "living_room"}),
    ("dim the bedroom light to twenty percent", "brightness_set", {"device": "bedroom_light", "percent": 20}),
    ("set the kitchen light to fifty percent", "brightness_set", {"device": "kitchen_light", "percent": 50}),
    ("set the kitchen light to 50%", "brightness_set", {"device": "kitchen_light", "percent": 50}),
    ("set the brightness of the kitchen light to ten percent", "brightness_set",
     {"device": "kitchen_light", "percent": 10}),
    ("kitchen light thirty percent", "brightness_set", {"device": "kitchen_light", "percent": 30}),
    ("dim the kitchen lights to forty percent", "brightness_set", {"area": "kitchen", "percent": 40}),
    ("dim the lights to twenty five percent", "brightness_set", {"area": "bedroom", "percent": 25}),
    ("set the lights to one hundred percent", "brightness_set", {"area": "bedroom", "percent": 100}),
    ("set the bedroom light to a hundred percent", "brightness_set", {"device": "bedroom_light", "percent": 100}),
    ("brightness fifty percent", "brightness_set", {"area": "bedroom", "percent": 50}),
    ("movie night", "scene_activate", {"scene": "movie_night"}),
    ("start movie night", "scene_activate", {"scene": "movie_night"}),
    ("activate the movie night scene", "scene_activate", {"scene": "movie_night"}),
    ("good night", "scene_activate", {"scene": "good_night"}),
    ("set the volume to fifty percent", "volume_set", {"percent": 50}),
    ("set volume to twenty", "volume_set", {"percent": 20}),
    ("volume seventy percent", "volume_set", {"percent": 70}),
    ("turn the volume up to eighty percent", "volume_set", {"percent": 80}),
    ("turn the volume down to ten percent", "volume_set", {"percent": 10}),
    ("set the volume to zero", "volume_set", {"percent": 0}),
    ("set the volume to a hundred percent", "volume_set", {"percent": 100}),
    ("Volume 30%", "volume_set", {"percent": 30}),
    ("set the volume to maximum", "volume_set", {"percent": 100}),
    ("volume up", "volume_up", {}),
    ("louder", "volume_up", {}),
    ("a bit louder please", "volume_up", {}),
    ("turn it up", "volume_up", {}),
    ("turn the volume up", "volume_up", {}),
    ("turn up the volume", "volume_up", {}),
    ("i can't hear you", "volume_up", {}),
    ("volume down", "volume_down", {}),
    ("quieter", "volume_down", {}),
    ("turn it down", "volume_down", {}),
    ("turn down the volume please", "volume_down", {}),
    ("that's too loud", "volume_down", {}),
    ("stop", "stop", {}),
    ("please stop", "stop", {}),
    ("stop it", "stop", {}),
    ("be quiet", "stop", {}),
    ("shut up", "stop", {}),
    ("that's enough", "stop", {}),
    ("cancel", "never_mind", {}),
    ("never mind", "never_mind", {}),
    ("Never mind.", "never_mind", {}),
    ("forget it", "never_mind", {}),
    ("no thanks", "never_mind", {}),
    ("no thank you", "never_mind", {}),
    ("say that again", "repeat", {}),
    ("can you say that again please", "repeat", {}),
    ("repeat that", "repeat", {}),
    ("what did you say", "repeat", {}),
    ("pardon", "repeat", {}),
    ("what can i say", "help", {}),
    ("what can you do", "help", {}),
    ("help", "help", {}),
    ("please what can you do", "help", {}),
    ("could you please help me now please", "help", {}),
    ("move the living room blind to forty percent", "blind_move", {"blind": "living_room", "blind_position": 40}),
]  # fmt: skip

NOT_SAID = [
    "",
    "   ",
    "?!",
    "please",
    "[unk]",
    "the",
    "timer",
    "set a timer for",
    "set a timer for minutes",
    "set a timer for zero minutes",
    "set a timer for five",
    "turn on",
    "turn on the",
    "turn on the garage light",
    "turn on the movie",
    "turn the light",
    "kitchen",
    "volume",
    "set the volume to one hundred and fifty percent",
    "set the volume to 101 percent",
    "dim the fan to ten percent",
    "what time is it in london",
    "what's the weather like",
    "don't turn on the light",
    "turn on the light and turn off the moon",
    "i never mind what people say",
    "stopping by woods on a snowy evening",
    "five minutes",
    "unstop",
    "how long is a piece of string",
    "can i have a large latte",
    "turn on the kitchen light " * 40,
]


@pytest.fixture(scope="module")
def language() -> Language:
    return Language.built_in("en", HOME, area="bedroom")


@pytest.mark.parametrize(("text", "name", "values"), SAID, ids=[text for text, _, _ in SAID])
def test_everyday_sentence(language: Language, text: str, name: str, values: dict[str, Any]) -> None:
    intent = language.match(text)
    assert intent is not None
    assert (intent.name, intent.values) == (name, values)
    assert all(type(value) is type(values[slot]) for slot, value in intent.values.items())


@pytest.mark.parametrize("text", NOT_SAID, ids=[text[:40] or "empty" for text in NOT_SAID])
def test_other_sentence(language: Language, text: str) -> None:
    assert language.match(text) is None


def test_every_intent_is_in_the_table(language: Language) -> None:
    assert language.intents() == BUILT_IN | {"blind_move"} >= {name for _, name, _ in SAID}


def test_slots_are_the_words_as_spoken(language: Language) -> None:
    intent = language.match("Please set a timer for five minutes and thirty seconds for the pasta!")
    assert intent is not None
    assert intent.slots == {"duration": "five minutes and thirty seconds", "label": "pasta"}
    assert intent.text == "please set a timer for five minutes and thirty seconds for the pasta"


def test_what_was_not_said_is_no_slot(language: Language) -> None:
    for text in ("lights on", "all lights on", "cancel all timers"):
        intent = language.match(text)
        assert intent is not None
        assert intent.slots == {}


def test_typed_unicode() -> None:
    language = Language.built_in("en", HOME)
    for text in ("What’s the time？", "WHAT'S THE TIME", "  what's\tthe\ntime … "):  # noqa: RUF001
        intent = language.match(text)
        assert intent is not None
        assert intent.name == "time_ask"


def test_without_an_own_area_the_lights_are_all_lights() -> None:
    intent = Language.built_in("en", HOME).match("turn off the lights")
    assert intent is not None
    assert intent.values == {"area": home_file.ALL_AREAS}


def test_own_area_by_name_and_unknown_area() -> None:
    intent = Language.built_in("en", HOME, area="living room").match("lights on")
    assert intent is not None
    assert intent.values == {"area": "living_room"}
    with pytest.raises(ConfigError, match=r"device\.area = 'garage': not an area of the home file; known: kitchen"):
        Language.built_in("en", HOME, area="garage")


def test_a_home_without_devices_has_fewer_intents() -> None:
    language = Language.built_in("en", home_file.HomeConfig())
    assert language.intents() == BUILT_IN - {"scene_activate"}
    assert language.match("turn on the kitchen light") is None
    assert "kitchen light" not in "\n".join(language.sentences(500))


def test_unknown_language() -> None:
    for name in ("xx", "../en", ""):
        with pytest.raises(ConfigError, match="no such language; known: en"):
            Language.built_in(name, HOME)


def test_first_of_several_hypotheses_that_is_a_sentence(language: Language) -> None:
    intent = language.match_any(["turn of the light", "turn off the light", "turn on the light"])
    assert intent is not None
    assert intent.name == "turn_off"
    assert language.match_any([]) is None


@pytest.mark.parametrize(
    ("text", "nearest"),
    [
        ("never mint", "never mind"),
        ("what time is it now then", "what time is it"),
        ("lower the volume a lot", "lower volume"),
    ],
)
def test_nearest_sentence(language: Language, text: str, nearest: str) -> None:
    found = language.nearest(text)
    assert found is not None
    sentence, score = found
    assert set(nearest.split()) <= set(sentence.split())
    assert 0.6 < score < 1.0
    assert language.match(sentence) is not None


def test_nearest_of_a_sentence_is_itself(language: Language) -> None:
    assert language.nearest("Volume up!") == ("volume up", 1.0)


def test_nothing_is_near(language: Language) -> None:
    assert language.nearest("") is None
    assert language.nearest("xyzzy") is None


def test_answers(language: Language) -> None:
    assert language.answer("timer_set", duration="five minutes") == "Timer set for five minutes."
    assert language.answer("done") == "Done."
    for key, values in (("no_such_key", {}), ("timer_set", {}), ("timer_set", {"minutes": "five"})):
        with pytest.raises(ConfigError, match=f"answers.yaml: {key}: no such answer"):
            language.answer(key, **values)


def test_own_sentence_comes_before_the_built_in_one() -> None:
    home = home_file.parse(
        "sentences: [{name: sleep_well, sentences: [(good night|sleep well)], publish: {topic: a/b, payload: x}}]", "h"
    )
    intent = Language.built_in("en", home).match("good night")
    assert intent is not None
    assert intent.name == "sleep_well"


@pytest.mark.parametrize(
    ("home", "message"),
    [
        (
            "sentences: [{name: stop, sentences: [halt], run: {command: [x]}}]",
            "'stop' belongs to the built-in language",
        ),
        ("lists: [{name: percent, values: [few]}]", "'percent' belongs to the built-in language"),
        ("lists: [{name: light, values: [few]}]", "'light' belongs to the built-in language"),
        ("sentences: [{name: own, sentences: ['play (a|b'], run: {command: [x]}}]", "own: .*not a sentence template"),
        ("sentences: [{name: own, sentences: ['play {what}'], run: {command: [x]}}]", r"own: .*unknown list \{what\}"),
        ("sentences: [{name: own, sentences: ['play <what>'], run: {command: [x]}}]", "own: .*unknown rule <what>"),
        (
            "sentences: [{name: own, sentences: ['play [at {percent}]'], publish: {topic: a, payload: '{percent}'}}]",
            r"own: payload holds \{percent\}, but 'play \[at \{percent\}\]' may be said without it",
        ),
        (
            "sentences: [{name: own, sentences: ['play {percent}'], reply: '{volume}', run: {command: [x]}}]",
            r"own: reply holds \{volume\}",
        ),
        (
            "sentences: [{name: own, sentences: ['play {percent}', play], run: {command: [x, '--v={percent}']}}]",
            r"own: command holds \{percent\}, but 'play' may",
        ),
    ],
)
def test_own_sentence_that_does_not_fit(home: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Language.built_in("en", home_file.parse(home, "home.yaml"))


def test_payload_slots_that_every_sentence_has() -> None:
    home = home_file.parse(
        "lists: [{name: channel, values: [one, two]}]\n"
        "sentences: [{name: play, sentences: ['(play|show) ({channel}|channel {channel})', '{channel} please'],"
        ' publish: {topic: tv, payload: \'{"channel": "{channel}"}\'}}]',
        "home.yaml",
    )
    intent = Language.built_in("en", home).match("show channel two")
    assert intent is not None
    assert (intent.slots, intent.values) == ({"channel": "two"}, {"channel": "two"})


def test_sentences_file_replaces_the_built_in_language(tmp_path: Path) -> None:
    path = tmp_path / "drinks.yaml"
    path.write_text(DRINKS)
    language = Language.from_sentences_file(path, "en")
    assert language.intents() == {"order"}
    assert language.free_slots == frozenset()
    assert language.match("stop") is None
    intent = language.match("I'd like an eight ounce iced coffee with a bit of milk.")
    assert intent is not None
    assert intent.slots == intent.values == {"size": "eight ounce", "drink": "iced coffee", "milk": "a bit of milk"}


def test_free_slots_of_a_sentences_file(tmp_path: Path) -> None:
    path = tmp_path / "list.yaml"
    path.write_text(
        'language: en\nintents:\n  add: {data: [{sentences: ["add {item} to the list", "show the list"]}]}\n'
        "lists: {item: {wildcard: true}}\n"
    )
    language = Language.from_sentences_file(path, "en")
    assert language.free_slots == {"item"}
    assert [text for _, text in language.sampled(10)] == ["show the list"]
    intent = language.match("add two lemons to the list")
    assert intent is not None
    assert intent.values == {"item": "two lemons"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "not a file of sentence templates"),
        ("- a\n", "not a file of sentence templates"),
        ("language: en\n", "not sentence templates of hassil's form: KeyError\\('intents'\\)"),
        ("a: [", r"list.yaml:\d.*not valid YAML"),
        (
            "language: en\nintents: {a: {data: [{sentences: ['<b>']}]}}\nexpansion_rules: {b: '<b>'}\n",
            "contains itself",
        ),
        ("language: en\nintents: {a: {data: [{sentences: ['{b}']}]}}\n", "unknown list {b}"),
        ("language: en\nintents: {a: {data: [{sentences: [5]}]}}\n", "a: not sentence templates"),
        ("language: en\nintents: {a: {data: [{sentences: ['a (b']}]}}\n", "a: not a sentence template"),
        ("[" * 1500, "not valid YAML|not a file"),
    ],
)
def test_broken_sentences_file(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "list.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=message):
        Language.from_sentences_file(path, "en")


@pytest.mark.parametrize(
    ("sentence", "message"),
    [
        ("(a;b;c;d;e;f;g;h;i;j)", "10 parts in any order"),
        ("(a|b)" * 40, "can be written in more than"),
        ("go " + "(a|b)" * 15 + " now", "can be written in more than"),
        ("<r20>", "can be longer than 2000 letters"),
        ("set {far}", "list {far} has more than 10000 numbers"),
        ("(" * 3000 + "a" + ")" * 3000, "too deep inside each other"),
    ],
)
def test_templates_that_say_too_much_are_refused_at_once(tmp_path: Path, sentence: str, message: str) -> None:
    rules = "".join(f"  r{n}: <r{n - 1}> <r{n - 1}>\n" for n in range(1, 21))
    path = tmp_path / "own.yaml"
    path.write_text(
        f'language: en\nintents: {{go: {{data: [{{sentences: ["{sentence}"]}}]}}}}\n'
        f"expansion_rules:\n  r0: so\n{rules}lists: {{far: {{range: {{from: 0, to: 999999999}}}}}}\n"
    )
    begun_s = time.process_time()
    with pytest.raises(ConfigError, match=f"own.yaml: go: .*{message}") as caught:
        Language.from_sentences_file(path, "en")
    assert time.process_time() - begun_s < 2.0
    assert len(str(caught.value)) < 16_000


@given(
    st.recursive(
        st.sampled_from(["turn", " on ", "{n}", "{room}", "<rule>", "{nothing}", "[", ")", "|", "'", "é", "\\\\", ""]),
        lambda inner: (
            st.builds(
                "{}{}{}".format,
                st.sampled_from("([<{"),
                st.lists(inner, max_size=4).map("|".join),
                st.sampled_from(")]>}"),
            )
            | st.lists(inner, max_size=4).map(" ".join)
            | st.lists(inner, max_size=3).map(";".join).map("({})".format)
        ),
        max_leaves=12,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_template_is_read_or_refused_and_its_samples_are_matched(sentence: str) -> None:
    source = {
        "language": "en",
        "intents": {"go": {"data": [{"sentences": [sentence, "stay here"]}]}},
        "expansion_rules": {"rule": "(left|right) [now]"},
        "lists": {"n": {"range": {"from": 1, "to": 20}}, "room": {"values": ["hall", "the study"]}},
    }
    try:
        known = Language(Templates(source, "own"), LanguageFolder.of("en"), Own())
        texts = [text for _, text in known.sampled(20) if text]
        known.words()
    except ConfigError:
        return
    assert known.match("stay here") is not None
    assert all(len(text) < 2_100 for text in texts)


def test_absent_or_binary_sentences_file(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    for name in ("absent.yaml", "binary.yaml"):
        with pytest.raises(ConfigError, match=f"{name}: cannot be read"):
            Language.from_sentences_file(tmp_path / name, "en")


@pytest.mark.data
def test_drink_orders_are_understood_as_labelled(data_pack: Path) -> None:
    language = Language.from_sentences_file(data_pack / "commands" / "sentences.yaml", "en")
    rows = [json.loads(line) for line in (data_pack / "manifest.jsonl").read_text().splitlines()]
    orders = [row for row in rows if row["set"] == "commands"]
    assert len(orders) > 100
    for order in orders:
        intent = language.match(order["transcript"])
        assert intent is not None, order["transcript"]
        assert intent.name == order["label"]
        assert intent.slots == {slot: words.strip() for slot, words in order["slots"].items()}


@pytest.mark.model
def test_the_recognizer_knows_every_word(store: ModelStore, language: Language) -> None:
    from appliance.runtimes.vosk import VoskModel

    model = VoskModel(store.folder("vosk-small-en-us"))
    assert [word for word in sorted(language.words()) if not model.knows(word)] == []
