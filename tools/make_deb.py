"""Makes the Debian package: the program, its Python packages by their hashes, and the default models, in one file.

Who installs it needs no network. It is for the Python and the processor of the machine that makes it, or for others
that are named: every package comes as a wheel, so nothing is compiled.
"""

import argparse
import compileall
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from appliance import __version__
from appliance.config_files import MANIFEST, PROJECT
from appliance.errors import ApplianceError
from appliance.models import ModelStore, Status
from appliance.update.manifest import MARK

PARTS: Final = ("appliance", "docs", "firmware_config", "requirements", "systemd")
"""Folders of the project that go along, beside its Markdown files and models."""

PACKAGES: Final = ("device.txt", "wyoming.txt")
"""Requirements of what goes along."""

HOME: Final = Path("opt/appliance/versions", __version__)

COMMAND: Final = '#!/bin/sh\nexec /opt/appliance/current/.venv/bin/python -I -m appliance "$@"\n'

ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}
"""Debian's names of processors."""

OLDEST_LIBRARY: Final = 36
"""Minor version of the C library of Debian 12, the oldest that is served; wheels for older ones run with it, too."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom it is for."""

    machine: str = platform.machine()
    """x86_64 or aarch64."""

    python: str = platform.python_version().rpartition(".")[0]
    """As 3.11."""

    def requirements(self) -> Iterator[str]:
        """Lines of the lock files that concern it, without the conditions that it meets."""
        environment = {
            "python_version": self.python,
            "python_full_version": f"{self.python}.0",
            "platform_machine": self.machine,
        }
        for name in PACKAGES:
            for line in (PROJECT / "requirements" / name).read_text().replace("\\\n", " ").splitlines():
                requirement, *hashes = line.split(" --hash=")
                wanted = Requirement(requirement)
                if wanted.marker is None or wanted.marker.evaluate(environment):
                    yield " --hash=".join([f"{wanted.name}{wanted.specifier}", *hashes])

    def options(self) -> list[str]:
        """For pip, which otherwise takes what the machine that it runs on needs."""
        kinds = [f"manylinux_2_{minor}" for minor in range(17, OLDEST_LIBRARY + 1)] + ["manylinux2014"]
        platforms = [word for kind in kinds for word in ("--platform", f"{kind}_{self.machine}")]
        # What a package says it requires, pip compares with its own Python; the tags of wheels count.
        return ["--ignore-requires-python", "--implementation", "cp", "--python-version", self.python, *platforms]


HERE: Final = Target()

CONTROL: Final = """\
Package: appliance
Version: {version}
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {size_kib}
Section: sound
Priority: optional
Depends: python3 (>= 3.{minor}), python3 (<< 3.{next_minor}), systemd (>= 252), libportaudio2, alsa-utils, openssl
Description: Offline voice appliance
 Wake word, speech recognition, intents, actions, voice and MQTT, all of it on
 the device. Installing it starts the service appliance.service.
"""


def make(out: Path, compression: str, target: Target = HERE) -> Path:
    """Build the package in a folder; returns its file.

    `compression`: of dpkg-deb: xz, gzip, none. Raises ApplianceError: a tool is missing, or a model is not installed.
    """
    if shutil.which("dpkg-deb") is None:
        raise ApplianceError("make deb: dpkg-deb is not here; packages for Debian are made on Debian")
    root = out / "root"
    shutil.rmtree(root, ignore_errors=True)
    home = root / HOME
    copy_program(home)
    copy_models(home / "models")
    make_environment(home / ".venv", target)
    if target.python == HERE.python:  # else the device does so when it is installed
        compileall.compile_dir(home, quiet=1, stripdir=str(root), prependdir="/")
    _run("chmod", "-R", "a+rX,u+w,go-w", str(root))  # whatever the umask of who fetched the models was
    _put(home / MARK, f"package {__version__}")
    _system_files(root)
    _control(root, target)
    package = out / f"appliance_{__version__}_{ARCHITECTURES[target.machine]}.deb"
    _run("dpkg-deb", "--root-owner-group", f"-Z{compression}", "--build", str(root), str(package))
    shutil.rmtree(root)
    return package


def copy_program(home: Path) -> None:
    """The program's files, without what running it left behind."""
    clean = shutil.ignore_patterns("__pycache__", "*.egg-info")
    for part in PARTS:
        shutil.copytree(PROJECT / part, home / part, ignore=clean)
    for file in (*PROJECT.glob("*.md"), PROJECT / "LICENSE", PROJECT / "pyproject.toml"):
        shutil.copy2(file, home)


