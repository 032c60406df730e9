"""What a user gives to a build besides its source, such as an image that it would download: checked, and put into its worktree."""

import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from harness.catalog import Build
from harness.errors import UsageError
from harness.store import hash_file

__all__ = ["FILES", "GivenSetting", "check_settings", "provide_files", "resolve_settings"]

FILES = PurePosixPath("files")
"""Where in a worktree the files are that a build was given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSetting:
    """A setting of a build with its value.

    Attributes:
        name: What it is called in the knowledge file.
        option: The option that it becomes.
        value: Its value, for a file its path on this computer.
        digest: SHA-256 of a file's content; None for a value that is no file.
    """

    name: str
    option: str
    value: str
    digest: str | None = None

    @property
    def place(self) -> PurePosixPath:
        """Where below a worktree its file is."""
        return FILES / (self.digest or "")[:16] / Path(self.value).name


def check_settings(name: str, rules: Build, values: Mapping[str, str]) -> None:
    """Check what a user wants to give to the builds of a component; raises UsageError with what is wrong."""
    for key, value in values.items():
        setting = rules.settings[key]
        if setting.file and not Path(value).is_file():
            raise UsageError(f"The file {value} does not exist; runtime.{name}.{key} is {setting.says}.")
        if not setting.file and re.fullmatch(setting.pattern, value) is None:
            raise UsageError(
                f"`{value}` is not a value of runtime.{name}.{key}, which is {setting.says}.",
                hint=f"It has to match `{setting.pattern}`.",
            )
        if setting.together is not None and setting.together not in values:
            raise UsageError(
                f"runtime.{name}.{key} means nothing without runtime.{name}.{setting.together}.",
                hint=f"Give both: the other one is {rules.settings[setting.together].says}.",
            )


def resolve_settings(
    name: str, rules: Build, flavor: str | None, values: Mapping[str, str]
) -> tuple[GivenSetting, ...]:
    """Return what the build of a flavor is given, with files as they are now; raises as `check_settings` does."""
    check_settings(name, rules, values)
    found = []
    for key, value in sorted(values.items()):
        setting = rules.settings[key]
        if flavor in setting.flavors:
            digest = _hash_file(Path(value)) if setting.file else None
            found.append(GivenSetting(name=key, option=setting.option, value=value, digest=digest))
    return tuple(found)


def provide_files(work: Path, settings: tuple[GivenSetting, ...], log: Path) -> None:
    """Copy the files that a build is given into its worktree, unless they are there."""
    for setting in settings:
        if setting.digest is None or (work / setting.place).exists():
            continue
        place = work / setting.place
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f"{place.name}.part")
        shutil.copyfile(setting.value, part)
        part.replace(place)
        with log.open("a", encoding="utf-8") as file:
            file.write(f"# {setting.value} is copied to {setting.place}\n")


def _hash_file(path: Path) -> str:
    try:
        return hash_file(path)
    except OSError as error:
        raise UsageError(f"The file {path} cannot be read: {error.strerror}.") from error
