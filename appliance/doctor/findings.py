"""What the doctor found, one sentence each."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """The appliance runs, but not as well as it could."""

    PROBLEM = "problem"
    """Something that it is for does not work."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the report."""

    level: Level
    name: str
    """What was looked at: `microphone`, `broker`."""

    found: str
    """What is the case, with figures."""

    remedy: str = ""
    """What to do; empty where nothing is to be done."""

    def __str__(self) -> str:
        remedy = f"; {self.remedy}" if self.remedy else ""
        return f"{self.level:<7}  {self.name:<13}  {self.found}{remedy}"


def ok(name: str, found: str) -> Finding:
    """All is well."""
    return Finding(Level.OK, name, found)


def warning(name: str, found: str, remedy: str) -> Finding:
    """It works, but could be better."""
    return Finding(Level.WARNING, name, found, remedy)


def problem(name: str, found: str, remedy: str) -> Finding:
    """It does not work."""
    return Finding(Level.PROBLEM, name, found, remedy)


def told(level: Level, name: str, sentence: object) -> Finding:
    """An error or a warning of the appliance's own: what and where, a semicolon, what to do."""
    found, _, remedy = str(sentence).partition("; ")
    return Finding(level, name, found.removeprefix(f"{name}: "), remedy)


@contextmanager
def warnings_of(name: str) -> Iterator[list[Finding]]:
    """The list grows by a finding of this name for each warning that our own code writes into its log meanwhile."""
    collector, logger = _Collector(name), logging.getLogger("appliance")
    logger.addHandler(collector)
    try:
        yield collector.findings
    finally:
        logger.removeHandler(collector)


class _Collector(logging.Handler):
    def __init__(self, name: str) -> None:
        super().__init__(logging.WARNING)
        self.findings: list[Finding] = []
        self._name = name

    def emit(self, record: logging.LogRecord) -> None:
        self.findings.append(told(Level.WARNING, self._name, record.getMessage()))
