"""What the suites want of a guest: a POSIX shell with coreutils, util-linux, grep and sed, and a busybox for containers."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from tests import ROOT

SUITES = ROOT / "suites"

COMMON = ("cgroup", "lib")
"""Directories whose cases run in every guest; other suites say in their suite.yaml what else they want."""

FORBIDDEN = re.compile(
    r"(?<![\w./-])(python[0-9.]*|perl|ruby|lua|tclsh|awk|gawk|jq|gcc|dpkg|apt|apt-get|rpm)(?![\w./-])"
)
"""Programs that a guest of Flatcar does not have, or that not every guest has."""

BUSYBOX = re.compile(r"\bbusybox\b")
BUSYBOX_IN = "rootfs.py"
"""The only file that may look for a busybox in the guest, which the harness has brought there."""


def texts(path: Path) -> Iterator[str]:
    """Yield the strings of a module that are no docstrings: its shell scripts among them."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    prose = {
        id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose:
            # What a script says about itself runs nothing.
            yield re.sub(r"(?m)^\s*#.*$", "", node.value)


def test_suites_want_a_shell_only() -> None:
    """No script of the common suites calls an interpreter, or a package manager, that guests need not have."""
    paths = [path for name in COMMON for path in sorted((SUITES / name).rglob("*.py"))]
    found = [
        f"{path.relative_to(SUITES)}: {match[0]}"
        for path in paths
        for text in texts(path)
        if (match := FORBIDDEN.search(text))
    ]

    assert len(paths) > 10
    assert found == []


def test_one_place_looks_for_a_busybox() -> None:
    """Outside of the containers, whose programs it is, busybox is named in one module only."""
    found = {
        path.name
        for name in COMMON
        for path in (SUITES / name).rglob("*.py")
        for text in texts(path)
        if BUSYBOX.search(text)
    }

    assert found <= {BUSYBOX_IN}


def test_what_is_forbidden_is_found(tmp_path: Path) -> None:
    """The look itself works: in scripts, and not in docstrings or in the comments of a script."""
    module = tmp_path / "module.py"
    module.write_text(
        '"""perl"""\nA = "exec perl -e 1"\nB = "# perl\\ntrue"\nC = "superperl /usr/bin/perl5"\n', encoding="utf-8"
    )

    assert [bool(FORBIDDEN.search(text)) for text in texts(module)] == [True, False, False]
