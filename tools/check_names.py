"""Hold the names of the source to the rules of docs/glossary.md: `python -m tools.check_names`.

- No public class name is defined in two modules of harness and suites.
- At least 70 % of the functions of harness begin with a verb.
- The name of a module says what is in it, so that no name of `VAGUE` is used.
- The glossary has each term once, in alphabetical order, and no class or function is called by a word that it rules out.
"""

import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from tools.source_index import Module, find_collisions, load_verbs, read_modules, starts_with_verb

__all__ = ["Term", "check_tree", "main", "parse_glossary"]

ROOT = Path(__file__).resolve().parents[1]
GLOSSARY = "docs/glossary.md"

SHARE = 0.7
"""Share of functions that begin with a verb; models have 43 to 75 %."""

VAGUE = frozenset(
    {"base", "call", "common", "described", "found", "helpers", "it", "known", "life", "misc", "obtaining", "opening"}
    | {
        "place",
        "places",
        "remains",
        "showing",
        "shown",
        "side",
        "spread",
        "stuff",
        "things",
        "utils",
        "waking",
        "wanted",
    }
)
"""Names of modules that say nothing about what is in them."""

ENTRY = re.compile(r"^\*\*(?P<term>[^*]+)\*\*: (?P<meaning>.+?\.)(?: Not: (?P<banned>.+)\.)?$")
WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|[0-9]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One entry of the glossary.

    Attributes:
        name: The term.
        meaning: One sentence.
        banned: Words that are not used for it.
    """

    name: str
    meaning: str
    banned: tuple[str, ...]


def parse_glossary(text: str) -> list[Term]:
    """Parse the entries of the glossary.

    An entry is a line such as `**cell**: one point of the matrix. Not: job, combination.`

    Raises:
        ValueError: A line that begins like an entry is none.
    """
    terms = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("**"):
            continue
        entry = ENTRY.match(line)
        if entry is None:
            raise ValueError(f"{GLOSSARY}:{number}: an entry is `**term**: one sentence. Not: word, word.`")
        banned = tuple(word.strip() for word in (entry["banned"] or "").split(",") if word.strip())
        terms.append(Term(name=entry["term"], meaning=entry["meaning"], banned=banned))
    return terms


def check_tree(root: Path, *, share: float = SHARE) -> list[str]:
    """Return what is wrong with the names of a tree, one sentence each."""
    modules = read_modules(root, ["harness", "suites"])
    terms = parse_glossary((root / GLOSSARY).read_text(encoding="utf-8"))
    return [
        *_check_classes(modules),
        *_check_verbs([module for module in modules if module.name.split(".")[0] == "harness"], share),
        *_check_modules(modules),
        *_check_terms(terms),
        *_check_banned(modules, terms),
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print what is wrong and return the exit code; `--list` prints the functions without a verb instead."""
    words = sys.argv[1:] if arguments is None else arguments
    if "--list" in words:
        verbs = load_verbs()
        for module in read_modules(ROOT, ["harness", "suites"]):
            for function in module.functions:
                if not starts_with_verb(function, verbs):
                    print(f"{module.path.relative_to(ROOT)}:{function.line}: {function.name}")
        return 0
    problems = check_tree(ROOT)
    print("\n".join(problems) or "The names are as the glossary and its rules want them.")
    return 1 if problems else 0


def _check_classes(modules: Sequence[Module]) -> Iterator[str]:
    for name, homes in find_collisions(modules).items():
        yield f"The public class {name} is defined in {' and '.join(homes)}; one name is one thing."


def _check_verbs(modules: Sequence[Module], share: float) -> Iterator[str]:
    verbs = load_verbs()
    functions = [function for module in modules for function in module.functions]
    named = sum(starts_with_verb(function, verbs) for function in functions)
    if functions and named < share * len(functions):
        yield (
            f"{named} of {len(functions)} functions begin with a verb of tools/verbs.txt, less than {100 * share:.0f} %; "
            "`python -m tools.check_names --list` prints the others."
        )


def _check_modules(modules: Sequence[Module]) -> Iterator[str]:
    for module in modules:
        if module.name.rpartition(".")[2] in VAGUE:
            yield f"The module {module.name} has a name that does not say what is in it."


def _check_terms(terms: Sequence[Term]) -> Iterator[str]:
    names = [term.name for term in terms]
    yield from (
        f"The glossary has the term {name} more than once." for name in sorted({*names}) if names.count(name) > 1
    )
    for before, after in pairwise(names):
        if before.casefold() > after.casefold():
            yield f"The glossary has {after} behind {before}; its terms are in alphabetical order."
    for term in terms:
        yield from (f"The glossary rules out {word}, which is a term of it." for word in term.banned if word in names)


def _check_banned(modules: Sequence[Module], terms: Sequence[Term]) -> Iterator[str]:
    banned = {word.casefold(): term.name for term in terms for word in term.banned}
    for module in modules:
        for name in (*module.classes, *(function.name.rpartition(".")[2] for function in module.functions)):
            words = [word.casefold() for word in WORD.findall(name)]
            for word in dict.fromkeys(words):
                if word in banned:
                    yield f"{module.name}.{name} says {word}; the glossary's word is {banned[word]}."


if __name__ == "__main__":
    raise SystemExit(main())
