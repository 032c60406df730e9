"""YAML with positions: every error names file:line:column, and nothing ends in a traceback."""

from pathlib import Path
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field, field_validator

from harness import yamlfile
from harness.errors import ConfigError
from harness.yamlfile import FileModel, TextError


class Thing(FileModel):
    """A model with every kind of field that the project's files have."""

    name: str
    count: int = 0
    suites: Literal["all"] | tuple[str, ...] = "all"
    mode: Literal["a", "b"] = "a"
    parts: dict[str, "Thing"] = Field(default_factory=dict)


def error_of(text: str) -> str:
    """Return the message with which a text is refused."""
    with pytest.raises(ConfigError) as caught:
        yamlfile.parse(text, name="f").validate_as(Thing)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "f:1:1: the file must be a mapping, `key: value`, not empty."),
        ("- a", "f:1:1: the file must be a mapping, `key: value`, not a list."),
        ("count: 1", "f:1:1: the key `name` is missing."),
        ("name: a\nparts:\n  q: {count: 1}", "f:3:3: the key `name` is missing in `parts.q`."),
        (
            "name: a\nparts:\n  q: {name: b, colour: 1}",
            "f:3:16: the key `parts.q.colour` is not known here; known: name, count, suites, mode, parts.",
        ),
        ("name: a\nsuits: all", "f:2:1: the key `suits` is not known here; the nearest is `suites`."),
        ("name: true", "f:1:1: `name` must be text, not true; quotes make it text."),
        ("name:", "f:1:1: `name` must be text, not empty."),
        ("name: [a]", "f:1:1: `name` must be text, not a list."),
        ("name: a\ncount: lots", "f:2:1: `count` must be a whole number, not `lots`."),
        ("name: a\ncount: 0.5", "f:2:1: `count` must be a whole number, not `0.5`."),
        ("name: a\nmode: c", "f:2:1: `mode` must be 'a' or 'b', not `c`."),
        ("name: a\nsuites: foo", "f:2:1: `suites` must be 'all' or a list, `[a, b]`, not `foo`."),
        ("name: a\nsuites: [a, [b]]", "f:2:13: `suites.1` must be text, not a list."),
        ("name: a\nname: b", "f:2:1: the key `name` stands here twice."),
        ("? [a]\n: b", "f:1:3: a key must be a word."),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_place(text: str, message: str) -> None:
    """A value that does not fit gives one sentence: where it is, what was expected, what is there."""
    assert message == error_of(text)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "place", "words"),
    [
        ("a: [", "f:1:5", "expected the node content"),
        ("a: b: c", "f:1:5", "mapping values are not allowed here"),
        ("x: *gone", "f:1:4", "undefined alias 'gone'"),
        ("- a\n---\n- b", "f:2:1", "found another document"),
        ("a: b\nc: \x00", "f:2:4", "the character #x0000 may not stand in YAML"),
        ("[" * 1500, "f:1:1", "nested too deeply"),
        ("a: &a [*a]", "f:1:4", "hold themselves"),
        ("a: &a {<<: *a}", "f:1:4", "hold themselves"),
        ("name: !!python/object x", "f:1:7", "the tag `!!python/object` is not read"),
        ("name: {<<: 5}", "f:1:12", "a merge key `<<` takes a mapping"),
    ],
)
def test_what_is_not_yaml_is_named_with_its_place(text: str, place: str, words: str) -> None:
    """Text that is not the YAML that is read here gives a sentence with its place."""
    message = error_of(text)
    assert message.startswith(f"{place}: ")
    assert words in message


def test_all_problems_are_reported_at_once() -> None:
    """A file with several problems is described completely, one line for each."""
    assert error_of("count: x\nmode: c\nsize: 1").splitlines() == [
        "f:1:1: the key `name` is missing.",
        "f:1:1: `count` must be a whole number, not `x`.",
        "f:2:1: `mode` must be 'a' or 'b', not `c`.",
        "f:3:1: the key `size` is not known here; known: name, count, suites, mode, parts.",
    ]


