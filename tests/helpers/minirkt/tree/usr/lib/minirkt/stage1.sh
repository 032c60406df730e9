# shellcheck shell=sh
# The stage1's `run`: in a mount namespace of the pod's own it sets up cgroups v1 and becomes systemd-nspawn.
# The environment has UUID, SUBCGROUP, KEEP_UNIT, SYSTEMD (its version), PAYLOAD (found or repaired) and UNIFIED (whether
# this rkt knows the hybrid layout); the lock is open as descriptor $RKT_LOCK_FD.

stage1=stage1/rootfs
version=$SYSTEMD
mount --make-rshared / || exit 254

# Where the pod's systemd will be: nspawn moves it one level down since systemd 239, and before that on v2 in a service.
payload=
[ "$version" -lt 239 ] || payload=/payload

# Every controller of v1 is mounted in the pod. As found (common/cgroup/v1/cgroup.go), what can be written is system.slice
# below the pod's cgroup, which since 239 is beside the place where the pod's systemd works. Repaired it is what that
# systemd takes for the root: a newer one uses no controller whose root it cannot write (seen with 252), and then a pod's
# limits are not in force.
mount_v1() {
    mount -t sysfs -o nosuid,noexec,nodev sysfs "$stage1/sys" &&
        mount -t tmpfs -o mode=0755,nosuid,noexec,nodev tmpfs "$stage1/sys/fs/cgroup" || exit 254
    slice=$SUBCGROUP$payload
    [ "$PAYLOAD" = repaired ] || slice=$SUBCGROUP/system.slice
    # When the slice starts, its service manager takes away what it finds there in controllers that it does not use.
    [ -d /sys/fs/cgroup/systemd/machine.slice ] || systemctl start machine.slice
    # nspawn mounts these two itself, but could not make the directories when all is read-only.
    set -- "$stage1/sys/fs/cgroup/systemd"
    [ ! -d /sys/fs/cgroup/unified ] || [ -z "$UNIFIED" ] || set -- "$@" "$stage1/sys/fs/cgroup/unified"
    links=
    for path in /sys/fs/cgroup/*; do
        case $path in */systemd | */unified) continue ;; esac
        if [ -h "$path" ]; then
            links="$links $path"
            continue
        fi
        set -- "$@" "$path$slice" "$stage1$path"
        # A backslash and a blank are octal in fstab(5).
        echo "$path $PWD/$stage1$path none bind,ro 0 0"
        echo "$path$slice $PWD/$stage1$path$slice none bind 0 0" | sed 's/\\x2d/\\134x2d/g'
    done >fstab
    mkdir -p "$@"
    [ ! -d /sys/fs/cgroup/cpuset ] || fill_cpuset /sys/fs/cgroup/cpuset "$slice"
    # shellcheck disable=SC2086 # the paths have no blanks
    [ -z "$links" ] || cp -P $links "$stage1/sys/fs/cgroup/"
    mount --all --fstab fstab && mount -o remount,ro "$stage1/sys/fs/cgroup" && mount -o remount,bind,ro "$stage1/sys" ||
        exit 254
}

# A cgroup of cpuset takes processes only when it has processors and memory (rkt#1210).
fill_cpuset() {
    at=$1
    IFS=/
    for part in ${2#/}; do
        for file in cpuset.cpus cpuset.mems; do
            read -r mask <"$at/$part/$file" && [ -n "$mask" ] || { read -r mask <"$at/$file" && echo "$mask" >"$at/$part/$file"; }
        done
        at=$at/$part
    done
    unset IFS
}

[ -e /sys/fs/cgroup/cgroup.controllers ] || mount_v1

set -- --boot --notify-ready=yes --register=true --link-journal=try-guest --quiet \
    --uuid="$UUID" --machine="rkt-$UUID" --directory="$stage1"
[ -z "$KEEP_UNIT" ] || set -- "$@" --keep-unit
for app in appsinfo/*; do
    [ ! -e "$app/binds" ] || while IFS= read -r word; do set -- "$@" "$word"; done <"$app/binds"
    read -r capabilities <"$app/capabilities"
    for capability in $capabilities; do set -- "$@" --capability="$capability"; done
done
export SYSTEMD_NSPAWN_CONTAINER_SERVICE=rkt SYSTEMD_NSPAWN_USE_CGNS=no SYSTEMD_LOG_LEVEL=err
unset UUID SUBCGROUP KEEP_UNIT SYSTEMD PAYLOAD UNIFIED
exec systemd-nspawn "$@" -- --default-standard-output=tty --log-target=null --show-status=0
