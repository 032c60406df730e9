"""Ignition's documents, as far as the models know them without Ignition."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from harness import yamlfile
from harness.distros.flatcar.disk import FlatcarFile
from harness.distros.flatcar.ignition import (
    Document,
    File,
    IgnitionSpec,
    KernelArguments,
    Unit,
    User,
    choose_spec,
)
from harness.errors import ConfigError, UsageError

SERVICE = "[Unit]\nDescription=a\n\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"


@pytest.mark.parametrize(
    "ask",
    [
        lambda: User(name=""),
        lambda: User(name="a b"),
        lambda: User(name="a", ssh_keys=("one\ntwo",)),
        lambda: Unit(name="a/b.service"),
        lambda: Unit(name="a.service", enabled=True, contents="[Service]\nExecStart=/bin/true\n"),
        lambda: Unit(name="a.service", mask=True, contents=SERVICE),
        lambda: Unit(name="a.service", contents="A=b\n"),
        lambda: Document(files=(File(path="/a", content=b""), File(path="/a/b", content=b""))),
    ],
)  # fmt: skip
def test_what_would_do_nothing_is_refused(ask: Any) -> None:
    """What Ignition would take without a word, and do nothing or something odd of it, the models refuse."""
    with pytest.raises(ValidationError):
        ask()


def flat(document: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what a document says about files and units, in either format."""
    for item in document["storage"]["files"]:
        yield item["path"], f"{item['mode']} {item['contents']['source']}"
    for item in document["systemd"]["units"]:
        yield item["name"], f"{item.get('contents')} {item.get('enabled')} {item.get('mask')}"


def test_old_format() -> None:
    """Releases before 3185 get 2.3.0 with the same content, each file on the file system `root`; no kernel arguments."""
    assert [choose_spec(version) for version in ("2079.99.0", "3139.2.3", "3185.0.0", "9999.2.0")] == [
        IgnitionSpec.V2, IgnitionSpec.V2, IgnitionSpec.V3, IgnitionSpec.V3,
    ]  # fmt: skip
    document = Document(
        users=(User(name="core", ssh_keys=("k",)),),
        files=(File(path="/a", content=b"b", user="core"),),
        units=(Unit(name="a.service", contents=SERVICE, enabled=True),),
    )
    old, new = (json.loads(document.render(spec)) for spec in (IgnitionSpec.V2, IgnitionSpec.V3))

    assert list(flat(old)) == list(flat(new))
    assert (old["ignition"], new["ignition"]) == ({"version": "2.3.0"}, {"version": "3.3.0"})
    assert old["storage"]["files"][0]["filesystem"] == "root"
    assert "filesystem" not in new["storage"]["files"][0]
    with pytest.raises(UsageError, match="no kernel arguments"):
        Document(kernel=KernelArguments(present=("a",))).render(IgnitionSpec.V2)


@pytest.mark.parametrize("field", ["mask", "not_wanted", "without_generators"])
def test_a_name_that_is_twice_is_refused_where_it_stands(tmp_path: Path, field: str) -> None:
    """It would be one link twice in what the guest becomes; the file and its line are named."""
    place = tmp_path / "image.yaml"
    place.write_text(f"name: flatcar\ndescription: Two.\nchannels: {{}}\n{field}: [a.service, a.service]\n")
    with pytest.raises(ConfigError, match=r"image\.yaml:4.*`a\.service` is there twice"):
        yamlfile.load(place, FlatcarFile)
