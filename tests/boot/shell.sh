#!/bin/sh
# shell.sh ENGINE KERNEL - the interactive shell on a terminal: commands, ^C, job control, exit; the terminal is as
# it was afterwards.
set -u
. "$(dirname "$0")/lib.sh"
command -v script >/dev/null 2>&1 || skip 'no script(1) to make a terminal with'
boot_command "$1" "$2" ''
cat >"$work/session.sh" <<SESSION
stty -a >"$work/stty.before"
(. "$work/command")
status=\$?
stty -a >"$work/stty.after"
exit \$status
SESSION
cat >"$work/steps" <<'STEPS'
wait @boot@ dragoman:\S*#
send echo $((6 * 7))-answer\r
wait 20 42-answer
wait 20 dragoman:\S*#
# a foreground job and ^C, sent once the terminal is the job's: only the job itself can tell. An echo by the
# interactive shell comes before it forks, and between the fork and tcsetpgrp() a ^C is lost on the shell.
send sh -c 'echo sleeping-$((1 + 1)); sleep 1000'\r
wait 20 sleeping-2
send \x03
wait 20 dragoman:\S*#
send echo looping-$((1 + 1)); while :; do :; done\r
wait 20 looping-2
send \x03
wait 20 dragoman:\S*#
# job control: stop with ^Z, continue in the background, end it
send sh -c 'echo job-$((1 + 1)); sleep 1000'\r
wait 20 job-2
send \x1a
wait 20 Stopped
wait 20 dragoman:\S*#
send bg; kill %1; wait; echo bg-done-$((1+1))\r
wait 20 bg-done-2
wait 20 dragoman:\S*#
# a line long enough for the receiver's FIFO
send echo 0123456789012345678901234567890123456789012345678901234567890123456789 | md5sum\r
wait 20 @sum@
wait 20 dragoman:\S*#
send exit\r
wait 30 Power down
STEPS
sum=$(echo 0123456789012345678901234567890123456789012345678901234567890123456789 | md5sum | cut -d' ' -f1)
sed -i "s/@sum@/$sum/; s/@boot@/$boot_timeout/" "$work/steps"
"$(dirname "$0")/drive" "$work/steps" "$console" script -qec "sh '$work/session.sh'" /dev/null 2>"$work/err"
expect_status 0 $?
cmp "$work/stty.before" "$work/stty.after" || complain 'the terminal is not as it was'
expect_no_complaints
finish
