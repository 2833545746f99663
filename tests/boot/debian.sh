#!/bin/sh
# debian.sh ENGINE ARCH serial|screen - a system installed by scripts/install-debian: SeaBIOS, GRUB in the MBR, systemd,
# a login, a command, power off; on the serial port, or on the VGA's text screen with the keyboard.
set -u
. "$(dirname "$0")/debianlib.sh"
[ -r /usr/share/seabios/bios-256k.bin ] || skip 'no SeaBIOS (apt install seabios)'
use_system "$2"
machine=amd64
[ "$2" = amd64 ] || machine=i386

# The second entry keeps the screen in text mode: bochs-drm would make it a frame buffer.
entry=
[ "$3" = serial ] || entry='\x1b[B'
cat >"$work/steps" <<STEPS
wait $seconds Use the
send $entry\r
wait $seconds login:[ ]
send root\r
wait 60 Password:[ ]
send dragoman\r
wait 120 root@debian:~#
send echo \$((6 * 7))-\$(dpkg --print-architecture) \$(systemctl is-system-running --wait)\r
wait 120 42-$machine running
send poweroff\r
STEPS
if [ "$3" = serial ]; then
    "$drive" "$work/steps" "$work/console" "$dragoman" -engine "$1" -m 1G "$system" -snapshot -serial stdio \
        -no-reboot --timeout "$seconds" 2>"$work/err"
    expect_status 0 $?
    expect console 'Booting from Hard Disk'
    expect console 'reboot: Power down'
else
    command -v script >/dev/null 2>&1 || skip 'no script(1) to make a terminal with'
    cat >"$work/session.sh" <<SESSION
stty rows 25 cols 80
exec "$dragoman" -engine $1 -m 1G "$system" -snapshot -display curses -serial "file:$work/serial" \
    -screendump "$work/screen.png" -no-reboot --timeout $seconds
SESSION
    TERM=xterm LC_ALL=C.UTF-8 "$drive" "$work/steps" "$work/console" script -qec "sh $work/session.sh" /dev/null 2>"$work/err"
    expect_status 0 $?
    expect serial 'debian login: '
    expect serial 'reboot: Power down'
fi
finish
