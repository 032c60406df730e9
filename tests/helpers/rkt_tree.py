"""A test double: an rkt-shaped tree, which is no rkt.

A small real autotools project with the files, configure options, make variable and output layout that are documented
of rkt's (autogen.sh, configure.ac, a hand-written Makefile.in, a Go program, a stage1 image for each flavor), so that
the recipe and the knowledge file can be tried where no source of rkt can be had. Its `rkt` only says what it was
configured with, in the words `rkt-shaped double`; a stage1 image is a tar of text files.
"""

import subprocess
from dataclasses import replace
from pathlib import Path

from harness import build, catalog, source, toolchain
from harness.build import Builder, BuildSpec, SystemdSource
from harness.catalog import Build, Source
from harness.store import Store
from harness.wait import Deadline

CATALOG = catalog.load(Path())
RKT = CATALOG.get_runtime("rkt").build
assert RKT is not None

CONFIGURE = r"""
AC_INIT([rkt], [1.30.0+double])
AC_ARG_WITH([stage1-flavors], [], [FLAVORS="$withval"], [FLAVORS=coreos,kvm,fly])
AC_ARG_WITH(stage1-default-images-directory, [], [IMAGES="$withval"], [IMAGES=auto])
AC_ARG_WITH([stage1-default-location], [], [LOCATION="$withval"], [LOCATION=auto])
AC_ARG_WITH([stage1-flavors-version-override], [], [OVERRIDE="$withval"], [OVERRIDE=auto])
AC_ARG_WITH([coreos-local-pxe-image-path], [], [PXE="$withval"], [PXE=])
AC_ARG_WITH([coreos-local-pxe-image-systemd-version], [], [PXE_VER="$withval"], [PXE_VER=])
AC_ARG_WITH([stage1-systemd-src], [], [SYSTEMD_SRC="$withval"], [SYSTEMD_SRC=])
AC_ARG_WITH([stage1-systemd-version], [], [SYSTEMD_VER="$withval"], [SYSTEMD_VER=])
AC_ARG_WITH([stage1-systemd-revision], [], [SYSTEMD_REV="$withval"], [SYSTEMD_REV=])
AC_ARG_ENABLE([tpm], [], [TPM="$enableval"], [TPM=yes])
AC_ARG_ENABLE([broken], [], [AC_MSG_ERROR([*** the double was asked to be broken])])
AC_PATH_PROG([GO], [go])
AS_IF([test "x$GO" = x], [AC_MSG_ERROR([*** go not found])])
AC_SUBST([FLAVORS])
AC_SUBST([IMAGES])
AC_SUBST([LOCATION])
AC_SUBST([OVERRIDE])
AC_SUBST([PXE])
AC_SUBST([PXE_VER])
AC_SUBST([SYSTEMD_SRC])
AC_SUBST([SYSTEMD_VER])
AC_SUBST([SYSTEMD_REV])
AC_SUBST([TPM])
AC_CONFIG_FILES([Makefile])
AC_OUTPUT
"""

MAKEFILE = r"""
BUILDDIR ?= $(CURDIR)/build-@PACKAGE_TARNAME@-@PACKAGE_VERSION@
BIN := $(BUILDDIR)/target/bin
SYSTEMD := $(BUILDDIR)/tmp/usr_from_src/systemd/src
NOTE = flavors=@FLAVORS@ tpm=@TPM@ images=@IMAGES@ location=@LOCATION@ stage1=@OVERRIDE@

all: $(BIN)/rkt $(BIN)/stage1-@FLAVORS@.aci

$(BIN)/rkt: rkt/rkt.go
	@echo "DOUBLE GO $(@F)"
	mkdir -p $(BIN)
	cd rkt && @GO@ build -ldflags '-X "main.note=$(NOTE)"' -o $@ rkt.go

$(BIN)/stage1-src.aci: $(BUILDDIR)/stamps/stage1_usr_from_src.stamp stage1/manifest
	@echo "DOUBLE ACI $(@F)"
	tar -C $(BUILDDIR)/aci-for-src-flavor -cf $@ .

# As rkt's makefiles do it: a clone that is there is taken for the right one.
$(BUILDDIR)/stamps/stage1_usr_from_src.stamp: $(SYSTEMD)/NEWS
	mkdir -p $(@D) $(BUILDDIR)/aci-for-src-flavor
	cp $(SYSTEMD)/NEWS $(BUILDDIR)/aci-for-src-flavor/
	echo @SYSTEMD_VER@ >$(BUILDDIR)/aci-for-src-flavor/systemd-version
	touch $@

$(SYSTEMD)/NEWS:
	@echo "DOUBLE CLONE @SYSTEMD_REV@"
	mkdir -p $(BUILDDIR)/tmp/usr_from_src/systemd
	git clone --quiet @SYSTEMD_SRC@ $(SYSTEMD)
	cd $(SYSTEMD) && git checkout --quiet @SYSTEMD_REV@ && git describe --tags

# As rkt's makefiles do it: the image that is here, or the one of a host that is gone.
$(BIN)/stage1-coreos.aci: stage1/manifest
	mkdir -p $(BIN)
	if [ -z "@PXE@" ]; then echo "wget https://alpha.release.core-os.net/amd64-usr/image.cpio.gz"; exit 4; fi
	tar -C $(dir @PXE@) -cf $@ $(notdir @PXE@)

$(BIN)/stage1-%.aci: stage1/manifest
	@echo "DOUBLE ACI $(@F)"
	mkdir -p $(BIN)
	tar -C stage1 -cf $@ manifest
"""

