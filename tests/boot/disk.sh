#!/bin/sh
# disk.sh ENGINE - a boot sector prints, reads and writes through the firmware, from a disk named in each way.
set -u
. "$(dirname "$0")/firmlib.sh"

boot_sector "$work/disk.img"
cp "$work/disk.img" "$work/before.img"
exit_device='-device isa-debug-exit,iobase=0xf4,iosize=4'

# boots STATUS OPTIONS..: 33 is what the sector writes to the exit device.
boots() {
    # shellcheck disable=SC2086  # words
    machine 33 -engine "$engine" $exit_device --timeout "$seconds" "$@"
    expect screen "Booting from $from"
    expect screen 'Hello from sector one'
    expect screen 'Hello from sector two'
}

sector() { # FILE NUMBER
    dd if="$1" bs=512 skip="$2" count=1 status=none | tr -d '\0\r\n'
}

engine=$1
from='Hard Disk'
boots -snapshot "$work/disk.img"
expect screen 'Sector three written'
cmp -s "$work/disk.img" "$work/before.img" || { echo '-snapshot: the image changed' && bad=1; }
boots -drive "file=$work/disk.img,format=raw,readonly=on"
expect screen 'Write failed'
cmp -s "$work/disk.img" "$work/before.img" || { echo 'readonly=on: the image changed' && bad=1; }
boots -hda "$work/disk.img" -boot order=c
expect screen 'Sector three written'
[ "$(sector "$work/disk.img" 2)" = 'Hello from sector two' ] || { echo 'sector three was not written' && bad=1; }
cp "$work/before.img" "$work/floppy.img"
truncate -s 1440K "$work/floppy.img"
from=Floppy
boots -fda "$work/floppy.img"
expect screen 'Sector three written'
[ "$(sector "$work/floppy.img" 2)" = 'Hello from sector two' ] || { echo 'the floppy was not written' && bad=1; }
from='Hard Disk'
boots -fda "$work/floppy.img" -snapshot "$work/disk.img"
from=Floppy
boots -fda "$work/floppy.img" -snapshot "$work/disk.img" -boot order=ac
finish
