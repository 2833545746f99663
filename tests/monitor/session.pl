#!/usr/bin/perl
# session.pl DESK.elf - every command of both monitors, on a guest that shows what they do to it.
use strict;
use warnings;
use lib $0 =~ m{(.*)/} ? $1 : '.';
use File::Temp 'tempdir';
use Lib;

$work = tempdir(CLEANUP => 1);
chdir $work;
my $desk = shift;
my $at = 0x200000;

sub make { my ($name, $bytes) = @_; open my $f, '>', $name or die; truncate $f, $bytes; close $f }
make('disk.img', 1 << 20);
make('cd.iso', 1 << 20);
make('other.iso', 2 << 20);
make('floppy.img', 1474560);
make('floppy2.img', 737280);
make('odd.img', 4096);

my $pid = start('-kernel', $desk, '-m', 64, '-name', 'desk of tests', '-vga', 'std', '-hda', 'disk.img', '-cdrom', 'cd.iso',
    '-fda', 'floppy.img', '-no-shutdown', '-pidfile', 'pid', '-qmp', 'unix:qmp,server,nowait', '-monitor', 'unix:hmp,server=on,wait=off');
my $q = connect_to('qmp');
my $h = connect_to('hmp');

# Busy machines take their time.
sub becomes {
    my ($what, $name, $seen) = @_;
    my $end = time + 10 * slow();
    my $ok;
    nap(0.02) until ($ok = $what->()) || time > $end;
    check($ok, $name, $seen ? $seen->() : undef);
}

