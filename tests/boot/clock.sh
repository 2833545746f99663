#!/bin/sh
# clock.sh ENGINE KERNEL - the guest's clock agrees with the host's, and a guest that sleeps costs (nearly) no CPU.
#
# The guest sleeps; the lines before and after are stamped by the host, whose process times for the same
# interval are compared as well.
set -u
. "$(dirname "$0")/lib.sh"

boot_command "$1" "$2" 'dragoman.script=idle'
"$top/scripts/stamp" sh -c 'echo "PID $$"; . "$0"' "$work/command" </dev/null 2>"$work/err" | {
    pid=
    while read -r when line; do
        case $line in
        PID*) pid=${line#PID } ;;
        IDLE*) # user + system time in ticks: fields 14 and 15, counted after the name in parentheses
            line="$line cpu $(sed 's/.*) //' "/proc/$pid/stat" | awk '{ print $12 + $13 }')"
            ;;
        esac
        printf '%s %s\n' "$when" "$line"
    done
} >"$console"

awk -v hz="$(getconf CLK_TCK)" '
    $2 == "IDLE" && $3 == "begin" { host = $1; guest = $4; cpu = $6 }
    $2 == "IDLE" && $3 == "end" {
        host = $1 - host; guest = $4 - guest; cpu = ($6 - cpu) / hz; seen = 1
        printf "host %.2f s, guest %.2f s, CPU %.2f s\n", host, guest, cpu
        off = guest - host; if (off < 0) off = -off
        if (off > 0.1 + 0.02 * host) { print "the clocks disagree"; bad = 1 }
        if (cpu > 0.15 * host) { print "an idle guest is not idle for the host"; bad = 1 }
    }
    END { if (!seen) { print "the guest never slept"; bad = 1 } exit bad }' "$console" || bad=1
finish
