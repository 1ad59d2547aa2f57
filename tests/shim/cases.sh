#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
# usage: cases.sh PROGRAM GROUP [COMMAND...]: every case of the group, each in a process of its
# own, behind COMMAND. Skips are told; if nothing but skips is left, so is the whole.
program=$1
group=$2
shift 2

passed=0
skipped=0
failed=0
for case in $("$program" | grep "^$group\."); do
	"$@" "$program" "$case"
	status=$?
	case $status in
	0) passed=$((passed + 1)) ;;
	77) skipped=$((skipped + 1)) ;;
	*)
		failed=$((failed + 1))
		echo "FAILED ($status): $* $program $case" >&2
		;;
	esac
done
echo "$group: $passed passed, $skipped skipped, $failed failed"
[ $((passed + skipped + failed)) -gt 0 ] || exit 1
[ $failed -eq 0 ] || exit 1
[ $passed -gt 0 ] || exit 77
