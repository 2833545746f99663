#!/bin/sh
# badinput.sh KERNEL - what cannot work gives status 2 and one message that names the culprit, at once.
set -u
. "$(dirname "$0")/lib.sh"
kernel=$cache/vmlinuz-$1
initrd=$work/initrd.gz

# refuse NAME PATTERN ARGUMENTS..: status 2, PATTERN in the message, at most 3 lines, nothing on standard output
refuse() {
    name=$1
    pattern=$2
    shift 2
    timeout 30 "$dragoman" -nographic "$@" </dev/null >"$work/out" 2>"$work/err"
    status=$?
    [ $status -eq 2 ] || complain "$name: status $status, expected 2"
    grep -qiE -e "$pattern" "$work/err" || complain "$name: the message does not mention '$pattern': $(head -n 3 "$work/err")"
    [ "$(wc -l <"$work/err")" -le 3 ] || complain "$name: more than three lines: $(cat "$work/err")"
    [ -s "$work/out" ] && complain "$name: wrote to standard output"
}

: >"$work/empty"
head -c 200 "$kernel" >"$work/short"
head -c 100000 "$kernel" >"$work/cut"
echo 'These are words.' >"$work/text"
head -c 4096 /dev/zero >"$work/zeros"
dd if=/dev/zero of="$work/huge-initrd" bs=1 count=0 seek=600M 2>/dev/null

refuse 'missing kernel' 'no-such-kernel' -kernel "$work/no-such-kernel"
refuse 'empty kernel' 'empty' -kernel "$work/empty"
refuse 'kernel of 200 bytes' 'short' -kernel "$work/short"
refuse 'truncated kernel' 'cut' -kernel "$work/cut" -initrd "$initrd"
refuse 'text as kernel' 'text' -kernel "$work/text"
refuse 'zeros as kernel' 'zeros' -kernel "$work/zeros"
refuse 'directory as kernel' 'director' -kernel "$work"
refuse 'kernel for another CPU' 'true|x86-64|64' -kernel /bin/true
refuse 'missing initrd' 'no-such-initrd' -kernel "$kernel" -initrd "$work/no-such-initrd"
refuse 'initrd larger than RAM' 'huge-initrd|initrd' -m 512 -kernel "$kernel" -initrd "$work/huge-initrd"
refuse 'too little RAM' 'memory|RAM' -m 4 -kernel "$kernel" -initrd "$initrd"
refuse 'no RAM' '0' -m 0 -kernel "$kernel"
refuse 'RAM that is no number' 'lots' -m lots -kernel "$kernel"
refuse 'unknown option' 'frobnicate' -frobnicate -kernel "$kernel"
refuse 'option without its value' 'append' -kernel "$kernel" -append
refuse 'unknown engine' 'warp' -engine warp -kernel "$kernel"
refuse 'unknown device' 'flux' -device flux-capacitor -kernel "$kernel"
refuse 'trace file that cannot be' 'no-such-dir' -d in_asm -D "$work/no-such-dir/trace" -kernel "$kernel"
refuse 'no image at all' 'kernel|image'
finish
