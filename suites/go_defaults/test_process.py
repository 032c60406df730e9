"""What a program gets from its caller, and hands on: processors, limits, descriptors, signals, programs by name."""

import pytest

from suites.go_defaults.guest_program import Program
from suites.lib.guest import Guest


def test_quota_leaves_the_number_of_processors(program: Program, guest: Guest) -> None:
    """As many threads run as the guest has processors, though all of them together get the time of one."""
    usual = program.run("processors").out.split()[1]
    if int(usual) < 3:
        pytest.skip(f"needs 3 processors; the guest has {usual} (`defaults.cpus` of the matrix)")
    limited = guest.do('systemd-run --quiet --wait --pipe -p CPUQuota=100% "$1" processors', program.path)
    assert limited.split() == [usual, usual]


def test_soft_limit_of_open_files_stays(program: Program) -> None:
    """The program itself keeps the soft limit that it was started with."""
    assert program.run("descriptors", before="ulimit -Sn 1000; ").out == "1000\n"


def test_soft_limit_of_open_files_is_handed_on(program: Program) -> None:
    """What the program starts has the soft limit that the program was started with."""
    assert program.run("run", "sh", "-c", "ulimit -Sn", before="ulimit -Sn 1000; ").out == "1000\n"


def test_program_is_found_in_a_relative_directory(program: Program) -> None:
    """A relative entry in PATH counts, as for a shell."""
    done = program.run("run", "found", before="cd /run && mkdir -p own && cp /bin/true own/found && PATH=own:$PATH; ")
    assert (done.code, done.out) == (0, ""), done.out


def test_child_costs_no_descriptor(program: Program) -> None:
    """While a child without pipes runs, the program has the descriptors that it had before."""
    assert program.run("held").out == "0\n"


def test_signal_is_caught(program: Program) -> None:
    """A signal that was asked for arrives, and ends nothing."""
    assert program.run("signal").out == "terminated\n"


def test_ignored_signals_are_handed_on(program: Program) -> None:
    """What the program was started to ignore, its children ignore too, as below nohup."""
    mask = program.run("run", "grep", "SigIgn", "/proc/self/status", before="trap '' HUP INT; ").out
    assert int(mask.split()[1], 16) & 3 == 3, mask


def test_numbers_are_the_same_each_time(program: Program) -> None:
    """Random numbers without a seed are those of seed 1."""
    first = program.run("random").out
    assert first.strip().isdecimal(), first
    assert program.run("random").out == first
