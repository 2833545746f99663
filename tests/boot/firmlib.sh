# shellcheck shell=sh
# firmlib.sh - what tests of booting through firmware share. Sourced, with $0 in tests/boot. Skipped without SeaBIOS.

here=$(cd "$(dirname "$0")/../.." && pwd)
. "$here/scripts/lib.sh"
[ -x "$dragoman" ] || skip "no $dragoman"
[ -r /usr/share/seabios/bios-256k.bin ] || skip 'no SeaBIOS (apt install seabios)'
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
seconds=${BOOT_TIMEOUT:-60}
bad=0

# machine WANTED-STATUS OPTIONS..: the screen is what comes out of the serial port.
machine() {
    wanted=$1
    shift
    "$dragoman" -m 64 -serial stdio -debugcon "file:$work/debug" "$@" </dev/null >"$work/screen" 2>"$work/err"
    status=$?
    [ $status -eq "$wanted" ] || { echo "status $status, expected $wanted" && bad=1; }
}

expect() { # FILE PATTERN
    grep -aqE "$2" "$work/$1" || { echo "nothing like '$2' in $1" && bad=1; }
}

# boot_sector FILE: makes the disk of bootsector.S.
boot_sector() {
    ${CC:-cc} -c -m32 "$here/tests/boot/bootsector.S" -o "$work/sector.o" &&
        ld -m elf_i386 -Ttext 0x7c00 --oformat binary "$work/sector.o" -o "$1" || skip 'no assembler for i386'
}

finish() {
    if [ $bad -ne 0 ]; then
        cat "$work/debug" "$work/screen" "$work/err"
    fi
    exit $bad
}
