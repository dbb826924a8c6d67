"""The owner's configuration: defaults, and errors that name file, line, key and remedy."""

from pathlib import Path

import pytest

from appliance import config, config_files
from appliance.config import Config, parse
from appliance.errors import ConfigError

WRONG = [
    # text, line, key, part of the reason, part of the remedy
    ("[wake]\nthreshold = 1.7\n", 2, "wake.threshold", "<= 1.0", "Score that wakes, 0..1"),
    ("[wake]\nthreshold = -0.1\n", 2, "wake.threshold", ">= 0.0", "0..1"),
    ("[wake]\nthreshold = nan\n", 2, "wake.threshold", ">= 0.0", "0..1"),
    ("[wake]\nthreshold = inf\n", 2, "wake.threshold", "<= 1.0", "0..1"),
    ("[wake]\n\n# louder\n  threshold='x'\n", 4, "wake.threshold", "got `str`", "0..1"),
    ("[wake]\nwords = []\n", 2, "wake.words", "length >= 1", "1..8"),
    (f"[wake]\nwords = {['a'] * 9}\n", 2, "wake.words", "length <= 8", "1..8"),
    ('[wake]\nwords = [\n  "alexa",\n  3,\n]\n', 2, "wake.words", "got `int`", "Wake words"),
    ('[wake]\nwords = "alexa"\n', 2, "wake.words", "got `str`", "Wake words"),
    ("[audio]\nvolume = 101\n", 2, "audio.volume", "<= 100", "percent, 0..100"),
    ("[audio]\nvolume = 70.5\n", 2, "audio.volume", "got `float`", "percent"),
    ("[audio]\nvolume = true\n", 2, "audio.volume", "got `bool`", "percent"),
    ("[audio]\nvolume = 99999999999999999999999\n", 2, "audio.volume", "<= 100", "percent"),
    ("[audio]\n[mqtt]\nport = 0\n", 3, "mqtt.port", ">= 1", "1..65535"),
    ("[mqtt]\nport = 65536\n", 2, "mqtt.port", "<= 65535", "1..65535"),
    ('[mqtt]\ntls = "yes"\n', 2, "mqtt.tls", "got `str`", "certificate"),
    ("[mqtt]\nhost = 2020-01-01\n", 2, "mqtt.host", "got `date`", "broker"),
    ("[listening]\nlongest_ms = 999\n", 2, "listening.longest_ms", ">= 1000", "1000..60000"),
    ('[device]\nid = ""\n', 2, "device.id", "regex", "at most 64 characters"),
    (f'[device]\nid = "{"a" * 65}"\n', 2, "device.id", "regex", "at most 64 characters"),
    ('[device]\nid = "a/b"\n', 2, "device.id", "regex", "letters, digits, - and _"),
    ('[device]\nid = "line\\n"\n', 2, "device.id", "regex", "letters, digits, - and _"),
    ('[log]\nlevel = "INFO"\n', 2, "log.level", "'INFO'", "debug, info, warning or error"),
    ('[log]\nlevel = "info\\n"\n', 2, "log.level", "Invalid", "debug, info, warning or error"),
    ("[wake]\nkeep_near_misses = 1001\n", 2, "wake.keep_near_misses", "<= 1000", "0..1000"),
    ("\n\nwake.threshold = 2\n", 3, "wake.threshold", "<= 1.0", "0..1"),
    ("\nwake = { threshold = 2 }\n", 2, "wake.threshold", "<= 1.0", "0..1"),
    ('[ "wake" ]\n"threshold" = 2\n', 2, "wake.threshold", "<= 1.0", "0..1"),
    ("wake = 3\n", 1, "wake", "got `int`", "firmware_config/appliance.toml"),
    ("\n[[wake]]\n", 2, "wake", "got `array`", "firmware_config/appliance.toml"),
    ("[wake]\n\nthresold = 1\n", 3, "wake.thresold", "unknown key", "known here: words, threshold"),
    ("[mqtt]\n[wake.deeper]\nx = 1\n", 2, "wake.deeper", "unknown key", "known here: words, threshold"),
    ("# mine\n[wakes]\nthreshold = 1\n", 2, "wakes", "unknown key", "known here: device, audio, wake"),
    ('[audio]\n"vol ume" = 1\n', 2, "audio.vol ume", "unknown key", "known here: hardware, microphone, "),
    ("x = 1\n[wake]\n", 1, "x", "unknown key", "known here: device, audio, wake"),
]


