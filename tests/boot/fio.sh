#!/bin/sh
# fio.sh ENGINE ARCH raw|qcow2 dma|pio - fio in an installed Debian writes a disk and verifies what it reads back, by DMA
# and by PIO; then the image must be sound and, read on the host, be what the guest's checksum says.
set -u
. "$(dirname "$0")/debianlib.sh"
command -v qemu-img >/dev/null 2>&1 || skip 'no qemu-img (apt install qemu-utils)'
use_system "$2"
take_kernel
image=$work/data.$3
size=64
[ "$4" = dma ] || size=8
truncate -s ${size}M "$work/data.raw"
[ "$3" = raw ] || qemu-img create -q -f qcow2 "$image" ${size}M || exit 1

cat >"$work/script" <<SCRIPT
mount -t tmpfs none /tmp
mount -t tmpfs none /run
echo "mode \$(cat /sys/class/ata_device/dev1.1/xfer_mode)"
cd /tmp
common="--filename=\$1 --direct=1 --verify=crc32c --verify_fatal=1 --verify_state_save=0 --randrepeat=1 --minimal"
fio --name=sequential --rw=write --bs=64k --size=100% \$common >log && echo 'sequential verified'
fio --name=random --rw=randrw --bsrange=512-128k --blockalign=512 --fsync=32 --size=25% \$common >log && echo 'random verified'
fio --name=queue --rw=randwrite --bs=4k --ioengine=libaio --iodepth=8 --offset=50% --size=25% \$common >log && echo 'queue verified'
sync
echo 3 >/proc/sys/vm/drop_caches
echo "sum \$(sha256sum <\$1)"
echo o >/proc/sysrq-trigger
sleep 60
SCRIPT
transfer=
[ "$4" = dma ] || transfer=libata.dma=0
shell_command "$1" "$transfer" "$image" "$3"
cat >"$work/steps" <<STEPS
wait $seconds #[ ]
send $start_script\n
wait $seconds Power down
STEPS
"$drive" "$work/steps" "$work/console" sh "$work/command" 2>"$work/err"
expect_status 0 $?
expect console "^mode $(echo "$4" | sed 's/dma/XFER_(MW_|U)DMA/; s/pio/XFER_PIO/')"
for name in sequential random queue; do
    expect console "^$name verified"
done
[ "$3" = raw ] || qemu-img check -q -f qcow2 "$image" || complain 'qemu-img check has something to say'
[ "$3" = raw ] || qemu-img convert -f qcow2 -O raw "$image" "$work/data.raw"
expect console "^sum $(sha256sum <"$work/data.raw" | cut -d' ' -f1)"
finish
