#!/bin/sh
# othercc.sh COMPILER - the sources are free of warnings under the other compiler too (syntax only).
set -u
cd "$(dirname "$0")/../../src" || exit 2
cc=${1:?usage: othercc.sh COMPILER}
command -v "$cc" >/dev/null 2>&1 || {
    echo "skipped: no $cc"
    exit 77
}
# The unpackers and the VNC server need libraries that may be missing.
set --
for optional in loader/unpack_*.c display/vnc_server.c; do
    "$cc" -E -I. "$optional" >/dev/null 2>&1 || set -- "$@" ! -path "./$optional"
done
find . -name '*.c' "$@" -print0 | xargs -0 -r -n 8 "$cc" -std=gnu17 -D_GNU_SOURCE -I. -fsyntax-only -mgeneral-regs-only \
    -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror
