"""What the project stands on: requirements, version, verbs, the annotated configuration file."""

import importlib.util
import os
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

import appliance
from appliance import config
from appliance.config_files import PROJECT, SHIPPED_CONFIG

LOCKS = ("device", "wyoming", "gpio", "dev", "build")
VERBS = (
    *(
        "help",
        "venv",
        "wyoming",
        "gpio",
        "venv-tools",
        "models",
        "demo",
        "bench",
        "bench-live",
        "bench-commands",
        "bench-outbox",
        "bench-fleet",
        "bench-phrasings",
        "bench-wake",
        "bench-barge-in",
        "bench-follow-up",
        "bench-own-voice",
        "fuzz",
        "soak",
    ),
    *("deb", "install"),
    *(
        "lint",
        "test-live",
        "test",
        "test-offline",
        "test-tools",
        "check-ha",
        "check-hermes",
        "check-nodered",
        "check-systemd",
        "check-aarch64",
        "lock",
        "clean",
    ),
)

REGISTRY_HOST = re.compile(r"(pypi|pythonhosted|npmjs|crates)[.][a-z]|[.]debian[.]org|[.]maven[.]|proxy[.]golang")

needs_make = pytest.mark.skipif(shutil.which("make") is None, reason="make is not installed")


def _text(path: str) -> str:
    return (PROJECT / path).read_text(encoding="utf-8")


