#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Does every public function have a man page, and is what the pages say in
# code true: does each SYNOPSIS declare what the header does, does each
# example compile?
#
# usage: pages.sh WORK INCLUDE MAN CC...
# Functions are called through result; tap.sh stands beside this file.
# shellcheck disable=SC1091,SC2317
[ $# -ge 4 ] || { echo "usage: $0 WORK INCLUDE MAN CC..." >&2; exit 2; }
. "$(dirname "$0")/tap.sh"
dir=$(mktemp -d "$1/pages.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
include=$2
man=$3
shift 3

# The names of a page: what its .Nm lines say.
names()
{
	sed -n '/^\.Sh NAME/,/^\.Sh LIBRARY/s/^\.Nm \([a-z_]*\).*/\1/p' "$@" | sort
}

every_function()
{
	declared "$include/userfault.h" >"$dir/wanted"
	names "$man"/uf_*.3 >"$dir/got"
	same "functions with a page" "$dir/wanted" "$dir/got"
}

lint()
{
	command -v mandoc >/dev/null || {
		skip "no mandoc"
		return
	}
	mandoc -T lint -W warning "$1"
}

# Every page of functions has these; mandoc wants the ordinary ones in this order.
sections()
{
	printf '%s\n' NAME LIBRARY SYNOPSIS DESCRIPTION 'RETURN VALUES' EXAMPLES ERRORS ATTRIBUTES \
		'DIFFERENCES FROM THE KERNEL' 'SEE ALSO' >"$dir/wanted"
	sed -n 's/^\.Sh //p' "$1" >"$dir/got"
	same "sections" "$dir/wanted" "$dir/got"
}

# C of a SYNOPSIS: its #include lines, then a prototype for each function.
synopsis()
{
	awk '
	function argument(text) { args = args (args == "" ? "" : ", ") text }
	function emit() { print type " " name "(" args ");"; args = "" }
	/^\.Sh / { on = $2 == "SYNOPSIS" }
	!on { next }
	/^\.In / { print "#include <" $2 ">" }
	/^\.Ft / { type = substr($0, 5) }
	/^\.F[no] / { name = $2 }
	/^\.Fn / {
		n = split($0, part, "\"")
		for (i = 2; i <= n; i += 2)
			argument(part[i])
		if (n == 1)
			argument($3)
		emit()
	}
	/^\.Fa / { split($0, part, "\""); argument(part[2]) }
	/^\.Fc/ { emit() }
	' "$1"
}

# The page says what the header says: a prototype that differs is an error.
prototypes()
{
	local page="$1"
	shift
	synopsis "$page" >"$dir/synopsis.c"
	names "$page" >"$dir/wanted"
	sed -n -e '/^typedef/d' -e 's/.*[ *]\(uf_[a-z_]*\)(.*/\1/p' "$dir/synopsis.c" | sort >"$dir/got"
	same "functions in the SYNOPSIS" "$dir/wanted" "$dir/got" || return 1
	"$@" -std=c11 -Wall -Wextra -Werror -fsyntax-only -I"$include" "$dir/synopsis.c" || {
		cat "$dir/synopsis.c"
		return 1
	}
}

# The examples that are whole: those that begin with an #include.
example()
{
	awk '
	/^\.Sh / { on = $2 == "EXAMPLES"; next }
	!on { next }
	/^\.Bd -literal/ { literal = 1; first = 1; next }
	/^\.Ed/ { literal = whole = 0; next }
	literal && first { whole = /^#include/; first = 0 }
	literal && whole
	' "$1" | sed -e 's/\\e/\\/g' -e 's/\\&//g' -e 's/\\-/-/g'
}

examples()
{
	local page="$1"
	shift
	example "$page" >"$dir/example.c"
	[ -s "$dir/example.c" ] || {
		echo "no example that begins with #include"
		return 1
	}
	"$@" -std=gnu11 -O1 -Wall -Wextra -Werror -I"$include" -c -o "$dir/example.o" "$dir/example.c"
}

result "every public function has a page, and every page a function" every_function
for page in "$man"/*.[13]; do
	result "$(basename "$page"): lint" lint "$page"
done
for page in "$man"/*.3; do
	name=$(basename "$page")
	[ "$name" = userfault.3 ] || result "$name: sections" sections "$page"
	result "$name: examples" examples "$page" "$@"
	[ "$name" = userfault.3 ] || result "$name: prototypes" prototypes "$page" "$@"
done
finish
