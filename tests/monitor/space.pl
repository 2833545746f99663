#!/usr/bin/perl
# space.pl WRITER.elf - the host's disk is full while the guest writes: it is paused, everybody hears why, and
# nothing that was acknowledged is lost. Needs namespaces for a small file system: space.sh.
use strict;
use warnings;
use lib $0 =~ m{(.*)/} ? $1 : '.';
use File::Temp 'tempdir';
use Lib;

$work = tempdir(CLEANUP => 1);
chdir $work;
my $writer = shift;
my @exit = ('-device', 'isa-debug-exit,iobase=0xf4,iosize=4', '-debugcon', 'stdio', '-kernel', $writer, '-m', 64);
my $sectors = 512;
my $got;

sub room { unlink 'small/filler' }

# A file system of 320 KiB of which about half is taken, and an empty image of 256 KiB on it.
sub full_disk {
    my ($make) = @_;
    mkdir 'small';
    system('mount', '-t', 'tmpfs', '-o', 'size=320k', 'none', 'small') == 0 or exit 77;
    open my $f, '>', 'small/filler' or die;
    print $f 'x' x (160 * 1024);
    close $f;
    $make ? system($make) == 0 || die : truncate_new('small/disk', $sectors * 512);
}

sub truncate_new { my ($name, $bytes) = @_; open my $f, '>', $name or die; truncate $f, $bytes; close $f }
sub done { system('umount', '-l', 'small') }

# The first n sectors are the guest's.
sub written {
    my ($n) = @_;
    my $image = slurp('small/disk');
    for my $i (0 .. $n - 1) {
        return 0 if substr($image, $i * 512, 512) ne pack('V', ~$i & 0xffffffff) x 128;
    }
    return 1;
}

sub stopped {
    my ($q) = @_;
    my $seen = wait_for($q, qr/"event": "STOP"\}\r\n/, 20) // '';
    check($seen =~ /"event": "BLOCK_IO_ERROR", "data": \{"device": "ide0-hd0", .*"operation": "write", "action": "stop", "nospace": true, "reason": "No space left on device"\}/,
        'BLOCK_IO_ERROR and STOP', $seen);
}

# ---- nobody is there: it goes on by itself ----
full_disk();
my $pid = start(@exit, '-hda', 'small/disk');
for (1 .. 100 * slow()) { last if slurp('err') =~ /\n/; nap(0.1) }
check(slurp('err') eq "dragoman: small/disk: No space left on device; the guest is paused until there is room\n", 'one line says why', slurp('err'));
room();
$got = finish($pid, 20);
check($got eq 1 && slurp('out') eq "flushed\nall there\n", 'there is room, it goes on', "$got " . slurp('out'));
check(written($sectors), 'everything is there');
check(slurp('err') =~ /^[^\n]*\n$/, 'one line only', slurp('err'));
done();

# ---- the same with somebody at the terminal ----
full_disk();
pipe my $from, my $to;
$pid = fork // die;
if (!$pid) {
    close $to;
    open STDIN, '<&', $from;
    open STDOUT, '>', 'out';
    open STDERR, '>', 'err';
    exec $ENV{DRAGOMAN}, '-serial', 'mon:stdio', '-timeout', 60 * slow(), @exit[0, 1, 4 .. 7], '-hda', 'small/disk' or die;
}
syswrite $to, "\x01c";
for (1 .. 100 * slow()) { last if slurp('out') =~ /No space/; nap(0.1) }
check(slurp('out') =~ /dragoman: small\/disk: No space left on device; the guest is paused/, 'who is in the monitor sees it there', slurp('out'));
syswrite $to, "info status\ninfo block\n";
for (1 .. 50) { last if slurp('out') =~ /I\/O status/; nap(0.1) }
check(slurp('out') =~ /VM status: paused \(io-error\)/ && slurp('out') =~ /I\/O status: nospace/, 'info status, info block', slurp('out'));
room();
check(finish($pid, 20) eq 1, 'it goes on');
check(written($sectors) && slurp('err') eq '', 'everything is there', slurp('err'));
done();

