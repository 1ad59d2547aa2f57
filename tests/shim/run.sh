#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: run.sh TOOL HELLO STATIC CASES: what `userfault run' itself promises.
tool=$(realpath "$1")
hello=$(realpath "$2")
static=$(realpath "$3")
cases=$(realpath "$4")

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
failures=0

# expect STATUS PATTERN COMMAND...: the exit status, and a pattern in what it says.
expect()
{
	want=$1
	pattern=$2
	shift 2
	"$@" >"$dir/out" 2>&1
	got=$?
	if [ $got -ne "$want" ] || ! grep -q -e "$pattern" "$dir/out"; then
		echo "FAILED: $*: status $got (expected $want), said (expected $pattern):" >&2
		cat "$dir/out" >&2
		failures=$((failures + 1))
	fi
}

# Usage.
expect 2 'usage: userfault' "$tool"
expect 2 'unknown command' "$tool" no-such-command
expect 0 'usage: userfault' "$tool" --help
expect 0 '^userfault [0-9]' "$tool" --version
expect 0 'usage: userfault run' "$tool" run --help
expect 2 'which program' "$tool" run
expect 2 'auto, kernel or engine' "$tool" run --backend=other -- "$hello"
expect 2 'usage' "$tool" run --no-such-option -- "$hello"
expect 2 'does not go with' "$tool" run --bare --backend=engine -- "$hello"

# The program's own arguments, environment and status.
expect 42 'hello a --log=b; backend auto; preload .*libuserfault-preload.so' \
	"$tool" run "$hello" a --log=b
expect 42 'backend engine' "$tool" run --backend=engine -- "$hello"
expect 42 'backend none; preload none' env -u LD_PRELOAD "$tool" run --bare -- "$hello"
expect 42 'preload .*libuserfault-preload.so:/lib/none.so' \
	env LD_PRELOAD=/lib/none.so "$tool" run -- "$hello"
expect 42 'hello' env PATH="$(dirname "$hello")" "$tool" run -- "$(basename "$hello")"

# What cannot be run with us is not run.
expect 126 'statically linked' "$tool" run -- "$static"
expect 126 'statically linked' "$tool" run --deny-kernel -- "$static"
expect 42 'hello' "$tool" run --bare -- "$static"
expect 127 'No such file' "$tool" run -- "$dir/nothing"
expect 127 'No such file' env PATH=/usr/bin:/bin "$tool" run -- userfault-no-such-program
expect 126 'Permission denied' "$tool" run -- "$dir"
cp "$hello" "$dir/suid" && chmod u+s "$dir/suid"
expect 126 'set-user-id' "$tool" run -- "$dir/suid"
cp "$hello" "$dir/sgid" && chmod g+s "$dir/sgid"
expect 126 'set-group-id' "$tool" run -- "$dir/sgid"
if cp "$hello" "$dir/capable" && setcap cap_net_raw+ep "$dir/capable" 2>/dev/null; then
	expect 126 'file capabilities' "$tool" run -- "$dir/capable"
fi
# Another processor: the machine field of the header, at byte 18, says s390.
cp "$hello" "$dir/foreign" && printf '\026\000' | dd of="$dir/foreign" bs=1 seek=18 conv=notrunc \
	2>/dev/null
expect 126 'another architecture' "$tool" run -- "$dir/foreign"
printf 'nothing\n' >"$dir/text" && chmod +x "$dir/text"
expect 126 'neither an ELF program nor a script' "$tool" run -- "$dir/text"
head -c 40 "$hello" >"$dir/short" && chmod +x "$dir/short"
expect 126 'not a whole ELF' "$tool" run -- "$dir/short"

# Scripts are judged by their interpreter.
printf '#!/bin/sh\nexec "%s" script\n' "$hello" >"$dir/script" && chmod +x "$dir/script"
expect 42 'hello script; backend auto' "$tool" run -- "$dir/script"
printf '#! %s -x\n' "$static" >"$dir/static-script" && chmod +x "$dir/static-script"
expect 126 'statically linked' "$tool" run -- "$dir/static-script"
printf '#!%s\n' "$dir/loop" >"$dir/loop" && chmod +x "$dir/loop"
expect 126 'proper interpreter' "$tool" run -- "$dir/loop"

# Refusal is a refusal, to the program and to the kernel backend, and ends where the engine begins.
expect 77 'no userfaultfd from the kernel' "$tool" run --deny-kernel --bare -- "$cases" fault.poll
expect 77 'no userfaultfd from the kernel' "$tool" run --deny-kernel --backend=kernel -- \
	"$cases" fault.poll
if [ -r /dev/userfaultfd ]; then
	expect 1 'Operation not permitted' "$tool" run --deny-kernel --bare -- "$cases" \
		create.device
fi
"$tool" run --deny-kernel --log="$dir/log" -- "$cases" fault.poll || failures=$((failures + 1))
expect 0 'engine' cat "$dir/log"
(cd "$dir" && exec "$tool" run --backend=engine --log=relative -- "$cases" fault.poll) ||
	failures=$((failures + 1))
expect 0 'descriptor [0-9]*: engine' cat "$dir/relative"
if "$cases" fault.poll 2>/dev/null; then
	rm "$dir/log"
	"$tool" run --log="$dir/log" -- "$cases" fault.poll || failures=$((failures + 1))
	expect 0 'descriptor [0-9]*: kernel' cat "$dir/log"
fi

[ $failures -eq 0 ]
