#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: stress.sh TOOL: stress-ng, unmodified, where the kernel refuses: with us it works,
# without us it does not.
tool=$(realpath "$1")
command -v stress-ng >/dev/null || {
	echo "skipped: stress-ng is not installed"
	exit 77
}
stress="stress-ng --userfaultfd 2 --userfaultfd-ops 20000 --verify --timeout 120"

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT
cd "$dir" || exit 1

"$tool" run --deny-kernel --log="$dir/log" -- $stress || {
	echo "FAILED: $tool run --deny-kernel -- $stress" >&2
	exit 1
}
grep -q 'engine' "$dir/log" || {
	echo "FAILED: the engine was not used" >&2
	exit 1
}
# Refused, stress-ng does nothing and says so, although its status may be 0.
if "$tool" run --deny-kernel --bare -- $stress >"$dir/out" 2>&1 &&
	! grep -q -i -e 'No stress workers invoked' "$dir/out"; then
	cat "$dir/out"
	echo "FAILED: it works without us, so the success above proves nothing" >&2
	exit 1
fi
