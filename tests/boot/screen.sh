#!/bin/sh
# screen.sh ENGINE - SeaBIOS on the VGA, seen in a terminal (-display curses): its boot menu, chosen from by keys;
# the terminal afterwards, left by key and by signal; the last screen as a PNG file.
set -u
. "$(dirname "$0")/firmlib.sh"
truncate -s 1M "$work/disk"

cat >"$work/steps" <<'STEPS'
wait 30 Press ESC for boot menu
pause 0.5
send \x1b
wait 20 Select boot device
send 1
wait 20 not a bootable disk
send \x01x
wait 20 \[\?1049l
wait 20 status 8
STEPS
session '' -engine "$1" -m 64 -hda "$work/disk" -boot menu=on -screendump "$work/screen.png"
head -c 4 "$work/screen.png" | grep -aq PNG || { echo 'no PNG file' && bad=1; }

cat >"$work/steps" <<'STEPS'
wait 30 No bootable device
wait 20 \[\?1049l
wait 20 status 143
STEPS
session 'timeout --foreground --preserve-status -s TERM 4' -engine "$1" -m 64 -hda "$work/disk"
finish
