"""Search for the first bad commit of a history, with tests that may lie and commits that may not build.

The engine does no input or output: it takes samples and says what to test next.

- `history`: the candidate commits as a DAG, and sums over ancestors.
- `kinds`: in which ways tests lie, and how often each: the prior over rates.
- `rates`: what is believed about how often the test fails before and after the culprit.
- `belief`: the posterior over culprits, and over "there is no culprit".
- `testability`: which commits probably do not build or boot.
- `choose`: the next commits, by expected information per second.
- `state`: what was sampled, and what is believed after it.
- `verdicts`: when a search is over, and what it says then.
- `search`: the loop as a state machine that is a fold over the samples.
"""

from harness.bisect.engine.choose import Costs
from harness.bisect.engine.history import History
from harness.bisect.engine.search import Search

__all__ = ["Costs", "History", "Search"]
