# shellcheck shell=sh
# firmlib.sh - what tests of booting through firmware share. Sourced, with $0 in tests/boot. Skipped without SeaBIOS.

here=$(cd "$(dirname "$0")/../.." && pwd)
. "$here/scripts/lib.sh"
. "$here/tests/boot/termlib.sh"
[ -x "$dragoman" ] || skip "no $dragoman"
[ -r /usr/share/seabios/bios-256k.bin ] || skip 'no SeaBIOS (apt install seabios)'
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
seconds=${BOOT_TIMEOUT:-60}
bad=0
: >"$work/debug"

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

# input_guest FILE: makes the kernel of input.S, which prints what it gets from keyboard and mouse.
input_guest() {
    as --32 -I "$here/tests/guest" -o "$work/input.o" "$here/tests/boot/input.S" &&
        ld -m elf_i386 -T "$here/tests/guest/guest.ld" --no-warn-rwx-segments -o "$1" "$work/input.o" ||
        skip 'no assembler for i386'
}

# x_server: one that nobody sees, in $DISPLAY; its process is $x.
x_server() {
    mkfifo "$work/display"
    Xvfb -displayfd 3 -screen 0 800x600x24 -nolisten tcp 3<>"$work/display" >/dev/null 2>&1 &
    x=$!
    read -r DISPLAY <"$work/display"
    DISPLAY=:$DISPLAY
    export DISPLAY
}

# await FILE PATTERN: until a line is like it. Lines seen so far count, too.
await() {
    for _ in $(seq 100); do
        grep -aqE "$2" "$work/$1" 2>/dev/null && return 0
        sleep 0.1
    done
    echo "waited in vain for '$2' in $1"
    bad=1
    return 1
}

# A VNC port, most likely free.
free_port() {
    echo $((6000 + $$ % 20000))
}

finish() {
    if [ $bad -ne 0 ]; then
        cat "$work/debug" "$work/screen" "$work/err" 2>/dev/null
    fi
    exit $bad
}
