# shellcheck shell=sh
# lib.sh - what the boot tests share. Sourced, with $0 in tests/boot.
#
# A boot test is `NAME.sh ENGINE KERNEL [..]`; KERNEL is 686, 686-pae, amd64 or cloud-amd64, the last two with
# 64-bit user programs, or with 32-bit ones as amd64+i386. It fetches the guests as a user
# would and is skipped, with the reason, where they cannot be had. From the environment: DRAGOMAN is the
# binary; BOOT_TIMEOUT is how many seconds a guest may take (default 300).

here=$(cd "$(dirname "$0")/../.." && pwd)
. "$here/scripts/lib.sh"

[ -x "$dragoman" ] || skip "no $dragoman"
wide=
user=
case "$*" in
*amd64+i386*) wide=--amd64 ;;
*amd64*)
    wide=--amd64
    user=--amd64
    ;;
esac
# shellcheck disable=SC2086  # an option or nothing
"$top/scripts/fetch-guests" --quiet $wide || skip 'the guests cannot be fetched'
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2086
"$top/scripts/make-initrd" $user "$work/initrd.gz" || exit 1
console=$work/console
boot_timeout=${BOOT_TIMEOUT:-300}
bad=0

complain() {
    echo "$*"
    bad=1
}

# boot_command ENGINE KERNEL COMMAND-LINE: writes "$work/command", a script that becomes dragoman.
boot_command() {
    cat >"$work/command" <<COMMAND
exec "$dragoman" -engine $1 -m ${MEMORY:-512} -kernel "$cache/vmlinuz-${2%+i386}" -initrd "$work/initrd.gz" \\
    -append "console=ttyS0 ${wide:+dragoman.machine=x86_64 }$3" -nographic -no-reboot --timeout $boot_timeout
COMMAND
}

expect_status() { # WANTED GOT
    [ "$1" -eq "$2" ] || complain "status $2, expected $1"
}

expect_line() { # PATTERN
    grep -aqE "$1" "$console" || complain "nothing like '$1' on the console"
}

expect_no_complaints() {
    if grep -aE -f "$top/scripts/guest/complaints" "$console"; then
        complain 'the guest kernel complains (above)'
    fi
}

finish() {
    if [ $bad -ne 0 ]; then
        if [ -s "$console" ]; then
            echo '--- the end of the console:'
            tail -n 40 "$console" | tr -d '\r'
        fi
        echo '--- standard error:'
        cat "$work/err" 2>/dev/null
    fi
    exit $bad
}