# ---- a program decides ----
my @monitors = ('-qmp', 'unix:qmp,server,nowait', '-monitor', 'unix:hmp,server,nowait');
sub controlled {
    full_disk(@_);
    $pid = start(@exit, '-hda', 'small/disk', '-S', @monitors);
    my $q = connect_to('qmp');
    my $h = connect_to('hmp');
    wait_for($h, qr/\(dragoman\) /);
    wait_for($q, qr/\r\n/);
    qmp($q, 'qmp_capabilities');
    qmp($q, 'cont');
    stopped($q);
    return ($q, $h);
}
my ($q, $h) = controlled();
check(qmp($q, 'query-status') =~ /"running": false, .*"status": "io-error"/, 'the state is io-error');
check(qmp($q, 'query-block') =~ /"io-status": "nospace"/, 'io-status');
my $n = read_word($h, 0x200000);
check($n > 100 && $n < $sectors && written($n), 'what was acknowledged is there', $n);
check(qmp($q, 'cont') =~ /RESUME/, 'cont without room');
stopped($q);
check(read_word($h, 0x200000) == $n, 'no progress');
room();
nap(2.5);
check(qmp($q, 'query-status') =~ /io-error/, 'it waits for cont');
qmp($q, 'cont');
$got = finish($pid, 20);
check($got eq 1 && slurp('out') eq "flushed\nall there\n", 'and goes on', "$got " . slurp('out'));
check(written($sectors), 'everything is there');
done();

# ---- quit, and reset, on a full disk ----
($q, $h) = controlled();
$n = read_word($h, 0x200000);
qmp($q, 'quit');
$got = finish($pid, 20);
check($got eq 0, 'quit on a full disk', $got . slurp('err'));
check(written($n), 'what was acknowledged is there');
done();
($q, $h) = controlled();
qmp($q, 'system_reset');
check(wait_for($q, qr/"event": "RESET"/), 'reset on a full disk');
room();
qmp($q, 'cont');
check(finish($pid, 20) eq 1 && written($sectors), 'the guest starts again, and ends');
done();

# ---- -snapshot: it is the temporary file that finds no room; the image stays as it was ----
{
    local $ENV{TMPDIR} = "$work/small";
    full_disk('truncate -s 256K disk');
    unlink 'err';
    $pid = start(@exit, '-hda', 'disk', '-snapshot');
    for (1 .. 100 * slow()) { last if slurp('err') =~ /\n/; nap(0.1) }
    check(slurp('err') =~ /^dragoman: .*No space left on device; the guest is paused until there is room\n$/, '-snapshot: one line says why', slurp('err'));
    room();
    $got = finish($pid, 20);
    check($got eq 1 && slurp('out') eq "flushed\nall there\n", '-snapshot: it goes on', "$got " . slurp('out'));
    check(slurp('disk') eq "\0" x (256 * 1024), '-snapshot: the image is as it was');
    done();
}

# ---- what a monitor writes finds no room: an error, the machine runs on ----
($q, $h) = controlled();
for my $command ('memsave', 'pmemsave') {
    $got = qmp($q, $command, '{"val": 0, "size": 1048576, "filename": "small/memory"}');
    check($got =~ /"error".*No space left on device/, "$command without room", $got);
}
room();
qmp($q, 'cont');
check(finish($pid, 20) eq 1 && written($sectors), 'the guest is none the worse');
done();

# ---- qcow2: its tables grow, too ----
if (system('qemu-img --version > /dev/null 2>&1') == 0) {
    ($q, $h) = controlled('qemu-img create -q -f qcow2 -o cluster_size=4k small/disk 256k');
    room();
    qmp($q, 'cont');
    check(finish($pid, 20) eq 1, 'qcow2: it goes on');
    check(system('qemu-img check -q small/disk') == 0, 'the image is sound');
    done();
}
exit $failed;
