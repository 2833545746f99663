#!/bin/sh
# boot.sh LOCKSTEP KERNEL [FROM TO [OPTION..]] - a Debian boot with the smoke script, or its instructions FROM to TO,
# translated and interpreted in lockstep. KERNEL is 686, 686-pae or amd64. Skipped when the guest is not in the
# cache: scripts/fetch-guests gets it.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
. "$here/scripts/lib.sh"
lockstep=${1:?usage: boot.sh LOCKSTEP KERNEL [FROM TO [OPTION..]]}
kernel=$cache/vmlinuz-${2:?which kernel}
from=${3:-0}
to=${4:-0}

wide=
user=i386
case $kernel in *amd64) wide=--amd64 user=amd64 ;; esac
[ -e "$kernel" ] && [ -e "$cache/busybox-$user" ] || skip "no $kernel; scripts/fetch-guests gets it"
if [ $# -gt 4 ]; then shift 4; else shift $#; fi
options=$*
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
# shellcheck disable=SC2086  # an option or nothing
"$top/scripts/make-initrd" $wide "$work/initrd.gz" || exit 1
set -- --ram-every 20000000
[ "$to" -eq 0 ] || set -- "$@" --quiet --from "$from" --insns "$to"
# shellcheck disable=SC2086  # options are words
"$lockstep" "$@" -- $options -m 256 -kernel "$kernel" -initrd "$work/initrd.gz" \
    -append "console=ttyS0 ${wide:+dragoman.machine=x86_64 }dragoman.script=smoke" -nographic -no-reboot </dev/null
