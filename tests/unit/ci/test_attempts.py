"""Jobs that run again: on four CI systems, the gate decides about the newest attempt of each shard, and about nothing else.

Each store of artifacts is simulated by the rules that the system documents (harness/ci/systems says when they were
read); names, patterns and places are those of the files that are made.
"""

import fnmatch
import io
import os
import re
import subprocess
import sys
import tarfile
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml

from harness import ci, results
from harness.ci import Pipeline
from harness.cli import main
from harness.model import Outcome
from tests import ROOT
from tests.helpers import trees
from tests.unit.ci.test_names import fill, list_artifacts
from tests.unit.ci.test_shards import cell, run

PROFILE = "all"
OTHER = "al"
GOOD, BAD, LOST = Outcome.PASSED, Outcome.FAILED, None
"""What an attempt at a shard found; LOST for one that ended without a result."""
POLICY = """\
version: 1
description: All cells, no failure.
required:
  - {profile: all, suites: [cgroup]}
minimum_ran: 1
"""


@dataclass
class Job:
    """One attempt at a shard's job.

    Attributes:
        number: Of the attempt at the workflow, from 1.
        time: The second in which it began, and by which its system numbers it.
        found: What it found.
    """

    shard: int
    number: int
    time: int
    found: Outcome | None
    profile: str = PROFILE


SCENARIOS: dict[str, tuple[list[Job], bool]] = {
    "red, then all again and green": ([Job(1, 1, 10, BAD), Job(2, 1, 11, BAD), Job(1, 2, 20, GOOD), Job(2, 2, 21, GOOD)], True),
    "green, then all again and red": ([Job(1, 1, 10, GOOD), Job(2, 1, 11, GOOD), Job(1, 2, 20, GOOD), Job(2, 2, 21, BAD)], False),
    "only what failed again": ([Job(1, 1, 10, GOOD), Job(2, 1, 11, BAD), Job(2, 2, 20, BAD), Job(2, 3, 30, GOOD)], True),
    "the newest attempt left nothing": ([Job(1, 1, 10, GOOD), Job(2, 1, 11, GOOD), Job(2, 2, 20, LOST)], False),
    "another profile's shards are there": (
        [Job(1, 1, 10, GOOD), Job(1, 1, 12, BAD, OTHER), Job(2, 1, 11, BAD), Job(2, 2, 20, GOOD), Job(1, 2, 22, BAD, OTHER)],
        True,
    ),
}  # fmt: skip


def load_files() -> dict[str, Any]:
    """Return the file of each system that has the jobs of `PROFILE`, as data."""
    pipelines = [Pipeline(profile=name, shards=2, cells=1000) for name in (OTHER, PROFILE)]
    return {
        file.system: yaml.safe_load(file.text)
        for file in ci.render(ci.list_systems(), pipelines[0], pipelines[1])
        if file.path != ".semaphore/semaphore.yml"
    }


@dataclass
class Store(ABC):
    """What jobs leave, and what of it the gate's job gets: files by name."""

    files: dict[str, Any]
    kept: list[tuple[Job, str, bytes]] = field(default_factory=list)

    def leave(self, job: Job, attempt: int, data: bytes) -> None:
        """Keep the archive of a job."""
        self.kept.append((job, f"{job.shard}-of-2.{attempt}.tar.gz", data))

    @abstractmethod
    def give(self) -> Iterator[tuple[str, bytes]]:
        """Yield what the gate of `PROFILE` gets."""

    def ended(self, jobs: list[Job]) -> str | None:
        """Return how the shards' jobs ended as the gate is told; None where it does not run at all after a failed one."""
        newest = {job.shard: job for job in jobs if job.profile == PROFILE}
        return "success" if all(job.found is not None for job in newest.values()) else None


