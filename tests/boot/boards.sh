#!/bin/sh
# boards.sh ENGINE KERNEL - the same boot with less of the board: what the kernel's command line, -cpu or -M takes
# away, the kernel does without, and says so in its log.
set -u
. "$(dirname "$0")/lib.sh"
engine=$1
kernel=$2

# board NAME KERNEL-COMMAND-LINE PATTERN OPTIONS..: boots, runs the smoke script, powers off; the log has PATTERN.
board() {
    name=$1
    pattern=$3
    boot_command "$engine" "$kernel" "dragoman.script=smoke $2"
    shift 3
    sed "s|-no-reboot|-no-reboot $*|" "$work/command" >"$work/command.$name"
    sh "$work/command.$name" </dev/null >"$console" 2>"$work/err"
    expect_status 0 $?
    grep -aE '^FAIL ' "$console" | tr -d '\r'
    expect_line '^smoke: [1-9][0-9]* passed, 0 failed'
    expect_line "$pattern"
    [ $bad -eq 0 ] || complain "this is the board '$name'"
    [ $bad -eq 0 ] || finish
}

board noapic 'noapic nolapic' 'ACPI: Using PIC for interrupt routing'
board pic '' 'ACPI: Using PIC for interrupt routing' -cpu host,-apic
board bare '' 'paravirtualized kernel on bare hardware' -cpu host,-kvmclock -M pc,hpet=off
board calibrated '' 'ACPI: Using IOAPIC for interrupt routing' -cpu host,-kvmclock,-tsc-deadline
finish