@pytest.mark.parametrize(("text", "line", "key", "reason", "remedy"), WRONG)
def test_an_error_names_file_line_key_and_remedy(text: str, line: int, key: str, reason: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, "kitchen.toml")
    sentence = str(caught.value)
    assert sentence.startswith(f"kitchen.toml:{line}: {key}: ")
    assert reason in sentence
    assert remedy in sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[wake\n", "at line 1"),
        ("[audio]\nvolume = 1\nvolume = 2\n", "Cannot overwrite a value"),
        ("[audio]\nvolume = 0x\n", "at line 2"),
        ("a = " + "[" * 5000, "recursion"),
        ("[audio]\nvolume = " + "9" * 5000, "digits"),
        ("\0", "Invalid statement"),
    ],
)
def test_what_is_not_toml_is_told_with_its_place(text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=r"kitchen\.toml: not valid TOML") as caught:
        parse(text, "kitchen.toml")
    assert told in str(caught.value)
    assert "see firmware_config/appliance.toml for the form" in str(caught.value)


def test_an_empty_file_is_the_defaults() -> None:
    assert parse("", "empty.toml") == Config()


def test_the_defaults() -> None:
    default = Config()
    assert default.device.id == "appliance"
    assert default.wake.words == ["computer"]
    assert default.wake.threshold == 0.0
    assert (default.listening.silence_ms, default.listening.open_silence_ms) == (800, 400)
    assert default.listening.wide_open_silence_ms == 600
    assert default.listening.closed_silence_ms == 120
    assert default.mqtt.host == ""
    assert not default.privacy.publish_text


def test_what_is_named_is_changed_and_the_rest_stays() -> None:
    mine = parse('[wake]\nwords = ["hey_jarvis", "okay_nabu"]\nthreshold = 1\n[audio]\nvolume = 0\n', "mine.toml")
    assert mine.wake.words == ["hey_jarvis", "okay_nabu"]
    assert mine.wake.threshold == 1.0
    assert mine.audio.volume == 0
    assert mine.listening == Config().listening


def test_the_rendered_file_is_read_back() -> None:
    assert parse(config.render(), "rendered.toml") == Config()


@pytest.mark.parametrize("mark", ["", "\ufeff"], ids=["plain", "byte order mark"])
def test_a_file_is_read_as_utf_8(tmp_path: Path, mark: str) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(mark + '[device]\narea = "Küche"\n', encoding="utf-8")
    assert config.load(path).device.area == "Küche"


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"absent\.toml: no such file; copy .* or name one with --config"):
        config.load(tmp_path / "absent.toml")


def test_what_cannot_be_read_as_text_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"[device]\narea = '\xfc'\n")
    for path in (tmp_path / "latin.toml", tmp_path):
        with pytest.raises(ConfigError) as caught:
            config.load(path)
        assert str(caught.value).startswith(f"{path}: cannot be read as UTF-8 text")
        assert "check its permissions and encoding" in str(caught.value)


def test_a_configuration_cannot_be_changed() -> None:
    with pytest.raises(AttributeError):
        Config().audio.volume = 3  # type: ignore[misc]


