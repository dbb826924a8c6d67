"""Updates: only what was signed is taken, only what works is kept, and whatever fails leaves what was there."""

import json
import shutil
import tempfile
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import UpdateError
from appliance.events import UpdateStep
from appliance.update.manifest import LARGEST_BYTES, parse
from appliance.update.places import WebPlace, place_of
from tests.test_model_install import Response
from tests.updates import NEW, OLD, Device, Maker, folder_in_memory, write
from tools import kill_updates, make_update

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl is not installed")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with folder_in_memory() as name:
        yield Path(name)


@pytest.fixture(scope="module")
def maker(folder: Path) -> Maker:
    return Maker(folder / "maker")


@pytest.fixture
def device(folder: Path, maker: Maker) -> Device:
    return Device(Path(tempfile.mkdtemp(dir=folder)), maker.key)


@pytest.fixture
def update(maker: Maker) -> Path:
    return maker.make()


def test_an_update_is_fetched_tested_used_and_looked_at(device: Device, maker: Maker) -> None:
    update = maker.make(notes="Hears better.")
    device.install(update)
    assert device.files == NEW
    assert (device.root / "current/bin/start").stat().st_mode & 0o777 == 0o755
    assert device.machine.asked == ["prepare 1.1", "test 1.1", "restart", "watch 1.1", "test 1.1"]
    assert (device.versions.current, device.versions.previous, device.versions.on_trial) == ("1.1", "1.0", None)
    steps = list(dict.fromkeys(moment.step for moment in device.told))
    assert steps == ["found", "fetching", "preparing", "testing", "switching", "installed"]
    percents = [moment.percent for moment in device.told]
    assert percents == sorted(percents)
    assert percents[-1] == 100
    assert device.told[-1].installed == "1.1"
    assert device.told[0].notes == "Hears better."


def test_what_the_old_version_has_is_neither_fetched_nor_stored_twice(device: Device, update: Path) -> None:
    ear = json.loads((update / "update.json").read_bytes())["files"]["models/ear"]["sha256"]
    (update / "files" / ear).unlink()
    device.install(update)
    assert (device.root / "current/models/ear").samefile(device.root / "previous/models/ear")
    assert device.files == NEW


def test_models_of_the_owner_go_along(device: Device, maker: Maker) -> None:
    own = {"models/own.toml": b"mine", "models/korean/am/weights": b"heavy"}
    write(device.root / "current", own | {"models/mouth/lip": b"of the old mouth"})
    device.install(maker.make(NEW | {"models/mouth/tongue": b"new"}))
    assert device.files == NEW | own | {"models/mouth/tongue": b"new"}


def test_a_damaged_file_of_the_old_version_is_fetched(device: Device, update: Path) -> None:
    write(device.root / "current", {"models/ear": OLD["models/ear"][::-1]})
    device.install(update)
    assert device.files == NEW


def test_a_zip_and_a_file_address_will_do(device: Device, update: Path) -> None:
    archive = make_update.zipped(update)
    device.install(f"file://{archive}")
    assert device.files == NEW


def test_a_web_server_will_do(device: Device, update: Path) -> None:
    asked = []

    def open_url(request: Any) -> Any:
        asked.append(request.full_url)
        return Response((update / request.full_url.removeprefix("https://maker.example/v/")).read_bytes())

    place = place_of("https://maker.example/v", open_url)
    device.updater.apply(place, device.updater.look(place, device.key))
    assert device.files == NEW
    assert len(asked) == 2 + 3  # manifest, signature, and the files that the old version has not


def test_a_web_server_that_is_away_changes_nothing(device: Device) -> None:

    def open_url(request: Any) -> Any:
        raise urllib.error.URLError("no route to host")

    with pytest.raises(UpdateError, match="no route to host"):
        device.updater.look(WebPlace("https://maker.example/", open_url), device.key)
    assert device.files == OLD


@pytest.mark.parametrize("address", ["http://maker.example/v", "ftp://x/y", "https://", "file://other/x", "/not/there"])
def test_other_addresses_are_refused(address: str) -> None:
    with pytest.raises(UpdateError, match=r"name a path|name where"):
        place_of(address)


