# shellcheck shell=sh
# termlib.sh - the screen in a terminal. Sourced by firmlib.sh, or behind lib.sh with $seconds set: what the machine may take.

# session PREFIX OPTIONS..: dragoman with its screen in a terminal, which follows $work/steps; what the terminal is sent is in
# $work/screen.
session() {
    command -v script >/dev/null 2>&1 || skip 'no script(1) to make a terminal with'
    prefix=$1
    shift
    cat >"$work/session.sh" <<SESSION
stty rows 25 cols 80
stty -a >"$work/before"
$prefix "$dragoman" -display curses -timeout $seconds $*
echo "status \$?"
stty -a >"$work/after"
SESSION
    TERM=xterm LC_ALL=C.UTF-8 "$here/tests/boot/drive" "$work/steps" "$work/screen" \
        script -qec "sh $work/session.sh" /dev/null 2>"$work/err" || bad=1
    cmp "$work/before" "$work/after" || { echo 'the terminal has another mode' && bad=1; }
}
