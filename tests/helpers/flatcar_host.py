"""A release host on the loopback: a directory as Flatcar publishes it, keys that sign it, and a server that misbehaves.

    with signing_key() as key, serve(directory) as host:
        sign_release(directory / "amd64-usr" / "9999.2.0", key)
        ...  # host.url is the mirror, key.public the key file

The server sends files from the disk as they are at the time of the request, knows Range, If-Range, ETag and
If-None-Match, and does for each coming request of a file what `Host.faults` says.
"""

import bz2
import hashlib
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote

CHUNK = 1 << 16

DERIVED = (".sig", ".asc", ".DIGESTS")
"""Ends of the names of files that are only about others."""


@dataclass(frozen=True)
class SigningKey:
    """A primary key that only certifies, with sub-keys that sign, in a GnuPG home of its own.

    Attributes:
        home: The GnuPG home.
        fingerprint: Of the primary key, 40 digits.
        public: File with the public key, armored; `export` writes it again.
    """

    home: Path
    fingerprint: str
    public: Path

    def gpg(self, *words: str | Path, stdin: str = "", when: str | None = None) -> str:
        """Run GnuPG in the home and return its output; `when` is the time that it takes for now: 20200101T000000."""
        clock = [f"--faked-system-time={when}!"] if when else []
        argv: list[str | Path] = ["gpg", "--homedir", self.home, "--batch", "--yes", "--quiet", *clock]
        argv += ["--passphrase", "", "--pinentry-mode", "loopback", *words]
        done = subprocess.run(argv, input=stdin.encode(), capture_output=True, check=False, timeout=60)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def subkeys(self) -> list[str]:
        """Fingerprints of the sub-keys, the oldest first."""
        lines = [line.split(":") for line in self.gpg("--list-keys", "--with-colons").splitlines()]
        return [line[9] for line in lines if line[0] == "fpr"][1:]

    def add_subkey(self, *, expires: str = "never", when: str | None = None) -> str:
        """Add a sub-key that signs and return its fingerprint; `expires` as GnuPG reads it: 1y, 20200201T000000."""
        before = self.subkeys()
        self.gpg("--quick-add-key", self.fingerprint, "ed25519", "sign", expires, when=when)
        (new,) = set(self.subkeys()) - set(before)
        self.export()
        return new

    def export(self) -> None:
        """Write the public key, as it is now, to `public`."""
        self.public.write_text(self.gpg("--armor", "--export", self.fingerprint))

    def revoke(self, subkey: str | None = None) -> None:
        """Revoke a sub-key, or the primary key without one."""
        if subkey is None:
            made = (self.home / "openpgp-revocs.d" / f"{self.fingerprint}.rev").read_text()
            # GnuPG puts a colon before it, so that nobody imports it by mistake.
            self.gpg("--import", stdin=made.replace(":-----BEGIN", "-----BEGIN"))
        else:
            position = 1 + self.subkeys().index(subkey)
            steps = f"key {position}\nrevkey\ny\n0\n\ny\nsave\n"
            argv = ("--no-tty", "--no-batch", "--command-fd", "0", "--status-fd", "2", "--edit-key", self.fingerprint)
            self.gpg(*argv, stdin=steps)
        self.export()

    def sign(
        self, path: Path, *words: str, subkey: str | None = None, when: str | None = None, clear: bool = False
    ) -> Path:
        """Sign a file, detached (`.sig`) or in clear (`.asc`), by a sub-key or the newest; return the new file."""
        target = path.with_name(f"{path.name}.{'asc' if clear else 'sig'}")
        user = f"{subkey or self.subkeys()[-1]}!"
        how = "--clear-sign" if clear else "--detach-sign"
        self.gpg("--local-user", user, "--output", target, *words, how, path, when=when)
        return target


