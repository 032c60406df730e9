"""Is it what Flatcar signed: GnuPG, in a home that is thrown away, with one key that is pinned by its fingerprint.

What is pinned is the primary key. The sub-keys that sign come and go, so a file counts if its signature is by a sub-key
that the pinned key vouches for. A sub-key that has expired meanwhile does not spoil what it signed while it was valid
(a release of 2019 stays right); a revoked one, or a pinned key that is itself expired or revoked, spoils everything.

GnuPG's lines on the status descriptor decide, never its exit status alone (doc/DETAILS of GnuPG says what they mean).
"""

import logging
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field

from harness import proc
from harness.errors import InfrastructureError, UsageError
from harness.wait import Deadline
from harness.yamlfile import FileModel

__all__ = ["KeyFile", "Ring", "TrustError", "open_ring", "parse_sha512"]

logger = logging.getLogger(__name__)

FINGERPRINT = r"^[0-9A-F]{40}$"

SECONDS = 60.0
"""Seconds for one call of GnuPG."""

OPTIONS = (
    "--batch", "--no-tty", "--no-options", "--no-autostart", "--no-auto-check-trustdb", "--no-auto-key-retrieve",
    "--disable-dirmngr", "--trust-model", "always", "--status-fd", "1",
)  # fmt: skip
"""No configuration of the user's, no agent, no network, no questions."""

DIGEST = re.compile(r"^([0-9a-fA-F]{128}) [ *](\S+)[ \t]*$", re.MULTILINE)
"""A SHA-512 in a file of digests, as sha512sum writes it."""

PRIMARY_FIELD = 9
"""Which word after VALIDSIG is the fingerprint of the primary key."""


class TrustError(InfrastructureError):
    """Something is not what its publisher signed, or nobody can know."""


class KeyFile(FileModel):
    """The file `key.yaml`: who signs.

    Attributes:
        owner: Whose key it is.
        fingerprint: Of the primary key, 40 hexadecimal digits.
        source: Where the fingerprint is from.
        date: The day on which it was looked up.
        url: Where the key comes from.
    """

    owner: str
    fingerprint: Annotated[str, BeforeValidator(lambda text: str(text).replace(" ", "").upper())] = Field(
        pattern=FINGERPRINT
    )
    source: str
    date: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Ring:
    """A GnuPG home in which only the given keys are; see `open_ring`.

    Attributes:
        fingerprint: The pinned primary key.
        expiry: When which (sub-)key ends, in seconds since 1970, by its fingerprint; keys without an end are left out.
    """

    home: Path
    fingerprint: str
    expiry: dict[str, int]
    deadline: Deadline

    def check_detached(self, data: Path, signature: Path, *, what: str) -> None:
        """Check a file's detached signature; raises TrustError if it is not the pinned key's, or not for this."""
        done = _run_gpg(self.home, "--verify", str(signature), str(data), deadline=self.deadline)
        self._judge(done.out, what)

    def clear_text(self, signed: Path, *, what: str) -> str:
        """Return what a clear-signed file says inside of its signature; raises TrustError as `check_detached` does."""
        text = self.home / "text"
        text.unlink(missing_ok=True)
        done = _run_gpg(self.home, "--output", str(text), "--decrypt", str(signed), deadline=self.deadline)
        self._judge(done.out, what)
        if not text.exists():
            raise TrustError(f"{what} has no signed text.")
        return text.read_text(encoding="utf-8", errors="replace")

    def _judge(self, status: str, what: str) -> None:
        """Raise unless there is one signature, and it is good and by a sub-key of the pinned key."""
        lines = [line.split()[1:] for line in status.splitlines() if line.startswith("[GNUPG:] ")]
        words = {line[0]: line[1:] for line in lines if line}
        refused = _find_refusal(words)
        if refused is not None:
            raise TrustError(f"{what} {refused}", hint=HINT)
        valid = [line[1:] for line in lines if line and line[0] == "VALIDSIG"]
        if len(valid) != 1 or sum(line[0] == "NEWSIG" for line in lines if line) != 1:
            raise TrustError(f"{what} has to have one signature, but has {len(valid) or 'none'} that GnuPG can read.")
        (facts,) = valid
        signer, signed_at = facts[0], int(facts[2])
        if facts[PRIMARY_FIELD] != self.fingerprint:
            raise TrustError(
                f"{what} is signed by the wrong key: {facts[PRIMARY_FIELD]} instead of {self.fingerprint}.", hint=HINT
            )
        ends = self.expiry.get(signer)
        if ends is not None and signed_at >= ends:
            raise TrustError(
                f"{what} was signed on {_format_day(signed_at)} with the sub-key {signer}, which had expired on {_format_day(ends)}.",
                hint=HINT,
            )
        if "GOODSIG" not in words and ("EXPKEYSIG" not in words or ends is None):
            raise TrustError(f"{what} has a signature that GnuPG does not call good: {', '.join(sorted(words))}.")


HINT = (
    "Do not use it. Another mirror may have the right file; where the publisher has a new sub-key, "
    "`--key` names a newer key file."
)

REFUSALS = {
    "BADSIG": "is not what was signed: it was cut off or altered, or the signature is that of another file.",
    "REVKEYSIG": "is signed with a revoked key: {0}.",
    "NO_PUBKEY": "is signed with an unknown key: {0} is not among those of the pinned key.",
    "EXPSIG": "has a signature that has expired, by the key {0}.",
    "ERRSIG": "has a signature that GnuPG cannot check, by the key {0}.",
}
"""The rest of a sentence for each word of GnuPG that ends the matter, the most telling first."""


def _find_refusal(words: dict[str, list[str]]) -> str | None:
    """Return why a signature does not count, as the rest of a sentence, or None."""
    for word, text in REFUSALS.items():
        if word in words:
            return text.format(*words[word])
    if "VALIDSIG" not in words:
        return "has no signature: what is there as one is empty, cut off, or something else."
    return None


@contextmanager
def open_ring(key: bytes, deadline: Deadline, *, pinned: str | None, what: str) -> Iterator[Ring]:
    """Provide a home with a key, until the context ends.

    `pinned` is the fingerprint of the primary key that counts; None for the only one in the file. `what` is the file as
    messages name it after an article: "key file /tmp/key.asc".

    Raises:
        TrustError: The pinned key is not there, is revoked or has expired.
        UsageError: It is no key file, or has several keys and none is pinned.
        InfrastructureError: There is no GnuPG.
    """
    proc.require("gpg")
    with tempfile.TemporaryDirectory(prefix="harness-gpg-") as folder:  # of mode 0700, as GnuPG wants it
        home = Path(folder)
        (home / "key").write_bytes(key)
        _run_gpg(home, "--import", str(home / "key"), deadline=deadline)
        rows = [
            row.split(":") for row in _run_gpg(home, "--list-keys", "--with-colons", deadline=deadline).out.split("\n")
        ]
        primaries, expiry = _list_keys(rows)
        fingerprint = pinned or _require_one(list(primaries), what)
        if fingerprint not in primaries:
            names = " and ".join(primaries) or "none"
            raise TrustError(
                f"The {what} does not have the pinned key {fingerprint}; it has {names}.",
                hint="Somebody may have put another key in its place; nothing was used.",
            )
        state = primaries[fingerprint]
        if state == "r":
            raise TrustError(f"The pinned key {fingerprint} is revoked: nothing that it signed counts.", hint=HINT)
        if state == "e" or expiry.get(fingerprint, time.time() + 1) <= time.time():
            ended = _format_day(expiry[fingerprint])
            raise TrustError(
                f"The pinned key {fingerprint} in the {what} has expired on {ended}.",
                hint="Its owner may have prolonged it; `--key` names a newer key file.",
            )
        yield Ring(home=home, fingerprint=fingerprint, expiry=expiry, deadline=deadline)


def parse_sha512(name: str, digests: str, *, what: str) -> str:
    """Return the SHA-512 of a file in signed digests, 128 hexadecimal digits.

    `digests` is the signed text of its `.DIGESTS.asc`.

    Raises:
        TrustError: They do not speak of this file, or twice and differently.
    """
    found = [(match[1].lower(), match[2]) for match in DIGEST.finditer(digests)]
    fit = {digest for digest, other in found if other == name}
    if len(fit) != 1:
        others = " and ".join(sorted({other for _, other in found if other != name})) or "no file"
        raise TrustError(
            f"{what} does not have the one SHA-512 of {name}: it has {len(fit)}, and speaks of {others}.", hint=HINT
        )
    return fit.pop()


def _require_one(primaries: list[str], what: str) -> str:
    if len(primaries) != 1:
        names = " and ".join(primaries) or "none"
        raise UsageError(
            f"The {what} has to have one public key, so that it is clear which one counts; it has {names}.",
            hint="`gpg --armor --export FINGERPRINT` writes a file with one key.",
        )
    return primaries[0]


def _list_keys(rows: list[list[str]]) -> tuple[dict[str, str], dict[str, int]]:
    """Return primary keys with their state, and when keys end, from a list with colons (doc/DETAILS of GnuPG)."""
    primaries: dict[str, str] = {}
    expiry: dict[str, int] = {}
    kind, state, ends = "", "", ""
    for row in rows:
        if row[0] in {"pub", "sub"}:
            kind, state, ends = row[0], row[1], row[6]
        elif row[0] == "fpr" and kind:
            if kind == "pub":
                primaries[row[9]] = state
            if ends:
                expiry[row[9]] = int(ends)
            kind = ""
    return primaries, expiry


def _run_gpg(home: Path, *words: str, deadline: Deadline) -> proc.Done:
    argv = ["gpg", "--homedir", str(home), *OPTIONS, *words]
    done = proc.run(argv, deadline=deadline.within(SECONDS, "check of a signature"), apart=True, expect=None)
    logger.debug("gpg: %s\n%s", done.out.strip(), done.err.strip())
    return done


def _format_day(seconds: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(seconds))
