"""Reads a YAML file that a person wrote, and keeps the line of every key, so that an error can name it.

Stricter than YAML: a key given twice and the references (`&name`, `*name`) are errors. Plainer too: every scalar is
text, so that `ON` and `off` stay what the owner wrote; the reader's types turn `5` into a number where one is wanted.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import ConfigError

LARGEST_BYTES = 1_000_000
"""A home of a thousand devices needs a fifth of this; more is the wrong file."""

DEPTH_MAX = 20
"""A home file needs six."""

Keys = tuple[str | int, ...]
"""Where a value stands: ("devices", 2, "topic")."""


@dataclass(frozen=True, slots=True)
class Document:
    """The content of a file and the line of each of its values."""

    origin: str
    content: Any
    """Dictionaries, lists and strings only."""

    lines: dict[Keys, int]
    """1-based; the empty tuple is the whole document."""

    def error(self, keys: Keys, message: str) -> ConfigError:
        """The error to raise about the value at `keys`: file, line, key and message."""
        return ConfigError(f"{self.place(keys)}: {message}")

    def place(self, keys: Keys) -> str:
        """File, line and key of the value at `keys`, the line of what is nearest above it where it is absent."""
        known = next(keys[:end] for end in range(len(keys), -1, -1) if keys[:end] in self.lines)
        return f"{self.origin}:{self.lines[known]}: {spelled(keys)}"


def spelled(keys: Keys) -> str:
    """`devices[2].topic`; `file` for the document itself."""
    text = "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in keys)
    return text.lstrip(".") or "file"


def read(path: Path) -> Document:
    """Read a file. Raises ConfigError when it is absent, not UTF-8, too large, or not YAML of that kind."""
    try:
        raw = path.read_bytes()
        if len(raw) > LARGEST_BYTES:
            raise ConfigError(f"{path}: {len(raw)} bytes are more than {LARGEST_BYTES}; name a smaller file")
        return parse(raw.decode("utf-8"), str(path))
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file; create it, or name another one") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{path}: cannot be read as UTF-8 text ({error}); check its permissions and encoding"
        ) from None


def parse(text: str, origin: str) -> Document:
    """Read YAML from its text; `origin` names it in errors. Raises ConfigError."""
    import yaml

    try:
        _check_tokens(text, origin)
        node = yaml.compose(text, Loader=_loader())
        lines: dict[Keys, int] = {(): 1}
        return Document(origin, {} if node is None else _value(node, (), lines, origin), lines)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        last = text.count("\n") + 1  # where a bracket is open at the end, the reader names the line after it
        where = f"{origin}:{min(mark.line + 1, last)}" if mark is not None else origin
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        remedy = "check the indentation, and put texts with brackets or colons in quotes"
        raise ConfigError(f"{where}: not valid YAML: {reason}; {remedy}") from None


def _loader() -> Any:
    """The reader in C, where PyYAML was built with it: six times as fast, and a start reads a dozen files."""
    import yaml

    return getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def _check_tokens(text: str, origin: str) -> None:
    """Refuse references, and nesting that would take the reader's time or stack."""
    import yaml

    opening = (
        yaml.FlowSequenceStartToken,
        yaml.FlowMappingStartToken,
        yaml.BlockSequenceStartToken,
        yaml.BlockMappingStartToken,
    )
    closing = (yaml.FlowSequenceEndToken, yaml.FlowMappingEndToken, yaml.BlockEndToken)
    depth = 0
    for token in yaml.scan(text, Loader=_loader()):
        where = f"{origin}:{token.start_mark.line + 1}"
        if isinstance(token, (yaml.AliasToken, yaml.AnchorToken)):
            raise ConfigError(f"{where}: references (& and *) are not supported; write the value out")
        depth += isinstance(token, opening) - isinstance(token, closing)
        if depth > DEPTH_MAX:
            raise ConfigError(f"{where}: nested more than {DEPTH_MAX} deep; see firmware_config/home.yaml for the form")


def _value(node: Any, keys: Keys, lines: dict[Keys, int], origin: str) -> Any:
    """The plain value of a YAML node; `lines` gains the line of everything below it."""
    import yaml

    lines[keys] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [_value(child, (*keys, index), lines, origin) for index, child in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return node.value
    found: dict[str, Any] = {}
    for key_node, child in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise ConfigError(f"{origin}:{line}: a key must be a word; put it in quotes")
        key = str(key_node.value)
        if key in found:
            raise ConfigError(f"{origin}:{line}: {spelled((*keys, key))}: given twice; delete one of the two")
        found[key] = _value(child, (*keys, key), lines, origin)
        lines[(*keys, key)] = line
    return found
