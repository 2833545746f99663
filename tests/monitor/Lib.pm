# Lib.pm - what the tests of the monitors share: a machine with sockets, clients that speak to it, results.
# Perl's base modules only, so JSON is looked at with patterns.
package Lib;
use strict;
use warnings;
use Exporter 'import';
use IO::Select;
use IO::Socket::UNIX;
use POSIX ':sys_wait_h';
our @EXPORT = qw(nap check start finish qmp hmp forget connect_to connect_alone send_raw wait_for read_word slurp slow $work $failed);

our $failed = 0;
our $work;
my $count = 0;
my %rest; # of a connection: what came, but nobody waited for

# DRAGOMAN_SLOW: checked builds, and machines that are busy.
sub slow { return $ENV{DRAGOMAN_SLOW} // 1 }

# Seconds, also fractions.
sub nap { select undef, undef, undef, $_[0] }

# The prototype: a match that fails is an empty list otherwise.
sub check($$;$) {
    my ($ok, $name, $seen) = @_;
    $count++;
    print $ok ? "ok $count - $name\n" : "not ok $count - $name\n";
    return if $ok;
    $failed = 1;
    $seen //= 'undefined';
    $seen = substr($seen, 0, 600);
    $seen =~ s/^/# /mg;
    print "$seen\n";
}

# start(OPTIONS..): the machine runs, its standard error goes to $work/err.
sub start {
    my $pid = fork // die;
    if (!$pid) {
        open STDIN, '<', '/dev/null';
        open STDOUT, '>', "$work/out";
        open STDERR, '>', "$work/err";
        exec $ENV{DRAGOMAN}, '-serial', 'none', '-timeout', 120 * slow(), @_ or die;
    }
    return $pid;
}

# Its exit status, or 'signal N', or 'still running'.
sub finish {
    my ($pid, $seconds) = @_;
    my $end = time + ($seconds // 10) * slow();
    while (time < $end) {
        my $got = waitpid $pid, WNOHANG;
        if ($got == $pid) {
            return $? & 127 ? 'signal ' . ($? & 127) : $? >> 8;
        }
        nap(0.02);
    }
    kill 'KILL', $pid;
    waitpid $pid, 0;
    return 'still running';
}

# A new connection may have an old one's name.
sub forget {
    my ($s) = @_;
    delete $rest{$s};
    return $s;
}

sub connect_to {
    my ($path) = @_;
    my $end = time + 10 * slow();
    while (time < $end) {
        my $s = IO::Socket::UNIX->new(Peer => $path);
        return forget($s) if $s;
        nap(0.02);
    }
    die "nobody listens at $path";
}

# The first client's place is free a moment after it has gone: returns the connection and its greeting.
sub connect_alone {
    my ($path) = @_;
    while (1) {
        my $s = connect_to($path);
        my $greeting = wait_for($s, qr/\r\n|\(dragoman\) |one at a time/) // '';
        return wantarray ? ($s, $greeting) : $s if $greeting !~ /one at a time/;
        nap(0.05);
    }
}

sub send_raw {
    my ($s, $data) = @_;
    local $SIG{PIPE} = 'IGNORE';
    while (length $data) {
        my $n = syswrite $s, $data;
        return 0 unless $n;
        substr($data, 0, $n) = '';
    }
    return 1;
}

# Everything up to and with what matches; undef, and what came, when it does not come or the other side ends.
sub wait_for {
    my ($s, $pattern, $seconds) = @_;
    my $end = time + ($seconds // 10) * slow();
    my $select = IO::Select->new($s);
    $rest{$s} //= '';
    while (1) {
        if ($rest{$s} =~ /^(.*?$pattern)/s) {
            my $got = $1;
            substr($rest{$s}, 0, length $got) = '';
            return $got;
        }
        my $left = $end - time;
        return wantarray ? (undef, $rest{$s}) : undef if $left <= 0;
        next unless $select->can_read($left);
        my $n = sysread $s, my $data, 65536;
        return wantarray ? (undef, $rest{$s}) : undef unless $n;
        $rest{$s} .= $data;
    }
}

# A QMP client; the connection is negotiated.
sub qmp {
    my ($s, $command, $arguments) = @_;
    send_raw($s, qq({"execute": "$command") . ($arguments ? qq(, "arguments": $arguments) : '') . "}\n");
    my ($got, $seen) = wait_for($s, qr/"(?:return|error)": [^\n]*\r\n/);
    return $got // "nothing; $seen";
}

sub hmp {
    my ($s, $line) = @_;
    send_raw($s, "$line\n");
    my $got = wait_for($s, qr/\(dragoman\) /);
    $got =~ s/\(dragoman\) $// if defined $got;
    return $got // 'nothing';
}

# A 32-bit word of guest memory, through an HMP client.
sub read_word {
    my ($s, $at) = @_;
    my $line = hmp($s, sprintf 'xp /1xw 0x%x', $at);
    return $line =~ /: 0x([0-9a-f]+)/ ? hex $1 : -1;
}

sub slurp {
    my ($path) = @_;
    open my $f, '<:raw', $path or return '';
    local $/;
    return scalar <$f>;
}

1;
