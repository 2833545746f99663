#!/bin/sh
# mappings.sh ENGINE KERNEL - boot and run mappings.c as the only program: a process with 1000 mappings all over its
# address space. Compiled here, so it is skipped without a C compiler that links statically.
set -u
. "$(dirname "$0")/lib.sh"
${CC:-cc} -static -O2 -o "$work/mappings" "$(dirname "$0")/mappings.c" 2>"$work/err" || skip 'mappings.c cannot be linked statically'
"$top/scripts/make-initrd" --amd64 --with "$work/mappings" "$work/initrd.gz" || exit 1
boot_command "$1" "$2" 'dragoman.script=mappings'
sh "$work/command" </dev/null >"$console" 2>"$work/err"
expect_status 0 $?
grep -aE '^(FAIL|mappings:) ' "$console" | tr -d '\r'
expect_line '^mappings: 12 passed, 0 failed'
expect_line 'reboot: Power down'
expect_no_complaints
finish