@contextmanager
def signing_key(name: str = "Buildbot", *, expires: str = "never", when: str | None = None) -> Iterator[SigningKey]:
    """Provide a new key with one signing sub-key that does not expire; it was made on the day `when`."""
    home = Path(tempfile.mkdtemp(prefix="gpg-"))  # short: the agent's socket is in it
    try:
        bare = SigningKey(home=home, fingerprint="", public=home / "public.asc")
        bare.gpg("--quick-generate-key", f"{name} <{name.lower()}@example.org>", "ed25519", "cert", expires, when=when)
        lines = [line.split(":") for line in bare.gpg("--list-keys", "--with-colons").splitlines()]
        fingerprint = next(line[9] for line in lines if line[0] == "fpr")
        key = SigningKey(home=home, fingerprint=fingerprint, public=bare.public)
        key.add_subkey(when=when)
        yield key
    finally:
        subprocess.run(["gpgconf", "--homedir", home, "--kill", "all"], check=False, capture_output=True)
        shutil.rmtree(home, ignore_errors=True)


def write_release(directory: Path, *, version: str = "3815.2.5", systemd: str = "252.11", disk: bytes = b"") -> None:
    """Write the files of a small release, unsigned: a disk that cannot be booted, and a version.txt as published."""
    directory.mkdir(parents=True, exist_ok=True)
    build, branch, patch = version.split(".")
    (directory / "flatcar_production_image.bin.bz2").write_bytes(bz2.compress(disk))
    (directory / "flatcar_production_image.vmlinuz").write_bytes(f"kernel of {version}".encode() * 1000)
    (directory / "flatcar_production_image_packages.txt").write_text(
        f"sys-apps/sed-4.9::portage-stable\nsys-apps/systemd-{systemd}::portage-stable\nsys-apps/which-2.21::x\n"
    )
    (directory / "version.txt").write_text(
        f"FLATCAR_BUILD={build}\nFLATCAR_BRANCH={branch}\nFLATCAR_PATCH={patch}\nFLATCAR_VERSION={version}\n"
        f'FLATCAR_VERSION_ID={version}\nFLATCAR_BUILD_ID="2024-07-02-1200"\nFLATCAR_SDK_VERSION={build}.0.0\n'
    )


def sign_release(
    directory: Path, key: SigningKey, *, subkey: str | None = None, when: str | None = None, only: str = "*"
) -> None:
    """Write `.sig`, `.DIGESTS` and `.DIGESTS.asc` next to each file of a directory, as Flatcar does; old ones go."""
    for path in sorted(directory.glob(only)):
        if not path.is_file() or path.name.endswith(DERIVED):
            continue
        digests = path.with_name(f"{path.name}.DIGESTS")
        digests.write_text("".join(_digest_lines(path)))
        key.sign(path, subkey=subkey, when=when)
        key.sign(digests, subkey=subkey, when=when, clear=True)


def _digest_lines(path: Path) -> Iterator[str]:
    for algorithm in ("md5", "sha1", "sha512"):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, algorithm).hexdigest()
        yield f"# {algorithm.upper()} HASH\n{digest}  {path.name}\n"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """What the server does instead of answering one request as it should.

    Attributes:
        status: Answer with this status and nothing else.
        cut: Break the connection after so many bytes of the body.
        stall: Say nothing more after so many bytes of the body, until the host closes or `Host.released` is set.
        truncate: Claim that the file ends after so many bytes.
        flip: Change the byte at this place of the file.
        plain: Ignore Range and send all.
        moved: Send the right status for a range, with another range than was asked for.
        then: Called after the body has been sent or broken off.
    """

    status: int | None = None
    cut: int | None = None
    stall: int | None = None
    truncate: int | None = None
    flip: int | None = None
    plain: bool = False
    moved: bool = False
    then: Callable[[], object] | None = None


