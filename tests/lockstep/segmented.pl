#!/usr/bin/perl
# segmented.pl SEED STREAMS MODE - random streams of 16-bit code (mode 3: 32-bit) for segmented.S, on standard output: slots of
# 256 bytes, each ended by INT 70h. What leaves flags undefined that a push could show is not generated.
use strict;
use warnings;

my ($seed, $streams, $mode) = @ARGV;
srand($seed);
my $wide = $mode == 3 ? 4 : 2;
my $code = $mode >= 2 ? 0x53 : 0x1000;
my @selectors = $mode >= 2 ? (0x5b, 0x63, 0x5b, 0x63, 0x6b, 0x73, 0x7b, 0x83, 0x8b, 0, 0x23) : (0x2000, 0x3000, 0x4000, 0x5000);
my ($slot, $bytes, $size, $address); # of the instruction in the making

sub one { return $_[rand @_] }
sub chance { return rand() < $_[0] }
sub below { return int rand $_[0] }
sub num { my ($v, $n) = @_; return substr(pack('V', $v & 0xffffffff), 0, $n) }
sub here { return $slot * 256 + length $bytes }
sub imm { return num(one(below(1 << 32), below(256), offset()), $_[0]) }
sub selector { return chance(0.9) ? one(@selectors) : one(0x2001, 0x2fff, below(65536), 0xffff, 0xf000) }

# Often at the end of 64 KiB.
sub offset {
    return one(below(65536), below(256), 0xffff, 0xfffe, 0xfffd, 0xfffc, 0xfff0 + below(16), 0xffff - below(20), 0);
}

sub modrm {
    my ($reg, $memory) = @_;
    my ($mod, $rm) = ($memory ? one(0, 0, 1, 2) : one(0, 0, 1, 2, 3, 3), below(8));
    my $out = chr($mod << 6 | $reg << 3 | $rm);
    return $out if $mod == 3;
    if ($address == 2) {
        return $out . num(offset(), 2) if $mod == 2 || ($mod == 0 && $rm == 6);
        return $mod == 1 ? $out . chr below(256) : $out;
    }
    if ($rm == 4) {
        my $sib = below(256);
        $out .= chr $sib;
        return $out . num(one(offset(), offset(), below(1 << 32)), 4) if $mod == 0 && ($sib & 7) == 5;
    }
    return $out . num(one(offset(), below(1 << 32), offset()), 4) if $mod == 2 || ($mod == 0 && $rm == 5);
    return $mod == 1 ? $out . chr below(256) : $out;
}

sub any { return modrm(below(8)) }
sub op { return join '', map { chr } @_ }

# Forward over a few one-byte instructions.
sub branch {
    my $body = chr(0x40 + below(16)) x (1 + below(3));
    return op(0x0f, 0x80 + below(16)) . num(length $body, $wide) . $body if chance(0.3);
    return one(chr(0x70 + below(16)), "\xe3", "\xeb", "\xe2", "\xe0", "\xe1") . chr(length $body) . $body;
}

# Beyond the limit at times.
sub target { return chance(0.8) ? $_[0] : one(0x10000 + below(4), 0xfde8 + below(4), below(1 << 32)) }

sub call16 {
    my $p = here();
    return one("\xe8" . num(2, 2) . "\xeb\x01\xc3", "\x66\xe8" . num(2, 4) . "\xeb\x02\x66\xc3",
        "\x9a" . num($p + 7, 2) . num($code, 2) . "\xeb\x01\xcb", "\xea" . num($p + 5, 2) . num($code, 2),
        "\x66\xb8" . num(target($p + 9), 4) . "\x66\xff\xe0", "\x66\x68" . num(target($p + 8), 4) . "\x66\xc3",
        "\x68" . num($p + 4, 2) . "\xc3", "\x68" . num($code, 2) . "\x68" . num($p + 7, 2) . "\xcb");
}

sub call32 {
    my $p = here();
    return one("\xe8" . num(2, 4) . "\xeb\x01\xc3", "\x68" . num($p + 6, 4) . "\xc3", "\xea" . num($p + 7, 4) . num($code, 2),
        "\x68" . num($code, 4) . "\x68" . num($p + 11, 4) . "\xcb", "\xb8" . num(target($p + 7), 4) . "\xff\xe0");
}

sub string {
    my $rep = one('', '', "\xf3", "\xf2");
    my $set = '';
    $set .= "\xb9" . num(one(below(20), below(300), 0, 1, below(5000)), $wide) if $rep && chance(0.9);
    $set .= "\xbe" . num(offset(), $wide) if chance(0.4);
    $set .= "\xbf" . num(offset(), $wide) if chance(0.4);
    return ($set, $rep . chr one(0xa4 .. 0xa7, 0xaa .. 0xaf));
}

# A register gets the selector first.
sub load {
    my $r = one(0, 1, 2, 3, 5, 6, 7);
    return chr(0xb8 + $r) . num(selector(), $wide) . op(0x8e, 0xc0 | one(0, 3, 4, 5) << 3 | $r);
}

