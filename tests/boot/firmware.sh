#!/bin/sh
# firmware.sh ENGINE - SeaBIOS of Debian's package starts at the reset vector, finds its machine and nothing to
# boot: what it says on its debug port and on the screen it has on the serial port.
set -u
. "$(dirname "$0")/firmlib.sh"

machine 4 -engine "$1" -bios bios-256k.bin --timeout 5
expect debug 'Running on QEMU \(i440fx\)'
expect debug 'QEMU fw_cfg DMA interface supported'
expect debug 'qemu/e820: addr 0x0+ len 0x0*4000000 \[RAM\]'
expect debug 'PCI: init bdf=00:01.1 id=8086:7010'
expect debug 'PCI: init bdf=00:01.3 id=8086:7113'
expect debug 'PCI: Using 00:02.0 for primary VGA'
expect debug 'Start SeaVGABIOS'
expect debug 'Found 1 cpu'
expect debug 'ACPI: parse DSDT'
expect debug 'PS2 keyboard initialized'
expect debug 'All threads complete'
expect screen 'SeaBIOS \(version'
expect screen 'No bootable device'

machine 4 -engine "$1" -bios bios-256k.bin -vga none --timeout 5
expect debug 'No VGA found'
expect screen 'No bootable device'
finish
