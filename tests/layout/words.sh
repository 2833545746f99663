#!/bin/sh
# words.sh - no unfinished work and no stray whitespace in the sources.
# A TODO carries the number of its issue; NOCOMMIT, FIXME, XXX and HACK do not get in; no tabs, no trailing
# blanks; no typedef of a struct, union or enum.
set -u
cd "$(dirname "$0")/../.." || exit 2
bad=0
tab=$(printf '\t')
refuse() { # WHY PATTERN FILE-GLOBS..
    why=$1
    pattern=$2
    shift 2
    # shellcheck disable=SC2046  # one option per glob
    hits=$(grep -rnE "$pattern" src tests bench scripts $(printf -- '--include=%s ' "$@") --exclude=words.sh) || return 0
    echo "$why:"
    echo "$hits"
    bad=1
}
refuse 'unfinished work' '\b(NOCOMMIT|FIXME|XXX|HACK)\b' '*.[chS]' '*.def' '*.sh' '*.inc'
hits=$(grep -rnE '\bTODO\b' src tests bench scripts --exclude=words.sh | grep -vE 'TODO\(#[0-9]+\)') && {
    echo 'a TODO without the number of its issue:'
    echo "$hits"
    bad=1
}
refuse 'a typedef of a struct (typedef is for the address types)' '^typedef (struct|union|enum)\b' '*.[ch]'
refuse 'a tab' "$tab" '*.[ch]' '*.def'
refuse 'blanks at the end of a line' '[[:blank:]]+$' '*.[chS]' '*.def' '*.sh' '*.inc' '*.txt'
exit $bad
