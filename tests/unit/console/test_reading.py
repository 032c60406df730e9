"""Consoles that are read: texts that guests really printed (`logs/`), logs that grow, and what no guest should print."""

import os
import time
import tracemalloc
from pathlib import Path

import pytest

from harness.console import Console, check_names, format_warnings
from harness.errors import UsageError
from harness.text import strip_escapes

RECORDED = Path(__file__).parent / "logs"

LINES = [
    # Formats of the kernel's messages: arch/x86/mm/fault.c, kernel/watchdog.c, arch/x86/kernel/traps.c, lib/bug.c ...
    ("[    1.0] BUG: kernel NULL pointer dereference, address: 0000000000000008", "kernel-bug"),
    ("[    1.0] BUG: unable to handle page fault for address: ffffffffc0000000", "kernel-bug"),
    ("[    1.0] #PF: supervisor read access in kernel mode", "kernel-bug"),
    ("[    1.0] kernel BUG at fs/ext4/inode.c:123!", "kernel-bug"),
    ("[    1.0] Oops: 0000 [#1] PREEMPT SMP NOPTI", "kernel-oops"),
    ("[    1.0] Oops: general protection fault, probably for non-canonical address: 0000 [#1] SMP", "kernel-oops"),
    ("[    1.0] general protection fault, probably for non-canonical address 0xdead", "general-protection-fault"),
    ("[    1.0] traps: runc[12] general protection fault ip:7f00 sp:7f01 error:0 in libc.so.6", "program-crashed"),
    ("[   30.0] watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [runc:123]", "soft-lockup"),
    ("[   30.0] BUG: workqueue lockup - pool cpus=0 node=0 flags=0x0 nice=0 stuck for 31s!", "kernel-check"),
    ("[  200.0] INFO: task systemd:1 blocked for more than 120 seconds.", "hung-task"),
    ("[   60.0] rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:", "rcu-stall"),
    ("[    2.0] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)", "root-not-mounted"),
    ("[    2.0] Kernel panic - not syncing: No working init found.", "no-init"),
    ("harness initrd: the disk /dev/vda cannot be mounted; powering off", "root-not-mounted"),
    ("[    2.0] systemd[1]: Freezing execution.", "systemd-freezes"),
    ("[!!!!!!] Failed to mount API filesystems, freezing.", "systemd-freezes"),
    ('You are in emergency mode. After logging in, type "journalctl -xb"', "emergency-mode"),
    ("Cannot open access to console, the root account is locked.", "emergency-mode"),
    ("[    3.0] systemd[1]: multi-user.target: Found ordering cycle on getty.target/start", "ordering-cycle"),
    ("[FAILED] Failed to start foo.service - A Unit.", "unit-failed"),
    ("a container prints: panic: runtime error", None),
    ("", None),
]


@pytest.mark.parametrize(("line", "rule"), LINES)
def test_each_line_is_named(line: str, rule: str | None, tmp_path: Path) -> None:
    """A line is named by the first rule that fits, and harmless lines by none."""
    log = tmp_path / "console.log"
    log.write_text(f"{line}\n", encoding="utf-8")

    assert ([rule] if rule else []) == [finding.rule for finding in Console(log).read()]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("panic", {"kernel-panic"}),
        ("emergency", {"emergency-mode"}),
        ("rescue", {"rescue-mode"}),
        ("no-root", {"root-not-mounted"}),
        ("warnings", {"out-of-memory", "program-crashed"}),
    ],
)
def test_recorded_console(name: str, expected: set[str]) -> None:
    """What guests really printed is recognized, through colours and all."""
    console = Console(RECORDED / f"{name}.log")
    console.read()

    assert expected == {finding.rule for finding in console.findings}
    assert (name != "warnings") == (console.fatal is not None)


