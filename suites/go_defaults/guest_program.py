"""The suite's program in the guest."""

from suites.lib.guest import Guest, Result

__all__ = ["Program"]


class Program:
    """The program that the cell's Go built from the folder `program`."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self.path = "/usr/local/lib/harness/go_defaults"

    def run(self, *words: str, before: str = "", setting: str = "", private: bool = False, **variables: str) -> Result:
        """Run it with words; what it says on both outputs is its output.

        Args:
            words: Its arguments.
            before: Shell that comes before it.
            setting: What GODEBUG says.
            private: Whether mounts are its own.
            variables: More of its environment.
        """
        environment = (f"{name}={value}" for name, value in {"GODEBUG": setting, **variables}.items() if value)
        shell = (
            "env",
            *environment,
            *(("unshare", "-m") if private else ()),
            "sh",
            "-c",
            before + 'exec "$0" "$@" 2>&1',
        )
        return self.guest.sh('exec "$@"', *shell, self.path, *words)
