#!/bin/sh
# grub.sh ENGINE KERNEL - a disk with GRUB in its boot sector and a kernel in its file system: the menu on the VGA, driven by keys;
# the same by way of the firmware's serial console, where it boots the kernel, which runs its script and powers off.
set -u
. "$(dirname "$0")/lib.sh"
. "$here/tests/boot/termlib.sh"
modules=/usr/lib/grub/i386-pc
[ -r $modules/boot.img ] || skip 'no GRUB for the PC (apt install grub-pc-bin)'
command -v grub-mkimage >/dev/null 2>&1 || skip 'no grub-mkimage (apt install grub-common)'
[ -r /usr/share/seabios/bios-256k.bin ] || skip 'no SeaBIOS (apt install seabios)'
PATH=$PATH:/sbin:/usr/sbin
command -v mke2fs >/dev/null 2>&1 || skip 'no mke2fs (apt install e2fsprogs)'

mkdir -p "$work/fs/boot/grub/i386-pc"
cp "$cache/vmlinuz-$2" "$work/fs/boot/vmlinuz"
cp "$work/initrd.gz" "$work/fs/boot/"
cp $modules/*.mod $modules/*.lst "$work/fs/boot/grub/i386-pc/"
cat >"$work/fs/boot/grub/grub.cfg" <<CFG
set timeout=-1
menuentry 'First entry' {
  echo wrong entry
  sleep 1000
}
menuentry 'Second entry' {
  linux /boot/vmlinuz console=ttyS0 ${wide:+dragoman.machine=x86_64 }dragoman.script=smoke
  initrd /boot/initrd.gz
}
CFG
mke2fs -q -t ext2 -d "$work/fs" "$work/part" 63M >"$work/err" 2>&1 || { cat "$work/err" && exit 1; }
grub-mkimage -O i386-pc -d $modules -o "$work/core" -p '(hd0,msdos1)/boot/grub' \
    biosdisk part_msdos ext2 normal linux echo sleep || exit 1

# The boot sector with one partition (type 83h) from sector 2048 on; GRUB's core follows it at once.
disk=$work/disk.img
dd if=$modules/boot.img of="$disk" bs=512 count=1 status=none
truncate -s 446 "$disk"
printf '\200\0\002\0\203\377\377\377\0\010\0\0\0\370\001\0' >>"$disk"
truncate -s 510 "$disk"
printf '\125\252' >>"$disk"
dd if="$work/core" of="$disk" bs=512 seek=1 conv=notrunc status=none
dd if="$work/part" of="$disk" bs=1M seek=1 conv=notrunc status=none

seconds=$boot_timeout
cat >"$work/steps" <<STEPS
wait $boot_timeout Use the
pause 1
send \\x1b[B
wait 20 Second entry
pause 1
send \\x01x
wait 20 status 8
STEPS
session '' -engine "$1" "$disk" -snapshot -screendump "$work/menu.txt"
for line in ' GNU GRUB +version [0-9.]+' '^ *┌─{40,}┐$' '│ First entry +│' '│\*Second entry +│'; do
    grep -qE "$line" "$work/menu.txt" || { cat "$work/menu.txt" && complain "nothing like '$line' on the screen"; }
done

cat >"$work/steps" <<STEPS
wait $boot_timeout Use the
send \x1b[B
pause 1
send \r
wait $boot_timeout Linux version
wait $boot_timeout Power down
STEPS
"$top/tests/boot/drive" "$work/steps" "$console" "$dragoman" -engine "$1" "$disk" -snapshot -serial stdio \
    -no-reboot --timeout "$boot_timeout" 2>"$work/err"
expect_status 0 $?
expect_line 'Booting from Hard Disk'
expect_line '^smoke: [1-9][0-9]* passed, 0 failed'
expect_no_complaints
finish
