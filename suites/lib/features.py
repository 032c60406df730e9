"""What a container runtime may be able to do: the words in which cases ask, and adapters say what they lack."""

from enum import StrEnum

__all__ = ["Feature"]


class Feature(StrEnum):
    """What a case may need of a runtime: `@pytest.mark.needs(feature=Feature.MACHINED)`; the value is its name for people.

    A runtime has all of them but those in its adapter's LACKS, each with the reason.
    """

    # What a container is made with.
    CHOSEN_PRIVATE_USERS = "chosen private users"
    GUEST_SYSTEM = "the guest's system"
    IMAGE_GROUPS = "groups of a named user"
    MACHINE_ID = "machine id"
    MASKED_KERNEL_FILES = "masked kernel files"
    MASKED_PATHS = "masked paths"
    NAMED_USER = "named user"
    NSPAWN_OPTIONS = "options of systemd-nspawn"
    NUMERIC_GROUPS = "numeric supplementary groups"
    OPEN_FILES = "limit of open files"
    OWN_SYSTEMD = "systemd of one's own"
    PIDS_LIMIT = "pids limit"
    PRIVATE_PROPAGATION = "private propagation"
    RAISING_BY_USER = "raising by a user"
    READ_ONLY_BELOW = "read-only mounts below a volume"
    READ_ONLY_KERNEL_FILES = "read-only kernel files"
    READ_ONLY_PATHS = "read-only paths"
    READ_ONLY_SYSRQ = "a read-only /proc/sysrq-trigger"
    ROOTLESS = "containers of a user without rights"
    SWAP_LIMIT = "swap limit"
    SYSCALL_FILTER = "system call filter"

    # Where its processes are in the guest's cgroup tree, and what they see of it.
    BARE_SCOPE = "a scope without processes of the runtime's"
    BOUND_CGROUPS = "a cgroup tree that its caller mounts"
    CGROUP_NAMESPACE = "cgroup namespace"
    DELEGATED_CGROUPS = "delegated cgroups"
    PAYLOAD = "a cgroup of its own below the scope"
    POD_SYSTEMD = "a systemd of the runtime's in each pod"
    PROCESSES_IN_SCOPE = "processes in the scope itself"
    RDMA_REMOVED = "cgroups that go away in the controller rdma, too"
    READ_ONLY_CGROUPS = "a read-only cgroup tree"
    SCOPE_IN_EVERY_CONTROLLER = "a scope in every controller of v1"
    UNIT = "a unit of systemd for each container"

    # How it is spoken to while it runs, and what is known of its end.
    APP_ORDER = "order of apps"
    COMMANDS_AS_USER = "commands as a user"
    COMMANDS_IN_CGROUP = "commands in the container's cgroup"
    LATER_STATUS = "exit status later"
    MACHINED = "machined"
    NOTIFICATION_BY_ANY = "notification by any process"
    OWN_COMMANDS = "commands that it starts itself"
    PAUSE = "pausing and resuming"
    PROCESS_1 = "process 1"
    ROOT_DIRECTORY = "root directory"
    SEVERAL_APPS = "several apps"
    SHELL = "a shell by machined"
    SOCKET_VARIABLES = "variables of the sockets that it passes"
    STANDARD_ERROR = "standard error"
    STATISTICS = "statistics"
    STOPPED_STATUS = "status of a stopped app"
    SUPERVISOR = "a process that watches the container"
    TERMINALS = "commands on a terminal"
    UPDATE = "other limits for a running container"

    # Networks.
    BOTH_ADDRESSES = "networks of both kinds of addresses"
    JOINED_NETWORKS = "networks that its caller makes"
    PORTS_BACK = "ports that lead back"

    # What the specification of app containers has.
    CONTAINER_VARIABLE = "the variable `container`"
    EVENT_HANDLERS = "event handlers"
    POD_MANIFEST = "pods by their manifests"
    METADATA_SERVICE = "metadata service"
