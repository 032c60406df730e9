"""The life of a guest: boot it, wait until it answers, run commands, copy files, destroy it.

A machine is a directory (machine.json, ssh_config, console.log ...), and whoever has the directory
reaches the guest: `attach` is for other processes than the one that called `boot`.
"""

from harness.machine.booting import boot, specify
from harness.machine.cleanup import clean
from harness.machine.facts import Facts, detect_cgroup_mode, prove, read_facts
from harness.machine.guest import SSH_FAILED, GuestLostError, Machine, Pid1CrashError, SshKilledError
from harness.machine.qemu_process import find_free_port
from harness.machine.terminal import bridge_console, connect_console
from harness.machine.warm import start

__all__ = [
    "SSH_FAILED", "Facts", "GuestLostError", "Machine", "Pid1CrashError", "SshKilledError", "attach", "boot", "bridge_console", "clean", "connect_console",
    "detect_cgroup_mode", "find_free_port", "prove", "read_facts", "specify", "start",
]  # fmt: skip

attach = Machine
"""The machine in a directory, which another process booted; raises InfrastructureError if there is none."""