class TestFiles:
    """Where the owner's files are."""

    def test_paths_are_relative_to_the_file(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.toml"
        path.write_text('[models]\ndirectory = "trained"\n[home]\nfile = "house/flat.yaml"\n', encoding="utf-8")
        loaded = config_files.load(path)
        assert loaded.folder == tmp_path
        assert loaded.models_directory == tmp_path / "trained"
        assert loaded.home_file == tmp_path / "house" / "flat.yaml"

    def test_absolute_paths_stay(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.toml"
        path.write_text('[models]\ndirectory = "/srv/models"\n[home]\nfile = "/srv/home.yaml"\n', encoding="utf-8")
        loaded = config_files.load(path)
        assert loaded.models_directory == Path("/srv/models")
        assert loaded.home_file == Path("/srv/home.yaml")

    def test_empty_names_mean_the_models_beside_the_program_and_no_home(self, tmp_path: Path) -> None:
        path = tmp_path / "mine.toml"
        path.write_text('[home]\nfile = ""\n', encoding="utf-8")
        loaded = config_files.load(path)
        assert loaded.models_directory == config_files.MANIFEST.parent
        assert loaded.home_file is None

    def test_a_link_leads_to_the_folder_of_the_file_itself(self, tmp_path: Path) -> None:
        (tmp_path / "real").mkdir()
        (tmp_path / "real" / "mine.toml").write_text("", encoding="utf-8")
        (tmp_path / "link.toml").symlink_to(tmp_path / "real" / "mine.toml")
        assert config_files.load(tmp_path / "link.toml").folder == tmp_path / "real"

    def test_the_installed_file_comes_before_the_shipped_one(self, tmp_path: Path) -> None:
        installed = tmp_path / "appliance.toml"
        assert config_files.load(None, installed=installed).folder == config_files.SHIPPED_CONFIG.parent
        installed.write_text("[audio]\nvolume = 7\n", encoding="utf-8")
        assert config_files.load(None, installed=installed).config.audio.volume == 7
        named = tmp_path / "named.toml"
        named.write_text("[audio]\nvolume = 8\n", encoding="utf-8")
        assert config_files.load(named, installed=installed).config.audio.volume == 8

    def test_an_installed_file_that_cannot_be_looked_at_is_not_passed_over(self, tmp_path: Path) -> None:
        loop = tmp_path / "appliance.toml"
        loop.symlink_to(loop)
        with pytest.raises(ConfigError, match="cannot be read"):
            config_files.load(None, installed=loop)


def test_safe_mode_keeps_who_and_where_it_is_and_no_more(tmp_path: Path) -> None:
    file = tmp_path / "kitchen.toml"
    file.write_text(
        '[device]\nid = "kitchen"\n[mqtt]\nhost = "10.0.0.2"\n[models]\ndirectory = "mine"\nvoice = "mine"\n'
        '[home]\nlanguage = "ko"\nfile = "mine.yaml"\n[wake]\nwords = ["mine"]\n[privacy]\npublish_text = true\n'
    )
    loaded = config_files.load_safe(file)
    kept, default = loaded.config, Config()
    assert (kept.device.id, kept.mqtt.host, kept.home.language) == ("kitchen", "10.0.0.2", "ko")
    assert loaded.models_directory == tmp_path / "mine"
    assert loaded.home_file is None
    assert (kept.wake, kept.privacy, kept.models.voice) == (default.wake, default.privacy, default.models.voice)
    assert loaded.safe_mode is not None
    assert "failed again and again" in loaded.safe_mode


@pytest.mark.parametrize("text", ["[nonsense]\n", "\0", '[home]\nlanguage = "./mine"\nnonsense = 1\n'])
def test_safe_mode_says_what_is_wrong_with_the_file(text: str, tmp_path: Path) -> None:
    file = tmp_path / "kitchen.toml"
    file.write_text(text)
    loaded = config_files.load_safe(file)
    assert loaded.config.wake == Config().wake
    assert loaded.config.home.language == "en"
    assert loaded.safe_mode is not None
    assert f"{file}" in loaded.safe_mode


def test_a_language_of_the_owner_s_is_left_out_of_safe_mode(tmp_path: Path) -> None:
    file = tmp_path / "kitchen.toml"
    file.write_text('[home]\nlanguage = "./mine"\n')
    assert config_files.load_safe(file).config.home.language == "en"
