"""What a source tree of a runtime will and will not build, found before anything is built."""

from collections.abc import Iterator
from pathlib import Path

from harness import source
from harness.app.sources import parse_source
from harness.build import tree_check
from harness.catalog import Build, Catalog
from harness.doctor import Diagnosis, Health
from harness.errors import UsageError
from harness.store import Store
from harness.wait import Deadline

__all__ = ["examine_source"]


def examine_source(catalog: Catalog, name: str, word: str, store: Store, deadline: Deadline) -> tuple[Diagnosis, ...]:
    """Look at the source of a runtime, which is named as `--set runtime.NAME.source=` has it; nothing is built.

    Raises:
        UsageError: There is no such runtime, it is not built, or the source is none of it.
        InfrastructureError: The source cannot be had.
    """
    rules = catalog.get_runtime(name).build
    if rules is None:
        built = [each for each, runtime in sorted(catalog.runtimes.items()) if runtime.build is not None]
        raise UsageError(f"{name} is never built, so it has no source to check; these are built: {', '.join(built)}.")
    origin = parse_source(word)
    if origin.kind == "directory":
        source.require(origin, name, ())
        tree = Path(word).expanduser().absolute()
    else:
        if origin.kind == "git" and "{version}" in origin.ref:
            raise UsageError(
                "For a repository, name the tag, branch or commit to check.",
                hint=f"Write it after a #: {word}#v1.30.0",
            )
        tree = source.check_out(origin, source.resolve(origin, word, store, deadline), store, deadline).path
    return tuple(_examine_tree(name, rules, tree))


def _examine_tree(name: str, rules: Build, tree: Path) -> Iterator[Diagnosis]:
    missing = [landmark for landmark in rules.landmarks if not (tree / landmark).exists()]
    if missing:
        mend = f"Name the top directory of a checkout of {name}, which has {', '.join(rules.landmarks)}."
        yield _report("tree", Health.MISSING, f"It is not a tree of {name}: it has no {', no '.join(missing)}.", mend)
        return
    version = tree_check.find_version(tree)
    yield _report(
        "tree", Health.OK, f"It is {name}" + (f" {version}, according to its configure.ac." if version else ".")
    )
    lacking = tree_check.find_missing_options(rules, tree)
    for each in lacking:
        yield _report("options", Health.MISSING, f"Its configure.ac has no --{each.option}. {each.reason}")
    if rules.vendored and tree_check.find_vendored(rules, tree) is None:
        says = f"It has none of {', '.join(rules.vendored)}, and a build has no network to fetch its dependencies."
        yield _report("dependencies", Health.MISSING, says, "Use a checkout that includes them, or add them.")
    left = list(tree_check.find_left_files(rules, tree))
    if left:
        says = f"An earlier build left files in it, which are copied and hashed with it: {', '.join(left)}."
        yield _report("files", Health.LIMITED, says, "Use a fresh clone, or remove them.")
    if not lacking:
        for flavor in rules.flavors:
            yield _examine_flavor(name, flavor, rules, tree)


def _examine_flavor(name: str, flavor: str, rules: Build, tree: Path) -> Diagnosis:
    it = rules.flavors[flavor]
    lost = [(each, tree_check.find_download(each, tree)) for each in it.downloads]
    said = [f"{path} names {each.host}. {each.gone}" for each, path in lost if path is not None]
    said += [note.says for note in tree_check.find_notes(it.notes, tree)]
    declared = tree_check.find_declared_options(tree)
    options = dict.fromkeys(option for group in (*rules.options, *it.options) for option in group.set)
    unknown = [option for option in options if tree_check.is_optional(option) and option not in declared]
    if unknown:
        said.append(f"Options that it does not have are left out: {', '.join(f'--{option}' for option in unknown)}.")
    mends = [f"--set runtime.{name}.{key}=..." for each, path in lost if path for key in each.settings]
    places = [f"{each.release} (systemd {each.versions})" for each in it.environments]
    places = places or [each.release for each in rules.environments]
    builder = "with `--builder host` only, as its build downloads files" if it.network else f"on {' or '.join(places)}"
    return _report(
        f"{name}/{flavor}",
        Health.LIMITED if said else Health.OK,
        " ".join((f"It is built {builder}.", *said)),
        f"Provide your own copy with `{' '.join(mends)}`." if mends else "",
    )


def _report(what: str, state: Health, says: str, mend: str = "") -> Diagnosis:
    return Diagnosis(what=what, state=state, says=says, mend=mend)
