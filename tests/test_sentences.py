"""`appliance sentences check`: what is wrong with an owner's sentences, in a line each, with place and remedy."""

from pathlib import Path

import pytest

from appliance.cli import main
from appliance.cli.sentence_checks import Finding, Subject, overlapping, samples, short, subject
from appliance.config import Config, Home
from appliance.config_files import LoadedConfig
from appliance.errors import UsageError
from appliance.models import ModelStore
from appliance.understanding.overlaps import Overlaps
from appliance.understanding.templates import Templates

HOME = """\
areas:
  - {id: attic, name: attic}
devices:
  - {id: fan, name: fan, kind: switch, topic: a}
  - {id: van, name: van, kind: switch, topic: b}
  - {id: wled, name: Wled, kind: switch, topic: c}
sentences:
  - name: dinner
    sentences: ["dinner is ready", "call everybody [to dinner]"]
    publish: {topic: dinner, payload: now}
  - name: supper
    sentences: ["call everybody", "supper time", "supper time"]
    publish: {topic: supper, payload: now}
  - name: lights
    sentences: ["turn on the lights"]
    publish: {topic: lights, payload: now}
"""


def of(text: str, folder: Path, name: str = "home.yaml") -> Subject:
    (folder / name).write_text(text)
    return subject(LoadedConfig(config=Config(home=Home(file="")), folder=folder), folder / name)


def templates(**intents: list[str]) -> Templates:
    data = {name: {"data": [{"sentences": sentences}]} for name, sentences in intents.items()}
    lists = {"n": {"range": {"from": 1, "to": 100}}, "room": {"values": ["hall", "study hall"]}}
    return Templates({"language": "en", "intents": data, "lists": lists}, "test")


@pytest.mark.parametrize(
    ("first", "second", "common"),
    [
        ("turn (on|off) [the] fan", "(start|turn on) [the] (fan|lamp)", "turn on fan"),
        ("light[s] on", "lights (on|off)", "lights on"),
        ("set it to {n}", "set [it] to forty two", "set it to forty two"),
        ("go to {room}", "go to study [room]", None),
        ("a b", "a b c", None),
        ("a", "b", None),
    ],
)
def test_a_sentence_of_two_intents_is_found_wherever_it_hides(first: str, second: str, common: str | None) -> None:
    overlaps = Overlaps(templates(one=[first], two=[second]).trees)
    found = [(shared.text, shared.first, shared.second) for shared in overlaps.shared(frozenset({"two"}))]
    assert found == ([(common, "one", "two")] if common else [])


def test_a_template_that_others_say_is_unreachable() -> None:
    sentences = ["(open|close) the (door|gate)", "open the gate", "open the window", "[now] open the door"]
    found = Overlaps(templates(one=sentences[:1], two=sentences[1:]).trees).unreachable(frozenset({"two"}))
    assert [(one.template.text, one.same_intent) for one in found] == [("open the gate", False)]
    found = Overlaps(templates(one=[*sentences, "close the gate"]).trees).unreachable(frozenset({"one"}))
    assert [(one.template.text, one.same_intent) for one in found] == [
        ("open the gate", True),
        ("close the gate", True),
    ]


def test_each_finding_tells_its_place_and_what_to_do(tmp_path: Path) -> None:
    home = tmp_path / "home.yaml"
    found = [str(finding).replace(f"{home}:", "") for finding in overlapping(of(HOME, tmp_path))]
    assert found == [
        'error    8: sentences[0]: dinner: "call everybody" is a sentence of supper, too, and means dinner; '
        "take it out of one of them",
        'warning  14: sentences[2]: lights: "turn on the lights" is a sentence of turn_on, too, and means lights; '
        "say it otherwise to keep the built-in meaning",
        'warning  12: sentences[1].sentences[0]: supper: "call everybody" says nothing that sentences before it do not '
        "say; put it before them, or delete it",
        'warning  12: sentences[1].sentences[1]: supper: "supper time" says nothing that sentences before it do not '
        "say; delete it",
    ]


def test_a_file_of_hassils_form_is_looked_over(tmp_path: Path) -> None:
    text = (
        "language: en\nintents:\n  a: {data: [{sentences: ['go [now]']}]}\n  b: {data: [{sentences: [go now, stop]}]}\n"
    )
    about = of(text, tmp_path, "own.yaml")
    found = next(overlapping(about))
    assert (found.level, found.kind, found.sentence, found.place) == (
        *("error", "ambiguous", "go now"),
        f"{tmp_path}/own.yaml:3: intents.a",
    )
    assert sorted(samples(about)) == [("a", "go"), ("a", "go now"), ("b", "stop")]


def test_a_sentence_of_one_word_is_warned_of(tmp_path: Path) -> None:
    text = "sentences: [{name: bell, sentences: [ring the bell, '[do] go'], publish: {topic: b, payload: r}}]\n"
    [found] = short(of(text, tmp_path))
    assert (found.level, found.sentence, found.place) == ("warning", "go", f"{tmp_path}/home.yaml:1: sentences[0]")
    assert (
        list(
            short(
                of("sentences: [{name: bell, sentences: [ring the bell], publish: {topic: b, payload: r}}]\n", tmp_path)
            )
        )
        == []
    )


def test_samples_say_every_own_intent_and_every_name(tmp_path: Path) -> None:
    about = of(HOME, tmp_path)
    said = samples(about)
    assert {"dinner", "supper", "lights"} <= {intent for intent, _ in said}
    for name in ("attic", "fan", "van"):
        assert any(f" {name} " in f" {text} " for _, text in said), name
    assert said == samples(about)


@pytest.mark.model
def test_the_command_ends_with_1_where_there_is_an_error(
    store: ModelStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "home.yaml").write_text(HOME)
    assert main(["sentences", "check", str(tmp_path / "home.yaml"), "--no-speak", "--json"]) == 1
    out, err = capsys.readouterr()
    kinds = [line.split('"kind":"')[1].split('"')[0] for line in out.splitlines()]
    assert sorted(kinds) == ["ambiguous", "confusable", "shadows", "unpronounceable", "unreachable", "unreachable"]
    assert err.strip().endswith("2 errors, 4 warnings")
    assert main(["sentences", "check", "--no-speak"]) == 0, "the shipped home has no error"


@pytest.mark.model
def test_what_the_voice_says_is_heard_as_the_appliance_hears_it(
    store: ModelStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = HOME.replace('"supper time", "supper time"', '"supper time", "w"')
    (tmp_path / "home.yaml").write_text(text)
    assert main(["sentences", "check", str(tmp_path / "home.yaml"), "--speak", "6"]) == 1
    out, _ = capsys.readouterr()
    assert '"wled" is not in the recognizer\'s vocabulary' in out
    assert "said aloud it sounds like" in out


@pytest.mark.parametrize("arguments", [["sentences"], ["sentences", "check", "--speak", "x"]])
def test_wrong_usage(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_no_file_at_all(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no home file is configured; name a file"):
        subject(LoadedConfig(config=Config(home=Home(file="")), folder=tmp_path), None)


def test_a_finding_without_a_place_is_a_line_too() -> None:
    finding = Finding(level="warning", kind="misheard", problem="it is so", remedy="do that")
    assert str(finding) == "warning  it is so; do that"
