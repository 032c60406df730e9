# shellcheck shell=sh disable=SC2016
# What the scripts of mutants.yaml may use; it is put before each of them, and runs in the guest.

# wrap PROGRAM SCRIPT: the script runs in place of the program, which it finds as "$real".
wrap() {
    real=/usr/local/lib/real/$1
    # What is wrapped twice has two names there.
    while [ -e "$real" ]; do real=$real-; done
    path=$(command -v "$1") && mkdir -p /usr/local/lib/real && mv "$path" "$real" || exit
    printf '#!/bin/sh\nreal=%s\n%s\n' "$real" "$2" >"$path" && chmod 0755 "$path" || exit
}

# without PROGRAM PATTERN: arguments that match are lost.
without() {
    wrap "$1" 'for word; do shift; case $word in '"$2"') ;; *) set -- "$@" "$word" ;; esac; done; exec "$real" "$@"'
}

# instead PROGRAM PATTERN WORD: WORD takes the place of each argument that matches.
instead() {
    wrap "$1" 'for word; do shift; case $word in '"$2"') set -- "$@" "'"$3"'" ;; *) set -- "$@" "$word" ;; esac; done
exec "$real" "$@"'
}

# with PROGRAM WORD: the program gets one more argument, the first.
with() {
    wrap "$1" 'exec "$real" "'"$2"'" "$@"'
}

# oci SCRIPT: the script runs in place of the OCI runtime, where the guest has one.
oci() {
    program=$(command -v runc || command -v crun) || return 0
    wrap "${program##*/}" "$1"
}

# config SED: the OCI runtime reads a config.json that was changed.
config() {
    oci 'before=
for word; do [ "$before" != --bundle ] || sed -i '"'$1'"' "$word/config.json"; before=$word; done
exec "$real" "$@"'
}

# monitor CASES: QEMU gets other arguments; CASES are the branches of a `case` over each of them, "$word".
monitor() {
    # Moved from its place it would look for its firmware elsewhere; a container can write to /mnt only.
    wrap qemu-system-x86_64-microvm 'for word; do shift; case $word in '"$1"' esac; set -- "$@" "$word"; done
TMPDIR=/mnt exec "$real" -L /usr/share/qemu "$@"'
}

# started SCRIPT: it runs right after the start of a container; "$pid" is its first process, "$scope" its scope, "$main"
# the scope's directory in the hierarchy in which systemd keeps its units, "$inner" that of the container in it.
started() {
    after='
scope=$(sed -n "s#.*:\(name=systemd\)\?:/machine.slice/\([^/]*\).*#\2#p" "/proc/$pid/cgroup" | head -n 1)
main=/sys/fs/cgroup/systemd
[ -d $main ] || main=/sys/fs/cgroup
main=$main/machine.slice/$scope inner=$main
for name in payload container; do [ ! -d "$main/$name" ] || inner=$main/$name; done
{ '"$1"'
} >/dev/null 2>&1 </dev/null
exit 0'
    wrap machinectl '"$real" "$@" || exit
case $* in show*Leader*) ;; *) exit 0 ;; esac
pid=$("$real" "$@")'"$after"
    oci '"$real" "$@"
code=$? before= file=
for word; do [ "$before" != --pid-file ] || file=$word; before=$word; done
[ -n "$file" ] && [ $code -eq 0 ] || exit $code
pid=$(cat "$file")'"$after"
}

# once FILE SCRIPT: as `started`, but next to the cases, when the container has the file.
once() {
    started '(n=600; until [ -e "/proc/$pid/root'"$1"'" ] || [ $((n -= 1)) -lt 1 ]; do sleep 0.1; done
'"$2"') &'
}

# afterwards SCRIPT: it runs, with "$pid", "$scope", "$main" and "$inner" as above, for each container of the suites after
# systemd or a service was reloaded or restarted, and after a unit or a container next to it came and went.
afterwards() {
    after='
code=$?
# A systemd that starts again writes the limits of its units again.
until systemctl show --property=Version; do sleep 0.1; done >/dev/null 2>&1
sleep 1
tree=/sys/fs/cgroup/systemd
[ -d $tree ] || tree=/sys/fs/cgroup
for main in $tree/machine.slice/*harness*.scope; do
    scope=${main##*/} inner=$main
    for name in payload container; do [ ! -d "$main/$name" ] || inner=$main/$name; done
    read -r pid <"$inner/cgroup.procs" || continue
    { '"$1"'
    } </dev/null
done >/dev/null 2>&1
exit $code'
    wrap systemctl 'case $1 in daemon-re* | restart) ;; *) exec "$real" "$@" ;; esac
"$real" "$@"'"$after"
    wrap systemd-run 'case $* in *--slice=machine.slice*) ;; *) exec "$real" "$@" ;; esac
"$real" "$@"'"$after"
    wrap systemd-nspawn 'case $* in *--pipe*) ;; *) exec "$real" "$@" ;; esac
"$real" "$@"'"$after"
    oci 'case $1 in --log) ;; *) exec "$real" "$@" ;; esac
"$real" "$@"'"$after"
}

# program SUITE SCRIPT: the script runs in place of the suite's program, which it finds as "$real".
program() {
    path=/usr/local/lib/harness/$1
    mv "$path" "$path-real" && printf '#!/bin/sh\nreal=%s-real\n%s\n' "$path" "$2" >"$path" && chmod 0755 "$path" || exit
}

# drop UNIT LINES: the lines of its [Service] are in a drop-in of the unit.
drop() {
    mkdir -p "/etc/systemd/system/$1.d" && printf '[Service]\n%b\n' "$2" >"/etc/systemd/system/$1.d/broken.conf" || exit
}
