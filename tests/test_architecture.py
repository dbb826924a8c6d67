"""Imports point one way, heavy packages live in one file each, and importing the appliance costs nothing."""

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from itertools import pairwise

import pytest

from appliance.config_files import PROJECT


class Layer(IntEnum):
    """A module imports from its own layer and from those below it."""

    FACTS = 0
    """Plain data: formats, events, configuration."""
    LOGIC = 1
    """Decisions: no device, clock, thread or model."""
    LIBRARIES = 2
    """One heavy library wrapped, or the files of the models; several adapters stand on it."""
    ADAPTERS = 3
    """The edges: devices, engines, broker, programs. Adapters of different rooms never import each other."""
    DAEMON = 4
    """What knows all the rooms and joins them."""
    CLI = 5
    """Commands."""


LAYERS = {
    "appliance": Layer.FACTS,
    "appliance.audio": Layer.FACTS,
    "appliance.audio.format": Layer.FACTS,
    "appliance.clock": Layer.FACTS,
    "appliance.commands": Layer.FACTS,
    "appliance.config": Layer.FACTS,
    "appliance.config_files": Layer.FACTS,
    "appliance.errors": Layer.FACTS,
    "appliance.events": Layer.FACTS,
    "appliance.facts": Layer.FACTS,
    "appliance.garbage": Layer.FACTS,
    "appliance.inbox": Layer.FACTS,
    "appliance.intent": Layer.FACTS,
    "appliance.later": Layer.FACTS,
    "appliance.refusals": Layer.FACTS,
    "appliance.service_level": Layer.FACTS,
    "appliance.status": Layer.FACTS,
    "appliance.worker": Layer.FACTS,
    "appliance.arbitration": Layer.LOGIC,
    "appliance.audio.health": Layer.LOGIC,
    "appliance.audio.noise_floor": Layer.LOGIC,
    "appliance.audio.ring": Layer.LOGIC,
    "appliance.audio.survey": Layer.LOGIC,
    "appliance.audio.tones": Layer.LOGIC,
    "appliance.beside": Layer.LOGIC,
    "appliance.dialog": Layer.LOGIC,
    "appliance.dialog_handlers": Layer.LOGIC,
    "appliance.earcons": Layer.LOGIC,
    "appliance.echo": Layer.LOGIC,
    "appliance.echo.*": Layer.LOGIC,
    "appliance.home": Layer.LOGIC,
    "appliance.home.*": Layer.LOGIC,
    "appliance.lights": Layer.LOGIC,
    "appliance.marks": Layer.LOGIC,
    "appliance.presses": Layer.LOGIC,
    "appliance.prometheus": Layer.LOGIC,
    "appliance.report": Layer.LOGIC,
    "appliance.speech": Layer.LOGIC,
    "appliance.speech.endpoint": Layer.LOGIC,
    "appliance.speech.language_model": Layer.LOGIC,
    "appliance.speech.missed": Layer.LOGIC,
    "appliance.speech.pieces": Layer.LOGIC,
    "appliance.trace": Layer.LOGIC,
    "appliance.understanding": Layer.LOGIC,
    "appliance.understanding.*": Layer.LOGIC,
    "appliance.wake.trigger": Layer.LOGIC,
    "appliance.wakes": Layer.LOGIC,
    "appliance.audio.convert": Layer.LIBRARIES,
    "appliance.model_fetch": Layer.LIBRARIES,
    "appliance.models": Layer.LIBRARIES,
    "appliance.one_by_one": Layer.LIBRARIES,
    "appliance.runtimes": Layer.LIBRARIES,
    "appliance.runtimes.*": Layer.LIBRARIES,
    "appliance.safe_file": Layer.LIBRARIES,
    "appliance.voice.utterance": Layer.LIBRARIES,
    "appliance.audio.capture": Layer.ADAPTERS,
    "appliance.audio.clip_folder": Layer.ADAPTERS,
    "appliance.audio.ducking": Layer.ADAPTERS,
    "appliance.audio.files": Layer.ADAPTERS,
    "appliance.audio.hardware": Layer.ADAPTERS,
    "appliance.audio.microphone": Layer.ADAPTERS,
    "appliance.audio.others": Layer.ADAPTERS,
    "appliance.audio.player": Layer.ADAPTERS,
    "appliance.audio.portaudio_stream": Layer.ADAPTERS,
    "appliance.audio.recorder": Layer.ADAPTERS,
    "appliance.audio.sources": Layer.ADAPTERS,
    "appliance.audio.speakers": Layer.ADAPTERS,
    "appliance.audio.ways": Layer.ADAPTERS,
    "appliance.home.effects": Layer.ADAPTERS,
    "appliance.metrics_server": Layer.ADAPTERS,
    "appliance.model_install": Layer.ADAPTERS,
    "appliance.mqtt": Layer.ADAPTERS,
    "appliance.mqtt.*": Layer.ADAPTERS,
    "appliance.notify": Layer.ADAPTERS,
    "appliance.priority": Layer.ADAPTERS,
    "appliance.speech.detector": Layer.ADAPTERS,
    "appliance.speech.filler": Layer.ADAPTERS,
    "appliance.speech.recognizer": Layer.ADAPTERS,
    "appliance.status_socket": Layer.ADAPTERS,
    "appliance.system_journal": Layer.ADAPTERS,
    "appliance.update": Layer.ADAPTERS,
    "appliance.update.*": Layer.ADAPTERS,
    "appliance.voice": Layer.ADAPTERS,
    "appliance.voice.*": Layer.ADAPTERS,
    "appliance.voice.piper_process.*": Layer.ADAPTERS,
    "appliance.wake": Layer.ADAPTERS,
    "appliance.wake.*": Layer.ADAPTERS,
    "appliance.wyoming": Layer.ADAPTERS,
    "appliance.wyoming.server": Layer.ADAPTERS,
    "appliance.wyoming.wire": Layer.ADAPTERS,
    "appliance.acting": Layer.DAEMON,
    "appliance.assembly": Layer.DAEMON,
    "appliance.brains": Layer.DAEMON,
    "appliance.daemon": Layer.DAEMON,
    "appliance.demo": Layer.DAEMON,
    "appliance.demo.*": Layer.DAEMON,
    "appliance.dictating": Layer.DAEMON,
    "appliance.flight_recorder": Layer.DAEMON,
    "appliance.household": Layer.DAEMON,
    "appliance.keeping": Layer.DAEMON,
    "appliance.learned_devices": Layer.DAEMON,
    "appliance.learning": Layer.DAEMON,
    "appliance.ledger": Layer.DAEMON,
    "appliance.listening": Layer.DAEMON,
    "appliance.loop": Layer.DAEMON,
    "appliance.loopback": Layer.DAEMON,
    "appliance.memory": Layer.DAEMON,
    "appliance.preparing": Layer.DAEMON,
    "appliance.recording": Layer.DAEMON,
    "appliance.renewing": Layer.DAEMON,
    "appliance.replay": Layer.DAEMON,
    "appliance.reporting": Layer.DAEMON,
    "appliance.self_test": Layer.DAEMON,
    "appliance.speaking": Layer.DAEMON,
    "appliance.understander": Layer.DAEMON,
    "appliance.updating": Layer.DAEMON,
    "appliance.wyoming.*": Layer.DAEMON,
    "appliance.__main__": Layer.CLI,
    "appliance.bench": Layer.CLI,
    "appliance.bench.*": Layer.CLI,
    "appliance.cli": Layer.CLI,
    "appliance.cli.*": Layer.CLI,
    "appliance.doctor": Layer.CLI,
    "appliance.doctor.*": Layer.CLI,
}
"""Where each module stands; `x.*` stands for the modules of a room that have no row of their own."""

