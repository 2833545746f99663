#!/bin/sh
# format.sh - the C files are as clang-format would write them.
set -u
cd "$(dirname "$0")/../.." || exit 2
command -v clang-format >/dev/null 2>&1 || {
    echo 'skipped: no clang-format'
    exit 77
}
find src tests bench -name '*.[ch]' -print0 | xargs -0 -r clang-format -n --Werror
