"""Where builds happen: a small Debian tree with compiler and libraries, kept in the store as a tar."""

import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness import proc
from harness.catalog import Environment
from harness.distros.debian.apt import find_archive, format_sources_list, parse_records
from harness.store import Artifact, Store, make_key
from harness.wait import Deadline

__all__ = ["KIND", "TREE", "collect_inputs", "make_environment_key", "obtain"]

KIND = "environment"
TREE = "tree.tar"

REVISION = 1
"""Raised when trees are made differently; goes in hashes."""

PRIVATE = ("unshare", "--mount") if os.geteuid() == 0 else ()
"""Root's mmdebstrap mounts /proc and /sys in the tree: in a world of its own, where they end with it, however it ends."""

UNWANTED = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
"""What no build reads; leaving it out saves a fifth of the time."""


def collect_inputs(environment: Environment, further: Sequence[str] = ()) -> dict[str, Any]:
    """Return what an environment is made from.

    The versions of its packages are whatever the archive has when it is made, and in its manifest: a point
    release does not make every artifact again. Removing the artifact from the store does.
    """
    names = sorted({*environment.packages, *further})
    return {"revision": REVISION, "release": environment.release, "packages": names}


def make_environment_key(environment: Environment, further: Sequence[str] = ()) -> str:
    """Return the key of an environment in the store."""
    return make_key(KIND, collect_inputs(environment, further))


def obtain(environment: Environment, further: Sequence[str], store: Store, deadline: Deadline) -> Artifact:
    """Return the environment, made by mmdebstrap if it is not in the store yet; `TREE` in it is the tar.

    That takes half a minute on a good network.

    Raises:
        InfrastructureError: mmdebstrap is not installed, the archive cannot be reached or lacks a package.
    """
    facts = collect_inputs(environment, further)

    def make(files: Path) -> dict[str, Any]:
        proc.require("mmdebstrap")
        sources = format_sources_list(find_archive(deadline), environment.release)
        status = files.parent / "status"
        argv = [
            *PRIVATE, "mmdebstrap", "--quiet", "--variant=essential", "--format=tar",
            f"--include={','.join(facts['packages'])}",
            # The tree is thrown away after a crash; flushing each file of it to the disk is wasted.
            "--dpkgopt=force-unsafe-io",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in UNWANTED),
            '--aptopt=Acquire::Languages "none"',
            '--aptopt=Acquire::Check-Valid-Until "false"',
            f"--customize-hook=download /var/lib/dpkg/status {shlex.quote(str(status))}",
            environment.release, str(files / TREE), "-",
        ]  # fmt: skip
        hint = (
            f"Is there a network, and does the archive have all these packages for {environment.release}? Old releases are"
            " only in Debian's archive of old releases: add it to this computer's apt sources, or build with `--builder host`."
        )
        with tempfile.TemporaryDirectory(dir=files.parent, ignore_cleanup_errors=True) as scratch:
            # An ordinary user's tree belongs to other users, who cannot reach into a private store.
            env = proc.make_environment({"TMPDIR": scratch} if os.geteuid() == 0 else None)
            proc.run(argv, deadline=deadline, env=env, stdin=sources.encode(), hint=hint)
        installed = {item["Package"]: item["Version"] for item in parse_records(status.read_text(encoding="utf-8"))}
        status.unlink()
        return {"title": f"build environment on {environment.release}", "installed": installed}

    return store.obtain(KIND, facts, make, deadline)
