#!/usr/bin/perl
# newc.pl - write a cpio archive ("newc", as the kernel unpacks initramfs) to standard output.
#
# usage: newc.pl <LIST
# LIST has one entry per line, as the kernel's gen_init_cpio knows them:
#   dir NAME MODE | file NAME SOURCE MODE | slink NAME TARGET | nod NAME MODE c MAJOR MINOR
#
# cpio itself could only archive device nodes that exist, which takes root to make. The output depends on
# the entries alone: owner 0, time 0, numbered in order. Needs nothing beyond Debian's essential perl-base.
use strict;
use warnings;

my $inode = 0;
my $offset = 0;

sub put {
    my ($bytes) = @_;
    print {*STDOUT} $bytes or die "newc.pl: write: $!\n";
    $offset += length $bytes;
    return;
}

sub pad4 {
    put("\0" x (-$offset % 4));
    return;
}

sub entry {
    my ($name, $mode, $data, $major, $minor) = @_;
    $name =~ s{^/}{};
    $inode++;
    put(sprintf '070701' . '%08X' x 13,
        $inode, $mode, 0, 0, 1, 0, length $data, 0, 0, $major // 0, $minor // 0, 1 + length $name, 0);
    put("$name\0");
    pad4();
    put($data);
    pad4();
    return;
}

sub contents {
    my ($path) = @_;
    open my $in, '<:raw', $path or die "newc.pl: $path: $!\n";
    local $/ = undef;
    my $data = <$in>;
    close $in or die "newc.pl: $path: $!\n";
    return $data // '';
}

binmode STDOUT;
while (my $line = <STDIN>) {
    my ($kind, @f) = split ' ', $line;
    next if !defined $kind;
    if    ($kind eq 'dir')   { entry($f[0], 0040000 | oct $f[1], '') }
    elsif ($kind eq 'file')  { entry($f[0], 0100000 | oct $f[2], contents($f[1])) }
    elsif ($kind eq 'slink') { entry($f[0], 0120777, $f[1]) }
    elsif ($kind eq 'nod')   { entry($f[0], 0020000 | oct $f[1], '', $f[3], $f[4]) }
    else                     { die "newc.pl: line $.: unknown entry '$kind'\n" }
}
$inode = -1;
entry('TRAILER!!!', 0, '');
put("\0" x (-$offset % 512));
close STDOUT or die "newc.pl: write: $!\n";
