#!/bin/sh
# viewer.sh ENGINE KEYS - VNC clients that people use: TigerVNC's viewer in an X server that nobody sees, whose keys and clicks reach
# the guest; vncsnapshot's picture. KEYS is characters or places: what the key comes out as that only
# keyboards of 105 keys have, which types < and >.
set -u
. "$(dirname "$0")/firmlib.sh"
for tool in xtigervncviewer Xvfb xdotool vncsnapshot; do
    command -v $tool >/dev/null 2>&1 || skip "no $tool (apt install tigervnc-viewer xvfb xdotool vncsnapshot)"
done
input_guest "$work/input.elf"
port=$(free_port)
"$dragoman" -engine "$1" -m 64 -kernel "$work/input.elf" -debugcon "file:$work/debug" -serial null -vnc ":$((port - 5900)),keys=$2" \
    -device isa-debug-exit,iobase=0xf4,iosize=4 -timeout "$seconds" 2>"$work/err" &
machine=$!
x_server
HOME=$work
export HOME
await debug ready
vncsnapshot -quiet -allowblank "127.0.0.1:$((port - 5900))" "$work/picture.jpg" >"$work/screen" 2>&1 || bad=1
[ "$(head -c 2 "$work/picture.jpg" | od -An -tx1)" = ' ff d8' ] || { echo 'no JPEG' && bad=1; }
xtigervncviewer "127.0.0.1::$port" -SecurityTypes None >"$work/viewer" 2>&1 &
viewer=$!
window=$(timeout 30 xdotool search --sync --onlyvisible --name 'TigerVNC' | head -n 1)
xdotool windowfocus "$window" # there is no window manager
xdotool mousemove --window "$window" 200 200 sleep 0.5 click 1
await debug '^m .9'
sleep 0.5
xdotool mousemove --window "$window" 210 205
await debug '^m 28 0a fb 00'
xdotool click 5
await debug '^m 08 00 00 01'
xdotool key a key exclam key Up
await debug '^k 9e'
await debug '^k 82'
await debug '^k c8'
xdotool key 94
case $2 in characters) await debug '^k b3' ;; *) await debug '^k d6' ;; esac
xdotool key Escape
wait $machine
[ $? -eq 1 ] || { echo 'the guest did not see Escape' && bad=1; }
kill $viewer "$x" 2>/dev/null
[ $bad -eq 0 ] || cat "$work/viewer"
finish
