"""What the source of a tree defines and imports, read from its syntax without importing it."""

import ast
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Function", "Module", "find_collisions", "load_verbs", "read_modules", "starts_with_verb"]

VERBS = Path(__file__).with_name("verbs.txt")

NOT_ACTIONS = {"property", "cached_property", "setter", "deleter", "overload", "fixture"}
"""Decorators of what is a value to its readers (properties, fixtures), or is counted elsewhere (overloads)."""

GIVEN = ("__", "test_", "pytest_")
"""Beginnings of names that Python or pytest gives."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """A function or method whose name its author was free to choose.

    Attributes:
        name: Its qualified name in its module, such as `Store.find`.
        line: Where it is defined, from 1.
        decorators: Its decorators as they are written, without arguments.
    """

    name: str
    line: int
    decorators: tuple[str, ...]

    @property
    def word(self) -> str:
        """The first word of the name."""
        return self.name.rpartition(".")[2].lstrip("_").split("_")[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """One Python file.

    Attributes:
        name: Its dotted name.
        path: The file.
        lines: Number of its lines.
        imports: Modules of the same tree that it imports, anywhere in the file.
        classes: Its classes at the top level, with their lines.
        functions: Its functions and methods; no closure, property, fixture or test.
    """

    name: str
    path: Path
    lines: int
    imports: frozenset[str]
    classes: dict[str, int]
    functions: tuple[Function, ...]


def load_verbs() -> frozenset[str]:
    """Read the list of verbs."""
    lines = VERBS.read_text(encoding="utf-8").splitlines()
    return frozenset(line for line in lines if line and not line.startswith("#"))


def starts_with_verb(function: Function, verbs: frozenset[str]) -> bool:
    """Return whether the first word of a function's name is a verb."""
    return function.word in verbs


def read_modules(root: Path, packages: Sequence[str]) -> list[Module]:
    """Read all modules of some top-level packages of a tree.

    Args:
        root: The tree, in which the packages are folders.
        packages: Their names.
    """
    files = {_module_name(root, path): path for package in packages for path in sorted((root / package).rglob("*.py"))}
    return [_read_module(name, path, files.keys()) for name, path in files.items()]


def find_collisions(modules: Sequence[Module]) -> dict[str, list[str]]:
    """Find public class names that are defined in more than one module.

    Returns:
        The modules of each such name.
    """
    homes: dict[str, list[str]] = {}
    for module in modules:
        for name in module.classes:
            if not name.startswith("_"):
                homes.setdefault(name, []).append(module.name)
    return {name: found for name, found in sorted(homes.items()) if len(found) > 1}


def _module_name(root: Path, path: Path) -> str:
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def _read_module(name: str, path: Path, known: Collection[str]) -> Module:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text, filename=str(path))
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    return Module(
        name=name,
        path=path,
        lines=len(text.splitlines()),
        imports=frozenset(_find_imports(tree, package, known)) - {name},
        classes={node.name: node.lineno for node in tree.body if isinstance(node, ast.ClassDef)},
        functions=tuple(_find_functions(tree.body, "")),
    )


def _find_imports(tree: ast.Module, package: str, known: Collection[str]) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name in known)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                found = next((name for name in (f"{base}.{alias.name}", base) if name in known), None)
                if found:
                    yield found


def _find_functions(body: Sequence[ast.stmt], scope: str) -> Iterator[Function]:
    for node in body:
        if isinstance(node, ast.ClassDef):
            yield from _find_functions(node.body, f"{scope}{node.name}.")
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            decorators = tuple(_spell_decorator(item) for item in node.decorator_list)
            if node.name.startswith(GIVEN) or NOT_ACTIONS & {name.rpartition(".")[2] for name in decorators}:
                continue
            yield Function(name=f"{scope}{node.name}", line=node.lineno, decorators=decorators)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            yield from _find_functions(node.body, scope)


def _spell_decorator(node: ast.expr) -> str:
    return ast.unparse(node.func if isinstance(node, ast.Call) else node)
