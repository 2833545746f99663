#!/bin/sh
# boot64.sh ENGINE USER - Debian's amd64 kernel with the busybox of USER (i386 or amd64): boots, runs the smoke script,
# powers off. Skipped unless the kernel is in the cache: its download is large.
set -u
. "$(dirname "$0")/lib.sh"
for name in vmlinuz-amd64 "busybox-$2"; do
    [ -s "$cache/$name" ] || skip "no $name in $cache; scripts/fetch-guests --amd64 gets it"
done
[ "$2" = i386 ] || "$top/scripts/make-initrd" "--$2" "$work/initrd.gz" || exit 1
boot_command "$1" amd64 'dragoman.script=smoke dragoman.machine=x86_64'
sh "$work/command" </dev/null >"$console" 2>"$work/err"
expect_status 0 $?
grep -aE '^(FAIL|smoke:) ' "$console" | tr -d '\r'
expect_line '^smoke: [1-9][0-9]* passed, 0 failed'
expect_line 'reboot: Power down'
expect_no_complaints
finish
