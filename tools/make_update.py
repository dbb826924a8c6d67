"""Make an update on a workstation and sign it, for `appliance update`.

    python -m tools.make_update key keys/                     once: a key pair; keys/update-key.pem goes to the devices
    python -m tools.make_update tree TREE      what a version's folder holds, for this Python and processor
    python -m tools.make_update sign TREE --key keys/update-key.secret.pem --out UPDATE [--zip]

TREE holds program, models, and packages, as the Debian package does. The secret key stays on the workstation: whoever
has it can put programs onto every device that has the public one. A web server, a stick or a zip file of the folder
UPDATE is an update.
"""

import argparse
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import msgspec

from appliance import __version__
from appliance.errors import ApplianceError, UpdateError, UsageError
from appliance.models import sha256_of
from appliance.update.manifest import FILES, LARGEST_BYTES, MANIFEST, MARK, SIGNATURE, File, Manifest, read
from tools import make_deb

MADE_ON_THE_DEVICE = ("__pycache__", MARK)


def main() -> int:
    """Do what the command line says; returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.make_update", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    actions = parser.add_subparsers(dest="action", required=True)
    actions.add_parser("key", help="make a key pair").add_argument("folder", type=Path)
    actions.add_parser("tree", help="gather what a version's folder holds").add_argument("folder", type=Path)
    sign = actions.add_parser("sign", help="make the manifest of a tree, sign it, and lay out the update")
    sign.add_argument("tree", type=Path)
    sign.add_argument("--key", type=Path, required=True, help="the secret key")
    sign.add_argument("--out", type=Path, required=True, help="a folder that is not there yet")
    sign.add_argument("--version", default=__version__)
    sign.add_argument("--notes", default="", help="what is new, for people")
    sign.add_argument("--machine", default="", choices=["", "aarch64", "x86_64"], help="that the packages are for")
    sign.add_argument("--python", default="", help="that the packages are for, as 3.11")
    sign.add_argument("--zip", action="store_true", help="also as one file, OUT.zip")
    args = parser.parse_args()
    try:
        if args.action == "key":
            make_key(args.folder)
        elif args.action == "tree":
            gather(args.folder)
        else:
            about = Manifest(
                version=args.version,
                notes=args.notes,
                machine=args.machine,
                python=args.python,
                files=files_of(args.tree),
            )
            make(args.tree, args.out, about, args.key)
            if args.zip:
                print(zipped(args.out))
    except ApplianceError as error:
        print(f"make_update: {error}", file=sys.stderr)
        return error.exit_code
    return 0


def make_key(folder: Path) -> None:
    """A pair of Ed25519 keys: `update-key.secret.pem`, mode 0600, and `update-key.pem`. Raises UsageError."""
    folder.mkdir(parents=True, exist_ok=True)
    secret, public = folder / "update-key.secret.pem", folder / "update-key.pem"
    if secret.exists() or public.exists():
        raise UsageError(f"{folder}: there is a key already; devices would not trust what another one signs")
    old = os.umask(0o077)
    try:
        _openssl("genpkey", "-algorithm", "ed25519", "-out", str(secret))
    finally:
        os.umask(old)
    _openssl("pkey", "-in", str(secret), "-pubout", "-out", str(public))
    public.chmod(0o644)


def gather(folder: Path) -> None:
    """Program, models and packages of this checkout, as the Debian package has them. Raises ApplianceError."""
    if folder.exists():
        raise UsageError(f"{folder}: is there already; name a folder that is not")
    make_deb.copy_program(folder)
    make_deb.copy_models(folder / "models")
    make_deb.make_environment(folder / ".venv")


def files_of(tree: Path) -> dict[str, File]:
    """Every file below a folder, by its path. Raises UsageError for what an update cannot hold."""
    found = {}
    for path in _below(tree):
        if path == tree / ".venv" / "bin" / "python":
            continue  # a link to the machine's own
        if path.is_symlink() or not path.is_file():
            raise UsageError(f"{path}: an update holds plain files only")
        stat = path.stat()
        found[path.relative_to(tree).as_posix()] = File(
            sha256=sha256_of(path), size=stat.st_size, executable=bool(stat.st_mode & 0o100)
        )
    return found


def make(tree: Path, out: Path, manifest: Manifest, key: Path) -> None:
    """Lay out an update and sign it; it is read back as a device would. Raises UsageError, UpdateError."""
    if out.exists():
        raise UsageError(f"{out}: is there already; name a folder that is not")
    data = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    if len(data) > LARGEST_BYTES:
        raise UsageError(f"{tree}: {len(manifest.files)} files are too many for one update")
    (out / FILES).mkdir(parents=True)
    for path, file in manifest.files.items():
        shutil.copyfile(tree / path, out / FILES / file.sha256)
    (out / MANIFEST).write_bytes(data)
    sign(out, key)
    public = out / "update-key.pem"
    _openssl("pkey", "-in", str(key), "-pubout", "-out", str(public))
    read(data, (out / SIGNATURE).read_bytes(), public)
    public.unlink()


def sign(out: Path, key: Path) -> None:
    """Sign the manifest of an update. Raises UpdateError."""
    _openssl("pkeyutl", "-sign", "-rawin", "-inkey", str(key), "-in", str(out / MANIFEST), "-out", str(out / SIGNATURE))


def zipped(folder: Path) -> Path:
    """The update as one file beside its folder."""
    target = folder.with_name(folder.name + ".zip")
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(_below(folder)):
            archive.write(path, path.relative_to(folder).as_posix())
    return target


def _below(folder: Path) -> Iterator[Path]:
    """Every file, but for what the device makes."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in MADE_ON_THE_DEVICE)
        yield from (Path(root, name) for name in sorted(names) if name not in MADE_ON_THE_DEVICE)


def _openssl(*words: str) -> None:
    """Raises UpdateError."""
    try:
        done = subprocess.run(
            ["openssl", *words], stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise UpdateError("openssl is not installed; sudo apt-get install openssl") from None
    if done.returncode != 0:
        lines = done.stderr.strip().splitlines() or ["no reason given"]
        raise UpdateError(f"openssl {words[0]}: {lines[0]}")


if __name__ == "__main__":
    sys.exit(main())
