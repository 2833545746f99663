#!/bin/sh
# program.sh ENGINE KERNEL NAME CHECKS - boot and run NAME.c, all of whose checks pass, as the only program. It is compiled here, so
# the test is skipped without a C compiler that links statically.
set -u
. "$(dirname "$0")/lib.sh"
${CC:-cc} -static -O2 -o "$work/$3" "$(dirname "$0")/$3.c" 2>"$work/err" || skip "$3.c cannot be linked statically"
"$top/scripts/make-initrd" --amd64 --with "$work/$3" "$work/initrd.gz" || exit 1
boot_command "$1" "$2" "dragoman.script=$3"
sh "$work/command" </dev/null >"$console" 2>"$work/err"
expect_status 0 $?
grep -aE "^(FAIL|$3:) " "$console" | tr -d '\r'
expect_line "^$3: $4 passed, 0 failed"
expect_line 'reboot: Power down'
expect_no_complaints
finish
