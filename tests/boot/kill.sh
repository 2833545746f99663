#!/bin/sh
# kill.sh ENGINE ARCH raw|qcow2 ROUNDS [SEED] - kill -9 of the monitor while a guest writes loses nothing it had flushed.
#
# Debian's kernel writes records to an ext4 of its own, each followed by fsync, and then reports it on the serial port;
# beside that it makes and removes files without fsync. After a number of records, and of milliseconds, drawn by SEED the
# monitor is killed. Then the image must be sound (qemu-img check: nothing but leaks), the journal must replay, e2fsck
# must find nothing else, and every record reported in any round must be there, whole. The next round goes on with the
# image as it was left, so the guest replays the journal, too.
set -u
. "$(dirname "$0")/debianlib.sh"
[ $# -ge 4 ] || die 'usage: kill.sh ENGINE ARCH raw|qcow2 ROUNDS [SEED]'
command -v qemu-img >/dev/null 2>&1 || skip 'no qemu-img (apt install qemu-utils)'
use_system "$2"
take_kernel
image=$work/data.$3

# Records have a length that their number gives; every eighth is a file of its own, renamed and its directory synced.
cat >"$work/script" <<'SCRIPT'
mount -t tmpfs none /tmp
mount "$1" /mnt && mkdir -p /mnt/d /mnt/noise
perl -MIO::Handle - <<'PERL'
$| = 1;
open my $all, '+>>', '/mnt/log' or die;
seek $all, 0, 0;
my $n = 0;
while (<$all>) { $n = $1 - 1 if /^record (\d+) x*$/ }  # the last one again: it may lack its file
print {$all} "\n";
if (!fork) {
    while (1) {
        my $name = '/mnt/noise/' . int rand 16;
        if (rand() < 0.3) { unlink $name; next }
        open my $f, '>', $name or next;
        print {$f} chr(int rand 256) x int rand 300_000;
        close $f;
        select undef, undef, undef, 0.01;
    }
}
sub sync_to { my ($f, $text) = @_; print {$f} $text; $f->flush; $f->sync or die "fsync: $!" }
while (1) {
    $n++;
    sync_to($all, "record $n " . 'x' x ($n * 7919 % 3000) . "\n");
    if ($n % 8 == 0) {
        open my $f, '>', '/mnt/d/new' or die;
        sync_to($f, "file $n\n");
        rename '/mnt/d/new', "/mnt/d/$n" or die;
        open my $d, '<', '/mnt/d' or die;
        $d->sync or die "fsync: $!";
    }
    print "ack $n\n";
}
PERL
SCRIPT

truncate -s 512M "$work/fs"
mke2fs -q -t ext4 -F "$work/fs" || exit 1
if [ "$3" = qcow2 ]; then
    qemu-img convert -f raw -O qcow2 "$work/fs" "$image" && rm "$work/fs" || exit 1
else
    mv "$work/fs" "$image"
fi
shell_command "$1" '' "$image" "$3"
perl "$here/tests/boot/killer" "$work/command" "$image" "$3" "$4" "${5:-1}" "$work" "$seconds" "$start_script" || bad=1
finish
