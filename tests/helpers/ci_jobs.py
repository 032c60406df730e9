"""The jobs of a CI file, in the order in which its system runs them: what a test needs to do as the system would.

Only what the files of this project use is understood; anything else is a KeyError or an AssertionError here.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """A command of a job.

    Attributes:
        text: What bash executes.
        always: Whether it runs after a failure too.
        counts: Whether its failure fails the job.
    """

    text: str
    always: bool = False
    counts: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A job, which begins in a clean clone.

    Attributes:
        name: What people see.
        stage: Jobs of a stage run side by side, after those of all lower stages.
        env: Environment variables from the file.
        commands: In order.
        gives: Files that the system stores afterwards: a name, a pattern of paths, and the directory whose contents
            they are for who takes them.
        takes: Files that are there before: a pattern of names, and the directory that they are put into.
    """

    name: str
    stage: int
    env: Mapping[str, str]
    commands: tuple[Command, ...]
    gives: tuple[tuple[str, str, str], ...] = ()
    takes: tuple[tuple[str, str], ...] = ()


@dataclass
class Stages:
    """Stages of jobs that name the jobs before them."""

    known: dict[str, int] = field(default_factory=dict)

    def of(self, name: str, needs: list[str]) -> int:
        """Return the stage of a job: the one after the latest of those that it needs."""
        self.known[name] = max((self.known[need] for need in needs), default=-1) + 1
        return self.known[name]


def jobs(root: Path, system: str) -> list[Job]:
    """Return the jobs of a system's files below a directory."""
    read = {"semaphore": _semaphore, "travis": _travis, "github": _github, "gitlab": _gitlab}
    return list(read[system](root))


def _load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return loaded


def _semaphore(root: Path) -> Iterator[Job]:
    """docs.semaphore.io/reference/pipeline-yaml: global prologue, the task's, commands; then the epilogue."""
    pending, first = ["semaphore.yml"], 0
    while pending:
        file = _load(root / ".semaphore" / pending.pop(0))
        stages = Stages()
        common = file["global_job_config"]
        for block in file["blocks"]:
            stage = first + stages.of(block["name"], block["dependencies"])
            yield from _block(block["task"], common, stage)
        first += max(stages.known.values()) + 1
        yield from _block(file["after_pipeline"]["task"], common, first)
        first += 1
        pending += [item["pipeline_file"] for item in file.get("promotions", [])]


def _block(task: dict[str, Any], common: dict[str, Any], stage: int) -> Iterator[Job]:
    before = common["prologue"]["commands"] + task.get("prologue", {}).get("commands", [])
    epilogue = task.get("epilogue", {})
    after = [
        Command(text=text, always=when == "always", counts=False)
        for when in ("always", "on_pass")
        for text in epilogue.get(when, {}).get("commands", [])
    ]
    variables = {item["name"]: item["value"] for item in common["env_vars"] + task.get("env_vars", [])}
    for job in task["jobs"]:
        [axis] = job.get("matrix", [{"env_var": "NONE", "values": ["-"]}])
        for value in axis["values"]:
            yield Job(
                name=f"{job['name']} {value}",
                stage=stage,
                env={**variables, axis["env_var"]: value},
                commands=(*(Command(text=text) for text in before + job["commands"]), *after),
            )


def _travis(root: Path) -> Iterator[Job]:
    """docs.travis-ci.com/user/build-stages and using-workspaces."""
    file = _load(root / ".travis.yml")
    stages = [stage if isinstance(stage, str) else stage["name"] for stage in file["stages"]]
    for job in file["jobs"]["include"]:
        spaces = job.get("workspaces", {})
        made = spaces.get("create", {"name": "", "paths": []})
        yield Job(
            name=job["name"],
            stage=stages.index(job["stage"]),
            env=dict(item.split("=", 1) for item in file["env"]["global"] + job.get("env", [])),
            commands=(Command(text=job["script"]),),
            gives=tuple((made["name"], path, ".") for path in made["paths"]),
            takes=tuple((name, ".") for name in spaces.get("use", [])),
        )


def _github(root: Path) -> Iterator[Job]:
    """Workflow syntax of GitHub Actions; upload-artifact keeps what is below the pattern's directory."""
    file = _load(root / ".github" / "workflows" / "harness.yml")
    stages = Stages()
    for name, job in file["jobs"].items():
        needs = job.get("needs", [])
        stage = stages.of(name, [needs] if isinstance(needs, str) else needs)
        for value in job.get("strategy", {}).get("matrix", {}).get("shard", [None]):
            yield _github_job(
                f"{name} {value}", stage, job, {"matrix.shard": str(value), "github.run_attempt": "1"}, file["env"]
            )


def _github_job(name: str, stage: int, job: dict[str, Any], values: dict[str, str], common: dict[str, str]) -> Job:
    def filled(text: str) -> str:
        return re.sub(r"\$\{\{ (.*?) \}\}", lambda found: values[found[1]], text)

    commands, gives, takes = [], [], []
    for step in job["steps"]:
        always = step.get("if") == "${{ always() }}"
        action = step.get("uses", "").partition("@")[0]
        if action == "actions/upload-artifact":
            path = step["with"]["path"]
            parent = path.rpartition("/")[0] if "*" in path else path
            gives.append((filled(step["with"]["name"]), path, parent))
        elif action == "actions/download-artifact":
            assert step["with"]["merge-multiple"]
            takes.append((step["with"]["pattern"], step["with"]["path"]))
        elif not action:
            commands.append(Command(text=step["run"], always=always))
        else:
            assert action in {"actions/checkout", "actions/cache"}
    env = {key: filled(value) for key, value in {**common, **job.get("env", {})}.items()}
    return Job(name=name, stage=stage, env=env, commands=tuple(commands), gives=tuple(gives), takes=tuple(takes))


def _gitlab(root: Path) -> Iterator[Job]:
    """docs.gitlab.com/ci/yaml: artifacts of needed jobs are put where they were."""
    file = _load(root / ".gitlab-ci.yml")
    for name, job in file.items():
        if not isinstance(job, dict) or "script" not in job:
            continue
        count = job.get("parallel", 1)
        for index in range(1, count + 1):
            yield Job(
                name=f"{name} {index}/{count}",
                stage=file["stages"].index(job["stage"]),
                env={
                    **file["variables"],
                    **{key: value.replace("$CI_JOB_ID", str(index)) for key, value in job.get("variables", {}).items()},
                    "CI_NODE_INDEX": str(index),
                    "CI_NODE_TOTAL": str(count),
                },
                commands=tuple(Command(text=text) for text in job["script"]),
                gives=tuple((f"{name} {index}", path, ".") for path in job.get("artifacts", {}).get("paths", [])),
                takes=tuple((f"{need} *", ".") for need in job.get("needs", [])),
            )
