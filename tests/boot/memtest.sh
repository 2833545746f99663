#!/bin/sh
# memtest.sh ENGINE - memtest86+ from its CD tests 16 MiB: one whole pass without an error, as its screen says.
set -u
: "${BOOT_TIMEOUT:=900}"
. "$(dirname "$0")/firmlib.sh"
"$top/scripts/fetch-guests" --quiet --screens || skip 'memtest86+ cannot be fetched'
cat >"$work/steps" <<STEPS
wait $seconds Press any key to remove
pause 1
send \x01x
wait 20 status 8
STEPS
session '' -engine "$1" -m 16 -cdrom "$cache/memtest/memtest86+x64.iso" -screendump "$work/screen.txt"
expect screen.txt 'Memtest86\+ v[0-9]'
expect screen.txt 'Memory *: +16MB'
expect screen.txt 'Status: Pass'
expect screen.txt 'Pass: +1 '
expect screen.txt 'Errors: 0'
finish