# ---- greetings ----
my $got = wait_for($q, qr/\r\n/) // '';
check($got =~ /^\{"QMP": \{"version": \{"qemu": \{.*\}, "package": "dragoman/, 'QMP greets', $got);
check(qmp($q, 'query-status') =~ /CommandNotFound.*qmp_capabilities/, 'nothing before the capabilities');
check(qmp($q, 'qmp_capabilities') eq qq({"return": {}}\r\n), 'capabilities');
check(qmp($q, 'qmp_capabilities') =~ /already complete/, 'capabilities once');
$got = wait_for($h, qr/\(dragoman\) /) // '';
check($got =~ /^Dragoman .* monitor - 'help'/, 'HMP greets', $got);
becomes(sub { read_word($h, $at) == 0x4b534544 && read_word($h, $at + 8) > 0 }, 'the guest runs');

check(slurp('pid') eq "$pid\n", 'the PID file', slurp('pid'));

# ---- what people see ----
for my $case (
    ['help', qr/^system_powerdown -- .*^quit\|q -- /ms],
    ['help memsave', qr/^memsave ADDR SIZE FILE -- [^\n]*\n$/],
    ['help nothing', qr/there is no command 'nothing'/],
    ['info', qr/^info mtree -- /m],
    ['info registers', qr/^EAX=[0-9a-f]{8} .*^CR0=60000011 /ms],
    ['info cpus', qr/CPU #0: pc=0x00000000001/],
    ['info mem', qr/^PG disabled/],
    ['info tlb', qr/^PG disabled/],
    ['info mtree', qr/0000000000100000-0000000003ffffff ram.*pic master/s],
    ['info pic', qr/^lapic: base fee00000.*^pic0: irr=.. imr=fe /ms],
    ['info irq', qr/^vector 20: \d+$/m],
    ['info pci', qr/82371SB IDE: PCI device 8086:7010\n      BAR4: I\/O at 0x0000c000/],
    ['info block', qr/^ide0-hd0: disk.img \(raw\)\nide1-cd0: cd.iso \(raw, read-only\)\n    Removable device: not locked/],
    ['info blockstats', qr/^ide0-hd0: rd_bytes=0 wr_bytes=0/],
    ['info status', qr/^VM status: running\n/],
    ['info name', qr/^desk of tests\n/],
    ['info version', qr/^dragoman \d/],
    ['info jit', qr/blocks/],
    ['info nothing', qr/there is no 'info nothing'/],
    ['xp /2xw 0x200000', qr/^0000000000200000: 0x4b534544 0x/],
    ['x /4c 0x200000', qr/^0000000000200000: 'D' 'E' 'S' 'K'\n/],
    ['x /1xg 0xd0000000', qr/Cannot access memory/],
    ['x /3i $eip', qr/^0x0010.*\n0x0010.*\n0x0010/],
    ['x /70000b 0', qr/at most/],
    ['x /q 0', qr/'q' is no format/],
    ['x', qr/addr is missing/],
    ['print /x 16 + 2 * (3 | 4)', qr/^0x1e\n/],
    ['p /d -5', qr/^-5\n/],
    ["p 'A' + 1", qr/^0x42\n/],
    ['p $cs', qr/^0x8\n/],
    ['p 1 / 0', qr/division by zero/],
    ['p ' . '(' x 100, qr/too deep/],
    ['p 0x1ffffffffffffffff', qr/too large/],
    ['', qr/^$/],
    ['# a remark', qr/^$/],
    ['bogus', qr/unknown command: 'bogus'/],
    ['stop now', qr/'now' is too much/],
    ['sendkey bogus', qr/unknown key: 'bogus'/],
    ['sendkey a-b-c-d-e-f-g-h-i-j-k-l-m-n-o-p-q', qr/at most 16/],
    ['mouse_move 1', qr/dy is missing/],
    ['mouse_move 1 x', qr/dy: 'x' is no number/],
    ['mouse_button 8', qr/buttons are/],
    ['memsave 0 16', qr/filename is missing/],
    ['memsave 0 16 "x', qr/quote is missing/],
    ['memsave 0 16 /nonexistent/x', qr/Could not open '\/nonexistent\/x'/],
    ['pmemsave 0xd0000000 16 x', qr/Invalid addr/],
    ['eject ide0-hd0', qr/not removable/],
    ['eject nothing', qr/'nothing' not found/],
    ['change ide1-cd0 nothing.iso', qr/nothing.iso: No such file/],
    ['change ide1-cd0 other.iso vmdk', qr/formats are raw and qcow2/],
    ['change floppy0 odd.img', qr/no floppy has that size/],
    ['screendump /nonexistent/x.png', qr/No such file/],
    ['screendump x.png gif', qr/png and ppm/],
) {
    my ($line, $pattern) = @$case;
    $got = hmp($h, $line);
    check($got =~ $pattern, "hmp '$line'", $got);
}

# ---- keys and the mouse ----
sub typed { my $n = read_word($h, $at + 0x1c); my $line = hmp($h, sprintf 'xp /%dxb 0x200020', $n || 1);
    return $n ? join ' ', $line =~ /0x([0-9a-f]{2})\b/g : '' }
sub keys_are { my ($wanted, $name) = @_; my $end = time + 5 * slow(); my $seen = '';
    while (time < $end) { $seen = typed(); last if $seen eq $wanted; nap(0.05) }
    check($seen eq $wanted, $name, $seen) }
hmp($h, 'sendkey shift-a 20');
keys_are('2a 1e 9e aa', 'sendkey: pressed and released in order');
check(qmp($q, 'send-key', '{"keys": [{"type": "qcode", "data": "ret"}], "hold-time": 1}') =~ /"return": \{\}/, 'send-key');
keys_are('2a 1e 9e aa 1c 9c', 'send-key arrives');
check(qmp($q, 'input-send-event', '{"events": [{"type": "key", "data": {"down": true, "key": {"type": "number", "data": 16}}}]}')
    =~ /"return": \{\}/, 'input-send-event');
keys_are('2a 1e 9e aa 1c 9c 10', 'a key that stays down');
$got = read_word($h, $at + 0x60);
hmp($h, 'mouse_move 5 -3');
nap(0.1);
hmp($h, 'mouse_button 1');
nap(0.1);
qmp($q, 'input-send-event', '{"events": [{"type": "btn", "data": {"down": false, "button": "left"}}, {"type": "rel", "data": {"axis": "y", "value": 2}}]}');
becomes(sub { read_word($h, $at + 0x60) >= $got + 9 }, 'the mouse arrives', sub { $got . ' ' . read_word($h, $at + 0x60) });
for my $case (
    ['send-key', '{"keys": [{"type": "qcode", "data": "zz"}]}', qr/Invalid parameter 'zz'/],
    ['send-key', '{"keys": [1]}', qr/a key is/],
    ['send-key', '{"keys": "a"}', qr/expected: array/],
    ['send-key', '{"keys": [], "hold-time": -1}', qr/milliseconds/],
    ['input-send-event', '{"events": [{"type": "abs", "data": {}}]}', qr/Input handler not found/],
    ['input-send-event', '{"events": [{"type": "rel", "data": {"axis": "z", "value": 1}}]}', qr/moves along/],
    ['input-send-event', '{"events": [[]]}', qr/not found/],
) {
    my ($command, $arguments, $pattern) = @$case;
    $got = qmp($q, $command, $arguments);
    check($got =~ $pattern, "$command $arguments", $got);
}

# ---- what programs see ----
for my $case (
    ['query-version', undef, qr/"qemu": \{"micro": \d+, "minor": \d+, "major": \d+\}/],
    ['query-status', undef, qr/"running": true, "singlestep": false, "status": "running"/],
    ['query-name', undef, qr/"name": "desk of tests"/],
    ['query-kvm', undef, qr/"enabled": false/],
    ['query-commands', undef, qr/"name": "blockdev-change-medium"/],
    ['query-cpus-fast', undef, qr/"cpu-index": 0.*"thread-id": $pid/],
    ['query-block', undef, qr/"device": "ide0-hd0", .*"file": "disk.img".*"device": "floppy0"/],
    ['query-block', '{"flat": 1}', qr/Invalid parameter type for 'flat', expected: boolean/],
    ['query-blockstats', undef, qr/"device": "ide0-hd0", .*"stats": \{.*"rd_bytes": 0.*"wr_highest_offset": 0\}/],
    ['query-named-block-nodes', undef, qr/"node-name": "ide0-hd0".*"file": "disk.img".*"node-name": "floppy0"/],
    ['query-memory-size-summary', undef, qr/"base-memory": 67108864\}/],
    ['query-uuid', undef, qr/"UUID": "0{8}-/],
    ['query-jobs', undef, qr/"return": \[\]\}/],
    ['query-pci', undef, qr/"slot": 1, "function": 1, .*"vendor": 32902/],
    ['human-monitor-command', '{"command-line": "info status"}', qr/"return": "VM status: running\\n"/],
    ['human-monitor-command', '{"command-line": "info status", "cpu-index": 1}', qr/cpu-index/],
    ['human-monitor-command', '{"command-line": "' . 'x' x 2000 . '"}', qr/Invalid parameter type/],
    ['nothing', undef, qr/CommandNotFound.*The command nothing has not been found/],
    ['memsave', '{"val": 2097152, "size": 4}', qr/Parameter 'filename' is missing/],
    ['memsave', '{"val": 2097152, "size": 4, "filename": "a", "cpu-index": 1}', qr/cpu-index/],
    ['stop', '{"now": true}', qr/Parameter 'now' is unexpected/],
    ['eject', '{"device": "nothing"}', qr/DeviceNotFound/],
    ['eject', '{}', qr/device is missing/],
    ['memsave', '{"val": 2097152, "size": 4, "filename": "one"}', qr/"return": \{\}/],
    ['pmemsave', '{"val": 2097152, "size": 8192, "filename": "two"}', qr/"return": \{\}/],
    ['screendump', '{"filename": "screen.png"}', qr/"return": \{\}/],
    ['screendump', '{"filename": "screen.ppm"}', qr/"return": \{\}/],
    ['eject', '{"id": "ide1-cd0", "force": true}', qr/"return": \{\}/],
    ['query-block', undef, qr/"device": "ide1-cd0", "type": "unknown", "removable": true, "locked": false, "tray_open": false\}/],
    ['blockdev-change-medium', '{"id": "ide1-cd0", "filename": "other.iso", "format": "raw"}', qr/"return": \{\}/],
    ['blockdev-change-medium', '{"device": "floppy0", "filename": "floppy2.img", "read-only-mode": "read-only"}', qr/"return": \{\}/],
    ['query-block', undef, qr/"file": "other.iso".*"ro": true.*"file": "floppy2.img"/],
    ['blockdev-change-medium', '{"device": "floppy0", "filename": "floppy.img", "read-only-mode": "some"}', qr/retain/],
    ['eject', '{"device": "floppy0"}', qr/"return": \{\}/],
) {
    my ($command, $arguments, $pattern) = @$case;
    $got = qmp($q, $command, $arguments);
    check($got =~ $pattern, "qmp $command " . substr($arguments // '', 0, 60), $got);
}
check(slurp('one') eq 'DESK', 'memsave wrote it', slurp('one'));
check(length slurp('two') == 8192 && slurp('two') =~ /^DESK/, 'pmemsave wrote it');
check(slurp('screen.png') =~ /^\x89PNG/, 'a PNG');
check(slurp('screen.ppm') =~ /^P6\n(\d+) (\d+)\n255\n/ && length(slurp('screen.ppm')) == 3 * $1 * $2 + length $&, 'a PPM');
send_raw($q, qq({"execute": "query-name", "id": {"a": [1, "\\u00e9"]}}));
$got = wait_for($q, qr/\r\n/) // '';
check($got =~ /"id": \{"a": \[1, "\xc3\xa9"\]\}/, 'an id comes back', $got);

# ---- stop and cont: no instruction, no time ----
sub clocks { my @w = hmp($h, 'xp /8xw 0x200000') =~ /0x([0-9a-f]{8})\b/g;
    return { rounds => hex $w[1], ticks => hex $w[2], acpi => hex $w[3], tsc => hex($w[5]) * 2**32 + hex $w[4] } }
my $a = clocks();
nap(0.5);
my $b = clocks();
sub acpi_since { return ($_[1]{acpi} - $_[0]{acpi}) & 0xffffff }
my $tsc_per_acpi = ($b->{tsc} - $a->{tsc}) / (acpi_since($a, $b) || 1);
check($b->{rounds} != $a->{rounds} && $b->{ticks} > $a->{ticks} && $tsc_per_acpi > 1, 'time passes');
$got = qmp($q, 'stop');
check($got =~ /"event": "STOP".*"return": \{\}/s && $got =~ /"timestamp": \{"seconds": \d+, "microseconds": \d+\}/, 'STOP', $got);
check(qmp($q, 'stop') !~ /"event"/, 'STOP once');
check(qmp($q, 'query-status') =~ /"running": false, .*"status": "paused"/, 'paused');
check(hmp($h, 'info status') =~ /VM status: paused\n/, 'paused, for people');
$a = clocks();
nap(4);
$b = clocks();
check($a->{rounds} == $b->{rounds} && $a->{tsc} == $b->{tsc}, 'the guest stands still');
check(qmp($q, 'cont') =~ /"event": "RESUME".*"return": \{\}/s, 'RESUME');
becomes(sub { ($b = clocks())->{ticks} != $a->{ticks} }, 'it goes on');
my $limit = 2.5 * 3579545; # four seconds have passed outside
check(acpi_since($a, $b) < $limit, 'the ACPI timer did not go on meanwhile', acpi_since($a, $b));
check($b->{tsc} - $a->{tsc} < $limit * $tsc_per_acpi, 'nor the TSC', ($b->{tsc} - $a->{tsc}) / $tsc_per_acpi);
check($b->{ticks} - $a->{ticks} < 250, 'nor the 8254', $b->{ticks} - $a->{ticks});

# ---- reset, also while it is paused; the power button ----
$got = qmp($q, 'system_reset');
check($got =~ /"return"/ && wait_for($q, qr/"event": "RESET", "data": \{"guest": false, "reason": "host-qmp-system-reset"\}\}\r\n/), 'RESET');
becomes(sub { read_word($h, $at + 0x18) == 2 }, 'it started again', sub { read_word($h, $at + 0x18) });
qmp($q, 'stop');
hmp($h, 'system_reset');
check(hmp($h, 'info status') =~ /paused/, 'still paused after a reset');
qmp($q, 'cont');
becomes(sub { read_word($h, $at + 0x18) == 3 && read_word($h, $at + 4) > 0 }, 'and again', sub { read_word($h, $at + 0x18) });
check(hmp($h, 'system_powerdown') eq '', 'the power button');
check(wait_for($q, qr/"event": "POWERDOWN"\}\r\n/), 'POWERDOWN');
check(wait_for($q, qr/"event": "SHUTDOWN", "data": \{"guest": true, "reason": "guest-shutdown"\}\}\r\n/), 'SHUTDOWN');
check(wait_for($q, qr/"event": "STOP"/), 'and STOP: -no-shutdown');
check(qmp($q, 'query-status') =~ /"status": "shutdown"/, 'the state is shutdown');
check(qmp($q, 'cont') =~ /Resetting the Virtual Machine is required/, 'no way on');
qmp($q, 'system_reset');
check(wait_for($q, qr/"event": "RESET"/), 'but with a reset');
check(qmp($q, 'cont') =~ /"return"/, 'it goes on');

# ---- the end ----
$got = qmp($q, 'quit');
check($got =~ /"return": \{\}/, 'quit', $got);
check(wait_for($q, qr/"event": "SHUTDOWN", "data": \{"guest": false, "reason": "host-qmp-quit"\}\}\r\n/), 'SHUTDOWN');
$got = finish($pid);
check($got eq 0, 'status 0', "$got: " . slurp('err'));
check(!-e 'qmp' && !-e 'hmp' && !-e 'pid', 'no sockets are left behind, nor the PID file');
check(slurp('err') eq '', 'nothing on standard error', slurp('err'));
exit $failed;
