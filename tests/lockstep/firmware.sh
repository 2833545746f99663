#!/bin/sh
# firmware.sh LOCKSTEP INSNS - SeaBIOS from the reset vector on, with a boot sector on a disk, translated and interpreted
# in lockstep: real mode, big real mode, 16-bit code that goes to 32 bits and back.
set -u
here=$(cd "$(dirname "$0")/../boot" && pwd)
DRAGOMAN=$1 # the program that firmlib.sh looks for
. "$here/firmlib.sh"
boot_sector "$work/disk.img"
"$1" --quiet --ns 100 --insns "$2" --ram-every 2000000 -- -m 64 -boot order=c -device isa-debug-exit,iobase=0xf4,iosize=4 \
    -serial none -monitor none -display none -no-reboot "$work/disk.img" -snapshot </dev/null
