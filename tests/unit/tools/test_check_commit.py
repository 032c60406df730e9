"""The form of commit messages."""

from pathlib import Path

import pytest

from tools.check_commit import LONGEST, find_faults, main

WHY = "\n\nBecause the old way was wrong.\n"


@pytest.mark.parametrize(
    "message",
    [
        f"Add a thing{WHY}",
        f"{'x' * LONGEST}{WHY}",
        f"# a comment\n\nAdd a thing{WHY}# Please enter the message\n",
        "Merge branch 'x'",
        'Revert "a thing"',
        "fixup! Add a thing",
    ],
)
def test_good_messages(message: str) -> None:
    """A short subject with a reason is right, and so is what git writes itself."""
    assert [] == find_faults(message)


@pytest.mark.parametrize(
    ("message", "fault"),
    [
        ("", "is empty"),
        ("# only a comment\n", "is empty"),
        (f"{'x' * (LONGEST + 1)}{WHY}", "73 characters, more than 72"),
        (f"Add a thing.{WHY}", "full stop"),
        ("Add a thing\nBecause.\n", "no empty line"),
        ("Add a thing\n", "no body"),
        ("Add a thing\n\n# comment\n", "no body"),
        ("Add a thing\n\nSigned-off-by: A <a@example.org>\n", "no body"),
        (f"Add a thing\n{'# ' + '-' * 24} >8 {'-' * 24}\ndiff --git\n+text\n", "no body"),
    ],
)
def test_faults(message: str, fault: str) -> None:
    """Each fault is named in one sentence."""
    (sentence,) = find_faults(message)
    assert fault in sentence


def test_as_a_hook(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Git gives the name of a file, and stops at a status that is not 0."""
    path = tmp_path / "COMMIT_EDITMSG"
    path.write_text("Add a thing\n", encoding="utf-8")
    assert 1 == main([str(path)])
    assert "no body" in capsys.readouterr().err
    path.write_text(f"Add a thing{WHY}", encoding="utf-8")
    assert 0 == main([str(path)])
    assert 2 == main([])
