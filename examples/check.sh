#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Runs one example on one backend and compares all that it prints.
#
# usage: check.sh PROGRAM kernel|engine|mixed
# Status 77, with the program's own reason, where that backend does not work.
set -u
program=$1
backend=$2
page=$(getconf PAGESIZE)

dir=$(mktemp -d) || exit 1
trap 'rm -rf "$dir"' EXIT

fail()
{
	echo "FAILED: $program --backend=$backend: $*"
	exit 1
}

# run ARGUMENTS...: output in $dir/out, messages in $dir/err, ends the test unless it succeeds.
run()
{
	# The wrapper, if the program is for another processor, is several words.
	# shellcheck disable=SC2086
	timeout 60 ${MESON_EXE_WRAPPER-} "$program" "--backend=$backend" "$@" \
		>"$dir/out" 2>"$dir/err"
	status=$?
	cat "$dir/err"
	[ $status -ne 77 ] || exit 77
	[ $status -eq 0 ] || fail "status $status"
}

# Standard input is what the program must have printed.
expect()
{
	cat >"$dir/expected"
	diff -u "$dir/expected" "$dir/out" || fail "it printed something else"
}

check_01()
{
	run
	expect <<-END
	page 5 is missing, read
	page 2 is missing, write
	page 0 is missing, read
	page 7 is missing, write
	done: page 1 has 0, page 2 has 1
	END
}

# part OFFSET LENGTH PAGES: that part of the file, at the cost of so many pages.
part()
{
	run "$dir/file" "$1" "$2"
	tail -c +$(($1 + 1)) "$dir/file" | head -c "$2" | cmp - "$dir/out" ||
		fail "offset $1, length $2: other bytes than the file's"
	grep -q "^$3 of 11 pages loaded" "$dir/err" || fail "not $3 pages loaded"
}

check_02()
{
	# Ten pages and a half, no two of them alike.
	seq -w 1 999999 | head -c $((page * 21 / 2)) >"$dir/file"
	part 0 1 1
	part $((page - 1)) 2 2
	part $((page * 3)) $((page * 4)) 4
	part $((page * 10 + 7)) $((page / 2 - 7)) 1
	part 0 $((page * 21 / 2)) 11
	part 5 0 0
}

check_03()
{
	run 3
	for number in 0 1 2; do
		start=$((number * page))
		letter=$(echo ABC | cut -c $((number + 1)))
		printf '    fault %d: offset 0x%x, flags 0\n' $number $start
		for at in $(seq $((start + 15)) 1024 $((start + page - 1))); do
			printf 'offset 0x%x reads %s\n' "$at" "$letter"
		done
	done | expect
}

check_04()
{
	run
	expect <<-END
	2 threads stopped at the page
	one copy: all of the page was filled: yes
	thread 1 saw x
	thread 2 saw x
	another copy: refused, it exists; the page still has x
	END
}

# With the kernel denied, where it is the engine alone that serves.
check_manager()
{
	[ -z "${MESON_EXE_WRAPPER-}" ] || {
		echo "no emulator lets a fork of several threads start threads"
		exit 77
	}
	set -- "$program" "--backend=$backend" 8 20
	case $backend in
	engine) set -- "${program%/*}/../userfault" run --deny-kernel --bare -- "$@" ;;
	mixed) set -- "$program" 8 20 mixed ;;
	esac
	timeout 100 "$@" >"$dir/out" 2>&1
	status=$?
	cat "$dir/out"
	[ $status -ne 77 ] || exit 77
	[ $status -eq 0 ] || fail "status $status"
	grep -q '^8 programs, [1-9].* forks, [1-9].* moves, [1-9].*: all of it was right$' \
		"$dir/out" || fail "it printed something else"
}

case ${program##*/} in
*01-*) check_01 ;;
*02-*) check_02 ;;
*03-*) check_03 ;;
*04-*) check_04 ;;
manager) check_manager ;;
*) fail "there is no test of it" ;;
esac
