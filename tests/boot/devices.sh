#!/bin/sh
# devices.sh ENGINE ARCH BOARD - an installed Debian's drivers use what else is on the board, with `-M BOARD`: the clock's alarm, periodic
# and update interrupts, the speaker, a printer by interrupts, the second serial port.
set -u
. "$(dirname "$0")/debianlib.sh"
use_system "$2"
take_kernel
cat >"$work/script" <<'SCRIPT'
count() { sed -n "s/^ *$1: *\([0-9]*\) .*/\1/p" /proc/interrupts; }
rtc=/sys/class/rtc/rtc0
dmesg | grep -o 'rtc_cmos.*alarms.*'
before=$(count 8)
echo $(($(cat $rtc/since_epoch) + 2)) >$rtc/wakealarm
sleep 5
[ -z "$(cat $rtc/wakealarm)" ] && [ "$(count 8)" -gt "$before" ] && echo 'alarm came'
perl -e 'open F, "<", "/dev/rtc0" or die; ioctl F, 0x7003, 0 or die; sysread F, $b, 4 or die for 1 .. 2; ioctl F, 0x7004, 0; print "updates came\n";
    ioctl F, 0x4004700c, 64; ioctl F, 0x7005, 0 or die; sysread F, $b, 4 or die for 1 .. 32; ioctl F, 0x7006, 0; print "periods came\n"'
modprobe pcspkr && grep 'PC Speaker' /proc/bus/input/devices
modprobe parport_pc && modprobe lp && dmesg | grep -o 'lp0: using.*'
before=$(count 7)
echo 'printed by interrupts' >/dev/lp0
echo "lp0 status $?, $(($(count 7) - before)) interrupts"
stty -F /dev/ttyS1 raw -echo 115200
before=$(count 3)
echo 'second port' >/dev/ttyS1
sleep 1
echo "ttyS1 $(($(count 3) > before))"
echo o >/proc/sysrq-trigger
sleep 60
SCRIPT
truncate -s 1M "$work/empty.img"
shell_command "$1" '' "$work/empty.img" raw
sed -i "\$s|\$| -M $3 -serial mon:stdio -serial file:$work/com2 -parallel file:$work/lpt1|" "$work/command"
cat >"$work/steps" <<STEPS
wait $seconds #[ ]
send $start_script\n
wait $seconds Power down
STEPS
"$drive" "$work/steps" "$work/console" sh "$work/command" 2>"$work/err"
expect_status 0 $?
for line in 'alarm came' 'updates came' 'periods came' 'N: Name="PC Speaker"' 'lp0: using parport0 \(interrupt-driven\)' 'ttyS1 1'; do
    expect console "^$line"
done
expect console '^lp0 status 0, [1-9][0-9]* interrupts'
[ "$(cat "$work/lpt1")" = 'printed by interrupts' ] || complain "the printer has $(od -c "$work/lpt1")"
[ "$(cat "$work/com2")" = 'second port' ] || complain "the second serial port has $(od -c "$work/com2")"
finish
