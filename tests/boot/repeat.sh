#!/bin/sh
# repeat.sh ENGINE KERNEL N - N boots in a row, each to the smoke script and power off, without one failure.
# ctest runs two; twenty by hand: DRAGOMAN=build/release/dragoman tests/boot/repeat.sh bt 686 20
set -u
. "$(dirname "$0")/lib.sh"
n=1
while [ "$n" -le "$3" ]; do
    "$(dirname "$0")/script.sh" "$1" "$2" smoke >"$work/out" 2>&1 || {
        cat "$work/out"
        echo "boot $n of $3 failed"
        exit 1
    }
    echo "boot $n of $3: $(grep 'smoke:' "$work/out")"
    n=$((n + 1))
done
