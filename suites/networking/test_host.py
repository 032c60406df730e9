"""The two ways of having no network of one's own: the guest's (host), or none at all."""

from collections.abc import Iterator

import pytest

from suites.lib.engine import Container
from suites.lib.guest import Guest
from suites.lib.rights import Mount
from suites.lib.runtime import ContainerRuntime
from suites.networking.wire import BEYOND, GUEST, Reply, Wire, ask

PORT = 8080
"""Port on which the container listens; the guest's own server has 80."""

NONE = f"""
grep -c : /proc/net/dev
grep -o '^ *[a-z0-9]*:' /proc/net/dev
ip -o link show lo
httpd -p 127.0.0.1:80 -h /mnt
busybox wget -q -O - http://127.0.0.1/cgi-bin/who
busybox wget -q -O - http://{GUEST}/cgi-bin/who 2>&1
"""
"""The interfaces, the state of loopback, and who answers by loopback and by the guest's address."""


@pytest.fixture(scope="module")
def container(runtime: ContainerRuntime, wire: Wire) -> Iterator[Container]:
    """A container in the guest's network, which serves HTTP."""
    pages = Mount(source=wire.pages, target="/mnt", read_only=True)
    argv = ("httpd", "-f", "-p", str(PORT), "-h", "/mnt")
    with runtime.start(*argv, network="host", mounts=(pages,)) as container:
        assert container.guest.wait(f"grep -qs ':{PORT:04X} ' /proc/net/tcp /proc/net/tcp6")
        yield container


def test_host_shows_the_interfaces_of_the_guest(container: Container, guest: Guest) -> None:
    """The container sees every interface of the guest, and no other."""
    names = r"sed -n 's/^ *\([^ ]*\):.*/\1/p' /proc/net/dev"
    seen = container.read_output("sh", "-c", names).split()

    assert "harness0" in seen
    assert sorted(seen) == sorted(guest.do(names).split())


def test_host_shares_sockets_with_the_guest(container: Container, wire: Wire) -> None:
    """What listens in the container listens in the guest, on loopback and for hosts beyond; and the other way round."""
    own = Reply(peer="127.0.0.1", server=container.name)

    assert wire.ask_from_guest(f"127.0.0.1:{PORT}") == [own]
    assert wire.ask_from_beyond(f"{GUEST}:{PORT}") == [Reply(peer=BEYOND, server=container.name)]
    assert ask(lambda words: container.execute(*words), ("127.0.0.1", BEYOND)) == [
        Reply(peer="127.0.0.1", server="guest"),
        Reply(peer=GUEST, server="beyond"),
    ]


def test_none_has_loopback_only(runtime: ContainerRuntime, wire: Wire) -> None:
    """Without a network there is one interface, loopback, which is up and carries packets; nothing else is reached."""
    pages = Mount(source=wire.pages, target="/mnt", read_only=True)
    result = runtime.run("sh", "-c", NONE, mounts=(pages,), environment={"HARNESS_SERVER": "itself"})
    number, name, loopback, own, other = result.out.splitlines()

    assert (number, name.strip()) == ("1", "lo:")
    assert "UP" in loopback
    assert own == "127.0.0.1 itself"
    assert "Network is unreachable" in other
