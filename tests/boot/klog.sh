#!/bin/sh
# klog.sh ENGINE KERNEL - the kernel's log has no warning or error but those in klog.known, which it has under
# QEMU as well.
set -u
. "$(dirname "$0")/lib.sh"
boot_command "$1" "$2" 'dragoman.script=klog'
sh "$work/command" </dev/null >"$console" 2>"$work/err"
expect_status 0 $?
expect_line '^KLOG end'
grep -v '^#' "$(dirname "$0")/klog.known" >"$work/known"
if sed -n '/^KLOG begin/,/^KLOG end/p' "$console" | tr -d '\r' | grep -aE '^<[0-4]>' | grep -avE -f "$work/known"; then
    complain 'warnings and errors that are not in klog.known (above)'
fi
expect_no_complaints
finish
