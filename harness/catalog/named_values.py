r"""Values of files that name something for another program: a package, a release, a unit, an address, a place in a tree.

Such a value becomes a word of a command line or a line of a configuration file, so each kind has one pattern. What fits
is no option, no second value, no other line, and no address where a name is meant (to pip `x @ https://...` is a package).
"""

import posixpath
import re
import string
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from harness.credentials import remember_address

__all__ = [
    "BuildWord", "GitAddress", "GitRef", "KernelArgument", "KernelModule", "MakeVariable", "OptionName", "PackageName",
    "PackageTemplate", "PathPattern", "PlainWord", "ReleaseName", "SubPath", "SuitePackage", "UnitName", "VersionName",
    "WebAddress", "WheelName", "check_git_address", "check_template",
]  # fmt: skip

LONGEST = 2048
"""Characters of a value at most."""

HIDDEN = re.compile(r"[\x00-\x20\x7f-\xa0\u2028\u2029]")
"""What ends a word or a line somewhere, or cannot be seen."""

VERSION_FIELD = "{version}"
"""What stands in a value where the version goes."""

GIT_SCHEMES = frozenset({"file", "git", "http", "https", "ssh"})
"""Ways to a repository that run nothing here but git and ssh: `ext::` and `fd::` are none."""
WEB_SCHEMES = frozenset({"file", "http", "https"})

HOST = re.compile(r"[A-Za-z0-9:][A-Za-z0-9.:_-]*")
"""A host, which does not begin with a dash: ssh would take it for an option."""
SHORT_SSH = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]*@)?[A-Za-z0-9\[][A-Za-z0-9._\]:-]*:(?!:)[^-].*")
"""git's short form of an address of ssh, `git@host:path` (git-fetch(1), "GIT URLS")."""


def _require_pattern(pattern: str, what: str) -> AfterValidator:
    compiled = re.compile(pattern)

    def check(text: str) -> str:
        if len(text) > LONGEST or compiled.fullmatch(text) is None:
            raise ValueError(f"`{text[:80]}` is not a valid {what}")
        return text

    return AfterValidator(check)


def check_git_address(text: str) -> str:
    """Return an address without the name and password in it, which are remembered; raise ValueError for what is none."""
    if text.startswith("-") or len(text) > LONGEST or any(not character.isprintable() for character in text):
        raise ValueError(
            f"the address of a git repository has {LONGEST} characters at most, and cannot begin with a dash or contain control characters"
        )
    if "::" in text.partition("/")[0]:
        raise ValueError(f"`{text.partition('::')[0]}::` names a program that git would run, not a repository")
    if "://" in text:
        _check_url(text, GIT_SCHEMES)
        if HIDDEN.search(text):
            raise ValueError("an address cannot contain spaces; write %20")
    elif ":" in text.partition("/")[0] and not SHORT_SSH.fullmatch(text):
        raise ValueError(f"`{text}` is not the address of a git repository, such as https://host/path or a directory")
    return remember_address(text)


def _check_web_address(text: str) -> str:
    if HIDDEN.search(text) or len(text) > LONGEST:
        raise ValueError("this is not an address: it is too long, or contains spaces or control characters")
    _check_url(text, WEB_SCHEMES)
    return remember_address(text)


def _check_url(text: str, schemes: frozenset[str]) -> None:
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise ValueError("this is not an address: its host or port cannot be read") from error
    if parts.scheme not in schemes:
        raise ValueError(f"an address begins with one of {', '.join(sorted(schemes))}, followed by `://`")
    if parts.scheme != "file" and (not host or HOST.fullmatch(host) is None):
        raise ValueError("an address needs the name of a host after `://`")
    if (parts.username or "").startswith("-"):
        raise ValueError("the user in an address cannot begin with a dash")


def _check_ref(text: str) -> str:
    if not text or text[0] in "-+:^" or HIDDEN.search(text) or set(text) & set(":*?[\\") or len(text) > LONGEST:
        raise ValueError(
            f"`{text[:80]}` is not a tag, branch or commit of git: it is empty or too long, begins with a dash or one of `+:^`, or"
            " contains spaces, control characters or one of `:*?[\\`"
        )
    return check_template(text)


