# shellcheck shell=sh
# Commands on pods that exist.

# Seconds since 1970 of a pod's file, as a member; those of apps would be nanoseconds.
seconds_since() {
    read -r seconds 2>/dev/null <"$1" && printf ',"%s":%s' "$2" "$seconds"
}

pod_json() {
    state_of "$pod" "$place"
    printf '{"name":"%s","state":"%s"' "$uuid" "$state"
    networks
    printf ',"app_names":['
    comma=
    while read -r name; do printf '%s"%s"' "$comma" "$name"; comma=,; done <"$pod/apps"
    printf ']'
    seconds_since "$pod/created" created_at
    seconds_since "$pod/started" started_at
    if [ $# -gt 0 ]; then
        printf ',"apps":['
        comma=
        while read -r name; do app_json; done <"$pod/apps"
        printf ']'
    fi
    printf '}'
}

app_json() {
    read -r id <"$pod/appsinfo/$name/treeStoreID"
    state=created
    [ "$place" = prepared ] || state=running
    status=
    ! read -r status 2>/dev/null <"$pod/stage1/rootfs/rkt/status/$name" || state=exited
    printf '%s{"name":"%s","state":"%s","image_id":"%s"' "$comma" "$name" "$state" "$id"
    [ -z "$status" ] || printf ',"exit_code":%s' "$status"
    printf '}'
    comma=,
}

command_list() {
    format=
    for word; do case $word in --format=json*) format=json ;; esac; done
    [ -n "$format" ] || echo 'UUID	APP	STATE'
    [ -z "$format" ] || printf '['
    separator=
    for place in $STATES; do
        for pod in "$DATA/pods/$place"/*; do
            [ -e "$pod/apps" ] || continue
            uuid=${pod##*/}
            if [ -n "$format" ]; then
                printf '%s' "$separator" && pod_json && separator=,
            else
                state_of "$pod" "$place"
                while read -r name; do printf '%.8s\t%s\t%s\n' "$uuid" "$name" "$state"; done <"$pod/apps"
            fi
        done
    done
    [ -z "$format" ] || echo ']'
}

# Seconds of a duration of Go's: 10s, 1m30s, 500ms (rounded up); "true" and negative ones have no end.
seconds_of() {
    case $1 in
    true | -*) echo 1000000 ;;
    false | '') echo 0 ;;
    *) echo "$1" | awk '{ s = 0
        while (match($0, /^[0-9.]+(ms|h|m|s)/)) {
            part = substr($0, 1, RLENGTH); $0 = substr($0, RLENGTH + 1)
            s += part * (part ~ /ms$/ ? 0.001 : part ~ /h$/ ? 3600 : part ~ /m$/ ? 60 : 1)
        }
        print int(s) + (s > int(s)) }' ;;
    esac
}

# wait_for CONDITION DURATION
wait_for() {
    tries=$(($(seconds_of "$2") * 10))
    until "$1"; do
        [ $((tries -= 1)) -ge 0 ] || return 1
        sleep 0.1
        pod_of "$uuid"
    done
}

has_ended() {
    state_of "$pod" "$place"
    case $state in exited | exited*garbage | garbage) ;; *) return 1 ;; esac
}

# Ready is what the stage1's supervisor-ready.service says.
is_ready() {
    has_ended || [ -h "$pod/stage1/rootfs/rkt/supervisor-status" ]
}

command_status() {
    format='' wait='' ready=''
    for word; do
        case $word in
        --format=json*) format=json ;;
        --wait) wait=true ;;
        --wait=*) wait=${word#*=} ;;
        --wait-ready) ready=true ;;
        --wait-ready=*) ready=${word#*=} ;;
        esac
    done
    for uuid in $(uuids "$@"); do
        pod_of "$uuid"
        [ -z "$ready" ] || wait_for is_ready "$ready" || fail "pod $uuid was not ready in time"
        [ -z "$wait" ] || wait_for has_ended "$wait" || fail "pod $uuid did not end in time"
        if [ -n "$format" ]; then pod_json whole; echo; else status_text; fi
    done
}

status_text() {
    state_of "$pod" "$place"
    echo "state=$state"
    ! read -r created 2>/dev/null <"$pod/created" || date -d "@$created" '+created=%F %T %z'
    ! read -r started 2>/dev/null <"$pod/started" || date -d "@$started" '+started=%F %T %z'
    ! [ "$state" = running ] || ! first_process "$pod" || echo "pid=$child"
    case $state in exited*) echo exited=true ;; *) echo exited=false ;; esac
    # Of a pod that runs the text says nothing of its apps.
    [ "$state" = running ] || while read -r name; do
        ! read -r status 2>/dev/null <"$pod/stage1/rootfs/rkt/status/$name" || echo "app-$name=$status"
    done <"$pod/apps"
}

command_cat_manifest() {
    for uuid in $(uuids "$@"); do pod_of "$uuid" && cat "$pod/pod"; done
}

