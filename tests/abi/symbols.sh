#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Do the shared libraries export what they are meant to, and nothing else?
#
# usage: symbols.sh WORK HEADER LIBRARY [PRELOADED EXPORTS-MAP]
# Functions are called through result; tap.sh stands beside this file.
# shellcheck disable=SC1091,SC2317
[ $# -ge 3 ] || { echo "usage: $0 WORK HEADER LIBRARY [PRELOADED EXPORTS-MAP]" >&2; exit 2; }
. "$(dirname "$0")/tap.sh"
header=$2
library=$3
preloaded=${4-}
map=${5-}
dir=$(mktemp -d "$1/symbols.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT

command -v nm >/dev/null || {
	echo "1..0 # SKIP no nm"
	exit 0
}

# The names that LIBRARY defines, with their versions, without the version nodes themselves.
exported()
{
	nm -D --defined-only "$1" | awk '$2 != "A" { print $3 }' | sort
}

public()
{
	declared "$header" >"$dir/wanted"
	exported "$library" | sed 's/@.*//' >"$dir/got"
	same "exported" "$dir/wanted" "$dir/got"
}

# One node per release; a symbol stays in the one that it came with.
versioned()
{
	exported "$library" | grep -v -E '@@USERFAULT_[0-9]+\.[0-9]+$' >"$dir/without" || return 0
	echo "without the version of a release:"
	cat "$dir/without"
	return 1
}

soname()
{
	readelf -d "$library" | grep -q 'SONAME.*\[libuserfault\.so\.0\]'
}

# The names between `global:' and `local:' of the map.
interposed()
{
	sed -n '/global:/,/local:/p' "$map" | tr -d ' \t' | tr ';' '\n' | grep -v ':' | grep . |
		sort >"$dir/wanted"
	exported "$preloaded" | sed 's/@.*//' >"$dir/got"
	same "exported" "$dir/wanted" "$dir/got"
}

result "the library exports the functions of its header, and nothing else" public
result "each has a version" versioned
result "the library's name has the number of its interface" soname
if [ "$preloaded" ]; then
	result "the preloaded library exports what its map lists, and nothing else" interposed
else
	result "the preloaded library" skip "it is not built here"
fi
finish