def test_growing_log(tmp_path: Path) -> None:
    """A line counts once, when it is complete, and with its own number, however the log grows."""
    log = tmp_path / "console.log"
    console = Console(log)
    assert console.read() == []

    log.write_bytes(b"first\nKernel pan")
    assert console.read() == []

    log.write_bytes(b"first\nKernel panic - not syncing: x\r\nthird\n")
    (finding,) = console.read()
    assert (2, "Kernel panic - not syncing: x", True) == (finding.line, finding.text, finding.fatal)
    assert console.read() == []
    assert finding == console.fatal


def test_warnings(tmp_path: Path) -> None:
    """What is not fatal is a warning, one for each rule, with the first line; what is expected is none."""
    log = tmp_path / "console.log"
    killed = b"Out of memory: Killed process 7 (dd)\n"
    log.write_bytes(killed + b"x[3]: segfault at 0\n" + killed + b"Kernel panic - not syncing: x\n")
    console = Console(log)
    console.read()

    memory, crash = format_warnings(console.findings, (), "console.log")
    assert memory.startswith("out-of-memory: ")
    assert memory.endswith("console.log:1: Out of memory: Killed process 7 (dd) (and 1 more line)")
    assert "console.log:2: x[3]: segfault at 0" in crash
    assert list(format_warnings(console.findings, {"out-of-memory"}, "console.log")) == [crash]


def test_expected_rule_exists() -> None:
    """A suite that expects what no rule is called is reported."""
    check_names(["out-of-memory"])
    with pytest.raises(UsageError, match="kernel-panik"):
        check_names(["kernel-panik"])


def test_escapes_are_taken_out() -> None:
    """Colours, titles and carriage returns are no part of a line; text in any language is."""
    data = "\x1b[0;1;31mFAILED\x1b[0m\x1b]0;title\x07 Gr\u00fc\u00dfe\r\x1b(B".encode()

    assert strip_escapes(data) == "FAILED Gr\u00fc\u00dfe"


def test_excerpt(tmp_path: Path) -> None:
    """An excerpt is the last lines that say something, or those around what was fatal; a missing log has none."""
    log = tmp_path / "console.log"
    assert not Console(log).format_excerpt()
    assert not Console(log).format_tail()
    log.write_text("".join(f"line {number}\n\n" for number in range(30)), encoding="utf-8")

    assert Console(log).format_excerpt(2) == "  | line 28\n  | line 29"

    console = Console(RECORDED / "panic.log")
    console.read()
    assert "sysrq: Trigger a crash\n" in console.format_excerpt(4)


@pytest.mark.parametrize("prompt", ["(initramfs) ", "grub rescue> ", "Press Enter for emergency shell", ":/# "])
def test_a_prompt_counts_without_the_end_of_its_line(prompt: str, tmp_path: Path) -> None:
    """What waits for a key has no line end, and counts once, also when somebody presses one."""
    log = tmp_path / "console.log"
    console = Console(log)
    log.write_text(f"before\n{prompt}", encoding="utf-8")

    assert [2] == [finding.line for finding in console.read()]
    log.write_text(f"before\n{prompt}\n", encoding="utf-8")
    assert [] == console.read()
    assert console.fatal


def test_the_last_line_of_a_log_that_ended_counts(tmp_path: Path) -> None:
    """A guest that was cut off in a line has said it."""
    log = tmp_path / "console.log"
    log.write_bytes(b"x\n[    1.000000] Kernel panic - not syncing: x")
    console = Console(log)

    assert [] == console.read()
    assert console.read(ended=True)


def test_a_second_soft_lockup_of_a_processor_is_the_end(tmp_path: Path) -> None:
    """One may be a busy computer's doing; a second one on the same processor is fatal, and on another it is not."""
    log = tmp_path / "console.log"
    log.write_text(
        "".join(f"[   {n}.000000] watchdog: BUG: soft lockup - CPU#{n} stuck for 22s! [x:1]\n" for n in (10, 11))
    )
    console = Console(log)
    console.read()
    assert not console.fatal

    with log.open("a", encoding="utf-8") as file:
        file.write("[   40.000000] watchdog: BUG: soft lockup - CPU#10 stuck for 22s! [x:1]\n")
    assert [True] == [finding.fatal for finding in console.read()]


