"""Image archives: what actool builds, shows and refuses (aci.md of the specification, and its types.md)."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from suites.lib.appc import Images, make_manifest
from suites.lib.guest import Guest

Broken = Callable[[dict[str, Any]], object]

APP = {
    "exec": ["/bin/sh"], "environment": [], "mountPoints": [], "ports": [], "isolators": [], "eventHandlers": [],
}  # fmt: skip


def _break_isolators(*pairs: tuple[str, object]) -> Broken:
    return lambda manifest: manifest["app"].update(isolators=[{"name": name, "value": value} for name, value in pairs])


def _break_ports(port: int, count: int) -> Broken:
    entry = {"name": "web", "protocol": "tcp", "port": port, "count": count}
    return lambda manifest: manifest["app"].update(ports=[entry])


def _break_handlers(*names: str) -> Broken:
    return lambda manifest: manifest["app"].update(eventHandlers=[{"name": name, "exec": ["/x"]} for name in names])


def _break_variables(*names: str) -> Broken:
    return lambda manifest: manifest["app"].update(environment=[{"name": name, "value": ""} for name in names])


BROKEN: Mapping[str, tuple[Broken, str]] = {
    "no name": (lambda manifest: manifest.pop("name"), "name must be set"),
    "a name with capitals": (lambda manifest: manifest.update(name="Example.com/X"), "ACIdentifier"),
    "another kind": (lambda manifest: manifest.update(acKind="PodManifest"), "ACKind"),
    "no version": (lambda manifest: manifest.pop("acVersion"), "acVersion must be set"),
    "a version that is none": (lambda manifest: manifest.update(acVersion="new"), "SemVer"),
    "two labels of a name": (lambda manifest: manifest["labels"].append(manifest["labels"][0]), "duplicate labels"),
    "an unknown system": (lambda manifest: manifest["labels"][0].update(value="plan9"), "bad os"),
    "an unknown architecture": (lambda manifest: manifest["labels"][1].update(value="amd65"), "bad arch"),
    "no user": (lambda manifest: manifest["app"].pop("user"), "user is required"),
    "no group": (lambda manifest: manifest["app"].pop("group"), "group is required"),
    "a variable with a sign in it": (_break_variables("A=B"), "environment variable"),
    "a variable twice": (_break_variables("A", "A"), "duplicate environment"),
    "a mount point with capitals": (
        lambda manifest: manifest["app"].update(mountPoints=[{"name": "Data", "path": "/data"}]),
        "ACName",
    ),
    "port 0": (_break_ports(0, 1), "1-65535"),
    "ports beyond the last": (_break_ports(65000, 1000), "end of port range"),
    "a relative working directory": (lambda manifest: manifest["app"].update(workingDirectory="opt"), "absolute path"),
    "an unknown event": (_break_handlers("later"), "bad eventHandler"),
    "an event twice": (_break_handlers("pre-start", "pre-start"), "Only one eventHandler"),
    "no capabilities at all": (_break_isolators(("os/linux/capabilities-retain-set", {"set": []})), "non-empty"),
    "two sets of system calls": (
        _break_isolators(*((f"os/linux/seccomp-{kind}-set", {"set": ["read"]}) for kind in ("retain", "remove"))),
        "incompatible types",
    ),
    "an error number in small letters": (
        _break_isolators(("os/linux/seccomp-remove-set", {"set": ["read"], "errno": "eperm"})),
        "errno must start",
    ),
    "memory that is no number": (_break_isolators(("resource/memory", {"limit": "lots"})), "quantities must match"),
    "an image id of another kind": (
        lambda manifest: manifest.update(dependencies=[{"imageName": "x", "imageID": "md5-abc"}]),
        "hash type",
    ),
    "a date that is none": (
        lambda manifest: manifest.update(annotations=[{"name": "created", "value": "yesterday"}]),
        "bad Date",
    ),
}
"""What is wrong with a manifest, and a piece of the reason that actool gives."""


@pytest.fixture(scope="module")
def refusals(guest: Guest, images: Images) -> dict[str, str]:
    """What actool says about each broken manifest; nothing for those that it takes."""
    manifests = []
    for breaks, _ in BROKEN.values():
        manifest = json.loads(json.dumps(make_manifest("example.com/broken", APP)))
        breaks(manifest)
        manifests.append(json.dumps(manifest))
    script = r"""
    mkdir -p "$1/rootfs" && cd "$1" || exit
    shift
    for text; do
        echo "$text" >manifest
        said=$(actool validate . 2>&1) && said= || said=${said:-it said nothing}
        echo "$said" | tr '\n' ' '
        echo
    done
    """
    lines = guest.do(script, f"{images.directory}/refusals", *manifests).splitlines()
    return dict(zip(BROKEN, lines, strict=True))


@pytest.mark.parametrize("broken", BROKEN)
def test_broken_manifest_is_refused(refusals: dict[str, str], broken: str) -> None:
    """What the specification forbids is refused, and actool says why."""
    assert BROKEN[broken][1] in refusals[broken]


def test_image_is_valid_and_has_nothing_else(guest: Guest, images: Images) -> None:
    """An archive that actool built is an image to it, with a manifest and a rootfs at its top and nothing more."""
    built = images.build("plain", make_manifest("example.com/plain", APP))
    path = images.get_path("plain")
    said = guest.do('actool --debug validate --type=appimage "$1" 2>&1 && tar -tzf "$1"', path)
    tops = {line.removeprefix("./").partition("/")[0] for line in said.splitlines()[1:]}

    assert built.code == 0, built.err
    assert said.splitlines()[0] == f"{path}: valid app container image"
    assert tops == {"manifest", "rootfs"}


def test_manifest_is_shown_as_it_was_written(images: Images) -> None:
    """What actool shows as an image's manifest is what was put into it."""
    app = {
        **APP, "user": "user", "workingDirectory": "/srv", "supplementaryGIDs": [5, 6],
        "environment": [{"name": "A.b-c", "value": "two  words"}],
        "mountPoints": [{"name": "data", "path": "/data", "readOnly": True}],
        "isolators": [{"name": "resource/memory", "value": {"limit": "64Mi"}}],
    }  # fmt: skip
    manifest = make_manifest("example.com/shown", app, annotations=[{"name": "authors", "value": "nobody"}])

    assert images.build("shown", manifest).code == 0
    shown = images.read_manifest(images.get_path("shown"))
    for key in ("acKind", "acVersion", "name", "labels", "annotations"):
        assert shown[key] == manifest[key]
    for key in ("exec", "user", "group", "workingDirectory", "supplementaryGIDs", "environment", "mountPoints"):
        assert shown["app"][key] == manifest["app"][key]
    assert [isolator["name"] for isolator in shown["app"]["isolators"]] == ["resource/memory"]