HOMES = {
    "ai_edge_litert": {"appliance.runtimes.tflite"},
    "gpiozero": {"appliance.runtimes.gpio"},
    "hassil": {"appliance.understanding.*"},
    "onnxruntime": {"appliance.speech.detector", "appliance.voice.piper_process.*"},
    "openwakeword": set[str](),
    "paho": {"appliance.mqtt.client", "appliance.demo.subscriber"},
    "piper": {"appliance.voice.piper_process.*"},
    "pymicro_features": {"appliance.wake.features"},
    "sounddevice": {"appliance.runtimes.portaudio"},
    "soundfile": {"appliance.audio.files"},
    "soxr": {"appliance.audio.convert"},
    "tflite_runtime": {"appliance.runtimes.tflite"},
    "unicode_rbnf": {"appliance.home.phrases"},
    "vosk": {"appliance.runtimes.vosk"},
    "wyoming": {"appliance.wyoming.*"},
    "yaml": {"appliance.understanding.*"},
}
"""Heavy package -> the files that may import it, inside the function that needs it; nothing else imports it."""


@dataclass(frozen=True, slots=True)
class Import:
    """One import, wherever in the file it stands; those for the type checker alone count too."""

    module: str
    line: int
    name: str
    """What is imported, fully dotted: `appliance.audio.ring.Ring`."""
    runs_at_import: bool

    def __str__(self) -> str:
        return f"{self.module}, line {self.line}"


def _sources() -> dict[str, ast.Module]:
    found = {}
    for folder in ("appliance", "tools"):
        for path in sorted((PROJECT / folder).rglob("*.py")):
            parts = path.relative_to(PROJECT).with_suffix("").parts
            name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
            found[name] = ast.parse(path.read_text(encoding="utf-8"), str(path))
    return found


def _imports_of(module: str, tree: ast.Module) -> Iterator[Import]:
    delayed = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or _is_for_type_checker(node)
        for inner in ast.walk(node)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}, line {node.lineno}: write the import in full, without leading dots"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from (Import(module, node.lineno, name, id(node) not in delayed) for name in names)


