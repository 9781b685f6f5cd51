"""The system calls a child may no longer make, refused by seccomp."""

import errno
import importlib
import os
from typing import Any, Final

# Only what reading a document never needs; the rest of the kernel stays as it is, for a list of
# everything that numpy, OpenCV, PDFium and tesseract may call would break with each release.
_REFUSED: Final = (
    # the network; io_uring would go round this filter
    "socket", "socketpair", "connect", "bind", "listen", "accept", "accept4", "sendto", "sendmsg",
    "sendmmsg", "recvmsg", "recvmmsg", "io_uring_setup", "io_uring_enter", "io_uring_register",
    # other processes
    "ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_open",
    "pidfd_getfd", "pidfd_send_signal", "kcmp", "rt_sigqueueinfo", "rt_tgsigqueueinfo",
    "setsid", "setpgid",
    # memory and queues shared with others
    "shmget", "shmat", "semget", "msgget", "mq_open",
    # the kernel's larger machinery
    "bpf", "perf_event_open", "userfaultfd", "keyctl", "add_key", "request_key", "fanotify_init",
    "name_to_handle_at", "open_by_handle_at", "personality", "modify_ldt", "iopl", "ioperm",
    "truncate", "quotactl", "acct", "syslog", "vhangup", "lookup_dcookie",
    # mounts and namespaces
    "mount", "umount2", "pivot_root", "chroot", "move_mount", "open_tree", "fsopen", "fsmount",
    "fsconfig", "fspick", "mount_setattr", "unshare", "setns",
    # the machine
    "init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "reboot",
    "swapon", "swapoff", "settimeofday", "clock_settime", "clock_adjtime", "adjtimex",
    "sethostname", "setdomainname",
)  # fmt: skip
_CLONE_THREAD: Final = 0x00010000
_CLONE_NAMESPACES: Final = 0x7E020000 | 0x00000080  # every CLONE_NEW* flag
_TIOCSTI: Final = 0x5412


def refusals(*, may_exec: bool) -> "Refusals | None":
    """Make the filter; None where there is no libseccomp. Finding it may start a program.

    `may_exec` leaves starting programs and signalling them allowed.
    """
    try:
        seccomp = importlib.import_module("pyseccomp")
    except (ImportError, RuntimeError):  # RuntimeError: the library behind it is missing
        return None
    rules = Refusals(seccomp)
    for name in _REFUSED:
        rules.refuse(name)
    rules.refuse("prlimit64", seccomp.Arg(0, seccomp.NE, 0))
    rules.refuse("ioctl", seccomp.Arg(1, seccomp.MASKED_EQ, 0xFFFFFFFF, _TIOCSTI))
    # Its flags lie in memory, where no filter can look; glibc falls back to clone on ENOSYS.
    rules.refuse("clone3", error=errno.ENOSYS)
    if may_exec:
        _refuse_namespaces(rules)
    else:
        _refuse_processes(rules)
    return rules


class Refusals:
    """A filter: what it refuses fails with EPERM, for every thread, once it is in force."""

    def __init__(self, seccomp: Any) -> None:
        self.seccomp = seccomp
        self._filter = seccomp.SyscallFilter(seccomp.ALLOW)
        self._filter.set_attr(seccomp.Attr.CTL_TSYNC, 1)

    def refuse(self, name: str, *arguments: Any, error: int = errno.EPERM) -> None:
        """Refuse the call when every argument matches; unknown names are another machine's."""
        if self.seccomp.resolve_syscall(self.seccomp.system_arch(), name) >= 0:
            self._filter.add_rule(self.seccomp.ERRNO(error), name, *arguments)

    def enforce(self) -> None:
        """Put it in force, for ever; raise OSError where the kernel has no seccomp."""
        self._filter.load()


def _refuse_namespaces(rules: Refusals) -> None:
    arg, masked = rules.seccomp.Arg, rules.seccomp.MASKED_EQ
    for bit in range(32):
        if _CLONE_NAMESPACES & (1 << bit):
            rules.refuse("clone", arg(0, masked, 1 << bit, 1 << bit))


def _refuse_processes(rules: Refusals) -> None:
    """No program, no fork, and no signal to anyone but this process."""
    arg, masked, other = rules.seccomp.Arg, rules.seccomp.MASKED_EQ, rules.seccomp.NE
    for name in ("execve", "execveat", "fork", "vfork", "tkill"):
        rules.refuse(name)
    rules.refuse("clone", arg(0, masked, _CLONE_THREAD, 0))
    for name in ("kill", "tgkill"):
        rules.refuse(name, arg(0, other, os.getpid()))