class GitHub(Store):
    """All attempts share artifacts; of equal names which one is given is not promised: here it is the oldest."""

    def leave(self, job: Job, attempt: int, data: bytes) -> None:  # noqa: ARG002 - only some number by it
        """Upload it under the name that the workflow has."""
        jobs = [one for name, one in self.files["github"]["jobs"].items() if name == f"{job.profile}-shard"]
        values = {"matrix.shard": str(job.shard), "github.run_attempt": str(job.number)}
        [name] = [fill(text, values) for text in list_artifacts(jobs[0], "upload-artifact", "name")]
        assert name not in {kept for _, kept, _ in self.kept}, "an artifact cannot be uploaded twice"
        self.kept.append((job, name, data))

    def give(self) -> Iterator[tuple[str, bytes]]:
        """Yield what the pattern matches, the oldest last, which replaces what has its name."""
        [pattern] = list_artifacts(self.files["github"]["jobs"][f"{PROFILE}-gate"], "download-artifact", "pattern")
        for job, name, data in reversed(self.kept):
            if fnmatch.fnmatchcase(name, pattern):
                yield f"{job.shard}-of-2.{job.number}.tar.gz", data

    def ended(self, jobs: list[Job]) -> str | None:
        """Return what `needs` says of the shards."""
        told = self.files["github"]["jobs"][f"{PROFILE}-gate"]["env"]["HARNESS_SHARDS"]
        assert told == f"${{{{ needs.{PROFILE}-shard.result }}}}"
        return super().ended(jobs) or "failure"


class GitLab(Store):
    """A job that needs others gets the artifacts of the newest job of each name."""

    def give(self) -> Iterator[tuple[str, bytes]]:
        """Yield what the newest jobs left."""
        assert self.files["gitlab"][f"{PROFILE} gate"]["needs"] == [f"{PROFILE} shard"]
        newest = {job.shard: (name, data) for job, name, data in self.kept if job.profile == PROFILE}
        yield from newest.values()

    def ended(self, jobs: list[Job]) -> str | None:  # noqa: ARG002 - it is told nothing
        """Return what the gate is told: nothing."""
        return "success"  # it is not told

    def leave(self, job: Job, attempt: int, data: bytes) -> None:  # noqa: ARG002 - only some number by it
        """Keep it with the number of the job."""
        super().leave(job, job.time, data)


class Semaphore(Store):
    """A workflow's artifacts are files; a file that is pushed again with --force is replaced; a directory is pulled whole."""

    def leave(self, job: Job, attempt: int, data: bytes) -> None:  # noqa: ARG002 - only some number by it
        """Push it where the epilogue does."""
        block = next(one for one in self.files["semaphore"]["blocks"] if one["name"] == f"{PROFILE} shards")
        [push] = [line for line in block["task"]["epilogue"]["always"]["commands"] if line.startswith("artifact push")]
        assert "--force" in push
        [place] = re.findall(r'--destination "(.*?)"', push)
        for name, value in (("SHARD", job.shard), ("SEMAPHORE_JOB_ID", job.time)):
            place = place.replace(f"${name}", str(value))
        place = place.replace(f"/{PROFILE}/", f"/{job.profile}/")
        self.kept = [*(one for one in self.kept if one[1] != place), (job, place, data)]

    def give(self) -> Iterator[tuple[str, bytes]]:
        """Yield what is pulled."""
        block = next(one for one in self.files["semaphore"]["blocks"] if one["name"] == f"{PROFILE} gate")
        [pull] = [line for line in block["task"]["jobs"][0]["commands"] if line.startswith("artifact pull")]
        [source] = re.findall(r'workflow "(.*?)"', pull)
        yield from ((name.rpartition("/")[2], data) for _, name, data in self.kept if name.startswith(f"{source}/"))


class Travis(Store):
    """A workspace that is made again replaces the one of that name."""

    def leave(self, job: Job, attempt: int, data: bytes) -> None:  # noqa: ARG002 - only some number by it
        """Make the workspace of the job."""
        entry = next(
            one for one in self.files["travis"]["jobs"]["include"]
            if f"PROFILE={job.profile}" in one.get("env", []) and f"SHARD={job.shard}" in one["env"]
        )  # fmt: skip
        name = entry["workspaces"]["create"]["name"]
        self.kept = [*(one for one in self.kept if one[1] != name), (job, name, data)]

    def give(self) -> Iterator[tuple[str, bytes]]:
        """Yield the workspaces that the gate uses."""
        entry = next(
            one for one in self.files["travis"]["jobs"]["include"]
            if f"PROFILE={PROFILE}" in one.get("env", []) and "use" in one.get("workspaces", {})
        )  # fmt: skip
        wanted = entry["workspaces"]["use"]
        yield from ((f"{job.shard}-of-2.tar.gz", data) for job, name, data in self.kept if name in wanted)


