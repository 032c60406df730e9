"""The networks of the suites as rkt's adapter asks for them: files in net.d, words of --net and --port."""

import json

import pytest

from suites.lib.cni_spec import Network
from suites.lib.rights import LacksError
from suites.lib.runtime_networks import NetworkRequest
from suites.runtimes.rkt import nets
from suites.runtimes.rkt.command import Port

BLUE = Network(
    name="blue",
    plugins=(
        {"type": "ptp", "ipMasq": True, "ipam": {"type": "host-local", "ranges": [[{"subnet": "10.0.0.0/24"}]], "routes": []}},
        {"type": "portmap", "capabilities": {"portMappings": True}},
    ),
)  # fmt: skip
DEFAULT = Network(name="default", plugins=({"type": "ptp", "ipam": {}},))


def test_networks_are_files_and_words() -> None:
    """Networks of rkt's own have no file, and a file one plugin, of the oldest form; all have the arguments."""
    wanted = NetworkRequest(networks=(DEFAULT, BLUE), arguments={"IP": "10.0.0.9", "X": "y"})
    ((name, text),) = nets.make_files(wanted).items()

    assert name == "01-blue.conf"
    assert json.loads(text) == {
        "name": "blue", "type": "ptp", "ipMasq": True,
        "ipam": {"type": "host-local", "subnet": "10.0.0.0/24", "routes": []},
    }  # fmt: skip
    assert nets.format_words(wanted) == ("default:IP=10.0.0.9;X=y", "blue:IP=10.0.0.9;X=y")
    assert nets.format_words(NetworkRequest(networks=(BLUE,))) == ("blue",)


def test_port_is_one_of_the_image_and_one_of_the_guest() -> None:
    """They find each other by a name; an address of the guest may be missing."""
    ports = (
        {"hostPort": 81, "containerPort": 80, "protocol": "tcp", "hostIP": "192.0.2.1"},
        {"hostPort": 82, "containerPort": 80, "protocol": "udp"},
    )
    wanted = NetworkRequest(networks=(BLUE,), ports=ports)

    assert nets.list_ports(wanted) == (Port(name="p0", port=81, address="192.0.2.1"), Port(name="p1", port=82))
    assert [(each["name"], each["port"], each["protocol"]) for each in nets.list_image_ports(wanted)] == [
        ("p0", 80, "tcp"),
        ("p1", 80, "udp"),
    ]


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ((BLUE, BLUE), "once only"),
        ((Network(name="list", plugins=(*DEFAULT.plugins, {"type": "tuning"})),), "one plugin"),
        ((Network(name="six", plugins=({"type": "ptp", "ipam": {"ranges": [[{}], [{}]]}},)),), "one address"),
    ],
)
def test_networks_that_rkt_has_no_word_for(networks: tuple[Network, ...], message: str) -> None:
    """What rkt would do in another way is refused."""
    with pytest.raises(LacksError, match=message):
        nets.make_files(NetworkRequest(networks=networks))
