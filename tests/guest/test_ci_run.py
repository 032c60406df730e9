"""The jobs of the CI files, executed in clean clones with the commands, variables and order of the CI systems.

The matrix is small: two shards of a cell each for a change, one for a release, of a suite with one case. All else is
real: the environment is installed from the lock file, guests boot, results are packed, stored, merged and gated.
Artifacts are in the user's store. What only a CI system has are executables in ci_doubles/, and plain copying where
its file says what is kept.
"""

import fnmatch
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from harness.image import Image
from harness.store import Store
from tests import ROOT
from tests.helpers import ci_jobs, trees
from tests.helpers.ci_jobs import Job

DOUBLES = Path(__file__).with_name("ci_doubles")
LIMIT = 800
"""Seconds that one job may take."""

PROFILES = """\
profiles:
  change:
    select: distro==debian/bookworm and runtime==nspawn and cgroup!=hybrid
    suites: [tiny]
    gate: ci/tiny-policy.yaml
  tag: {select: distro==debian/bookworm and runtime==nspawn and cgroup==unified, suites: [tiny], gate: ci/tag-policy.yaml}
ci:
  change: {profile: change, shards: 2}
  release: {profile: tag, shards: 1}
"""
POLICY = """\
version: 1
description: Everything passes.
required:
  - {{profile: {profile}}}
minimum_ran: {ran}
"""
SUITE = '''\
"""One case."""

from testinfra.host import Host


def test_guest_answers(host: Host) -> None:
    """The guest runs a command."""
    assert host.run("true").rc == 0
'''


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with this project's files, a small matrix, and the CI files that are made from that.

    The harness's own tests, which would execute this one again, are a double that says that it ran.
    """
    place = tmp_path_factory.mktemp("origin")
    listed = _git(ROOT, "ls-files", "--cached", "--others", "--exclude-standard", "-z")
    for name in filter(None, listed.split("\0")):
        if (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, place / name)
    matrix = (ROOT / "matrix.yaml").read_text(encoding="utf-8")
    before, _, rest = matrix.partition("profiles:\n")
    defaults = rest[rest.index("\ndefaults:\n") :]
    trees.write(
        place,
        {
            "matrix.yaml": before + PROFILES + defaults,
            "ci/tiny-policy.yaml": POLICY.format(profile="change", ran=2),
            "ci/tag-policy.yaml": POLICY.format(profile="tag", ran=1),
            "suites/tiny/suite.yaml": "name: tiny\ndescription: One case.\n",
            "suites/tiny/test_tiny.py": SUITE,
            ".ci/run": "#!/bin/bash\n# Double of the harness's own tests.\ntouch own-tests-ran\n",
        },
    )
    argv: list[str | Path] = [ROOT / ".venv" / "bin" / "harness", "ci", "generate"]
    subprocess.run(argv, cwd=place, check=True, timeout=60, env=_environment())
    _git(place, "init", "--quiet", "--initial-branch=main")
    _git(place, "add", "--all")
    _git(place, "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "--quiet", "--message=all")
    return place


def _git(place: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=place, check=True, timeout=60, stdout=subprocess.PIPE, text=True).stdout


def _environment(**more: str) -> dict[str, str]:
    """Return this process's variables without what a user of this computer set for the harness."""
    return {key: value for key, value in os.environ.items() if not key.startswith("HARNESS_")} | more


