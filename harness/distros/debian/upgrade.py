"""Packages that bring a running guest to the systemd of another channel, in the order in which apt would install them.

The guest has no apt: apt decides on this computer, from records of what the image has, and dpkg does in the guest what
apt would have it do, maintainer scripts included. So services are restarted and PID 1 is executed again as on any system.
"""

import itertools
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from harness import lookup
from harness.distros.debian import apt
from harness.distros.debian.apt import AptStep
from harness.distros.debian.disk import DebianChannel, find_channel, find_channel_with
from harness.distros.protocol import UPGRADE, Image, ImageSpec
from harness.errors import InfrastructureError
from harness.store import Artifact, Store
from harness.wait import Deadline

__all__ = ["format_steps", "make_upgrade"]

KIND = "upgrade"

RECIPE = 2
"""Raised when the steps are written or the tree is made differently."""

SOURCE = "systemd"
"""The source package whose packages are upgraded; what they depend on comes with them."""

HEAD = """\
#!/bin/sh
# Does with dpkg what apt would do. As apt's, its steps may leave packages without what they depend on for a while.
set -eu
export DEBIAN_FRONTEND=noninteractive DEBCONF_NOWARNINGS=yes
dpkg() { command dpkg --force-depends --force-confdef --force-confold --force-unsafe-io "$@"; }
"""

VERBS = {"Inst": "--auto-deconfigure --unpack", "Conf": "--configure", "Remv": "--force-remove-essential --remove"}


def make_upgrade(spec: ImageSpec, image: Image, systemd: str, store: Store, deadline: Deadline) -> Artifact:
    """Return the packages and the script that upgrade a guest; see `Distro.make_upgrade`."""
    origin, target = find_channel(spec), find_channel_with(spec, systemd)
    question = {
        "recipe": RECIPE, "archive": apt.find_archive(deadline), "image": image.key, "origin": origin.model_dump(mode="json"),
        "target": target.model_dump(mode="json"),
    }  # fmt: skip

    def ask() -> dict[str, Any]:
        with tempfile.TemporaryDirectory(prefix="rkt-harness-") as scratch:
            return {"steps": _find_steps(image, origin, target, Path(scratch), deadline)}

    steps = [AptStep(*step) for step in lookup.ask_remembered(store, "debian-upgrade", question, ask)["steps"]]

    def fill(files: Path) -> Mapping[str, Any]:
        wanted = {step.name: step.new for step in steps if step.verb == "Inst"}
        with tempfile.TemporaryDirectory(prefix="rkt-harness-") as scratch:
            packages = _open(target, Path(scratch), deadline).download(wanted, files, deadline)
        by_name = {path.name.partition("_")[0]: path.name for path in packages}
        (files / UPGRADE).write_text(HEAD + "".join(format_steps(steps, by_name)), encoding="utf-8")
        return {"title": f"systemd {systemd} for {spec.title}", "systemd": wanted[SOURCE]}

    return store.obtain(KIND, {"recipe": RECIPE, "head": HEAD, "steps": steps}, fill, deadline)


def _open(channel: DebianChannel, home: Path, deadline: Deadline) -> apt.Apt:
    return apt.open_apt(channel.release, home, deadline, pocket=channel.pocket)


def _find_steps(
    image: Image, origin: DebianChannel, target: DebianChannel, scratch: Path, deadline: Deadline
) -> list[AptStep]:
    """Return what apt would do for the upgrade."""
    installed = dict(line.split(" ", 1) for line in image.packages.read_text("utf-8").splitlines())
    homes = scratch / "origin", scratch / "target"
    for home in homes:
        home.mkdir()
    records = _open(origin, homes[0], deadline).find_exact(installed, deadline)
    private = _open(target, homes[1], deadline)
    private.set_installed(records)
    names = [
        record["Package"] for record in records if (record.get("Source") or record["Package"]).split()[0] == SOURCE
    ]
    steps = private.simulate_install(names, deadline, *(("--target-release", target.pocket) if target.pocket else ()))
    if not any((step.verb, step.name) == ("Inst", SOURCE) for step in steps):
        raise InfrastructureError(f"Debian {target.release} has no newer systemd than the image of {origin.release}.")
    return steps


def format_steps(steps: Iterable[AptStep], files: Mapping[str, str]) -> Iterator[str]:
    """Yield the lines of the script; steps of one kind that follow each other are one call of dpkg."""
    for verb, alike in itertools.groupby(steps, key=lambda step: step.verb):
        words = (f"./{files[step.name]}" if verb == "Inst" else step.name for step in alike)
        yield f"dpkg {VERBS[verb]} {' '.join(words)}\n"
    yield "dpkg --configure --pending\n"
