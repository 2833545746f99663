# shellcheck shell=sh
# cdlib.sh - bootable CD images with ISOLINUX. Sourced behind lib.sh or firmlib.sh; skipped without the tools.

[ -r /usr/lib/ISOLINUX/isolinux.bin ] || skip 'no ISOLINUX (apt install isolinux)'
command -v xorriso >/dev/null 2>&1 || skip 'no xorriso (apt install xorriso)'

# make_cd DIRECTORY FILE: of what is in the directory: isolinux.cfg, ldlinux.c32 and what they name.
make_cd() {
    cp /usr/lib/ISOLINUX/isolinux.bin "$1/"
    xorriso -as mkisofs -quiet -r -J -l -o "$2" -b isolinux.bin -c boot.cat -no-emul-boot -boot-load-size 4 \
        -boot-info-table "$1" 2>"$work/err" || { cat "$work/err" && exit 1; }
}
