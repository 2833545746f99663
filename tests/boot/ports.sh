#!/bin/sh
# ports.sh ENGINE KERNEL - Linux writes to the second serial port, and bytes to the parallel port; with neither, it finds none.
set -u
. "$(dirname "$0")/lib.sh"
boot_command "$1" "$2" ''
cat >"$work/steps" <<'STEPS'
wait @boot@ dragoman:\S*#
send echo 0123456789-to-the-second >/dev/ttyS1; echo ttyS1=$?;\r
wait 20 ttyS1=\d
# LPT1 by its ports: a character to 378h, 0Dh and 0Ch to 37Ah (STROBE up and down); 379h is the status.
send io() { printf "\\$2" | dd of=/dev/port bs=1 seek=$(($1)) 2>/dev/null; }; for c in 120 162 151 156 164 012; do io 0x378 $c; io 0x37a 15; io 0x37a 14; done; echo lpt=$?;\r
wait 20 lpt=\d
send echo status=$(dd if=/dev/port bs=1 skip=$((0x379)) count=1 2>/dev/null | od -An -tx1).; grep -c 02f8 /proc/ioports; exit\r
wait 30 Power down
STEPS
sed -i "s/@boot@/$boot_timeout/" "$work/steps"
run() { # OPTIONS..
    sed '$s|$| \\|' "$work/command" >"$work/with"
    echo "    $*" >>"$work/with"
    "$(dirname "$0")/drive" "$work/steps" "$console" sh "$work/with" </dev/null 2>"$work/err"
    expect_status 0 $?
    expect_no_complaints
}
run -serial mon:stdio -serial "file:$work/com2" -parallel "file:$work/lpt1"
expect_line 'ttyS1 at I/O 0x2f8 \(irq = 3,.*is a 16550A'
expect_line 'ttyS1=0'
expect_line 'status= db\.'
[ "$(tr -d '\r' <"$work/com2")" = 0123456789-to-the-second ] || complain "COM2 has $(od -c "$work/com2")"
[ "$(cat "$work/lpt1")" = Print ] || complain "LPT1 has $(od -c "$work/lpt1")"
run -serial mon:stdio
expect_line 'status= ff\.'
grep -aq 'ttyS1 at I/O' "$console" && complain 'a port that is not there was found'
finish
