"""YAML files that people write, read so that every error names file:line:column.

PyYAML's composer gives nodes with positions; they are turned into plain values beside a table of
where each value stands, and pydantic's errors are looked up in that table. Unlike YAML 1.1's own
rule, `on`, `off`, `yes` and `no` stay strings, and so does anything that looks like a version: only
integers, true/false and null are given a type.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import ConfigError

__all__ = ["Document", "FileModel", "load", "parse"]

M = TypeVar("M", bound=BaseModel)

Step = str | int
Position = tuple[int, int]

INTEGER = re.compile(r"0|-?[1-9][0-9]*\Z")
DEPTH = 30
"""Deepest nesting that is read; an alias inside its own anchor would never end."""

WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}


class FileModel(BaseModel):
    """Base of the models of files that people write: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A parsed file.

    Attributes:
        name: The file as messages name it.
        value: Its content as plain dicts, lists and scalars.
        positions: Line and column (from 1) of the value at a path, and of a key at `(*path, KEY)`.
    """

    name: str
    value: Any
    positions: dict[tuple[Step, ...], Position]

    def where(self, path: Iterable[Step]) -> str:
        """`file:line:column` of the value at `path`, or of its nearest parent that is in the file."""
        steps = tuple(path)
        while steps and steps not in self.positions:
            steps = steps[:-1]
        line, column = self.positions.get(steps, (1, 1))
        return f"{self.name}:{line}:{column}"

    def validate_as(self, model: type[M]) -> M:
        """The content as a `model`.

        Raises:
            ConfigError: It does not fit; one sentence for each thing that is wrong, with its place.
        """
        try:
            return model.model_validate(self.value)
        except ValidationError as error:
            problems = [self._sentence(item["loc"], item["type"], item["msg"]) for item in error.errors()]
            raise ConfigError("\n".join(dict.fromkeys(problems))) from error

    def _sentence(self, loc: tuple[Step, ...], kind: str, message: str) -> str:
        path = tuple(step for step in loc if step in _steps(self.positions))
        name = ".".join(str(step) for step in path) or "the file"
        if kind == "extra_forbidden":
            return f"{self.where(path)}: the key `{name}` is not known here."
        if kind == "missing":
            return f"{self.where(path[:-1] if path == loc else path)}: the key `{loc[-1]}` is missing."
        text = message.removeprefix("Value error, ")
        return f"{self.where(path)}: `{name}`: {text[0].lower()}{text[1:].rstrip('.')}."


def load(path: Path, model: type[M]) -> M:
    """Read a YAML file as a `model`.

    Raises:
        ConfigError: The file cannot be read, is no YAML, or does not fit the model.
    """
    return parse(_read(path), name=str(path)).validate_as(model)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise ConfigError(f"{path}: the file does not exist.") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the file cannot be read: {error}.") from error


def parse(text: str, *, name: str) -> Document:
    """Parse YAML text; `name` is the file as messages shall name it.

    Raises:
        ConfigError: It is no YAML, has a key twice, or uses anchors into themselves.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{name}:1:1"
        raise ConfigError(f"{place}: this is not YAML: {error.problem or error.context}.") from error
    except yaml.YAMLError as error:
        raise ConfigError(f"{name}:1:1: this is not YAML: {error}.") from error
    positions: dict[tuple[Step, ...], Position] = {}
    value = _plain(node, (), positions, name) if node is not None else None
    return Document(name=name, value=value, positions=positions)


def _plain(node: yaml.Node, path: tuple[Step, ...], positions: dict[tuple[Step, ...], Position], name: str) -> Any:
    if len(path) > DEPTH:
        raise ConfigError(f"{name}:{node.start_mark.line + 1}:1: values are nested too deeply, or hold themselves.")
    positions.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
    if isinstance(node, yaml.MappingNode):
        return _mapping(node, path, positions, name)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(child, (*path, index), positions, name) for index, child in enumerate(node.value)]
    assert isinstance(node, yaml.ScalarNode)
    if node.style is not None:  # quoted or block text
        return node.value
    if INTEGER.match(node.value):
        return int(node.value)
    return WORDS.get(node.value, node.value)


def _mapping(
    node: yaml.MappingNode, path: tuple[Step, ...], positions: dict[tuple[Step, ...], Position], name: str
) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, child in node.value:
        line, column = key.start_mark.line + 1, key.start_mark.column + 1
        if not isinstance(key, yaml.ScalarNode):
            raise ConfigError(f"{name}:{line}:{column}: a key must be a word.")
        if key.value in result:
            raise ConfigError(f"{name}:{line}:{column}: the key `{key.value}` stands here twice.")
        # An error about a value is best shown at its key: a block value begins on a later line.
        positions[*path, key.value] = (line, column)
        result[key.value] = _plain(child, (*path, key.value), positions, name)
    return result


def _steps(positions: dict[tuple[Step, ...], Position]) -> set[Step]:
    return {step for path in positions for step in path}
