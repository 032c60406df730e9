"""A booted container that sees the guest's own cgroup tree, as it was before there were cgroup namespaces."""

import pytest

from suites.lib.cgroups import Hierarchies, parse_places
from suites.lib.features import Feature
from suites.lib.rootfs import SERVICE, TARGET
from suites.lib.runtime import ContainerRuntime

pytestmark = pytest.mark.needs(feature=Feature.OWN_SYSTEMD)


def _boot(runtime: ContainerRuntime, hierarchies: Hierarchies, cgroups: str) -> None:
    with runtime.boot(cgroups=cgroups) as container:
        said = container.read_output("systemctl", "is-active", TARGET, SERVICE).split()
        seen = parse_places(container.read_output("cat", "/proc/1/cgroup"))[hierarchies.main]

        assert said == ["active", "active"]
        assert seen == container.get_cgroup(hierarchies.main)
        assert seen.startswith(f"{container.root}/")


def test_systemd_boots_in_the_tree_of_the_guest(runtime: ContainerRuntime, hierarchies: Hierarchies) -> None:
    """A systemd that sees all of the guest's tree makes its cgroups below the container's (podman#6734)."""
    _boot(runtime, hierarchies, "guest")


@pytest.mark.needs(feature=Feature.BOUND_CGROUPS)
def test_systemd_boots_in_a_tree_that_is_read_only(runtime: ContainerRuntime, hierarchies: Hierarchies) -> None:
    """The same where /sys/fs/cgroup is mounted read-only, as containers with systemd were told to do (systemd#19245).

    On cgroup v1 that is a directory with the hierarchies in it, which stay writable; on v2 it is the tree itself.
    """
    _boot(runtime, hierarchies, "read-only")
