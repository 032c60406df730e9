"""What must be as it was for a container that runs, whatever happened to its guest."""

import pytest

from suites.lib.engine import Terminals
from suites.lib.features import Feature
from suites.lifecycle.events import Change

__all__ = ["ContainerStays"]


class ContainerStays:
    """The cases about a container before and after; a class of them has the fixture `change` in its module."""

    @pytest.mark.usefixtures("memory")
    def test_memory_limit_stays(self, change: Change) -> None:
        """The control file of the memory limit has the value that it had."""
        assert change.before.get_limits("memory")
        assert change.after.get_limits("memory") == change.before.get_limits("memory")

    @pytest.mark.needs(feature=Feature.SWAP_LIMIT, cgroup="unified")
    def test_swap_limit_stays(self, change: Change) -> None:
        """The control file of the limit of swap has the value that it had."""
        if change.container.spec.swap is None:
            pytest.skip("needs a kernel that limits swap, which it did not by default before Linux 5.18")
        assert change.before.get_limits("memory.swap") == {"memory.swap.max": str(change.container.spec.swap)}
        assert change.after.get_limits("memory.swap") == change.before.get_limits("memory.swap")

    def test_cpu_limit_stays(self, change: Change) -> None:
        """The control files of quota and weight have the values that they had."""
        assert change.before.get_limits("cpu")
        assert change.after.get_limits("cpu") == change.before.get_limits("cpu")

    @pytest.mark.needs(feature=Feature.PIDS_LIMIT)
    def test_pids_limit_stays(self, change: Change) -> None:
        """The control file of the limit of processes has the value that it had."""
        assert change.before.get_limits("pids") == {"pids.max": str(change.container.spec.pids)}
        assert change.after.get_limits("pids") == change.before.get_limits("pids")

    @pytest.mark.needs(feature=Feature.UNIT)
    def test_unit_stays(self, change: Change) -> None:
        """Systemd knows the scope with the limits and devices that it knew."""
        assert "ActiveState=active" in change.before.unit
        assert change.after.unit == change.before.unit

    def test_membership_stays(self, change: Change) -> None:
        """The first process is where it was in each hierarchy."""
        assert change.before.places
        assert change.after.places == change.before.places

    @pytest.mark.needs(cgroup="unified")
    def test_controllers_stay(self, change: Change) -> None:
        """No controller was taken from the scope; the end of a neighbour that needed one more may give none back."""
        assert {"cpu", "memory", "pids"} <= change.before.controllers
        assert change.before.controllers <= change.after.controllers

    def test_processes_stay(self, change: Change) -> None:
        """The processes of the container live on in its scope."""
        assert change.container.pid in change.before.processes
        assert change.before.processes <= change.after.processes

    def test_list_stays(self, change: Change) -> None:
        """The runtime knows the container that it knew, and no other."""
        assert change.before.listed
        assert change.after.listed == change.before.listed

    @pytest.mark.needs(feature=Feature.MACHINED)
    def test_machine_stays(self, change: Change) -> None:
        """Machined knows its leader, its unit and its files."""
        assert change.before.machine
        assert change.after.machine == change.before.machine

    def test_command_can_be_executed(self, change: Change) -> None:
        """A command can still be run in it."""
        assert change.before.executed, change.before.refused
        assert change.after.executed, change.after.refused

    @pytest.mark.needs(feature=Feature.OWN_COMMANDS)
    @pytest.mark.needs(feature=Feature.COMMANDS_IN_CGROUP)
    def test_command_is_where_it_was(self, change: Change) -> None:
        """A command that is run in it is in the cgroups in which such a command was."""
        before, after = (
            {key for key in state.executed if key.startswith("place:")} for state in (change.before, change.after)
        )
        assert before
        assert after == before

    @pytest.mark.needs(feature=Feature.COMMANDS_IN_CGROUP)
    def test_given_disk_can_be_used(self, change: Change) -> None:
        """A device that was given to it can still be read."""
        assert change.before.executed["disk"] == "usable"
        assert change.after.executed.get("disk") == "usable"

    @pytest.mark.needs(feature=Feature.COMMANDS_IN_CGROUP)
    def test_given_device_without_a_driver_can_be_used(self, change: Change) -> None:
        """A device that was given to it, and that no driver has yet, is missing and not forbidden."""
        assert change.before.executed["given"] == "No such device or address"
        assert change.after.executed.get("given") == "No such device or address"

    @pytest.mark.needs(feature=Feature.COMMANDS_IN_CGROUP)
    def test_other_device_is_refused(self, change: Change) -> None:
        """A device that was not given to it is still forbidden."""
        assert change.before.executed["refused"] == "Operation not permitted"
        assert change.after.executed.get("refused") == "Operation not permitted"

    @pytest.mark.needs(feature=Feature.COMMANDS_IN_CGROUP)
    def test_usual_devices_can_be_used(self, change: Change) -> None:
        """The null device and its neighbours can be used as before."""
        names = ("full", "null", "random", "urandom", "zero")
        before, after = ({name: state.executed.get(name) for name in names} for state in (change.before, change.after))

        assert before["null"] == "usable"
        assert after == before

    @pytest.mark.needs(feature=Feature.COMMANDS_IN_CGROUP)
    def test_terminal_can_be_used(self, change: Change) -> None:
        """A process can still make a terminal: its other side is locked, which is not the same as forbidden."""
        assert change.before.executed["terminal"] == "Input/output error"
        assert change.after.executed.get("terminal") == "Input/output error"

    @pytest.mark.needs(feature=Feature.TERMINALS)
    def test_terminal_of_a_command_can_be_used(self, change: Change) -> None:
        """A command that asks for a terminal of its own can use it."""
        engine = change.container.engine
        assert isinstance(engine, Terminals)
        result = engine.execute_on_terminal(change.container, ("sh", "-c", "echo seen >/dev/tty; exit 5"))

        assert (result.code, result.out.split()) == (5, ["seen"])
