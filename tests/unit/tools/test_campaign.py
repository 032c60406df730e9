"""The campaign: steps run once, figures are found, and what is left is run when it goes on."""

import re
import subprocess
from pathlib import Path

import pytest

from harness import yamlfile
from harness.errors import ConfigError, UsageError
from tools import campaign
from tools.campaign import FILE, TABLE, CampaignPlan, find_figure

STEPS = """\
steps:
  - name: one
    description: counts
    command: [sh, -c, "echo x >>counts; echo 3 passed; echo 5 passed"]
    figures: {passed: '(\\d+) passed', failed: '(\\d+) failed'}
  - name: two
    description: ends as the file says
    command: [sh, -c, "cat seen; exit $(cat status)"]
    figures: {share: /results/0/share}
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a campaign of two steps, the second of which fails."""
    root = tmp_path / "project"
    root.mkdir()
    (root / "campaign.yaml").write_text(STEPS)
    (root / "status").write_text("1")
    (root / "seen").write_text('noise\n{"results": [{"share": 97.5}]}\n')
    (root / ".gitignore").write_text("counts\nstatus\n")
    _git(root, "init", "--quiet")
    _commit(root)
    return root


def _git(root: Path, *words: str) -> None:
    subprocess.run(["git", "-c", "user.name=t", "-c", "user.email=t@example.org", *words], cwd=root, check=True)


def _commit(root: Path) -> None:
    _git(root, "add", "--all")
    _git(root, "commit", "--quiet", "--allow-empty", "--message=all")


def _run(root: Path, *words: str) -> int:
    return campaign.main([*words, "--directory", str(root.parent / "journal")], root=root, file=root / "campaign.yaml")


def _rows(root: Path) -> list[list[str]]:
    lines = (root / TABLE).read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("| 2")]


def test_it_goes_on_where_it_failed(project: Path) -> None:
    """A step that passed at this commit is not run again; one that failed is, and each end has its row."""
    assert 1 == _run(project)
    (project / "status").write_text("0")
    assert 0 == _run(project)
    assert 0 == _run(project)
    assert "x\n" == (project / "counts").read_text()
    assert [["one", "passed", "passed 5"], ["two", "FAILED", "share 97.5"], ["two", "passed", "share 97.5"]] == [
        row[2:5] for row in _rows(project)
    ]
    assert all(re.fullmatch(r"[0-9a-f]{12}", row[1]) for row in _rows(project))


def test_another_commit_is_tried_anew(project: Path) -> None:
    """What passed elsewhere says nothing here."""
    (project / "status").write_text("0")
    assert 0 == _run(project)
    _commit(project)
    assert 0 == _run(project)
    assert "x\nx\n" == (project / "counts").read_text()


def test_changes_are_in_no_commit(project: Path) -> None:
    """With changes in the tree nothing is remembered, and the row says so."""
    (project / "seen").write_text("other")
    for _ in range(2):
        assert 0 == _run(project, "--only", "one")
    assert ["+", "+"] == [row[1][-1] for row in _rows(project)]
    assert "x\nx\n" == (project / "counts").read_text()


def test_a_step_that_takes_too_long_failed(project: Path) -> None:
    """It is ended, and has a row."""
    text = "steps: [{name: slow, description: sleeps, hours: 0.0001, command: [sleep, '60']}]\n"
    (project / "campaign.yaml").write_text(text)
    assert 1 == _run(project)
    assert [["slow", "FAILED", "none"]] == [row[2:5] for row in _rows(project)]


def test_unknown_step(project: Path) -> None:
    """A name that there is not is refused with those that there are, and nothing runs."""
    with pytest.raises(UsageError, match="no step `three`; the steps are one, two"):
        _run(project, "--only", "three")
    assert not (project / TABLE).exists()


def test_names_are_unique(tmp_path: Path) -> None:
    """Two journals of one name would be one."""
    step = "{name: a, description: b, command: ['true']}"
    (tmp_path / "c.yaml").write_text(f"steps: [{step}, {step}]\n")
    with pytest.raises(ConfigError, match="same name"):
        yamlfile.load(tmp_path / "c.yaml", CampaignPlan)


@pytest.mark.parametrize(
    ("wanted", "output", "figure"),
    [
        (r"(\d+) of", "1 of 2\n3 of 4\n", "3"),
        (r"(\d+) of", "none", None),
        ("/a/1", '{"a": [1, 2]}', "2"),
        ("/a/2", '{"a": [1, 2]}', None),
        ("/b", '{"a": 1}', None),
        ("/a", "no JSON", None),
        ("/a", "", None),
    ],
)
def test_figures(wanted: str, output: str, figure: str | None) -> None:
    """The last match counts; what is not there is no figure and no error."""
    assert figure == find_figure(wanted, output)


def test_the_projects_own_steps() -> None:
    """Each figure is an expression with one group or a pointer, and each module that is run exists."""
    steps = yamlfile.load(FILE, CampaignPlan).steps
    wanted = [figure for step in steps for figure in step.figures.values()]
    assert all(figure.startswith("/") or re.compile(figure).groups == 1 for figure in wanted)
    modules = [step.command[step.command.index("-m") + 1] for step in steps if step.command[0].endswith("python")]
    assert all((campaign.ROOT / f"{name.replace('.', '/')}.py").exists() for name in modules)