@dataclass
class System:
    """A CI system as far as its jobs notice: clean clones, variables, and files that go from job to job.

    Attributes:
        origin: The repository.
        place: Where its clones and stored files are.
        store: The store of artifacts that jobs use in place of what a cache would restore.
        ended: Exit codes of jobs by stage and name.
    """

    origin: Path
    place: Path
    store: Path
    ended: dict[tuple[int, str], int] = field(default_factory=dict)

    def run(self, jobs: list[Job]) -> None:
        """Run jobs, those of a stage side by side."""
        for stage in sorted({job.stage for job in jobs}):
            with ThreadPoolExecutor() as pool:
                list(pool.map(self.execute, [job for job in jobs if job.stage == stage]))

    def clone(self, job: Job) -> Path:
        """Where a job runs, or ran."""
        return self.place / "clones" / f"{job.stage}-{job.name}".replace("/", "-").replace(" ", "-")

    def execute(self, job: Job) -> None:
        """Run one job in a new clone."""
        clone = self.clone(job)
        clone.parent.mkdir(parents=True, exist_ok=True)
        _git(self.place, "clone", "--quiet", str(self.origin), str(clone))
        for pattern, into in job.takes:
            for source in sorted((self.place / "stored").glob("*")):
                if fnmatch.fnmatch(source.name, pattern):
                    shutil.copytree(source, clone / into, dirs_exist_ok=True)
        self.ended[job.stage, job.name] = self.commands(job, clone)
        for name, pattern, parent in job.gives:
            for path in clone.glob(pattern):
                _copy(path, self.place / "stored" / name / path.relative_to(clone / parent))

    def commands(self, job: Job, clone: Path) -> int:
        """Run the commands of a job; its exit code is that of the first that failed, as all of these systems do."""
        assert job.env["HARNESS_STORE"] == "runs/store"
        env = _environment(**job.env, CI="true", GITHUB_STEP_SUMMARY=str(self.place / "summary.md"))
        env["PATH"] = f"{DOUBLES}:{env['PATH']}"
        env["CI_DOUBLES"] = str(self.place)
        # In place of the cache: the user's store, of which nothing is removed.
        env["HARNESS_STORE"] = str(self.store)
        if "HARNESS_STORE_KEEP" in env:
            env["HARNESS_STORE_KEEP"] = "1000T"
        code = 0
        for command in job.commands:
            if code and not command.always:
                continue
            argv = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", command.text]
            done = subprocess.run(argv, cwd=clone, env=env, timeout=LIMIT, check=False, stdin=subprocess.DEVNULL)
            if command.counts:
                code = code or done.returncode
        return code


def _copy(path: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    if path.is_dir():
        shutil.copytree(path, target, dirs_exist_ok=True)
    else:
        shutil.copy2(path, target)


@pytest.fixture
def system(origin: Path, tmp_path: Path, store: Store, bookworm: Image) -> Iterator[System]:
    """A CI system without jobs yet; the image that they boot is in the store."""
    yield System(origin=origin, place=tmp_path, store=store.root)
    shutil.rmtree(tmp_path / "clones", ignore_errors=True)


def _is_own(job: Job) -> bool:
    """Return whether a job runs the harness's own checks or tests."""
    return any(".ci/run" in command.text for command in job.commands)


def _decided(clone: Path, profile: str) -> str:
    return (clone / "runs" / "merged" / profile / "gate.md").read_text(encoding="utf-8")


@pytest.mark.timeout(3 * LIMIT)
@pytest.mark.parametrize(
    "name", ["semaphore", "travis", *(pytest.param(name, marks=pytest.mark.longer) for name in ("github", "gitlab"))]
)
def test_jobs_run_in_clean_clones_from_tests_to_gate(name: str, system: System) -> None:
    """All jobs of a change pass in order, and the gate's job has the results of both shards, merged, and lets it ship.

    On Semaphore, where the release is a pipeline of its own, its jobs are executed as well; on the others the gate is
    run once more without one shard, and refuses by its name.
    """
    jobs = ci_jobs.jobs(system.origin, name)
    ours = [job for job in jobs if name == "semaphore" or not job.name.startswith("tag")]
    system.run(ours)
    assert set(system.ended.values()) == {0}, system.ended
    assert all((system.clone(job) / "own-tests-ran").exists() for job in ours if _is_own(job))

    gate = next(job for job in ours if job.name.startswith(("change gate", "change-gate")))
    merged = system.clone(gate) / "runs" / "merged" / "change"
    result = json.loads((merged / "result.json").read_bytes())
    assert {cell["axes"]["cgroup"] for cell in result["cells"]} == {"legacy", "unified"}
    assert [case["outcome"] for cell in result["cells"] for case in cell["cases"]] == ["passed", "passed"]
    assert (merged / "junit.xml").read_text(encoding="utf-8").count("<testcase") == 2
    assert set(json.loads((merged / "durations.json").read_bytes())) >= {cell["id"] for cell in result["cells"]}
    if name == "semaphore":
        log = (system.place / "log").read_text(encoding="utf-8").splitlines()
        assert log.index("cache restore store-change-1") < log.index("cache store store-change-1 runs/store")
        assert "artifact push runs/merged/tag" in log
        assert log[-1] == "test-results gen-pipeline-report"
        return
    if name == "github":
        assert _decided(system.clone(gate), "change") in (system.place / "summary.md").read_text(encoding="utf-8")

    for lost in (system.clone(gate) / "runs" / "shards" / "change").glob("2-of-2*"):
        shutil.rmtree(lost) if lost.is_dir() else lost.unlink()
    assert system.commands(gate, system.clone(gate)) == 1
    assert "shard 2/2 is missing" in _decided(system.clone(gate), "change")
