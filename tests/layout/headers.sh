#!/bin/sh
# headers.sh - every header compiles alone, under the project's warnings.
set -u
cd "$(dirname "$0")/../../src" || exit 2
bad=0
for header in $(find . -name '*.h' | sed 's#^\./##' | sort); do
    # A file of one include, so that the header is judged as a header (unused static inlines are fine there).
    echo "#include \"$header\"" | "${CC:-gcc}" -x c -std=gnu17 -D_GNU_SOURCE -I. -fsyntax-only -mgeneral-regs-only \
        -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla -Werror - || {
        echo "src/$header does not compile alone"
        bad=1
    }
done
exit $bad
