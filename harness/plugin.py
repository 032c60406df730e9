"""The pytest plugin of the child process that runs the suites of one cell (`-p harness.plugin`).

`--harness-cell FILE` names a JSON object:

    cell      the attributes of `harness.model.Cell`, as `dataclasses.asdict` gives them
    machine   directory of the running guest, for `harness.machine.attach`
    suites    optional: suite name -> {"timeout": seconds of one case, "reruns": times}

The cases get the fixtures `cell`, `machine` and `host`, and the markers `needs` and `independent`.

A failure that says nothing about the runtime is told apart (design, section 4, rule 3). The report of
such a phase carries, in pytest-reportlog's lines and across xdist's workers:

    user_properties   ["harness_outcome", "error"] and ["harness_cause", "one line"]
    sections          ["guest console", "its last lines"], where there is a console

That is so when the guest died, when ssh could not reach it, and when the harness itself raised. A failing report without `harness_outcome` is the runtime's failure, in a set-up or tear-down
too: a container that does not start in a fixture is what an upgrade breaks first. Once the guest is
gone, every remaining case is reported as an error of that cause, without touching the guest again.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from testinfra.backend.base import BaseBackend, CommandResult
from testinfra.host import Host

from harness.errors import CancelledError, DeadlineError, HarnessError, InfrastructureError
from harness.machine import Machine, attach
from harness.model import Cell, CgroupMode, VersionRange
from harness.wait import Deadline

__all__ = ["Described", "GuestGoneError", "cell", "host", "machine"]

TESTINFRA = ("testinfra", "pytest11.testinfra")
"""Names by which pytest-testinfra has called its plugin, release by release."""

CONSOLE_LINES = 25
"""Lines of the console that a report carries."""

COMMAND = 3600.0
"""Seconds of one command in the guest; cases have limits of their own, which end it earlier."""

ANSWER = 30.0
"""Seconds in which a guest that lives answers."""

VERSION = re.compile(r"v?\d{2,3}(\.\d+)*([-~]rc\d+)?")
"""A systemd version, as opposed to a revision that only the guest can translate."""

NEEDS = frozenset({"distro", "channel", "systemd", "cgroup", "go", "runtime", "runtime_version", "flavor"})
"""What a case may ask of its cell."""

RANGES = frozenset({"systemd", "go", "runtime_version"})
"""Needs that are version ranges; the others are one word or several."""


class GuestGoneError(InfrastructureError):
    """The guest died or does not answer any more; the case was not run, or not to its end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What the file of `--harness-cell` says.

    Attributes:
        cell: The cell that the guest is said to be.
        machine: Directory of the guest.
        suites: Limits of the cases, by suite.
    """

    cell: Cell
    machine: Path
    suites: Mapping[str, Mapping[str, float]]

    @classmethod
    def read(cls, path: Path) -> "Described":
        """Read the file.

        Raises:
            pytest.UsageError: It cannot be read, or does not say what it must.
        """
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            fields = dict(content["cell"])
            fields["cgroup"] = CgroupMode(fields["cgroup"])
            return cls(cell=Cell(**fields), machine=Path(content["machine"]), suites=content.get("suites", {}))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise pytest.UsageError(f"--harness-cell {path}: {type(error).__name__}: {error}") from error


class GuestBackend(BaseBackend):  # type: ignore[misc]  # testinfra comes without types
    """testinfra's backend for a machine of the harness: its connection, and the first cause of its death."""

    NAME = "guest"

    def __init__(self, guest: Machine) -> None:
        super().__init__(guest.name)
        self.guest = guest
        self.gone: str | None = None

    def run(self, command: str, *args: str, **_: Any) -> CommandResult:
        """Run a shell command in the guest.

        Raises:
            GuestGoneError: The guest is dead or does not answer; found out while the command runs, too.
        """
        if self.gone:
            raise GuestGoneError(f"The guest is gone: {self.gone}")
        text = self.get_command(command, *args)
        try:
            done = self.guest.run(text, deadline=Deadline.after(COMMAND, "command in the guest"), expect=None)
        except (CancelledError, DeadlineError):
            raise
        except InfrastructureError as error:
            self.gone = self.guest.cause_of_death() or _line(error)
            raise GuestGoneError(f"The guest is gone: {self.gone}") from error
        return self.result(done.code, text.encode(), done.out, done.err)

    def cause(self) -> str | None:
        """Why the guest is dead; None while it lives."""
        self.gone = self.gone or self.guest.cause_of_death()
        return self.gone

    def silent(self) -> str | None:
        """Why the guest counts as gone although nothing says that it died: it does not answer; None if it does."""
        try:
            self.guest.run("true", deadline=Deadline.after(ANSWER, "answer of the guest"))
        except InfrastructureError as error:
            self.gone = self.cause() or _line(error)
        return self.gone


