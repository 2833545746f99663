#!/bin/sh
# leave.sh ENGINE KERNEL - Ctrl-A x leaves with status 8, early in the boot and out of a shell; SIGTERM ends the
# monitor; in every case the terminal is as it was.
set -u
. "$(dirname "$0")/lib.sh"
command -v script >/dev/null 2>&1 || skip 'no script(1) to make a terminal with'
boot_command "$1" "$2" ''
cat >"$work/session.sh" <<SESSION
stty -a >"$work/stty.before"
sh -c 'echo \$\$ >"$work/pid"; . "$work/command"'
status=\$?
stty -a >"$work/stty.after"
exit \$status
SESSION

started='Ctrl-A|Linux version'

terminal_is_as_it_was() {
    cmp "$work/stty.before" "$work/stty.after" || complain "$1: the terminal is not as it was"
}

converse() {
    "$(dirname "$0")/drive" "$work/steps" "$console" script -qec "sh '$work/session.sh'" /dev/null 2>"$work/err"
}

# The interpreter spends its first minute unpacking the kernel; that is as good a time to leave as any.
printf '%s\n' "wait 60 $started" 'pause 1' 'send \x01x' >"$work/steps"
converse
expect_status 8 $?
terminal_is_as_it_was 'Ctrl-A x during boot'

# The shell takes the interpreter minutes to reach, and how one leaves does not depend on the engine by then.
if [ "$1" != interp ]; then
    printf '%s\n' "wait $boot_timeout dragoman:\S*#" 'send cat\r' 'pause 1' 'send \x01x' >"$work/steps"
    converse
    expect_status 8 $?
    terminal_is_as_it_was 'Ctrl-A x from the shell'
fi

printf '%s\n' "wait 60 $started" >"$work/steps"
(
    while ! grep -qsE "$started" "$console.term"; do sleep 0.2; done
    kill -TERM "$(cat "$work/pid")"
) &
killer=$!
"$(dirname "$0")/drive" "$work/steps" "$console.term" script -qec "sh '$work/session.sh'" /dev/null 2>"$work/err"
status=$?
kill $killer 2>/dev/null
case $status in
0 | 99) complain "SIGTERM: status $status" ;;
esac
terminal_is_as_it_was SIGTERM
finish
