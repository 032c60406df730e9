# Watches PID 1 from inside of a guest, and says on the second serial port that it crashed or stands still; see pid1.py.
# It needs no ssh and no bus, and a look starts no program. POSIX shell; in bash a nap costs no process either.
# Its argument is another file for what it says:
#   pid1 WHAT     it crashed, or it is stuck; the last thing that is said, with lines of the journal behind bars
exec 3>"${1:-/dev/ttyS1}" 2>/dev/null || exit
cd /
echo -1000 2>/dev/null >/proc/self/oom_score_adj
nap="sleep 0.25"
if [ -n "${BASH_VERSION-}" ] && mkfifo -m 600 /run/harness/pid1.nap 2>/dev/null; then
    exec 4<>/run/harness/pid1.nap
    rm -f /run/harness/pid1.nap
    nap="read -r -t 0.25 -u 4 nothing"
fi

report() {
    echo "pid1 $*" >&3
    timeout 3 journalctl -q --no-pager -b -o cat -p crit -n 5 _PID=1 2>/dev/null | sed 's/^/| /' >&3
    exit
}

echo watching >&3
frozen=0 waited=0 still=0 used='' orphan='' looks=0
while :; do
    $nap
    read -r name </proc/1/comm || continue
    # On its way to a reboot it is another program.
    case $name in systemd-shutdow*) continue ;; esac

    # systemd's crash handler closes every file and waits for ever, for any child or a signal: freeze() in
    # src/basic/process-util.c. At work it waits for events, and for no child but a certain one.
    set -- /proc/1/fd/*
    read -r call rest </proc/1/syscall || call='' rest=''
    case "$1|$call $rest" in
        '/proc/1/fd/*|'* | *'|34 '* | *'|247 0x0 '*)
            frozen=$((frozen + 1))
            [ $frozen -lt 2 ] || report "crashed, and froze itself (system call $call)"
            continue
            ;;
    esac
    frozen=0

    # A process whose parent has ended is PID 1's to reap, whatever else it has to do.
    if [ -z "$orphan" ] || [ ! -d "/proc/$orphan" ]; then
        orphan='' looks=$((looks + 1)) waited=0 still=0 used=''
        # To start one costs more than to look.
        [ $((looks % 4)) -ne 0 ] || orphan=$( (:) & echo $!)
        continue
    fi
    read -r stat </proc/1/stat
    # shellcheck disable=SC2086 # its fields; the second one is in parentheses, and may hold anything
    set -- ${stat##*) }
    waited=$((waited + 1)) still=$((still + 1))
    [ "$used" = "${12} ${13}" ] || still=0
    used="${12} ${13}"
    # What waits for its generators (wait4, waitid) or for the disk is slow, and not stuck.
    most=12
    case $1:$call in D:* | *:61 | *:247) most=80 ;; esac
    [ $still -lt $most ] || report "stands still: it reaps no process and uses no processor (state $1, system call $call)"
    [ $waited -lt 160 ] || report "is busy without an end: it reaps no process (state $1, system call $call)"
done
