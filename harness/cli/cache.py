"""`harness cache`: what the store has, room on the disk, and whether its files are what they were."""

import re
import time
from collections.abc import Iterable
from datetime import UTC, datetime
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
from harness.text import format_duration, pluralize

__all__ = ["register"]

HOUR = 3600.0
"""Seconds for work on the whole store."""

KEY_DIGITS = 12
"""Digits of a key that people are shown."""

UNITS = "KMGT"
FACTOR = 1024
SIZE = re.compile(rf"([0-9]{{1,15}}(?:\.[0-9]+)?) *([{UNITS}]?)(?:i?B)?", re.IGNORECASE)

KeepOption = Annotated[
    str,
    typer.Option(
        "--keep",
        metavar="SIZE",
        help="How much may remain on the disk: 20G, 500M; K, M, G and T are powers of 1024, and 0 removes all.",
    ),
]

verbs = typer.Typer(no_args_is_help=True, help="What is in the store; make room; find damage.")


def register(app: typer.Typer) -> None:
    """Add the verb to the application."""
    app.add_typer(verbs, name="cache")


@verbs.command("list")
def list_artifacts(context: typer.Context, *, form: FormatOption = Format.TABLE) -> None:
    """Print what is in the store, the latest use first."""
    settings = get_settings(context)
    items = stores.list_artifacts(Store(settings.store))
    match form:
        case Format.IDS:
            _lines(item.name for item in items)
        case Format.JSON:
            output.as_json([_plain(item) for item in items])
        case Format.TABLE:
            if items:
                output.table(("kind", "key", "size", "last used", "made in", "what"), [_row(item) for item in items])
            total = _shown(sum(item.size for item in items))
            output.say(f"{pluralize(len(items), 'artifact')} with {total} in {show_path(settings.store)}.")


@verbs.command()
def prune(context: typer.Context, *, keep: KeepOption, form: FormatOption = Format.TABLE) -> None:
    """Remove what was not used for the longest time until the rest fits, and what killed processes left.

    What a running harness makes or uses stays.
    """
    settings = get_settings(context)
    store = Store(settings.store)
    limit = _bytes(keep)
    done = stores.prune(store, limit, settings.make_deadline(HOUR, "pruning of the store"))
    images = build.prune_images(store)
    match form:
        case Format.IDS:
            _lines(item.name for item in done.removed)
        case Format.JSON:
            report = {
                "removed": [_plain(item) for item in done.removed],
                "leftovers": [str(path) for path in done.leftovers],
                "images": images,
                "busy": [item.name for item in done.busy],
                "bytes": done.size,
            }
            output.as_json(report)
        case Format.TABLE:
            for item in done.removed:
                output.say(f"removed {item.kind} {item.key[:KEY_DIGITS]} ({_shown(item.size)}): {item.title}")
            for what in (*map(show_path, done.leftovers), *images):
                output.say(f"removed {what}")
            output.say(f"{_shown(done.size)} remain in {show_path(settings.store)}.")
            if done.size > limit:
                what = pluralize(len(done.busy), "artifact is", "artifacts are")
                output.say(f"That is more than {_shown(limit)}: {what} in use now and kept.")


@verbs.command()
def verify(context: typer.Context, *, form: FormatOption = Format.TABLE) -> None:
    """Read every file in the store, and remove the artifacts that are not what they were; they are made again."""
    settings = get_settings(context)
    done = stores.verify(Store(settings.store), settings.make_deadline(HOUR, "verification of the store"))
    match form:
        case Format.IDS:
            _lines(item.name for item in done.damaged)
        case Format.JSON:
            damaged = [
                {"kind": item.kind, "key": item.key, "title": item.title, "what": item.what} for item in done.damaged
            ]
            output.as_json({"sound": done.sound, "busy": done.busy, "damaged": damaged})
        case Format.TABLE:
            for item in done.damaged:
                title = f" ({item.title})" if item.title else ""
                output.say(f"removed {item.kind} {item.key[:KEY_DIGITS]}{title}: {item.what}.")
            busy = f" {pluralize(done.busy, 'is', 'are')} being made now and not looked at." if done.busy else ""
            output.say(f"{pluralize(done.sound, 'artifact is as it was', 'artifacts are as they were')} made.{busy}")
    if done.damaged:
        count = len(done.damaged)
        raise InfrastructureError(
            f"The store {show_path(settings.store)} had {pluralize(count, 'damaged artifact')}; the damage is removed.",
            hint="What was removed is made again at its next use. If it happens again, test the disk and the memory.",
        )


def _bytes(text: str) -> int:
    """Return the bytes of a size as people write it; raises UsageError for what is none."""
    match = SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"`{text}` is not a size; write a number with K, M, G or T after it, such as 20G or 500M.")
    return int(float(match[1]) * FACTOR ** (UNITS.find(match[2].upper()) + 1 if match[2] else 0))


def _shown(size: float) -> str:
    """Return the bytes as people write them, to be read back by `_bytes`."""
    unit = ""
    for larger in UNITS:
        if size < FACTOR:
            break
        size, unit = size / FACTOR, larger
    return f"{size:.1f}{unit}" if unit else f"{size:.0f}"


def _lines(names: Iterable[str]) -> None:
    for name in names:
        output.say(name)


def _used(item: Stored) -> float:
    # The order of uses is always right; a time to come is from a clock that ran ahead.
    return min(item.used / 1e9, time.time())


def _plain(item: Stored) -> dict[str, Any]:
    used = datetime.fromtimestamp(_used(item), tz=UTC).isoformat(timespec="seconds")
    facts = {"kind": item.kind, "key": item.key, "title": item.title, "bytes": item.size}
    return facts | {"used": used, "seconds": item.seconds}


def _row(item: Stored) -> tuple[str, ...]:
    used = time.strftime("%Y-%m-%d %H:%M", time.localtime(_used(item)))
    return item.kind, item.key[:KEY_DIGITS], _shown(item.size), used, format_duration(item.seconds) or "-", item.title
