#!/bin/sh
# browser.sh ENGINE KEYS [PICTURE] - the web page in a headless browser: keys and clicks in the page reach the guest. KEYS is
# characters or places: what a German keyboard's z, a US one's y, comes out as.
set -u
. "$(dirname "$0")/firmlib.sh"
browser=$(command -v chromium || command -v google-chrome) || skip 'no browser (apt install chromium)'
"$top/scripts/fetch-guests" --quiet --screens || skip 'noVNC cannot be fetched'
input_guest "$work/input.elf"
port=$(free_port)
"$dragoman" -engine "$1" -m 64 -kernel "$work/input.elf" -debugcon "file:$work/debug" -serial null \
    -display "web=$port,page=$cache/novnc,keys=$2" -device isa-debug-exit,iobase=0xf4,iosize=4 -timeout "$seconds" 2>"$work/err" &
machine=$!
case $2 in characters) z='2c\nk ac' ;; *) z='15\nk 95' ;; esac
cat >"$work/steps" <<STEPS
wait 20 file ready\n
wait 30 script document.documentElement.classList.contains('noVNC_connected')
move 400 300
pause 0.5
click
wait 10 file m 09 00 00 00\nm 08 00 00 00\n
move 300 250
wait 10 file ^m 18 [0-9a-f]+ [0-9a-f]+ 00\n
wheel 100
wait 10 file ^m 08 00 00 01\n
key a KeyA 65
wait 10 file k 1e\nk 9e\n
key z KeyY 90
wait 10 file ^k $z\n
key ArrowUp ArrowUp 38
wait 10 file ^k e0\nk 48\nk e0\nk c8\n
save ${3:-$work/picture.png}
key Escape Escape 27
STEPS
"$here/tests/boot/browse" "$browser" "$work/profile" "http://127.0.0.1:$port/" "$work/steps" "$work/debug" || bad=1
[ $bad -eq 0 ] || kill $machine
wait $machine
[ $? -eq 1 ] || { echo 'the guest did not see Escape' && bad=1; }
grep -qF "http://127.0.0.1:$port/" "$work/err" || { echo 'nobody named the address' && bad=1; }
finish
