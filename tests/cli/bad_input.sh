#!/bin/sh
# bad_input.sh DRAGOMAN - every kind of bad input gets one clear message and status 2, at once.
#
# Prints TAP. A message is clear when it is one line on standard error, names what was wrong
# (a word given per case) and nothing is left behind. Exit status 1 when a case fails.
set -u

if [ $# -ne 1 ] || [ ! -x "$1" ]; then
    echo "usage: $0 path-of-dragoman" >&2
    exit 2
fi
case $1 in
/*) vm=$1 ;;
*) vm=$PWD/$1 ;;
esac
dir=$(mktemp -d) || exit 2
trap 'rm -rf "$dir"' EXIT
trap 'exit 2' HUP INT TERM
cd "$dir" || exit 2
n=0
failed=0

report() { # report OK NAME
    n=$((n + 1))
    if [ "$1" = yes ]; then
        echo "ok $n - $2"
    else
        echo "not ok $n - $2"
        failed=1
        sed 's/^/# /' err
    fi
}

# refuse WORD ARGS..: status 2, and one line on stderr that contains WORD.
refuse() {
    word=$1
    shift
    before=$(ls)
    timeout 20 "$vm" "$@" </dev/null >out 2>err
    status=$?
    good=yes
    [ $status -eq 2 ] || good=no
    [ "$(wc -l <err)" -eq 1 ] || good=no
    grep -qF -- "$word" err || good=no
    [ ! -s out ] || good=no
    [ "$before" = "$(ls)" ] || good=no
    [ $good = yes ] || echo "# status $status; wanted 2 and '$word'"
    report $good "$(echo "$*" | cut -c1-90)"
}

# bytes FILE OFFSET OCTAL-ESCAPES: pokes bytes into a file.
bytes() {
    # shellcheck disable=SC2059
    printf "$3" | dd of="$1" bs=1 seek="$2" conv=notrunc status=none
}

zeros() { # zeros FILE SIZE
    rm -f "$1"
    truncate -s "$2" "$1"
}

# A bzImage header, protocol 2.15, 8 KiB of code that never runs.
make_linux() { # make_linux FILE
    zeros "$1" 10752
    bytes "$1" 500 '\000\002\000\000'  # syssize: 512 * 16
    bytes "$1" 510 '\125\252\353\152HdrS\017\002'
    bytes "$1" 529 '\001'              # LOADED_HIGH
    bytes "$1" 532 '\000\000\020\000'  # code32_start
    bytes "$1" 556 '\377\377\377\067'  # initrd_addr_max
    bytes "$1" 560 '\000\000\000\001\001' # kernel_alignment, relocatable
    bytes "$1" 568 '\377\007\000\000'  # cmdline_size
    bytes "$1" 600 '\000\000\000\001\000\000\000\000\000\000\000\001' # pref_address, init_size
}

: >out
: >err
make_linux linux
make_linux amd64
bytes amd64 566 '\001' # XLF_KERNEL_64
head -c 4000 linux >short
head -c 300 linux >stub
zeros empty 0
zeros zeros 4096
zeros mbr 4096
bytes mbr 510 '\125\252'
zeros iso 40960
bytes iso 32769 'CD001'
echo 'hello' >text
printf '#!/bin/sh\n' >script
printf '\037\213\010xxxxxxxx' >gz
printf '\3757zXZ\000xxxx' >xz
printf '\050\265\057\375xxxx' >zst
printf 'QFI\373xxxx' >qcow2
zeros elf 4096
bytes elf 0 '\177ELF\002\001\001'
bytes elf 16 '\002\000\076\000\001'
mkdir folder
zeros initrd 4096
zeros unreadable 10
zeros fixed.img 4096
chmod 444 fixed.img

# the command line
refuse 'nothing to boot'
refuse 'did you mean -kernel' -kernal linux
refuse '--help' --frobnicate linux
refuse 'needs a value' -kernel
refuse "'-initrd' follows" -kernel -initrd initrd
refuse 'second image' linux linux
refuse '-m: ' -m lots linux
refuse 'out of range' -m 0 linux
refuse 'out of range' -m 65G linux
refuse 'Dragoman' -accel kvm linux
refuse 'no engine' -engine warp linux
refuse 'one CPU' -smp 4 linux
refuse 'no floppy has' -fda mbr
refuse 'apt install seabios' -bios nowhere.bin
refuse 'no such firmware' -L folder -bios nowhere.bin
refuse 'multiple of 64 KiB' -bios ./unreadable
refuse '-d help' -d nonsense linux
refuse 'no device' -device e1000 linux
refuse 'seconds' --timeout soon linux
refuse 'file:PATH' -serial tcp::4444 linux
refuse 'no address' -flat here linux

# files
refuse 'missing: no such file' missing
refuse 'folder: is a directory' folder
refuse 'empty' empty
refuse 'truncated' short
refuse 'linux' nonexistent/linux
refuse 'x86-64' amd64 -cpu qemu32
refuse 'disk image' -kernel mbr
refuse 'ISO 9660' -kernel iso
refuse 'text file' text
refuse 'script' script
refuse 'gzip' gz
refuse 'xz' xz
refuse 'zstd' zst
refuse 'qcow2' qcow2
refuse 'nothing to load' elf
refuse '-flat ADDR' zeros
refuse 'connect' -flat 0x100000 zeros -hda 'nbd+unix:///?socket=nobody-here'

# a disk that another machine writes to
bytes spin 0 '\353\376'
"$vm" -flat 0x100000 spin -hda mbr -nographic -timeout 20 </dev/null >/dev/null 2>&1 &
writer=$!
tries=0
while [ $tries -lt 100 ] && ! grep -q "OFDLCK.*WRITE.*:$(stat -c %i mbr) " /proc/locks; do
    tries=$((tries + 1))
    sleep 0.1
done
refuse 'in use' -flat 0x100000 spin -hda mbr
refuse 'in use' -flat 0x100000 spin -hda mbr -snapshot
kill $writer
wait $writer
refuse 'nothing known' stub

# an image that is not to be written; root may write to all files, but not without this capability
everything=$vm
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null; then
    printf '#!/bin/sh\nexec setpriv --bounding-set=-dac_override "%s" "$@"\n' "$vm" >as-owner
    chmod +x as-owner
    vm=$PWD/as-owner
fi
[ "$(id -u)" -eq 0 ] && [ "$vm" = "$everything" ] || refuse 'needs to be writable; readonly=on or -snapshot' -hda fixed.img
vm=$everything

refuse 'larger than the guest' /dev/zero
refuse 'above 4 GiB' -flat 0x100000000 zeros
refuse 'reserved' -flat 0x9f000 zeros
refuse 'no RAM' -m 1M -flat 0x100000 zeros
refuse 'missing: no such file' -kernel linux -initrd missing
refuse 'empty' -kernel linux -initrd empty
refuse 'not an initrd' -kernel linux -initrd linux
refuse 'larger than the guest' -kernel linux -initrd /dev/zero
refuse 'needs 32 MiB of RAM' -m 16M linux
refuse 'at most 2047' -kernel linux -append "$(printf '%3000s' x)"
zeros big 40000000
refuse 'does not fit' -m 64M -kernel linux -initrd big
refuse 'no/such/folder' -D no/such/folder/log -d int linux
refuse 'no/such/folder' -serial file:no/such/folder/log linux
refuse 'no/such/folder' -pidfile no/such/folder/pid -flat 0x100000 spin

# what is no mistake
for arg in --help -h -help --version '-d help' '-cpu help'; do
    # shellcheck disable=SC2086
    timeout 20 "$vm" $arg </dev/null >out 2>err
    status=$?
    good=yes
    { [ $status -eq 0 ] && [ -s out ] && [ ! -s err ]; } || good=no
    report $good "$arg"
done

echo "1..$n"
exit $failed
