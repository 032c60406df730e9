"""How memories of saved guests are kept: tried with the real QEMU, where it is there, and with doubles that take less."""

import os
from pathlib import Path

import pytest

from harness import proc
from harness.accel import QEMU
from harness.machine.template import ANSWER, COPY, probe_template
from harness.wait import Deadline

REFUSE = 'case "$*" in *{what}*) echo "{why}" >&2; exit 1 ;; esac'


@pytest.fixture
def double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program in QEMU's place, which asks the real one where it does not refuse; its first line says what."""
    real = proc.find(QEMU)
    path = tmp_path / "bin" / QEMU
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\n\necho "$*" >>{tmp_path}/asked\nexec {real} "$@"\n', encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", str(path.parent), prepend=":")
    return path


def refuse(double: Path, what: str) -> None:
    lines = double.read_text(encoding="utf-8").split("\n")
    lines[1] = REFUSE.format(what=what, why="not taken")
    double.write_text("\n".join(lines), encoding="utf-8")


@pytest.mark.skipif(proc.find(QEMU) is None, reason="there is no QEMU")
@pytest.mark.slow
def test_the_strictest_that_qemu_takes(double: Path, tmp_path: Path, deadline: Deadline) -> None:
    """A real QEMU saves a memory and maps it twice; one that wants to write to the file gets it so, and root only reads it."""
    refuse(double, "readonly=on")
    found = probe_template(tmp_path, deadline)
    assert (found.shared, found.options) == (True, "")
    assert found.mode == (0o400 if os.geteuid() == 0 else 0o600)
    assert not list(tmp_path.glob(".trial-*"))


@pytest.mark.skipif(proc.find(QEMU) is None, reason="there is no QEMU")
def test_without_it_each_clone_copies(double: Path, tmp_path: Path, deadline: Deadline) -> None:
    """A QEMU that takes no memory of a file is no error; the answer has its words, and is remembered for this QEMU only."""
    refuse(double, "memory-backend-file")
    found = probe_template(tmp_path, deadline)
    assert not found.shared
    assert found.reason == f"{COPY.reason} QEMU does not share one here: QEMU ended: not taken."
    asked = (tmp_path / "asked").read_text(encoding="utf-8")
    assert probe_template(tmp_path, deadline) is found
    assert asked == (tmp_path / "asked").read_text(encoding="utf-8")
    known = (tmp_path / ANSWER).read_text(encoding="utf-8")
    # Another one, which is found out by its time.
    os.utime(double, ns=(1, 1))
    assert not probe_template(tmp_path, deadline).shared
    assert known != (tmp_path / ANSWER).read_text(encoding="utf-8")


@pytest.mark.skipif(proc.find(QEMU) is None, reason="there is no QEMU")
def test_a_broken_answer_is_asked_again(double: Path, tmp_path: Path, deadline: Deadline) -> None:
    """What is in the file is no answer, or one to another question, as in a store of another version."""
    refuse(double, "memory-backend-file")
    for text in ("", "{}", '{"key": {}, "answer": {"shared": true, "reason": "x"}}', '{"key": 1, "answer": [1]}'):
        (tmp_path / ANSWER).write_text(text, encoding="utf-8")
        os.utime(double, ns=(len(text), len(text)))
        assert not probe_template(tmp_path, deadline).shared