STORES: dict[str, type[Store]] = {"github": GitHub, "gitlab": GitLab, "semaphore": Semaphore, "travis": Travis}
NUMBERED = {"github": "number"}
"""What of a job its system says as HARNESS_ATTEMPT; elsewhere it is a number of the job, or the second of its start."""


@pytest.fixture
def cells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> dict[int, list[str]]:
    """A project as the working directory; the cells of each of its two shards."""
    trees.write(
        tmp_path,
        {
            **trees.PROJECT,
            "matrix.yaml": trees.AXES + "profiles:\n  all: {suites: [cgroup]}\n",
            "ci/release-policy.yaml": POLICY,
        },
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HARNESS_STORE", str(tmp_path / "store"))
    found = {}
    for index in (1, 2):
        assert main(["ci", "shard", f"{index}/2", "--profile", PROFILE, "--format", "ids"]) == 0
        found[index] = capsys.readouterr().out.split()
    return found


def pack(job: Job, attempt: int, cells: list[str], place: Path) -> bytes:
    """Return the archive that `ci/run-shard` leaves of a job."""
    result = run(
        *(cell(name, job.found or GOOD) for name in cells),
        shard=(job.shard, 2),
        attempt=attempt,
        commit="c",
        matrix="m",
    )
    results.write(result, place / "packed" / "result.json")
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        archive.add(place / "packed", f"{job.shard}-of-2.{attempt}")
    return stream.getvalue()


@pytest.mark.slow
@pytest.mark.parametrize("system", list(STORES))
@pytest.mark.parametrize("scenario", list(SCENARIOS))
def test_the_newest_attempt_decides(system: str, scenario: str, cells: dict[int, list[str]], tmp_path: Path) -> None:
    """Of 20 ways in which jobs ran again none ends with a decision about another attempt."""
    jobs, ships = SCENARIOS[scenario]
    store = STORES[system](load_files())
    for job in jobs:
        attempt = getattr(job, NUMBERED.get(system, "time"))
        if job.found is not None:
            store.leave(job, attempt, pack(job, attempt, cells[job.shard], tmp_path))
        elif system == "gitlab":  # what the newest job left is nothing
            store.kept = [one for one in store.kept if one[0].shard != job.shard]
    place = tmp_path / "shards"
    for name, data in store.give():
        with tarfile.open(fileobj=io.BytesIO(data)) as archive:
            archive.extractall(place, filter="data")
        assert re.fullmatch(r"\d+-of-2(\.\w+)?\.tar\.gz", name)
    ended = store.ended(jobs)
    if ended is None:
        assert not ships  # the gate's job does not begin
        return
    codes = [
        main(["ci", "merge", str(place), "--shards", "2", "--profile", PROFILE, "--into", str(tmp_path / "merged")]),
        main(["gate", *map(str, sorted(place.iterdir())), "--profile", PROFILE]),
    ]
    assert (codes == [0, 0] and ended == "success") is ships


@pytest.mark.slow
def test_the_script_refuses_after_a_job_that_left_nothing(cells: dict[int, list[str]], tmp_path: Path) -> None:
    """What the gate's job is told of the shards refuses, however good what earlier attempts left is, and is published."""
    trees.write(tmp_path, {"ci/release-gate": (ROOT / "ci/release-gate").read_text(), "Makefile": "deps:\n\t@true\n"})
    harness = tmp_path / ".venv" / "bin" / "harness"
    harness.parent.mkdir(parents=True)
    harness.symlink_to(Path(sys.executable).with_name("harness"))
    place = tmp_path / "runs" / "shards" / PROFILE
    place.mkdir(parents=True)
    for index in (1, 2):
        data = pack(Job(index, 1, 10, GOOD), 1, cells[index], tmp_path)
        (place / f"{index}-of-2.1.tar.gz").write_bytes(data)
    for told, code in (("success", 0), ("failure", 1)):
        done = subprocess.run(
            ["bash", "ci/release-gate", "2", PROFILE], env=os.environ | {"HARNESS_SHARDS": told}, capture_output=True,
            text=True, check=False, cwd=tmp_path,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        published = (tmp_path / "runs" / "merged" / PROFILE / "gate.md").read_text(encoding="utf-8")
        assert published.startswith("The release is refused: a shard's job ended") is bool(code)