def _flip(update: Path) -> None:
    data = (update / "update.json").read_bytes()
    (update / "update.json").write_bytes(data.replace(b'"1.1"', b'"1.2"'))


def _no_signature(update: Path) -> None:
    (update / "update.json.sig").write_bytes(b"")


def _another_key(update: Path) -> None:
    Maker(update.parent / "other").sign_again(update, (update / "update.json").read_bytes())


@pytest.mark.parametrize("harm", [_flip, _no_signature, _another_key])
def test_what_the_owner_of_the_key_did_not_sign_is_not_looked_at(
    device: Device, update: Path, harm: Callable[[Path], None]
) -> None:
    harm(update)
    with pytest.raises(UpdateError, match=r"is not signed with|bytes instead of 64"):
        device.install(update)
    assert device.files == OLD
    assert not device.told


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "no such key"),
        ("-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQ==\n-----END PUBLIC KEY-----\n", "no public Ed25519 key"),
        ("-----BEGIN PRIVATE KEY-----\nMFkwEwYHKoZIzj0CAQ==\n-----END PRIVATE KEY-----\n", "no public Ed25519 key"),
        ("", "no public Ed25519 key"),
        ("\xfc", "cannot be read"),
    ],
)
def test_without_a_right_key_nothing_is_installed(
    device: Device, update: Path, tmp_path: Path, text: str | None, problem: str
) -> None:
    device.key = tmp_path / "key.pem"
    if text is not None:
        device.key.write_text(text, encoding="latin-1")
    with pytest.raises(UpdateError, match=problem):
        device.install(update)


@pytest.mark.parametrize(
    "path", ["../x", "/etc/x", "a/../../x", "", "a//b", ".complete", "a\\..\\b", "a\nb", "a" * 201]
)
def test_no_signature_lets_a_file_out_of_its_folder(update: Path, path: str) -> None:
    wanted = json.loads((update / "update.json").read_bytes())
    wanted["files"][path] = wanted["files"].pop("models/ear")
    with pytest.raises(UpdateError, match="no path inside"):
        parse(json.dumps(wanted).encode())


def test_no_file_is_a_folder_too(update: Path) -> None:
    wanted = json.loads((update / "update.json").read_bytes())
    wanted["files"]["models/ear/drum"] = wanted["files"]["models/ear"]
    with pytest.raises(UpdateError, match="'models/ear' as a file and as a folder"):
        parse(json.dumps(wanted).encode())


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[" * 100_000, b'{"format":1,"version":"1.1","files":{}}', b"\xff", b'{"format":2}']
)
def test_signed_nonsense_is_refused(data: bytes) -> None:
    with pytest.raises(UpdateError, match="not of a form"):
        parse(data)


def test_a_manifest_of_any_size_is_not_taken_in(device: Device, update: Path) -> None:
    (update / "update.json").write_bytes(b" " * (LARGEST_BYTES + 1))
    with pytest.raises(UpdateError, match="more than 4194304 bytes"):
        device.install(update)


def test_a_file_that_is_not_what_was_signed_is_not_installed(device: Device, update: Path) -> None:
    sha256 = json.loads((update / "update.json").read_bytes())["files"]["appliance/loop.py"]["sha256"]
    for content in (b"bad loop", b"", b"new loop and " * 100_000):
        (update / "files" / sha256).write_bytes(content)
        with pytest.raises(UpdateError, match=r"appliance/loop\.py: what was fetched is not what was signed"):
            device.install(update)
        assert device.files == OLD
        assert device.versions.digest("1.1") is None
        assert (device.told[-1].step, device.told[-1].installed) == (UpdateStep.FAILED, "1.0")
    (update / "files" / sha256).write_bytes(NEW["appliance/loop.py"])
    device.install(update)
    assert device.files == NEW


@pytest.mark.parametrize(
    ("about", "problem"),
    [
        ({"version": "1.0"}, "is not newer than 1.0"),
        ({"version": "0.9"}, "is not newer than 1.0"),
        ({"machine": "x86_64"}, "is made for x86_64, and this machine has aarch64"),
        ({"python": "3.13"}, "is made for 3.13, and this machine has 3.11"),
    ],
)
def test_what_does_not_fit_is_refused(device: Device, maker: Maker, about: dict[str, str], problem: str) -> None:
    update = maker.make(**about)
    with pytest.raises(UpdateError, match=problem):
        device.install(update)
    assert device.files == OLD