def _is_for_type_checker(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


SOURCES = _sources()
IMPORTS = [found for module, tree in SOURCES.items() for found in _imports_of(module, tree)]


def _layer(module: str) -> Layer | None:
    """Where a module stands; None without a row, which is reported once, by the first test."""
    return LAYERS.get(module, LAYERS.get(f"{module.rpartition('.')[0]}.*"))


def _target(name: str) -> str | None:
    """The module of ours that an imported name belongs to; None for other people's."""
    return next((module for module in (name, name.rpartition(".")[0]) if module in SOURCES), None)


def _room(module: str) -> str:
    return ".".join(module.split(".")[:2])


@dataclass(frozen=True, slots=True, order=True)
class Arrow:
    """One module of ours imports another."""

    source: str
    line: int
    target: str

    def __str__(self) -> str:
        return f"{self.source}, line {self.line}: imports {self.target}"


ARROWS = sorted(
    {
        Arrow(found.module, found.line, target)
        for found in IMPORTS
        if (target := _target(found.name)) not in (None, found.module)
    }
)


def test_every_module_has_a_layer() -> None:
    missing = [module for module in SOURCES if module.startswith("appliance") and _layer(module) is None]
    assert not missing, (
        f"{', '.join(missing)}: not in LAYERS of tests/test_architecture.py; add a row that says whether it is plain "
        "data, a decision, a wrapped library, an edge, something that joins rooms, or a command"
    )


def test_every_row_has_a_module() -> None:
    stood_in_for = {f"{module.rpartition('.')[0]}.*" for module in SOURCES if module not in LAYERS}
    stale = LAYERS.keys() - SOURCES.keys() - stood_in_for
    assert not stale, f"{', '.join(sorted(stale))}: no such module any more; take the row out of LAYERS"


def test_imports_point_down() -> None:
    wrong = []
    for arrow in ARROWS:
        source, target = _layer(arrow.source), _layer(arrow.target)
        if source is not None and target is not None and target > source:
            wrong.append(f"{arrow}: {source.name} stands on {target.name}")
    assert not wrong, "move what is shared a layer down:\n" + "\n".join(wrong)


def test_adapters_of_different_rooms_do_not_know_each_other() -> None:
    wrong = [
        str(arrow)
        for arrow in ARROWS
        if _layer(arrow.source) == _layer(arrow.target) == Layer.ADAPTERS and _room(arrow.source) != _room(arrow.target)
    ]
    assert not wrong, "let the daemon join them, or move what is shared a layer down:\n" + "\n".join(wrong)


def test_nothing_on_the_device_needs_the_tools() -> None:
    wrong = [
        str(arrow) for arrow in ARROWS if arrow.source.startswith("appliance") and arrow.target.startswith("tools")
    ]
    assert not wrong, "\n".join(wrong)


def test_training_shares_the_wake_room_and_no_more() -> None:
    wrong = [
        str(arrow)
        for arrow in ARROWS
        if arrow.source.startswith("tools.quantize")
        and arrow.target.startswith("appliance")
        and _room(arrow.target) != "appliance.wake"
        and _layer(arrow.target) not in (Layer.FACTS, Layer.LOGIC, Layer.LIBRARIES)
    ]
    assert not wrong, (
        "what trains a model stands on data, decisions, wrapped libraries and the wake room:\n" + "\n".join(wrong)
    )


def test_no_cycles() -> None:
    arrows: dict[str, set[str]] = {module: set() for module in SOURCES}
    for arrow in ARROWS:
        arrows[arrow.source].add(arrow.target)
    finished: set[str] = set()

    def walk(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, "imports run in a circle: " + " -> ".join((*trail[trail.index(module) :], module))
        if module not in finished:
            for target in sorted(arrows[module]):
                walk(target, (*trail, module))
            finished.add(module)

    for module in SOURCES:
        walk(module, ())


@pytest.mark.parametrize("package", sorted(HOMES))
def test_a_heavy_package_has_one_home(package: str) -> None:
    found = [found for found in IMPORTS if found.name.split(".")[0] == package and found.module.startswith("appliance")]
    rows = HOMES[package]
    strays = [str(item) for item in found if not rows & {item.module, f"{item.module.rpartition('.')[0]}.*"}]
    assert not strays, f"{package} is imported outside of its file: {strays}"
    early = [str(item) for item in found if item.runs_at_import]
    assert not early, f"{package} is imported at the top of a file, import it in the function that needs it: {early}"


def test_importing_the_appliance_takes_no_heavy_package() -> None:
    names = [name for name in SOURCES if name.startswith("appliance") and not name.endswith("__main__")]
    program = "import importlib, json, sys\nfor name in json.load(sys.stdin): importlib.import_module(name)\n"
    done = subprocess.run(
        [sys.executable, "-c", program + "print(json.dumps(sorted(sys.modules)))"],
        input=json.dumps(names),
        capture_output=True,
        text=True,
        cwd=PROJECT,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert not loaded & HOMES.keys()


def test_the_rows_are_in_order() -> None:
    keys = [(layer, row) for row, layer in LAYERS.items()]
    assert all(first < second for first, second in pairwise(keys)), "keep LAYERS sorted by layer, then by name"
