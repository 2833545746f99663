#!/bin/sh
# segmented.sh LOCKSTEP MODE [FIRST [COUNT]] - random streams of segmented code, 250 per seed, translated and interpreted in
# lockstep with the jail checker on. MODE is real, big (real mode with 4 GiB), v86, code16 or code32 (segmented.S).
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../../scripts/lib.sh"
lockstep=$1
mode=0
big=0
case $2 in real) ;; big) big=1 ;; v86) mode=1 ;; code16) mode=2 ;; code32) mode=3 ;; *) exit 2 ;; esac
command -v perl >/dev/null 2>&1 || skip 'no perl'
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
bad=0
seed=${3:-1}
last=$((seed + ${4:-6}))
while [ $seed -lt $last ]; do
    "$here/segmented.pl" $seed 250 $mode >payload.bin &&
        as --32 -I "$here/../guest" -I . --defsym MODE=$mode --defsym STREAMS=250 --defsym SEED=$seed --defsym BIG=$big \
            -o guest.o "$here/segmented.S" &&
        ld -m elf_i386 -T "$here/../guest/guest.ld" --no-warn-rwx-segments -o guest.elf guest.o || exit 1
    # The first 690 000 instructions fill memory. A stream that loops ends with the limit.
    "$lockstep" --quiet --ns 200 --from 685000 --insns 760000 --ram-every 5000 -- -check-blocks -m 64 -kernel guest.elf \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -display none -serial none -monitor none -no-reboot </dev/null >out 2>&1
    grep -q 'lockstep: equal' out || { echo "$2, seed $seed:" && cat out && bad=1; }
    seed=$((seed + 1))
done
exit $bad
