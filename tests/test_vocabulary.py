"""Words that the recognizer does not know: told with their place, and heard by the owner's `sounds_like`."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance.audio.convert import resample
from appliance.audio.format import SAMPLE_RATE_HZ, Pcm
from appliance.brains import find_unheard, load_reader, load_recognizer
from appliance.cli.understand import understand_pcm
from appliance.config import Config, Home
from appliance.config_files import LoadedConfig
from appliance.errors import ConfigError
from appliance.models import ModelStore
from appliance.runtimes.vosk import VoskModel
from appliance.understander import Understander
from appliance.understanding import home_file, strict_yaml
from appliance.understanding.language import Language
from appliance.understanding.phones import PhoneTable
from appliance.understanding.pronunciations import Pronunciations
from appliance.understanding.vocabulary import suggestions, unheard
from appliance.voice.piper import PiperVoice

HOME = """\
areas:
  - {id: cabane, name: Cabane, sounds_like: cabin}
devices:
  - id: lumiere
    name: Lumière
    sounds_like: loom year
    kind: light
    area: cabane
    topic: home/lumiere
  - {id: lamp, name: lamp, kind: light, topic: home/lamp, aliases: [Heatpump lamp]}
lists:
  - name: item
    values: [rusk, {say: Knödel, sounds_like: noodle}]
sentences:
  - name: wled
    sentences: [show the wled]
    publish: {topic: wled, payload: x}
