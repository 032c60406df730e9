"""`harness image`: which releases of Flatcar there are, and one of them verified on this computer."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import platformdirs
import typer

from harness import store as stores
from harness.app.settings import APPLICATION, show_path
from harness.cli import output
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.distros import flatcar
from harness.distros.flatcar import Channel, Release
from harness.distros.flatcar.release_store import KIND
from harness.distros.flatcar.releases import INDEX
from harness.errors import UsageError
from harness.fetch import DownloadProgress
from harness.model import VersionRange
from harness.store import Store
from harness.text import format_duration

__all__ = ["verbs"]

HOUR = 3600.0
"""Seconds for a download."""

EVERY = {True: 0.2, False: 10.0}
"""Seconds between two lines of progress, on a terminal and elsewhere."""

FOLDER = Path("images") / "flatcar"

HEADS = ("channel", "version", "date", "systemd", "kernel", "for", "stored")

SystemdOption = Annotated[
    str | None, typer.Option("--systemd", metavar="RANGE", help="Only with such a systemd: '>=252,<255' or '==252'.")
]
ArchitectureOption = Annotated[str, typer.Option("--arch", metavar="NAME", help="The processor by Flatcar's name.")]

verbs = typer.Typer(no_args_is_help=True)


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
        known = flatcar.load_index(store, files)
    shown = known.choose(channel=channel, systemd=_parse_range(systemd))
    kept = {item.title.split()[2] for item in stores.list_artifacts(store) if item.kind == KIND}
    table = output.format_table(HEADS, [_make_row(item, stored=item.version in kept) for item in shown])
    output.show(
        form,
        ids=(item.version for item in shown),
        data=lambda: [item.model_dump(mode="json") | {"stored": item.version in kept} for item in shown],
        lines=(
            *(table if shown else ()),
            f"{len(shown)} of {len(known.releases)} releases, as of {known.date}: {known.source}.",
        ),
    )


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
    found = flatcar.resolve(
        release, architecture, store, deadline, mirror=mirror, files=files, systemd=_parse_range(systemd)
    )
    log = platformdirs.user_log_path(APPLICATION) / f"flatcar-{found.version}.log"
    with _show_download() as show:
        done = flatcar.obtain(found, store, deadline, log, mirror=mirror, key=key, files=files, progress=show)
    how = "was here" if done.cached else f"downloaded in {format_duration(done.seconds)}"
    paths = ("disk", "kernel", "packages", "version_file")
    output.show(
        form,
        ids=[done.version],
        data=lambda: {
            "release": done.release.model_dump(mode="json"),
            "cached": done.cached,
            "sha512": done.sha512,
            "fingerprint": done.fingerprint,
            **{name: str(getattr(done, name)) for name in paths},
        },
        lines=[
            f"Flatcar {found.channel} {done.version} ({architecture}) with systemd {done.systemd}: {how}.",
            f"Signed by {done.fingerprint}.",
            f"Disk: {show_path(done.disk)}",
        ],
    )


@contextmanager
def _show_download() -> Iterator[Callable[[DownloadProgress], None]]:
    """Print progress on standard error: one line that changes on a terminal, a line now and then elsewhere."""
    screen, last, drawn = sys.stderr.isatty(), time.monotonic(), False

    def show(progress: DownloadProgress) -> None:
        nonlocal last, drawn
        if time.monotonic() - last >= EVERY[screen]:
            last, drawn = time.monotonic(), screen
            sys.stderr.write(f"\r\x1b[K{progress}" if screen else f"{progress}\n")
            sys.stderr.flush()

    try:
        yield show
    finally:
        if drawn:
            sys.stderr.write("\n")


def _parse_range(text: str | None) -> VersionRange | None:
    try:
        return VersionRange(text) if text is not None else None
    except ValueError as error:
        raise UsageError(f"{error}.") from error


def _make_row(item: Release, *, stored: bool) -> tuple[str, ...]:
    day = item.date.isoformat() if item.date else "-"
    facts = (item.best_systemd or "-", item.kernel or "-", " ".join(item.architectures))
    return str(item.channel), item.version, day, *facts, "yes" if stored else "-"
