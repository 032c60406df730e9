"""Reading matrix.yaml: the model's own checks, then those that need more than one value."""

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from harness import yamlfile
from harness.catalog import Catalog, Source
from harness.errors import ConfigError
from harness.matrix.expansion import make_cell, make_included
from harness.matrix.models import Inclusion, Matrix
from harness.model import OUTER_AXES, Axis, VersionRange, format_id_part
from harness.selection import names
from harness.yamlfile import YamlDocument

__all__ = ["load", "make_schema"]

Cases = Callable[[], Collection[str]]


def load(path: Path, catalog: Catalog, *, name: str | None = None, cases: Cases | None = None) -> Matrix:
    """Read a matrix file.

    `cases` gives the node ids of all cases, and is called if there are expectations to hold against them.

    Raises:
        ConfigError: Something in it is wrong; one line for each problem, with file:line:column and what
            was expected.
    """
    document = yamlfile.read(path, name=name)
    matrix = document.validate_as(Matrix, context=catalog)
    problems = [
        *_check_ambiguous_values(matrix, catalog, document),
        *_check_inclusions(matrix, catalog, document),
        *_check_origins(matrix, catalog, document),
        *_check_settings(matrix, catalog, document),
        *_check_profiles(matrix, document),
        *_check_cases(matrix, document, cases),
    ]
    if problems:
        raise ConfigError("\n".join(dict.fromkeys(problems)))
    settings = _resolve_settings(matrix, catalog, path.parent)
    return matrix.model_copy(update={"sources": _resolve_sources(matrix, path.parent), "settings": settings})


