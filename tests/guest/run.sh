#!/bin/sh
# run.sh ENGINE GUEST.S GUEST.elf - run a small guest; its status and what it printed must be as expected.
# ENGINE is bt, interp, or qemu: the reference, which shows that the expectation itself is right.
# lib.inc says what GUEST.S may ask for. DRAGOMAN is the binary, QEMU the reference if not qemu-system-i386.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
. "$here/scripts/lib.sh"
engine=$1
source=$2
elf=$3

directive() { # NAME DEFAULT
    value=$(sed -n "s/^# $1: *//p" "$source" | sed 's/  *(.*//' | head -n 1)
    printf '%s\n' "${value:-$2}"
}

case " $(directive engines 'bt interp qemu') " in
*" $engine "*) ;;
*) skip "$(basename "$source") is not for $engine" ;;
esac
status=$(directive status 1)
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

# shellcheck disable=SC2046  # options are words
set -- $(directive options '' | sed "s#@dir@#$(dirname "$source")#g") -kernel "$elf" \
    -device isa-debug-exit,iobase=0xf4,iosize=4 -display none -serial none -monitor none -debugcon stdio -no-reboot
wide=$(directive qemu '') # of a guest with long mode: options for its reference
reference=qemu-system-i386
[ -z "$wide" ] || reference=qemu-system-x86_64
if [ "$engine" = qemu ]; then
    # shellcheck disable=SC2086  # options are words
    timeout 60 "${QEMU:-$reference}" $wide -accel tcg -M pc -nic none "$@"
else
    "$dragoman" -engine "$engine" --timeout "$(directive timeout 20)" "$@"
fi </dev/null >"$work/out" 2>"$work/err"
got=$?

bad=0
if [ "$got" -ne "$status" ]; then
    echo "status $got, expected $status"
    bad=1
fi
if [ -e "${source%.S}.expect" ]; then
    diff -u --label expected --label printed "${source%.S}.expect" "$work/out" || bad=1
elif [ $bad -ne 0 ]; then
    cat "$work/out"
fi
[ $bad -eq 0 ] || cat "$work/err"
exit $bad