def test_a_busy_computer_is_told_apart_from_a_lost_guest(tmp_path: Path) -> None:
    """Where this computer has no time for its guests, a guest that stands still is a warning that says so."""
    log = tmp_path / "console.log"
    log.write_text("[   10.000000] watchdog: BUG: soft lockup - CPU#0 stuck for 99s! [x:1]\n[   11.000000] Oops [#1]\n")
    busy, idle = Console(log, find_load=lambda: "It was busy."), Console(log)

    assert [False, True] == [finding.fatal for finding in busy.read()]
    assert "It was busy." in busy.findings[0].description
    assert [True, True] == [finding.fatal for finding in idle.read()]


@pytest.mark.parametrize(
    "text",
    [
        "INFO: task ",
        "[    1.000000] ",
        "Kernel panic ",
        "Oops: 00 ",
        "\x1b[",
        "\x1b]x",
        "[    ",
        "BUG: ",
        "x" * 99,
        "[!!!!!!] A",
    ],
)
def test_a_line_of_any_length_takes_time_by_its_length(text: str, tmp_path: Path) -> None:
    """Lines made to be hard cost no more for each byte when they are longer, and what comes after them is seen."""
    log = tmp_path / "console.log"
    spent = []
    for size in (50_000, 400_000):
        log.write_bytes((text * (size // len(text))).encode() + b"\n[    1.000000] Kernel panic - not syncing: x\n")
        begin = time.process_time()
        console = Console(log)
        console.read()
        spent.append(time.process_time() - begin)
        assert any(finding.line == 2 and finding.rule == "kernel-panic" for finding in console.findings)

    assert spent[1] < 20 * spent[0] + 0.1


def test_a_panic_deep_in_a_line_is_seen(tmp_path: Path) -> None:
    """A program that prints without line ends hides no panic, wherever the parts of the line are cut."""
    log = tmp_path / "console.log"
    for size in (4000, 4090, 8050, 100_000, 1_048_570):
        log.write_bytes(b"." * size + b"[   12.345678] Kernel panic - not syncing: x\n")
        console = Console(log)
        console.read()
        assert [1] == [finding.line for finding in console.findings], size


@pytest.mark.slow
def test_a_console_of_any_size_takes_little_memory(tmp_path: Path) -> None:
    """A log of many findings and a line of 20 MB take some MB to read and to show."""
    log = tmp_path / "console.log"
    with log.open("wb") as file:
        file.write(b"x[3]: segfault at 0\n" * 2_000)
        os.truncate(file.fileno(), 20_000_000)
    console = Console(log)
    tracemalloc.start()
    try:
        console.read(ended=True)
        console.format_tail()
        console.format_excerpt()
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert most < 10_000_000
    assert console.counts["program-crashed"] == 2_000
    assert len(console.findings) < 100
    assert "(and 1999 more lines)" in next(format_warnings(console.findings, (), "console.log", console.counts))


def test_a_log_that_was_cut_goes_on(tmp_path: Path) -> None:
    """A log that was cut at its end is read on from there."""
    log = tmp_path / "console.log"
    log.write_bytes(b"y" * 5000 + b"\n")
    console = Console(log)
    console.read()
    log.write_bytes(b"cut\n")
    console.read()
    with log.open("ab") as file:
        file.write(b"[    1.000000] Kernel panic - not syncing: x\n")

    assert console.read()


def test_a_log_of_a_guest_that_never_ends_is_cut(tmp_path: Path) -> None:
    """A log that is too large is cut with a note, again and again; what comes after that is judged and counted on."""
    log = tmp_path / "console.log"
    console = Console(log)
    for _ in range(3):
        with log.open("ab") as file:
            file.write(b"noise\n" * 1000)
        console.read()
        console.limit(3000)
    assert log.stat().st_size < 3200
    assert "bytes of the console were left out here" in log.read_text()
    with log.open("ab") as file:
        file.write(b"[    1.000000] Kernel panic - not syncing: x\n")

    assert ["kernel-panic"] == [finding.rule for finding in console.read()]
    assert "Kernel panic" in console.format_excerpt()
