"""The language that selects cells: what it means, and what it says when it is wrong."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.catalog import Catalog
from harness.errors import UsageError
from harness.model import Cell, CgroupMode
from harness.selection import parse_option
from tests.helpers import trees

BOOKWORM = Cell(
    distro="debian", channel="bookworm", systemd="252", go="1.21.13", cgroup=CgroupMode.LEGACY, runtime="runc",
    runtime_version="1.1.10",
)  # fmt: skip
NSPAWN = Cell(distro="debian", channel="sid", systemd="262", cgroup=CgroupMode.UNIFIED, runtime="nspawn")
EDGE = Cell(
    distro="flatcar", channel="edge", release="2079.99.0", systemd="v241-12-g1a2b3c4", systemd_built=True, go="1.27",
    cgroup=CgroupMode.LEGACY, runtime="rkt", runtime_version="1.30.0", flavor="host",
)  # fmt: skip
BRANCH = Cell(
    distro="debian", channel="trixie", systemd="main", systemd_built=True, cgroup=CgroupMode.UNIFIED, runtime="nspawn"
)
CELLS = {"bookworm": BOOKWORM, "nspawn": NSPAWN, "edge": EDGE, "branch": BRANCH}


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The catalog of `trees`."""
    return trees.project(tmp_path_factory.mktemp("project"))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("distro==debian", "bookworm nspawn branch"),
        ("distro==debian/bookworm", "bookworm"),
        ("distro!=debian", "edge"),
        ("distro==flatcar/edge@2079.99.0", "edge"),
        ("distro==flatcar@2079", "edge"),
        ("channel in (sid, edge)", "nspawn edge"),
        ("release==2079.99.0", "edge"),
        ("release==none", "bookworm nspawn branch"),
        ("release>=2079.9", "edge"),
        ("systemd==252", "bookworm"),
        ("systemd==v252", "bookworm"),
        ("systemd>=252", "bookworm nspawn"),
        ("systemd<252", "edge"),
        ("systemd==241", "edge"),
        ("systemd>241 and systemd<242", "edge"),
        ("systemd==v241-12-g1a2b3c4", "edge"),
        ("systemd==distro", "bookworm nspawn"),
        ("systemd==main", "branch"),
        ("not systemd>=252", "edge branch"),
        ("go==1.21", "bookworm"),
        ("go>=1.21", "bookworm edge"),
        ("go>1.21", "bookworm edge"),
        ("go<1.22", "bookworm"),
        ("go==none", "nspawn branch"),
        ("go!=1.27", "bookworm nspawn branch"),
        ("cgroup==legacy", "bookworm edge"),
        ("cgroup not in (legacy, hybrid)", "nspawn branch"),
        ("runtime==runc", "bookworm"),
        ("runtime==runc@1.1", "bookworm"),
        ("runtime==runc@1.1.1", ""),
        ("runtime in (nspawn, rkt@1.30.0/host)", "nspawn edge branch"),
        ("runtime==rkt/coreos", ""),
        ("runtime==rkt@1.30.0/host", "edge"),
        ("version>1.1.9 and version<1.2", "bookworm"),
        ("runtime_version==none", "nspawn branch"),
        ("flavor==host", "edge"),
        ("cell==debian-*+runc-*", "bookworm"),
        ("cell==debian-sid+systemd-262+unified+nspawn", "nspawn"),
        ('distro=="debian/sid"', "nspawn"),
        ("distro == debian and not ( runtime==runc or systemd==main )", "nspawn"),
        ("runtime==runc or runtime==nspawn and systemd==main", "bookworm branch"),
        ("not not runtime==runc", "bookworm"),
        ("distro==debian\n  and cgroup==legacy", "bookworm"),
    ],
)
def test_an_expression_means_what_it_says(known: Catalog, text: str, names: str) -> None:
    """Golden examples of every field and operator."""
    selected = parse_option(text, known)
    assert names == " ".join(name for name, cell in CELLS.items() if selected.holds(cell))


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "expected a field, for instance `distro`, but found the end"),
        ("distro", 7, "expected one of == != <= >= < >, `in` and `not in`, but found the end"),
        ("distro==", 9, "expected a value, but found the end"),
        ("distro==and", 9, "expected a value, but found `and`"),
        ("distro=debian", 7, "`=` is not a part of an expression; write `==`"),
        ("go==1.21 && go==1.27", 10, "`&` is not a part of an expression; write `and`"),
        ("go==1.21 go==1.27", 10, "expected `and`, `or` or the end, but found `go`"),
        ("go==1.21)", 9, "expected `and`, `or` or the end, but found `)`"),
        ("(go==1.21", 10, "expected `and`, `or` or `)`, but found the end"),
        ("go in 1.21", 7, "expected `(` and a list of values, but found `1.21`"),
        ("go in (1.21 1.27)", 13, "expected `,` or `)`, but found `1.27`"),
        ("go in ()", 8, "expected a value, but found `)`"),
        ("go not 1.21", 8, "expected `in`, but found `1.21`"),
        ("and go==1.21", 1, "expected a field, for instance `distro`, but found `and`"),
        ("go=='1.21", 5, "quoted text that does not end is not a part of an expression"),
        ("kernel==6.1", 1, "there is no field `kernel`; known: distro, channel, release, systemd, upgrade, go, cgroup"),
        ("distro==debain", 9, "there is no distro `debain`; known: debian, flatcar"),
        ("distro==debian/bookwrm", 16, "there is no channel of debian `bookwrm`; known: bookworm, trixie, sid"),
        ("distro==a//b", 9, "`a//b` is not a distro, for instance `debian/bookworm`"),
        ("channel==woody", 10, "there is no channel `woody`"),
        ("cgroup==v1", 9, "there is no cgroup mode `v1`; known: legacy, hybrid, unified"),
        ("cgroup<unified", 1, "`cgroup` has no order; compare it with ==, !=, in, not in"),
        ("runtime in (nspawn, crun)", 21, "there is no runtime `crun`; known: nspawn, rkt, runc"),
        ("runtime==nspawn@252", 17, "nspawn comes with the image and has no version of its own"),
        ("runtime==rkt/kvm", 14, "there is no flavor of rkt `kvm`; known: coreos, host"),
        ("runtime==runc/host", 15, "there is no flavor of runc `host`; known: cgroupfs"),
        ("flavor==kvm", 9, "there is no flavor `kvm`; known: coreos, host, cgroupfs"),
        ("systemd>=main", 10, "`main` is no version, so nothing is >= it"),
        ("go==new", 5, "`new` is no version of Go, for instance 1.21"),
        ("not " * 60 + "go==1.21", 201, "`not` and parentheses are nested deeper than 50"),
        ("(" * 60, 51, "`not` and parentheses are nested deeper than 50"),
    ],
)
def test_an_error_points_at_its_column(known: Catalog, text: str, column: int, words: str) -> None:
    """A wrong expression is shown with a mark below the place, and says what was expected or known there."""
    with pytest.raises(UsageError) as caught:
        parse_option(text, known)
    first, shown, mark = str(caught.value).split("\n")
    assert first.startswith(f"The expression is wrong at column {column}: {words}")
    assert shown == f"  {text}"
    assert mark == f"{' ' * (column + 1)}^"


