"""A file that is replaced as a whole: after a power cut it is the old one or the new one, and never half of it."""

import os
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Write a file for its user alone; its folder is made. Raises OSError; then the file is as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
