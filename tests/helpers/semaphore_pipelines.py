"""The grammar of Semaphore's pipeline files, version 1.0, as models: no package ships its schema.

Written after plumber/spec/priv/v1.0.yml of github.com/semaphoreio/semaphore, against which Semaphore itself validates,
and after docs.semaphore.io/reference/pipeline-yaml and conditions-dsl for what that schema leaves open: names of
blocks in dependencies, shorter time limits within longer ones, and the grammar of conditions.
"""

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

TERM = r"""(?:\(*\s*(?:branch|tag|pull_request|result|result_reason)\s*(?:=~|!~|!=|=)\s*'[^']*'\s*\)*|true|false)"""
CONDITION = re.compile(rf"{TERM}(?:\s+(?:and|or)\s+{TERM})*", re.IGNORECASE)
"""Conditions without functions (`change_in`); the EBNF of conditions-dsl, but for the balance of brackets."""


def _condition(text: str) -> str:
    assert CONDITION.fullmatch(text), f"no condition: {text}"
    return text


Name = Annotated[str, Field(min_length=1)]
Condition = Annotated[str, AfterValidator(_condition)] | bool


class Part(BaseModel):
    """Base of all parts: `additionalProperties: false`, and a string is a string."""

    model_config = ConfigDict(extra="forbid", strict=True)

    def only_one_of(self, *names: str, least: int = 1) -> None:
        """Of some keys one is there, or with `least=0` at most one."""
        there = [name for name in names if getattr(self, name) is not None]
        assert least <= len(there) <= 1, f"one of {names} must be there, not {there}"


class When(Part):
    """A condition."""

    when: Condition


class Limit(Part):
    """How long something may take; one hour where nothing is said."""

    minutes: Annotated[int, Field(ge=1, le=1440)] | None = None
    hours: Annotated[int, Field(ge=1, le=24)] | None = None

    @property
    def total(self) -> int:
        """Minutes."""
        return self.minutes or 60 * (self.hours or 0)

    @model_validator(mode="after")
    def _one(self) -> "Limit":
        self.only_one_of("minutes", "hours")
        return self


class Variable(Part):
    """An environment variable."""

    name: str
    value: str


class Secret(Part):
    """A secret, by name."""

    name: str
    env_var_names: list[str] | None = None
    config_file_paths: list[str] | None = None


class Commands(Part):
    """Commands, here or in a file."""

    commands: list[str] | None = None
    commands_file: str | None = None

    @model_validator(mode="after")
    def _one(self) -> "Commands":
        self.only_one_of("commands", "commands_file")
        return self


class Epilogue(Part):
    """Commands for the end of a job."""

    always: Commands | None = None
    on_pass: Commands | None = None
    on_fail: Commands | None = None

    @model_validator(mode="after")
    def _any(self) -> "Epilogue":
        assert self.always or self.on_pass or self.on_fail
        return self


class Machine(Part):
    """A machine type, and what runs on it."""

    type: Name
    os_image: str | None = None


class Agent(Part):
    """Where jobs run."""

    machine: Machine
    containers: list[dict[str, Any]] | None = None
    image_pull_secrets: list[Secret] | None = None


class Axis(Part):
    """One variable of a job's matrix."""

    env_var: Name
    values: Annotated[list[str], Field(min_length=1)] | str


class Job(Part):
    """Commands, once or for each point of a matrix."""

    name: Name | None = None
    commands: list[str] | None = None
    commands_file: str | None = None
    priority: list[dict[str, Any]] | None = None
    parallelism: Annotated[int, Field(ge=1, le=50)] | str | None = None
    matrix: list[Axis] | None = None
    env_vars: list[Variable] = []
    execution_time_limit: Limit | None = None

    @model_validator(mode="after")
    def _one(self) -> "Job":
        self.only_one_of("commands", "commands_file")
        self.only_one_of("matrix", "parallelism", least=0)
        return self


class Task(Part):
    """Jobs that run side by side."""

    jobs: Annotated[list[Job], Field(min_length=1, max_length=50)]
    agent: Agent | None = None
    prologue: Commands | None = None
    secrets: list[Secret] | None = None
    env_vars: list[Variable] = []
    epilogue: Epilogue | Commands | None = None
    fail_fast: dict[Literal["stop", "cancel"], When] | None = None


class Block(Part):
    """A task with its place in the pipeline."""

    name: Name | None = None
    dependencies: list[str] | None = None
    execution_time_limit: Limit | None = None
    filters: list[dict[str, str]] | None = None
    skip: When | None = None
    run: When | None = None
    task: Task | None = None
    task_file: str | None = None
    partial_rerun: Literal["jobs", "block"] | None = None

    @model_validator(mode="after")
    def _one(self) -> "Block":
        self.only_one_of("task", "task_file")
        self.only_one_of("filters", "skip", "run", least=0)
        return self


class After(Part):
    """What runs when a pipeline has ended."""

    task: Task | None = None
    task_file: str | None = None

    @model_validator(mode="after")
    def _one(self) -> "After":
        self.only_one_of("task", "task_file")
        return self


class Promotion(Part):
    """The way to another pipeline."""

    name: Name
    pipeline_file: str
    deployment_target: Name | None = None
    auto_promote_on: list[dict[str, Any]] | None = None
    auto_promote: When | None = None
    parameters: dict[Literal["env_vars"], list[dict[str, Any]]] | None = None


class Global(Part):
    """What all jobs have."""

    prologue: Commands | None = None
    secrets: list[Secret] | None = None
    env_vars: list[Variable] = []
    epilogue: Epilogue | Commands | None = None
    priority: list[dict[str, Any]] | None = None


class Pipeline(Part):
    """A pipeline file."""

    version: Literal["v1.0"]
    name: str | None = None
    agent: Agent
    blocks: Annotated[list[Block], Field(min_length=1, max_length=300)]
    after_pipeline: After | None = None
    promotions: Annotated[list[Promotion], Field(min_length=1)] | None = None
    execution_time_limit: Limit | None = None
    global_job_config: Global | None = None
    fail_fast: dict[Literal["stop", "cancel"], When] | None = None
    auto_cancel: dict[Literal["queued", "running"], When] | None = None
    queue: dict[str, Any] | list[dict[str, Any]] | None = None
    partial_rerun: Literal["jobs", "block"] | None = None

    @model_validator(mode="after")
    def _dependencies(self) -> "Pipeline":
        """Either no block has dependencies or all have; they are names of blocks."""
        given = [block.dependencies is not None for block in self.blocks]
        assert all(given) or not any(given), "dependencies of some blocks are missing"
        names = {block.name for block in self.blocks}
        assert all(set(block.dependencies or ()) <= names for block in self.blocks), "a dependency is no block"
        return self

    @model_validator(mode="after")
    def _limits(self) -> "Pipeline":
        """Check that a limit within is not longer than the pipeline's, which is an hour unless it says otherwise."""
        total = self.execution_time_limit.total if self.execution_time_limit else 60
        jobs = [job for block in self.blocks if block.task for job in block.task.jobs]
        limits = [*(block.execution_time_limit for block in self.blocks), *(job.execution_time_limit for job in jobs)]
        assert all(limit is None or limit.total <= total for limit in limits), "a limit is longer than the pipeline's"
        return self