@pytest.mark.slow
def test_long_expressions_are_read_and_evaluated(known: Catalog) -> None:
    """Thousands of parts in a row are no recursion."""
    many = " or ".join(["go==1.99"] * 5000 + ["go==1.21"])
    assert parse_option(many, known).holds(BOOKWORM)


# A second implementation, as naive as can be: numbers for versions, and an evaluation of the drawn tree.

SYSTEMDS = (9, 241, 252, 262)
GOES = ((1, 9), (1, 21), (1, 21, 13), (1, 27))
NUMBERS = {"==": "eq", "!=": "ne", "<": "lt", "<=": "le", ">": "gt", ">=": "ge"}

cells = st.builds(
    Cell,
    distro=st.sampled_from(["debian", "flatcar"]),
    channel=st.sampled_from(["bookworm", "sid"]),
    systemd=st.sampled_from([str(number) for number in SYSTEMDS]),
    go=st.sampled_from([None, *(".".join(map(str, go)) for go in GOES)]),
    cgroup=st.sampled_from(list(CgroupMode)),
    runtime=st.sampled_from(["nspawn", "runc"]),
)
leaves = st.one_of(
    st.tuples(st.just("systemd"), st.sampled_from(list(NUMBERS)), st.sampled_from(SYSTEMDS)),
    st.tuples(st.just("go"), st.sampled_from(list(NUMBERS)), st.sampled_from(GOES)),
    st.tuples(st.just("cgroup"), st.sampled_from(["==", "!="]), st.sampled_from([mode.value for mode in CgroupMode])),
    st.tuples(st.just("runtime"), st.sampled_from(["==", "!="]), st.sampled_from(["nspawn", "runc"])),
    st.tuples(
        st.just("cgroup"),
        st.sampled_from(["in", "not in"]),
        st.lists(st.sampled_from([mode.value for mode in CgroupMode]), min_size=1),
    ),
)
expressions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(st.just("not"), inner),
        st.tuples(st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=4)),
    ),
    max_leaves=8,
)