DESCRIBED = pytest.StashKey[Described]()
BACKEND = pytest.StashKey[GuestBackend]()


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the option that names the cell, and keep testinfra's own plugin out, which has another fixture `host`."""
    # This is called when `-p harness.plugin` is read, before pytest looks for the plugins of installed packages.
    for name in TESTINFRA:
        pluginmanager.set_blocked(name)
    parser.getgroup("harness").addoption(
        "--harness-cell", type=Path, metavar="FILE", help="JSON file with the cell and the directory of its guest"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and read the cell."""
    config.addinivalue_line(
        "markers", f"needs({', '.join(sorted(NEEDS))}): skip where the cell is another; versions as ranges: '>=239'"
    )
    config.addinivalue_line("markers", "independent: may run at the same time as other cases on one guest")
    path = config.getoption("--harness-cell")
    if path is not None:
        config.stash[DESCRIBED] = Described.read(path)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the cell at the top of the output."""
    described = config.stash.get(DESCRIBED, None)
    return f"cell: {described.cell.id}" if described else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check what the cases need, and give them the limits of their suites."""
    described = config.stash.get(DESCRIBED, None)
    for item in items:
        for mark in item.iter_markers("needs"):
            if mark.args or not set(mark.kwargs) <= NEEDS:
                raise pytest.UsageError(f"{item.nodeid}: needs() takes {', '.join(sorted(NEEDS))} as keywords")
        limits = described.suites.get(_suite(item), {}) if described else {}
        if "timeout" in limits and not item.get_closest_marker("timeout"):
            item.add_marker(pytest.mark.timeout(limits["timeout"]))
        if limits.get("reruns") and not item.get_closest_marker("flaky"):
            item.add_marker(pytest.mark.flaky(reruns=int(limits["reruns"])))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Do not touch a guest that is gone, and skip what the cell cannot do, before any fixture is set up."""
    backend = item.config.stash.get(BACKEND, None)
    if backend is not None and backend.gone:
        raise GuestGoneError(f"Not run, because the guest is gone: {backend.gone}")
    for mark in item.iter_markers("needs"):
        for name, wanted in mark.kwargs.items():
            reason = _unmet(item.config, name, wanted)
            if reason:
                pytest.skip(reason)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None] | pytest.TestReport:  # pyright: ignore[reportInvalidReturnType]
    """Say of a failure that is none of the runtime's why it is an error."""
    report: pytest.TestReport = yield  # type: ignore[assignment, misc]
    if report.failed and call.excinfo is not None:
        backend = item.config.stash.get(BACKEND, None)
        cause = _harness_cause(call.excinfo.value, backend)
        if cause:
            report.user_properties += [("harness_outcome", "error"), ("harness_cause", cause)]
        tail = _console(backend) if cause else ""
        if tail:
            report.sections.append(("guest console", tail))
    return report


@pytest.fixture(scope="session")
def cell(pytestconfig: pytest.Config) -> Cell:
    """The cell that the guest is said to be."""
    return _described(pytestconfig).cell


@pytest.fixture(scope="session")
def machine(pytestconfig: pytest.Config) -> Machine:
    """The running guest, as the harness holds it."""
    return _backend(pytestconfig).guest


@pytest.fixture(scope="session")
def host(pytestconfig: pytest.Config) -> Host:
    """The testinfra handle of the guest."""
    backend = _backend(pytestconfig)
    handle = Host(backend)
    backend.set_host(handle)
    return handle


def _described(config: pytest.Config) -> Described:
    if DESCRIBED not in config.stash:
        raise pytest.UsageError("The suites need --harness-cell FILE; `harness run` writes it.")
    return config.stash[DESCRIBED]


def _backend(config: pytest.Config) -> GuestBackend:
    if BACKEND not in config.stash:
        config.stash[BACKEND] = GuestBackend(attach(_described(config).machine))
    return config.stash[BACKEND]


def _suite(item: pytest.Item) -> str:
    """The suite that has an item: the first directory below the root of the suites."""
    return item.nodeid.split("/", 1)[0]


def _unmet(config: pytest.Config, name: str, wanted: str | tuple[str, ...]) -> str | None:
    """Why the cell cannot give what a case needs, in words; None if it can."""
    words = (wanted,) if isinstance(wanted, str) else tuple(wanted)
    has = _systemd(config) if name == "systemd" else getattr(_described(config).cell, name)
    if has is not None and any(VersionRange(word).holds(has) if name in RANGES else has == word for word in words):
        return None
    what = {"cgroup": "cgroup mode", "runtime_version": "runtime version"}.get(name, name)
    return f"needs {what} {' or '.join(words)}; this cell has {has or 'none'}"


def _systemd(config: pytest.Config) -> str:
    """Version of the guest's systemd; where the cell names a revision, the guest knows."""
    named = _described(config).cell.systemd
    if VERSION.fullmatch(named):
        return named
    words: list[str] = _backend(config).run("systemctl --version").stdout.split()
    return words[1] if len(words) > 1 else named


def _harness_cause(raised: BaseException, backend: GuestBackend | None) -> str | None:
    """Why a failure is an error of the guest or the harness, in one line; None if it is the runtime's."""
    link: BaseException | None = raised
    while link is not None:
        if isinstance(link, (HarnessError, pytest.UsageError, pytest.FixtureLookupError, ImportError)):
            return _line(link)
        link = link.__cause__ or link.__context__
    if backend is None:
        return None
    # pytest-timeout has no exception of its own; a case that hangs may have lost its guest.
    hangs = isinstance(raised, pytest.fail.Exception) and str(raised).startswith("Timeout")
    cause = backend.silent() if hangs else backend.cause()
    return f"The guest is gone: {cause}" if cause else None


def _console(backend: GuestBackend | None) -> str:
    return backend.guest.console.tail(CONSOLE_LINES) if backend else ""


def _line(error: BaseException) -> str:
    """The first line of what an error says."""
    return (str(error).splitlines() or [type(error).__name__])[0]
