"""A real bisection of systemd: `harness bisect-systemd`, and `git bisect run` with a straightforward script.

    python -m bench.bisect_systemd [--commits 60] [--seed 1] [--inside] [--careful] [--directory DIR]
    python -m bench.bisect_systemd --only harness --culprit payload|mount|limit

It takes an hour on two cores without KVM, and is no part of `make bench`. It wants root, for the script's chroot, and
Docker: `ci/with-docker .venv/bin/python -m bench.bisect_systemd`.

Both get the same history (tools/history.py), compiler, options of meson, accelerator and processors; the script compiles
with -O2 and links with the usual linker, the harness as its recipe says. The harness's image, its build environment and the script's chroot are made before the time is taken. Everything else begins from nothing, as in a
first bisection: the harness has a new store, without a compiler's cache and without a saved guest. The script asks the
question of the case in a few lines of shell in the guest, which costs less than pytest, and it tests neither the ends
nor its answer. With `--careful` git is measured a second time, with a script that lets ccache help and keeps the tree
from which it makes images.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import platformdirs

from harness import accel, build, catalog, image, proc
from harness.accel import Accelerator
from harness.bisect import journal
from harness.bisect.records import Begun, Sample
from harness.build import BuildSpec, container, environment
from harness.build.spec import BuildPaths
from harness.catalog import Source
from harness.distros.debian.apt import find_archive, format_sources_list
from harness.image import ImageSpec
from harness.model import Verdict
from harness.rundir import JOURNAL
from harness.source import Revision
from harness.store import Store
from harness.wait import Deadline
from tools import history
from tools.history import History, git
from tools.history_edits import CULPRITS

ROOT = Path(__file__).parent.parent
SCRIPT = Path(__file__).with_suffix(".sh")
CELL = "debian-bookworm+systemd-252+unified+nspawn"
RELEASE = "bookworm"

RATIO = 0.4
"""The harness's time, as a part of git's, that it may take at most."""

STEP = 30.0
"""Seconds that a step with a warm cache may take at most."""

PACKAGES = (
    "systemd-sysv", "systemd-container", "dbus", "udev", "kmod", "procps", "iproute2", "busybox-static",
    "linux-image-cloud-amd64", "initramfs-tools",
)  # fmt: skip
"""What the script's image has: what images/debian has, without the ssh that only the harness needs."""

HOURS = 6 * 3600.0
"""Seconds after which one bisection is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One bisection.

    Attributes:
        name: Whose.
        seconds: From the beginning to the answer.
        steps: How many revisions or samples were tested.
        skipped: How many of them could not be tested.
        right: Whether it named the culprit.
    """

    name: str
    seconds: float
    steps: int
    skipped: int
    right: bool

    def __str__(self) -> str:
        answer = "right" if self.right else "WRONG"
        return f"{self.name:34} {self.seconds:7.0f} s  {self.steps:2} steps, {self.skipped} of them skipped  {answer}"


def prepare(work: Path, made: History, store: Store, deadline: Deadline) -> Accelerator:
    """Make what neither side's time has in it."""
    spec = ImageSpec(distro="debian", channel=RELEASE, files=ROOT / "images" / "debian")
    disk = image.make(spec, store, deadline, work / "image.log")
    accelerator = accel.probe(disk.kernel, store.root, deadline)
    rules = catalog.load(ROOT).systemd.build
    tools = environment.obtain(rules.choose_environment(history.VERSION), (), store, deadline)
    # Without commands it only brings the environment to Docker, as the script has it in a chroot.
    container.run((), tools, (), work / "import.log", deadline)
    chroot = work / "chroot"
    chroot.mkdir()
    proc.run(["tar", "-C", str(chroot), "-xf", str(tools.path / environment.TREE)], deadline=deadline)
    (chroot / "options").write_text("\n".join(options(made)) + "\n", encoding="utf-8")
    (work / "packages").write_text(",".join(PACKAGES), encoding="utf-8")
    (work / "sources.list").write_text(format_sources_list(find_archive(deadline), RELEASE), encoding="utf-8")
    return accelerator


def options(made: History) -> list[str]:
    """Return the arguments with which the harness's recipe configures systemd, but for its own directories."""
    rules = catalog.load(ROOT).systemd.build
    source = Source(git=str(made.path), ref=made.good)
    revision = Revision(kind="git", version=history.VERSION, identity="", stamp=made.good, text="")
    spec = BuildSpec(
        name="systemd", version=history.VERSION, rules=rules, source=source, revision=revision, toolchain=None
    )
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / build.find_recipe(rules.recipe).choose_source_path(spec)).symlink_to(made.path)
        anywhere = PurePosixPath("/")
        places = BuildPaths(
            work=anywhere, toolchain=None, output=anywhere, scratch=anywhere, cache=anywhere, outside=Path(name)
        )
        setup = build.find_recipe(rules.recipe).make_commands(spec, places)[0].argv
    return [word for word in setup[2:] if word.startswith(("--", "-D"))]


