"""A file or link that is replaced as a whole: after a power cut it is the old one or the new one, never half of it."""

import errno
import os
import subprocess
from pathlib import Path


def replace(path: Path, content: bytes, *, mode: int = 0o600) -> None:
    """Write a file, on disk when this returns; its folder is made. Raises OSError; then the file is as it was."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    with open(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
    flush_folder(path.parent)


def link(path: Path, target: str) -> None:
    """Let a symbolic link point elsewhere; who reads it meanwhile finds the old or the new target. Raises OSError."""
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.replace(path)
    flush_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a file or link, on disk when this returns; nothing where there is none. Raises OSError."""
    path.unlink(missing_ok=True)
    flush_folder(path.parent)


def flush_tree(folder: Path) -> None:
    """Have everything below a folder on disk, and whatever else is on its file system. Raises OSError.

    By syncfs(2), which tells of errors: sync(2) does not, and an fsync for each of thousands of files takes minutes.
    """
    done = subprocess.run(["sync", "--file-system", str(folder)], capture_output=True, check=False)
    if done.returncode != 0:
        raise OSError(errno.EIO, "could not be written to the disk", str(folder))


def flush_folder(folder: Path) -> None:
    """Have the names in a folder on disk: a rename is lost with the power until then (fsync(2)). Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
