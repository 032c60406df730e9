"""YAML files that people write, read so that every error names file:line:column.

PyYAML's composer gives nodes with positions; they are turned into plain values and a table of
where each value stands, and pydantic's errors are looked up in that table. Unlike YAML 1.1's own
rule, `on`, `off`, `yes` and `no` stay strings, and so does anything that looks like a version: only
integers, true/false and null are given a type. Aliases and merge keys (`<<`) are read; tags are not.
"""

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from harness import yamlerror
from harness.errors import ConfigError
from harness.yamlerror import Path as ValuePath
from harness.yamlerror import Position, TextError

__all__ = ["FileModel", "TextError", "YamlDocument", "load", "parse", "read"]

M = TypeVar("M", bound=BaseModel)

INTEGER = re.compile(r"(?:0|-?[1-9][0-9]{0,17})\Z")
LARGEST = 4 << 20
"""Bytes of a file at most."""
DEPTH = 30
"""Deepest nesting that is read; an alias inside its own anchor would never end."""
VALUES = 200_000
"""Most values that are read from one file; aliases of aliases can make millions from a few lines."""

WORDS = {"true": True, "false": False, "null": None, "~": None, "": None}
YAML = "tag:yaml.org,2002:"
MERGE = f"{YAML}merge"
TAGS = {
    f"{YAML}{kind}" for kind in ("str", "int", "float", "bool", "null", "timestamp", "value", "merge", "map", "seq")
}
"""What PyYAML finds by itself; any other was written as a tag."""


class FileModel(BaseModel):
    """Base of the models of files that people write: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid", coerce_numbers_to_str=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class YamlDocument:
    """A parsed file.

    Attributes:
        name: The file as messages name it.
        value: Its content as plain dicts, lists and scalars.
        positions: Line and column (from 1) at which messages point for the value at a path: of its key, or
            of itself in a list.
        texts: Line and column of the first character of each text that stands on one line.
    """

    name: str
    value: Any
    positions: dict[ValuePath, Position]
    texts: dict[ValuePath, Position] = field(default_factory=dict)

    def locate(self, path: Iterable[str | int], *, offset: int | None = None) -> str:
        """Return `file:line:column` of the value at `path`, or of its nearest parent that is in the file."""
        steps = tuple(path)
        if offset is not None and steps in self.texts:
            line, column = self.texts[steps]
            return f"{self.name}:{line}:{column + offset}"
        while steps and steps not in self.positions:
            steps = steps[:-1]
        line, column = self.positions.get(steps, (1, 1))
        return f"{self.name}:{line}:{column}"

    def validate_as(self, model: type[M], *, context: object = None) -> M:
        """Return the content as a `model`.

        `context` is handed to the model's validators as `info.context`.

        Raises:
            ConfigError: It does not fit; one sentence for each thing that is wrong, with its place.
        """
        try:
            return model.model_validate(self.value, context=context)
        except ValidationError as error:
            problems = yamlerror.list_problems(error, self.positions, model)
            raise ConfigError("\n".join(dict.fromkeys(self._format_problem(item) for item in problems))) from error

    def _format_problem(self, problem: yamlerror.Problem) -> str:
        place = self.locate(problem.path, offset=problem.offset)
        if problem.offset and problem.path not in self.texts:  # text in a block has no column of its own
            return f"{place}: {problem.text.rstrip('.')} (at character {problem.offset + 1} of the text)."
        return f"{place}: {problem.text}"


def load(path: Path, model: type[M]) -> M:
    """Read a YAML file as a `model`; raises ConfigError if it cannot be read, is no YAML, or does not fit."""
    return read(path).validate_as(model)


def read(path: Path, *, name: str | None = None) -> YamlDocument:
    """Read a YAML file; raises ConfigError if the file cannot be read or is no YAML."""
    name = name or str(path)
    try:
        content = read_bounded(path)
    except FileNotFoundError as error:
        raise ConfigError(f"{name}: the file does not exist.") from error
    except OSError as error:
        raise ConfigError(f"{name}: the file cannot be read: {error.strerror}.") from error
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        place = _format_position(name, content[: error.start].decode(errors="replace"))
        raise ConfigError(f"{place}: the file is not UTF-8 text: {error.reason}.") from error
    if len(content) > LARGEST:
        raise ConfigError(f"{name}: the file has more than {LARGEST >> 20} MiB, and no file that people write has.")
    return parse(text, name=name)


def read_bounded(path: Path) -> bytes:
    """Return what is in a file, and of one that has no end a little more than is read; raises OSError as `open` does."""
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:  # noqa: PTH123 - a descriptor
        return file.read(LARGEST + 4)


def parse(text: str, *, name: str) -> YamlDocument:
    """Parse YAML text; `name` is the file as messages name it.

    Raises:
        ConfigError: It is no YAML, has a key twice, has tags, or uses anchors into themselves.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{name}:1:1"
        what = ", ".join(filter(None, (error.context, error.problem)))
        raise ConfigError(f"{place}: this is not YAML: {what}.") from error
    except yaml.reader.ReaderError as error:
        place = _format_position(name, text[: error.position])
        raise ConfigError(f"{place}: the character #x{ord(text[error.position]):04x} may not stand in YAML.") from error
    except RecursionError as error:
        raise ConfigError(f"{name}:1:1: values are nested too deeply.") from error
    except (ValueError, OverflowError) as error:
        # Of PyYAML's reading of numbers: a character's code, the version of a directive.
        raise ConfigError(
            f"{name}:1:1: this is not YAML: a number in it is too large for what it stands for."
        ) from error
    reader = _Reader(name)
    value = reader.convert(node, ()) if node is not None else None
    return YamlDocument(name=name, value=value, positions=reader.positions, texts=reader.texts)


