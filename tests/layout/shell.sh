#!/bin/sh
# shell.sh - the shell scripts parse, and shellcheck (where installed) has nothing to say.
set -u
cd "$(dirname "$0")/../.." || exit 2
scripts=$(grep -rlE '^#!/bin/sh' scripts tests bench .ci)
bad=0
for script in $scripts scripts/lib.sh; do
    sh -n "$script" || bad=1
done
if command -v shellcheck >/dev/null 2>&1; then
    # Variables come and go through the sourced lib.sh, which shellcheck does not follow.
    # shellcheck disable=SC2086
    shellcheck -x -s sh -S warning -e SC2034,SC2154 $scripts scripts/lib.sh || bad=1
fi
for script in $(grep -rlE '^#!/usr/bin/perl' scripts tests bench); do
    perl -c "$script" 2>/dev/null || bad=1
done
exit $bad
