"""`harness cache`: what the store has, room on the disk, and whether its files are what they were."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer

from harness import build
from harness import store as stores
from harness.app.settings import show_path
from harness.cli import output
from harness.cli.output import Format, FormatOption
from harness.cli.settings import get_settings
from harness.errors import InfrastructureError, UsageError
from harness.store import Store, Stored
from harness.text import format_duration, format_size, parse_size, pluralize

__all__ = ["verbs"]

HOUR = 3600.0
"""Seconds for work on the whole store."""

KEY_DIGITS = 12
"""Digits of a key that people are shown."""

HEADS = ("kind", "key", "size", "last used", "made in", "what")

KeepOption = Annotated[
    str,
    typer.Option(
        "--keep",
        metavar="SIZE",
        help="How much may remain on the disk: 20G, 500M; K, M, G and T are powers of 1024, and 0 removes all.",
    ),
]

verbs = typer.Typer(no_args_is_help=True)


@verbs.command("list")
def list_artifacts(context: typer.Context, *, form: FormatOption = Format.TABLE) -> None:
    """Print what is in the store, the latest use first."""
    settings = get_settings(context)
    items = stores.list_artifacts(Store(settings.store))
    total = format_size(sum(item.size for item in items))
    output.show(
        form,
        ids=(item.name for item in items),
        data=lambda: [_plain(item) for item in items],
        lines=(
            *(output.format_table(HEADS, map(_make_row, items)) if items else ()),
            f"{pluralize(len(items), 'artifact')} with {total} in {show_path(settings.store)}.",
        ),
    )


@verbs.command()
def prune(context: typer.Context, *, keep: KeepOption, form: FormatOption = Format.TABLE) -> None:
    """Remove what was not used for the longest time until the rest fits, and what killed processes left.

    What a running harness makes or uses stays.
    """
    settings = get_settings(context)
    store = Store(settings.store)
    try:
        limit = parse_size(keep)
    except ValueError as error:
        raise UsageError(f"{error}.") from error
    done = stores.prune(store, limit, settings.make_deadline(HOUR, "pruning of the store"))
    images = build.prune_images(store)

    def format_lines() -> Iterator[str]:
        for item in done.removed:
            yield f"removed {item.kind} {item.key[:KEY_DIGITS]} ({format_size(item.size)}): {item.title}"
        yield from (f"removed {what}" for what in (*map(show_path, done.leftovers), *images))
        yield f"{format_size(done.size)} remain in {show_path(settings.store)}."
        if done.size > limit:
            what = pluralize(len(done.busy), "artifact is", "artifacts are")
            yield f"That is more than {format_size(limit)}: {what} in use now and kept."

    output.show(
        form,
        ids=(item.name for item in done.removed),
        data=lambda: {
            "removed": [_plain(item) for item in done.removed],
            "leftovers": [str(path) for path in done.leftovers],
            "images": images,
            "busy": [item.name for item in done.busy],
            "bytes": done.size,
        },
        lines=format_lines(),
    )


@verbs.command()
def verify(context: typer.Context, *, form: FormatOption = Format.TABLE) -> None:
    """Read every file in the store, and remove the artifacts that are not what they were; they are made again."""
    settings = get_settings(context)
    done = stores.verify(Store(settings.store), settings.make_deadline(HOUR, "verification of the store"))

    def format_lines() -> Iterator[str]:
        for item in done.damaged:
            title = f" ({item.title})" if item.title else ""
            yield f"removed {item.kind} {item.key[:KEY_DIGITS]}{title}: {item.what}."
        busy = f" {pluralize(done.busy, 'is', 'are')} being made now and not looked at." if done.busy else ""
        yield f"{pluralize(done.sound, 'artifact is as it was', 'artifacts are as they were')} made.{busy}"

    output.show(
        form,
        ids=(item.name for item in done.damaged),
        data=lambda: {
            "sound": done.sound,
            "busy": done.busy,
            "damaged": [{key: getattr(item, key) for key in ("kind", "key", "title", "what")} for item in done.damaged],
        },
        lines=format_lines(),
    )
    if done.damaged:
        count = len(done.damaged)
        raise InfrastructureError(
            f"The store {show_path(settings.store)} had {pluralize(count, 'damaged artifact')}; the damage is removed.",
            hint="What was removed is made again at its next use. If it happens again, test the disk and the memory.",
        )


def _plain(item: Stored) -> dict[str, Any]:
    facts = {"kind": item.kind, "key": item.key, "title": item.title, "bytes": item.size}
    return facts | {"used": item.used_at.isoformat(timespec="seconds"), "seconds": item.seconds}


def _make_row(item: Stored) -> tuple[str, ...]:
    used = f"{item.used_at.astimezone():%Y-%m-%d %H:%M}"
    size = format_size(item.size)
    return item.kind, item.key[:KEY_DIGITS], size, used, format_duration(item.seconds) or "-", item.title
