#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What `make install' puts somewhere: is all of it there, and can somebody
# else compile, link and run with it?
#
# usage: install.sh BUILD HEADER MESON CXX CC...   (CXX may be `none')
# Functions are called through result; tap.sh stands beside this file.
# shellcheck disable=SC1091,SC2317
[ $# -ge 5 ] || { echo "usage: $0 BUILD HEADER MESON CXX CC..." >&2; exit 2; }
here=$(dirname "$0")
. "$here/tap.sh"
build=$1
header=$2
meson=$3
cxx=$4
shift 4
dir=$(mktemp -d "$build/install.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
root=$dir/root

command -v pkg-config >/dev/null || {
	echo "1..0 # SKIP no pkg-config"
	exit 0
}

install_all()
{
	env -u DESTDIR "$meson" install -C "$build" --no-rebuild --destdir "$root"
}

# installed FILE...: each is there, below the prefix whatever that is.
installed()
{
	local file
	for file; do
		find "$root" -path "*/$file" ! -type d | grep -q . || {
			echo "not installed: $file"
			return 1
		}
	done
}

files()
{
	installed include/userfault.h include/userfault/uapi.h bin/userfault \
		libuserfault.so libuserfault.so.0 pkgconfig/userfault.pc \
		libexec/userfault/conform \
		share/man/man1/userfault.1 share/man/man1/userfault-run.1 \
		share/man/man1/userfault-conform.1 \
		share/man/man3/userfault.3
}

# Every function by its own name, as a page or as a reference to one that is there.
pages()
{
	local name page
	for name in $(declared "$header"); do
		installed "share/man/man3/$name.3" || return 1
		page=$(find "$root" -path "*/share/man/man3/$name.3")
		page=$(sed -n '1s/^\.so //p' "$page")
		[ -z "$page" ] || installed "share/man/$page" || return 1
	done
}

# pkg-config of what is below the root, and of nothing else.
config()
{
	PKG_CONFIG_LIBDIR=$(dirname "$(find "$root" -name userfault.pc)") \
		PKG_CONFIG_SYSROOT_DIR=$root PKG_CONFIG_ALLOW_SYSTEM_CFLAGS=1 \
		PKG_CONFIG_ALLOW_SYSTEM_LIBS=1 env -u PKG_CONFIG_PATH pkg-config "$@" userfault
}

version()
{
	local wanted
	wanted=$(sed -n 's/^#define UF_VERSION "\(.*\)"/\1/p' "$header")
	[ "$(config --modversion)" = "$wanted" ] || {
		echo "the header says $wanted, pkg-config $(config --modversion)"
		return 1
	}
}

# With the libraries below the root.
run()
{
	LD_LIBRARY_PATH=$(dirname "$(find "$root" -name libuserfault.so)") "$@"
}

# consumer LANGUAGE STANDARD COMPILER...
consumer()
{
	local language="$1" standard="$2"
	shift 2
	# Several flags each.
	# shellcheck disable=SC2046
	"$@" -x "$language" -std="$standard" -Wall -Wextra -Werror $(config --cflags) \
		-o "$dir/consumer" "$here/consumer.c" -x none $(config --libs) -pthread || return 1
	run timeout 60 "$dir/consumer"
}

tool()
{
	local wanted
	wanted="userfault $(config --modversion)"
	[ "$(run "$(find "$root" -path '*/bin/userfault')" --version)" = "$wanted" ]
}

# Not where the build was to be installed: the library to preload is found beside the tool.
tool_run()
{
	run "$(find "$root" -path '*/bin/userfault')" run --backend=engine -- \
		grep -q "$root.*/libuserfault-preload.so" /proc/self/maps
}

# So is the program with the conformance tests.
tool_conform()
{
	run "$(find "$root" -path '*/bin/userfault')" conform --backend=engine --clause=copy.3
}

result "meson install" install_all
result "the files" files
result "a man page by the name of every function" pages
result "pkg-config tells the header's version" version
result "a program in C" consumer c gnu11 "$@"
if [ "$cxx" = none ]; then
	result "a program in C++" skip "no C++ compiler"
else
	result "a program in C++" consumer c++ gnu++11 "$cxx"
fi
result "userfault --version" tool
result "userfault run, in a tree that was moved" tool_run
result "userfault conform, there" tool_conform
finish
