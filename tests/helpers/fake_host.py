"""A host without a guest."""


class FakeHost:
    """A host that answers every command with the same result, and remembers what it was asked."""

    def __init__(self, rc: int = 0, stdout: str = "") -> None:
        self.rc, self.stdout, self.stderr = rc, stdout, "said so"
        self.asked: list[tuple[str, ...]] = []

    def run(self, command: str, *args: str) -> "FakeHost":
        """Answer."""
        self.asked.append((command, *args))
        return self