# The signal that asks nspawn, and by it the pod's systemd, to end; or the end of that systemd.
command_stop() {
    force=
    for word; do case $word in --force | --force=true) force=yes ;; esac; done
    for uuid in $(uuids "$@"); do
        pod_of "$uuid"
        state_of "$pod" "$place"
        [ "$state" = running ] || fail "pod \"$uuid\" is not running"
        first_process "$pod" || fail "pod \"$uuid\" has no process yet"
        if [ -n "$force" ]; then kill -KILL "$child"; else kill -TERM "$ppid"; fi
        echo "\"$uuid\""
    done
}

command_enter() {
    app=
    while :; do
        case $1 in
        --app=*) app=${1#*=} ;;
        --app) app=$2 && shift ;;
        --) ;;
        *) break ;;
        esac
        shift
    done
    pod_of "$1"
    shift
    state_of "$pod" "$place"
    [ "$state" = running ] && first_process "$pod" || fail "pod \"$uuid\" isn't currently running"
    [ -n "$app" ] || {
        [ "$(wc -l <"$pod/apps")" -eq 1 ] || fail 'unable to determine app name: specify app using "rkt enter --app= ..."'
        read -r app <"$pod/apps"
    }
    [ -d "$pod/appsinfo/$app" ] || fail "the pod has no app $app"
    [ $# -gt 0 ] || set -- /bin/bash
    tools=
    [ ! -d "/proc/$child/root/.minirkt" ] || tools=/.minirkt/
    set -- "${tools}chroot" "/opt/stage2/$app/rootfs" "$@"
    while IFS= read -r line; do unescaped "$line" && set -- "$value" "$@"; done <"$pod/appsinfo/$app/environ"
    exec nsenter --target "$child" --mount --uts --ipc --net --pid --root --wd -- "${tools}env" -i "$@"
}

# remove: everything that a pod which has ended has in the guest.
remove() {
    subcgroup=''
    net_down
    # A pod that could not be prepared has no apps yet.
    [ ! -e "$pod/apps" ] || while read -r name; do
        [ ! -d "$pod/stage1/rootfs/opt" ] || unmounted "$pod/stage1/rootfs/opt/stage2/$name/rootfs"
    done <"$pod/apps"
    for directory in usr/bin usr/sbin ''; do unmounted "$pod/stage1/rootfs/$directory"; done
    unmounted "$pod/overlay"
    remove_cgroups
    rm -rf "$pod"
}

# The cgroups that stage1.sh has made in each of v1's controllers; systemd takes only those away that it made itself.
remove_cgroups() {
    read -r subcgroup 2>/dev/null <"$pod/subcgroup" || [ -n "$subcgroup" ] || return 0
    set --
    for root in /sys/fs/cgroup /sys/fs/cgroup/*; do
        [ -h "$root" ] || [ ! -d "$root$subcgroup" ] || set -- "$@" "$root$subcgroup"
    done
    # Those that have processes stay: a service may have been started again.
    [ $# -eq 0 ] || find "$@" -depth -type d -exec rmdir {} + 2>/dev/null
}

# unmounted DIRECTORY: tried for three seconds, as copies of a mount go some time after their namespace.
unmounted() {
    tries=30
    while mountpoint -q "$1" && ! umount "$1" 2>/dev/null; do
        [ $((tries -= 1)) -gt 0 ] || { umount "$1"; fail "$1 is busy"; }
        sleep 0.1
    done
}

command_rm() {
    for uuid in $(uuids "$@"); do
        pod_of "$uuid"
        state_of "$pod" "$place"
        case $state in
        exited | 'exited garbage' | garbage | prepared | 'aborted prepare') ;;
        *) fail "pod \"$uuid\" is $state" ;;
        esac
        remove && echo "\"$uuid\""
    done
}

command_gc() {
    grace=30m mark=
    for word; do
        case $word in
        --grace-period=*) grace=${word#*=} ;;
        --mark-only | --mark-only=true) mark=yes ;;
        esac
    done
    for pod in "$DATA"/pods/run/* "$DATA"/pods/prepare/*; do
        [ -d "$pod" ] && ! locked "$pod" || continue
        uuid=${pod##*/}
        to=exited-garbage
        case $pod in */prepare/*) to=garbage ;; esac
        echo "gc: moving pod \"$uuid\" to garbage" >&2
        # The grace period starts now.
        touch "$pod" && mv "$pod" "$DATA/pods/$to/$uuid"
    done
    [ -z "$mark" ] || return 0
    now=$(date +%s) seconds=$(seconds_of "$grace")
    for pod in "$DATA"/pods/exited-garbage/* "$DATA"/pods/garbage/*; do
        [ -d "$pod" ] && [ $((now - $(stat -c %Y "$pod"))) -ge "$seconds" ] || continue
        uuid=${pod##*/}
        echo "Garbage collecting pod \"$uuid\""
        remove
    done
}
