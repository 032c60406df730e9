"""The parts of minirkt, the test double of rkt, that need no guest: how it reads command lines and manifests."""

import json
import re
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from suites.runtimes.rkt.command import PodSpec, RuntimeApp, format_run
from tests.helpers.minirkt import TREE

LIBRARY = TREE / "usr" / "lib" / "minirkt"

words = st.text(st.characters(blacklist_categories=["Cs"], blacklist_characters="\0\r"), min_size=1).filter(
    lambda word: word != "---"
)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(words, min_size=1, max_size=4), min_size=1, max_size=3))
def test_words_of_apps_arrive_as_they_are(argvs: list[list[str]]) -> None:
    """Whatever an app's words are, options and separators among them, the double reads them as they were meant."""
    pod = PodSpec(apps=tuple(RuntimeApp(image=f"image{number}", argv=tuple(argv)) for number, argv in enumerate(argvs)))
    found: dict[str, str] = {}
    argv = ["awk", "-f", str(LIBRARY / "cli.awk"), "x", *format_run((1, 30, 0), pod)]
    for line in subprocess.run(argv, check=True, capture_output=True, timeout=20).stdout.decode().split("\n")[:-1]:
        key, _, value = line.partition("\t")
        found[re.sub(r"opt/\d+/", "", key)] = re.sub(r"\\(.)", lambda m: {"n": "\n", "t": "\t"}.get(m[1], m[1]), value)

    for number, argv in enumerate(argvs):
        assert found.pop(f"app/{number}/image") == f"image{number}"
        assert found.pop(f"app/{number}/exec") == argv[0]
        assert [found.pop(f"app/{number}/arg/{place}") for place in range(len(argv) - 1)] == argv[1:]
    assert found == {}


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers(-(2**31), 2**31) | st.text(st.characters(max_codepoint=126)),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.from_regex(r"\A[a-zA-Z]{1,5}\Z"), inner, max_size=3)
        ),
        max_leaves=8,
    )
)
def test_the_double_reads_json(value: object) -> None:
    """The double's reader of manifests finds every value of a document, at its path."""

    def flat(value: object, path: str) -> dict[str, str]:
        if isinstance(value, dict):
            items = [(str(key), item) for key, item in value.items()]
        elif isinstance(value, list):
            items = [(str(number), item) for number, item in enumerate(value)]
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            return {path: text.replace("\\", "\\\\").replace("\n", "\\n").replace("\t", "\\t")}
        return {
            key: text for name, item in items for key, text in flat(item, f"{path}/{name}" if path else name).items()
        }

    # The program cannot print a NUL; no manifest has one.
    text = json.dumps(value).replace("\\u0000", "")
    argv = ["awk", "-f", str(LIBRARY / "json.awk")]
    out = subprocess.run(argv, check=True, capture_output=True, input=text.encode(), timeout=20).stdout.decode()

    assert dict(line.split("\t", 1) for line in out.split("\n")[:-1]) == flat(json.loads(text), "")


@pytest.mark.parametrize("text", ['{"a": ', '{"a" "b"}', "[1, 2", '"open', "{} {}"])
def test_the_double_refuses_what_is_no_json(text: str) -> None:
    """A manifest that is cut off or no JSON is an error."""
    done = subprocess.run(["awk", "-f", LIBRARY / "json.awk"], check=False, input=text, text=True, timeout=20)

    assert done.returncode != 0
