"""Starting processes: what they get, what comes back, and that nothing of them is left."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from harness import proc
from harness.errors import CancelledError, DeadlineError, InfrastructureError
from harness.proc import CommandError, SpawnError
from harness.process_identity import read_start_time
from harness.wait import Cancellation, Deadline, poll


@pytest.fixture
def soon() -> Deadline:
    return Deadline.after(30, "command")


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    return read_start_time(pid) is not None


def wait_for_end(pid: int) -> None:
    """Wait until a killed process that is not our child is gone: the kernel takes a moment."""
    poll(lambda: None if is_running(pid) else True, Deadline.after(5, "end of a killed process"))


def read_pid(path: Path, deadline: Deadline) -> int:
    """Return the number that a command writes into a file, once it has."""
    return int(poll(lambda: path.read_text().strip() or None if path.exists() else None, deadline))


def test_output_is_mixed_in_its_order_or_kept_apart(soon: Deadline) -> None:
    """Both streams are one text as a user sees it, unless the caller wants standard output alone."""
    argv = ["sh", "-c", "echo one; echo two >&2; echo three"]
    assert ("one\ntwo\nthree\n", "") == ((done := proc.run(argv, deadline=soon)).out, done.err)
    done = proc.run(argv, deadline=soon, apart=True)
    assert (tuple(argv), 0, "one\nthree\n", "two\n") == (done.argv, done.code, done.out, done.err)


def test_bytes_that_are_no_text_are_replaced(soon: Deadline) -> None:
    """What a command prints is text in the result, whatever it is."""
    assert proc.run(["printf", r"a\377b"], deadline=soon).out == "a\N{REPLACEMENT CHARACTER}b"


@pytest.mark.parametrize("kind", ["bytes", "file", "nothing"])
def test_standard_input(kind: str, soon: Deadline, tmp_path: Path) -> None:
    """It is what the caller gives, and never our own."""
    (tmp_path / "in").write_bytes(b"text")
    inputs: dict[str, bytes | Path | None] = {"bytes": b"text", "file": tmp_path / "in", "nothing": None}
    stdin = inputs[kind]
    assert proc.run(["cat"], deadline=soon, stdin=stdin).out == ("" if stdin is None else "text")


def test_argv_is_no_shell_text(soon: Deadline) -> None:
    """Each word arrives as it is."""
    words = ["a b", "$HOME", "*", "'", ""]
    assert proc.run(["printf", "%s\\n", *words], deadline=soon).out.splitlines() == words


def test_a_status_that_was_not_expected_is_an_error_with_the_end_of_the_output(soon: Deadline) -> None:
    """The message has the command as a shell takes it, its status and its last lines; the hint is the caller's."""
    argv = ["sh", "-c", "seq 40; exit 3"]
    with pytest.raises(CommandError) as caught:
        proc.run(argv, deadline=soon, hint="Try less.")
    first, *tail = str(caught.value).splitlines()
    assert first == "The command `sh -c 'seq 40; exit 3'` ended with status 3."
    assert [f"  | {number}" for number in range(11, 41)] == tail
    assert ("Try less.", 3) == (caught.value.hint, caught.value.done.code)
    assert proc.run(argv, deadline=soon, expect=(0, 3)).code == 3
    assert proc.run(argv, deadline=soon, expect=None).code == 3


def test_errors_come_before_output_in_the_message(soon: Deadline) -> None:
    """Where they were kept apart, what went wrong is on standard error."""
    with pytest.raises(CommandError, match=r"ended with status 1\.\n  \| wrong$"):
        proc.run(["sh", "-c", "echo much; echo wrong >&2; exit 1"], deadline=soon, apart=True)


def test_a_signal_is_named(soon: Deadline) -> None:
    """A command that was killed has no status; the message names the signal."""
    with pytest.raises(CommandError, match=r"was ended by SIGKILL\.$") as caught:
        proc.run(["sh", "-c", "kill -KILL $$"], deadline=soon)
    assert caught.value.done.code == -signal.SIGKILL


def test_output_is_appended_to_a_file(soon: Deadline, tmp_path: Path) -> None:
    """The file is made with its directory, keeps what it had, and the result has this command's part only."""
    log = tmp_path / "deep" / "log"
    assert proc.run(["echo", "one"], deadline=soon, output=log).out == "one\n"
    assert proc.run(["echo", "two"], deadline=soon, output=log).out == "two\n"
    with pytest.raises(CommandError, match=rf"status 1; its output is in {log}\.\n  \| three$"):
        proc.run(["sh", "-c", "echo three; exit 1"], deadline=soon, output=log)
    assert log.read_text() == "one\ntwo\nthree\n"


