#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Do the public headers compile wherever a program may include them: alone,
# before and after the kernel's own, in each language and standard; and do
# they say what the kernel's header says?
#
# usage: headers.sh INCLUDE CXX CC...   (CXX may be `none')
# Functions are called through result; tap.sh stands beside this file.
# Flags and names are split into words.
# shellcheck disable=SC1091,SC2086,SC2317
[ $# -ge 3 ] || { echo "usage: $0 INCLUDE CXX CC..." >&2; exit 2; }
here=$(dirname "$0")
. "$here/tap.sh"
include=$1
cxx=$2
shift 2

strict="-Wall -Wextra -Werror -fsyntax-only"
kernel='#include <linux/userfaultfd.h>'

# compile LANGUAGE FLAGS SOURCE-TEXT COMPILER...
compile()
{
	local language="$1" flags="$2" text="$3"
	shift 3
	echo "$text" | "$@" -x "$language" $flags $strict -I"$include" -
}

has_kernel_header()
{
	echo "$kernel" | "$@" -x c -fsyntax-only - 2>/dev/null
}

# Both headers, in each order with the kernel's; twice, as nothing may be defined twice.
# order LANGUAGE FLAGS BEFORE AFTER COMPILER...
order()
{
	local language="$1" flags="$2" before="$3" after="$4"
	local header
	shift 4
	if [ "$before$after" ] && ! has_kernel_header "$@"; then
		skip "no <linux/userfaultfd.h> here"
		return
	fi
	for header in userfault/uapi.h userfault.h; do
		compile "$language" "$flags" "$before
#include <$header>
#include <$header>
$after" "$@" || return 1
	done
}

# standard LANGUAGE NAME FLAGS COMPILER...
standard()
{
	local language="$1" name="$2" flags="$3"
	shift 3
	result "$name: alone" order "$language" "$flags" '' '' "$@"
	result "$name: after the kernel's" order "$language" "$flags" "$kernel" '' "$@"
	result "$name: before the kernel's" order "$language" "$flags" '' "$kernel" "$@"
}

# values ORDER-FLAG COMPILER...
values()
{
	local flag="$1"
	shift
	has_kernel_header "$@" || {
		skip "no <linux/userfaultfd.h> here"
		return
	}
	"$@" -std=c11 -pedantic $strict $flag -I"$include" "$here/uapi.c"
}

# Is each name of the kernel's header in uapi.c? Those below are made of others.
names()
{
	local missing
	has_kernel_header "$@" || {
		skip "no <linux/userfaultfd.h> here"
		return
	}
	missing=$(echo "$kernel" | "$@" -x c -E -dM - |
		sed -n 's/^#define \(_*UFFD[A-Z0-9_]*\|USERFAULTFD_[A-Z0-9_]*\) .*/\1/p' |
		grep -v -x -e 'UFFD_API_.*' | sort | while read -r name; do
			grep -q -w "$name" "$here/uapi.c" || echo "$name"
		done)
	[ -z "$missing" ] || skip "the host's header is newer and has also:$(printf ' %s' $missing)"
}

# Without -pedantic: a static assertion is an extension of C99.
standard c C99 '-std=c99' "$@"
standard c C11 '-std=c11 -pedantic' "$@"
if [ "$cxx" = none ]; then
	result "C++" skip "no C++ compiler"
else
	standard c++ C++11 '-std=c++11 -pedantic' "$cxx"
	standard c++ C++20 '-std=c++20 -pedantic' "$cxx"
fi
result "values and layouts are the kernel's" values '' "$@"
result "values and layouts, the kernel's header last" values -DKERNEL_LAST "$@"
result "no name of the kernel's header is left out" names "$@"
finish