def written(tree: Any, *, inside: bool = False) -> str:
    """Format a drawn tree as people write it."""
    match tree:
        case ("not", part):
            return f"not {written(part, inside=True)}"
        case (("and" | "or") as word, parts):
            text = f" {word} ".join(written(part, inside=True) for part in parts)
            return f"({text})" if inside else text
        case (field, sign, list(values)):
            return f"{field} {sign} ({', '.join(values)})"
        case (field, sign, tuple(numbers)):
            return f"{field}{sign}{'.'.join(map(str, numbers))}"
        case (field, sign, value):
            return f"{field} {sign} {value}"
        case _:
            raise AssertionError(tree)


def naive(tree: Any, cell: Cell) -> bool:  # noqa: PLR0911 - one for each kind of tree
    """Whether a drawn tree holds for a cell."""
    match tree:
        case ("not", part):
            return not naive(part, cell)
        case ("and", parts):
            return all(naive(part, cell) for part in parts)
        case ("or", parts):
            return any(naive(part, cell) for part in parts)
        case ("systemd", sign, number):
            return bool(getattr(int(cell.systemd), f"__{NUMBERS[sign]}__")(number))
        case ("go", sign, numbers):
            if cell.go is None:
                return bool(sign == "!=")
            version = tuple(map(int, cell.go.split(".")))
            if sign in {"==", "!="}:
                version = version[: len(numbers)]
            return bool(getattr(version, f"__{NUMBERS[sign]}__")(numbers))
        case (field, "in" | "==", value):
            return getattr(cell, field) in ([value] if isinstance(value, str) else value)
        case (field, _, value):
            return getattr(cell, field) not in ([value] if isinstance(value, str) else value)
        case _:
            raise AssertionError(tree)


@pytest.mark.slow
@given(tree=expressions, cell=cells)
def test_evaluation_agrees_with_the_naive_one(known: Catalog, tree: Any, cell: Cell) -> None:
    """Lexer, parser and compiled closure together mean what the drawn tree means."""
    assert naive(tree, cell) == parse_option(written(tree), known).holds(cell)


@given(text=st.text(alphabet=st.sampled_from(list("ab1.@/ ()=!<>,'\"andornti*~\n")), max_size=40))
def test_any_text_is_read_or_refused(known: Catalog, text: str) -> None:
    """Whatever the text, the answer is a selection or a UsageError."""
    try:
        parse_option(text, known).holds(BOOKWORM)
    except UsageError:
        return


def test_selections_are_equal_when_their_texts_are(tmp_path: Path, known: Catalog) -> None:
    """A selection compares, hashes and prints as the text that was written."""
    one, two = parse_option("go==1.21", known), parse_option("go==1.21", trees.project(tmp_path))
    assert one == two
    assert hash(one) == hash(two)
    assert str(one) == "go==1.21"
