"""Ignition documents: what the models refuse, both formats, and thousands of them before Debian's `ignition-validate`."""

import base64
import json
import string
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from harness import yamlfile
from harness.distros.debian import apt
from harness.distros.flatcar import disk
from harness.distros.flatcar.ignition import (
    Directory,
    Document,
    DropIn,
    File,
    IgnitionSpec,
    KernelArguments,
    Link,
    Unit,
    User,
)
from harness.distros.protocol import SSH_KEY
from harness.store import Store
from harness.wait import Deadline
from tests import ROOT

T = TypeVar("T")

FILES = ROOT / "images" / "flatcar"

BATCH = 200
"""Documents that one process of the shell has judged, for each example of the property."""

SERVICE = "[Unit]\nDescription=a\n\n[Service]\nExecStart=/bin/true\n[Install]\nWantedBy=multi-user.target\n"


@pytest.fixture(scope="module")
def validator(store: Store) -> Path:
    """The program `ignition-validate` of Debian's package, unpacked and not installed."""
    deadline = Deadline.after(300, "package ignition")

    def fill(directory: Path) -> Mapping[str, str]:
        with tempfile.TemporaryDirectory() as name:
            known = apt.open_apt("bookworm", Path(name), deadline)
            (record,) = known.find_packages(["ignition"], deadline)
            packages = Path(name, "packages")
            packages.mkdir()
            (package,) = known.download({"ignition": record["Version"]}, packages, deadline)
            apt.unpack_package(package, directory, deadline)
        return {"title": f"Debian's ignition {record['Version']}"}

    return store.obtain("ignition", {"release": "bookworm"}, fill, deadline).path / "usr" / "bin" / "ignition-validate"


def verdicts(validator: Path, documents: list[str]) -> list[str]:
    """Return what the validator says about each document; it says nothing about a good one, not even a warning."""
    script = 'for file; do "$0" "$file" 2>&1 && echo "$file good" || echo "$file bad"; done'
    with tempfile.TemporaryDirectory() as name:
        paths = [Path(name, f"{number:05}.ign") for number in range(len(documents))]
        for path, text in zip(paths, documents, strict=True):
            path.write_text(text, encoding="utf-8")
        argv: list[str | Path] = ["sh", "-c", script, validator, *paths]
        lines = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=True).stdout
    said: list[str] = []
    rest = lines
    for path in paths:
        before, _, rest = rest.partition(f"{path} ")
        word, _, rest = rest.partition("\n")
        said.append(f"{before}{word}")
    return said


SIGNS = string.ascii_letters + string.digits + string.punctuation + " ÄßЖ漢🙂"


