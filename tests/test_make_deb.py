"""The Debian package: what goes into it; `make check-systemd` installs it in a real Debian."""

import subprocess
from pathlib import Path

import pytest

from appliance.config_files import PROJECT
from appliance.models import ModelStore
from tools import make_deb

SCRIPTS = sorted((PROJECT / "tools" / "debian").iterdir())


def test_the_program_goes_along_without_what_running_it_left(tmp_path: Path) -> None:
    make_deb.copy_program(tmp_path)
    for name in ("appliance/cli/run.py", "firmware_config/hardware.toml", "requirements/device.txt", "LICENSE"):
        assert (tmp_path / name).is_file()
    assert not [path for path in tmp_path.rglob("*") if path.name == "__pycache__" or path.suffix == ".pyc"]
    assert not (tmp_path / "tests").exists()


def test_for_another_machine_it_takes_what_that_one_needs() -> None:
    names = {
        target: {line.split("==")[0] for line in target.requirements()}
        for target in (make_deb.Target("x86_64", "3.11"), make_deb.Target("aarch64", "3.13"))
    }
    old, new = names.values()
    assert old - new == {"tflite-runtime"}
    assert "ai-edge-litert" in new - old
    assert "wyoming" in old & new
    assert all("--hash=sha256:" in line and ";" not in line for line in make_deb.HERE.requirements())
    options = make_deb.Target("aarch64", "3.13").options()
    assert {"manylinux2014_aarch64", "manylinux_2_36_aarch64", "3.13"} < set(options)
    assert "manylinux_2_37_aarch64" not in options


@pytest.mark.model
def test_no_model_for_non_commercial_use_goes_along(tmp_path: Path, store: ModelStore) -> None:
    make_deb.copy_models(tmp_path / "models")
    names = {path.name for path in (tmp_path / "models").iterdir() if path.is_dir()}
    assert names == {name for name in store.names() if store.entry(name).default}
    assert not [name for name in names if store.entry(name).non_commercial]


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_maintainer_s_script_is_a_script_that_stops_at_errors(script: Path) -> None:
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/bin/sh\n")
    assert "\nset -e\n" in text
    subprocess.run(["sh", "-n", str(script)], check=True)


def test_the_shipped_places_are_those_of_the_units_and_the_program() -> None:
    units = "".join(path.read_text(encoding="utf-8") for path in (PROJECT / "systemd").iterdir())
    assert "/opt/appliance/current/.venv/bin/python -I -m appliance" in units
    assert make_deb.COMMAND.splitlines()[1] == 'exec /opt/appliance/current/.venv/bin/python -I -m appliance "$@"'
    assert str(make_deb.HOME).startswith("opt/appliance/versions/")
