"""What a system call answers that a container's filter does not know: that it is unknown (ENOSYS), and not forbidden (EPERM).

A program asks for a newer call first and falls back on an older one where it hears ENOSYS; EPERM makes it give up.
"""

import errno

import pytest

from suites.lib.features import Feature
from suites.lib.guest import Guest
from suites.lib.rights import Mount
from suites.lib.runtime import ContainerRuntime

pytestmark = [pytest.mark.needs(feature=Feature.GUEST_SYSTEM), pytest.mark.needs(feature=Feature.SYSCALL_FILTER)]

CALLS = {"clone3": 435, "openat2": 437, "faccessat2": 439, "fchmodat2": 452, "a call of the future": 1000}
"""Numbers on x86-64 (arch/x86/entry/syscalls/syscall_64.tbl) of calls that a list of Linux 5.3 does not have."""

PROGRAM = """
for my $number (@ARGV) { $! = 0; syscall($number, -1, 0, 0, 0, 0, 0); print "$number ", $! + 0, "\\n"; }
"""
"""Calls with arguments that no kernel takes, so that nothing comes of them."""

ALLOWED = (
    "access", "alarm", "arch_prctl", "bind", "brk", "capget", "capset", "chdir", "chmod", "chown", "clock_getres",
    "clock_gettime", "clock_nanosleep", "clone", "close", "connect", "copy_file_range", "dup", "dup2", "dup3",
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_wait", "eventfd2", "execve", "exit",
    "exit_group", "faccessat", "fadvise64", "fallocate", "fchdir", "fchmod", "fchmodat", "fchown", "fchownat", "fcntl",
    "fdatasync", "flock", "fork", "fstat", "fstatfs", "fsync", "ftruncate", "futex", "getcwd", "getdents", "getdents64",
    "getegid", "geteuid", "getgid", "getgroups", "getpgid", "getpgrp", "getpid", "getppid", "getpriority", "getrandom",
    "getresgid", "getresuid", "getrlimit", "getrusage", "getsid", "getsockname", "getsockopt", "gettid", "gettimeofday",
    "getuid", "getxattr", "ioctl", "kill", "lseek", "lstat", "madvise", "membarrier", "mincore", "mkdir", "mkdirat", "mmap",
    "mprotect", "mremap", "munmap", "nanosleep", "newfstatat", "open", "openat", "pidfd_open", "pidfd_send_signal", "pipe",
    "pipe2", "poll", "ppoll", "prctl", "pread64", "prlimit64", "pselect6", "pwrite64", "read", "readlink", "readlinkat",
    "readv", "recvfrom", "recvmsg", "rename", "restart_syscall", "rmdir", "rseq", "rt_sigaction", "rt_sigpending",
    "rt_sigprocmask", "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "sched_getaffinity", "sched_yield", "seccomp",
    "select", "sendmsg", "sendto", "set_robust_list", "set_tid_address", "setfsgid", "setfsuid", "setgid", "setgroups",
    "setresgid", "setresuid", "setsid", "setsockopt", "setuid", "sigaltstack", "socket", "socketpair", "stat", "statfs",
    "statx", "symlink", "sysinfo", "tgkill", "time", "tkill", "umask", "uname", "unlink", "unlinkat", "wait4", "waitid",
    "write", "writev",
)  # fmt: skip
"""A list as docker gave one to containers in 2019; systemd-nspawn has one of its own."""


@pytest.fixture(scope="module")
def answers(runtime: ContainerRuntime, guest: Guest) -> dict[int, int]:
    """The error of each call in a container."""
    if guest.sh("command -v perl").code != 0:
        pytest.skip("needs perl in the guest, which makes system calls by number")
    directory = f"/run/{runtime.prefix}-calls"
    guest.do('mkdir "$1" && printf %s "$2" >"$1/calls.pl"', directory, PROGRAM)
    try:
        said = runtime.run(
            "perl", "/mnt/calls.pl", *map(str, CALLS.values()),
            system=True, syscalls_allowed=ALLOWED, mounts=(Mount(source=directory, target="/mnt"),),
        )  # fmt: skip
    finally:
        guest.do('rm -rf "$1"', directory)
    assert said.code == 0, said.err
    return {int(number): int(error) for number, error in map(str.split, said.out.splitlines())}


@pytest.mark.parametrize("name", CALLS)
def test_new_call_is_not_forbidden(name: str, answers: dict[int, int]) -> None:
    """A call that is newer than the filter works, or is unknown."""
    assert errno.errorcode.get(answers[CALLS[name]]) != "EPERM"


def test_unknown_call_is_unknown(answers: dict[int, int]) -> None:
    """A call that no kernel has is not there."""
    assert errno.errorcode.get(answers[1000]) == "ENOSYS"
