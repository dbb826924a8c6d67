"""Python, its packages, and the machine they run on."""

import re
from collections.abc import Mapping
from typing import Final

from appliance.doctor.findings import Finding, Level, ok, problem, told, warning
from appliance.errors import ModelError

OLDEST_PYTHON: Final = (3, 11)

OLDEST_GLIBC: Final = (2, 28)
"""The packages' wheels are made for it (manylinux_2_28: onnxruntime, piper-tts)."""

TELEMETRY_FROM: Final = "1.28"
"""From about this version on, onnxruntime's builds for Linux collect telemetry, see requirements/device.in."""

_MAKE_VENV: Final = "run make venv"


def python(version: tuple[int, ...], *, is_64_bit: bool) -> list[Finding]:
    """`version`: as in `sys.version_info`, its numbers only."""
    found = f"{_dotted(version)}, {64 if is_64_bit else 32} bit"
    if version[:2] < OLDEST_PYTHON or not is_64_bit:
        needed = f"take a 64-bit Python {_dotted(OLDEST_PYTHON)} or newer: make venv PYTHON=/usr/bin/python3.11"
        return [problem("python", found, needed)]
    return [ok("python", found)]


def machine(architecture: str, libc: tuple[str, str]) -> list[Finding]:
    """`architecture`: as `uname -m` says. `libc`: name and version, both empty for what is not glibc."""
    found = f"{architecture}, {' '.join(libc).strip() or 'a C library that is not glibc'}"
    if architecture not in ("aarch64", "x86_64"):
        return [problem("machine", found, "take a 64-bit system for ARM or x86: nobody publishes packages for this")]
    numbers = tuple(int(part) for part in re.findall(r"\d+", libc[1]))
    if libc[0] != "glibc" or numbers < OLDEST_GLIBC:
        return [problem("machine", found, f"take a system with glibc {_dotted(OLDEST_GLIBC)} or newer: Debian 12")]
    return [ok("machine", found)]


def threads(environment: Mapping[str, str], cores: int) -> list[Finding]:
    """Threads of the libraries for linear algebra; the command itself asks for one where nothing is said."""
    names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS")
    more = [f"{name}={environment[name]}" for name in names if environment.get(name, "1") != "1"]
    if more:
        found = f"{', '.join(more)}: small products then cost many times as much"
        return [warning("threads", found, "take it out of the environment")]
    return [ok("threads", f"1 for linear algebra, {cores} cores")]


def packages(pins: str, installed: Mapping[str, str]) -> list[Finding]:
    """Are they all there, as they were tested, and do they go together?

    Args:
        pins: the text of requirements/device.txt, empty where it is not there.
        installed: names, as `normal` gives them, and versions.
    """
    wanted = _wanted(pins)
    missing = [name for name in wanted if name not in installed]
    other = [
        f"{name} {installed[name]} instead of {version}"
        for name, version in wanted.items()
        if installed.get(name, version) != version
    ]
    findings = _that_do_not_go_together(installed)
    if missing:
        findings.append(problem("packages", f"not installed: {', '.join(missing)}", _MAKE_VENV))
    if other:
        findings.append(warning("packages", f"not as they were tested: {', '.join(other)}", _MAKE_VENV))
    if not findings:
        compared = f"{len(wanted)} as in requirements/device.txt" if wanted else "nothing to compare them with"
        findings.append(ok("packages", f"{len(installed)} installed, {compared}"))
    return findings


def normal(name: str) -> str:
    """A package's name in the one way in which names are compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(str(part) for part in version)


def _wanted(pins: str) -> dict[str, str]:
    """Names and versions, without those for other machines."""
    from packaging.requirements import Requirement

    lines = [line.rstrip(" \\") for line in pins.splitlines() if re.match(r"[A-Za-z0-9]", line)]
    asked = [Requirement(line) for line in lines]
    here = [one for one in asked if one.marker is None or one.marker.evaluate()]
    return {normal(one.name): str(one.specifier).removeprefix("==") for one in here}


def _that_do_not_go_together(installed: Mapping[str, str]) -> list[Finding]:
    from packaging.version import Version

    findings = []
    if "numpy" in installed:
        from appliance.runtimes.tflite import choose_runtime  # here, for without numpy it cannot be imported

        runtimes = [name for name in ("tflite_runtime", "ai_edge_litert") if normal(name) in installed]
        try:
            choose_runtime(runtimes, installed["numpy"])
        except ModelError as error:
            findings.append(told(Level.PROBLEM, "packages", error))
    onnxruntime = installed.get("onnxruntime")
    if onnxruntime is not None and Version(onnxruntime) >= Version(TELEMETRY_FROM):
        found = f"onnxruntime {onnxruntime} collects telemetry"
        findings.append(problem("packages", found, f"{_MAKE_VENV}: it takes one before {TELEMETRY_FROM}"))
    return findings
