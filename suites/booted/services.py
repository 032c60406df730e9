"""The services of the booted container, each with a setting for which systemd makes it something of its own."""

from dataclasses import dataclass

from suites.lib.engine import Container

__all__ = ["CREDENTIAL", "UNITS", "ServiceFacts", "read_services"]

CREDENTIAL = "/run/harness-credential"
"""File in the container with what a service found in its credential."""

SLEEP = "ExecStart=/bin/sleep infinity"

SETTINGS = {
    "plain": SLEEP,
    "network": f"PrivateNetwork=yes\n{SLEEP}",
    "users": f"PrivateUsers=yes\n{SLEEP}",
    "files": (
        "ProtectSystem=strict\nProtectHome=yes\nPrivateTmp=yes\nPrivateDevices=yes\n"
        f"ProtectKernelTunables=yes\nProtectControlGroups=yes\n{SLEEP}"
    ),
    "dynamic": f"DynamicUser=yes\nStateDirectory=harness\n{SLEEP}",
    "credential": (
        "SetCredential=word:a secret\n"
        f"ExecStart=/bin/sh -c 'cat \"$$CREDENTIALS_DIRECTORY/word\" >{CREDENTIAL}; exec /bin/sleep infinity'"
    ),
}

UNITS = {
    f"harness-{name}.service": f"[Unit]\nBefore=harness-ready.service\n[Service]\n{settings}"
    for name, settings in SETTINGS.items()
}
"""Text of each unit, by its name."""

FACTS = r"""
for word; do
    name=${word%=*} pid=${word#*=}
    for kind in net user mnt; do echo "$name $kind $(readlink "/proc/$pid/ns/$kind")"; done
    while read -r key uid _; do [ "$key" != Uid: ] || echo "$name uid $uid"; done <"/proc/$pid/status"
    nsenter --target "$pid" --mount -- sh -c 'for path in /usr /etc /tmp; do [ ! -w "$path" ] || echo "$1 writable $path"; done' sh "$name"
done
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """A service in the container, as the container sees it.

    Attributes:
        state: Its state and result: "active success".
        namespaces: Namespace of its main process, by kind.
        uid: User of its main process.
        writable: Which of /usr, /etc and /tmp it could write to as root.
    """

    state: str
    namespaces: dict[str, str]
    uid: int
    writable: frozenset[str]


def read_services(container: Container) -> dict[str, ServiceFacts]:
    """Return what is known of each service, by its name in `SETTINGS`."""
    said = container.read_output("systemctl", "show", "--property=ActiveState,Result,MainPID", *UNITS)
    blocks = [dict(line.split("=", 1) for line in block.splitlines()) for block in said.strip().split("\n\n")]
    shown = dict(zip(SETTINGS, blocks, strict=True))
    pids = [f"{name}={block['MainPID']}" for name, block in shown.items() if block["MainPID"] != "0"]
    lines = [line.split(" ", 2) for line in container.read_output("sh", "-c", FACTS, "sh", *pids).splitlines()]
    return {
        name: ServiceFacts(
            state=f"{block['ActiveState']} {block['Result']}",
            namespaces={kind: text for who, kind, text in lines if who == name and kind in {"net", "user", "mnt"}},
            uid=next((int(text) for who, kind, text in lines if (who, kind) == (name, "uid")), -1),
            writable=frozenset(text for who, kind, text in lines if (who, kind) == (name, "writable")),
        )
        for name, block in shown.items()
    }
