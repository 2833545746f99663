# shellcheck shell=sh
# debianlib.sh - what tests with an installed Debian share. Sourced, with $0 in tests/boot.
#
# The system is debian-ARCH.img in the cache, made once by scripts/install-debian; without it these tests are skipped.

here=$(cd "$(dirname "$0")/../.." && pwd)
. "$here/scripts/lib.sh"
[ -x "$dragoman" ] || skip "no $dragoman"
PATH=$PATH:/sbin:/usr/sbin
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
seconds=${BOOT_TIMEOUT:-300}
drive=$here/tests/boot/drive
bad=0

complain() {
    echo "$*"
    bad=1
}

expect_status() { # WANTED GOT
    [ "$1" -eq "$2" ] || complain "status $2, expected $1"
}

expect() { # FILE PATTERN
    grep -aqE "$2" "$work/$1" || complain "nothing like '$2' in $1"
}

finish() {
    [ $bad -eq 0 ] || tail -n 40 "$work/console" "$work/err" 2>&1
    exit $bad
}

use_system() { # ARCH: sets $system
    system=$cache/debian-$1.img
    [ -s "$system" ] || skip "no $system (scripts/install-debian --arch $1 --packages fio,hdparm $system)"
    command -v debugfs >/dev/null 2>&1 || skip 'no debugfs (apt install e2fsprogs)'
}

# Takes the system's kernel and initrd out, for a start without firmware, GRUB and systemd.
take_kernel() {
    for file in vmlinuz initrd.img; do
        path=$(debugfs -R "stat /$file" "$system?offset=1048576" 2>/dev/null | sed -n 's/^Fast link dest: "\(.*\)"/\1/p')
        debugfs -R "dump /$path $work/$file" "$system?offset=1048576" 2>/dev/null
        [ -s "$work/$file" ] || skip "no /$file in $system"
    done
}

# What to type at the shell's prompt: Linux names disks in the order in which they answer, so they are found by channel.
start_script='c=/sys/class/scsi_device; until s=$(ls $c/1:0:0:0/device/block 2>&1) && d=$(ls $c/0:0:1:0/device/block 2>&1) && [ -b /dev/$s ] && [ -b /dev/$d ]; do sleep 0.1; done; sh /dev/$s /dev/$d'

# shell_command ENGINE APPEND IMAGE FORMAT: writes "$work/command", a script that becomes dragoman: the system's root
# shell on the serial port, $work/script to be started by $start_script, its $1 the disk in IMAGE.
shell_command() {
    cp "$work/script" "$work/script.disk"
    printf '\nexit 0\n' >>"$work/script.disk"
    truncate -s 64K "$work/script.disk"
    cat >"$work/command" <<COMMAND
exec "$dragoman" -engine $1 -m 512 -kernel "$work/vmlinuz" -initrd "$work/initrd.img" \\
    -append "console=ttyS0 root=LABEL=debian ro init=/bin/sh quiet $2" -drive "file=$system,format=raw,snapshot=on" \\
    -drive "file=$3,format=$4,index=1" -drive "file=$work/script.disk,format=raw,readonly=on,index=2" \\
    -nographic -no-reboot --timeout $seconds
COMMAND
}