def _tracked_files() -> list[Path]:
    """What is in the repository or about to be; skips where the project was not cloned with git."""
    if not (PROJECT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("not a clone, so nothing tells which files belong to the project")
    listing = subprocess.run(
        ["git", "-c", f"safe.directory={PROJECT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=PROJECT,
        capture_output=True,
        check=True,
    )
    paths = [PROJECT / os.fsdecode(name) for name in listing.stdout.split(b"\0") if name]
    return [path for path in paths if path.is_file()]


def _make(*words: str, path: str | None = None, folder: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    """`make` as another person would call it: none of the settings of the make that may have started the tests."""
    settings = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL")}
    return subprocess.run(
        ["make", "-f", str(PROJECT / "Makefile"), *words],
        cwd=folder,
        env=settings | ({"PATH": path} if path else {}),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )


def _script(path: Path, body: str) -> Path:
    path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
    path.chmod(0o755)
    return path


def test_the_annotated_configuration_is_the_defaults() -> None:
    assert SHIPPED_CONFIG.read_text(encoding="utf-8") == config.render(), (
        "please run: python -m appliance.config > firmware_config/appliance.toml"
    )
    assert config.load(SHIPPED_CONFIG) == config.Config()


@pytest.mark.parametrize("name", LOCKS)
def test_requirements_are_hashed_and_name_no_address(name: str) -> None:
    text = _text(f"requirements/{name}.txt")
    assert "://" not in text
    entries = text.replace("\\\n", " ").splitlines()
    assert entries
    wrong = [
        entry for entry in entries if not re.fullmatch(r"\S+==\S+( ; .+?)?(\s+--hash=sha256:[0-9a-f]{64})+", entry)
    ]
    assert not wrong


def test_tests_run_with_the_packages_of_the_device() -> None:
    assert set(_text("requirements/device.txt").splitlines()) <= set(_text("requirements/dev.txt").splitlines())


def test_each_python_has_one_tflite_runtime_and_its_numpy() -> None:
    pins = re.findall(
        r"^(\S+==\S+) ; python_full_version (<|>=) '3\.12'", _text("requirements/device.txt"), re.MULTILINE
    )
    old = {pin.split("==")[0]: pin for pin, side in pins if side == "<"}
    new = {pin.split("==")[0]: pin for pin, side in pins if side == ">="}
    assert old["tflite-runtime"] == "tflite-runtime==2.14.0"
    assert old["numpy"].startswith("numpy==1.")
    assert "tflite-runtime" not in new
    assert "ai-edge-litert" in new
    assert new["numpy"].startswith("numpy==2.")


def test_the_version_stands_in_one_place() -> None:
    project = tomllib.loads(_text("pyproject.toml"))
    assert "version" in project["project"]["dynamic"]
    assert project["tool"]["setuptools"]["dynamic"]["version"] == {"attr": "appliance.__version__"}
    literal = re.compile(rf"version\w*\s*=\s*[\"']{re.escape(appliance.__version__)}[\"']")
    places = [path for path in _tracked_files() if path.suffix in (".py", ".toml") and literal.search(_text(str(path)))]
    assert [path.relative_to(PROJECT).as_posix() for path in places] == ["appliance/__init__.py"]
    assert f"\n## {appliance.__version__}" in _text("CHANGELOG.md")


def test_no_file_names_a_registry_host() -> None:
    found = []
    for path in _tracked_files():
        content = path.read_bytes()
        if b"\0" not in content:
            found += [
                f"{path.relative_to(PROJECT)}:{number}"
                for number, line in enumerate(content.decode("utf-8", "replace").splitlines(), start=1)
                if REGISTRY_HOST.search(line)
            ]
    assert not found


def test_no_recording_and_no_large_file_is_in_the_repository() -> None:
    files = _tracked_files()
    assert not [path for path in files if path.suffix.lower() in (".wav", ".flac", ".mp3", ".ogg", ".m4a")]
    assert not [path for path in files if path.stat().st_size > 5_000_000]


def test_ci_ends_with_the_test_command_of_the_readme() -> None:
    commands = [line for line in _text(".ci/run").splitlines() if line.startswith("make ")]
    assert commands == ["make lint", "make demo", "make test-tools", "make test"]
    assert os.access(PROJECT / ".ci/run", os.X_OK)
    readme = _text("README.md")
    first_blocks = re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)[:2]
    assert [line.split("#")[0].strip() for line in first_blocks[1].splitlines()] == ["make demo", "make test"]


def test_the_apt_line_names_what_the_makefile_wants() -> None:
    line = re.search(r"sudo apt-get install -y (.*)", _text("README.md"))
    wanted = re.search(r"tools/system-packages (.*?) \|\|", _text("Makefile"))
    assert line is not None
    assert wanted is not None
    assert set(wanted[1].split()) | {"make", "git", "python3-venv"} == set(line[1].split())


@needs_make
def test_make_lists_its_verbs() -> None:
    listed = re.findall(r"^  make (\S+) ", _make().stdout, re.MULTILINE)
    assert sorted(listed) == sorted(VERBS)


@needs_make
def test_an_unfit_python_is_told_in_one_sentence(tmp_path: Path) -> None:
    old = _script(tmp_path / "old", "exit 1")
    bare = _script(tmp_path / "bare", 'case "$2" in *ensurepip*) exit 1 ;; esac')
    for python, sentence in ((old, "is not a 64-bit Python 3.11 or newer"), (bare, "apt-get install -y python3-venv")):
        done = _make("venv", f"PYTHON={python}", folder=tmp_path)
        assert done.returncode != 0
        assert sentence in done.stderr
        assert not (tmp_path / ".venv").exists()


@needs_make
def test_lock_without_its_resolver_says_what_to_do(tmp_path: Path) -> None:
    done = _make("lock", f"UV={tmp_path / 'absent'}")
    assert done.returncode != 0
    assert "make lock UV=PATH" in done.stderr


class Machine:
    """A pretended machine for tools/system-packages: a PATH with nothing on it but what the script calls."""

    def __init__(self, folder: Path, *, user: int, apt_works: bool) -> None:
        self.calls = folder / "calls"
        installed = folder / "installed"
        for name in ("sh", "env", "grep", "mktemp", "rm", "tail", "touch"):
            (folder / name).symlink_to(shutil.which(name) or name)
        _script(folder / "id", f"echo {user}")
        _script(folder / "sudo", "exit 1")
        _script(folder / "dpkg-query", f'test -e "{installed}" && echo "install ok installed"')
        effect = f'case "$*" in *install*) touch "{installed}" ;; esac' if apt_works else "echo E: no network; exit 100"
        _script(folder / "apt-get", f'echo "$*" >>"{self.calls}"\n{effect}')
        self._path = str(folder)

    def ask_for(self, package: str) -> tuple[int, str]:
        """Run the script; exit code and what it said."""
        script = PROJECT / "tools" / "system-packages"
        done = subprocess.run(
            [script, package], env={"PATH": self._path}, capture_output=True, text=True, timeout=30, check=False
        )
        return done.returncode, done.stderr


def test_root_installs_what_is_missing_and_then_hears_nothing(tmp_path: Path) -> None:
    machine = Machine(tmp_path, user=0, apt_works=True)
    assert machine.ask_for("some-package") == (0, "system packages: installing some-package\n")
    assert "install -y --no-install-recommends some-package" in machine.calls.read_text(encoding="utf-8")
    assert machine.ask_for("some-package") == (0, "")


def test_others_are_told_what_to_type(tmp_path: Path) -> None:
    machine = Machine(tmp_path, user=1000, apt_works=True)
    code, said = machine.ask_for("some-package")
    assert code == 1
    assert "sudo apt-get install -y some-package" in said
    assert not machine.calls.exists()


def test_what_apt_cannot_install_is_told_with_its_reason(tmp_path: Path) -> None:
    code, said = Machine(tmp_path, user=0, apt_works=False).ask_for("some-package")
    assert code == 1
    assert "E: no network" in said
    assert "sudo apt-get install -y some-package" in said


def test_the_onnx_runtime_that_is_installed_collects_no_telemetry() -> None:
    """Some of its builds queue events with an identifier of the machine, and send them when they can."""
    runtime = importlib.util.find_spec("onnxruntime")
    assert runtime is not None
    assert runtime.origin is not None
    libraries = [*Path(runtime.origin).parent.rglob("*.so"), *Path(runtime.origin).parent.rglob("*.so.*")]
    assert libraries
    assert not [path.name for path in libraries if b"OneCollector" in path.read_bytes()]
