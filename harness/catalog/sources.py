"""What knowledge files say about where code and toolchains come from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from harness.catalog.named_values import (
    GitAddress,
    GitRef,
    PackageTemplate,
    ReleaseName,
    VersionName,
    WebAddress,
    WheelName,
)
from harness.model import VersionRange
from harness.yamlfile import FileModel

__all__ = ["Range", "Source", "ToolchainSource"]


def _check_range(text: str) -> str:
    VersionRange(text)
    return text


Range = Annotated[str, AfterValidator(_check_range)]
"""A version range as text, see `VersionRange`."""

Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
"""A digest of a file's content, in hexadecimal digits."""


class Source(FileModel):
    """Where source code comes from: exactly one of `git`, `directory`, `debian` and `tarball`.

    Attributes:
        versions: Versions of the component that come from here.
        git: URL or path of a repository, with `ref`: a tag, branch or commit; `{version}` in it is replaced.
        directory: A tree on this computer, taken as it is.
        debian: Name of a Debian source package, with `release`: the Debian release that has it.
        tarball: URL of an archive, with `sha256` of its content; `{version}` in the URL is replaced.
        unvendored: Dependencies come from the environment's packages, not from the tree (GOPATH mode).
    """

    versions: Range = "*"
    git: GitAddress | None = None
    ref: GitRef = "v{version}"
    directory: Path | None = None
    debian: PackageTemplate | None = None
    release: ReleaseName | None = None
    tarball: WebAddress | None = None
    sha256: Sha256 | None = None
    unvendored: bool = False

    @property
    def kind(self) -> Literal["git", "directory", "debian", "tarball"]:
        """Which of the four it is."""
        return "git" if self.git else "directory" if self.directory else "debian" if self.debian else "tarball"

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        given = [kind for kind in ("git", "directory", "debian", "tarball") if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(
                f"a source is one of git, directory, debian and tarball, not {' and '.join(given) or 'none'}"
            )
        if self.debian and not self.release:
            raise ValueError("a debian source needs `release`, the Debian release that has the package")
        if self.tarball and not self.sha256:
            raise ValueError("a tarball needs `sha256`, so that what was downloaded can be trusted")
        return self


class ToolchainSource(FileModel):
    """Where a toolchain's versions come from: exactly one of `wheel`, `debian` and `tarball`.

    Attributes:
        versions: Versions that come from here.
        wheel: Name of a Python package whose wheels carry the toolchain.
        digests: SHA-256 of its wheels for x86-64, by exact version; of others the index is believed on first use.
        debian: Name of a Debian package, with `release`; `{version}` in it is replaced.
        tarball: URL of an archive, with `sha256`; `{version}` in it is replaced.
        exact: The version in the archive, where `versions` covers more than one: it is then what `{version}` is.
    """

    versions: Range = "*"
    wheel: WheelName | None = None
    digests: Mapping[VersionName, Sha256] = {}
    debian: PackageTemplate | None = None
    release: ReleaseName | None = None
    tarball: WebAddress | None = None
    sha256: Sha256 | None = None
    exact: VersionName | None = None

    @property
    def kind(self) -> Literal["wheel", "debian", "tarball"]:
        """Which of the three it is."""
        return "wheel" if self.wheel else "debian" if self.debian else "tarball"

    @model_validator(mode="after")
    def _check_kind(self) -> Self:
        if sum(value is not None for value in (self.wheel, self.debian, self.tarball)) != 1:
            raise ValueError("a toolchain is exactly one of wheel, debian and tarball")
        if self.debian and not self.release:
            raise ValueError("a debian toolchain needs `release`, the Debian release that has the package")
        if self.tarball and not self.sha256:
            raise ValueError("a tarball needs `sha256`, so that what was downloaded can be trusted")
        if self.digests and not self.wheel:
            raise ValueError("`digests` are of wheels")
        if self.exact and not self.tarball:
            raise ValueError("`exact` is for a tarball; the others say themselves which version they have")
        return self
