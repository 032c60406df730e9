# What sleeps in a guest while it is saved, and makes the restored one a guest of its own; see harness/machine/cloning.py.
# Started as `perl -e` with the address and the ports of the two doors. A process that is started after the restore costs
# 20 ms under emulation and a perl 100 ms, so both that are needed first are there already: this one, and a sshd that
# has read its keys and waits for its only client. Both hold connections to QEMU, which it saves with the guest.
use strict;
use Socket;

my ($address, $ssh, $wake) = @ARGV;

sub dial {
    socket(my $socket, PF_INET, SOCK_STREAM, 0) or die "no socket: $!";
    connect($socket, sockaddr_in($_[0], inet_aton($address))) or die "QEMU does not answer at port $_[0]: $!";
    return $socket;
}

# On a computer with several users the door is behind a directory of the harness's own, like the root shell on the
# console; so nobody is asked who he is, which would cost a tenth of a second.
my $door = dial($ssh);
defined(my $child = fork) or die "no process: $!";
if (!$child) {
    open(STDIN, "<&", $door) and open(STDOUT, ">&", $door) or die "no descriptor: $!";
    exec "/usr/sbin/sshd", "-i", map { ("-o", $_) } "AuthenticationMethods=none", "PermitEmptyPasswords=yes",
        "PasswordAuthentication=yes", "PermitRootLogin=yes", "LoginGraceTime=0", "LogLevel=ERROR";
    die "no sshd: $!";
}
close $door;

my $bell = dial($wake);
syswrite($bell, "asleep\n");
my $said = "";
while ($said !~ /\n/) {
    sysread($bell, $said, 4096, length $said) or exit 1;
}
eval { awake(split / /, $said, 4); 1 } or syswrite($bell, "not awake: $@"), exit 1;
syswrite($bell, "awake\n");

# Nanoseconds by which the clock is behind, a new machine id, 64 random bytes in hexadecimal, the machine's public ssh key.
sub awake {
    my ($behind, $id, $seed, $key) = @_;

    # A difference stays right however long it took until here. The numbers are those of x86-64's system calls.
    my ($gettime, $settime, $realtime, $now) = (228, 227, 0, "\0" x 16);
    syscall($gettime, $realtime, $now) == 0 or die "the clock cannot be read: $!\n";
    my ($seconds, $nanoseconds) = unpack("q q", $now);
    my $then = $seconds * 1000000000 + $nanoseconds + $behind;
    $now = pack("q q", int($then / 1000000000), $then % 1000000000);
    syscall($settime, $realtime, $now) == 0 or die "the clock cannot be set: $!\n";

    # Two clones would go on with the same random numbers. What is written is only mixed in; the generator that answers is
    # seeded again by an ioctl (random(4): RNDADDENTROPY 0x40085203; Linux, random.h: RNDRESEEDCRNG 0x5207).
    $seed = pack("H*", $seed);
    open(my $random, "+<", "/dev/urandom") or die "there is no /dev/urandom: $!\n";
    ioctl($random, 0x40085203, pack("i i a*", 8 * length $seed, length $seed, $seed)) or die "no entropy: $!\n";
    ioctl($random, 0x5207, 0);

    # The journal is looked for below the machine's id; journald goes on with the old name.
    open(my $file, "<", "/etc/machine-id") or die "there is no /etc/machine-id: $!\n";
    chomp(my $old = <$file>);
    put("/etc/machine-id", "$id\n");
    my $copy = "/var/lib/dbus/machine-id";
    put($copy, "$id\n") if -f $copy && !-l $copy;
    -d "$_/$old" and symlink($old, "$_/$id") for "/run/log/journal", "/var/log/journal";
    put("/run/harness/authorized_keys", $key);
}

sub put {
    open(my $file, ">", $_[0]) or die "$_[0] cannot be written: $!\n";
    print $file $_[1];
    close $file or die "$_[0] cannot be written: $!\n";
}
