"""The apps of a pod as services of the systemd in it, with the unit properties that rkt's stage1 gave its apps.

An app's end, and the pod's: rkt wrote the status of each app to a file, ended the pod with the status of the first
app that failed, and ended it with 0 when the last one had ended.
"""

import re

from suites.lib.rights import App
from suites.lib.spec import PATH

__all__ = ["STATUS", "get_root", "make_script"]

STATUS = "/rkt/status"
"""Directory in the pod with a file for each app that has ended: its exit status."""

ENDED = r"""
code=$EXIT_STATUS
case $code in TERM) code=143 ;; KILL) code=137 ;; esac
echo "$code" >"/rkt/status/$1"
shift
[ "$EXIT_CODE" != exited ] || [ "$code" = 0 ] || [ -e /rkt/code ] || {
    echo "$code" >/rkt/code && systemctl --no-block stop "$@"
}
"""
"""What runs when an app has ended: the first that failed by itself ends the others (systemd.exec(5), EXIT_CODE)."""

LAST = r"""
[ ! -e /rkt/code ] || read -r code </rkt/code
exec systemctl --force exit "${code:-0}"
"""
"""What runs when no app needs the pod any more."""

INSTALL = r"""
cd "$1" && mkdir -p rkt/status rkt/env etc/systemd/system/harness.target.wants || exit
printf '%s\n' "$2" >>etc/passwd && printf '%s\n' "$3" >>etc/group || exit
shift 3
while [ $# -gt 1 ]; do
    case $1 in
    */) mkdir -p "$1" ;;
    *) printf '%s\n' "$2" >"$1" ;;
    esac
    case $1 in
    */pod-end.service) ;;
    etc/systemd/system/*.service) ln -s "../${1##*/}" etc/systemd/system/harness.target.wants/ ;;
    esac
    shift 2
done
"""
"""Write users, groups, and files, given as their paths and contents, into a tree.

Services start with the pod's target. A systemd knows users only by its own user database, numbers too; rkt made
entries for its apps there.
"""

END = """\
[Unit]
StopWhenUnneeded=yes
DefaultDependencies=no
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/true
ExecStop=/bin/sh /rkt/last
"""


def get_root(app: App) -> str:
    """Return an app's root file system, as the pod sees it."""
    return f"/opt/stage2/{app.name}/rootfs"


def make_script(apps: tuple[App, ...]) -> tuple[str, tuple[str, ...]]:
    """Return a shell script that installs apps in the tree that is its first argument, and its further arguments."""
    files = {"rkt/ended": ENDED, "rkt/last": LAST, "etc/systemd/system/pod-end.service": END}
    for app in apps:
        files |= {
            f"etc/systemd/system/{app.name}.service": "\n".join(_format_unit(app, apps)),
            f"rkt/env/{app.name}": "\n".join(
                f'{name}="{_quote_variable(value)}"' for name, value in app.environment.items()
            ),
            f"{get_root(app).lstrip('/')}/": "",
        }
    users = {app.user: f"app{app.user}:x:{app.user}:{app.group}::/:/bin/false" for app in apps if app.user}
    groups = {group: f"app{group}:x:{group}:" for app in apps for group in (app.group, *app.groups) if group}
    words = ("\n".join(users.values()), "\n".join(groups.values()), *(word for pair in files.items() for word in pair))
    return INSTALL, words


def _format_unit(app: App, apps: tuple[App, ...]) -> list[str]:
    after = " ".join(f"{name}.service" for name in app.after)
    given = {
        "CapabilityBoundingSet": None if app.capabilities is None else " ".join(app.capabilities),
        "NoNewPrivileges": None if app.no_new_privileges is None else "yes" if app.no_new_privileges else "no",
        "SystemCallFilter": f"~{' '.join(app.syscalls_refused)}" if app.syscalls_refused else None,
        "SystemCallErrorNumber": "EPERM" if app.syscalls_refused else None,
        "SupplementaryGroups": " ".join(map(str, app.groups)) or None,
        # With a plus a path is one of the app's root.
        "InaccessiblePaths": " ".join(f"+{path}" for path in app.masked) or None,
        "ReadOnlyPaths": " ".join(f"+{path}" for path in app.read_only_paths) or None,
        "OOMScoreAdjust": app.oom_score_adj,
        "LimitNOFILE": app.open_files,
    }
    return [
        "[Unit]", f"After=basic.target pod-end.service {after}", "Wants=pod-end.service", "DefaultDependencies=no",
        "Conflicts=shutdown.target", "Before=shutdown.target harness-ready.service",
        "[Service]", f"SyslogIdentifier={app.name}", f"RootDirectory={get_root(app)}", "RootDirectoryStartOnly=yes",
        f"Environment=PATH={PATH}", f"EnvironmentFile=-/rkt/env/{app.name}",
        f"WorkingDirectory={app.working_directory}",
        f"User={app.user}", f"Group={app.group}", "TimeoutStartSec=0", f"TimeoutStopSec={app.stop_seconds}",
        # The app sees the pod's own kernel file systems.
        "BindPaths=/proc /sys /dev", "DevicePolicy=closed", *(f"DeviceAllow={device} rw" for device in app.devices),
        *(f"{name}={value}" for name, value in given.items() if value is not None),
        "ExecStart=" + " ".join(f'"{_quote(word).replace("%", "%%").replace("$", "$$")}"' for word in app.argv),
        f"ExecStopPost=+/bin/sh /rkt/ended {app.name} {' '.join(f'{each.name}.service' for each in apps)}",
    ]  # fmt: skip


def _quote_variable(text: str) -> str:
    """Return the text in a file of variables: only before these is a backslash one too many (systemd.exec(5), EnvironmentFile=)."""
    return re.sub(r'\\(?=["\\`$\n]|$)|["`$]', r"\\\g<0>", text)


def _quote(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
