"""Small Debian systems to try things in, made once and kept as a tar."""

import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path


class Skipped(Exception):
    """It cannot be checked here, for this reason."""


def archive(file: Path, release: str, packages: Sequence[str], *options: str) -> Path:
    """A tar of a Debian with these packages, made by mmdebstrap with these options where there is none yet.

    It stays as it was made: delete it to have it made anew. Raises Skipped.
    """
    if not file.exists():
        if shutil.which("mmdebstrap") is None:
            raise Skipped("mmdebstrap is not installed (apt-get install mmdebstrap)")
        file.parent.mkdir(parents=True, exist_ok=True)
        print(f"making {file.name}, a root of Debian, once", flush=True)
        unfinished = file.with_suffix(".part.tar")
        command = ["mmdebstrap", "--quiet", *options, f"--include={','.join(packages)}", release, str(unfinished)]
        done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
        if done.returncode != 0:
            raise Skipped(f"no root of Debian {release} can be made: {done.stderr.strip()[-300:]}")
        unfinished.rename(file)
    return file


def unpack(file: Path, root: Path) -> None:
    """As a fresh folder."""
    shutil.rmtree(root, ignore_errors=True)
    root.mkdir(parents=True)
    subprocess.run(["tar", "-C", str(root), "-xf", str(file), "--exclude=./dev/*"], check=True)
