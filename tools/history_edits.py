"""Small edits of systemd 252: what a history that is made for tests consists of.

Of systemd's own text there is nothing here but the words that an edit looks for.
"""

import re
from dataclasses import dataclass

FUNCTION = r"(?m:^(?:static )?int {name}\([^;{{]*\) \{{\n(?:(?!\}})[^\n]*\n)*?)(?= {{8}}assert\()"
"""A function's text up to its first assertion, where its declarations are over."""

LOGGED = {
    "src/nspawn/nspawn.c": "setup_timezone",
    "src/nspawn/nspawn-bind-user.c": "convert_user",
    "src/nspawn/nspawn-expose-ports.c": "expose_port_flush",
    "src/nspawn/nspawn-network.c": "add_veth",
    "src/nspawn/nspawn-patch-uid.c": "get_acl",
    "src/nspawn/nspawn-settings.c": "settings_load",
    "src/nspawn/nspawn-setuid.c": "spawn_getent",
    "src/machine/machine.c": "machine_start_scope",
    "src/machine/machined.c": "manager_enumerate_machines",
    "src/machine/machine-dbus.c": "bus_machine_method_terminate",
    "src/core/automount.c": "automount_add_trigger_dependencies",
    "src/core/cgroup.c": "cgroup_add_device_allow",
    "src/core/device.c": "device_coldplug",
    "src/core/job.c": "job_install_deserialized",
    "src/core/load-dropin.c": "unit_load_dropin",
    "src/core/mount.c": "mount_add_device_dependencies",
    "src/core/namespace.c": "append_bind_mounts",
    "src/core/path.c": "path_add_mount_dependencies",
    "src/core/service.c": "service_add_fd_store",
    "src/core/slice.c": "slice_verify",
    "src/core/socket.c": "socket_add_mount_dependencies",
    "src/core/swap.c": "swap_add_device_dependencies",
    "src/core/target.c": "target_add_default_dependencies",
    "src/core/timer.c": "timer_add_default_dependencies",
    "src/core/transaction.c": "delete_one_unmergeable_job",
    "src/core/unit.c": "unit_add_alias",
    "src/shared/bus-wait-for-jobs.c": "bus_wait_for_jobs_new",
    "src/shared/cgroup-setup.c": "cg_create_and_attach",
    "src/shared/discover-image.c": "image_new",
    "src/shared/dropin.c": "write_drop_in",
    "src/shared/fdset.c": "fdset_put_dup",
}
"""Functions that get a debug message: file and name."""

REMARKED = (
    "src/core/kill.c", "src/core/emergency-action.c", "src/core/dbus-scope.c", "src/core/manager-dump.c",
    "src/nspawn/nspawn-util.c", "src/nspawn/nspawn-creds.c", "src/shared/barrier.c", "src/shared/bitmap.c",
    "src/shared/condition.c", "src/machine/operation.c", "src/nspawn/nspawn-settings.h", "src/shared/cgroup-show.h",
)  # fmt: skip
"""C files that get a comment in front of what they include: the lines after it move, the code is the same."""

DOCUMENTED = (
    "docs/CGROUP_DELEGATION.md", "docs/CONTAINER_INTERFACE.md", "docs/ENVIRONMENT.md", "docs/HACKING.md", "TODO", "NEWS",
)  # fmt: skip
"""Texts that get a last line."""

MANUALS = ("man/machinectl.xml", "man/systemd-nspawn.xml", "man/systemd.resource-control.xml", "man/systemd.scope.xml")
"""Manual pages that get a comment."""

CONFIGURED = (
    "src/nspawn/meson.build",
    "src/shared/meson.build",
    "units/machine.slice",
    "units/systemd-nspawn@.service.in",
)
"""Files with comments of one `#` that get another one after the first line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Edit:
    """A change of one place in one file.

    Attributes:
        path: The file, below the tree's top.
        subject: First line of the commit's message.
        anchor: Regular expression whose first match is replaced; `text` is what by, as in re.sub.
        text: The replacement; `{number}` in it is the number of the commit, so that an edit can be made twice.
    """

    path: str
    subject: str
    anchor: str
    text: str

    def applied(self, before: bytes, number: int) -> bytes:
        """Return the file with the change.

        Raises:
            RuntimeError: The file has no such place.
        """
        text = self.text.replace("{number}", str(number)).encode()
        after, count = re.subn(self.anchor.encode(), text, before, count=1)
        if not count:
            raise RuntimeError(f"{self.path} has nothing like `{self.anchor}`: another version of systemd?")
        return after


def _area(path: str) -> str:
    """Return what a message of systemd's own begins with."""
    return path.split("/")[1]


