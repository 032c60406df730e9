"""The files of CI systems: what the project has is what its matrix says, and what each system accepts."""

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from harness import ci
from harness.ci import Pipeline, Rendered, System
from harness.cli import main
from harness.errors import ConfigError, UsageError
from tests import ROOT
from tests.helpers import trees
from tests.helpers.semaphore_pipelines import Pipeline as SemaphorePipeline

BIN = Path(sys.executable).parent
SIZES = [(1, None), (1, 1), (3, 6), (50, 40)]
"""Shards of the pipelines for changes and for releases."""

SCHEMAS = {
    "github": ("--builtin-schema", "vendor.github-workflows"),
    "gitlab": ("--builtin-schema", "vendor.gitlab-ci", "--data-transform", "gitlab-ci"),
    "travis": ("--builtin-schema", "vendor.travis"),
}
"""Published schemas, as the package check-jsonschema ships them: SchemaStore's, and GitLab's own for GitLab."""


@cache
def rendered(change: int, release: int | None) -> tuple[Rendered, ...]:
    """Render the files of all systems for pipelines of this number of shards."""
    return ci.render(
        ci.list_systems(),
        Pipeline(profile="quick", shards=change, cells=100),
        Pipeline(profile="release", shards=release, cells=100) if release else None,
    )


def parsed(files: tuple[Rendered, ...], system: str) -> list[dict[str, Any]]:
    """Return the files of one system as data."""
    return [yaml.safe_load(file.text) for file in files if file.system == system]


def test_this_project_has_what_its_matrix_says(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The committed CI files are those that `harness ci generate` makes; the test that stops drift."""
    monkeypatch.chdir(ROOT)
    code = main(["ci", "check"])
    assert code == 0, capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize("sizes", SIZES, ids=str)
@pytest.mark.parametrize("system", SCHEMAS)
def test_files_are_valid_by_the_published_schema(system: str, sizes: tuple[int, int | None], tmp_path: Path) -> None:
    """What is made is valid by its system's published schema, with one shard and with many, with and without release."""
    paths = []
    for file in rendered(*sizes):
        if file.system == system:
            trees.write(tmp_path, {file.path: file.text})
            paths.append(tmp_path / file.path)
    done = subprocess.run(
        [BIN / "check-jsonschema", *SCHEMAS[system], *paths], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_semaphore_files_follow_its_grammar(sizes: tuple[int, int | None]) -> None:
    """Semaphore's files are valid by its grammar, and each promotion leads to a file that is made as well."""
    files = [file for file in rendered(*sizes) if file.system == "semaphore"]
    pipelines = [SemaphorePipeline.model_validate(yaml.safe_load(file.text)) for file in files]
    assert len(pipelines) == (2 if sizes[1] else 1)
    made = {Path(file.path).name for file in files}
    assert {promotion.pipeline_file for item in pipelines for promotion in item.promotions or ()} <= made


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("version: v1.0", "version: v2.0"),
        ("hours: 4", "hours: 25"),
        ("    dependencies: []\n", ""),
        ('dependencies: ["quick shards"]', "dependencies: [shard]"),
        ("matrix:", "parallelism: 2\n          matrix:"),
        ("result = 'passed'", "result is passed"),
        ("          value: 4800M", "          value: 4800"),
    ],
)
def test_semaphore_grammar_refuses_what_semaphore_refuses(old: str, new: str) -> None:
    """The grammar of the tests is no rubber stamp: a change that Semaphore's documentation forbids is refused."""
    text = next(file.text for file in rendered(1, 1) if file.path == ".semaphore/semaphore.yml")
    assert old in text
    with pytest.raises(ValidationError):
        SemaphorePipeline.model_validate(yaml.safe_load(text.replace(old, new, 1)))


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_github_jobs_need_jobs_that_there_are(sizes: tuple[int, int | None]) -> None:
    """Each job that is needed exists; the release waits for the gate of the change and the harness's own tests."""
    [file] = parsed(rendered(*sizes), "github")
    needs = {name: job.get("needs", []) for name, job in file["jobs"].items()}
    assert all(set([need] if isinstance(need, str) else need) <= set(needs) for need in needs.values())
    if sizes[1]:
        assert needs["release-shard"] == ["own-tests", "quick-gate"]


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_gitlab_jobs_have_stages_and_needs_that_there_are(sizes: tuple[int, int | None]) -> None:
    """Each job's stage is listed, and each job that is needed is one of an earlier stage."""
    [file] = parsed(rendered(*sizes), "gitlab")
    jobs = {name: value for name, value in file.items() if isinstance(value, dict) and "script" in value}
    for job in jobs.values():
        for need in job.get("needs", []):
            assert file["stages"].index(jobs[need]["stage"]) < file["stages"].index(job["stage"])


