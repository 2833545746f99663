#!/usr/bin/perl
# hostile.pl DESK.elf - clients that send nonsense, too much, half of it, or read nothing; sockets that are in use.
use strict;
use warnings;
use lib $0 =~ m{(.*)/} ? $1 : '.';
use File::Temp 'tempdir';
use Lib;

$work = tempdir(CLEANUP => 1);
chdir $work;
my $desk = shift;
my @sockets = ('-qmp', 'unix:qmp,server,nowait', '-monitor', 'unix:hmp,server,nowait');
my $pid = start('-kernel', $desk, '-m', 64, @sockets);
my $got;

# Sanitizers keep what was freed, so only where nothing is slow.
sub resident { return slurp("/proc/$pid/status") =~ /VmRSS:\s+(\d+) kB/ ? $1 : 0 }

sub negotiated {
    my $q = connect_alone('qmp');
    qmp($q, 'qmp_capabilities');
    return $q;
}

# Whether the other side closes; what it said.
sub end_of {
    my ($s) = @_;
    my (undef, $seen) = wait_for($s, qr/never/, 5);
    return $seen;
}

# ---- pieces ----
my $q = connect_to('qmp');
for my $byte (split //, '{"execute" : "qmp_capabilities", "id": "}{\\"" }') {
    send_raw($q, $byte);
    nap(0.002);
}
$got = wait_for($q, qr/"id": [^\r]*\r\n/) // '';
check($got =~ /"return": \{\}, "id": "\}\{\\""\}/, 'a value in single bytes', $got);
send_raw($q, '{"execute":"query-name"}{"execute":"query-kvm"}' . "\n\n [ ] " . '{"execute":"query-name","id":3}');
$got = wait_for($q, qr/"id": 3\}\r\n/) // '';
check($got =~ /"return".*enabled.*must be a JSON object/s, 'several values at once', $got);

# ---- nonsense of a client that has negotiated ----
for my $case (
    ['an array', '[1, 2]', qr/must be a JSON object/],
    ['a word', 'hello ', qr/JSON parse error/],
    ['a bracket', '}', qr/JSON parse error/],
    ['the wrong bracket', '{"execute"]', qr/JSON parse error/],
    ['no comma', '{"execute":"stop" "id":1}', qr/JSON parse error/],
    ['bad UTF-8', "{\"execute\":\"\xff\xfe\"}", qr/JSON parse error/],
    ['a zero', "{\"execute\":\"stop\0\"}", qr/JSON parse error/],
    ['an escaped zero', '{"execute":"stop\u0000"}', qr/JSON parse error/],
    ['half a surrogate', '{"execute":"\ud800"}', qr/JSON parse error/],
    ['a huge number', '{"execute":"memsave","arguments":{"val":99999999999999999999,"size":1,"filename":"x"}}', qr/JSON parse error/],
    ['a real number', '{"execute":"memsave","arguments":{"val":1e300,"size":1,"filename":"x"}}', qr/expected: integer/],
    ['no command', '{"id": 7}', qr/lacks member 'execute'.*"id": 7/],
    ['a number as command', '{"execute": 7}', qr/must be a string/],
    ['arguments that are none', '{"execute": "stop", "arguments": 7}', qr/must be an object/],
    ['a member too many', '{"execute": "stop", "more": 7}', qr/'more' is unexpected/],
    ['out of band', '{"exec-oob": "stop"}', qr/'exec-oob' is unexpected/],
    ['depth', '[' x 33, qr/nested too deeply/],
    ['depth of a megabyte', '{"a":' x 200000, qr/nested too deeply/],
    ['length', '{"execute": "' . 'x' x 200000 . '"}', qr/too long/],
) {
    my ($name, $bytes, $pattern) = @$case;
    send_raw($q, "$bytes\n");
    $got = wait_for($q, qr/\r\n/) // 'nothing';
    check($got =~ $pattern, "QMP, $name", $got);
    while (($got = qmp($q, 'query-kvm')) =~ /error/) { } # what followed on the line
    check($got =~ /"enabled": false/, '.. and on', $got);
}
close $q;

# ---- who does not speak QMP ----
for my $bytes ("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n{\"execute\":\"qmp_capabilities\"}{\"execute\":\"quit\"}", "[]\n", "\x16\x03\x01\x02") {
    $q = connect_alone('qmp');
    send_raw($q, $bytes . "\n");
    $got = end_of($q);
    check($got =~ /error/ && $got !~ /return/, 'a stranger is shown out', $got);
    close $q;
}
my $h = connect_alone('hmp');
send_raw($h, "POST / HTTP/1.1\r\nHost: x\r\n\r\nquit\r\n");
$got = end_of($h);
check($got =~ /no web server/, 'a browser is shown out', $got);
close $h;

