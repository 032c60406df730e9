"""Simulated bisections: ours against git's rule and against a majority of three; figures with their targets.

    python -m bench.bisect_simulation [--draws N] [PART ...]

Every history and every truth follows from a seed, so that a run can be repeated. "right" means that exactly
the culprit is named (or that there is none, where there is none). "tests" are boots that gave a verdict, and
unless a line says otherwise they contain the verification of both ends and the confirmation; git's rule and
the majority have neither and are counted without.
"""

import argparse
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from bench.bisect_calibration import calibration
from bench.bisect_draws import SEED, Case, boots, cases, exact, mean, say, share
from bench.bisect_histories import Truth, linear, merged, stretches
from bench.bisect_play import MOST, Played, play
from bench.bisect_published import facf, large
from bench.bisect_rivals import Found, git_bisect, majority
from harness.bisect.engine import Search
from harness.bisect.records import Sample
from harness.bisect.terms import Noise, SearchSettings
from harness.model import Verdict

ENDS = 2
"""Tests of the ends; git's rule takes the user's word for them."""


def reliable(draws: int) -> None:
    """Search with a test that never lies, with `none` and with the default.

    The default's figure contains the confirmation. The two ends, which whoever uses git has tested by hand, are
    counted in the line after it: with them inside 1.5 times git's tests the default cannot be right in 99 % at
    20 % flips. Of some 15 tests 10 halve what is left, and 89 % of such walks go astray; the ends agree all the
    same in 64 %; of three more tests each side of the commit that is named has one, so at most two are on the
    side that lied, and 0.2² 0.8 = 3 % of those walks pass them too: 1.8 % are wrong without a contradiction.
    """
    for kind in ("linear", "merges"):
        drawn = list(cases(draws // 2, kinds=(kind,)))
        git = [git_bisect(case.truth()) for case in drawn]
        none = [play(case.truth(), SearchSettings(noise=Noise.NONE)) for case in drawn]
        low = [play(case.truth(), SearchSettings()) for case in drawn]
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
        ours = boots(low)
        text = f"{100 * share(low):.1f} % right, {ours - ENDS:.2f} tests, {(ours - ENDS) / runs:.3f} x git"
        say(f"{kind}: default, confirmation included", text, "at most 1.5 x git", met=ours - ENDS <= 1.5 * runs)
        text = f"{ours:.2f} tests, {ours / runs:.3f} x git, {ours / (runs + ENDS):.3f} x git and its two ends"
        say(f"{kind}: default, the two ends counted too", text)


def flips(draws: int) -> None:
    """10 % and 20 % of results flipped on each side."""
    for rate in (0.1, 0.2):
        drawn = list(cases(draws))
        truths = [case.truth(bad=1 - rate, good=rate) for case in drawn]
        for name, search in (("git's rule", git_bisect), ("majority of three", majority)):
            found = [search(case.truth(bad=1 - rate, good=rate)) for case in drawn]
            text = f"{100 * exact(found, truths):.1f} % right, {mean(one.runs for one in found):.1f} tests"
            say(f"{rate:.0%} flips: {name}", text)
        told = _noisy(drawn, rate, SearchSettings(noise=Noise.KNOWN, rates=(1 - rate, rate)))
        say(f"{rate:.0%} flips: told the rates", f"{100 * share(told):.1f} % right, {boots(told):.1f} tests")
        for noise in (Noise.LOW, Noise.LEARN):
            played = _noisy(drawn, rate, SearchSettings(noise=noise))
            ratio = boots(played) / boots(told)
            text = f"{100 * share(played):.1f} % right, {boots(played):.1f} tests, {ratio:.2f} x told"
            met = share(played) >= 0.99 and ratio <= 1.8
            say(f"{rate:.0%} flips: {noise.value}", text, "at least 99 %, at most 1.8 x told", met=met)


def _noisy(drawn: list[Case], rate: float, settings: SearchSettings) -> list[Played]:
    return [play(case.truth(bad=1 - rate, good=rate), replace(settings, most_tests=MOST)) for case in drawn]


UNBUILDABLE = 0.2
"""Share of commits that do not build."""


def untestable(draws: int) -> None:
    """20 % of commits do not build: each on its own, and in stretches.

    Where each is on its own, nothing that was seen tells which do not build: whatever the rule, one attempt in
    five at a commit that was not tried before is wasted, a quarter of a build for each verdict. No rule can waste
    less and come as far; "floor" is that, for the verdicts that ours needed. The same holds in stretches for
    the first attempts, which are farther apart than a stretch is long.
    """
    for kind in ("linear", "merges"):
        for run in (0, 10, 20, 60):
            ours: list[Played] = []
            git: list[Found] = []
            inside: list[bool] = []
            for case in cases(max(draws // 4, 1), kinds=(kind,)):
                broken = stretches(len(case.history), UNBUILDABLE, run, np.random.default_rng(case.seed))
                ours.append(play(case.truth(broken=broken), SearchSettings(noise=Noise.NONE)))
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
            floor = UNBUILDABLE / (1 - UNBUILDABLE) * mean(one.between for one in ours)
            text += "" if run else f" (floor {floor:.2f})"
            say(f"{what}: ours", text, f"at most {theirs / 4:.2f} wasted, all inside", met=met)


def parallel(draws: int) -> None:
    """Search in rounds of N boots at once, chosen jointly, among 512 linear commits; without ends and confirmation."""
    history = linear(512)
    for name, rate in (("no flips", 0.0), ("10 % flips, told", 0.1)):
        for workers in (1, 2, 3, 4, 8):
            noise = (
                SearchSettings(noise=Noise.KNOWN, rates=(1 - rate, rate)) if rate else SearchSettings(noise=Noise.NONE)
            )
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
        asked = search.choose_next()
        worst = max(worst, time.process_time() - started)
        for request in asked:
            bad = truth.fails(history.find_index(request.revision))
            search.record(Sample(revision=request.revision, verdict=Verdict.BAD if bad else Verdict.GOOD))
        if step == 5:
            search.record(Sample(revision=history.commits[30_000], verdict=Verdict.SKIP))
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
