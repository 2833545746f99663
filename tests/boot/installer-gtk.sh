#!/bin/sh
# installer-gtk.sh ENGINE [DIRECTORY] - Debian's graphical installer from a CD, looked at by VNC: ISOLINUX's menu in VBE
# graphics, then X on the kernel's driver, operated by keys, mouse and wheel. The pictures are left in DIRECTORY.
set -u
: "${BOOT_TIMEOUT:=300}"
. "$(dirname "$0")/firmlib.sh"
. "$here/tests/boot/cdlib.sh"
"$top/scripts/fetch-guests" --quiet --screens || skip 'the installer cannot be fetched'
pictures=${2:-$work}
mkdir "$work/cd"
cp -rL "$cache/installer-i386/gtk/debian-installer" "$work/cd/"
cp "$work/cd/debian-installer/i386/boot-screens/ldlinux.c32" "$work/cd/"
cp "$work/cd/debian-installer/i386/boot-screens/syslinux.cfg" "$work/cd/isolinux.cfg"
make_cd "$work/cd" "$work/cd.iso"
port=$(free_port)
"$dragoman" -engine "$1" -m 768 -cdrom "$work/cd.iso" -serial null -vnc ":$((port - 5900))" -timeout "$seconds" 2>"$work/err" &
machine=$!
# The list of languages is white, f0f0f0, on grey, e0e0e0. The pointer starts in the middle and goes to another row of it, however
# much X accelerates it.
cat >"$work/steps" <<STEPS
wait 120 size 640x480
wait 60 colors 500
wait 60 quiet 1
mark
key Down
wait 30 change 0.5
save $pictures/menu.ppm
key Up
wait 10 quiet 1
key Return
wait $seconds size 1024x768
wait $seconds color f0f0f0 40
wait 60 quiet 2
save $pictures/language.ppm
mark
key Down
wait 30 change 2
wait 30 quiet 1
mark
move 512 400
move 512 401
move 532 500
pause 1
click 1
wait 30 change 2
wait 30 quiet 1
save $pictures/clicked.ppm
mark
button 16
button 0
button 16
button 0
wait 30 change 1
wait 30 quiet 1
save $pictures/wheel.ppm
key Return
wait $seconds color e0e0e0 60
wait $seconds color f0f0f0 40
wait 60 quiet 2
save $pictures/next.ppm
STEPS
"$here/tests/boot/vncdrive" "$port" "$work/steps" || bad=1
kill $machine
finish
