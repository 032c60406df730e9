"""Names and passwords in addresses: taken out where an address comes in, kept in memory, and given to what connects.

So no manifest, log, command line or report can have them. `redact` is the second line, for text of other programs.
"""

import base64
import re
from threading import Lock
from urllib.parse import unquote, urlsplit, urlunsplit

__all__ = ["find_headers", "redact", "remember_address", "remember_credentials", "restore_address"]

WEB = ("http", "https")
"""Where a name alone is a secret too: `https://TOKEN@host`. To ssh it is who logs in."""

COVER = "***"
"""What stands in a text in place of a secret."""
SHORTEST = 4
"""Characters of a secret from which it is looked for in texts."""

ADDRESS = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{0,20}://\S+")
IN_ADDRESS = re.compile(r"(?<=://)[^/\s'\"<>@:]{0,200}:[^/\s'\"<>]{1,1000}@")
IN_WEB_ADDRESS = re.compile(r"(?<=ttp://)[^/\s'\"<>]{1,1000}@|(?<=ttps://)[^/\s'\"<>]{1,1000}@")
IN_QUERY = re.compile(
    r"(?<=[?&])((?:access_|private_|auth_|job_)?token|api_?key|password|passwd|secret|sig|signature|X-Amz-\w+)=[^&\s'\"<>]+",
    re.IGNORECASE,
)

_known: dict[str, str] = {}
"""By address without it: the part before the `@`."""
_lock = Lock()


def remember_address(address: str) -> str:
    """Return an address without name and password, which are remembered; what is no such address stays as it is."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return address
    secret, sign, host = parts.netloc.rpartition("@")
    if not sign or not parts.scheme or (parts.scheme not in WEB and ":" not in secret):
        return address
    # ssh has no passwords in addresses; the name is whose account it is.
    kept = "" if parts.scheme in WEB else f"{secret.partition(':')[0]}@"
    bare = urlunsplit(parts._replace(netloc=kept + host))
    with _lock:
        _known[bare.partition("#")[0]] = secret
    return bare


def remember_credentials(word: str) -> str:
    """Return a word of a command line without the names and passwords of addresses in it, which are remembered."""
    return ADDRESS.sub(lambda match: remember_address(match[0]), word)


def restore_address(address: str) -> str:
    """Return an address with the name and password that were remembered for it, or for one that it is below."""
    with _lock:
        found = [bare for bare in _known if _is_below(address, bare)]
        secret = _known[max(found, key=len)] if found else ""
    if not secret:
        return address
    parts = urlsplit(address)
    return urlunsplit(parts._replace(netloc=f"{secret}@{parts.netloc.rpartition('@')[2]}"))


def find_headers() -> dict[str, str]:
    """Return by address the header of HTTP that says who asks, for those that have been remembered (RFC 7617)."""
    with _lock:
        known = dict(_known)
    headers = {}
    for bare, secret in known.items():
        if urlsplit(bare).scheme in WEB:
            name, _, password = secret.partition(":")
            basic = base64.b64encode(f"{unquote(name)}:{unquote(password)}".encode()).decode()
            headers[bare] = f"Authorization: Basic {basic}"
    return headers


def redact(text: str) -> str:
    """Return a text without the names and passwords of addresses in it."""
    with _lock:
        secrets = [word for secret in _known.values() for word in (secret, *secret.split(":")[1:])]
    for secret in sorted(secrets, key=len, reverse=True):
        for word in {secret, unquote(secret)}:
            if len(word) >= SHORTEST:
                text = text.replace(word, COVER)
    if "://" not in text:
        return text
    text = IN_WEB_ADDRESS.sub(f"{COVER}@", IN_ADDRESS.sub(f"{COVER}@", text))
    return IN_QUERY.sub(rf"\1={COVER}", text)


def _is_below(address: str, bare: str) -> bool:
    base = bare.rstrip("/")
    return address == bare or address.startswith((f"{base}/", f"{base}?"))
