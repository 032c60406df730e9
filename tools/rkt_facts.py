"""Where each fact about rkt is from that the recipe and the adapter rest on: `python -m tools.rkt_facts` writes docs/reference/rkt-facts.md.

What is known is suites/runtimes/rkt/facts.yaml. Here it is held against harness/runtimes/rkt.yaml and the adapter's
text: everything of rkt that these name (options, files, members of its JSON, what it lacks) has a fact with its source.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from harness import catalog, yamlfile
from harness.catalog import Build
from harness.yamlfile import FileModel
from suites.runtimes.rkt import LACKS
from suites.runtimes.rkt.nets import BUILTIN
from suites.runtimes.rkt.versions import FEATURES
from tools.generated_page import ROOT, write_page

__all__ = [
    "ADAPTER",
    "DATA",
    "PAGE",
    "Fact",
    "Facts",
    "compare",
    "format_page",
    "list_adapter_uses",
    "list_recipe_uses",
    "read",
]

ADAPTER = ROOT / "suites" / "runtimes" / "rkt"
DATA = ADAPTER / "facts.yaml"
PAGE = ROOT / "docs" / "reference" / "rkt-facts.md"

OPTION = re.compile(r"^--[a-z][a-z0-9-]*")
COMMAND = re.compile(r"\brkt ([a-z][a-z-]+)")
WORD = re.compile(r"[a-z][a-z-]*")
POD_FILE = re.compile(r"(?:\$root/|<|/\*/\*/)([a-z][a-z0-9-]+)")
ISOLATOR = re.compile(r"(?:resource|os/linux|appc\.io)/")
SCRIPTED = re.compile(r"\brkt [a-z][a-z-]*(?: [^|;&\n]*)?")

HEAD = """\
# What is known of rkt, and from where

Made by `python -m tools.rkt_facts` from `suites/runtimes/rkt/facts.yaml` and `versions.py`; do not edit it. A test says when it is old, and
when the recipe or the adapter names something of rkt that has no fact here.

No source of rkt could be built where this was written. A source is a file of rkt's repository with the versions in which it says so, an
issue, or a part of the documentation; *inferred* is what follows from those and is said nowhere. Most of what was read is of 1.25 (February 2017).

"""


class Fact(FileModel):
    """Something that is known of rkt, and what rests on it.

    Attributes:
        says: The fact, a whole sentence.
        source: Files of rkt's repository, issues, documents.
        versions: Versions of rkt for which it is known.
        known: How.
        of: What of recipe and adapter rests on it: "option NAME", "file NAME", and others of `list_recipe_uses`.
    """

    says: str
    source: Annotated[str, Field(min_length=5)]
    versions: Annotated[str, Field(min_length=1)]
    known: Literal["read", "changelog", "issue", "documented", "inferred"]
    of: Annotated[tuple[str, ...], Field(min_length=1)]


class Facts(FileModel):
    """suites/runtimes/rkt/facts.yaml."""

    facts: tuple[Fact, ...]


def read(path: Path = DATA) -> Facts:
    """Read what is known; raises ConfigError where the file is wrong."""
    return yamlfile.load(path, Facts)


def list_recipe_uses(rules: Build) -> frozenset[str]:
    """Return what a build of rkt rests on, each as a kind and a name."""
    return frozenset(_list_recipe_uses(rules))


def _list_recipe_uses(rules: Build) -> Iterator[str]:
    yield from (f"variable {name}" for name in rules.variables)
    yield from (f"landmark {path}" for path in rules.landmarks)
    yield from (f"vendored {path}" for path in rules.vendored)
    yield from (f"left {pattern}" for pattern in rules.left)
    yield from (f"option {each.option}" for each in rules.required)
    yield from (f"option {each.option}" for each in rules.settings.values())
    groups, environments, outputs = [*rules.options], [*rules.environments], [*rules.outputs]
    packages: list[str] = []
    for name, flavor in rules.flavors.items():
        yield f"flavor {name}"
        groups += flavor.options
        environments += flavor.environments
        outputs += flavor.outputs
        packages += flavor.packages
        yield from (f"stale {path}" for path in flavor.stale)
        yield from (f"download {each.host}" for each in flavor.downloads)
        yield from (f"note {note.file} {note.has or note.lacks}" for note in flavor.notes)
    yield from (f"option {name}" for group in groups for name in group.set)
    yield from (f"release {each.release}" for each in environments)
    yield from (f"package {name}" for name in (*packages, *(name for each in environments for name in each.packages)))
    for output in outputs:
        yield from (f"output {pattern}" for pattern in output.found)
        yield f"place {output.place}"
        yield from (f"place {output.instead.place}",) if output.instead else ()


def list_adapter_uses(adapter: Path = ADAPTER) -> frozenset[str]:
    """Return what the adapter says to rkt and reads of it, by the adapter's own text."""
    found = {f"lacks {feature.value}" for feature in LACKS} | {f"network {name}" for name in BUILTIN}
    for path in sorted(adapter.glob("*.py")):
        found |= set(_list_words(path))
    return frozenset(found)


