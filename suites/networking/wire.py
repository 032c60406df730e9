"""What is around the containers: a host beyond the guest, servers on both that say who asks them, and the asking.

The host beyond is a network namespace of the guest, at the other end of a veth pair: a second guest would say no
more of the packets that leave the first one. It knows no way to the containers' own addresses, so what comes from
one without the guest's address gets no answer.
"""

from collections.abc import Callable
from dataclasses import dataclass

from suites.lib.guest import Guest, Result

__all__ = ["BEYOND", "BEYOND6", "GUEST", "GUEST6", "LINK", "NAME", "Reply", "Wire", "ask", "parse"]

LINK = "harness0"
"""The guest's interface to the host beyond."""

GUEST, BEYOND = "192.0.2.1", "192.0.2.2"
"""Addresses of the guest and of the host beyond on the wire between them (RFC 5737)."""

GUEST6, BEYOND6 = "2001:db8::1", "2001:db8::2"
"""The same for IPv6 (RFC 3849)."""

NAME = "probe.harness.test"
"""A name that the DNS server of the host beyond knows (RFC 6761)."""

SETUP = rf"""
exec 3>&1 >&2
# An emulator keeps what it translated of a program only as long as the program is at the same addresses: without
# randomization a process takes a third of the time, and here are some thousand.
echo 0 >/proc/sys/kernel/randomize_va_space
# Packages that are only unpacked have no alternatives (update-alternatives(1)).
for name in iptables iptables-save ip6tables ip6tables-save; do
    [ -e "/usr/sbin/$name" ] || ln -s xtables-nft-multi "/usr/sbin/$name"
done
mkdir -p "$1/www/cgi-bin" && ip netns add "$2" && ip -batch - <<END && ip -n "$2" -batch - <<END || exit
link add {LINK} type veth peer name eth0 netns $2
address add {GUEST}/24 dev {LINK}
address add {GUEST6}/64 dev {LINK} nodad
link set {LINK} up
END
link set lo up
address add {BEYOND}/24 dev eth0
address add {BEYOND6}/64 dev eth0 nodad
link set eth0 up
END
cat >"$1/www/cgi-bin/who" <<'END' && chmod 0755 "$1/www/cgi-bin/who" || exit
#!/bin/sh
read -r name </proc/sys/kernel/hostname
echo
echo "$REMOTE_ADDR ${{HARNESS_SERVER:-$name}}"
END
exec </dev/null
for server in "guest env" "beyond ip netns exec $2"; do
    HARNESS_SERVER=${{server%% *}} ${{server#* }} busybox httpd -f -p 80 -h "$1/www" >/dev/null 2>&1 3>&- & echo $! >&3
done
ip netns exec "$2" dnsmasq --keep-in-foreground --user=root --no-resolv --no-hosts --conf-file=/dev/null \
    --bind-interfaces --listen-address={BEYOND} --address=/{NAME}/{BEYOND} --address=/{NAME}/{BEYOND6} --pid-file= \
    >/dev/null 2>&1 3>&- & echo $! >&3
"""

CLOSE = f"""
echo 2 >/proc/sys/kernel/randomize_va_space
kill $3
ip netns del "$2"
ip link del {LINK}
for bridge in $4; do [ ! -e "/sys/class/net/$bridge" ] || ip link del "$bridge"; done
rm -rf "$1"
"""

LISTENING = "grep -qs ':0050 ' /proc/$1/net/tcp /proc/$1/net/tcp6"
"""Whether something in the network namespace of a process listens on port 80 (proc_pid_net(5))."""

ASK = r"""
seconds=$1; shift
for host; do
    # Not its own -T: busybox 1.30 and 1.35, linked statically, crash with it.
    timeout "$seconds" busybox wget -q -O - "http://$host/cgi-bin/who" 2>&1 ||
        [ $? -eq 1 ] || echo "wget: no answer within $seconds s"
done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came of asking a server who asks.

    Attributes:
        peer: Address from which the server was asked, or empty.
        server: The server's own name: "guest", "beyond" or a container's; or empty.
        error: Why there was no answer, or empty.
    """

    peer: str = ""
    server: str = ""
    error: str = ""


def parse(text: str) -> list[Reply]:
    """Read the answers to `ASK`."""
    answers = []
    for line in text.splitlines():
        if line.startswith("wget: "):
            answers.append(Reply(error=line.removeprefix("wget: ")))
        elif len(line.split()) == 2:
            peer, server = line.split()
            answers.append(Reply(peer=peer.strip("[]").removeprefix("::ffff:"), server=server))
    return answers


def ask(run: Callable[[tuple[str, ...]], Result], hosts: tuple[str, ...], seconds: int = 10) -> list[Reply]:
    """Ask servers; `run` runs a command in the place from which they are asked."""
    result = run(("sh", "-c", ASK, "sh", str(seconds), *hosts))
    answers = parse(result.out)
    assert len(answers) == len(hosts), f"{len(hosts)} servers were asked: {result}"
    return answers


class Wire:
    """The host beyond the guest, and the servers."""

    def __init__(self, guest: Guest, prefix: str) -> None:
        self.guest = guest
        self.beyond = f"{prefix}-beyond"
        self.directory = f"/run/{prefix}-wire"
        self.bridges: list[str] = []
        """Bridges that plugins have made; they stay when their last container is gone."""
        self._pids = guest.do(SETUP, self.directory, self.beyond).split()

    @property
    def pages(self) -> str:
        """What the servers serve."""
        return f"{self.directory}/www"

    def close(self) -> None:
        """Remove all of it."""
        self.guest.do(CLOSE, self.directory, self.beyond, " ".join(self._pids), " ".join(self.bridges))

    @property
    def link(self) -> str:
        """The hardware address of the guest on the wire."""
        path = f"/sys/class/net/{LINK}/address"
        return self.guest.read(path)[path].strip()

    def find_neighbour(self, address: str) -> str:
        """Return the hardware address that the host beyond has for an address; empty if it did not ask for it."""
        said = self.guest.do('ip -n "$1" neigh show "$2"', self.beyond, address).split()
        return said[said.index("lladdr") + 1] if "lladdr" in said else ""

    def ask_from_guest(self, *hosts: str, seconds: int = 10) -> list[Reply]:
        """Ask servers from the guest: "10.0.0.1", "10.0.0.1:8080", "[2001:db8::1]"."""
        return ask(lambda words: self.guest.sh('"$@"', *words), hosts, seconds)

    def ask_from_beyond(self, *hosts: str, seconds: int = 10) -> list[Reply]:
        """Ask servers from the host beyond."""
        return ask(lambda words: self.guest.sh('exec ip netns exec "$@"', self.beyond, *words), hosts, seconds)
