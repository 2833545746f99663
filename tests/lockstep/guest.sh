#!/bin/sh
# guest.sh LOCKSTEP GUEST.S GUEST.elf - a small guest of tests/guest, translated and interpreted in lockstep.
# Slow processors (200 ns per instruction), so that guests which wait for the PIT don't take long.
set -u
lockstep=$1
options=$(sed -n 's/^# options: *//p' "$2" | sed 's/  *(.*//' | head -n 1)

# shellcheck disable=SC2086  # options are words
exec "$lockstep" --quiet --ns 200 --insns 5000000 --ram-every 100000 -- $options -kernel "$3" \
    -device isa-debug-exit,iobase=0xf4,iosize=4 -display none -serial none -monitor none -debugcon stdio \
    -no-reboot </dev/null