class Maker:
    """Makes documents from random numbers; hypothesis's own strategies take ten times as long as the validator."""

    def __init__(self, random: Random) -> None:
        self.random = random

    def some(self, make: Callable[[], T], most: int, key: Callable[[T], object] = lambda item: item) -> tuple[T, ...]:
        """Up to `most` different things."""
        found = {key(item): item for item in (make() for _ in range(self.random.randint(0, most)))}
        return tuple(found.values())

    def text(self, signs: str, most: int, first: str = "") -> str:
        """Draw some characters."""
        start = self.random.choice(first) if first else ""
        return start + "".join(self.random.choices(signs, k=self.random.randint(0 if first else 1, most)))

    def name(self) -> str:
        """Draw the name of a user or a group."""
        return self.text(f"{string.ascii_lowercase}{string.digits}_-", 12, first=f"{string.ascii_lowercase}_")

    def line(self) -> str:
        """Draw a line that begins with a letter."""
        return self.text(SIGNS, 40, first=string.ascii_letters)

    def path(self) -> str:
        """Draw an absolute path."""
        words = self.some(lambda: self.text(f"{SIGNS.replace('/', '')}", 12, first=string.ascii_letters), 3)
        return "/" + "/".join(words or ("a",))

    def owner(self) -> dict[str, Any]:
        """Draw the owner of a file, or none."""
        return {word: self.random.choice([None, self.name()]) for word in ("user", "group")}

    def unit_text(self, *, install: bool) -> str:
        """Draw the text of a unit."""
        text = self.random.choice(["", "# note\n", "; note\n\n"])
        for heading in self.some(lambda: self.random.choice(["Unit", "Service", "X-Other"]), 3):
            text += f"[{heading}]\n"
            for _ in range(self.random.randint(0, 4)):
                value = self.text(SIGNS, 60).rstrip("\\")
                text += f"{self.text(string.ascii_letters, 12)}={value}\n"
        return text + ("[Install]\nWantedBy=multi-user.target\n" if install else "")

    def drop_in(self) -> DropIn:
        """Draw a part of a unit."""
        return DropIn(name=f"{self.name()}.conf", contents=self.unit_text(install=False))

    def unit(self) -> Unit:
        """Draw a unit of any kind."""
        kind = self.random.choice(["service", "socket", "mount", "timer", "path", "target"])
        name = f"{self.text(f'{string.ascii_letters}{string.digits}:_.@-', 12)}.{kind}"
        if self.random.random() < 0.2:
            return Unit(name=name, mask=True)
        enabled = self.random.choice([None, True, False])
        text = self.unit_text(install=bool(enabled))
        return Unit(
            name=name,
            contents=text if enabled or self.random.random() < 0.5 else None,
            enabled=enabled,
            drop_ins=self.some(self.drop_in, 2, lambda item: item.name),
        )

    def user(self) -> User:
        """Draw a user."""
        return User(name=self.name(), ssh_keys=self.some(self.line, 2), groups=self.some(self.name, 2))

    def document(self) -> Document:
        """Draw a whole document."""
        nodes: dict[str, list[Any]] = {"files": [], "directories": [], "links": []}
        places: list[str] = []
        for path in self.some(self.path, 6):
            if any(path.startswith(f"{old}/") or old.startswith(f"{path}/") for old in places):
                continue
            places.append(path)
            mode, owner = self.random.randint(0, 0o777), self.owner()
            kind = self.random.choice(list(nodes))
            if kind == "files":
                nodes[kind].append(File(path=path, content=self.random.randbytes(30), mode=mode, **owner))
            elif kind == "directories":
                nodes[kind].append(Directory(path=path, mode=mode, **owner))
            else:
                nodes[kind].append(Link(path=path, target=self.line(), **owner))
        words = self.some(self.line, 4)
        return Document(
            users=self.some(self.user, 3, lambda item: item.name),
            units=self.some(self.unit, 4, lambda item: item.name),
            kernel=KernelArguments(present=words[:2], absent=words[2:]),
            **{kind: tuple(found) for kind, found in nodes.items()},
        )


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**64))
def test_what_the_models_accept_ignition_accepts(validator: Path, seed: int) -> None:
    """Of thousands of documents `ignition-validate` takes each one, without an error and without a warning."""
    maker = Maker(Random(seed))
    rendered = [maker.document().render(IgnitionSpec.V3) for _ in range(BATCH)]

    said = verdicts(validator, rendered)

    assert [(text, word) for text, word in zip(rendered, said, strict=True) if word != "good"][:3] == []


def node(**changes: Any) -> dict[str, Any]:
    return {"storage": {"files": [{"path": "/a", "contents": {"source": "data:;base64,"}} | changes]}}


def unit(**keys: Any) -> dict[str, Any]:
    return {"systemd": {"units": [{"name": "a.service"} | keys]}}


