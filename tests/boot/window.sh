#!/bin/sh
# window.sh ENGINE - the window (-display sdl) in an X server that nobody sees: keys and the grabbed mouse reach the guest, Ctrl-Alt-G
# lets the mouse go, and the window closes with the machine.
set -u
. "$(dirname "$0")/firmlib.sh"
"$dragoman" --help | grep -q 'sdl (a window)' || skip 'no window'
for tool in Xvfb xdotool; do
    command -v $tool >/dev/null 2>&1 || skip "no $tool (apt install xvfb xdotool)"
done
input_guest "$work/input.elf"
x_server
"$dragoman" -engine "$1" -m 64 -kernel "$work/input.elf" -debugcon "file:$work/debug" -serial null -display sdl -name guest \
    -device isa-debug-exit,iobase=0xf4,iosize=4 -timeout "$seconds" 2>"$work/err" &
machine=$!
await debug ready
window=$(timeout 30 xdotool search --sync --onlyvisible --name '^guest' | head -n 1)
xdotool windowfocus "$window" mousemove --window "$window" 200 200 sleep 0.5 key a Up
await debug '^k 9e'
await debug '^k c8'
grep -q '^m' "$work/debug" && { echo 'the mouse was not grabbed yet' && bad=1; }
xdotool click 1 sleep 0.5 mousemove_relative 10 5
await debug '^m 28 0a fb 00'
xdotool click 3 click 5
await debug '^m 0a 00 00 00'
await debug '^m 08 00 00 01'
xdotool keydown ctrl keydown alt key g keyup alt keyup ctrl sleep 0.5 click 2 key b
await debug '^k b0'
grep -q '^m 0c' "$work/debug" && { echo 'the mouse is still grabbed' && bad=1; }
xdotool key Escape
wait $machine
[ $? -eq 1 ] || { echo 'the guest did not see Escape' && bad=1; }
xdotool search --name '^guest' >/dev/null 2>&1 && { echo 'the window is still there' && bad=1; }
kill "$x"
finish
