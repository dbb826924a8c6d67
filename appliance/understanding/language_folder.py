"""The folder of a language: everything that is not the same in all of them.

`language.yaml` names its models and voices and holds what fits nowhere else; beside it stand its sentences
(`sentences*.yaml`), its answers (`answers.yaml`, `spoken.yaml`) and its sounds (`phones.yaml`). docs/languages.md tells
how to make one.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import msgspec
from msgspec import Meta, Struct

from appliance.config import Models
from appliance.config_files import LoadedConfig
from appliance.errors import ConfigError
from appliance.understanding import strict_yaml
from appliance.understanding.phones import PhoneTable

LANGUAGES: Final = Path(__file__).parent.parent / "languages"

SETTINGS: Final = "language.yaml"
PHONES: Final = "phones.yaml"
ANSWERS: Final = "answers.yaml"
SPOKEN: Final = "spoken.yaml"

NONE: Final = "none"
"""In place of the name of a model: without one, whatever the language has."""

Word = Annotated[str, Meta(min_length=1)]
_Form = TypeVar("_Form", bound=Struct)


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What `language.yaml` says."""

    name: Word
    """What those who speak it call it."""

    code: Annotated[str, Meta(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*\Z")]
    """By which Unicode's rules for numbers know it: `en`, `pt-PT`."""

    recognizer: Word
    """Name of a model of the manifest."""

    pronunciations: str = ""
    """Name of a model of the manifest; empty: words sound as `letters` in `phones.yaml` say."""

    voice: str = ""
    """Name of a model of the manifest; empty: the simple voice speaks."""

    simple_voice: dict[str, tuple[str, ...]] = {}
    """Programs that speak it, the best first, each with the arguments that choose voice and speed."""

    wake_words: dict[str, Word] = {}
    """Names of wake words, and how the recognizer writes them, where that is not as their makers do."""

    signs: dict[str, str] = {}
    """Signs and spellings that people type, and the words for them."""

    abbreviations: tuple[str, ...] = ()
    """Words whose full stop does not end a sentence."""

    common_words: str = ""
    """Words that are heard often, with blanks between: what commands are told from, and wake words without a model."""


@dataclass(frozen=True, slots=True)
class LanguageFolder:
    """A language and where it is."""

    path: Path
    settings: Settings

    @staticmethod
    def of(name: str) -> "LanguageFolder":
        """A built-in language, by the name of its folder, or one of the owner's, by its path.

        Raises:
            ConfigError: there is no such language, or its settings are wrong.
        """
        path = Path(name) if "/" in name else LANGUAGES / name
        if not (path / SETTINGS).is_file():
            known = ", ".join(built_in())
            raise ConfigError(
                f"home.language = {name!r}: no such language; known: {known}, or the path, with a / in it, of your own "
                f"folder with a {SETTINGS}"
            )
        return LanguageFolder(path, _read(path / SETTINGS, Settings))

    def sentences(self) -> dict[str, Any]:
        """The files of sentences as one, of hassil's form. Raises ConfigError."""
        whole: dict[str, Any] = {"language": self.settings.code, "intents": {}, "lists": {}}
        for path in sorted(self.path.glob("sentences*.yaml")):
            for key, value in read_templates(path).items():
                whole[key] = whole.get(key, {}) | value if isinstance(value, dict) else value
        return whole

    def answers(self) -> dict[str, str]:
        """What is answered, by its key. Raises ConfigError."""
        answers: dict[str, str] = strict_yaml.read(self.path / ANSWERS).content
        return answers

    def spoken(self) -> dict[str, Any]:
        """How the parts of answers are said, see `appliance/home/phrases.py`. Raises ConfigError."""
        rules: dict[str, Any] = strict_yaml.read(self.path / SPOKEN).content
        return rules

    def phones(self) -> PhoneTable:
        """How sounds are alike, and how letters sound; empty where nothing tells. Raises ConfigError."""
        path = self.path / PHONES
        return _read(path, PhoneTable) if path.is_file() else PhoneTable()


def built_in() -> list[str]:
    """Names of the languages that come with the program."""
    return sorted(path.parent.name for path in LANGUAGES.glob(f"*/{SETTINGS}"))


def language_of(loaded: LoadedConfig) -> LanguageFolder:
    """The configured language. Raises ConfigError."""
    return LanguageFolder.of(loaded.language)


def chosen_models(loaded: LoadedConfig) -> Models:
    """The models of the configuration; where it names none, those of the language. Raises ConfigError."""
    named, settings = loaded.config.models, language_of(loaded).settings
    return msgspec.structs.replace(
        named,
        recognizer=named.recognizer or settings.recognizer,
        pronunciations=named.pronunciations or settings.pronunciations,
        voice=named.voice or settings.voice,
    )


def needed_models(loaded: LoadedConfig) -> list[str]:
    """Names of the models that the configured language is heard and spoken with. Raises ConfigError."""
    chosen = chosen_models(loaded)
    return [name for name in (chosen.recognizer, chosen.pronunciations, chosen.voice) if name not in ("", NONE)]


def _read(path: Path, form: type[_Form]) -> _Form:
    document = strict_yaml.read(path)
    try:
        return msgspec.convert(document.content, type=form, strict=False)
    except msgspec.ValidationError as error:
        raise ConfigError(f"{path}: {error}; see docs/languages.md") from None


def read_templates(path: Path) -> dict[str, Any]:
    """A file of sentence templates: YAML whose top is a map. Raises ConfigError."""
    import yaml

    try:
        content = yaml.load(path.read_text(encoding="utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read as UTF-8 text ({error}); name another file") from None
    except (yaml.YAMLError, RecursionError) as error:
        where = getattr(error, "problem_mark", None)
        line = f":{where.line + 1}" if where is not None else ""
        reason = getattr(error, "problem", None) or error
        raise ConfigError(f"{path}{line}: not valid YAML: {reason}; check quotes and indentation") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: not a file of sentence templates; it must hold language, intents and lists")
    return content