"""

KNOWN = ["cabin", "loom", "year", "lamp", "heat", "pump", "rusk", "noodle", "show", "the", "lumiere", "lumber"]
DICTIONARY = b"loom L UW M\nlumber L AH M B ER\nlumbers L AH M B ER Z\nnoodle N UW D AH L\n"


def language(text: str = HOME) -> Language:
    return Language.built_in("en", home_file.parse(text, "home.yaml"))


def told(words: list[str]) -> list[str]:
    document = strict_yaml.parse(HOME, "home.yaml")
    return [
        str(word) for word in unheard(words, KNOWN.__contains__, document, Pronunciations(DICTIONARY, PhoneTable()))
    ]


def test_what_is_unknown_is_told_with_its_place_and_what_to_do() -> None:
    assert told(["knödel", "heatpump", "wled", "lamp", "nowhere"]) == [
        'home.yaml:10: devices[1].aliases[0]: "heatpump" is not in the recognizer\'s vocabulary; '
        "write it as it sounds, or choose one of: heat pump",
        'home.yaml:13: lists[0].values[1].say: "knödel" is not in the recognizer\'s vocabulary; '
        "say how it sounds (sounds_like), in words that it knows, or use another word",
        '"nowhere" is not in the recognizer\'s vocabulary; write it as it sounds, or use another word',
        'home.yaml:16: sentences[0].sentences[0]: "wled" is not in the recognizer\'s vocabulary; '
        "write it as it sounds, or use another word",
    ]


def test_places_of_a_file_of_hassils_form() -> None:
    text = "intents:\n  a:\n    data:\n      - sentences: [do zigby]\nlists:\n  b: {values: [{in: wled, out: zigby}]}\n"
    document = strict_yaml.parse(text, "own.yaml")
    places = [word.place for word in unheard(["wled", "zigby"], KNOWN.__contains__, document, None)]
    assert places == ["own.yaml:6: lists.b.values[0].in", "own.yaml:4: intents.a.data[0].sentences[0]"]


def test_suggestions_are_known_the_likeliest_first() -> None:
    dictionary = Pronunciations(DICTIONARY, PhoneTable())
    assert suggestions("lumière", KNOWN.__contains__, dictionary) == ["lumiere", "lumber"]
    assert suggestions("lumbar", KNOWN.__contains__, dictionary) == ["lumber"]
    assert suggestions("heatpump", KNOWN.__contains__, None) == ["heat pump"]
    assert suggestions("", KNOWN.__contains__, dictionary) == []


def test_words_of_the_dictionary_by_their_beginning() -> None:
    dictionary = Pronunciations(DICTIONARY, PhoneTable())
    assert list(dictionary.beginning("lum")) == ["lumber", "lumbers"]
    assert list(dictionary.beginning("n")) == ["noodle"]
    assert list(dictionary.beginning("z")) == list(dictionary.beginning("a")) == []


def test_the_recognizer_is_taught_the_sound_and_the_owner_reads_the_name() -> None:
    known = language()
    assert {"loom", "year", "noodle", "cabin"} <= known.words()
    assert not {"lumière", "knödel", "cabane"} & known.words()
    assert any("loom year" in sentence for sentence in known.sentences())
    for text, slots, values in (
        ("turn on Lumière", {"device": "lumière"}, {"device": "lumiere"}),
        ("turn on the loom year", {"device": "lumière"}, {"device": "lumiere"}),
        ("add noodle to the shopping list", {"item": "knödel"}, {"item": "Knödel"}),
        ("turn off the lights in the cabin", {"area": "cabane"}, {"area": "cabane"}),
    ):
        intent = known.match(text)
        assert intent is not None, text
        assert slots.items() <= intent.slots.items(), text
        assert values.items() <= intent.values.items(), text
    assert known.spelled("turn on the loom year") == "turn on the lumière"
    assert known.spelled("the heirloom yearly") == "the heirloom yearly"
    nearest = known.nearest("turn loom year on off")
    assert nearest is not None
    assert "lumière" in nearest[0]


def test_a_sound_is_one_thing_only() -> None:
    for text, message in (
        (
            "areas: [{id: a, name: b}, {id: c, name: d, sounds_like: b}]",
            r"areas\[1\].sounds_like: 'b' is the name of 'a'",
        ),
        ("areas: [{id: a, name: b, sounds_like: c2}]", r"areas\[0\].sounds_like: 'c2' cannot be spoken"),
        ("lists: [{name: a, values: [b, {say: c, sounds_like: b}]}]", r"lists\[0\].values\[1\]: 'b' is in the list"),
    ):
        with pytest.raises(ConfigError, match=message):
            home_file.parse(text, "home.yaml")


# With the real recognizer, and a synthesized voice.


@pytest.fixture(scope="module")
def voice(store: ModelStore) -> Iterator[PiperVoice]:
    made = PiperVoice(store.folder("piper-en-us-joe"), deterministic=True)
    yield made
    made.close()


def said(voice: PiperVoice, text: str) -> Pcm:
    silence = np.zeros(4800, np.int16)
    return np.concatenate([silence, resample(voice.synthesize(text), voice.rate_hz, SAMPLE_RATE_HZ), silence])


@pytest.mark.model
def test_a_name_is_heard_by_its_sound(store: ModelStore, voice: PiperVoice, tmp_path: Path) -> None:
    (tmp_path / "home.yaml").write_text(HOME)
    loaded = LoadedConfig(config=Config(home=Home(file="home.yaml")), folder=tmp_path)
    known = language()
    understander = Understander(
        load_recognizer(loaded, known), known, lambda result: None, reader=load_reader(loaded, known)
    )
    heard = understand_pcm(understander, said(voice, "turn off lumière"))
    assert heard.intent is not None
    assert (heard.intent.name, heard.intent.slots["device"]) == ("turn_off", "lumière")
    assert heard.text.endswith("lumière")


@pytest.mark.model
def test_the_real_vocabulary(store: ModelStore, tmp_path: Path) -> None:
    (tmp_path / "home.yaml").write_text(HOME)
    loaded = LoadedConfig(config=Config(home=Home(file="home.yaml")), folder=tmp_path)
    vosk = VoskModel(store.folder("vosk-small-en-us"))
    known = language()
    found = {
        word.word: str(word)
        for word in find_unheard(loaded, vosk, known.words(), strict_yaml.read(tmp_path / "home.yaml"))
    }
    assert set(found) == {"heatpump", "wled"}
    assert found["heatpump"].startswith(f"{tmp_path}/home.yaml:10: devices[1].aliases[0]: ")
    assert "heat pump" in found["heatpump"]
