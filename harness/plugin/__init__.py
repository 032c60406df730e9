"""The pytest plugin of the child process that runs the suites of one cell (`-p harness.plugin`).

`--harness-cell FILE` names a JSON object:

    cell      the attributes of `harness.model.Cell`, as `dataclasses.asdict` gives them
    machine   directory of the running guest, for `harness.machine.attach`; null where the cases need none
    tree      optional: the `harness.cell_file.BuildTree` that the cases ask
    suites    optional: suite name -> {"timeout": seconds of one attempt of a case, "reruns": times}
    upgrade   optional: the `harness.cell_file.Upgrade` that the fixture `upgrade` applies
    multiply  optional: how many times each case runs, each as a case of its own (`[again3]`)
    fresh     optional: true runs the cases marked `fresh_boot` alone; false all others, and writes the node ids
              of those that it put off to the file `put-off` next to FILE; null and absent all cases

The cases get the fixtures `cell`, `machine`, `host`, `tree` and `upgrade`, and the markers `needs`, `independent` and
`fresh_boot`.

Under pytest-xdist (`-n 2`) independent cases are spread over the workers, those with one name
(`independent("booted")`) together, and all others run in their order on one of them; see `distribution`. Each worker has
its own connection to the one guest, and finds out by itself that it is gone. A worker that crashes makes its case an
error.

The report of a phase whose failure says nothing about the runtime carries, in pytest-reportlog's lines and across
xdist's workers:

    user_properties   ["harness_outcome", "error"] and ["harness_cause", "one line"]
    sections          ["guest console", "its last lines"], where there is a console

That is so when the guest died, when ssh could not reach it, and when the harness itself raised. A failing report
without `harness_outcome` is the runtime's failure, in a set-up or tear-down too: a container that does not start in a
fixture is what an upgrade breaks first. Once the guest is gone, every remaining case is an error of that cause.
"""

import errno
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from testinfra.host import Host

from harness.cell_file import PUT_OFF
from harness.errors import HarnessError
from harness.machine import Machine
from harness.model import Cell
from harness.plugin import hooks
from harness.plugin.backend import FOREVER, GuestBackend, GuestGoneError, get_first_line
from harness.plugin.build_tree import NO_TREE, Tree
from harness.plugin.cell_description import BACKEND, DESCRIBED, TREE, Described, get_backend, get_description
from harness.plugin.distribution import Spread, write_groups
from harness.plugin.guest_upgrade import GuestUpgrade
from harness.plugin.needs import FEATURE, ask_lacks, find_unmet, list_needable
from harness.wait import Deadline

__all__ = ["Described", "GuestGoneError", "cell", "host", "machine", "tree", "upgrade"]

TESTINFRA = ("testinfra", "pytest11.testinfra")
"""Names by which pytest-testinfra has called its plugin, release by release."""

CONSOLE_LINES = 25
"""Lines of the console that a report carries."""

AGAIN = "harness_again"
"""The parameter that makes several cases of one."""

OURS = (HarnessError, pytest.UsageError, pytest.FixtureLookupError, ImportError, MemoryError)
"""Exceptions that say nothing of a runtime, wherever in the chain of causes they stand."""

EXHAUSTED = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.ENOMEM, errno.EAGAIN, errno.EMFILE, errno.ENFILE}
    | {errno.E2BIG, errno.ENOEXEC}
)
"""What this computer has no more of, when a case or pytest itself gets an OSError."""


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    """Add the option that names the cell, and keep testinfra's own plugin out, which has another fixture `host`."""
    # This is called when `-p harness.plugin` is read, before pytest looks for the plugins of installed packages.
    for name in TESTINFRA:
        pluginmanager.set_blocked(name)
    parser.getgroup("harness").addoption(
        "--harness-cell", type=Path, metavar="FILE", help="JSON file with the cell and the directory of its guest"
    )


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Add what the suites report to the plugin."""
    pluginmanager.add_hookspecs(hooks)


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers and read the cell."""
    config.addinivalue_line(
        "markers", f"needs({', '.join(list_needable())}): skip where the cell is another; versions as ranges: '>=239'"
    )
    config.addinivalue_line(
        "markers",
        "independent(name): may run in parallel with other cases on one guest; those of one name stay together, in order",
    )
    config.addinivalue_line("markers", "fresh_boot: needs a guest that was booted, and not restored from memory")
    path = config.getoption("--harness-cell")
    if path is not None:
        config.stash[DESCRIBED] = Described.read(path)
        described = config.stash[DESCRIBED]
        if described.machine is not None:
            config.stash[BACKEND] = GuestBackend(described.machine)
        if described.tree is not None:
            config.stash[TREE] = Tree(described.tree)


def pytest_report_header(config: pytest.Config) -> str | None:
    """Name the cell at the top of the output."""
    described = config.stash.get(DESCRIBED, None)
    return f"cell: {described.cell.id}" if described else None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make several cases of each where that was asked for."""
    described = metafunc.config.stash.get(DESCRIBED, None)
    if described is not None and described.multiply > 1:
        numbers = range(1, described.multiply + 1)
        metafunc.fixturenames.append(AGAIN)
        metafunc.parametrize(AGAIN, numbers, ids=[f"again{number}" for number in numbers], indirect=True)


@pytest.fixture(name=AGAIN)
def again(request: pytest.FixtureRequest) -> int:
    """The number of a case's repetition, from 1."""
    number: int = request.param
    return number