@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_travis_workspaces_are_made_before_they_are_used(sizes: tuple[int, int | None]) -> None:
    """Each stage is listed; a workspace has one maker, in an earlier stage; caches are told apart by their variables.

    What workspaces may say is from docs.travis-ci.com/user/using-workspaces, as SchemaStore's schema does not know them.
    """
    [file] = parsed(rendered(*sizes), "travis")
    stages = [stage if isinstance(stage, str) else stage["name"] for stage in file["stages"]]
    jobs = file["jobs"]["include"]
    maker: dict[str, int] = {}
    for job in jobs:
        spaces = job.get("workspaces", {})
        assert set(spaces) <= {"create", "use"}
        if "create" in spaces:
            assert set(spaces["create"]) == {"name", "paths"}
            assert spaces["create"]["name"] not in maker
            maker[spaces["create"]["name"]] = stages.index(job["stage"])
    for job in jobs:
        for name in job.get("workspaces", {}).get("use", []):
            assert maker[name] < stages.index(job["stage"])
    caching = [tuple(job["env"]) for job in jobs if job.get("cache") is not False]
    assert len(set(caching)) == len(caching)


@pytest.mark.parametrize("sizes", [(1, 1), (3, 6)], ids=str)
def test_jobs_say_nothing_but_scripts(sizes: tuple[int, int | None]) -> None:
    """No logic is in a CI file: each command is a script of the project, or a tool of the CI system with its words."""
    tools = ("checkout", "cache ", "artifact ", "test-results ", "cat runs/merged/")
    lines = [
        command
        for file in rendered(*sizes)
        for command in _commands(yaml.safe_load(file.text))
        if not command.startswith(tools)
    ]
    for line in lines:
        words = line.split()
        assert words[0] == "ci/in-debian"
        assert (ROOT / words[1]).stat().st_mode & 0o100, line
        assert not set(";|&`(") & set(line), line
    assert len(lines) >= 4 * 3


def _commands(data: Any) -> list[str]:
    """All commands in a CI file, wherever they are."""
    if isinstance(data, list):
        return [line for item in data for line in _commands(item)]
    if not isinstance(data, dict):
        return []
    found = [line for key in ("run", "script", "commands") for line in _lines(data.get(key))]
    return found + [line for value in data.values() for line in _commands(value)]


def _lines(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    return [line for line in value if isinstance(line, str)] if isinstance(value, list) else []


def test_caches_fit_into_what_the_system_gives() -> None:
    """The jobs of all pipelines together leave no more in the cache than the system keeps."""
    for system in ci.list_systems():
        files = ci.render(
            [system],
            Pipeline(profile="quick", shards=3, cells=9),
            Pipeline(profile="release", shards=6, cells=9),
        )
        assert f"{system.cache // 9}M" in "".join(file.text for file in files)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (Pipeline(profile="quick", shards=4, cells=3), "has 3 cells, which 4 shards cannot share"),
        (Pipeline(profile="quick", shards=51, cells=99), "51 shards, but gitlab runs 50 at most"),
        (Pipeline(profile="a b; rm -r", shards=1, cells=1), "must be letters"),
        (Pipeline(profile="release", shards=1, cells=1), "both run the profile `release`"),
    ],
)
def test_impossible_pipelines_are_refused(change: Pipeline, problem: str) -> None:
    """Shards without cells, more jobs than a system can make, and names that a shell would read are usage errors."""
    with pytest.raises(UsageError, match=problem):
        ci.render(ci.list_systems(), change, Pipeline(profile="release", shards=1, cells=1))


def test_a_system_is_one_file(tmp_path: Path) -> None:
    """Adding a CI system is adding one file of knowledge; its template sees both pipelines."""
    trees.write(
        tmp_path,
        {
            "drone.yaml": """\
name: drone
description: Another one.
sources: [a page]
shards: 9
cache: 90
files:
  .drone.yml: |
    <% for run in pipelines %>
    << run.profile >>: << run.indexes | join(' ') >>
    <% endfor %>
  other.yml: "<% if release %>gone<% endif %>"
"""
        },
    )
    [file] = ci.render(ci.list_systems(tmp_path), Pipeline(profile="quick", shards=2, cells=2), None)
    assert (file.system, file.path, file.text.splitlines()[1:]) == ("drone", ".drone.yml", ["quick: 1 2"])


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("<< chnage.profile >>", "'chnage' is undefined"),
        ("\n<% if %>", r"wrong \(line 2 of its text\)"),
    ],
)
def test_a_wrong_template_is_named(text: str, problem: str) -> None:
    """A name that templates do not have, or broken syntax, is a configuration error that names the system's file."""
    system = System(name="x", description="", sources=("s",), shards=1, cache=1, files={"x.yml": text})
    with pytest.raises(ConfigError, match=rf"systems/x\.yaml: the template of x\.yml is {problem}|{problem}"):
        ci.render([system], Pipeline(profile="quick", shards=1, cells=1), None)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ("name: y", r"systems/x\.yaml:1:1: the name must be `x`"),
        ("name: x\nshards: 0", r"systems/x\.yaml:2:1: "),
        ("name: x\nfiles: {/etc/passwd: x}", "must be below the project"),
        ("name: x\nfiles: {a/../../b: x}", "must be below the project"),
    ],
)
def test_a_wrong_system_is_refused_with_its_place(tmp_path: Path, change: str, problem: str) -> None:
    """A file of knowledge with another name, an impossible number or a file elsewhere is refused."""
    whole = {"description": "x", "sources": "[s]", "shards": "1", "cache": "1", "files": "{x: y}"}
    rest = "\n".join(f"{key}: {value}" for key, value in whole.items() if f"{key}:" not in change)
    trees.write(tmp_path, {"systems/x.yaml": f"{change}\n{rest}\n"})
    with pytest.raises(ConfigError, match=problem):
        ci.list_systems(tmp_path / "systems")
