"""What our own JUnit files have besides what JUnit has a word for, so that they say the same as result.json.

Properties are in JSON, which carries any character; files of before December 2026 have none of them.
"""

__all__ = ["BROKEN", "CELL", "LONGEST", "MESSAGE", "NODEID", "PREFIX", "RUN"]

LONGEST = 1000
"""Characters of a message that a reader keeps."""
PREFIX = "harness."
"""How the types and properties begin."""
RUN = "harness.run"
"""Property of the first suite: what result.json says of the run, without its cells."""
CELL = "harness.cell"
"""Property of a suite: the cell's identifier, axes, facts and error."""
NODEID = "harness.nodeid"
"""Property of a case: its node id, where class and name do not say it."""
MESSAGE = "harness.message"
"""Property of a case that wants a look: its message."""
BROKEN = "cell"
"""Name of the case by which a cell that broke is red in a CI system."""
