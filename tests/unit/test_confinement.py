"""Which confinement of QEMU is taken: tried with the real QEMU, and with doubles that take less."""

import os
from pathlib import Path

import pytest

from harness import confinement
from harness.accel import QEMU
from harness.confinement import USERS, probe_confinement
from harness.wait import Deadline

TAKES = [
    ("", ("-sandbox", "-runas") if os.geteuid() == 0 else ("-sandbox",)),
    ('case "$*" in *-runas*) exit 1 ;; esac', ("-sandbox", "-run-with") if os.geteuid() == 0 else ("-sandbox",)),
    ('case "$*" in *-runas*|*-run-with*) exit 1 ;; esac', ("-sandbox",)),
    ('case "$*" in *-sandbox*) exit 1 ;; esac', ()),
    ('case "$*" in *-sandbox*) kill -SYS $$ ;; esac', ()),
]
"""What a QEMU does, and the options that it gets."""


@pytest.mark.parametrize(("script", "taken"), TAKES, ids=["all", "9.1 and later", "no user", "no filter", "killed"])
def test_the_strictest_that_qemu_takes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deadline: Deadline, script: str, taken: tuple[str, ...]
) -> None:
    """What QEMU refuses, or dies of, is left out, and nothing else; it is said whether that is all."""
    double = tmp_path / QEMU
    double.write_text(f"#!/bin/sh\n{script}\nexit 0\n")
    double.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")

    found = probe_confinement(deadline)

    assert tuple(word for word in found.options if word.startswith("-")) == taken
    assert found.whole == (len(taken) == 2 or (bool(taken) and os.geteuid() != 0))
    assert probe_confinement(deadline) is found


def test_root_that_cannot_end_other_users_processes_starts_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A guest that nobody could end would outlive the harness."""
    monkeypatch.setattr(confinement, "_may_kill", lambda: False)

    assert not any("{user}" in word for each in confinement._list_confinements() for word in each.options)


def test_guests_next_to_each_other_have_different_users() -> None:
    """The user is one of a range that nobody has, by a number of the guest, and group and user are the same."""
    option = confinement.Confinement(options=("-runas", "{user}:{user}"), says="x")
    users = {option.make_options(port)[1] for port in range(40000, 40000 + len(USERS))}

    assert len(users) == len(USERS)
    assert all(first == second and int(first) in USERS for first, second in (user.split(":") for user in users))
