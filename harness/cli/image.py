"""`harness image`: which releases of Flatcar there are, and one of them verified on this computer."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any, Self

import platformdirs
import typer

from harness import store as stores
from harness.app.settings import APPLICATION, show_path
from harness.cli import output
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.distros import flatcar
from harness.distros.flatcar import Channel, Fetched, Index, Release
from harness.distros.flatcar.release_store import KIND
from harness.distros.flatcar.releases import INDEX
from harness.errors import UsageError
from harness.fetch import DownloadProgress
from harness.model import VersionRange
from harness.store import Store
from harness.text import format_duration
from harness.wait import Deadline

__all__ = ["register"]

HOUR = 3600.0
"""Seconds for a download."""

EVERY = {True: 0.2, False: 10.0}
"""Seconds between two lines of progress, on a terminal and elsewhere."""

FOLDER = Path("images") / "flatcar"

SystemdOption = Annotated[
    str | None, typer.Option("--systemd", metavar="RANGE", help="Only with such a systemd: '>=252,<255' or '==252'.")
]
ArchitectureOption = Annotated[str, typer.Option("--arch", metavar="NAME", help="The processor by Flatcar's name.")]

verbs = typer.Typer(no_args_is_help=True, help="Releases of Flatcar: which there are; download one and verify it.")


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.add_typer(verbs, name="image")


@verbs.command("list")
def list_releases(
    context: typer.Context,
    *,
    refresh: Annotated[bool, typer.Option("--refresh", help="Download the published index first.")] = False,
    index: Annotated[str | None, typer.Option("--index", metavar="URL", help="Another place of the index.")] = None,
    channel: Annotated[Channel | None, typer.Option("--channel", help="Only releases of this channel.")] = None,
    systemd: SystemdOption = None,
    form: FormatOption = Format.TABLE,
) -> None:
    """Print which releases are known, the newest last, with their systemd and what is in the store of them."""
    settings = get_settings(context)
    store, files = Store(settings.store), settings.root / FOLDER
    if refresh or index is not None:
        deadline = settings.make_deadline(HOUR, "download of the index")
        known = flatcar.refresh(store, deadline, files, url=index or INDEX)
    else:
        known = flatcar.known(store, files)
    wanted = _range(systemd)
    shown = [item for item in _sorted(known) if _fits(item, channel, wanted)]
    kept = {item.title.split()[2] for item in stores.list_artifacts(store) if item.kind == KIND}
    match form:
        case Format.IDS:
            for item in shown:
                output.say(item.version)
        case Format.JSON:
            output.as_json([item.model_dump(mode="json") | {"stored": item.version in kept} for item in shown])
        case Format.TABLE:
            if shown:
                heads = ("channel", "version", "date", "systemd", "kernel", "for", "stored")
                output.table(heads, [_row(item, stored=item.version in kept) for item in shown])
            output.say(f"{len(shown)} of {len(known.releases)} releases, as of {known.date}: {known.source}.")


@verbs.command()
def fetch(
    context: typer.Context,
    release: Annotated[
        str,
        typer.Argument(metavar="RELEASE", help="A channel, an LTS stream or a version: stable, lts-2024, 3815.2.5."),
    ],
    *,
    mirror: Annotated[
        str | None,
        typer.Option(
            "--mirror", metavar="URL|DIR", help="In place of the release host; {channel} in it is the channel."
        ),
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", metavar="FILE", help="Trust the one key in this file and not Flatcar's own.")
    ] = None,
    systemd: SystemdOption = None,
    architecture: ArchitectureOption = "amd64",
    form: FormatOption = Format.TABLE,
) -> None:
    """Download a release and verify it; what is there already needs no network."""
    release = release.removeprefix("flatcar/")  # as a cell has it
    settings = get_settings(context)
    store, files = Store(settings.store), settings.root / FOLDER
    deadline = settings.make_deadline(HOUR, f"download of Flatcar {release}")
    found = _resolved(release, systemd, architecture, store, deadline=deadline, mirror=mirror, files=files)
    log = platformdirs.user_log_path(APPLICATION) / f"flatcar-{found.version}.log"
    with _Bar() as bar:
        done = flatcar.obtain(found, store, deadline, log, mirror=mirror, key=key, files=files, progress=bar)
    match form:
        case Format.IDS:
            output.say(done.version)
        case Format.JSON:
            output.as_json(_plain(done))
        case Format.TABLE:
            how = "was here" if done.cached else f"downloaded in {format_duration(done.seconds)}"
            output.say(f"Flatcar {found.channel} {done.version} ({architecture}) with systemd {done.systemd}: {how}.")
            output.say(f"Signed by {done.fingerprint}.")
            output.say(f"Disk: {show_path(done.disk)}")


def _resolved(
    wanted: str,
    systemd: str | None,
    architecture: str,
    store: Store,
    *,
    deadline: Deadline,
    mirror: str | None,
    files: Path,
) -> Release:
    if systemd is None:
        return flatcar.resolve(wanted, architecture, store, deadline, mirror=mirror, files=files)
    if wanted not in set(Channel):
        raise UsageError("--systemd chooses among the releases of a channel, and not with a version.")
    newest = flatcar.known(store, files).newest(Channel(wanted), architecture, systemd=_range(systemd))
    return newest.model_copy(update={"architectures": (architecture,)})


class _Bar:
    """Progress on standard error: one line that changes on a terminal, a line now and then elsewhere."""

    def __init__(self) -> None:
        self._screen = sys.stderr.isatty()
        self._last = time.monotonic()
        self._drawn = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._drawn:
            sys.stderr.write("\n")

    def __call__(self, progress: DownloadProgress) -> None:
        if time.monotonic() - self._last < EVERY[self._screen]:
            return
        self._last = time.monotonic()
        self._drawn = self._screen
        sys.stderr.write(f"\r\x1b[K{progress}" if self._screen else f"{progress}\n")
        sys.stderr.flush()


def _range(text: str | None) -> VersionRange | None:
    try:
        return VersionRange(text) if text is not None else None
    except ValueError as error:
        raise UsageError(f"{error}.") from error


def _sorted(index: Index) -> list[Release]:
    return sorted(index.releases.values(), key=lambda item: (item.channel, item.number))


def _fits(item: Release, channel: Channel | None, systemd: VersionRange | None) -> bool:
    known = item.best_systemd
    return channel in {None, item.channel} and (systemd is None or (known is not None and systemd.holds(known)))


def _row(item: Release, *, stored: bool) -> tuple[str, ...]:
    day = item.date.isoformat() if item.date else "-"
    facts = (item.best_systemd or "-", item.kernel or "-", " ".join(item.architectures))
    return str(item.channel), item.version, day, *facts, "yes" if stored else "-"


def _plain(done: Fetched) -> dict[str, Any]:
    paths = {"disk": done.disk, "kernel": done.kernel, "packages": done.packages, "version_file": done.version_file}
    return {
        "release": done.release.model_dump(mode="json"),
        "cached": done.cached,
        "sha512": done.sha512,
        "fingerprint": done.fingerprint,
        **{name: str(path) for name, path in paths.items()},
    }