WRONG: dict[str, tuple[dict[str, Any], Any]] = {
    # By name: a document that Ignition refuses, and how the models would be asked for it.
    "relative": (node(path="a"), lambda: File(path="a", content=b"")),
    "no path": (node(path=""), lambda: File(path="", content=b"")),
    "longer": (node(path="/a/../b"), lambda: File(path="/a/../b", content=b"")),
    "slash": (node(path="/a/"), lambda: File(path="/a/", content=b"")),
    "twice slash": (node(path="//a"), lambda: File(path="//a", content=b"")),
    "mode": (node(mode=0o10000), lambda: File(path="/a", content=b"", mode=0o10000)),
    "negative mode": (node(mode=-1), lambda: File(path="/a", content=b"", mode=-1)),
    "twins": (
        {"storage": {"files": [{"path": "/a"}, {"path": "/a"}]}},
        lambda: Document(files=(File(path="/a", content=b""), File(path="/a", content=b""))),
    ),
    "file and link": (
        {"storage": {"files": [{"path": "/a"}], "links": [{"path": "/a", "target": "b"}]}},
        lambda: Document(files=(File(path="/a", content=b""),), links=(Link(path="/a", target="b"),)),
    ),
    "through a link": (
        {"storage": {"files": [{"path": "/a/b"}], "links": [{"path": "/a", "target": "/c"}]}},
        lambda: Document(files=(File(path="/a/b", content=b""),), links=(Link(path="/a", target="/c"),)),
    ),
    "link to nothing": ({"storage": {"links": [{"path": "/a", "target": ""}]}}, lambda: Link(path="/a", target="")),
    "user twice": (
        {"passwd": {"users": [{"name": "a"}, {"name": "a"}]}},
        lambda: Document(users=(User(name="a"), User(name="a"))),
    ),
    "key twice": (
        {"passwd": {"users": [{"name": "a", "sshAuthorizedKeys": ["k", "k"]}]}},
        lambda: User(name="a", ssh_keys=("k", "k")),
    ),
    "unit without an end": (unit(name="a"), lambda: Unit(name="a")),
    "unit of networkd": (unit(name="a.network"), lambda: Unit(name="a.network")),
    "unit twice": (
        {"systemd": {"units": [{"name": "a.service"}, {"name": "a.service"}]}},
        lambda: Document(units=(Unit(name="a.service"), Unit(name="a.service"))),
    ),
    "open heading": (unit(contents="[Unit\nA=b\n"), lambda: Unit(name="a.service", contents="[Unit\nA=b\n")),
    "no assignment": (unit(contents="[Unit]\nA"), lambda: Unit(name="a.service", contents="[Unit]\nA")),
    "long line": (
        unit(contents=f"[Unit]\nA={'b' * 3000}\n"),
        lambda: Unit(name="a.service", contents=f"[Unit]\nA={'b' * 3000}\n"),
    ),
    "drop-in": (unit(dropins=[{"name": "x"}]), lambda: DropIn(name="x", contents="")),
    "drop-in twice": (
        unit(dropins=[{"name": "x.conf"}, {"name": "x.conf"}]),
        lambda: Unit(name="a.service", drop_ins=(DropIn(name="x.conf", contents=""),) * 2),
    ),
    "argument twice": ({"kernelArguments": {"shouldExist": ["a", "a"]}}, lambda: KernelArguments(present=("a", "a"))),
    "argument here and not": (
        {"kernelArguments": {"shouldExist": ["a"], "shouldNotExist": ["a"]}},
        lambda: KernelArguments(present=("a",), absent=("a",)),
    ),
}  # fmt: skip


def test_what_ignition_refuses_the_models_refuse(validator: Path) -> None:
    """Of each kind of mistake that `ignition-validate` finds, the models know before."""
    said = verdicts(validator, [json.dumps({"ignition": {"version": "3.3.0"}} | wrong) for wrong, _ in WRONG.values()])

    assert [name for name, word in zip(WRONG, said, strict=True) if not word.endswith("bad")] == []
    for name, (_, ask) in WRONG.items():
        try:
            ask()
        except ValidationError:
            continue
        pytest.fail(f"the models accept what Ignition refuses: {name}")


def test_the_harnesses_own_document(validator: Path) -> None:
    """The document of images/flatcar is right, has the key of both users, and everything that the directory has."""
    text = disk.make_document(FILES, yamlfile.load(FILES / "image.yaml", disk.FlatcarFile)).render(IgnitionSpec.V3)
    document = json.loads(text)

    assert verdicts(validator, [text]) == ["good"]
    assert {user["name"]: user["sshAuthorizedKeys"] for user in document["passwd"]["users"]} == {
        "root": [SSH_KEY], "core": [SSH_KEY],
    }  # fmt: skip
    contents = {item["path"]: item["contents"]["source"] for item in document["storage"]["files"]}
    assert base64.b64decode(contents["/etc/hostname"].partition(",")[2]) == b"guest\n"
    units = {item["name"]: item for item in document["systemd"]["units"]}
    assert units["harness-ssh.service"]["enabled"]
    assert units["locksmithd.service"] == {"name": "locksmithd.service", "mask": True}
