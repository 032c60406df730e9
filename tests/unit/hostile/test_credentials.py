"""Names and passwords in addresses: given to what connects, and seen nowhere."""

import base64
import logging
from pathlib import Path

import pytest
import yaml

from harness import credentials, fetch, log, proc
from harness.catalog import Source
from harness.errors import InfrastructureError
from harness.source.git_environment import make_environment
from harness.wait import Deadline
from tests.helpers.command_line import harness
from tests.helpers.web import serving

ADDRESSES: list[tuple[str, str]] = yaml.safe_load(
    (Path(__file__).parent / "corpus" / "addresses.yaml").read_text(encoding="utf-8")
)


@pytest.fixture(autouse=True)
def _forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Begin each test with no remembered address."""
    monkeypatch.setattr(credentials, "_known", {})


def is_secret(words: str) -> bool:
    """Return whether a part of the password can be read."""
    return "SECRET" in words or "WORD" in words


@pytest.mark.parametrize(("full", "bare"), ADDRESSES)
def test_what_a_source_says_has_no_secret(full: str, bare: str) -> None:
    """The model of a file has the address without it, and what it is written to has it so."""
    assert credentials.remember_address(full) == bare
    if "#" not in full:
        origin = Source(git=full)
        assert origin.git == bare
        assert not is_secret(origin.model_dump_json())
        assert is_secret(credentials.restore_address(bare))


@pytest.mark.parametrize(("full", "_bare"), ADDRESSES)
def test_texts_have_no_secret(full: str, _bare: str, tmp_path: Path) -> None:
    """Messages, logs and errors of other programs have none either, even where nobody remembers the address."""
    said = f"fatal: unable to access '{full}/': The requested URL returned error: 403"
    assert not is_secret(str(InfrastructureError(said)))
    handler = log.add_file(tmp_path / "log.txt")
    try:
        logging.getLogger("harness").warning("run: %s", said)
    finally:
        logging.getLogger("harness").removeHandler(handler)
        handler.close()
    assert not is_secret((tmp_path / "log.txt").read_text())
    argv = ("sh", "-c", 'echo "$1"; exit 1', "sh", said)
    with pytest.raises(proc.CommandError) as caught:
        proc.run(argv, deadline=Deadline.after(10, "test"))
    assert not is_secret(str(caught.value))


def test_tokens_in_queries_are_secrets() -> None:
    """An address with a token behind its question mark is shown without it."""
    for name in ("token", "access_token", "private_token", "job_token", "sig", "X-Amz-Signature", "api_key"):
        shown = credentials.redact(f"GET https://host/x.tar.gz?a=1&{name}=SECRETWORD&b=2 failed")
        assert not is_secret(shown)
        assert "a=1" in shown
        assert "b=2" in shown


def test_git_gets_them_by_its_environment() -> None:
    """No word of git's command line has them: everybody can read that; the environment only we can."""
    Source(git="https://ci:SECRET%20WORD@host/r.git")
    env = make_environment()
    keys = {env[name]: env[name.replace("KEY", "VALUE")] for name in env if name.startswith("GIT_CONFIG_KEY_")}
    header = keys["http.https://host/r.git.extraHeader"]
    assert base64.b64decode(header.rpartition(" ")[2]).decode() == "ci:SECRET WORD"


def test_downloads_get_them(tmp_path: Path, deadline: Deadline) -> None:
    """A mirror with a password is asked with it, and the messages name it without."""
    with serving(b"x") as site:
        bare = credentials.remember_address(site.url.replace("http://", "http://ci:SECRETWORD@"))
        assert bare == site.url
        fetch.download(bare, tmp_path / "a", sha256=None, deadline=deadline)
        basic = base64.b64encode(b"ci:SECRETWORD").decode()
        assert site.requests[-1]["authorization"] == f"Basic {basic}"


@pytest.mark.slow
def test_the_command_line_writes_none(tmp_path: Path) -> None:
    """A run that is refused or fails has no secret in what it printed, nor in any file that it left."""
    root = Path(__file__).parents[3]
    cell = "flatcar-stable+systemd-257+go-1.27+legacy+runc-1.1.5"
    done = harness(
        "--debug", "--matrix", str(root / "matrix.yaml"), "--store", "store", "--runs", "runs", "run", "--cell", cell, "--suites", "cgroup",
        "--set", "runtime.runc.source=http://ci:SECRETWORD@127.0.0.1:1/r.git", "--mirror", "http://u:SECRETWORD@127.0.0.1:1/",
        cwd=tmp_path,
    )  # fmt: skip
    assert done.code != 0
    assert not is_secret(done.out + done.err)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.name == "request.json" for path in files)
    assert not [path for path in files if is_secret(path.read_text(errors="replace"))]
