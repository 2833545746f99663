#!/bin/sh
# globals.sh LIBRARY - the library has no writable data: everything hangs off a struct, so that two
# machines fit into one process. Tables that are only written by the loader's relocation (.data.rel.ro) are const.
# Exceptions are listed in globals.allow with the reason.
set -u
here=$(dirname "$0")
library=${1:?usage: globals.sh LIBRARY}
if nm "$library" 2>/dev/null | grep -q ' U __asan_init$'; then
    echo 'skipped: sanitizers add data of their own'
    exit 77
fi
# objdump -t: value, flags, section, size, name; a static's name may carry a number (counter.0).
objdump -t "$library" | awk -v allow="$here/globals.allow" '
    BEGIN { while ((getline line < allow) > 0) { split(line, f, " "); if (f[1] !~ /^#/) ok[f[1]] = 1 } }
    /: +file format/ { object = $1; sub(/:$/, "", object) }
    / (\.data|\.bss|\.tdata|\.tbss|\*COM\*)[.A-Za-z0-9_]*\t/ {
        section = $(NF - 2); name = $NF
        if (section ~ /^\.data\.rel\.ro/ || name == section) next
        plain = name; sub(/\.[0-9]+$/, "", plain)
        if (plain in ok) next
        print object ": " name " is writable (" section ")"; bad = 1
    }
    END { exit bad }'
