#!/bin/sh
# script.sh ENGINE KERNEL SCRIPT - boot, run a script of scripts/guest, power off: status 0, every check
# of the script passed, nothing the kernel complains about.
set -u
. "$(dirname "$0")/lib.sh"
boot_command "$1" "$2" "dragoman.script=$3"
sh "$work/command" </dev/null >"$console" 2>"$work/err"
expect_status 0 $?
grep -aE '^(FAIL|'"$3"':) ' "$console" | tr -d '\r'
expect_line "^$3: [1-9][0-9]* passed, 0 failed"
expect_line 'reboot: Power down'
expect_no_complaints
finish