def make_schema() -> dict[str, Any]:
    """Return the JSON schema of matrix.yaml, for editors; it knows the form, not which distros and so on there are."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Matrix.model_json_schema(mode="validation")}


def _resolve_sources(matrix: Matrix, home: Path) -> dict[str, tuple[Source, ...]]:
    def placed(source: Source) -> Source:
        if source.directory is None:
            return source
        return source.model_copy(update={"directory": home / source.directory})

    return {component: tuple(placed(item) for item in sources) for component, sources in matrix.sources.items()}


def _resolve_settings(matrix: Matrix, catalog: Catalog, home: Path) -> dict[str, dict[str, str]]:
    def placed(name: str, key: str, value: str) -> str:
        rules = catalog.runtimes[name].build
        return str(home / value) if rules is not None and rules.settings[key].file else value

    return {
        name: {key: placed(name, key, value) for key, value in values.items()}
        for name, values in matrix.settings.items()
    }


def _check_settings(matrix: Matrix, catalog: Catalog, document: YamlDocument) -> Iterator[str]:
    """Yield settings that no build has."""
    for name, values in matrix.settings.items():
        runtime = catalog.runtimes.get(name)
        known = runtime.build.settings if runtime is not None and runtime.build is not None else {}
        for key in values:
            if key not in known:
                has = f"it has {', '.join(known)}" if known else "it has none"
                yield f"{document.locate(('settings', name, key))}: the build of {name} has no setting `{key}`; {has}."


def _format_value_parts(matrix: Matrix, catalog: Catalog) -> dict[str, list[str]]:
    """Return for each axis the part of an identifier that each of its values gives."""
    values = {axis.name: getattr(matrix.axes, axis.name) for axis in OUTER_AXES}
    # A cell that nothing is dropped from: with a runtime that is built, where there is one.
    built = [text for text in matrix.axes.runtime if _is_built(text, catalog)]
    first = {name: texts[0] for name, texts in values.items()} | {"runtime": (*built, matrix.axes.runtime[0])[0]}

    def format_part(axis: Axis, value: object) -> str:
        cell = make_cell(Inclusion.model_construct(**first | {axis.name: value}), catalog)
        return format_id_part(axis, cell) or f"{axis.prefix}{value}"

    return {axis.name: [format_part(axis, value) for value in values[axis.name]] for axis in OUTER_AXES}


def _is_built(runtime: str, catalog: Catalog) -> bool:
    name = names.check_axis_runtime(runtime, catalog)
    return catalog.runtimes[name.runtime].is_built(name.version)


def _check_ambiguous_values(matrix: Matrix, catalog: Catalog, document: YamlDocument) -> Iterator[str]:
    """Yield values of an axis that give two cells one identifier; without them all identifiers differ."""
    for axis, parts in _format_value_parts(matrix, catalog).items():
        for index, part in enumerate(parts):
            first = parts.index(part)
            if first != index:
                place = document.locate(("axes", axis, index))
                other = _shorten(document, ("axes", axis, first))
                yield f"{place}: this value gives the same cells as the one at {other}; remove one of them."


def _shorten(document: YamlDocument, path: tuple[str | int, ...]) -> str:
    return document.locate(path).removeprefix(f"{document.name}:")


def _check_inclusions(matrix: Matrix, catalog: Catalog, document: YamlDocument) -> Iterator[str]:
    """Yield included cells that lack a version of Go, or that are there already."""
    product = _format_value_parts(matrix, catalog)
    seen: dict[str, int] = {}
    for index, (item, cell) in enumerate(zip(matrix.include, make_included(matrix, catalog), strict=True)):
        place = document.locate(("include", index))
        if catalog.runtimes[cell.runtime].is_built(cell.runtime_version) and item.go is None:
            yield f"{place}: the key `go` is missing: {cell.runtime} is built, and with some version of Go."
            continue
        parts = {axis.name: format_id_part(axis, cell) for axis in OUTER_AXES}
        # What `distro` stands for depends on the distro, so that one is compared as it is written.
        known = item.systemd in matrix.axes.systemd or parts["systemd"] in product["systemd"]
        rest = (part in product[axis] for axis, part in parts.items() if part is not None and axis != "systemd")
        if known and all(rest):
            yield f"{place}: the cell `{cell.id}` is already in the product of the axes; remove it here."
        first = seen.setdefault(cell.id, index)
        if first != index:
            other = _shorten(document, ("include", first))
            yield f"{place}: the cell `{cell.id}` is already included at {other}; remove one of them."


def _check_origins(matrix: Matrix, catalog: Catalog, document: YamlDocument) -> Iterator[str]:
    """Yield versions of Go and of runtimes for which nothing says where they come from."""
    wanted: list[tuple[tuple[str | int, ...], str, str | None]] = [
        *((("axes", "go", index), text, None) for index, text in enumerate(matrix.axes.go)),
        *((("axes", "runtime", index), text, text) for index, text in enumerate(matrix.axes.runtime)),
        *((("include", index, "go"), item.go, None) for index, item in enumerate(matrix.include) if item.go),
        *((("include", index, "runtime"), item.runtime, item.runtime) for index, item in enumerate(matrix.include)),
    ]
    for path, text, runtime in wanted:
        if runtime is None:
            if not any(
                VersionRange(item.versions).contains(text) for item in matrix.list_toolchain_sources("go", catalog)
            ):
                yield f"{document.locate(path)}: nothing says where Go {text} comes from; add it below `toolchains`, `go`."
            continue
        name = names.check_axis_runtime(runtime, catalog)
        sources = matrix.list_component_sources(name.runtime, catalog)
        if name.version and not any(VersionRange(item.versions).contains(name.version) for item in sources):
            what = f"{name.runtime} {name.version} comes from; add it below `sources`, `{name.runtime}`"
            yield f"{document.locate(path)}: nothing says where {what}."


def _check_profiles(matrix: Matrix, document: YamlDocument) -> Iterator[str]:
    """Yield profiles that CI is to run and that there are not."""
    runs = {"change": matrix.ci.change, "release": matrix.ci.release} if matrix.ci is not None else {}
    for event, run in runs.items():
        if run is not None and run.profile not in matrix.profiles:
            place = document.locate(("ci", event, "profile"))
            yield f"{place}: {names.describe_unknown('profile', run.profile, matrix.profiles)}."


def _check_cases(matrix: Matrix, document: YamlDocument, cases: Cases | None) -> Iterator[str]:
    """Yield expectations that none of the cases could meet."""
    known = cases() if cases is not None and matrix.expectations else ()
    for index, item in enumerate(matrix.expectations if cases is not None else ()):
        pattern = names.compile_glob(item.cases)
        if not any(map(pattern.match, known)):
            place = document.locate(("expectations", index, "cases"))
            yield f"{place}: the suites have no case `{item.cases}`; `harness matrix cases` lists them."
