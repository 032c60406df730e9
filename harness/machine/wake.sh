# What a guest runs first when it was restored from a saved memory: POSIX shell, see harness/machine/warm.py.
# Arguments: nanoseconds by which the clock is behind, a new machine id, 64 random bytes in hexadecimal,
# the machine's public ssh key. Each program that is started costs 20 ms under emulation, so there are few.
set -eu

# The clock: a difference stays right however long it took until here.
# Random numbers: two clones would go on with the same. What is written is only mixed in; the generator that answers
# is seeded anew by an ioctl (random(4): RNDADDENTROPY 0x40085203; Linux, random.h: RNDRESEEDCRNG 0x5207).
if command -v perl >/dev/null; then
    perl -e '
        my ($behind, $seed) = ($ARGV[0], pack("H*", $ARGV[1]));
        my ($gettime, $settime, $realtime, $now) = (228, 227, 0, "\0" x 16);  # system calls of x86-64
        syscall($gettime, $realtime, $now) == 0 or die "the clock cannot be read: $!";
        my ($seconds, $nanoseconds) = unpack("q q", $now);
        my $then = $seconds * 1000000000 + $nanoseconds + $behind;
        $now = pack("q q", int($then / 1000000000), $then % 1000000000);
        syscall($settime, $realtime, $now) == 0 or die "the clock cannot be set: $!";
        open(my $random, "+<", "/dev/urandom") or die "there is no /dev/urandom: $!";
        my $entropy = pack("i i a*", 8 * length $seed, length $seed, $seed);
        ioctl($random, 0x40085203, $entropy) or die "no entropy can be added: $!";
        ioctl($random, 0x5207, 0);
    ' "$1" "$3"
else
    now=$(($(date +%s%N) + $1))
    date -s "@$((now / 1000000000)).$(printf %09d $((now % 1000000000)))" >/dev/null
    printf %s "$3" >/dev/urandom
fi

# The journal is looked for below the machine's id; journald goes on with the old name.
read -r old </etc/machine-id
echo "$2" >/etc/machine-id
if [ -f /var/lib/dbus/machine-id ] && [ ! -L /var/lib/dbus/machine-id ]; then
    echo "$2" >/var/lib/dbus/machine-id
fi
for journal in /run/log/journal /var/log/journal; do
    if [ -d "$journal/$old" ]; then
        ln -s "$old" "$journal/$2"
    fi
done

echo "$4" >/run/harness/authorized_keys
