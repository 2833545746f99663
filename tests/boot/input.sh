#!/bin/sh
# input.sh ENGINE - keys and pointer of VNC clients, of several layouts, reach the guest as scan codes and packets.
set -u
. "$(dirname "$0")/firmlib.sh"
input_guest "$work/input.elf"
port=$(free_port)
"$dragoman" -engine "$1" -m 64 -kernel "$work/input.elf" -debugcon "file:$work/debug" -serial null -vnc ":$((port - 5900))" \
    -device isa-debug-exit,iobase=0xf4,iosize=4 -timeout "$seconds" 2>"$work/err" &
machine=$!
cat >"$work/steps" <<'STEPS'
wait 20 file ready\n
# US: plain, with Shift, Control and a letter, keys that send E0, a function key
key a
wait 5 file ^k 1e\nk 9e\n
press Shift_L
key A
release Shift_L
wait 5 file ^k 2a\nk 1e\nk 9e\nk aa\n
key Control_L c
wait 5 file ^k 1d\nk 2e\nk ae\nk 9d\n
key Up
wait 5 file ^k e0\nk 48\nk e0\nk c8\n
key F12
wait 5 file ^k 58\nk d8\n
# German: its Shift-7 is a slash, its Shift-comma a semicolon; on a US keyboard they need no Shift. AltGr and q are @.
press Shift_L
key /
key ;
release Shift_L
wait 5 file ^k 2a\nk aa\nk 35\nk 2a\nk b5\nk aa\nk 27\nk 2a\nk a7\nk aa\n
press ISO_Level3_Shift
key @
release ISO_Level3_Shift
wait 5 file ^k 2a\nk 03\nk aa\nk 83\n
# French: a Shift too many for a digit, a dead key, which types its accent
press Shift_L
key 1
release Shift_L
wait 5 file ^k 2a\nk aa\nk 02\nk 2a\nk 82\nk aa\n
key dead_circumflex
wait 5 file ^k 2a\nk 07\nk aa\nk 87\n
type "y
wait 5 file ^k 2a\nk 28\nk aa\nk a8\nk 15\nk 95\n
# movement: right and up, left and down; three buttons; the wheel; more than one packet holds
move 100 100
move 110 95
wait 5 file ^m 08 0a 05 00\n
move 107 99
wait 5 file ^m 38 fd fc 00\n
button 1
button 0
wait 5 file ^m 09 00 00 00\nm 08 00 00 00\n
button 2
button 4
button 0
wait 5 file ^m 0c 00 00 00\nm 0a 00 00 00\nm 08 00 00 00\n
button 8
button 0
button 16
wait 5 file ^m 08 00 00 ff\nm 08 00 00 01\n
button 0
move 507 99
wait 5 file ^m 08 ff 00 00\nm 08 91 00 00\n
press Escape
wait 10 gone
STEPS
"$here/tests/boot/vncdrive" "$port" "$work/steps" "$work/debug" || bad=1
wait $machine
[ $? -eq 1 ] || { echo 'the guest did not see Escape' && bad=1; }
finish
