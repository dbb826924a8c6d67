"""The command: help with an example for every verb, exit codes, and errors in one sentence."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import appliance
from appliance.cli import VERBS, main
from appliance.config_files import PROJECT

ASK = ("understand", "--text", "stop")
"""A command that needs the configuration and no model."""


def _exit_code(words: list[str]) -> int:
    """Of the command, whether it returns or argparse ends it."""
    try:
        return main(words)
    except SystemExit as end:
        return int(end.code or 0)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself_with_an_example(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code([verb, "--help"]) == 0
    shown = capsys.readouterr()
    assert shown.err == ""
    assert shown.out.startswith(f"usage: appliance {verb}")
    assert re.search(rf"^Examples?:\s+appliance .*\b{verb}\b", shown.out, re.MULTILINE)


def test_the_help_lists_every_verb_with_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(["--help"]) == 0
    shown = capsys.readouterr().out
    assert "Example: appliance " in shown
    lines = {line.split()[0]: line.split()[1:] for line in shown.splitlines() if line.startswith("    ")}
    for verb in VERBS:
        assert len(lines[verb]) > 2


def test_no_verb_shows_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code([]) == 2
    assert capsys.readouterr().out.startswith("usage: appliance")


def test_an_unknown_verb_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(["dance"]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "'dance'" in shown.err
    assert "replay" in shown.err


def test_an_unknown_flag_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(["version", "--loudly"]) == 2
    assert "--loudly" in capsys.readouterr().err


def test_the_version_is_told_even_when_the_configuration_is_wrong(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(["--config", "absent.toml", "version"]) == 0
    assert capsys.readouterr().out.startswith("appliance ")


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(["version"]) == 0
    assert capsys.readouterr() == (f"appliance {appliance.__version__}\n", "")


@pytest.mark.parametrize("before", [True, False], ids=["before the verb", "after the verb"])
def test_a_wrong_configuration_is_one_sentence(
    tmp_path: Path, before: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.toml"
    path.write_text("[wake]\nthreshold = 1.7\n", encoding="utf-8")
    chosen = ["--config", str(path)]
    assert _exit_code([*chosen, *ASK] if before else [*ASK, *chosen]) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith(f"appliance: {path}:2: wake.threshold: ")
    assert shown.err.count("\n") == 1


def test_a_missing_configuration_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _exit_code(["--config", str(tmp_path / "absent.toml"), *ASK]) == 2
    assert capsys.readouterr().err.startswith(f"appliance: {tmp_path / 'absent.toml'}: no such file")


def test_a_configuration_may_be_called_like_a_verb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("run").write_text("", encoding="utf-8")
    assert _exit_code(["--config", "run", "version"]) == 0
    assert capsys.readouterr().out == f"appliance {appliance.__version__}\n"


def test_the_exit_code_reaches_the_shell() -> None:
    command = [sys.executable, "-m", "appliance", "--config", "absent.toml", *ASK]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, timeout=30, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("appliance: absent.toml: no such file")
