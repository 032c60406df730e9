# shellcheck shell=sh
# From a prepared pod to its nspawn, which takes this process's place.

command_run() {
    prepare "$@"
    run_pod
}

command_run_prepared() {
    more='' hostname='' net=''
    for word; do
        case $word in
        --net) net=default ;;
        --net=*) net=${word#*=} ;;
        --hostname=*) hostname=${word#*=} ;;
        -*) ;;
        *) more=$word ;;
        esac
    done
    pod_of "$more"
    [ "$place" = prepared ] || fail "pod $uuid is not prepared"
    exec 9<"$pod" && flock --exclusive 9 || exit 254
    printf 'opt/r/net\t%s\nopt/r/hostname\t%s\n' "${net:-default}" "$hostname" >>"$pod/cli"
    run_pod
}

run_pod() {
    mv "$pod" "$DATA/pods/run/$uuid" && pod=$DATA/pods/run/$uuid || exit 254
    date +%s >"$pod/started"
    pod_option hostname
    hostname=${value:-rkt-$uuid}
    stage1=$pod/stage1/rootfs
    make_stage1
    net=$(pod_options net | tr '\n' ',')
    net_up "${net:-default}" || fail "the networks of pod $uuid could not be set up"
    write_dns
    find_cgroup
    # By now who waits for the pod can see what it will be.
    printf '%s' "$subcgroup" >"$pod/subcgroup"
    echo $$ >"$pod/ppid"
    # What rkt notes of a service on v2 is where nspawn is going to put the pod.
    [ -z "$keep_unit" ] || [ ! -e /sys/fs/cgroup/cgroup.controllers ] || printf '%s/payload' "$subcgroup" >"$pod/subcgroup"
    found payload && payload=found || payload=repaired
    since 29 && unified=yes || unified=
    export RKT_LOCK_FD=9 UUID="$uuid" SUBCGROUP="$subcgroup" KEEP_UNIT="$keep_unit" SYSTEMD="$version" \
        PAYLOAD="$payload" UNIFIED="$unified"
    set -- unshare --mount --propagation slave sh "$LIBRARY/stage1.sh"
    [ -z "$netns" ] || set -- nsenter --net="/run/netns/$netns" -- "$@"
    cd "$pod" && exec "$@"
}

# The stage1 is a writable layer over the guest's own system; each app's tree one over its image. The layers are on a
# tmpfs, as one below / cannot be a layer over /.
make_stage1() {
    systemd_version
    mkdir -p "$stage1" "$pod/overlay" && mount -t tmpfs -o mode=0755 rkt "$pod/overlay" || exit 254
    overlay stage1 / "$stage1"
    write_units "$stage1" "$pod"
    while read -r name; do
        root=$stage1/opt/stage2/$name/rootfs
        mkdir -p "$root"
        read -r id <"$pod/appsinfo/$name/treeStoreID"
        overlay "$name" "$DATA/cas/tree/$id/rootfs" "$root"
    done <"$pod/apps"
    machine_id=$(IFS=- && set -f && for part in $uuid; do printf '%s' "$part"; done)
    echo "$machine_id" >"$stage1/etc/machine-id"
    printf '%s\n' "$hostname" >"$stage1/etc/hostname"
    # The guest's journal is not the pod's.
    rm -rf "$stage1/var/log/journal"
    mkdir -p "$stage1/var/log/journal/$machine_id"
    # The flavor host has no file systemd-version: whoever wants to know asks systemctl.
    ln -s host "$stage1/flavor"
    mkdir -p "$stage1/rkt/found"
    for word in $REPAIRS; do ! found "$word" || : >"$stage1/rkt/found/$word"; done
    for word in $broken; do : >"$stage1/rkt/found/broken-$word"; done
    # Since 255 PID 1 opens this program when it starts, and freezes without it; rkt's list of programs does not have it.
    ! found executor || rm -f "$stage1/usr/lib/systemd/systemd-executor"
    ! found programs || leave_programs
}

# leave_programs: of the guest's programs a stage1 of the flavor host has those that rkt copies (stage1/init/init.go); what
# the double's own scripts need, where rkt has programs of its own, is in a directory that is on nobody's PATH.
leave_programs() {
    mkdir "$pod/programs" "$stage1/.minirkt" || exit 254
    for program in systemctl systemd-sysusers systemd-tmpfiles bash mount umount; do
        cp -L "/usr/bin/$program" "$pod/programs/" || exit 254
    done
    for program in sh cat chroot cp env grep ln mkdir mount readlink rm sed; do
        cp -L "$(command -v "$program")" "$stage1/.minirkt/" || exit 254
    done
    for script in prepare-app reaper shutdown supervisor-ready; do
        sed -i '1s,.*,#!/.minirkt/sh\nPATH=/usr/bin:/.minirkt,' "$stage1/$script"
    done
    for directory in usr/bin usr/sbin; do
        mount --bind "$pod/programs" "$stage1/$directory" || exit 254
    done
}

# overlay NAME LOWER TARGET
overlay() {
    mkdir -p "$pod/overlay/$1/upper" "$pod/overlay/$1/work"
    mount -t overlay -o "lowerdir=$2,upperdir=$pod/overlay/$1/upper,workdir=$pod/overlay/$1/work" rkt "$3" || exit 254
}

# Where the pod will be: in its own scope of machined, or, as the main process of a service, in the service.
find_cgroup() {
    own=''
    while IFS=: read -r _ names path; do
        case $names in name=systemd) own=$path ;; '') own=${own:-$path} ;; esac
    done </proc/self/cgroup
    read -r stat <"/proc/$$/stat"
    # shellcheck disable=SC2086 # the fields are words; what stands in parentheses before them is a name
    set -- ${stat##*) }
    keep_unit=''
    # rkt is the main process of a service if it leads its session there: go-systemd's way to find out.
    if [ "$4" = $$ ] && [ "${own%.service}" != "$own" ]; then
        keep_unit=yes
        subcgroup=$own
        # An nspawn of 239 and later makes it on every hierarchy that has systemd's units, an older one on v2.
        return
    fi
    # Since systemd 259 nspawn asks for the scope itself and calls it by the machine's name; rkt notes the old one.
    subcgroup=/machine.slice/rkt-$uuid.scope
    { [ "$version" -ge 259 ] && ! found scope; } || subcgroup=/machine.slice/machine-rkt$(
        IFS=- && set -f && for part in $uuid; do printf '\\x2d%s' "$part"; done
    ).scope
}