PROGRAM = r"""
package main

import "fmt"

var note = "none"

func main() {
	fmt.Println("rkt-shaped double:", note)
}
"""

FILES = {
    "autogen.sh": "#!/bin/sh\nset -e\necho DOUBLE AUTOGEN\nautoreconf --install --force\n",
    "configure.ac": CONFIGURE,
    "Makefile.in": MAKEFILE,
    "rkt/rkt.go": PROGRAM,
    "rkt/rkt.mk": "# The double's makefile is one.\n",
    "stage1/manifest": "a stage1 of the double\n",
    "vendor/README": "What rkt is compiled with is committed below this directory; the double needs nothing.\n",
}


class RktTree:
    """An rkt-shaped tree in a directory, or as a git repository.

    Attributes:
        path: Its top directory.
        git: Whether it is a repository, whose commits are the source.
    """

    def __init__(self, path: Path, *, git: bool = False) -> None:
        self.path, self.git = path, git
        for name, text in FILES.items():
            self.write(name, text.lstrip("\n"))
        (path / "autogen.sh").chmod(0o755)
        if git:
            run_git(path, "init", "--quiet", "--initial-branch=main")

    def write(self, name: str, text: str) -> None:
        """Write a file of it."""
        (self.path / name).parent.mkdir(parents=True, exist_ok=True)
        (self.path / name).write_text(text, encoding="utf-8")

    def append(self, name: str, text: str) -> None:
        """Add to a file of it."""
        self.write(name, (self.path / name).read_text(encoding="utf-8") + text)

    def spec(
        self, store: Store, deadline: Deadline, *, rules: Build | None = None, flavor: str = "host", go: str | None = "1.27",
        builder: Builder = Builder.DOCKER, systemd: SystemdSource | None = None,
    ) -> BuildSpec:  # fmt: skip
        """Return the build of it as it is now, by the rules that are shipped for rkt."""
        origin = Source(git=str(self.path), ref=commit(self.path)) if self.git else Source(directory=self.path)
        return BuildSpec(
            name="rkt",
            version="1.30.0",
            rules=rules or plain(),
            source=origin,
            revision=source.resolve(origin, "1.30.0", store, deadline),
            toolchain=toolchain.resolve("go", CATALOG.toolchains["go"], go, store, deadline) if go else None,
            builder=builder,
            flavor=flavor,
            systemd=systemd,
        )


def give(spec: BuildSpec, **settings: str) -> BuildSpec:
    """Return the same build with what a user gives to it; `_` stands for `-` in the names."""
    given = {name.replace("_", "-"): value for name, value in settings.items()}
    return replace(spec, settings=build.resolve_settings("rkt", spec.rules, spec.flavor, given))


def plain(**changes: object) -> Build:
    """Return the shipped rules for rkt, with all flavors in one environment, so that no other one has to be made."""
    assert RKT is not None
    same = {"packages": (), "environments": ()}
    flavors = {name: flavor.model_copy(update=same) for name, flavor in RKT.flavors.items()}
    return RKT.model_copy(update={"flavors": flavors, **changes})


def systemd_double(path: Path) -> dict[str, str]:
    """Make a repository that stands for systemd's, and return the commit of each of its two tags."""
    path.mkdir()
    run_git(path, "init", "--quiet", "--initial-branch=main")
    (path / "configure.ac").write_text("# not built\n")
    commits = {}
    for tag in ("v233", "v234"):
        (path / "NEWS").write_text(f"the double of systemd {tag}\n")
        commits[tag] = commit(path)
        run_git(path, "tag", tag)
    return commits


def handed(path: Path, version: str, store: Store, deadline: Deadline) -> SystemdSource:
    """Return a version of the systemd in a repository, as it is handed to a build."""
    origin = Source(git=str(path), ref="{version}")
    return SystemdSource(version=version, source=origin, revision=source.resolve(origin, version, store, deadline))


def commit(path: Path) -> str:
    """Commit all that is in a repository's tree, and return the commit's name."""
    run_git(path, "add", "--all")
    run_git(path, "commit", "--quiet", "--allow-empty", "--message=change")
    return run_git(path, "rev-parse", "HEAD")


def run_git(path: Path, *argv: str) -> str:
    """Run git, and return what it says."""
    who = ("-c", "user.name=A", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", path, *who, *argv], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def lines(log: Path, word: str) -> list[str]:
    """Return what the double says in a build's log about one kind of its steps: GO, ACI, CLONE, AUTOGEN."""
    begin = f"DOUBLE {word}"
    return [line.removeprefix(begin).strip() for line in log.read_text().splitlines() if line.startswith(begin)]


__all__ = ["FILES", "RktTree", "build", "commit", "give", "handed", "lines", "plain", "run_git", "systemd_double"]
