#!/bin/sh
# layers.sh - a folder of src/ includes only what stands below it (docs/architecture.md, parts).
# Also: headers of ours are written from src/, never relative to the including file, and a private one
# (*_priv.h) is for its own folder.
set -u
src=${1:-$(cd "$(dirname "$0")/../../src" && pwd)} # the argument is for trying the test on a tree that breaks the rule
cd "$src" || exit 2

below() {
    case $1 in
    base) ;;
    host | bus | cpu) echo base ;;
    block) echo base host ;;
    devices) echo base bus block ;;
    display) echo base host bus devices ;;
    loader) echo base bus cpu ;;
    monitor) echo base host bus block cpu devices display shadowmmu ;;
    shadowmmu) echo base host bus cpu ;;
    translator) echo base host bus cpu shadowmmu ;;
    machine) echo base host bus cpu shadowmmu translator devices display loader block monitor ;;
    *) echo unknown ;;
    esac
}

bad=0
complain() {
    echo "src/$1: $2"
    bad=1
}

for folder in *; do
    [ -d "$folder" ] || { complain "$folder" 'sources belong into a folder' && continue; }
    allowed=$(below "$folder")
    [ "$allowed" = unknown ] && complain "$folder" 'a folder the dependency rule does not know' && continue
    # shellcheck disable=SC2044  # our file names have no blanks
    for file in $(find "$folder" -name '*.[chS]' -o -name '*.def'); do
        for header in $(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file"); do
            [ -e "$header" ] || complain "$file" "\"$header\" is not a path from src/"
            case " $folder $allowed " in
            *" ${header%%/*} "*) ;;
            *) complain "$file" "$folder must not include $header" ;;
            esac
            case $header in
            "$folder"/*_priv.h) ;;
            *_priv.h) complain "$file" "$header is private to its folder" ;;
            esac
        done
    done
done
exit $bad
