# shellcheck shell=sh
# The units of a pod's systemd, as rkt's stage1 writes them for a pod that does not change.

# has_id FILE ID: whether a line of a passwd or group file has the number.
has_id() {
    while IFS=: read -r _ _ number _; do [ "$number" != "$2" ] || return 0; done <"$1"
    return 1
}

# write_units STAGE1 POD: into the stage1's tree, for the apps that POD/appsinfo has.
write_units() {
    units=$1/etc/systemd/system
    # No unit of the system that the stage1 is made of starts: the pod's own ones are all that is wanted.
    rm -rf "$units" "$1/usr/lib/systemd/system-generators" "$1/lib/systemd/system-generators" "$1/etc/fstab"
    mkdir -p "$units/sockets.target.wants" "$1/rkt/status" "$1/rkt/env" "$1/opt/stage2"
    cp "$LIBRARY"/stage1/* "$1/"
    cp "$2"/appsinfo/*/units/* "$units" && cp "$2"/appsinfo/*/env/* "$1/rkt/env" || exit 254
    wants='' users=''
    for app in "$2"/appsinfo/*; do
        name=${app##*/}
        wants="$wants $name.service"
        read -r user groups <"$app/ids"
        # systemd runs nothing as a user that it does not know; sysusers.service makes it, by a name of rkt's own.
        for group in $groups; do
            has_id "$1/etc/group" "$group" || users="$users
g rkt-group-$group $group"
        done
        has_id "$1/etc/passwd" "$user" || users="$users
u rkt-user-$user $user:${groups%% *}"
        [ ! -e "$app/devices" ] || { mkdir -p "$1/rkt/devices" && cp "$app/devices" "$1/rkt/devices/$name"; }
        [ ! -e "$app/notify" ] || { mkdir -p "$1/rkt/notify" && : >"$1/rkt/notify/$name"; }
        cat >"$units/reaper-$name.service" <<END
[Unit]
Description=$name Reaper
DefaultDependencies=false
StopWhenUnneeded=yes
Wants=shutdown.service
After=shutdown.service
Before=halt.target
Conflicts=exit.target halt.target poweroff.target
[Service]
RemainAfterExit=yes
Environment="EXIT_POD=true"
ExecStop=/reaper $name
END
        [ ! -e "$app/units/$name.socket" ] || ln -s "../$name.socket" "$units/sockets.target.wants/$name.socket"
    done
    cat >"$units/default.target" <<END
[Unit]
Description=rkt apps target
DefaultDependencies=false
Wants=$wants supervisor-ready.service
After=$wants
Before=supervisor-ready.service
END
    # What `rkt status --wait-ready` waits for.
    cat >"$units/supervisor-ready.service" <<'END'
[Unit]
DefaultDependencies=false
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/supervisor-ready
END
    # A condition saves a process where there is nothing to do.
    [ -z "$users" ] || { mkdir -p "$1/usr/lib/sysusers.d" && echo "$users" | sort -u >"$1/usr/lib/sysusers.d/rkt.conf"; }
    cat >"$units/sysusers.service" <<'END'
[Unit]
DefaultDependencies=false
ConditionPathExists=/usr/lib/sysusers.d/rkt.conf
[Service]
Type=oneshot
RemainAfterExit=yes
Environment=SYSTEMD_LOG_LEVEL=err
ExecStart=/usr/bin/systemd-sysusers rkt.conf
END
    cat >"$units/prepare-app@.service" <<'END'
[Unit]
Description=Prepare the environment of %i
DefaultDependencies=false
OnFailureJobMode=fail
Requires=systemd-journald.service
After=systemd-journald.service
[Service]
Type=oneshot
ExecStart=/prepare-app %i
CapabilityBoundingSet=CAP_SYS_ADMIN CAP_DAC_OVERRIDE CAP_MKNOD
END
    cat >"$units/halt.target" <<'END'
[Unit]
Description=Halt
DefaultDependencies=false
AllowIsolate=true
END
    # Not on /dev/console: the terminal may be gone when the pod ends.
    cat >"$units/shutdown.service" <<'END'
[Unit]
Description=Pod shutdown
DefaultDependencies=false
AllowIsolate=true
StopWhenUnneeded=yes
[Service]
RemainAfterExit=yes
StandardInput=null
StandardOutput=null
StandardError=null
ExecStop=/shutdown
END
}
