"""Reading matrix.yaml: what it may say, and the sentence for everything that it may not."""

import json
from pathlib import Path

import pytest

from harness import matrix
from harness.catalog import Catalog
from harness.errors import ConfigError
from tests.helpers import trees


@pytest.fixture(scope="session")
def known(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    """The catalog of `trees`."""
    return trees.project(tmp_path_factory.mktemp("project"))


def error_of(known: Catalog, text: str) -> str:
    """Return the message with which a matrix is refused."""
    with pytest.raises(ConfigError) as caught:
        trees.load(known, text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("version: 1", "version: 2", "1:1: `version` must be 1, not `2`."),
        ("version: 1\n", "", "1:1: the key `version` is missing."),
        ("debian/bookworm", "debain/bookworm", "3:12: `axes.distro.0`: there is no distro `debain`; known: debian, flatcar."),
        ("debian/sid", "debian/woody", "3:36: `axes.distro.1`: there is no channel of debian `woody`; known: bookworm, trixie, sid."),
        ("debian/sid", "debian", "3:35: `axes.distro.1`: a cell needs the channel too; known are debian/bookworm, debian/trixie, debian/sid."),
        ("[distro]", "[252]", "4:13: `axes.systemd.0`: `252` is no revision; write `v252` to build it, or `distro` for what the image carries."),
        ("[distro]", "[v 1]", "4:13: `axes.systemd.0`: `v 1` is not `distro`, a revision, for instance `v252`, or an upgrade, for instance `distro->254`."),
        ("[distro]", "[]", "4:3: `axes.systemd` must not be empty."),
        ("[distro]", "distro", "4:3: `axes.systemd` must be a list, `[a, b]`, not `distro`."),
        ('"1.21"', "go1.21", '5:8: `axes.go.0`: `go1.21` is no version of Go, for instance "1.21" or "1.21.13".'),
        ('"1.21"', '"1.12"', "5:8: nothing says where Go 1.12 comes from; add it below `toolchains`, `go`."),
        ("legacy", "v1", "6:12: `axes.cgroup.0` must be 'legacy', 'hybrid' or 'unified', not `v1`."),
        ("nspawn", "crun", "7:13: `axes.runtime.0`: there is no runtime `crun`; known: nspawn, rkt, runc."),
        ("nspawn", "nspawn@252", "7:20: `axes.runtime.0`: nspawn comes with the image and has no version of its own."),
        ("nspawn", "nspawn@distro", "7:20: `axes.runtime.0`: nspawn comes with the image and has no version of its own."),
        ("nspawn", "rkt@distro", "7:17: `axes.runtime.0`: rkt is in no package of a distro."),
        ("runc@1.1.5", "runc", "7:25: `axes.runtime.1`: a cell needs the version too, for instance `runc@1.2.3`."),
        ("runc@1.1.5", "rkt@1.30.0/kvm", "7:32: `axes.runtime.1`: there is no flavor of rkt `kvm`; known: coreos, host."),
        ("runc@1.1.5", "runc@0.1", "7:21: nothing says where runc 0.1 comes from; add it below `sources`, `runc`."),
        ("debian/sid", "debian/bookworm", "3:29: this value gives the same cells as the one at 3:12; remove one of them."),
        ('"1.27"', '"1.21"', "5:16: this value gives the same cells as the one at 5:8; remove one of them."),
        ("[distro]", "[origin/x, origin/x]", "4:23: this value gives the same cells as the one at 4:13; remove one of them."),
        ("nspawn", "rkt@1.0, rkt@1.0/coreos", "7:22: this value gives the same cells as the one at 7:13; remove one of them."),
    ],
)  # fmt: skip
def test_a_wrong_axis_is_named_with_its_place(known: Catalog, old: str, new: str, message: str) -> None:
    """Each wrong value of an axis gives its line, its column, and what was expected or known there."""
    assert old in trees.AXES
    assert f"matrix.yaml:{message}" == error_of(known, trees.AXES.replace(old, new))