def check_template(text: str) -> str:
    """Return a text in which nothing but the version is filled in; raise ValueError for another one."""
    try:
        names = {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}
    except ValueError as error:
        raise ValueError(f"`{text[:80]}` has unbalanced braces") from error
    if names - {"version"}:
        raise ValueError(f"`{text[:80]}` may name {VERSION_FIELD} only")
    return text


def _check_sub_path(text: str) -> str:
    parts = Path(text).parts
    if not parts or HIDDEN.search(text) or text[0] in "-/" or ".." in parts or posixpath.normpath(text) == ".":
        raise ValueError(
            f"`{text[:80]}` is not a path below a directory: it is empty, begins with a slash or a dash, or contains spaces or `..`"
        )
    return text


def _check_word(text: str) -> str:
    if any(not character.isprintable() for character in text) or len(text) > LONGEST:
        raise ValueError("this has to be one line of printable text")
    return text


PackageName = Annotated[str, _require_pattern(r"[a-z0-9][a-z0-9+.-]{1,127}", "name of a Debian package")]
"""A Debian package (Debian policy 5.6.1)."""
PackageTemplate = Annotated[
    str, _require_pattern(r"[a-z0-9](?:[a-z0-9+.-]|\{version\}){1,127}", "name of a Debian package")
]
"""The same, with `{version}` in it."""
SuitePackage = Annotated[
    str, _require_pattern(r"[a-z0-9][a-z0-9+.-]{1,127}(?:@[a-z][a-z0-9-]*)?", "name of a Debian package")
]
"""A Debian package, with the release that it is taken from where that is another one: `appc-spec@bullseye`."""
ReleaseName = Annotated[str, _require_pattern(r"[a-z][a-z0-9-]{0,63}(?:/[a-z][a-z-]{0,63})?", "release of Debian")]
"""A suite of Debian's archive: `bookworm`, `bookworm-backports`, `buster/updates`."""
WheelName = Annotated[
    str, _require_pattern(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,126}[A-Za-z0-9])?", "name of a Python package")
]
"""A Python package, without version, address or option (PyPA's "Names and normalization")."""
VersionName = Annotated[str, _require_pattern(r"[A-Za-z0-9][A-Za-z0-9.~+_-]{0,127}", "version")]
"""A version as a program says it."""
KernelModule = Annotated[str, _require_pattern(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", "kernel module")]
"""A kernel module without its path."""
KernelArgument = Annotated[str, _require_pattern(r"[A-Za-z0-9][!-~]{0,255}", "kernel argument")]
"""One word of a kernel's command line."""
UnitName = Annotated[
    str,
    _require_pattern(
        r"[A-Za-z0-9:_.@\\-]{1,255}\.(?:service|socket|device|mount|automount|swap|target|path|timer|slice|scope)",
        "name of a unit",
    ),
]
"""A unit (systemd.unit(5))."""
PlainWord = Annotated[str, _require_pattern(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,127}", "plain name")]
"""A name of one word without a slash: a generator, a build tag, a target of make."""
OptionName = Annotated[str, _require_pattern(r"[A-Za-z0-9][A-Za-z0-9_:.-]{0,127}", "name of an option")]
"""What stands after the dashes of an option of configure or meson."""
MakeVariable = Annotated[str, _require_pattern(r"[A-Za-z_][A-Za-z0-9_]{0,63}", "name of a variable")]
"""A variable of make."""
PathPattern = Annotated[str, _require_pattern(r"/[!#-~]{1,255}", "pattern of paths, which begins with a slash")]
"""A pattern of dpkg's path-exclude."""
BuildWord = Annotated[str, AfterValidator(_check_word)]
"""A value of an option: one line."""
SubPath = Annotated[str, AfterValidator(_check_sub_path)]
"""A path below a directory that it cannot leave."""
GitAddress = Annotated[str, Field(min_length=1), AfterValidator(check_git_address)]
"""A path, or an address that runs nothing; a name and password in it are kept in memory only."""
GitRef = Annotated[str, AfterValidator(_check_ref)]
"""A tag, branch, commit or expression of git, with `{version}` in it."""
WebAddress = Annotated[str, Field(min_length=1), AfterValidator(check_template), AfterValidator(_check_web_address)]
"""Where a file is downloaded from, with `{version}` in it; a name and password in it are kept in memory only."""