def with_git(made: History, work: Path, accelerator: Accelerator, *, careful: bool) -> Measured:
    """`git bisect run`, in a clone."""
    name = "git bisect run" + (", a careful script" if careful else "")
    clone = work / f"clone{'-careful' if careful else ''}"
    git(work, "clone", "--quiet", str(made.path), str(clone))
    env = os.environ | {
        "ACCELERATOR": "kvm" if accelerator.name == "kvm" else "tcg",
        "CAREFUL": "1" if careful else "",
        "RELEASE": RELEASE,
        "GIT_CONFIG_GLOBAL": os.devnull,
    }
    begin = time.monotonic()
    git(clone, "bisect", "start", made.bad, made.good)
    argv = ["git", "bisect", "run", "sh", str(SCRIPT), str(work)]
    with (work / f"{clone.name}.log").open("wb") as log:
        subprocess.run(argv, cwd=clone, env=env, check=False, stdout=log, stderr=subprocess.STDOUT, timeout=HOURS)
    seconds = time.monotonic() - begin
    lines = git(clone, "bisect", "log").splitlines()
    words = Counter(line.split()[2] for line in lines if line.startswith("git bisect ") and "start" not in line)
    # The ends are in the log as well, but only as the arguments of `start`.
    found = [line for line in lines if line.startswith("# first bad commit:")]
    right = bool(found) and made.culprit in found[0]
    return Measured(name=name, seconds=seconds, steps=words.total(), skipped=words["skip"], right=right)


def with_harness(made: History, work: Path) -> tuple[Measured, list[Sample]]:
    """`harness bisect-systemd`; and its samples."""
    runs = work / "runs"
    argv = [sys.executable, "-m", "harness", "--runs", str(runs), "bisect-systemd", "--repo", str(made.path)]
    argv += ["--good", made.good, "--bad", made.bad, "--cell", CELL, *history.question(made, work)]
    begin = time.monotonic()
    with (work / "harness.log").open("wb") as log:
        env = os.environ | {"HARNESS_STORE": str(work / "store")}
        subprocess.run(argv, cwd=ROOT, env=env, check=False, stdout=log, stderr=subprocess.STDOUT, timeout=HOURS)
    seconds = time.monotonic() - begin
    (written,) = runs.glob(f"*/{JOURNAL}")
    state = journal.read(written.parent, Begun)
    samples = list(state.samples)
    skipped = sum(sample.verdict is Verdict.SKIP for sample in samples)
    right = state.ended is not None and state.ended.answer.culprit == made.culprit
    name = "harness bisect-systemd"
    return Measured(name=name, seconds=seconds, steps=len(samples), skipped=skipped, right=right), samples


def warm(samples: Sequence[Sample]) -> list[float]:
    """Seconds of the steps that found a warm cache: not the first one, and none that builds from nothing on purpose."""
    tested = [sample for sample in samples if sample.verdict is not Verdict.SKIP and not sample.cached]
    return [sum(sample.seconds.values()) for sample in tested[1:] if not sample.fresh]


def say(measured: Sequence[Measured], samples: Sequence[Sample]) -> None:
    """Print the figures next to their targets."""
    for one in measured:
        print(one)
    names = {one.name: one for one in measured}
    if samples:
        ours = names["harness bisect-systemd"]
        for other in (one for one in measured if one is not ours):
            target = f"  (target {RATIO:.2f})" if "careful" not in other.name else ""
            print(f"{f'time, as a part of {other.name}':50} {ours.seconds / other.seconds:5.2f}{target}")
        if steps := warm(samples):
            middle, most = statistics.median(steps), max(steps)
            print(
                f"{'step with a warm cache, median':50} {middle:5.1f} s  ({len(steps)} steps; at most {most:.1f} s; target {STEP:.0f} s)"
            )
        for sample in samples:
            phases = ", ".join(f"{phase} {seconds:.1f}" for phase, seconds in sample.seconds.items())
            print(f"  {sample.number:2} {sample.revision[:12]} {sample.verdict:5} {sample.purpose:10} {phases}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--commits", type=int, default=60, help="between good and bad")
    parser.add_argument("--seed", type=int, default=1, help="another history")
    parser.add_argument("--culprit", choices=CULPRITS, default="payload", help="the change that is planted")
    parser.add_argument("--inside", action="store_true", help="the culprit is on the merged side branch")
    parser.add_argument("--careful", action="store_true", help="measure git with a better script too")
    parser.add_argument("--only", choices=("harness", "git"), help="one side alone")
    parser.add_argument("--directory", type=Path, help="where to work, and to leave everything; must not exist")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        parser.error("it wants root: the script builds in a chroot")
    if chosen.culprit != "payload" and chosen.only != "harness":
        parser.error("git's script looks for the payload only; add --only harness")
    with tempfile.TemporaryDirectory(prefix="bench-bisect-") as name:
        work = chosen.directory or Path(name, "work")
        work.mkdir(parents=True)
        deadline = Deadline.after(3600, "preparation")
        kept = Store(Path(os.environ.get("HARNESS_STORE") or platformdirs.user_cache_path("rkt-harness")))
        made = history.make(
            work / "systemd", kept, deadline,
            culprit=chosen.culprit, seed=chosen.seed, commits=chosen.commits, inside=chosen.inside,
        )  # fmt: skip
        accelerator = prepare(work, made, Store(work / "store"), deadline)
        print(f"{chosen.commits} commits of systemd {history.VERSION} under {accelerator.name}, seed {chosen.seed}, "
              f"load {os.getloadavg()[0]:.1f}", flush=True)  # fmt: skip
        measured: list[Measured] = []
        samples: list[Sample] = []
        if chosen.only != "git":
            ours, samples = with_harness(made, work)
            measured.append(ours)
            print(ours, flush=True)
        if chosen.only != "harness":
            measured += [
                with_git(made, work, accelerator, careful=careful) for careful in (False, True)[: 1 + chosen.careful]
            ]
        say(measured, samples)


if __name__ == "__main__":
    main()
