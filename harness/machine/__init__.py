"""The life of a guest: boot it, wait until it answers, run commands, copy files, destroy it.

A machine is a directory (machine.json, ssh_config, console.log ...), and whoever has the directory
reaches the guest: `attach` is for other processes than the one that called `boot`.
"""

from harness.machine.facts import Facts, cgroup_mode, facts, prove
from harness.machine.guest import SSH_FAILED, GuestLostError, Machine
from harness.machine.life import boot, free_port, specify
from harness.machine.remains import clean
from harness.machine.warm import start

__all__ = [
    "SSH_FAILED",
    "Facts",
    "GuestLostError",
    "Machine",
    "attach",
    "boot",
    "cgroup_mode",
    "clean",
    "facts",
    "free_port",
    "prove",
    "specify",
    "start",
]

attach = Machine
"""The machine in a directory, which another process booted; raises InfrastructureError if there is none."""