def logged(path: str, function: str) -> Edit:
    """Return a debug message at the beginning of a function."""
    return Edit(
        path=path,
        subject=f"{_area(path)}: say when {function} begins",
        anchor=FUNCTION.format(name=function),
        text=rf'\g<0>        log_debug("{function} begins ({{number}}).");\n',
    )


EDITS = (
    *(logged(path, function) for path, function in LOGGED.items()),
    *(
        Edit(path=path, subject=f"{path}: a remark", anchor="(?m:^#include )", text=r"/* Remark {number}. */\n\g<0>")
        for path in REMARKED
    ),
    *(
        Edit(path=path, subject=f"{path}: another line", anchor=r"\n*\Z", text=r"\n\nLine of commit {number}.\n")
        for path in DOCUMENTED
    ),
    *(
        Edit(path=path, subject=f"{path}: a remark", anchor="</refentry>", text=r"<!-- Remark {number}. -->\n\g<0>")
        for path in MANUALS
    ),
    *(
        Edit(path=path, subject=f"{path}: a remark", anchor=r"\A#[^\n]*\n", text=r"\g<0># Remark {number}.\n")
        for path in CONFIGURED
    ),
)
"""What changes no behaviour; each is of another file."""


def mistake(path: str, function: str) -> tuple[Edit, Edit]:
    """Return a call of a function that is declared nowhere, and the change that fixes it."""
    right = logged(path, function)
    broken = Edit(
        path=path,
        subject=f"{_area(path)}: show the progress of {function}",
        anchor=right.anchor,
        text=right.text.replace("log_debug", MISTAKE),
    )
    fixed = Edit(path=path, subject=f"{_area(path)}: log it the usual way", anchor=MISTAKE, text="log_debug")
    return broken, fixed


MISTAKE = "log_progress"
"""The function that is not there: a file that has this word does not compile."""

MISTAKES = (
    mistake("src/nspawn/nspawn-register.c", "register_machine"),
    mistake("src/core/scope.c", "scope_verify"),
)
"""The changes that make a lone commit unbuildable, and those of a stretch of commits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """A change of behaviour.

    Attributes:
        edit: The change.
        case: Node id of the case of a suite that fails since, or None.
        script: Shell script that ends with another status than 0 in the guest since, or None.
    """

    edit: Edit
    case: str | None = None
    script: str | None = None


CULPRITS = {
    "payload": Culprit(
        edit=Edit(
            path="src/nspawn/nspawn-cgroup.c",
            subject="nspawn: call the cgroup of the container what it is",
            anchor='"/payload"',
            text='"/container"',
        ),
        case="cgroup/test_places.py::test_processes_live_in_payload",
    ),
    "mount": Culprit(
        edit=Edit(
            path="src/nspawn/nspawn-mount.c",
            subject="nspawn: mount all of /proc with the same flags",
            anchor=r'("/proc/sys", +NULL, +NULL, +MS_BIND)\|MS_RDONLY',
            text=r"\g<1>",
        ),
        case="cgroup/test_inside.py::test_proc_sys_is_read_only",
    ),
    "limit": Culprit(
        edit=Edit(
            path="src/core/main.c",
            subject="core: lower the default of TasksMax",
            anchor=r"(DEFAULT_TASKS_MAX .*)15U, 100U.*",
            text=r"\g<1>5U, 100U }) /* 5% */",
        ),
        script='[ "$(systemctl show --property=DefaultTasksMax --value)" -gt $(($(cat /proc/sys/kernel/threads-max) / 10)) ]',
    ),
}
"""Changes of behaviour by name; none is in a file that `EDITS` or `MISTAKES` change."""