@pytest.mark.parametrize(
    ("added", "message"),
    [
        ("profile: {}", "8:1: the key `profile` is not known here; the nearest is `profiles`."),
        ("exclude: [{when: go==1.21}]", "8:11: the key `reason` is missing in `exclude.0`."),
        ("exclude: [{when: go==1.21, reason: ' '}]", "8:28: `exclude.0.reason`: a reason is a sentence; it must not be empty."),
        ("exclude: [{when: go=1.21, reason: No.}]", "8:20: `exclude.0.when`: `=` is not a part of an expression; write `==`."),
        ("exclude: [{when: 'cgroup==v1', reason: No.}]", "8:27: `exclude.0.when`: there is no cgroup mode `v1`; known: legacy, hybrid, unified."),
        ("exclude:\n- reason: No.\n  when: >-\n    go==1.21 and\n    kernel==6", "10:3: `exclude.0.when`: there is no field `kernel`; known: distro, channel, release, systemd, upgrade, go, cgroup, runtime, runtime_version, version, flavor, cell (at character 14 of the text)."),
        ("profiles: {ci: {select: 'systemd>=main'}}", "8:35: `profiles.ci.select`: `main` is no version, so nothing is >= it."),
        ("profiles: {ci: {select: [a]}}", "8:17: `profiles.ci.select` must be text, not a list."),
        ("profiles: {ci: {suites: some}}", "8:17: `profiles.ci.suites` must be 'all' or a list, `[a, b]`, not `some`."),
        ("profiles: {ci: {suites: [cgroup, pods]}}", "8:34: `profiles.ci.suites.1`: there is no suite `pods`; known: cgroup, pod."),
        ("profiles: {quick: {}}\nci: {change: {profile: cy, shards: 1}}", "9:15: there is no profile `cy`; known: quick."),
        ("profiles: {q: {}}\nci: {change: {profile: q, shards: 1}, release: {profile: r, shards: 1}}", "9:49: there is no profile `r`; known: q."),
        ("suites: {pods: {reruns: 1}}", "8:10: `suites.pods`: there is no suite `pods`; known: cgroup, pod."),
        ("suites: {pod: {reruns: -1}}", "8:16: `suites.pod.reruns` must be greater than or equal to 0, not `-1`."),
        ("defaults: {memory: lots}", "8:12: `defaults.memory` must be a whole number, not `lots`."),
        ("defaults: {memory: 64}", "8:12: `defaults.memory` must be greater than or equal to 256, not `64`."),
        ("defaults: {memory: 9999999}", "8:12: `defaults.memory` must be less than or equal to 1048576, not `9999999`."),
        ("defaults: {builder: podman}", "8:12: `defaults.builder` must be 'docker' or 'host', not `podman`."),
        ("sources: {nspawn: []}", "8:11: `sources.nspawn`: there is no component that is built `nspawn`; known: systemd, rkt, runc."),
        ("sources: {runc: [{ref: main}]}", "8:18: `sources.runc.0`: a source is one of git, directory, debian and tarball, not none."),
        ("toolchains: {rust: []}", "8:14: `toolchains.rust`: there is no toolchain `rust`; known: go."),
        ("include: [{distro: debian/trixie, cgroup: unified, runtime: runc@1.1.5}]", "8:11: the key `go` is missing: runc is built, and with some version of Go."),
        ("include: [{distro: debian/trixie, cgroup: unified, runtime: runc@1.1.5, go: '1.2'}]", "8:73: nothing says where Go 1.2 comes from; add it below `toolchains`, `go`."),
        ("include: [{distro: debian/sid, cgroup: unified, runtime: nspawn}]", "8:11: the cell `debian-sid+systemd-262+unified+nspawn` is already in the product of the axes; remove it here."),
        ("include:\n- &a {distro: debian/trixie, cgroup: unified, runtime: nspawn}\n- *a", "9:3: the cell `debian-trixie+systemd-257+unified+nspawn` is already included at 9:3; remove one of them."),
    ],
)  # fmt: skip
def test_a_wrong_section_is_named_with_its_place(known: Catalog, added: str, message: str) -> None:
    """Each wrong value below the axes gives its line, its column, and what was expected or known there."""
    assert f"matrix.yaml:{message}" == error_of(known, f"{trees.AXES}{added}\n")


