"""What the standard library says, which other programs' tests compare."""

from suites.go_defaults.guest_program import Program

DECODED = """\
json: cannot unmarshal string into Go struct field layers.Size of type int
json: cannot unmarshal number into Go struct field layers.Names of type string
invalid character 'x' in string escape code
invalid character '}' after top-level value
unexpected end of JSON input
"""


def test_errors_of_json_are_those_of_ever(program: Program) -> None:
    """A wrong type, also of an element, a wrong escape, something after the value, and an end too early."""
    assert program.run("decode").out == DECODED
