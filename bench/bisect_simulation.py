"""Simulated bisections: ours beside git's rule and beside a majority of three; figures with their targets.

    python -m bench.bisect_simulation [--draws N] [PART ...]

Every history and every truth follows from a seed, so that a run can be repeated. "right" means that exactly
the culprit is named (or that there is none, where there is none). "tests" are boots that gave a verdict, and
unless a line says otherwise they contain the verification of both ends and the confirmation; git's rule and
the majority have neither and are counted without.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bench.bisect_draws import SEED, Case, boots, cases, exact, mean, say, share
from bench.bisect_histories import Truth, linear, merged, stretches
from bench.bisect_play import MOST, Played, play
from bench.bisect_published import facf, large
from bench.bisect_rivals import Found, git_bisect, majority
from harness.bisect.engine import Noise, Observation, Search, Settings
from harness.model import Verdict


def reliable(draws: int) -> None:
    """A test that never lies, with `none` and with the default."""
    for kind in ("linear", "merges"):
        drawn = list(cases(draws // 2, kinds=(kind,)))
        git = [git_bisect(case.truth()) for case in drawn]
        none = [play(case.truth(), Settings(noise=Noise.NONE)) for case in drawn]
        low = [play(case.truth(), Settings()) for case in drawn]
        runs = mean(found.runs for found in git)
        between = mean(one.between for one in none)
        say(f"{kind}: git's rule, mean tests", f"{runs:.2f}")
        text = f"{100 * share(none):.1f} % right, {between:.2f} ({boots(none):.2f} with ends, confirmation)"
        say(f"{kind}: none, mean tests between ends", text, f"at most {runs + 0.3:.2f}", met=between <= runs + 0.3)
        if kind == "linear":
            over = max(
                one.between - int(np.ceil(np.log2(len(case.history)))) for one, case in zip(none, drawn, strict=True)
            )
            say("linear: none, tests above ceil(log2 n), worst", f"{over}", "at most 0", met=over <= 0)
        ratio = boots(low) / runs
        text = f"{100 * share(low):.1f} % right, {boots(low):.2f} tests, {ratio:.3f} x git"
        say(f"{kind}: default, ends and confirmation included", text, "at most 1.5 x git", met=ratio <= 1.5)


def flips(draws: int) -> None:
    """10 % and 20 % of results flipped on each side."""
    for rate in (0.1, 0.2):
        drawn = list(cases(draws))
        truths = [case.truth(bad=1 - rate, good=rate) for case in drawn]
        for name, search in (("git's rule", git_bisect), ("majority of three", majority)):
            found = [search(case.truth(bad=1 - rate, good=rate)) for case in drawn]
            text = f"{100 * exact(found, truths):.1f} % right, {mean(one.runs for one in found):.1f} tests"
            say(f"{rate:.0%} flips: {name}", text)
        told = _noisy(drawn, rate, Settings(noise=Noise.KNOWN, rates=(1 - rate, rate)))
        say(f"{rate:.0%} flips: told the rates", f"{100 * share(told):.1f} % right, {boots(told):.1f} tests")
        for noise in (Noise.LOW, Noise.LEARN):
            played = _noisy(drawn, rate, Settings(noise=noise))
            ratio = boots(played) / boots(told)
            text = f"{100 * share(played):.1f} % right, {boots(played):.1f} tests, {ratio:.2f} x told"
            met = share(played) >= 0.99 and ratio <= 1.8
            say(f"{rate:.0%} flips: {noise.value}", text, "at least 99 %, at most 1.8 x told", met=met)


def _noisy(drawn: list[Case], rate: float, settings: Settings) -> list[Played]:
    return [play(case.truth(bad=1 - rate, good=rate), replace(settings, most_tests=MOST)) for case in drawn]


def calibration(draws: int) -> None:
    """The leader's posterior before each step, in bins, beside how often it was the culprit."""
    for noise in (Noise.LOW, Noise.LEARN):
        bins: dict[int, list[tuple[float, bool]]] = defaultdict(list)
        for case in cases(draws):
            rate = float(np.random.default_rng(case.seed).choice([0.02, 0.05, 0.1, 0.2, 0.3]))
            watch = _Leaders(case.history.commits[case.culprit])
            play(case.truth(bad=1 - rate, good=rate), Settings(noise=noise, most_tests=MOST), watch=watch)
            for stated, true in watch.seen:
                bins[int(stated * 10)].append((stated, true))
        for low, seen in sorted(bins.items()):
            said, so = mean(one[0] for one in seen), mean(one[1] for one in seen)
            say(
                f"{noise.value}, flips of 2 to 30 %: leader at {low / 10:.1f} to {(low + 1) / 10:.1f} ({len(seen)} steps)",
                f"stated {said:.3f}, true {so:.3f}",
                "within 0.05",
                met=abs(said - so) <= 0.05,
            )