def _list_words(path: Path) -> Iterator[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    notes = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in notes:
            yield from _list_text_words(path.name, node.value)
        elif path.name == "engine.py" and _is_command_line(node):
            words = [str(it.value) for it in ast.iter_child_nodes(node) if isinstance(it, ast.Constant)]
            yield from (f"command {word}" for word in words if WORD.fullmatch(word) and word != "rkt")
        elif path.name == "engine.py" and isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "traces":
            yield from (f"trace {it.value!s}" for it in ast.walk(node) if isinstance(it, ast.Constant))
        elif path.name == "pods.py":
            yield from _list_members(node)


def _is_command_line(node: ast.AST) -> bool:
    """Return whether an expression is a command line of rkt: a call of `Rkt.rkt`, or words that begin with its name."""
    if isinstance(node, ast.Tuple):
        return bool(node.elts) and ast.unparse(node.elts[0]) == "'rkt'"
    return isinstance(node, ast.Call) and ast.unparse(node.func) == "self.rkt"


def _list_text_words(name: str, text: str) -> Iterator[str]:
    """Yield what a string of a module says to rkt, or reads of it."""
    if name in {"command.py", "engine.py"} and OPTION.match(text):
        yield f"word {OPTION.findall(text)[0]}"
    if name in {"scripts.py", "engine.py"}:
        for line in SCRIPTED.findall(text):
            yield f"command {COMMAND.findall(line)[0]}"
            yield from (f"word {word}" for word in re.findall(r"--[a-z][a-z-]*", line))
    if name == "scripts.py":
        yield from (f"file {word}" for word in POD_FILE.findall(text))
    if name == "images.py" and ISOLATOR.match(text):
        yield f"isolator {text}"


def _list_members(node: ast.AST) -> Iterator[str]:
    """Yield the members of rkt's JSON, and the names of its text, that are read."""
    key: ast.AST | None = None
    if isinstance(node, ast.Subscript):
        key = node.slice
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "get":
        key = node.args[0]
    if isinstance(key, ast.Constant) and isinstance(key.value, str):
        yield f"member {key.value}"


def compare(facts: Facts, used: frozenset[str]) -> tuple[list[str], list[str]]:
    """Return what is used and has no fact, and what facts are said to be of and is not used."""
    known = {each for fact in facts.facts for each in fact.of}
    return sorted(used - known), sorted(known - used)


def format_page(facts: Facts) -> str:
    """Return the page, as Markdown."""
    parts = [HEAD, "## Recipe and adapter\n\n", "| fact | versions | source | of |\n|---|---|---|---|\n"]
    for fact in facts.facts:
        known = " (inferred)" if fact.known == "inferred" else ""
        of = ", ".join(f"`{each}`" for each in fact.of)
        parts.append(f"| {fact.says}{known} | {fact.versions.replace('|', ' or ')} | {fact.source} | {of} |\n")
    parts += ["\n## Which release has what\n\n", "| feature | since | source |\n|---|---|---|\n"]
    for name, feature in FEATURES.items():
        since = "; ".join(
            f"{'.'.join(map(str, release))}" + (f" `{word}`" if word else "") for release, word in feature.spellings
        )
        parts.append(f"| {name} | {since} | {feature.source} |\n")
    return "".join(parts)


def list_uses() -> frozenset[str]:
    """Return what recipe and adapter rest on."""
    rules = catalog.load(ROOT).get_runtime("rkt").build
    assert rules is not None
    return list_recipe_uses(rules) | list_adapter_uses()


def main() -> int:
    """Write the page, unless a name has no fact or a fact no name."""
    facts = read()
    lacking, unused = compare(facts, list_uses())
    file = DATA.relative_to(ROOT)
    problems = [
        *(f"{file} has no fact for `{each}`, which recipe or adapter names." for each in lacking),
        *(f"{file} has a fact of `{each}`, which neither recipe nor adapter names." for each in unused),
    ]
    return write_page(PAGE, problems, lambda: format_page(facts))


if __name__ == "__main__":
    raise SystemExit(main())
