# shellcheck shell=sh
# What all commands share: errors, places, locks, states of pods.

# Which rkt it is: the release, and what of it is repaired (a word of REPAIRS, or all of them) or broken (a word of BREAKS). The
# file is one line: "1.25.0" is rkt as it was found, "1.30.0 payload dev" one with two repairs, and "1.30.0 !below" one with what
# another systemd did to it.
REPAIRS='payload filter dev sys executor programs scope'
BREAKS='below hostname'
choose_kind() {
    read -r release repaired 2>/dev/null <"$LIBRARY/kind" || [ -n "$release" ] || release=1.25.0
    case " $1 " in
    *' --as='*) release=${1##*--as=} && release=${release%% *} ;;
    esac
    case " $1 " in
    *' --repaired '*) repaired=$REPAIRS ;;
    *' --repaired='*) repaired=${1##*--repaired=} && repaired=$(echo "${repaired%% *}" | tr , ' ') ;;
    *' --broken='*) repaired=${1##*--broken=} && repaired=$(echo "!${repaired%% *}" | sed 's/,/ !/g') ;;
    esac
    case $release in [0-9]*.[0-9]*.[0-9]*) ;; *) release=$release.0 ;; esac
    [ "$repaired" != all ] || repaired=$REPAIRS
    broken=
    for word in $repaired; do
        case " $REPAIRS " in *" $word "*) continue ;; esac
        case " $BREAKS " in *" ${word#!} "*) [ "${word#!}" = "$word" ] || { broken="$broken ${word#!}" && continue; } ;; esac
        fail "minirkt has no repair $word; it has: $REPAIRS; and can be broken by: $BREAKS"
    done
    # The adapter reads the number, people read the rest.
    VERSION="$release+minirkt (test double), as found"
    [ -z "$repaired" ] || VERSION="$release+minirkt (test double), repaired: $repaired"
    [ "$repaired" != "$REPAIRS" ] || VERSION="$release+minirkt (test double), repaired"
    [ -z "$broken" ] || VERSION="$release+minirkt (test double), as found, broken:$broken"
}

# Whether something is as rkt has it, and not repaired.
found() {
    case " $repaired " in *" $1 "*) return 1 ;; esac
}

# since MINOR: whether it is rkt 1.MINOR or later.
since() {
    minor=${release#*.}
    [ "${minor%%.*}" -ge "$1" ]
}

STATES='embryo prepare prepared run exited-garbage garbage'

# rkt's own failures end with this status since 1.18.0.
fail() {
    echo "rkt: $*" >&2
    exit 254
}

# unescaped TEXT: sets value.
unescaped() {
    case $1 in
    *\\*) value=$(printf '%b' "$1") ;;
    *) value=$1 ;;
    esac
}

# Quotes a string of JSON that has no control characters.
json_string() {
    printf '"%s"' "$(printf '%s' "$1" | sed 's/[\\"]/\\&/g')"
}

# pod_of UUID-OR-BEGINNING: sets pod, uuid, place.
pod_of() {
    pod=
    for place_of in $STATES; do
        for found in "$DATA/pods/$place_of/$1"*; do
            [ -d "$found" ] || continue
            [ -z "$pod" ] || fail "$1 is the beginning of several UUIDs"
            pod=$found place=$place_of uuid=${found##*/}
        done
    done
    [ -n "$pod" ] || fail "no matches found for \"$1\""
}

# Whether somebody holds the lock of a pod's directory.
locked() {
    ! flock --shared --nonblock "$1" true 2>/dev/null
}

# The state of pod in place, in rkt's words.
state_of() {
    case $2 in
    embryo) state=embryo ;;
    prepare) if locked "$1"; then state=preparing; else state='aborted prepare'; fi ;;
    prepared) state=prepared ;;
    run) if locked "$1"; then state=running; else state=exited; fi ;;
    exited-garbage) if locked "$1"; then state=deleting; else state='exited garbage'; fi ;;
    garbage) state=garbage ;;
    esac
}

# The first process of a pod that runs: the child of the nspawn that holds the lock; none while it starts.
first_process() {
    child=
    read -r ppid 2>/dev/null <"$1/ppid" && read -r child _ 2>/dev/null <"/proc/$ppid/task/$ppid/children"
    [ -n "$child" ]
}

# Version of the guest's systemd, which is the stage1's too; its library is called by it.
systemd_version() {
    version=
    for library in /usr/lib/systemd/libsystemd-shared-*.so /usr/lib/*/systemd/libsystemd-shared-*.so; do
        [ ! -e "$library" ] || version=${library##*/libsystemd-shared-}
    done
    [ -n "$version" ] || version=$(systemctl --version | { read -r _ version _ && echo "$version"; })
    version=${version%%[!0-9]*}
}

# The UUIDs of the arguments, and of the file of --uuid-file=FILE.
uuids() {
    for word; do
        case $word in
        --uuid-file=*) cat "${word#*=}" && echo || fail "there is no ${word#*=}" ;;
        -*) ;;
        *) echo "$word" ;;
        esac
    done
}