@pytest.mark.parametrize(
    ("what", "script"),
    [
        ("unrecognized file path", 'mkdir "$1/rootfs" && : >"$1/more"'),
        ("no rootfs found", ":"),
    ],
    ids=["a file beside the two", "no rootfs"],
)
def test_layout_has_a_manifest_and_a_rootfs(guest: Guest, images: Images, what: str, script: str) -> None:
    """A layout, or an archive, with something else at its top or without a rootfs is no image."""
    text = json.dumps(make_manifest("example.com/layout"))
    check = r"""
    rm -rf "$1" && mkdir "$1" && echo "$2" >"$1/manifest" || exit
    %s || exit
    actool build --overwrite "$1" "$1.aci" 2>&1 && echo built
    tar -cf "$1.aci" -C "$1" $(ls "$1") && actool validate "$1.aci" 2>&1 && echo valid
    :
    """
    lines = guest.do(check % script, f"{images.directory}/bad", text).splitlines()

    assert len(lines) == 2
    assert what in lines[0]
    assert what in lines[1]


def test_image_is_the_same_without_compression(guest: Guest, images: Images) -> None:
    """An image is the archive inside of the compression: unpacked, it is valid and has the same manifest.

    Two builds of a layout are two images: actool notes the time of the build in an archive.
    """
    assert images.build("packed", make_manifest("example.com/packed", APP)).code == 0
    plain = f"{images.get_path('packed')}.plain.aci"
    script = 'gzip -dc "$1" >"$2" && actool validate "$2" && cmp -s "$1" "$2"; echo $?'

    assert guest.do(script, images.get_path("packed"), plain).split()[-1] == "1"
    assert images.read_manifest(plain) == images.read_manifest(images.get_path("packed"))


def test_patched_image_has_the_new_manifest(guest: Guest, images: Images) -> None:
    """An image gets another name and command, and what comes out is one again."""
    assert images.build("patched", make_manifest("example.com/patched", APP)).code == 0
    script = (
        'actool patch-manifest --overwrite --name=example.com/other --exec="/bin/true" --user=user "$1" "$1.new.aci" '
        '&& actool validate "$1.new.aci"'
    )
    guest.do(script, images.get_path("patched"))
    shown = images.read_manifest(f"{images.get_path('patched')}.new.aci")

    assert (shown["name"], shown["app"]["exec"], shown["app"]["user"]) == ("example.com/other", ["/bin/true"], "user")


def test_files_keep_their_properties(guest: Guest, images: Images) -> None:
    """Modes, times, owners and links are in an image as they were."""
    make = r"""
    mkdir -p "$1/rootfs/some" && cd "$1/rootfs/some" || exit
    echo x >file && chmod 4751 file && chown 12:34 file && ln -s file link && ln file second && mkdir -m 1770 directory
    touch -d @1000000000 file
    """
    look = 'cd "$1/rootfs/some" && stat -c "%n %a %u %g %Y %h" file && readlink link && stat -c "%n %a" directory'
    layout = f"{images.directory}/kept.layout"
    guest.do(make, layout)
    assert images.build("kept", make_manifest("example.com/kept", APP)).code == 0

    assert guest.do(look, images.unpack(images.get_path("kept"))) == guest.do(look, layout)
