"""Who wrote what in a line of a serial console: kernel, systemd, or somebody who quotes them.

Several write to one console at once, so a line is cut at the kernel's time stamps, wherever they stand. A stamp that
somebody quotes (a log that is printed, a command that is typed, a container whose lines are logged) begins nothing.
All takes time by the length of a line.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

__all__ = ["LONGEST", "Message", "list_messages"]

LONGEST = 512
"""Characters of a message that are judged; the kernel's own end at about 1000, and say what they are at the beginning."""

STAMP = re.compile(
    r"\[(?: {0,8}[0-9]{1,10}\.[0-9]{6}| {1,8}[0-9]{1,10}\.[0-9]{1,9})\](?:\[ *[TC][0-9]{1,8}\])? ?|\[ +[TC][0-9]{1,8}\] ?"
)
"""printk's time since the boot, and its caller (CONFIG_PRINTK_CALLER): kernel/printk/printk.c."""

DATE = re.compile(
    r"(?:\[[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d \d{4}\] "
    r"|[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d(?:\.\d{1,9})? \S{1,64} "
    r"|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[\d.,:+Z-]{0,16} (?:\S{1,64} (?=[\w.@()/-]{1,64}(?:\[\d{1,8}\])?: ))?)"
)
"""What `dmesg --ctime`, journalctl, syslog or a CI system puts before a line: a date, and mostly a host."""

LEVEL = re.compile(r"<\d{1,2}>")
HOST = re.compile(r"[\w.-]{1,64} (?=(?:kernel|[\w.@()/-]{1,64}\[\d{1,8}\]): )")
"""`journalctl -o short-monotonic` has the host after the stamp."""
KERNEL = "kernel: "

TYPED = re.compile(r"(?:\[[^\]]{0,80}\]|[\w@.:~/()+-]{0,80}) ?[#$%>] +\S|\+ ")
"""A prompt of a shell and what was typed there; a shell that prints what it runs."""
QUOTING = re.compile(r"(?:[\"'`=(|>,]\s*|\S:|[\w.@()/-]\[\d{1,8}\]: |: )$")
"""What stands before a text that somebody quotes."""
ASKING = re.compile(r"(?:login|[Pp]assword|continue\)|maintenance\)?): $")
"""What waits at the end of a line for a person, and is no quotation of what comes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A part of a line that one writer wrote.

    Attributes:
        text: What it says, at most `LONGEST` characters.
        stamped: Whether the kernel's stamp, or a journal's name of the kernel, stood before it.
    """

    text: str
    stamped: bool


def list_messages(line: str, *, begins: bool = True) -> Iterator[Message]:
    """Yield the messages of a line without escapes; `begins` says that it is the beginning of one, not a later part."""
    stamps = list(STAMP.finditer(line))
    head = line[: stamps[0].start()] if stamps else line
    if begins:
        text, kernel = _strip_date(head)
        if text:
            yield Message(text=text, stamped=kernel)
        elif kernel:
            head = ""
    for number, stamp in enumerate(stamps):
        if _is_quoted(head if number == 0 else line[max(0, stamp.start() - 8) : stamp.start()]):
            return
        end = stamps[number + 1].start() if number + 1 < len(stamps) else len(line)
        text, _ = _strip_date(line[stamp.end() : min(end, stamp.end() + 2 * LONGEST)])
        yield Message(text=text, stamped=True)


def _strip_date(text: str) -> tuple[str, bool]:
    """Return a message without what stands before it, and whether that says that the kernel wrote it."""
    dated = False
    for pattern in (LEVEL, DATE, HOST):
        match = pattern.match(text)
        if match:
            text = text[match.end() :]
            dated = dated or (pattern is DATE and match[0].startswith("["))
    text = text[:LONGEST].strip()
    if f"{text} ".startswith(KERNEL):
        return text[len(KERNEL) :], True
    return text, dated


def _is_quoted(before: str) -> bool:
    text, kernel = _strip_date(before[:LONGEST])
    if kernel or not text:
        return False
    tail = before[-80:]
    return bool(TYPED.match(text) or (QUOTING.search(tail) and not ASKING.search(tail)))