def copy_models(target: Path) -> None:
    """Those of the default set, unharmed by their hashes. Raises ApplianceError."""
    store = ModelStore(MANIFEST, MANIFEST.parent)
    target.mkdir(parents=True)
    for file in (MANIFEST, MANIFEST.parent / "README.md"):
        shutil.copy2(file, target)
    for name in store.names():
        entry = store.entry(name)
        if not entry.default:
            continue
        if store.status(name) is not Status.INSTALLED:
            raise ApplianceError(f'make deb: model "{name}" is not installed; run: appliance models install {name}')
        shutil.copytree(MANIFEST.parent / name, target / name, symlinks=False)


def make_environment(folder: Path, target: Target = HERE) -> None:
    """A virtual environment at another place than where it will be used, with packages by their hashes."""
    site = folder / "lib" / f"python{target.python}" / "site-packages"
    site.mkdir(parents=True)
    wanted = folder / "requirements.txt"
    _put(wanted, "\n".join(target.requirements()))
    _run(
        *(sys.executable, "-W", "ignore", "-m", "pip", "--disable-pip-version-check", "--quiet", "install"),
        *("--require-hashes", "--no-build-isolation", "--use-pep517", "--only-binary", ":all:", "--no-binary", "srt"),
        *("--no-deps", "--target", str(site), "-r", str(wanted)),
        *([] if target == HERE else target.options()),
    )
    wanted.unlink()
    shutil.rmtree(site / "bin")  # commands that name the Python of this machine
    (site / "appliance.pth").write_text("../../../..\n")  # the version's folder
    (folder / "pyvenv.cfg").write_text("home = /usr/bin\ninclude-system-site-packages = false\n")
    (folder / "bin").mkdir()
    (folder / "bin" / "python").symlink_to("/usr/bin/python3")


def _system_files(root: Path) -> None:
    """What lies outside of the program's folder."""
    for kind in ("service", "path", "timer"):
        for unit in (PROJECT / "systemd").glob(f"*.{kind}"):
            _put(root / "lib/systemd/system" / unit.name, unit.read_text())
    _put(root / "usr/lib/sysusers.d/appliance.conf", (PROJECT / "systemd/appliance.sysusers").read_text())
    _put(root / "usr/lib/tmpfiles.d/appliance.conf", (PROJECT / "systemd/appliance.tmpfiles").read_text())
    _put(root / "usr/bin/appliance", COMMAND, mode=0o755)
    _put(root / "usr/share/appliance/version", f"{__version__}\n")
    _put(root / "usr/share/doc/appliance/copyright", (PROJECT / "LICENSE").read_text())


def _control(root: Path, target: Target) -> None:
    size_kib = sum(path.lstat().st_size for path in root.rglob("*")) // 1024
    minor = int(target.python.rpartition(".")[2])
    control = CONTROL.format(
        version=__version__,
        architecture=ARCHITECTURES[target.machine],
        maintainer="The appliance's maintainers <maintainers@appliance.invalid>",
        size_kib=size_kib,
        minor=minor,
        next_minor=minor + 1,
    )
    _put(root / "DEBIAN/control", control)
    for script in (PROJECT / "tools" / "debian").iterdir():
        _put(root / "DEBIAN" / script.name, script.read_text(), mode=0o755)


def _put(path: Path, text: str, *, mode: int = 0o644) -> None:
    path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ApplianceError(f"make deb: {command[0]} failed: {(done.stderr or done.stdout).strip()[-500:]}")


def main() -> int:
    """Make it, and say where it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder to make it in")
    parser.add_argument("--compression", default="xz", choices=("xz", "gzip", "none"))
    parser.add_argument("--machine", default=HERE.machine, choices=ARCHITECTURES, help="that it is for (default: this)")
    parser.add_argument("--python", default=HERE.python, help="of the machine that it is for, as 3.13 (default: this)")
    chosen = parser.parse_args()
    try:
        package = make(chosen.out, chosen.compression, Target(chosen.machine, chosen.python))
    except ApplianceError as error:
        print(f"appliance: {error}", file=sys.stderr)
        return error.exit_code
    print(f"{package}: {package.stat().st_size / 1e6:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
