"""A DOUBLE of QEMU: it writes a console, answers at its monitor, and has no guest."""

import json
import re
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

VERSION = "QEMU emulator version 7.2.0 (a double)"
GREETING = {"QMP": {"version": {"qemu": {"micro": 0, "minor": 2, "major": 7}, "package": ""}, "capabilities": []}}
GOODBYE = {
    "event": "SHUTDOWN",
    "data": {"guest": False, "reason": "host-qmp-quit"},
    "timestamp": {"seconds": 1, "microseconds": 1},
}
BOOT = "[    0.000000] Linux version 6.1.0 (a double)\n[    1.000000] harness initrd: the network is up\n"


def find_value(pattern: str, text: str) -> str | None:
    """Return the value that a pattern finds among the options, as QEMU reads it."""
    match = re.search(pattern, text, re.MULTILINE)
    return match[1].replace(",,", ",") if match else None


def list_commands(peer: socket.socket) -> Iterator[dict[str, Any]]:
    """Yield what is asked; commands are JSON objects that may follow each other without a line's end."""
    text, decoder = "", json.JSONDecoder()
    while chunk := peer.recv(4096):
        text += chunk.decode()
        with suppress(ValueError):
            while text := text.lstrip():
                asked, end = decoder.raw_decode(text)
                text = text[end:]
                yield asked


def serve(server: socket.socket) -> None:
    """Answer every command until one is `quit`."""
    while True:
        with suppress(ConnectionError), server.accept()[0] as peer:
            peer.sendall(format_message(GREETING))
            for asked in list_commands(peer):
                answer = {"status": "running"} if asked["execute"] == "query-status" else {}
                peer.sendall(format_message({"return": answer, **({"id": asked["id"]} if "id" in asked else {})}))
                if asked["execute"] == "quit":
                    peer.sendall(format_message(GOODBYE))
                    return


def format_message(message: dict[str, Any]) -> bytes:
    """Return a message as it is sent."""
    return f"{json.dumps(message)}\r\n".encode()


def main(words: list[str]) -> None:
    """Do what QEMU would with these options."""
    text = "\n".join(words)
    if "--version" in words:
        sys.stdout.write(f"{VERSION}\n")
    elif "stdio" in words:  # a trial of its confinement, which it takes
        return
    elif serial := find_value(r"^file:(.*)", text):  # a trial of KVM
        Path(serial).write_text(BOOT, encoding="utf-8")
        signal.pause()
    else:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(find_value(r"id=qmp,path=(.*?),server", text) or "")
            server.listen()
            with Path(find_value(r"id=console,.*logfile=(.*?),logappend", text) or "").open("a") as console:
                console.write(BOOT)
            serve(server)


if __name__ == "__main__":
    main(sys.argv[2:])
