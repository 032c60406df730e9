"""The prior over the failure rates of a test: a mixture of a few kinds of noise.

Tests lie in few ways. Most hardly ever do; some fail without cause only (FACF's model), some pass without
reason only (syzkaller's and BBChop's), on some machines either result is turned around alike, and the rest
has two rates of its own. Each kind is a distribution of the share of wrong results, which is a Beta. The kind
is learned as the rates are, by how probable each makes the samples (its marginal likelihood); the price of not
knowing it is at most the logarithm of its weight, paid once, and what is known of a kind is known of both sides.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "LEARN", "LOW", "NODES", "SLIP", "Flaw", "Kind", "compute_joint", "make_always_failing", "make_grid",
]  # fmt: skip

NODES = 40
"""Grid nodes; exact up to 79 samples a side, and finer than what more samples can distinguish."""

SLIP = 1e-4
"""Rate of wrong results of a reliable test."""

Floats = NDArray[np.float64]


class Flaw(StrEnum):
    """Which results of a test can be wrong."""

    NONE = "none"
    """None but one in ten thousand. That is sharp, so that it gives way at the first result that contradicts others."""
    FAILS = "fails"
    """It fails without cause; what passes is good."""
    PASSES = "passes"
    """It passes without reason; what fails is bad."""
    ALIKE = "alike"
    """Both, with the same chance."""
    BOTH = "both"
    """Both, with chances that have nothing to do with each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """One kind of noise.

    Attributes:
        weight: Its share of all tests.
        flaw: Which results can be wrong.
        wrong: Beta parameters of the share of these that are.
    """

    weight: float
    flaw: Flaw
    wrong: tuple[float, float] = (1.0, 1.0)


NOISY = (
    Kind(weight=0.10, flaw=Flaw.FAILS, wrong=(1.0, 4.0)),
    Kind(weight=0.07, flaw=Flaw.PASSES, wrong=(1.0, 4.0)),
    Kind(weight=0.30, flaw=Flaw.ALIKE, wrong=(1.5, 25.0)),
    Kind(weight=0.34, flaw=Flaw.ALIKE, wrong=(2.0, 8.0)),
    Kind(weight=0.15, flaw=Flaw.BOTH, wrong=(2.0, 8.0)),
    Kind(weight=0.04, flaw=Flaw.BOTH, wrong=(0.5, 0.5)),
)
"""What the tests that lie are like: wrong in a twentieth of the results, in a fifth, or in any share.

They were chosen by simulation, on flips of 2 to 30 % alike on both sides and on one side only. Each is sharper than
Jeffreys' prior, which assumes least (git_bayesect's choice): together they cost a quarter more tests than knowing the
rates, where Jeffreys alone costs twice as many (bisect.md 2.12); it is the last, for what none of the others explains.
"""


def _add_reliable(share: float) -> tuple[Kind, ...]:
    """Return the noisy kinds with this share of reliable tests added."""
    noisy = (replace(kind, weight=kind.weight * (1 - share)) for kind in NOISY)
    return (Kind(weight=share, flaw=Flaw.NONE), *noisy)


LOW = _add_reliable(0.3)
"""The default: a test is mostly reliable until it shows otherwise.

The share is as small as 1.5 times git's tests on a reliable test allow. The larger it is, the sooner a test that
contradicted nothing so far is believed, and the more often wrongly where 20 % of its results are.
"""

LEARN = _add_reliable(0.05)
"""A test that is known to lie."""


def make_always_failing(kinds: tuple[Kind, ...]) -> tuple[Kind, ...]:
    """Return the same kinds where a bad revision fails in every sample."""
    return tuple(
        kind if kind.flaw is Flaw.NONE else replace(kind, flaw=Flaw.FAILS)
        for kind in kinds
        if kind.flaw is not Flaw.PASSES
    )


def make_grid() -> tuple[Floats, Floats]:
    """Make rates, ascending and symmetric about one half, and the weights that make sums over them Jeffreys integrals."""
    angle = (2 * np.arange(NODES) + 1) * np.pi / (4 * NODES)
    nodes = np.concatenate(([SLIP], np.sin(angle) ** 2, [1 - SLIP]))
    return nodes, np.concatenate(([0.0], np.full(NODES, 1 / NODES), [0.0]))


def compute_joint(kinds: tuple[Kind, ...], effect: float) -> Floats:
    """Compute weights of all pairs of nodes (rows are the rate on the bad side), for p_b - p_g >= effect; sums to 1."""
    nodes, jeffreys = make_grid()
    difference = np.subtract.outer(nodes, nodes)
    # Nodes on the diagonal count half: the other half belongs to p_b < p_g.
    wanted = (difference >= effect) * np.where(difference == 0, 0.5, 1.0)
    total = np.zeros_like(wanted)
    for kind in kinds:
        first, second = kind.wrong
        density = jeffreys * nodes ** (first - 0.5) * (1 - nodes) ** (second - 0.5)
        one = _spread(kind.flaw, density) * wanted
        total += kind.weight * one / one.sum()
    found: Floats = total / total.sum()
    return found


def _spread(flaw: Flaw, density: Floats) -> Floats:
    """Turn a distribution of wrong results into one of both rates; a bad revision fails with 1 less that share."""
    size = len(density)
    spread = np.zeros((size, size))
    match flaw:
        case Flaw.NONE:
            spread[-1, 0] = 1.0
        case Flaw.FAILS:
            spread[-1, :] = density
        case Flaw.PASSES:
            spread[:, 0] = density[::-1]
        case Flaw.ALIKE:
            np.fill_diagonal(spread[::-1], density)
        case Flaw.BOTH:
            spread = np.outer(density[::-1], density)
    return spread
