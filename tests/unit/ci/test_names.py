"""Names of profiles in the files of CI systems: whatever a matrix may call a profile, each system takes the file.

The rules are those of the systems' documentation as harness/ci/systems says when it was read.
"""

import fnmatch
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from bench.ci_files import find_rejected, list_shapes
from harness import ci
from harness.ci import Pipeline, rendering
from tests.helpers.semaphore_pipelines import Pipeline as SemaphorePipeline

ODD = [
    "v1.0",
    "1ci",
    "a.b",
    "a_b",
    "A_B",
    "123",
    "true",
    "null",
    "1e3",
    "own-tests",
    "check",
    "_",
    "on",
    "0x1F",
    "x" * 120,
]
names = st.one_of(
    st.sampled_from([name for name in ODD if name != "_"]),
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,30}", fullmatch=True),
)
JOB = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,99}")
IN_EXPRESSION = re.compile(r"\$\{\{ (?:!cancelled\(\) && )?needs\.([A-Za-z_][A-Za-z0-9_-]*)\.result")


def render(change: str, release: str, shards: tuple[int, int] = (2, 3)) -> dict[str, list[Any]]:
    """Return the files of each system as data, for two profiles."""
    found: dict[str, list[Any]] = {}
    pipelines = [
        Pipeline(profile=name, shards=count, cells=1000) for name, count in zip((change, release), shards, strict=True)
    ]
    for file in ci.render(ci.list_systems(), pipelines[0], pipelines[1]):
        found.setdefault(file.system, []).append(yaml.safe_load(file.text))
    return found


def list_artifacts(job: dict[str, Any], action: str, key: str) -> list[str]:
    """Return a value of each step of a job that uses an action."""
    return [step["with"][key] for step in job["steps"] if step.get("uses", "").startswith(f"actions/{action}@")]


def fill(text: str, values: dict[str, str]) -> str:
    """Return a text with the values of its expressions."""
    return re.sub(r"\$\{\{ (.*?) \}\}", lambda match: values[match[1]], text)


@pytest.mark.slow
@settings(max_examples=30)
@given(names, names, st.sampled_from([1, 2, 50]), st.sampled_from([1, 3, 50]))
def test_any_profile_makes_files_that_systems_take(one: str, other: str, first: int, second: int) -> None:
    """Identifiers, expressions, needs and artifacts follow the rules of GitHub and GitLab; Semaphore's grammar holds."""
    if one == other:
        return
    found = render(one, other, (first, second))
    [github] = found["github"]
    jobs = github["jobs"]
    assert all(JOB.fullmatch(name) for name in jobs)
    assert len({name.casefold() for name in jobs}) == len(jobs) == 6
    for job in jobs.values():
        needs = job.get("needs", [])
        assert {needs} if isinstance(needs, str) else set(needs) <= jobs.keys()
        condition = job.get("if", "")
        assert "needs." not in condition or IN_EXPRESSION.match(condition)[1] in jobs  # type: ignore[index]
    [gitlab] = found["gitlab"]
    for job in (job for job in gitlab.values() if isinstance(job, dict) and "needs" in job):
        assert sum(gitlab[need].get("parallel", 1) for need in job["needs"]) <= 50
    assert all(len(name) <= 255 for name in gitlab)
    for pipeline in found["semaphore"]:
        SemaphorePipeline.model_validate(pipeline)


@pytest.mark.slow
@settings(max_examples=15)
@given(names, names)
def test_no_artifact_is_taken_for_one_of_another_profile(one: str, other: str) -> None:
    """The pattern of a gate matches each attempt of its own shards, and none of another profile's; no name is used twice."""
    if one == other:
        return
    [github] = render(one, other)["github"]
    jobs = list(github["jobs"].values())
    shards, gates = jobs[2::2], jobs[3::2]
    for attempt in ("1", "2"):
        values = {"matrix.shard": "1", "github.run_attempt": attempt}
        given_names = [
            [fill(name, values) for name in list_artifacts(job, "upload-artifact", "name")] for job in shards
        ]
        for index, gate in enumerate(gates):
            [pattern] = list_artifacts(gate, "download-artifact", "pattern")
            assert "merge-multiple" in str(gate)
            for owner, uploaded in enumerate(given_names):
                assert all(fnmatch.fnmatchcase(name, pattern) is (owner == index) for name in uploaded)
                assert all(f"attempt-{attempt}" in name and not set('":<>|*?\r\n\\/') & set(name) for name in uploaded)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["v1.0", "123", "true", "x" * 120])
def test_odd_names_are_valid_by_the_published_schemas(name: str, tmp_path: Path) -> None:
    """GitHub's, GitLab's and Travis' schemas take the files of profiles with names that have other meanings."""
    schemas = {"github": ["vendor.github-workflows"], "gitlab": ["vendor.gitlab-ci", "--data-transform", "gitlab-ci"],
               "travis": ["vendor.travis"]}  # fmt: skip
    pipelines = [Pipeline(profile=profile, shards=2, cells=9) for profile in (name, "release")]
    for file in ci.render(ci.list_systems(), pipelines[0], pipelines[1]):
        if file.system in schemas:
            path = tmp_path / f"{file.system}.yml"
            path.write_text(file.text, encoding="utf-8")
            argv = [
                str(Path(sys.executable).with_name("check-jsonschema")),
                "--builtin-schema",
                *schemas[file.system],
                str(path),
            ]
            done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
            assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_no_shape_makes_a_file_that_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part of what `python -m bench.ci_files` asks of 500 shapes; it sees a job whose identifier is the profile's name."""
    assert find_rejected(list(list_shapes(4, 2))) == {}
    dotted = (Pipeline(profile="v1.0", shards=2, cells=9), None)
    monkeypatch.setattr(
        rendering, "_name_jobs", lambda pipelines: tuple(replace(item, job=item.profile) for item in pipelines)
    )
    assert "v1.0-shard" in find_rejected([dotted])["0-github-harness"]


def test_a_cache_is_worth_its_size_or_there_is_none() -> None:
    """With so many shards that nothing useful fits into a shard's part, no system keeps a cache."""
    for files in render("quick", "release", (50, 40)).values():
        text = yaml.safe_dump(files)
        assert "STORE_KEEP" not in text
        assert "cache restore" not in text
        assert "restore-keys" not in text


def test_facts_of_systems_have_a_day() -> None:
    """Each system of ours says when its facts were read."""
    assert all(system.read is not None for system in ci.list_systems())
