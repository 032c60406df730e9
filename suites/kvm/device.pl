# Uses /dev/kvm as a virtual machine monitor does, one system call after the other, and says what each of them gave.
#
#     perl device.pl sum     a virtual processor adds the numbers from 100 down to 1, and says and stores the sum
#     perl device.pl loop    one that never ends is interrupted after a second
#
# A line is "STEP VALUE"; the first step that fails is "STEP failed: REASON", and the last line. The interface is that of
# Linux, Documentation/virt/kvm/api.rst, sections 4 (ioctls) and 5 (struct kvm_run). A guest has perl, and no compiler.
use strict;
use warnings;

my %ioctl = (
    GET_API_VERSION => 0xAE00, CREATE_VM => 0xAE01, CHECK_EXTENSION => 0xAE03, GET_VCPU_MMAP_SIZE => 0xAE04,
    CREATE_VCPU => 0xAE41, SET_TSS_ADDR => 0xAE47, SET_USER_MEMORY_REGION => 0x4020AE46, RUN => 0xAE80,
    GET_REGS => 0x8090AE81, SET_REGS => 0x4090AE82, GET_SREGS => 0x8138AE83, SET_SREGS => 0x4138AE84,
);
my ($READ, $MMAP, $IOCTL) = (0, 9, 16);                        # system calls of x86-64
my ($CODE, $SUM) = (0x1000, 0x2000);                           # addresses in the virtual machine
my $SIZE = 0x4000;
my %program = (
    # mov cx, 100; xor ax, ax; again: add ax, cx; loop again; mov [0x2000], ax; mov dx, 0xe9; out dx, ax; hlt
    sum => "\xb9\x64\x00\x31\xc0\x01\xc8\xe2\xfc\xa3\x00\x20\xba\xe9\x00\xef\xf4",
    # again: jmp again
    loop => "\xeb\xfe",
);
my %reason = (2 => 'io', 5 => 'hlt', 8 => 'shutdown', 9 => 'fail-entry', 17 => 'internal-error');

sub step {
    my ($name, $result, $shown) = @_;
    if ($result < 0) { print "$name failed: $!\n"; exit 1 }
    printf "%s %s\n", $name, defined $shown ? $shown : $result;
    return $result;
}

# The kernel writes into the caller's own string, so it is not copied.
sub control { return syscall $IOCTL, $_[0], $ioctl{$_[1]}, $_[2] }

sub mapped { my ($length, $flags, $file) = @_; return syscall $MMAP, 0, $length, 3, $flags, $file, 0 }

sub peek { my ($address, $length) = @_; return unpack "P$length", pack 'Q', $address }

# What stands in a string is brought to an address by read(2) from a pipe.
sub poke {
    my ($address, $bytes) = @_;
    pipe my $out, my $in or die "pipe: $!\n";
    syswrite $in, $bytes;
    return syscall $READ, fileno $out, $address, length $bytes;
}

$| = 1;
my $program = $program{$ARGV[0]} or die "what is the virtual processor to do: sum, or loop?\n";
sysopen my $device, '/dev/kvm', 2 or do { print "open failed: $!\n"; exit 1 };
print "open 0\n";
my $kvm = fileno $device;
step 'version', control($kvm, 'GET_API_VERSION', 0);
step 'memory-slots', control($kvm, 'CHECK_EXTENSION', 10);     # KVM_CAP_NR_MEMSLOTS
my $vm = step 'vm', control($kvm, 'CREATE_VM', 0);
step 'tss', control($vm, 'SET_TSS_ADDR', 0xFFFBD000);          # Intel's processors want it, others ignore it
my $memory = step 'memory', mapped($SIZE, 0x21, -1), $SIZE;    # MAP_SHARED | MAP_ANONYMOUS
step 'program', poke($memory + $CODE, $program);
step 'region', control($vm, 'SET_USER_MEMORY_REGION', pack 'LLQQQ', 0, 0, 0, $SIZE, $memory);
my $size = step 'run-size', control($kvm, 'GET_VCPU_MMAP_SIZE', 0);
my $vcpu = step 'vcpu', control($vm, 'CREATE_VCPU', 0);
my $run = step 'run-area', mapped($size, 0x01, $vcpu), $size;

my $sregs = "\0" x 312;
step 'get-sregs', control($vcpu, 'GET_SREGS', $sregs);
substr($sregs, 0, 8) = "\0" x 8;                               # cs.base
substr($sregs, 12, 2) = "\0" x 2;                              # cs.selector
step 'set-sregs', control($vcpu, 'SET_SREGS', $sregs);
step 'set-regs', control($vcpu, 'SET_REGS', pack 'Q18', (0) x 16, $CODE, 2);

local $SIG{ALRM} = sub { };
alarm 1 if $ARGV[0] eq 'loop';
for (1 .. 8) {
    my $result = control($vcpu, 'RUN', 0);
    if ($result < 0 && $!{EINTR}) { print "exit interrupted\n"; last }
    step 'run', $result;
    my $number = unpack 'L', peek($run + 8, 4);
    my $why = $reason{$number} || $number;
    print "exit $why\n";
    if ($why eq 'io') {
        my ($direction, $width, $port, $count, $offset) = unpack 'CCSLQ', peek($run + 32, 16);
        printf "port %#x %d\n", $port, unpack 'S', peek($run + $offset, 2);
        next;
    }
    printf "hardware-reason %#x\n", unpack 'Q', peek($run + 32, 8) if $why eq 'fail-entry';
    last;
}
my $regs = "\0" x 144;
step 'get-regs', control($vcpu, 'GET_REGS', $regs);
printf "accumulator %d\n", (unpack 'Q18', $regs)[0];
printf "instruction %#x\n", (unpack 'Q18', $regs)[16];
printf "stored %d\n", unpack 'S', peek($memory + $SUM, 2);
