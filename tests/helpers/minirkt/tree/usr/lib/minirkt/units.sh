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
    cp "$LIBRARY/stage1/prepare-app" "$LIBRARY/stage1/reaper" "$LIBRARY/stage1/shutdown" "$1/"
    cp "$2"/appsinfo/*/units/* "$units" && cp "$2"/appsinfo/*/env/* "$1/rkt/env" || exit 254
    wants=
    for app in "$2"/appsinfo/*; do
        name=${app##*/}
        wants="$wants $name.service"
        read -r user groups <"$app/ids"
        # systemd runs nothing as a user that it does not know; rkt's sysusers.service makes it.
        has_id "$1/etc/passwd" "$user" || echo "rkt-$user:x:$user:${groups%% *}::/:/bin/sh" >>"$1/etc/passwd"
        for group in $groups; do
            has_id "$1/etc/group" "$group" || echo "rkt-$group:x:$group:" >>"$1/etc/group"
        done
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
ExecStop=/reaper $name
END
        [ ! -e "$app/units/$name.socket" ] || ln -s "../$name.socket" "$units/sockets.target.wants/$name.socket"
    done
    cat >"$units/default.target" <<END
[Unit]
Description=rkt apps target
DefaultDependencies=false
Wants=$wants
After=$wants
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