def _format_position(name: str, before: str) -> str:
    return f"{name}:{before.count(chr(10)) + 1}:{len(before) - before.rfind(chr(10))}"


class _Reader:
    """Turns nodes into plain values and remembers where they stand."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.positions: dict[ValuePath, Position] = {}
        self.texts: dict[ValuePath, Position] = {}
        self.count = 0

    def convert(self, node: yaml.Node, path: ValuePath) -> Any:
        self.count += 1
        if len(path) > DEPTH:
            raise self.make_error(node, "values are nested too deeply, or hold themselves")
        if self.count > VALUES:
            raise self.make_error(node, f"there are more than {VALUES} values; aliases of aliases multiply")
        if node.tag not in TAGS:
            raise self.make_error(
                node, f"the tag `{node.tag.replace(YAML, '!!')}` is not read; write the value without it"
            )
        self.positions.setdefault(path, (node.start_mark.line + 1, node.start_mark.column + 1))
        if isinstance(node, yaml.MappingNode):
            return dict(self.read_items(node, path))
        if isinstance(node, yaml.SequenceNode):
            return [self.convert(child, (*path, index)) for index, child in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)
        return self.convert_scalar(node, path)

    def convert_scalar(self, node: yaml.ScalarNode, path: ValuePath) -> str | int | bool | None:
        text: str = node.value
        if not text.isascii() and any("\ud800" <= character <= "\udfff" for character in text):
            raise self.make_error(node, "the text has half of a character (a surrogate) in it")
        if node.start_mark.line == node.end_mark.line and node.style not in {"|", ">"}:
            quote = 1 if node.style else 0
            self.texts[path] = (node.start_mark.line + 1, node.start_mark.column + 1 + quote)
        # Quoted and block text is text, and so is what has the tag !!str by its own look.
        if node.style is not None or (node.tag == f"{YAML}str" and text):
            return text
        return int(text) if INTEGER.match(text) else WORDS.get(text, text)

    def read_items(self, node: yaml.MappingNode, path: ValuePath) -> Iterator[tuple[str, Any]]:
        seen: set[str] = set()
        merged: list[yaml.Node] = []
        for key, child in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise self.make_error(key, "a key must be a word")
            if any("\ud800" <= character <= "\udfff" for character in key.value):
                raise self.make_error(key, "the key has half of a character (a surrogate) in it")
            if key.value in seen:
                raise self.make_error(key, f"the key `{key.value}` stands here twice")
            seen.add(key.value)
            if key.tag == MERGE:
                merged = child.value if isinstance(child, yaml.SequenceNode) else [child]
                continue
            yield key.value, self.read_at_key(key, child, path)
        yield from self.read_merged(merged, path, seen, depth=len(path))

    def read_merged(
        self, nodes: list[yaml.Node], path: ValuePath, seen: set[str], depth: int
    ) -> Iterator[tuple[str, Any]]:
        """Yield the pairs of the mappings behind a merge key that are not yet there."""
        for node in nodes:
            if not isinstance(node, yaml.MappingNode):
                raise self.make_error(node, "a merge key `<<` takes a mapping, or a list of mappings")
            self.count += 1
            if depth > DEPTH or self.count > VALUES:
                raise self.make_error(node, "merge keys are nested too deeply, or hold themselves")
            for key, child in node.value:
                if not isinstance(key, yaml.ScalarNode):
                    raise self.make_error(key, "a key must be a word")
                if key.tag == MERGE:
                    children = child.value if isinstance(child, yaml.SequenceNode) else [child]
                    yield from self.read_merged(children, path, seen, depth + 1)
                elif key.value not in seen:
                    seen.add(key.value)
                    yield key.value, self.read_at_key(key, child, path)

    def read_at_key(self, key: yaml.Node, child: yaml.Node, path: ValuePath) -> Any:
        # An error about a value is best shown at its key: a block value begins on a later line.
        self.positions[*path, key.value] = (key.start_mark.line + 1, key.start_mark.column + 1)
        return self.convert(child, (*path, key.value))

    def make_error(self, node: yaml.Node, problem: str) -> ConfigError:
        mark = node.start_mark
        return ConfigError(f"{self.name}:{mark.line + 1}:{mark.column + 1}: {problem}.")
