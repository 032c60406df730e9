"""The runtime's own unit tests, compiled and run by the cell's Go.

They run without root and network, so that packages whose tests need those are left to the guest's suites. Vet has a
case of its own.
"""

import pytest

from suites.go.toolchain import Go

ROOTS = {
    "libcontainer/cgroups": ("TestWriteCgroupFileHandlesInterrupt",),
    "libcontainer/configs/validate": ("TestValidateSysctlWithBindHostNetNS",),
}
"""Tests of runc that take root's user number for root's rights: to make a cgroup, and to mount."""

RUNC = (
    "libcontainer",
    "libcontainer/capabilities",
    "libcontainer/cgroups",
    "libcontainer/cgroups/devices",
    "libcontainer/cgroups/ebpf/devicefilter",
    "libcontainer/cgroups/fs",
    "libcontainer/cgroups/fs2",
    "libcontainer/cgroups/fscommon",
    "libcontainer/cgroups/manager",
    "libcontainer/cgroups/systemd",
    "libcontainer/configs",
    "libcontainer/configs/validate",
    "libcontainer/devices",
    "libcontainer/intelrdt",
    "libcontainer/logs",
    "libcontainer/nsenter",
    "libcontainer/seccomp/patchbpf",
    "libcontainer/specconv",
    "libcontainer/system",
    "libcontainer/user",
    "libcontainer/userns",
    "libcontainer/utils",
)
"""Packages of runc with unit tests, from 1.1; of another version those that it has."""

PRIVILEGED = ("libcontainer/integration",)
"""Packages of runc whose tests start containers, as root."""


def _test_without(go: Go, package: str, left_out: tuple[str, ...]) -> None:
    """As `_test`, but for some of a package's tests; `go test -skip` is younger than some releases of Go."""
    program = f"{go.tree.scratch}/unit.test"
    made = go.run("test", "-c", "-vet=off", "-o", program, *go.tags, f"./{package}")
    assert made.code == 0, f"go test -c {package}:\n{made.out}"
    names = [name for name in go.tree.run(program, "-test.list", ".").out.split() if name not in left_out]
    assert names, "the package has no tests"
    done = go.tree.run("sh", "-c", 'cd "$1" && "$2" -test.run "$3"', "sh", package, program, f"^({'|'.join(names)})$")
    assert done.code == 0, f"go test {package}:\n{done.out}"


def _test(go: Go, *packages: str) -> None:
    done = go.run("test", "-vet=off", "-count=1", *go.tags, *packages)
    assert done.code == 0, f"go test {' '.join(packages)}:\n{done.out}"


@pytest.mark.needs(runtime="runc")
@pytest.mark.parametrize("package", RUNC)
def test_package_of_runc_passes_its_tests(go: Go, package: str) -> None:
    """`go test` of one package."""
    if not go.find_packages(f"./{package}"):
        pytest.skip(f"needs the package {package}; this version of runc has none")
    if package in ROOTS:
        _test_without(go, package, ROOTS[package])
    else:
        _test(go, f"./{package}")


def test_other_packages_pass_their_tests(go: Go) -> None:
    """`go test` of all packages that have no case of their own: other versions of runc, other runtimes."""
    known = tuple(f"/{name}" for name in (*RUNC, *PRIVILEGED))
    others = [name for name in go.find_packages() if not name.endswith(known)]
    assert others, "Go finds no other package in the source"
    _test(go, *others)