@dataclass
class Host:
    """A server and what it has seen; tests change it while it runs.

    Attributes:
        url: Its address, without a slash at the end: the mirror.
        directory: What it serves.
        faults: For a file's name, what goes wrong with the coming requests of it, in this order; then nothing.
        always: For a file's name, what goes wrong with every request of it.
        ranges: Whether it knows Range.
        validated: Whether it sends an ETag.
        requests: Path and headers (names in lower case) of every request.
        sent: Bytes of files that it has sent.
        released: Ends all stalls.
    """

    url: str
    directory: Path
    faults: dict[str, list[Fault]] = field(default_factory=dict)
    always: dict[str, Fault] = field(default_factory=dict)
    ranges: bool = True
    validated: bool = True
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)
    sent: int = 0
    released: threading.Event = field(default_factory=threading.Event)

    def asked(self, name: str) -> list[dict[str, str]]:
        """Return the headers of the requests of a file."""
        return [headers for path, headers in self.requests if path.rpartition("/")[2] == name]


@contextmanager
def serve(directory: Path) -> Iterator[Host]:
    """Provide a server of a directory, on the loopback, until the context ends."""
    host = Host(url="", directory=directory)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, host)) as server:
        server.daemon_threads = True
        host.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield host
        finally:
            host.released.set()
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    def __init__(self, host: Host, *arguments: Any) -> None:
        self.host = host
        super().__init__(*arguments)

    def do_GET(self) -> None:
        path = unquote(self.path.partition("?")[0])
        self.host.requests.append((path, {name.lower(): value for name, value in self.headers.items()}))
        name = path.rpartition("/")[2]
        waiting = self.host.faults.get(name)
        fault = waiting.pop(0) if waiting else self.host.always.get(name, Fault())
        file = (self.host.directory / path.lstrip("/")).resolve()
        if fault.status is not None:
            self._refuse(fault.status)
        elif not file.is_relative_to(self.host.directory.resolve()) or not file.is_file():
            self._refuse(404)
        else:
            try:
                self._send(file, fault)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True  # the client has had enough
            if fault.then is not None:
                fault.then()

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        if status != 304:
            self.send_header("Content-Length", "0")
        self.end_headers()

    def _send(self, file: Path, fault: Fault) -> None:
        info = file.stat()
        size = info.st_size if fault.truncate is None else min(fault.truncate, info.st_size)
        tag = f'"{info.st_mtime_ns:x}-{info.st_size:x}"'
        if self.headers.get("If-None-Match") == tag:
            self._refuse(304)
            return
        begin = self._begin(tag) if not fault.plain else 0
        if begin and begin >= size:
            self._refuse(416)
            return
        if begin:
            begin = begin // 2 if fault.moved else begin
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {begin}-{size - 1}/{size}")
        else:
            self.send_response(200)
        self.send_header("Content-Length", str(size - begin))
        if self.host.validated:
            self.send_header("ETag", tag)
        self.end_headers()
        self._body(file, begin, size, fault)

    def _begin(self, tag: str) -> int:
        """Return the first byte that is asked for and may be sent alone."""
        asked = self.headers.get("Range", "")
        condition = self.headers.get("If-Range", tag)
        if not self.host.ranges or not asked.startswith("bytes=") or condition != tag:
            return 0
        return int(asked.removeprefix("bytes=").partition("-")[0])

    def _body(self, file: Path, begin: int, size: int, fault: Fault) -> None:
        limits = [limit for limit in (fault.cut, fault.stall) if limit is not None]
        end = min([size, *(begin + limit for limit in limits)])
        with file.open("rb") as data:
            data.seek(begin)
            place = begin
            while place < end:
                chunk = bytearray(data.read(min(CHUNK, end - place)))
                if not chunk:
                    break
                if fault.flip is not None and place <= fault.flip < place + len(chunk):
                    chunk[fault.flip - place] ^= 0xFF
                self.host.sent += len(chunk)  # before it is sent: the client may be done before this thread goes on
                self.wfile.write(chunk)
                place += len(chunk)
        self.wfile.flush()
        if fault.stall is not None:
            self.host.released.wait(120)
        if limits:
            self.close_connection = True

    def log_message(self, *arguments: object) -> None:
        """Quiet."""
