#!/bin/sh
# installer.sh ENGINE - Debian's installer from a CD, on the VGA's text screen: its first questions, answered by keys.
set -u
: "${BOOT_TIMEOUT:=300}"
. "$(dirname "$0")/firmlib.sh"
. "$here/tests/boot/cdlib.sh"
"$top/scripts/fetch-guests" --quiet --screens || skip 'the installer cannot be fetched'
from=$cache/installer-i386/text/debian-installer/i386
mkdir "$work/cd"
cp "$from/linux" "$from/initrd.gz" "$from/boot-screens/ldlinux.c32" "$work/cd/"
# Without nomodeset the kernel's driver changes to graphics.
cat >"$work/cd/isolinux.cfg" <<'CFG'
DEFAULT install
LABEL install
  KERNEL /linux
  APPEND initrd=/initrd.gz vga=normal fb=false nomodeset
CFG
make_cd "$work/cd" "$work/cd.iso"
cat >"$work/steps" <<STEPS
wait $seconds Select a language
wait 20 English
pause 1
send \\r
wait 60 Select your location
wait 20 United States
pause 1
send \\r
wait 60 Configure the keyboard
wait 20 American English
pause 1
send \\x1b[B
pause 1
send \\x01x
wait 20 status 8
STEPS
session '' -engine "$1" -m 512 -cdrom "$work/cd.iso" -screendump "$work/screen.txt"
expect screen.txt '┌.*\[!!\] Configure the keyboard.*┐'
expect screen.txt '│ *Albanian'
finish