class _Leaders:
    """Looks at a search before each step: the likeliest culprit's probability, and whether it is the culprit."""

    def __init__(self, culprit: str) -> None:
        self.culprit = culprit
        self.seen: list[tuple[float, bool]] = []

    def __call__(self, search: Search) -> None:
        leader = int(search.belief.weights.argmax())
        stated = float(search.belief.weights[leader])
        if stated >= 0.4:
            self.seen.append((stated, search.history.commits[leader] == self.culprit))


def untestable(draws: int) -> None:
    """20 % of commits do not build: each on its own, and in stretches."""
    for kind in ("linear", "merges"):
        for run in (0, 10, 20, 60):
            ours: list[Played] = []
            git: list[Found] = []
            inside: list[bool] = []
            for case in cases(max(draws // 4, 1), kinds=(kind,)):
                broken = stretches(len(case.history), 0.2, run, np.random.default_rng(case.seed))
                ours.append(play(case.truth(broken=broken), Settings(noise=Noise.NONE)))
                git.append(git_bisect(case.truth(broken=broken)))
                inside.append(case.culprit in git[-1].suspects)
            wasted, theirs = mean(one.answer.skips for one in ours), mean(one.wasted for one in git)
            what = f"{kind}, 20 % unbuildable, " + (f"mean stretch {run}" if run else "alone")
            say(
                f"{what}: git's rule",
                f"{theirs:.2f} wasted, {mean(len(one.suspects) for one in git):.1f} left, {100 * mean(inside):.1f} % inside",
            )
            left = mean(len(one.answer.suspects) for one in ours)
            text = f"{wasted:.2f} wasted, {left:.1f} left, {100 * mean(one.held for one in ours):.1f} % inside"
            met = wasted <= theirs / 4 and all(one.held for one in ours)
            say(f"{what}: ours", text, f"at most {theirs / 4:.2f} wasted, all inside", met=met)


def parallel(draws: int) -> None:
    """Rounds of N boots at once, chosen jointly, among 512 linear commits; without ends and confirmation."""
    history = linear(512)
    for name, rate in (("no flips", 0.0), ("10 % flips, told", 0.1)):
        for workers in (1, 2, 3, 4, 8):
            noise = Settings(noise=Noise.KNOWN, rates=(1 - rate, rate)) if rate else Settings(noise=Noise.NONE)
            settings = replace(noise, verify_ends=False, confirmations=0)
            played = [
                play(
                    Case(
                        history=history,
                        culprit=int(np.random.default_rng((SEED, 5, draw)).integers(512)),
                        seed=SEED + draw,
                    ).truth(bad=1 - rate, good=rate),
                    settings,
                    workers=workers,
                )
                for draw in range(max(draws // 10, 1))
            ]
            rounds = mean(one.rounds for one in played)
            say(f"{name}, {workers} at once", f"{100 * share(played):.1f} % right, {rounds:.1f} rounds")


def speed(draws: int) -> None:
    """Seconds for one choice among 50,000 commits with merges, in processor time of this process."""
    del draws
    started = time.process_time()
    history = merged(50_000, np.random.default_rng(SEED))
    say("50,000 commits: building the history", f"{time.process_time() - started:.2f} s once")
    truth = Truth(history=history, culprit=25_000, fails_bad=0.95, fails_good=0.05, rng=np.random.default_rng(SEED))
    search = Search(history)
    worst = 0.0
    for step in range(30):
        started = time.process_time()
        asked = search.next()
        worst = max(worst, time.process_time() - started)
        for request in asked:
            bad = truth.fails(history.index(request.revision))
            search.record(request.revision, Observation(verdict=Verdict.BAD if bad else Verdict.GOOD))
        if step == 5:
            search.record(history.commits[30_000], Observation(verdict=Verdict.SKIP))
    say("50,000 commits: one choice, worst of 30", f"{worst:.3f} s", "at most 0.5 s", met=worst <= 0.5)


PARTS: dict[str, Callable[[int], None]] = {
    "reliable": reliable, "flips": flips, "calibration": calibration, "facf": facf, "large": large,
    "untestable": untestable, "parallel": parallel, "speed": speed,
}  # fmt: skip


def main() -> None:
    """Run the parts that were named, or all."""
    reader = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    reader.add_argument("--draws", type=int, default=1000, help="histories per figure (some parts take a share)")
    reader.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    options = reader.parse_args()
    for name in options.parts or PARTS:
        print(f"# {name}: {' '.join((PARTS[name].__doc__ or '').split())}")
        started = time.monotonic()
        PARTS[name](options.draws)
        print(f"# {name}: {time.monotonic() - started:.0f} s\n", flush=True)


if __name__ == "__main__":
    main()
