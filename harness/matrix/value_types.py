"""Types of the values in matrix.yaml, each of which checks itself against the catalog.

The catalog comes as pydantic's validation context, so that all problems of a file are found in one
pass. Without a context (for the JSON schema) only the form is checked.
"""

import re
from collections.abc import Callable
from datetime import date
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, GetPydanticSchema, ValidationInfo
from pydantic_core import core_schema

from harness.catalog import Catalog
from harness.selection import Selection, names, parse_selection
from harness.yamlfile import TextError

__all__ = [
    "BuilderText", "ComponentText", "DistroText", "Expiry", "GoText", "LinkText", "Regex", "RuntimeText", "Select", "Sentence",
    "SuiteText", "SystemdText", "ToolchainText",
]  # fmt: skip

SYSTEMD = "systemd"
"""The component besides the runtimes whose source can be chosen."""


def _make_validator(check: Callable[[str, Catalog], object]) -> AfterValidator:
    def validate(text: str, info: ValidationInfo) -> str:
        if isinstance(info.context, Catalog):
            check(text, info.context)
        return text

    return AfterValidator(validate)


def _check_suite(text: str, catalog: Catalog) -> None:
    if text not in catalog.suites:
        raise TextError(names.describe_unknown("suite", text, catalog.suites))


def _check_toolchain(text: str, catalog: Catalog) -> None:
    if text not in catalog.toolchains:
        raise TextError(names.describe_unknown("toolchain", text, catalog.toolchains))


def _check_component(text: str, catalog: Catalog) -> None:
    known = [SYSTEMD, *(name for name, runtime in catalog.runtimes.items() if runtime.build)]
    if text not in known:
        raise TextError(names.describe_unknown("component that is built", text, known))


def _go(text: str) -> str:
    if re.match(r"[0-9]+\.[0-9]+(\.[0-9]+|(rc|beta)[0-9]+)?\Z", text) is None:
        raise TextError(f'`{text}` is no version of Go, for instance "1.21" or "1.21.13"')
    return text


def _systemd(text: str) -> str:
    names.check_axis_systemd(text)
    return text


def _parse_date(value: object) -> date:
    try:
        return date.fromisoformat(value if isinstance(value, str) else "")
    except ValueError as error:
        raise ValueError(f"`{value}` is no date; write it as 2027-06-01") from error


def _link(text: str) -> str:
    if re.match(r"https?://[^/\s]+/\S", text) is None:
        raise TextError(f"`{text}` is no link to an issue; it begins with https://")
    return text


def _check_sentence(text: str) -> str:
    if not text.strip():
        raise ValueError("a reason is a sentence; it must not be empty")
    return text


def _parse_selection(text: str, info: ValidationInfo) -> Selection:
    assert isinstance(info.context, Catalog), "selections are read with a catalog"
    return parse_selection(text, info.context)


def _check_builder(text: str) -> str:
    if text == "host":
        raise ValueError(
            "`host` is not for a file, as no file decides that code runs outside of the build container; "
            "give `--builder host` on the command line"
        )
    return text


DistroText = Annotated[str, _make_validator(names.check_axis_distro), Field(examples=["debian/bookworm"])]
"""A distro with its channel: `debian/bookworm`, `flatcar/edge@2079.99.0`."""
RuntimeText = Annotated[str, _make_validator(names.check_axis_runtime), Field(examples=["nspawn", "runc@1.1.5"])]
"""A runtime: `nspawn`, `runc@1.1.5`, `runc@distro`, `rkt@1.30.0/host`."""
SystemdText = Annotated[str, AfterValidator(_systemd), Field(examples=["distro", "v252", "distro->254"])]
"""`distro`, or a revision that is built; with `->` what the running guest is upgraded to."""
GoText = Annotated[str, AfterValidator(_go), Field(examples=["1.21"])]
"""A version of Go."""
SuiteText = Annotated[str, _make_validator(_check_suite)]
"""Name of a suite."""
ToolchainText = Annotated[str, _make_validator(_check_toolchain)]
"""Name of a toolchain."""
ComponentText = Annotated[str, _make_validator(_check_component)]
"""`systemd`, or name of a runtime that is built."""
Regex = Annotated[str, AfterValidator(names.check_pattern)]
"""A regular expression that is searched for."""
Expiry = Annotated[date, BeforeValidator(_parse_date)]
"""A day, written as 2027-06-01."""
LinkText = Annotated[str, AfterValidator(_link)]
"""A link to an issue."""
BuilderText = Annotated[Literal["docker", "host"], AfterValidator(_check_builder)]
"""Where runtimes are built."""
Sentence = Annotated[str, AfterValidator(_check_sentence)]
"""Text for people, not empty."""
Select = Annotated[
    Selection,
    GetPydanticSchema(
        lambda _source, _handler: core_schema.with_info_after_validator_function(
            _parse_selection,
            core_schema.str_schema(),
            serialization=core_schema.plain_serializer_function_ser_schema(str, return_schema=core_schema.str_schema()),
        )
    ),
]
"""An expression over the fields of a cell."""
