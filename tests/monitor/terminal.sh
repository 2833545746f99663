#!/bin/sh
# terminal.sh DESK.elf - monitors on the terminal: Ctrl-A c from the serial port and back, editing a line,
# -monitor stdio; through pipes; the terminal afterwards. TCP, which needs no terminal, is tried as well.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
. "$here/scripts/lib.sh"
desk=$1
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
bad=0

complain() {
    echo "$*"
    bad=1
}

expect() { # WHAT PATTERN FILE
    grep -qE "$2" "$3" || {
        complain "$1: nothing like '$2' in:"
        cat "$3"
    }
}

# ---- pipes ----
printf 'info name\np 6 * 7\nquit\n' |
    "$dragoman" -kernel "$desk" -m 64 -name piped -timeout 60 -monitor stdio >"$work/out" 2>"$work/err"
[ $? -eq 0 ] || complain "-monitor stdio: status not 0"
expect '-monitor stdio' '^\(dragoman\) piped' "$work/out"
expect '-monitor stdio' '^\(dragoman\) 0x2a' "$work/out"
printf '\001cinfo status\n\001c\001cquit\n' |
    "$dragoman" -kernel "$desk" -m 64 -timeout 60 -serial mon:stdio >"$work/out" 2>"$work/err"
[ $? -eq 0 ] || complain "Ctrl-A c: status not 0"
expect 'Ctrl-A c' '^\(dragoman\) VM status: running' "$work/out"
if "$dragoman" --version >/dev/null && ldd "$dragoman" | grep -q jansson; then
    printf '{"execute":"qmp_capabilities"}\n{"execute":"query-status"}\n{"execute":"quit"}\n' |
        "$dragoman" -kernel "$desk" -m 64 -timeout 60 -qmp stdio >"$work/out" 2>"$work/err"
    [ $? -eq 0 ] || complain "-qmp stdio: status not 0"
    expect '-qmp stdio' '"return": .*"running": true' "$work/out"
    expect '-qmp stdio' '"event": "SHUTDOWN"' "$work/out"
fi

# ---- paused for good: only the clock outside goes on ----
"$dragoman" -kernel "$desk" -m 64 -S -serial none -timeout 1 >"$work/out" 2>"$work/err"
[ $? -eq 4 ] || complain '-S -timeout: status not 4'
printf '\001cstop\n' | "$dragoman" -kernel "$desk" -m 64 -timeout 2 -serial mon:stdio >"$work/out" 2>"$work/err"
[ $? -eq 4 ] || complain 'stop, -timeout: status not 4'

# ---- TCP ----
port=$((20000 + $$ % 20000))
"$dragoman" -kernel "$desk" -m 64 -timeout 60 -serial none -monitor "tcp:127.0.0.1:$port,server,nowait" 2>"$work/err" &
# shellcheck disable=SC2016  # Perl's variables
perl -MIO::Socket::INET -e '
    for (1 .. 100) {
        $s = IO::Socket::INET->new("127.0.0.1:$ARGV[0]") and last;
        select undef, undef, undef, 0.1;
    }
    syswrite $s, "info version\nquit\n";
    print while <$s>' "$port" >"$work/out"
wait $! || complain 'TCP: status not 0'
expect 'TCP' '^\(dragoman\) dragoman [0-9]' "$work/out"

# ---- a terminal ----
session() { # STEPS on standard input, OPTIONS..
    cat >"$work/steps"
    cat >"$work/session.sh" <<SESSION
stty rows 25 cols 80
stty -a >"$work/before"
"$dragoman" -kernel "$desk" -m 64 -timeout 60 $*
echo "status \$?"
stty -a >"$work/after"
SESSION
    "$here/tests/boot/drive" "$work/steps" "$work/screen" script -qec "sh $work/session.sh" /dev/null 2>"$work/err" || {
        complain "$*: the conversation went wrong"
        cat "$work/err" "$work/screen"
    }
    cmp "$work/before" "$work/after" || complain "$*: the terminal has another mode"
}

if command -v script >/dev/null 2>&1; then
    session <<'STEPS'
wait 20 Ctrl-A x
send \x01h
wait 20 Ctrl-A c  to the monitor
send \x01c
wait 20 \(dragoman\)
send info verxx\x7f\x7fsion\r
wait 20 info verxx.*\r\ndragoman 0
send \x1b[A\r
wait 20 info version\r\ndragoman 0
send quit\x15p 99\r
wait 20 0x63
send \x01c
pause 0.3
send quit\r
send \x01c
wait 20 \(dragoman\)
send info status\r
wait 20 VM status: running
send stop\r
wait 20 \(dragoman\)
send \x01x
wait 20 status 8
STEPS
    session -monitor stdio <<'STEPS'
wait 20 \(dragoman\)
send info status\r
wait 20 VM status: running
send quit\r
wait 20 status 0
STEPS
else
    echo 'no script(1): no terminal tried'
fi
exit $bad
