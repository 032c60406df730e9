"""Names in files: no value of any kind is read as an option, an address, a second word or another line."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import TypeAdapter, ValidationError

from harness import yamlfile
from harness.catalog import Build, RuntimeFile, Source, SuiteFile, ToolchainSource, named_values
from harness.catalog.building import Environment
from harness.distros.debian.disk import DebianFile
from harness.distros.flatcar.disk import FlatcarFile
from harness.errors import ConfigError

CORPUS = Path(__file__).parent / "corpus"
NAMES: dict[str, list[str]] = yaml.safe_load((CORPUS / "names.yaml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("kind", NAMES)
def test_each_kind_of_name_refuses_what_is_none(kind: str) -> None:
    """Each value of the corpus is refused by its type, ten of each kind at least."""
    adapter = TypeAdapter[Any](getattr(named_values, kind))
    taken = []
    for value in NAMES[kind]:
        try:
            adapter.validate_python(str(value))
        except ValidationError:
            continue
        taken.append(value)
    assert not taken
    assert len(NAMES[kind]) >= 10


def test_every_kind_has_its_hostile_values() -> None:
    """A type that is added gets values that it must refuse."""
    kinds = {name for name in named_values.__all__ if name[0].isupper()}
    assert kinds == set(NAMES)


WHERE = [
    (ToolchainSource, "wheel", "WheelName", {}),
    (ToolchainSource, "debian", "PackageTemplate", {"release": "bookworm"}),
    (ToolchainSource, "release", "ReleaseName", {"debian": "golang"}),
    (ToolchainSource, "tarball", "WebAddress", {"sha256": "0" * 64}),
    (ToolchainSource, "exact", "VersionName", {"tarball": "https://h/x", "sha256": "0" * 64}),
    (Source, "git", "GitAddress", {}),
    (Source, "ref", "GitRef", {"git": "https://h/x"}),
    (Source, "debian", "PackageTemplate", {"release": "bookworm"}),
    (Source, "release", "ReleaseName", {"debian": "runc"}),
    (Source, "tarball", "WebAddress", {"sha256": "0" * 64}),
    (Environment, "release", "ReleaseName", {"packages": ["gcc"]}),
]
"""Fields whose one value reaches a command line: the model, the field, its type, and what else the model wants."""

LISTS = [
    (Environment, "packages", "PackageName", {"release": "bookworm"}),
    (RuntimeFile, "packages", "PackageName", {"name": "x", "description": "x", "command": "x"}),
    (SuiteFile, "packages", "SuitePackage", {"name": "x", "description": "x"}),
    (SuiteFile, "without", "PathPattern", {"name": "x", "description": "x"}),
    (DebianFile, "packages", "PackageName", {}),
    (DebianFile, "from_pocket", "PackageName", {}),
    (DebianFile, "without", "PathPattern", {}),
    (DebianFile, "mask", "UnitName", {}),
    (DebianFile, "not_wanted", "UnitName", {}),
    (DebianFile, "without_generators", "PlainWord", {}),
    (DebianFile, "modules", "KernelModule", {}),
    (FlatcarFile, "mask", "UnitName", {}),
    (FlatcarFile, "not_wanted", "UnitName", {}),
    (FlatcarFile, "without_generators", "PlainWord", {}),
    (Build, "tags", "PlainWord", {}),
    (Build, "targets", "PlainWord", {}),
    (Build, "landmarks", "SubPath", {}),
]
BASES: dict[type, dict[str, Any]] = {
    DebianFile: {"name": "x", "description": "x", "channels": {}, "packages": ["gcc"], "modules": ["ext4"], "size": 2},
    FlatcarFile: {"name": "x", "description": "x", "channels": {}},
    Build: {
        "recipe": "go",
        "environments": [{"release": "bookworm", "packages": ["gcc"]}],
        "output": "usr/bin/x",
        "sources": [],
    },
}


@pytest.mark.parametrize(("model", "field", "kind", "others"), [*WHERE, *((*row,) for row in LISTS)])
def test_every_field_that_reaches_a_command_line_refuses_them(
    model: type[Any], field: str, kind: str, others: dict[str, Any]
) -> None:
    """The field itself is of its type: each value of the corpus is a problem of the file, with its place in it."""
    listed = (model, field, kind, others) in LISTS
    for value in NAMES[kind]:
        data = BASES.get(model, {}) | others | {field: [str(value)] if listed else str(value)}
        text = json.dumps(data)
        with pytest.raises(ConfigError, match=r"^file:\d+:\d+: "):
            yamlfile.parse(text, name="file").validate_as(model)
