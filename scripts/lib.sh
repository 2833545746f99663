# shellcheck shell=sh
# lib.sh - what the scripts share: where things are, progress, Debian packages. Sourced, never run.
#
# A script sets `here` to its own directory's repository root before it sources this file.
# Honoured from the environment:
#   DRAGOMAN        the binary under test (default: build/release/dragoman)
#   DRAGOMAN_CACHE  where fetched guests live (default: ~/.cache/dragoman)
# shellcheck disable=SC2034  # the variables are for the scripts that source this

top=${here:?lib.sh: set here to the repository root first}
cache=${DRAGOMAN_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/dragoman}
dragoman=${DRAGOMAN:-$top/build/release/dragoman}
SKIP=77 # what ctest's SKIP_RETURN_CODE expects

say() {
    printf '\n==> %s\n' "$*" >&2
}

note() {
    printf '    %s\n' "$*" >&2
}

warn() {
    printf 'warning: %s\n' "$*" >&2
}

die() {
    printf '%s: %s\n' "${0##*/}" "$*" >&2
    exit 2
}

skip() {
    printf 'skipped: %s\n' "$*"
    exit "$SKIP"
}

# Runs a command as root: directly, or through sudo, which may ask only when there is someone to answer.
as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    elif ! command -v sudo >/dev/null 2>&1; then
        die "need root to run: $* (no sudo here; run it yourself, then start again)"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@" || die "sudo wants a password and there is no terminal; run yourself: sudo $*"
    fi
}

have_package() {
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Installs the named Debian packages that are not there yet, saying which. On another distribution,
# where the names would mean nothing, it leaves the judgement to the build itself.
need_packages() {
    if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-query >/dev/null 2>&1; then
        warn "no apt here; make sure you have the equivalents of: $*"
        return 0
    fi
    missing=
    for package; do
        have_package "$package" || missing="$missing $package"
    done
    [ -n "$missing" ] || return 0
    say "installing Debian packages:$missing"
    as_root env DEBIAN_FRONTEND=noninteractive apt-get update -q ||
        warn "the package index did not refresh; trying with what is known"
    # shellcheck disable=SC2086  # a list of words
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing ||
        die "could not install:$missing"
}

need_build_packages() {
    need_packages gcc libc6-dev binutils make cmake pkg-config libzydis-dev libcapstone-dev libelf-dev check perl-base \
        zlib1g-dev liblzma-dev liblz4-dev libzstd-dev libpng-dev libncurses-dev libvncserver-dev \
        libjansson-dev
}

# build PRESET [target..]: configures (again only if needed) and builds.
build() {
    preset=$1
    shift
    say "building ($preset)"
    mkdir -p "$top/build"
    (cd "$top" && cmake --preset "$preset" >"$top/build/.configure.log" 2>&1) || {
        cat "$top/build/.configure.log" >&2
        die "cmake --preset $preset failed"
    }
    if [ $# -gt 0 ]; then
        cmake --build "$top/build/$preset" -j "$(nproc)" --target "$@"
    else
        cmake --build "$top/build/$preset" -j "$(nproc)"
    fi >&2 || die "the build failed"
}