@pytest.mark.slow
def test_aliases_that_multiply_are_refused() -> None:
    """A few lines of aliases of aliases do not become millions of values."""
    lines = ["a: &a [x, x, x, x, x, x, x, x]"]
    lines += [f"{new}: &{new} [{', '.join([f'*{old}'] * 8)}]" for old, new in zip("abcdef", "bcdefg", strict=True)]
    assert "aliases of aliases multiply" in error_of("\n".join(lines))


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("5", 5), ("-5", -5), ("0", 0), ("05", "05"), ("0.5", "0.5"), ("0x10", "0x10"), ("1.20", "1.20"),
        ("1e3", "1e3"), ("on", "on"), ("no", "no"), ("2027-06-01", "2027-06-01"), ("true", True), ("~", None),
        ('"5"', "5"), ("!!str 5", "5"), ("12:30", "12:30"), ("9" * 30, "9" * 30),
    ],
)  # fmt: skip
def test_only_integers_true_false_and_null_have_a_type(written: str, read: object) -> None:
    """Whatever looks like a version, a date or a YAML 1.1 boolean stays the text that was written."""
    assert yamlfile.parse(f"a: {written}", name="f").value == {"a": read}


def test_merge_keys_fill_in_what_is_not_written() -> None:
    """`<<` adds the pairs of other mappings, of which the first wins, and never replaces a written one."""
    text = "x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz: {<<: [*x, *y], a: 9}"
    assert yamlfile.parse(text, name="f").value["z"] == {"a": 9, "b": 2, "c": 4}


def test_an_alias_is_blamed_where_it_is_used_in_a_mapping() -> None:
    """A value that comes from an anchor is pointed at by its own key."""
    assert error_of("name: &n [a]\nparts:\n  q: {name: *n}").splitlines() == [
        "f:1:1: `name` must be text, not a list.",
        "f:3:7: `parts.q.name` must be text, not a list.",
    ]


@pytest.mark.parametrize(
    ("text", "place"),
    [("a: hello", "f:1:6"), ('a: "hello"', "f:1:7"), ("- hello", "f:1:5"), ("a: >-\n hello", "f:1:1")],
)
def test_a_place_inside_a_text_is_a_column(text: str, place: str) -> None:
    """A character of a text on one line has its own column; a text in a block is pointed at by its key."""
    document = yamlfile.parse(text, name="f")
    path = ("a",) if isinstance(document.value, dict) else (0,)
    assert place == document.locate(path, offset=2)


def test_text_errors_point_into_the_text() -> None:
    """A validator's TextError moves the column to the character that it names."""

    class Word(FileModel):
        word: str

        @field_validator("word")
        @classmethod
        def no_x(cls, text: str) -> str:
            if "x" in text:
                raise TextError("no x may be here", text.index("x"))
            return text

    for text, expected in (
        ("word: abx", "f:1:9: `word`: no x may be here."),
        ("word: >-\n  abx", "f:1:1: `word`: no x may be here (at character 3 of the text)."),
    ):
        with pytest.raises(ConfigError) as caught:
            yamlfile.parse(text, name="f").validate_as(Word)
        assert expected == str(caught.value)


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A file that is missing, a directory, or not UTF-8 is a sentence; the bad byte has its place."""
    (tmp_path / "latin").write_bytes(b"a: b\nc: \xe9")
    for name, words in (("gone", "does not exist"), (".", "Is a directory"), ("latin", "f:2:4: the file is not UTF-8")):
        with pytest.raises(ConfigError, match=words):
            yamlfile.read(tmp_path / name, name="f")


@given(st.text(alphabet=st.sampled_from(list("ab:-[]{}&*!|>'\"#%@, \n\t?<~05.\x00é")), max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    """Whatever the text, the result is a document or a ConfigError with a place, never another exception."""
    try:
        yamlfile.parse(text, name="f").validate_as(Thing)
    except ConfigError as error:
        assert str(error).startswith("f:")  # noqa: PT017 - both outcomes are right
