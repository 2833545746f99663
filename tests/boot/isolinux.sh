#!/bin/sh
# isolinux.sh ENGINE KERNEL - a CD image with ISOLINUX boots a kernel, which finds the drive and powers off; an
# empty disk before it in the boot order does not.
set -u
. "$(dirname "$0")/lib.sh"
. "$here/tests/boot/cdlib.sh"
[ -r /usr/lib/syslinux/modules/bios/ldlinux.c32 ] || skip 'no ISOLINUX (apt install syslinux-common)'
[ -r /usr/share/seabios/bios-256k.bin ] || skip 'no SeaBIOS (apt install seabios)'

mkdir -p "$work/cd"
cp /usr/lib/syslinux/modules/bios/ldlinux.c32 "$work/cd/"
cp "$cache/vmlinuz-$2" "$work/cd/vmlinuz"
cp "$work/initrd.gz" "$work/cd/initrd.gz"
cat >"$work/cd/isolinux.cfg" <<CFG
DEFAULT linux
LABEL linux
  KERNEL /vmlinuz
  APPEND initrd=/initrd.gz console=ttyS0 ${wide:+dragoman.machine=x86_64 }dragoman.script=smoke
CFG
make_cd "$work/cd" "$work/cd.iso"
truncate -s 1M "$work/blank.img"

boot_cd() {
    "$dragoman" -engine "$engine" -serial stdio -no-reboot --timeout "$boot_timeout" "$@" \
        </dev/null >"$console" 2>"$work/err"
    expect_status 0 $?
    expect_line 'Booting from DVD/CD'
    expect_line '^smoke: [1-9][0-9]* passed, 0 failed'
    expect_line 'reboot: Power down'
    expect_no_complaints
}

engine=$1
boot_cd "$work/cd.iso"
boot_cd -cdrom "$work/cd.iso" -hda "$work/blank.img" -boot order=cd
expect_line 'Booting from Hard Disk'
boot_cd -cdrom "$work/cd.iso" -hda "$work/blank.img" -boot d
grep -aq 'Booting from Hard Disk' "$console" && complain '-boot d: the disk came first'
finish