my @stack = (
    sub { chr(0x50 + below(8)) }, sub { chr(0x58 + below(8)) }, sub { "\x68" . imm($size) }, sub { "\x6a" . imm(1) },
    sub { "\xff" . modrm(6) }, sub { chr one(0x06, 0x0e, 0x16, 0x1e) }, sub { "\x0f" . chr one(0xa0, 0xa8) },
    sub { one("\x60", "\x61", "\x9c", "\xc9") }, sub { "\x8f" . modrm(0) },
    sub { "\xc8" . imm(1) . "\0" . chr one(0, 0, 1, 2) },
);
my @misc = (
    sub { op(0x69) . any() . imm($size) }, sub { op(0x6b) . any() . imm(1) },
    sub { chr one(0x98, 0x99, 0x9e, 0x9f, 0xd7, 0x27, 0x37, 0xf5, 0xf8, 0xf9, 0xfc, 0xfd) }, sub { one("\xd4\x0a", "\xd5\x0a") },
    sub { op(0x0f, 0x90 + below(16)) . any() }, sub { op(0x0f, one(0xb6, 0xb7, 0xbe, 0xbf, 0xaf)) . any() },
    sub { op(0x0f, 0x40 + below(16)) . any() }, sub { op(0x0f, one(0xa3, 0xab, 0xb3, 0xbb)) . any() },
    sub { op(0x0f, 0xba) . modrm(4 + below(4)) . imm(1) }, sub { op(0x0f, one(0xc0, 0xc1, 0xb0, 0xb1)) . any() },
    sub { op(0x0f, 0xc8 + below(8)) }, sub { op(one(0xd0, 0xd1)) . any() },
    sub { op(one(0xf6, 0xf7)) . modrm(2 + below(6)) }, sub { op(one(0xfe, 0xff)) . modrm(below(2)) },
);
my @float = (
    sub { "\xd9" . modrm(one(0, 2, 3, 5, 7)) }, sub { "\xdd" . modrm(one(0, 2, 3)) }, sub { "\xdb" . modrm(one(5, 7), 1) },
    sub { "\xdf" . modrm(one(0, 2, 3, 5, 7)) }, sub { one("\xd8", "\xdc") . any() },
);

# What takes prefixes; how often is how often it stands here.
my @plain = (
    (sub { op((below(8) << 3) + below(4)) . any() }) x 6, sub { chr((below(8) << 3) + 4) . imm(1) },
    sub { chr((below(8) << 3) + 5) . imm($size) }, (sub { op(one(0x80, 0x83)) . any() . imm(1) }) x 2,
    (sub { op(0x84 + below(8)) . any() }) x 5, sub { "\x8d" . modrm(below(8), 1) }, sub { "\x8c" . modrm(below(6)) },
    (sub { one(@stack)->() }) x 3, sub { chr(0xb0 + below(8)) . imm(1) }, sub { chr(0xb8 + below(8)) . imm($size) },
    sub { "\xc6" . modrm(0) . imm(1) }, sub { "\xc7" . modrm(0) . imm($size) },
    sub { one("\xc4", "\xc5", "\x0f\xb4", "\x0f\xb5") . modrm(below(8), 1) }, sub { chr(0xa0 + below(4)) . num(offset(), $address) },
    (sub { one(@misc)->() }) x 4, sub { one(@float)->() }, sub { chr(0x40 + below(16)) }, sub { chr(0x90 + below(8)) },
);
my @special = (
    \&branch, $mode == 3 ? \&call32 : \&call16, \&load, sub { "\xcd" . chr(0x60 + below(4)) },
    sub { "\x68" . num(selector(), $wide) . one("\x07", "\x1f", "\x0f\xa1", "\x0f\xa9") },
    sub { "\x68" . num(one(0x02, 0x46, 0xcd7, 0x8d5, 0x402, 0x3002, 0x202, 0x4002), $wide) . "\x9d" },
);

sub instruction {
    return one(@special)->() if chance(0.16);
    my $prefix = '';
    ($size, $address) = ($wide, $wide);
    if (chance(0.22)) { $prefix .= "\x66"; $size = 6 - $wide }
    $prefix .= chr one(0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65) if chance(0.2);
    if (chance(0.14)) {
        my ($set, $itself) = string();
        return $set . $prefix . $itself;
    }
    if (chance(0.18)) { $prefix .= "\x67"; $address = 6 - $wide }
    $prefix .= "\xf0" if chance(0.02);
    return $prefix . one(@plain)->();
}

binmode STDOUT;
for ($slot = 0; $slot < $streams; $slot++) {
    $bytes = '';
    for (1 .. 6 + below(20)) {
        my $next = instruction();
        last if length($bytes) + length($next) > 250;
        $bytes .= $next;
    }
    $bytes .= "\xcd\x70";
    print $bytes, "\xf4" x (256 - length $bytes);
}