def pytest_itemcollected(item: pytest.Item) -> None:
    """Check what a case needs, and give it the reruns of its suite."""
    for mark in item.iter_markers("needs"):
        if mark.args or not set(mark.kwargs) <= set(list_needable()):
            raise pytest.UsageError(f"{item.nodeid}: needs() takes {', '.join(list_needable())} as keywords")
        if FEATURE in mark.kwargs and mark.kwargs[FEATURE] not in ask_lacks(item):
            raise pytest.UsageError(
                f"{item.nodeid}: there is no feature `{mark.kwargs[FEATURE]}`; there are {', '.join(ask_lacks(item))}"
            )
    described = item.config.stash.get(DESCRIBED, None)
    reruns = described.get_limits(item).reruns if described else None
    if reruns and not item.get_closest_marker("flaky"):
        item.add_marker(pytest.mark.flaky(reruns=int(reruns)))


@pytest.hookimpl(trylast=True)  # after -k and -m, so that nothing is put off that was not asked for
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the cases that are for another guest: one that was booted, or one that was not."""
    described = config.stash.get(DESCRIBED, None)
    if described is None:
        return
    worker = getattr(config, "workerinput", {}).get("workerid")
    if described.fresh is not None:
        others = _remove_others(items, fresh=described.fresh)
        config.hook.pytest_deselected(items=others)
        if others and not described.fresh and worker in {None, "gw0"}:
            names = "".join(f"{item.nodeid}\n" for item in others)
            described.path.with_name(PUT_OFF).write_text(names, encoding="utf-8")
    if worker == "gw0":
        write_groups(items, described.path)


def _remove_others(items: list[pytest.Item], *, fresh: bool) -> list[pytest.Item]:
    """Take those cases out of a list that are not marked `fresh_boot` (or those that are), and return them."""
    wanted = {item: bool(item.get_closest_marker("fresh_boot")) is fresh for item in items}
    items[:] = [item for item in wanted if wanted[item]]
    return [item for item in wanted if not wanted[item]]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Keep cases that are not independent together."""
    described = config.stash.get(DESCRIBED, None)
    return Spread(config, log, described.path) if described is not None else None


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(report: pytest.TestReport) -> None:
    """Make a crash of a worker an error, since it says nothing about the runtime."""
    report.longrepr = f"The worker of pytest crashed in {report.nodeid}."
    report.user_properties += [("harness_outcome", "error"), ("harness_cause", report.longrepr)]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what the cell cannot do, and do not touch a guest that is gone, before any fixture is set up."""
    for mark in item.iter_markers("needs"):
        for name, wanted in mark.kwargs.items():
            reason = find_unmet(item, name, wanted)
            if reason:
                pytest.skip(reason)
    if "tree" in getattr(item, "fixturenames", ()) and get_description(item.config).tree is None:
        pytest.skip(NO_TREE)
    backend = item.config.stash.get(BACKEND, None)
    if backend is not None and backend.gone:
        raise GuestGoneError(f"Not run, because the guest is gone: {backend.gone}")
    _start_clock(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Give the tear-down time of its own: a case that used up all of it has the more to tidy up."""
    _start_clock(item)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Note why a failure that is not the runtime's is an error; so is a pass in which the guest died."""
    report = yield
    backend = item.config.stash.get(BACKEND, None)
    if report.skipped or (report.passed and report.when != "call"):
        return report
    cause = _find_harness_cause(call.excinfo.value if call.excinfo else None, backend)
    if cause:
        report.user_properties += [("harness_outcome", "error"), ("harness_cause", cause)]
    if cause and backend and backend.gone:
        report.sections.append(("guest console", backend.guest.console.format_tail(CONSOLE_LINES)))
    return report


@pytest.fixture(scope="session")
def cell(pytestconfig: pytest.Config) -> Cell:
    """The cell that the guest is said to be."""
    return get_description(pytestconfig).cell


@pytest.fixture(scope="session")
def machine(pytestconfig: pytest.Config) -> Machine:
    """The running guest, as the harness holds it."""
    return get_backend(pytestconfig).guest


@pytest.fixture(scope="session")
def tree(pytestconfig: pytest.Config) -> Tree:
    """The runtime's source where it is built."""
    return pytestconfig.stash[TREE]


@pytest.fixture(scope="session")
def host(pytestconfig: pytest.Config) -> Host:
    """The testinfra handle of the guest."""
    backend = get_backend(pytestconfig)
    handle = Host(backend)
    backend.set_host(handle)
    return handle


@pytest.fixture(scope="session")
def upgrade(pytestconfig: pytest.Config) -> GuestUpgrade:
    """What upgrades the guest, once; a case that asks for it is skipped in a cell that is not about that."""
    described = get_description(pytestconfig).upgrade
    if described is None:
        pytest.skip("needs a cell with an upgrade, for instance `systemd: distro->254`")
    return GuestUpgrade(get_backend(pytestconfig), described)


def _start_clock(item: pytest.Item) -> None:
    described = item.config.stash.get(DESCRIBED, None)
    if described is None:
        return
    deadline = Deadline.after(described.get_limits(item).timeout or FOREVER, "case")
    if BACKEND in item.config.stash:
        item.config.stash[BACKEND].deadline = deadline
    if TREE in item.config.stash:
        item.config.stash[TREE].deadline = deadline


def _find_harness_cause(raised: BaseException | None, backend: GuestBackend | None) -> str | None:
    """Return why a case is an error of the guest or the harness; None if it says something of the runtime."""
    link = raised
    while link is not None:
        if isinstance(link, OURS) or (isinstance(link, OSError) and link.errno in EXHAUSTED):
            return get_first_line(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    cause = backend.find_cause() if backend else None
    return f"The guest is gone: {cause}" if cause else None