def test_a_full_disk_is_told_before_anything_is_fetched(device: Device, update: Path) -> None:
    device.machine.free = 1 << 20
    with pytest.raises(UpdateError, match="make room"):
        device.install(update)
    assert device.files == OLD


@pytest.mark.parametrize("breaks", ["prepare 1.1", "test 1.1"])
def test_what_fails_beside_the_running_version_disturbs_nobody(device: Device, update: Path, breaks: str) -> None:
    device.machine.breaks = breaks
    with pytest.raises(UpdateError, match=f"version 1.1 was not installed: {breaks} failed"):
        device.install(update)
    assert device.files == OLD
    assert "restart" not in device.machine.asked


def test_a_version_that_does_not_hear_is_taken_back(device: Device, update: Path) -> None:
    device.machine.breaks = "watch 1.1"
    with pytest.raises(UpdateError, match=r"version 1\.1 does not work, 1\.0 is used again: watch 1\.1 failed"):
        device.install(update)
    assert device.files == OLD
    assert device.machine.asked[-3:] == ["restart", "watch 1.1", "restart"]
    assert (device.told[-1].step, device.told[-1].installed) == (UpdateStep.ROLLED_BACK, "1.0")
    assert device.told[-1].problem == "watch 1.1 failed"
    assert device.versions.on_trial is None


@pytest.mark.parametrize(("breaks", "left"), [("", NEW), ("watch 1.1", OLD)])
def test_a_trial_that_the_power_ended_is_settled_at_the_next_start(
    device: Device, update: Path, breaks: str, left: dict[str, bytes]
) -> None:
    device.install(update)
    (device.root / "trial").write_text("1.1")
    device.machine.breaks = breaks
    if breaks:
        with pytest.raises(UpdateError, match=r"1\.0 is used again"):
            device.updater.settle()
    else:
        device.updater.settle()
    assert device.files == left
    assert not (device.root / "trial").exists()


def test_the_owner_may_go_back_once(device: Device, update: Path) -> None:
    device.install(update)
    assert device.updater.roll_back() == "1.0"
    assert device.files == OLD
    assert device.told[-1].step is UpdateStep.ROLLED_BACK
    with pytest.raises(UpdateError, match="no version to go back to"):
        device.updater.roll_back()


def test_older_versions_make_room(device: Device, maker: Maker) -> None:
    for version in ("1.1", "1.2", "1.3"):
        device.install(maker.make(NEW | {"x": version.encode()}, version=version))
    assert sorted(path.name for path in (device.root / "versions").iterdir()) == ["1.2", "1.3"]


def test_two_do_not_update_at_a_time(device: Device, update: Path) -> None:
    with device.versions.locked(), pytest.raises(UpdateError, match="another update is under way"):
        device.install(update)
    device.install(update)


def test_what_an_earlier_try_left_is_used_or_removed(device: Device, update: Path, tmp_path: Path) -> None:
    folder = device.versions.folder("1.1")
    write(folder, {"appliance/loop.py": NEW["appliance/loop.py"], "old/stranger.py": b"x", "appliance/deep": b"a file"})
    (folder / "link").symlink_to("/etc/passwd")
    (folder / "wheels").symlink_to(tmp_path / "elsewhere")
    sha256 = json.loads((update / "update.json").read_bytes())["files"]["appliance/loop.py"]["sha256"]
    (update / "files" / sha256).unlink()
    device.install(update)
    assert device.files == NEW
    assert not (tmp_path / "elsewhere").exists()


def test_a_cut_leaves_the_old_or_the_new_version_in_use(folder: Path) -> None:
    counts = kill_updates.kill(folder / "few", every=19, at_random=0)
    assert counts["cuts before an operation"] > 5
    assert counts["old"]
    assert not counts["mixed"]


@pytest.mark.slow
def test_cut_before_every_operation_and_at_hundreds_of_moments(folder: Path) -> None:
    counts = kill_updates.kill(folder / "many", every=1, at_random=300)
    assert counts["cuts before an operation"] > 100
    assert counts["new"]
    assert not counts["mixed"]