EXPECTATION = """\
expectations:
  - cells: runtime==rkt
    cases: cgroup/test_limits.py::test_memory
    matching: payload
    reason: It writes to the wrong directory.
    issue: https://example.org/issues/1
    expires: 2027-06-01
"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("    reason: It writes to the wrong directory.\n", "", "9:5: the key `reason` is missing in `expectations.0`."),
        ("runtime==rkt", "runtime==rtk", "9:21: `expectations.0.cells`: there is no runtime `rtk`; known: nspawn, rkt, runc."),
        ("cgroup/test_limits.py::test_memory", "''", "10:5: `expectations.0.cases` must not be empty."),
        ("payload", "'pay(load'", "11:19: `expectations.0.matching`: this is not a regular expression: missing ), unterminated subpattern."),
        ("https://example.org/issues/1", "'#17'", "13:13: `expectations.0.issue`: `#17` is no link to an issue; it begins with https://."),
        ("2027-06-01", "soon", "14:5: `expectations.0.expires`: `soon` is no date; write it as 2027-06-01."),
        ("2027-06-01", "2027", "14:5: `expectations.0.expires`: `2027` is no date; write it as 2027-06-01."),
        ("2027-06-01", "2027-02-30", "14:5: `expectations.0.expires`: `2027-02-30` is no date; write it as 2027-06-01."),
    ],
)  # fmt: skip
def test_a_wrong_expectation_is_named_with_its_place(known: Catalog, old: str, new: str, message: str) -> None:
    """An expectation needs an expression, cases, a reason, a link and a date; each is checked in its place."""
    assert old in EXPECTATION
    assert f"matrix.yaml:{message}" == error_of(known, f"{trees.AXES}{EXPECTATION.replace(old, new)}")


CASES = ("pod/test_life.py::TestPod::test_start", "pod/test_life.py::test_end", "pod/test_life.py::test_end[killed]")


@pytest.mark.parametrize(
    ("cases", "found"),
    [
        ("pod/*", True),
        ("*", True),
        ("pod/test_life.py::test_end", True),
        ("pod/test_life.py::test_end[killed]", True),
        ("pod/test_life.py::*killed]", True),
        ("pod/test_life.py::TestPod::test_start", True),
        ("*::test_end", True),
        ("cgroup/*", False),
        ("pod/test_old.py::*", False),
        ("pod/test_life.py::test_ends", False),
        ("pod/*::test_gone", False),
        ("cgroup/nosuch.py::test_x", False),
    ],
)
def test_an_expectation_about_no_case_is_refused_where_cases_are_looked_for(
    known: Catalog, cases: str, *, found: bool
) -> None:
    """A pattern that no case has is refused, with its place."""
    path = known.root / "matrix.yaml"
    path.write_text(trees.AXES + EXPECTATION.replace("cgroup/test_limits.py::test_memory", f"'{cases}'"))
    if found:
        matrix.load(path, known, name="matrix.yaml", cases=lambda: CASES)
        return
    with pytest.raises(ConfigError, match=r"^matrix\.yaml:10:5: the suites have no case `"):
        matrix.load(path, known, name="matrix.yaml", cases=lambda: CASES)


def test_all_problems_are_reported_at_once(known: Catalog) -> None:
    """Errors of form, of names and of expressions come together, in the order of the model."""
    text = trees.AXES.replace("debian/sid", "debian/woody").replace("nspawn", "crun")
    text += "exclude: [{when: go=1, reason: No.}]\nexpectations: 5\n"
    places = [line.split(": ")[0] for line in error_of(known, text).splitlines()]
    assert places == ["matrix.yaml:3:36", "matrix.yaml:7:13", "matrix.yaml:8:20", "matrix.yaml:9:1"]


def test_a_file_that_is_no_yaml_is_named_with_its_place(known: Catalog) -> None:
    """A syntax error has the same form as any other."""
    assert error_of(known, "version: 1\naxes: [").startswith("matrix.yaml:2:8: this is not YAML: ")


def test_what_is_not_said_is_taken_from_the_suite_s_own_file(known: Catalog) -> None:
    """A matrix may change a suite's timeout or reruns; the rest stays as suite.yaml says."""
    wanted = trees.load(known, f"{trees.AXES}suites: {{cgroup: {{reruns: 2}}}}\n")
    suite = wanted.find_suite("cgroup", known)
    assert (suite.timeout, suite.reruns) == (30, 2)
    assert wanted.find_suite("pod", known).reruns == 1
    assert wanted.list_suite_names(None, known) == ("cgroup", "pod")


def test_sources_and_toolchains_of_the_matrix_come_first(known: Catalog) -> None:
    """A matrix adds origins before those that the harness knows; directories are next to the matrix file."""
    text = f"""{trees.AXES.replace('"1.21"', '"1.12"')}\
sources:
  runc: [{{versions: "==1.1.5", directory: ../runc}}, {{versions: "==0.1", directory: /src/runc}}]
  systemd: [{{git: "https://example.org/systemd", ref: "{{version}}"}}]
toolchains:
  go: [{{versions: "==1.12", tarball: "https://example.org/go", sha256: "{"0" * 64}"}}]
"""
    wanted = trees.load(known, text)
    runc = wanted.list_component_sources("runc", known)
    assert [source.directory for source in runc[:2]] == [known.root / "../runc", Path("/src/runc")]
    assert known.runtimes["runc"].build is not None
    assert runc[2:] == known.runtimes["runc"].build.sources
    systemd = wanted.list_component_sources("systemd", known)
    assert (systemd[0].git, systemd[1:]) == ("https://example.org/systemd", known.systemd.build.sources)
    assert [source.kind for source in wanted.list_toolchain_sources("go", known)] == ["tarball", "wheel"]


def test_the_schema_describes_every_key() -> None:
    """The JSON schema is one, knows every key, and says of each key of the sections what it means."""
    schema = matrix.make_schema()
    json.dumps(schema)
    assert list(schema["properties"]) == [
        "version", "axes", "include", "exclude", "expectations", "profiles", "defaults", "ci", "suites", "sources",
        "toolchains", "settings",
    ]  # fmt: skip
    for part in ("Axes", "Exclusion", "Expectation", "Profile", "Defaults", "Ci", "CiRun", "SuiteSettings"):
        bare = [key for key, value in schema["$defs"][part]["properties"].items() if "description" not in value]
        assert bare == [], part
    assert schema["$defs"]["Exclusion"]["properties"]["when"]["type"] == "string"