def test_the_environment_is_clean(soon: Deadline, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of ours a command gets what says where tools, caches and the network are, and a locale that is always the same."""
    for name in ("HTTPS_PROXY", "PIP_INDEX_URL", "PYTHONPATH", "LANGUAGE", "DOCKER_HOST"):
        monkeypatch.setenv(name, "ours")
    monkeypatch.setenv("LC_ALL", "de_DE")
    got = dict(line.split("=", 1) for line in proc.run(["env", "-0"], deadline=soon).out.split("\0") if line)
    assert ("ours", "ours") == (got["HTTPS_PROXY"], got["PIP_INDEX_URL"])
    assert {"PYTHONPATH", "LANGUAGE", "DOCKER_HOST"}.isdisjoint(got)
    assert ("C.UTF-8", "C.UTF-8") == (got["LANG"], got["LC_ALL"])
    assert got["PATH"] == f"{os.environ['PATH']}:{proc.SBIN}"
    assert proc.make_environment({"LANG": "x", "MORE": "y"}) == proc.make_environment() | {"LANG": "x", "MORE": "y"}


def test_an_environment_that_is_given_is_all(soon: Deadline, tmp_path: Path) -> None:
    """Nothing is added to it; and the working directory is the caller's too."""
    done = proc.run(["/bin/sh", "-c", "/bin/pwd; exec /usr/bin/env"], deadline=soon, env={"ONLY": "this"}, cwd=tmp_path)
    assert [str(tmp_path), "ONLY=this"] == [line for line in done.out.splitlines() if not line.startswith("PWD=")]


def test_a_command_that_is_not_there_says_so(soon: Deadline, tmp_path: Path) -> None:
    """Before anything runs: an executable that is missing, and one that is none."""
    with pytest.raises(
        InfrastructureError, match=r"The command `no-such-tool -x` could not start: No such file"
    ) as lack:
        proc.run(["no-such-tool", "-x"], deadline=soon)
    assert "make deps" in str(lack.value.hint)
    (tmp_path / "text").write_text("no program")
    with pytest.raises(InfrastructureError, match=r"text` may not be run: Permission denied\.$"):
        proc.run([str(tmp_path / "text")], deadline=soon)


def test_the_deadline_ends_the_whole_group(tmp_path: Path) -> None:
    """A child that its parent left behind, and that ignores the first signal, is gone when the wait ends."""
    script = f"sleep 60 & echo $! > {tmp_path}/child; echo $$ > {tmp_path}/parent; exec sleep 60"
    began = time.monotonic()
    with pytest.raises(DeadlineError, match="The boot of x did not end within"):
        proc.run(["sh", "-c", script], deadline=Deadline.after(2, "boot of x"))
    # Long before the commands end by themselves, on a computer that has much else to do as well.
    assert time.monotonic() - began < 30
    assert not is_running(int((tmp_path / "parent").read_text()))
    wait_for_end(int((tmp_path / "child").read_text()))


@pytest.mark.slow
def test_a_command_that_ignores_signals_is_killed(tmp_path: Path) -> None:
    """INT and TERM are asked first, each for its time."""
    script = (
        f"exec 2>&-; trap 'echo INT' INT; trap 'echo TERM' TERM; echo $$ > {tmp_path}/pid; while :; do sleep 0.1; done"
    )
    with pytest.raises(DeadlineError):
        proc.run(["sh", "-c", script], deadline=Deadline.after(0.5, "command"), output=tmp_path / "log")
    assert (tmp_path / "log").read_text() == "INT\nTERM\n"
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_an_interruption_ends_a_command(tmp_path: Path) -> None:
    """As a deadline does, with the command gone."""
    cancelled = Cancellation()

    def look() -> None:
        if (tmp_path / "pid").exists():
            cancelled.set()

    with pytest.raises(CancelledError, match=r"The command was interrupted\."):
        proc.run(
            ["sh", "-c", f"echo $$ > {tmp_path}/part && mv {tmp_path}/part {tmp_path}/pid; exec sleep 60"],
            deadline=Deadline.after(30, "command", cancelled=cancelled),
            watch=look,
        )
    assert not is_running(int((tmp_path / "pid").read_text()))


def test_who_watches_can_end_a_command(soon: Deadline) -> None:
    """What the watcher raises is what the caller gets, long before the command would have ended."""

    def look() -> None:
        raise InfrastructureError("The disk is full.")

    with pytest.raises(InfrastructureError, match="The disk is full"):
        proc.run(["sleep", "60"], deadline=soon, watch=look)
    assert soon.remaining > 25


def test_what_was_started_ends_with_its_context(soon: Deadline, tmp_path: Path) -> None:
    """It runs at the same time as we do, leads a group of its own, and is stopped, with its children, at the end."""
    with (tmp_path / "log").open("wb") as log:
        with proc.start(["sh", "-c", f"sleep 60 & echo $! > {tmp_path}/child; wait"], output=log) as running:
            child = read_pid(tmp_path / "child", soon)
            assert running.poll() is None
            assert [running.pid] * 2 == [os.getpgid(pid) for pid in (running.pid, child)]
            with pytest.raises(DeadlineError):
                running.wait(Deadline.after(0.05, "wait"))
            assert is_running(running.pid), "a wait that is over stops nothing"
        assert not is_running(running.pid)
        wait_for_end(child)
        with proc.start(["sh", "-c", "echo said; exit 4"], output=log) as running:
            assert (4, 4) == (running.wait(soon), running.poll())
    assert (tmp_path / "log").read_text() == "said\n"


def test_descriptors_are_inherited_only_when_named(soon: Deadline) -> None:
    """A command has no file of ours that it was not given."""
    end, ours = os.pipe()
    os.set_inheritable(ours, True)
    try:
        script = ["sh", "-c", f"echo through > /proc/self/fd/{ours}"]
        with proc.start(script, output=subprocess.DEVNULL, pass_fds=[ours]) as running:
            assert running.wait(soon) == 0
        assert os.read(end, 100) == b"through\n"
        assert proc.run(script, deadline=soon, expect=None).code != 0
    finally:
        os.close(end)
        os.close(ours)


def test_tools_are_found_where_children_find_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is on PATH counts; for what is missing, the hint is the package that has it."""
    monkeypatch.setenv("PATH", str(tmp_path))
    (tmp_path / "no-such-tool").write_text("#!/bin/sh\n")
    assert proc.find("no-such-tool") is None
    with pytest.raises(InfrastructureError, match="`no-such-tool` is not installed") as caught:
        proc.require("no-such-tool")
    assert "apt-get install no-such-tool" in str(caught.value.hint)
    monkeypatch.setattr(proc, "SBIN", str(tmp_path / "sbin"))
    with pytest.raises(InfrastructureError) as caught:
        proc.require("mcopy")
    assert "apt-get install mtools" in str(caught.value.hint)
    (tmp_path / "sbin").mkdir()
    for place in ("no-such-tool", "sbin/mcopy"):
        (tmp_path / place).touch()
        (tmp_path / place).chmod(0o755)
        assert proc.require(Path(place).name) == tmp_path / place


@contextmanager
def sleeper(name: str, tmp_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    """Provide a process with such a name."""
    (tmp_path / name).symlink_to(Path(sys.executable).resolve())
    with subprocess.Popen(
        [tmp_path / name, "-c", "import time; print(flush=True); time.sleep(60)"], stdout=subprocess.PIPE
    ) as popen:
        assert popen.stdout is not None
        popen.stdout.readline()
        try:
            yield popen
        finally:
            popen.kill()


def test_the_start_of_a_process_tells_it_from_a_later_one(tmp_path: Path) -> None:
    """It is the same at each look, whatever the process is called; one that has ended has none, collected or not."""
    assert read_start_time(os.getpid()) == read_start_time(os.getpid())
    with sleeper("a) Z 1 (b", tmp_path) as popen:
        started = read_start_time(popen.pid)
        assert started is not None
        assert started >= (read_start_time(os.getpid()) or 0)
        popen.kill()
        os.waitid(os.P_PID, popen.pid, os.WEXITED | os.WNOWAIT)
        assert read_start_time(popen.pid) is None, "a zombie"
    assert read_start_time(popen.pid) is None


def test_a_command_on_our_terminal_stays_in_our_group(
    soon: Deadline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So that Ctrl-C reaches it; it knows the terminal's kind, and gives its status."""
    monkeypatch.setenv("TERM", "vt100")
    script = f"echo $TERM $(ps -o pgid= -p $$) > {tmp_path}/said; exit 3"
    assert proc.interact(["sh", "-c", script], deadline=soon) == 3
    assert (tmp_path / "said").read_text().split() == ["vt100", str(os.getpgid(0))]


@pytest.mark.parametrize(
    ("argv", "why"),
    [
        (["true", "x" * 200_000], "Argument list too long"),
        (["true", "a\0b"], "null"),
        (["{place}/text"], "Exec format error"),
        (["{place}/none"], "No such file"),
        (["{place}"], "Permission denied"),
    ],
)
def test_a_command_that_cannot_start_is_nobodys_failure(
    argv: list[str], why: str, soon: Deadline, tmp_path: Path
) -> None:
    """Whatever the reason is, it is the same kind of error, with a message that is short."""
    (tmp_path / "text").write_text("no program")
    (tmp_path / "text").chmod(0o755)
    with pytest.raises(SpawnError, match=why) as caught:
        proc.run([word.replace("{place}", str(tmp_path)) for word in argv], deadline=soon)

    assert len(str(caught.value)) < 3000


@pytest.mark.parametrize(
    ("limit", "why"), [("RLIMIT_NOFILE", "Too many open files"), ("RLIMIT_NPROC", "temporarily unavailable")]
)
def test_a_computer_without_room_for_a_process_is_an_error_of_its_own(limit: str, why: str) -> None:
    """No process left (EAGAIN) and no descriptor left (EMFILE) are errors of this computer."""
    script = (
        "import resource, sys\nfrom harness import proc\nfrom harness.errors import InfrastructureError\n"
        "from harness.wait import Deadline\n"
        "import os\nsoon = Deadline.after(9, 'x')\nproc.run(['true'], deadline=soon)\n"
        "number = 0 if sys.argv[1] == 'RLIMIT_NPROC' else 3\n"
        "resource.setrlimit(getattr(resource, sys.argv[1]), (number, number))\n"
        "if number == 0 and os.getuid() == 0:\n    os.setuid(65533)  # root has no such limit\n"
        "try:\n    proc.run(['true'], deadline=soon)\n"
        "except InfrastructureError as error:\n    print(type(error).__name__, error)\n"
    )
    said = subprocess.run([sys.executable, "-c", script, limit], capture_output=True, text=True, check=True).stdout
    assert why in said


@pytest.mark.parametrize("kept", ["temporary", "file"])
def test_output_that_does_not_fit_on_the_disk_is_an_error(kept: str, tmp_path: Path) -> None:
    """A disk that is full, or a limit of a file's size, is found out by us, and no output is cut off silently."""
    script = (
        "import pathlib, resource, signal, sys\nfrom harness import proc\nfrom harness.proc import OutputError\n"
        "from harness.wait import Deadline\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nresource.setrlimit(resource.RLIMIT_FSIZE, (3000000, 3000000))\n"
        "output = pathlib.Path(sys.argv[1]) if sys.argv[1:] else None\n"
        "try:\n    proc.run(['head', '-c', '9000000', '/dev/zero'], deadline=Deadline.after(20, 'x'), output=output)\n"
        "except OutputError as error:\n    print('kept apart:', error)\n"
    )
    words = [str(tmp_path / "log")] if kept == "file" else []
    said = subprocess.run([sys.executable, "-c", script, *words], capture_output=True, text=True, check=True).stdout
    assert (
        said == "kept apart: The input or output of the command `head -c 9000000 /dev/zero` failed: File too large.\n"
    )
    assert "File too large" in said


def test_what_is_too_much_is_cut_with_a_note(soon: Deadline, tmp_path: Path) -> None:
    """Of a long output the beginning and the end are kept, and how much was between; also in a file."""
    argv = ["sh", "-c", "seq 1000000; echo end"]
    done = proc.run(argv, deadline=soon, most=1000)
    assert done.out.startswith("1\n2\n3\n")
    assert done.out.endswith("\n1000000\nend\n")
    assert f"\n[{done.cut} bytes were left out here]\n" in done.out
    assert len(done.out) < 100_000
    assert proc.run(["seq", "100"], deadline=soon, most=1000).cut == 0

    proc.run(argv, deadline=soon, most=1000, output=tmp_path / "log")
    assert (tmp_path / "log").read_text() == done.out


@pytest.mark.slow
def test_a_huge_answer_costs_little_memory() -> None:
    """300 MB that a command prints cost less than 50 MB where 8 MB are kept, and go into a file without any."""
    script = (
        "import pathlib, resource, sys\nfrom harness import proc\nfrom harness.wait import Deadline\n"
        "def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "soon, begin = Deadline.after(60, 'x'), peak()\n"
        "argv = ['head', '-c', '300000000', '/dev/zero']\n"
        "done = proc.run(argv, deadline=soon, most=8 << 20)\n"
        "proc.run(argv, deadline=soon, output=pathlib.Path('/dev/null'))\n"
        "print(done.cut, len(done.out), peak() - begin)\n"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    cut, kept, cost = map(int, said.split())
    assert cut > 290_000_000
    assert kept < 9_000_000
    assert cost < 50_000
