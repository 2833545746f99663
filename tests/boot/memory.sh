#!/bin/sh
# memory.sh ENGINE KERNEL MIB [FILL] - boot with MIB of RAM, most of it above 4 GiB, if that is more than 3 GiB; FILL MiB of it
# are written and read.
set -u
. "$(dirname "$0")/lib.sh"
MEMORY=$3
boot_command "$1" "$2" "dragoman.script=memory dragoman.total=$3 dragoman.fill=${4:-512}"
sh "$work/command" </dev/null >"$console" 2>"$work/err"
expect_status 0 $?
grep -aE '^(PASS|FAIL|memory:) ' "$console" | tr -d '\r'
expect_line '^memory: 3 passed, 0 failed'
expect_line 'reboot: Power down'
expect_no_complaints
finish
