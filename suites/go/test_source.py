"""What the tools of a Go release say about source that earlier ones had nothing against."""

from suites.go.toolchain import Go

FILES = r"""find . -name '.?*' -prune -o -name vendor -prune -o -name testdata -prune -o -name '*.go' -print0 | xargs -0 -r "$@" """
"""Shell: a program with all Go files that the runtime's people write."""


def test_composite_literals_name_their_fields(go: Go) -> None:
    """`go vet -composites`: a literal of another package's struct names its fields; it is in vet's default set, too."""
    go.require((1, 10), "checks of `go vet` that can be chosen")
    done = go.run("vet", *go.tags, "-composites", "./...")
    assert done.code == 0, f"go vet -composites:\n{done.out}"


def test_source_is_formatted(go: Go) -> None:
    """`gofmt -l`: no file would be written otherwise, also where gofmt's idea of a comment or a literal has changed."""
    done = go.tree.run("sh", "-c", FILES, "files", f"{go.tree.goroot}/bin/gofmt", "-l")
    assert (done.code, done.out) == (0, ""), f"gofmt would change:\n{done.out}"


def test_vet_finds_nothing(go: Go) -> None:
    """`go vet`: all that this release checks by default."""
    done = go.run("vet", *go.tags, "./...")
    assert done.code == 0, f"go vet:\n{done.out}"


def test_fix_changes_nothing(go: Go) -> None:
    """`go fix -diff`: nothing is written in a way that this release has a newer one for."""
    go.require((1, 26), "`go fix -diff`")
    done = go.run("fix", "-diff", *go.tags, "./...")
    assert done.code == 0, f"go fix would change:\n{done.out}"