# ---- lines ----
$h = connect_alone('hmp');
check(hmp($h, 'x' x 100000) =~ /at most 4095 bytes/, 'a line of 100000 bytes');
check(hmp($h, 'p ' . '-' x 3000) =~ /too deep|too long/, 'a deep expression');
check(hmp($h, "info\0 stat\x01us") =~ /running/, 'control characters');
check(hmp($h, "\xff\xfe\xc0") =~ /unknown command/, 'bytes that are no text');
check(hmp($h, "info status\r") =~ /running/, 'CR LF');

# ---- a second client ----
my $second = connect_to('hmp');
check(end_of($second) =~ /one at a time/, 'a second client is told');
close $second;
$q = negotiated();
$second = connect_to('qmp');
check(end_of($second) =~ /"error": .*one at a time/, 'QMP, too');
close $second;

# ---- clients that go in the middle ----
close $q;
for my $bytes ('{"execute": "query', '{"execute": "query-block"}' x 50, '') {
    $q = negotiated();
    send_raw($q, $bytes);
    close $q;
}
close $h;
$h = connect_alone('hmp');
send_raw($h, "info version\ninfo sta");
shutdown $h, 1;
$got = end_of($h);
check($got =~ /dragoman \d/ && $got !~ /running/, 'what a client asked before it closed its side is answered', $got);
close $h;

# ---- a client that does not read ----
$q = negotiated();
my $before = resident();
$h = connect_alone('hmp');
$h->blocking(0);
for (1 .. 20000) {
    last unless send_raw($h, "info mtree\n" x 50);
}
$got = qmp($q, 'query-status');
check($got =~ /"running": true/, 'the others are served', $got);
check(slow() > 1 || resident() - $before < 8192, 'its answers do not pile up', resident() - $before);
close $h;
$h = connect_alone('hmp');
for (1 .. 150) { # 30000 events
    send_raw($h, "stop\ncont\n" x 100);
    wait_for($h, qr/(?:\(dragoman\) ){200}/);
}
check(hmp($h, 'info status') =~ /running/, 'stop and cont 15000 times');
check(slow() > 1 || resident() - $before < 16384, 'events do not pile up', resident() - $before);
check(!defined wait_for($q, qr/never/, 5), 'the client is dropped');
my $again = eval { negotiated() };
check($again && qmp($again, 'query-status') =~ /"running": true/, 'and welcome again');

# ---- sockets that are taken, or left behind ----
sub refused {
    my ($pattern, @options) = @_;
    my $other = start('-kernel', $desk, '-m', 64, @options);
    my $status = finish($other);
    check($status eq 2 && slurp('err') =~ $pattern, "refused: @options", "$status " . slurp('err'));
}
rename 'err', 'err.first';
refused(qr/can't listen at 'hmp': Address already in use/, '-monitor', 'unix:hmp,server,nowait');
open my $file, '>', 'file' or die;
print $file 'mine';
close $file;
refused(qr/can't listen at 'file'/, '-monitor', 'unix:file,server,nowait');
check(slurp('file') eq 'mine', 'a file stays');
refused(qr/can't listen at '\/nonexistent\/x'/, '-qmp', 'unix:/nonexistent/x,server,nowait');
refused(qr/can't connect .* to 'nobody'/, '-qmp', 'unix:nobody');
kill 'KILL', $pid;
waitpid $pid, 0;
check(-S 'hmp', 'a killed machine leaves its socket');
$pid = start('-kernel', $desk, '-m', 64, @sockets);
$h = connect_to('hmp');
check((wait_for($h, qr/\(dragoman\) /) // '') =~ /monitor/, 'the next one takes it');
check(((stat 'hmp')[2] & 0777) == 0600, 'it is the user\'s own');
send_raw($h, "quit\n");
$got = finish($pid);
check($got eq 0, 'status 0', $got);

# ---- the machine as the one that connects; waiting; paused from the start ----
my $server = IO::Socket::UNIX->new(Local => 'mine', Listen => 1) or die;
$pid = start('-kernel', $desk, '-m', 64, '-qmp', 'unix:mine');
$q = forget($server->accept);
check((wait_for($q, qr/\r\n/) // '') =~ /^\{"QMP"/, 'it connects to a server of mine');
qmp($q, 'qmp_capabilities');
qmp($q, 'quit');
check(finish($pid) eq 0, 'status 0');
$pid = start('-kernel', $desk, '-m', 64, '-S', '-qmp-pretty', 'unix:qmp,server');
$q = connect_to('qmp');
check((wait_for($q, qr/\r\n/) // '') =~ /\n    "QMP": \{/, 'it waits for a client; -qmp-pretty');
send_raw($q, '{"execute": "qmp_capabilities"}{"execute": "query-status"}');
check((wait_for($q, qr/"status": [^\n]*/) // '') =~ /prelaunch/, '-S: prelaunch');
send_raw($q, '{"execute": "quit"}');
check(finish($pid) eq 0, 'status 0');
exit $failed;
