#!/bin/sh
# sizes.sh - files of at most 800 lines, functions of at most 60.
#
# Counts on clang-format's layout: a function's braces stand alone in the first column. What has to be longer
# is listed in sizes.allow as "FILE" or "FILE:FUNCTION", with the reason.
set -u
cd "$(dirname "$0")/../.." || exit 2
found=$(find src tests bench \( -name '*.[chS]' -o -name '*.def' \) -print0 | sort -z | xargs -0 -r awk '
    FNR == 1 { if (file != "" && lines > 800) print file ": " lines " lines (at most 800)"; file = FILENAME; inside = 0 }
    { lines = FNR }
    FILENAME !~ /\.[ch]$/ { next }
    /^\{/ { inside = 1; start = FNR; next }
    /^\}/ { if (inside && FNR - start - 1 > 60) print file ":" name ": " FNR - start - 1 " lines (at most 60)"; inside = 0; next }
    !inside && /^[A-Za-z_].*\(/ { name = $0; sub(/\(.*/, "", name); sub(/.*[ *]/, "", name) }
    END { if (lines > 800) print file ": " lines " lines (at most 800)" }')
bad=0
while IFS= read -r line; do
    [ -n "$line" ] || continue
    grep -qE "^${line%%: *}([[:space:]]|\$)" tests/layout/sizes.allow && continue
    echo "$line"
    bad=1
done <<LIST
$found
LIST
exit $bad
