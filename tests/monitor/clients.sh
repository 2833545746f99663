#!/bin/sh
# clients.sh DESK.elf - QMP clients of other people's: node-qemu and qemu-qmp, from npm (docs/monitor.md). Skipped without them.
set -u
here=$(cd "$(dirname "$0")/../.." && pwd)
. "$here/scripts/lib.sh"
clients=${QMP_CLIENTS:-$cache/qmp-clients}
for part in node-qemu qemu-qmp; do
    [ -d "$clients/node_modules/$part" ] || {
        echo "no $part in $clients (docs/monitor.md says how to get it): skipped"
        exit 77
    }
done
command -v node >/dev/null || {
    echo 'no node: skipped'
    exit 77
}
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
truncate -s 1M "$work/disk.img"
DRAGOMAN=$dragoman node "$here/tests/monitor/clients.mjs" "$clients" "$1" "$work"
