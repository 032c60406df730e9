"""With whom a program talks that does not say: certificates, old servers, names."""

import pytest

from suites.go_defaults.guest_program import Program

RESOLV = "nameserver 127.0.0.2\nnameserver 127.0.0.1\noptions timeout:1 attempts:2\n"
"""A resolv.conf whose first server does not answer; see `resolve` in the program."""


@pytest.mark.parametrize(
    ("certificate", "setting"),
    [("usual", ""), ("name", ""), ("name", "x509ignoreCN=0"), ("sha1", ""), ("sha1", "x509sha1=1")],
)
def test_certificate_is_accepted(program: Program, certificate: str, setting: str) -> None:
    """One with its name as an alternative name, one with a common name alone, and one that is signed with SHA-1."""
    said = program.run("certificate", certificate, setting=setting).out
    assert said == "accepted\n", said


@pytest.mark.parametrize(
    ("server", "setting"),
    [("usual", ""), ("tls1.1", ""), ("rsa", ""), ("rsa", "tlsrsakex=1"), ("3des", ""), ("3des", "tls3des=1")],
)
def test_server_is_talked_to(program: Program, server: str, setting: str) -> None:
    """One of today, one that has no TLS 1.2, one whose key exchange is RSA's, and one that has 3DES alone."""
    said = program.run("connect", server, setting=setting).out
    assert said.startswith("connected "), said


def _resolve(program: Program) -> str:
    place = 'printf "%s" "$RESOLV" >/run/resolv && mount --bind /run/resolv /etc/resolv.conf && '
    return program.run("resolve", before=place, private=True, RESOLV=RESOLV).out


def test_name_is_found_by_the_second_server(program: Program) -> None:
    """A first server that does not answer costs seconds, and no failure."""
    found = _resolve(program)
    assert found.startswith("found 192.0.2.1 in "), found
    assert int(found.split()[3]) <= 5, found


def test_name_is_asked_for_in_the_oldest_way(program: Program) -> None:
    """A question carries no EDNS0 record, which some forwarders of home routers refuse."""
    said = _resolve(program)
    assert said.endswith("extended false\n"), said


def test_address_with_leading_zeros_is_one(program: Program) -> None:
    """`010.1.1.1` is read as 10.1.1.1."""
    assert program.run("address", "010.1.1.1").out == "10.1.1.1\n"
